"""One folder per tag: `hemlock/1.jpg`, `cherry/2.jpg`."""

from __future__ import annotations

from pathlib import Path

from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import FoundImage, LabelledImages, Progress, finish, image_files
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed


def read_folders(source: Path, cache: DigestCache | None = None, on_progress: Progress | None = None) -> LabelledImages:
    """Read images for classification. A folder's name is the tag of every image in it and in its subfolders.

    Raises:
        ConversionFailed
    """
    if not source.is_dir():
        raise ConversionFailed([f"{source}: is not a folder"])
    problems, found = [], []
    for path in image_files(source):
        tag, *inner = path.relative_to(source).parts
        if inner:
            item = FoundImage(path, str(path))
            item.add(tag, None, str(path))
            found.append(item)
        else:
            problems.append(f"{path}: is not in a tag's folder")
    return finish(
        AnnotationKind.IMAGE_CLASSIFICATION, sorted({item.labels[0][0] for item in found}), found, problems, cache, on_progress
    )
