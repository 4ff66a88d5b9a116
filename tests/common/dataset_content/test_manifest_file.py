"""A manifest that is written without holding it in memory is the one that is held."""

import io
import random
import sqlite3
from pathlib import Path

import pytest

from vision_customization.common.dataset_content.manifest import manifest_of
from vision_customization.common.dataset_content.manifest_file import Annotation, ManifestFile
from vision_customization.contract.enums import AnnotationKind


@pytest.mark.parametrize("kind", list(AnnotationKind))
def test_it_is_byte_for_byte_the_same(kind: AnnotationKind, tmp_path: Path) -> None:
    random_ = random.Random(kind)
    boxed = kind is AnnotationKind.IMAGE_OBJECT_DETECTION
    box = (0.1, 0.2, 0.3, 0.4) if boxed else None

    def labels() -> list[Annotation]:
        return [(random_.choice(["ash", "Ösche", '"', "桜"]), box) for _ in range(random_.randrange(4))]

    images = [(f"{random_.randrange(400):064x}", labels()) for _ in range(500)]
    several = {sha256 for sha256, _ in images if sum(other == sha256 for other, _ in images) > 1}
    whole = manifest_of(kind, images)
    target = io.BytesIO()
    # Of an image that comes once, one tag more than once is not a label of a whole image.
    single = [(sha256, own if boxed or sha256 in several else list(dict.fromkeys(own))) for sha256, own in images]
    with ManifestFile(tmp_path, kind, several) as manifest:
        assert list(tmp_path.iterdir()) == [], "its file has no name"
        for start in range(0, len(single), 64):
            manifest.add(single[start : start + 64])
        digest = manifest.finish()
        manifest.write(target)
        assert dict(sorted(manifest.tags.items())) == manifest_of(kind, single).tags
    expected = whole if boxed else manifest_of(kind, single)
    assert (digest, target.getvalue()) == (expected.digest, expected.to_bytes())


def test_its_file_is_in_the_folder(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        ManifestFile(tmp_path / "absent", AnnotationKind.IMAGE_CLASSIFICATION)
