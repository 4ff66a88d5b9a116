"""Thumbnails that jobs make of the images that they decode."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.engine.jobs.drawn import CheapExtractor, Engine
from vision_customization.engine.annotations import TaggedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.images import reading
from vision_customization.engine.jobs.images.embedding import Embedding
from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.jobs.images.plan import Part, Plan
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import ShardDone, Shards
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.store import ObjectsUnavailable
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails
from vision_customization.engine.views.reencoding import Reencoded

IMAGES = 20
Keep = Callable[..., tuple[ShardDone, list[str]]]


@pytest.fixture
def keep(engine: Engine) -> Iterator[Keep]:
    """Runs the first shard of images at `urls`; returns its result and its digests."""
    reader = BlobReader(engine.settings.allowed_hosts)

    def run(urls: list[str], objects: FileObjects, thumbnails: KeptThumbnails | None) -> tuple[ShardDone, list[str]]:
        extractor = CheapExtractor()
        kept = KeptFeatures(objects, extractor.key, extractor.dimensions)
        resources = Resources(engine.store, objects, reader, extractor, kept, decoders=2, thumbnails=thumbnails)
        images = tuple(TaggedImage(url, 0, f"a.json: images[{index}]") for index, url in enumerate(urls))
        plan = Plan((Part("thumbnails", ("a", "b"), images, Access(None, False, ()), (10, 10_240)),))
        shards = Shards(resources, Embedding(resources), "thumbnails", plan, lambda: None)
        done = shards.keep(plan.shards[0])
        return done, [digest for _, digest in shards.digests(0, 1)]

    yield run
    reader.close()


def content(engine: Engine, url: str) -> bytes:
    return engine.blobs.blobs[url.removeprefix(engine.blobs.url)]


def stored(objects: FileObjects, digests: list[str]) -> list[Reencoded]:
    found = [KeptThumbnails(objects).get(digest) for digest in digests]
    return [thumbnail for thumbnail in found if thumbnail is not None]


def test_every_decoded_image_gets_a_thumbnail(engine: Engine, keep: Keep, tmp_path: Path) -> None:
    urls = engine.dataset("decoded", {"a": IMAGES}, first_seed=50_000)
    objects = FileObjects(tmp_path)
    done, digests = keep(urls, objects, KeptThumbnails(objects))
    assert done["images_embedded"] == IMAGES
    thumbnails = stored(objects, digests)
    assert [(each.width, each.height, each.sha256) for each in thumbnails] == [(96, 96, digest) for digest in digests]
    shown, original = (Image.open(io.BytesIO(data)) for data in (thumbnails[0].data, content(engine, urls[0])))
    assert np.abs(np.asarray(shown, int) - np.asarray(original, int)).mean() < 12  # most of it is noise


def test_there_are_none_where_nobody_looks(engine: Engine, keep: Keep, tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    keep(engine.dataset("nobody", {"a": IMAGES}, first_seed=51_000), objects, None)
    assert objects.names("thumbnails") == []


def test_no_image_is_decoded_for_its_thumbnail(engine: Engine, keep: Keep, tmp_path: Path) -> None:
    urls = engine.dataset("unchanged", {"a": IMAGES}, first_seed=52_000)
    objects = FileObjects(tmp_path)
    keep(urls, objects, None)
    done, _ = keep(urls, objects, KeptThumbnails(objects))
    assert done["images_read"] == 0
    assert objects.names("thumbnails") == []


def test_an_image_that_is_read_again_gets_the_one_that_it_lacks(engine: Engine, keep: Keep, tmp_path: Path) -> None:
    urls = engine.dataset("again", {"a": IMAGES}, first_seed=53_000)
    objects = FileObjects(tmp_path)
    keep(urls, objects, None)
    elsewhere = [engine.blobs.put(f"/account/elsewhere{url.rsplit('/', 1)[1]}", content(engine, url)) for url in urls]
    done, digests = keep(elsewhere, objects, KeptThumbnails(objects))
    assert (done["images_read"], done["images_embedded"]) == (IMAGES, 0)
    assert len(stored(objects, digests)) == IMAGES


def test_a_stored_thumbnail_is_not_made_again(
    engine: Engine, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = engine.dataset("once", {"a": IMAGES}, first_seed=54_000)
    first, second = FileObjects(tmp_path / "1"), FileObjects(tmp_path / "2")
    keep(urls, first, KeptThumbnails(first))
    monkeypatch.setattr(reading, "jpeg", lambda *_: pytest.fail("a thumbnail was made again"))
    done, _ = keep(urls, second, KeptThumbnails(first))  # its features are not stored here
    assert done["images_embedded"] == IMAGES


class Refusing(FileObjects):
    """Refuses one kind of call for thumbnails."""

    def __init__(self, root: Path, refused: str) -> None:
        super().__init__(root)
        self._refused = refused

    def exists(self, key: str) -> bool:
        self._check("exists", key)
        return super().exists(key)

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        self._check("put", key)
        super().put(key, data, durable=durable)

    def _check(self, call: str, key: str) -> None:
        if call == self._refused and key.startswith("thumbnails"):
            raise ObjectsUnavailable("refused")


def unavailable(*_: object) -> None:
    raise OSError("encoder jpeg not available")


@pytest.mark.parametrize("failing", ["exists", "put", "encoding"])
def test_no_job_fails_for_a_thumbnail(
    failing: str, engine: Engine, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    urls = engine.dataset(f"failing-{failing}", {"a": IMAGES}, first_seed=55_000)
    objects = Refusing(tmp_path, failing)
    if failing == "encoding":
        monkeypatch.setattr(reading, "jpeg", unavailable)
    done, digests = keep(urls, objects, KeptThumbnails(objects))
    assert (done["images_embedded"], len(digests)) == (IMAGES, IMAGES)
    assert objects.names("thumbnails") == []
    assert "thumbnail" in caplog.text
