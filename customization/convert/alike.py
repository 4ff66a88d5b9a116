"""Which of labelled images are near-duplicates of each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vision_customization.customization.convert.images.content import PHOTO_FORMATS, format_of
from vision_customization.customization.convert.images.photos import jpeg_of
from vision_customization.customization.convert.labelled import LabelledImages
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_reading import read_miniatures


def groups_alike(
    images: LabelledImages, copied: Mapping[Path, Path] | None = None, cache: DigestCache | None = None
) -> list[list[str]]:
    """Groups of near-duplicates, by the SHA-256 of the images; the same for any order and names of the files.

    Args:
        copied: the files of images that are not at their paths yet.
    """
    from vision_customization.common.near_duplicates import groups, near_pairs  # numpy takes 0.1 s

    copied = copied or {}
    files = {image.sha256: copied.get(image.path, image.path) for image in images.images}
    miniatures = sorted(read_miniatures(files, cache, _encoded).items())
    return [[miniatures[index][0] for index in group] for group in groups(near_pairs([small for _, small in miniatures]))]


def _encoded(path: Path) -> bytes:
    return jpeg_of(path) if format_of(path) in PHOTO_FORMATS else path.read_bytes()
