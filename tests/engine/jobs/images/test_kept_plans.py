"""Plans as objects: in pages, and encrypted."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from vision_customization.engine.annotations import Box, BoxedImage, MultiTaggedImage, TaggedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.jobs.images import kept_plans
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.plan import AnnotatedImage, Part, Plan
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.cipher import TokenCipher

ACCESS = Access(SecretStr("sig=TOPSECRET"), True, ("https://acct.blob.core.windows.net/c",))
BOXES = (Box(0, 0.0, 0.1, 0.5, 1 / 3), Box(1, 0.0, 0.0, 1.0, 1.0))
IMAGES: list[tuple[AnnotatedImage, ...]] = [
    tuple(TaggedImage(f"u{number}", number % 2, f"f: images[{number}]", "ä") for number in range(11)),
    tuple(MultiTaggedImage(f"u{number}", (0, 1)[: number % 3], "p") for number in range(11)),
    tuple(BoxedImage(f"u{number}", BOXES[: number % 3], "p", "n") for number in range(11)),
]


class CountedObjects(FileObjects):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read: list[str] = []

    def get(self, key: str) -> bytes:
        self.read.append(key.rpartition("/")[2])
        return super().get(key)


@pytest.fixture
def cipher(tmp_path: Path) -> TokenCipher:
    return TokenCipher.open(Settings(data_dir=tmp_path))


def plan(images: tuple[AnnotatedImage, ...]) -> Plan:
    return Plan(
        (Part("train", ("a", "b"), images, ACCESS, (10, 10_240)), Part("test", ("a", "b"), images[:3], ACCESS, (10, 99)))
    )


@pytest.mark.parametrize("images", IMAGES)
def test_only_the_pages_that_are_looked_at_are_read(
    images: tuple[AnnotatedImage, ...], tmp_path: Path, cipher: TokenCipher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_plans, "PAGE_IMAGES", 4)
    objects = CountedObjects(tmp_path / "objects")
    Plans(objects, cipher).put("job", plan(images))
    found = Plans(objects, cipher).get("job")
    assert [len(part.images) for part in found.parts] == [11, 3]
    assert objects.read == ["plan"]
    assert (found.parts[0].images[5], found.parts[0].images[-1]) == (images[5], images[-1])
    assert objects.read == ["plan", "plan-0-00001", "plan-0-00002"]
    assert found.parts[0].images[3:9] == images[3:9]
    assert found == plan(images)


def test_pages_are_encrypted(tmp_path: Path, cipher: TokenCipher) -> None:
    objects = CountedObjects(tmp_path / "objects")
    Plans(objects, cipher).put("job", plan(IMAGES[0]))
    for key in ("jobs/job/plan", "jobs/job/plan-0-00000"):
        cipher.decrypt_bytes(objects.get(key))
