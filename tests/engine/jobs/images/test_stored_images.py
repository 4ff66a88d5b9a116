"""The order of a part's images: it does not depend on the plan's order, and reads each page of the plan once at most."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from vision_customization.engine.annotations import MultiTaggedImage, TaggedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.jobs.images import kept_plans
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.plan import AnnotatedImage, Part, Plan
from vision_customization.engine.jobs.images.stored_images import StoredImages
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.cipher import TokenCipher

PAGE_IMAGES = 8
IMAGES = 12 * PAGE_IMAGES


class CountedObjects(FileObjects):
    """Counts how often each object is read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []

    def get(self, key: str) -> bytes:
        self.read.append(key)
        return super().get(key)


class Digests:
    """Plays shards whose digests are known."""

    def __init__(self, images: Sequence[AnnotatedImage], digests: Sequence[str]) -> None:
        self._images = images
        self._digests = digests

    def digests(self, _part: int, _count: int) -> Iterator[tuple[AnnotatedImage, str]]:
        return zip(self._images, self._digests, strict=True)


def tagged(number: int) -> AnnotatedImage:
    return TaggedImage(f"https://h/{number:03d}?sig=x", number % 2, "p")


def multi_tagged(number: int) -> AnnotatedImage:
    return MultiTaggedImage(f"https://h/{number:03d}?sig=x", ((0,), (1,), (0, 1), ())[number % 4], "p")


def digest_of(number: int) -> str:
    """Each image has four others that are equal to it, far from it in the plan; every seventh has none."""
    return f"{number if number % 7 == 0 else 1000 + number % 19:064x}"


@pytest.mark.parametrize("made", [tagged, multi_tagged])
def test_equal_images_are_told_apart_without_reading_a_page_twice(
    made: Callable[[int], AnnotatedImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_plans, "PAGE_IMAGES", PAGE_IMAGES)
    objects = CountedObjects(tmp_path / "objects")
    plans = Plans(objects, TokenCipher.open(Settings(data_dir=tmp_path)))
    found = []
    for seed in (0, 1):
        numbers = np.random.default_rng(seed).permutation(IMAGES).tolist()
        access = Access(SecretStr("sig=x"), False, ())
        images = tuple(map(made, numbers))
        plans.put(str(seed), Plan((Part("d", ("a", "b"), images, access, (10, 99)),)))
        paged = plans.get(str(seed)).parts[0].images
        objects.read.clear()
        kept: Any = None
        shards: Any = Digests(images, [digest_of(number) for number in numbers])
        stored = StoredImages(kept, shards, paged, 0, 1, 2)
        assert len(objects.read) == len(set(objects.read)) == IMAGES // PAGE_IMAGES
        names = stored.names(np.arange(len(stored)))
        found.append(([(name.url, name.sha256) for name in names], list(stored.tags_of_each())))
    assert found[0] == found[1]
    keys = [(*([tags] if made is tagged else []), sha256, tags, url) for (url, sha256), tags in zip(*found[0], strict=True)]
    assert keys == sorted(keys)
    assert len({sha256 for _, sha256 in found[0][0]}) < IMAGES / 2
