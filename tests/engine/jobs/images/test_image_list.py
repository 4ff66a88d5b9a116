"""The list of a run's images: where an annotation file is while it is read, and that a cancelled run stops."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from vision_customization.contract.batch_prediction import AzureBlobSource
from vision_customization.contract.datasets import Authentication
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.listing import ListedBlob
from vision_customization.engine.blobs.reader import BlobReader, Spooled
from vision_customization.engine.jobs.errors import JobCancelled
from vision_customization.engine.jobs.images import image_list
from vision_customization.engine.jobs.images.image_list import LIST_IMAGES, ContainerImages, ImageLists, dataset_images
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.cipher import TokenCipher

ACCESS = Access(None, False, ())
HOST = "https://a.blob.core.windows.net/c"


class OneFile(BlobReader):
    """Answers with the same annotation file, whatever is asked for."""

    def __init__(self, images: int, annotations: int = 0) -> None:
        document = {
            "images": [{"id": number, "absolute_url": f"{HOST}/{number}.png"} for number in range(images)],
            "annotations": [{"id": number, "image_id": 0, "category_id": 0} for number in range(annotations)],
        }
        self._data = json.dumps(document).encode()

    def spool(self, _url: str, target: BinaryIO, **_: object) -> Spooled:  # type: ignore[override]
        target.write(self._data)
        return Spooled(hashlib.sha256(self._data).hexdigest(), len(self._data), None)


class Cancelled:
    """A check that raises from call number `last` + 1 on."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls > self.last:
            raise JobCancelled


Urls = Callable[[OneFile, Callable[[], None]], Iterator[str]]


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[Urls]:
    store = Store.open(Settings(data_dir=tmp_path))
    store.datasets.create("d", AnnotationKind.IMAGE_CLASSIFICATION, [f"{HOST}/d.json"])
    dataset = store.datasets.find("d")
    yield lambda reader, check: dataset_images(reader, dataset, ACCESS, check, lambda _why: None, tmp_path / "files")
    store.close()


@pytest.fixture
def lists(tmp_path: Path) -> ImageLists:
    return ImageLists(FileObjects(tmp_path / "objects"), TokenCipher.open(Settings(data_dir=tmp_path)), "job")


def test_an_annotation_file_is_never_in_the_systems_folder(
    urls: Urls, lists: ImageLists, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    images = LIST_IMAGES + 3
    assert lists.put(urls(OneFile(images), lambda: None), lambda: None) == images
    assert list(lists.urls(LIST_IMAGES - 1, images)) == [f"{HOST}/{number}.png" for number in range(LIST_IMAGES - 1, images)]
    assert list((tmp_path / "files").iterdir()) == []


def test_a_run_that_is_cancelled_writes_no_list_after_it(lists: ImageLists, tmp_path: Path) -> None:
    addresses = (f"{HOST}/{number}.png" for number in range(5 * LIST_IMAGES))
    with pytest.raises(JobCancelled):
        lists.put(addresses, Cancelled(2))
    assert FileObjects(tmp_path / "objects").names("jobs/job") == ["images-0000000", "images-0000001"]


@pytest.mark.parametrize(("images", "annotations"), [(20_000, 0), (10, 20_000)])
def test_reading_a_cancelled_runs_dataset_stops_in_the_middle_of_a_file(urls: Urls, images: int, annotations: int) -> None:
    assert sum(1 for _ in urls(OneFile(images, annotations), lambda: None)) == images
    with pytest.raises(JobCancelled):
        list(urls(OneFile(images, annotations), Cancelled(2)))


def test_listing_a_cancelled_runs_container_stops_at_the_next_page(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [[ListedBlob(f"{HOST}/{number}.txt", "text/plain")] for number in range(9)]
    monkeypatch.setattr(image_list, "list_blobs", lambda *_, **__: iter(pages))
    source = AzureBlobSource(container_url=HOST, authentication=Authentication(kind=AuthenticationKind.SAS))
    reader = BlobReader([])
    listed = ContainerImages(reader, source, ACCESS, Cancelled(4), lambda _why: None)
    with pytest.raises(JobCancelled):
        list(listed)
    assert listed.others == 4
    reader.close()
