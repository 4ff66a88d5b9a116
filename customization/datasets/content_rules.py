"""Rules on labels that show once the image files are read: which images are one and the same, and which are stored turned."""

from __future__ import annotations

from collections.abc import Sequence

from vision_customization.contract.coco.document import Box, Severity, Violation
from vision_customization.contract.limits import BOXES_PER_IMAGE_MAX
from vision_customization.customization.datasets.labelled_file import LabelledFile


def contradictions(files: Sequence[LabelledFile]) -> list[Violation]:
    """Warnings on one and the same image under two classification tags."""
    warnings = []
    first: dict[str, tuple[str, str]] = {}
    for file in files:
        by_id = {image.id: (image, entry) for image, entry in zip(file.coco.images, file.entries, strict=True)}
        for annotation in file.coco.annotations:
            if annotation.box is not None:
                break
            image, entry = by_id[annotation.image_id]
            tag = file.coco.categories[annotation.category_id]
            other_name, other_tag = first.setdefault(entry.sha256, (image.file_name, tag))
            if other_tag != tag:
                message = f"{image.file_name} ({tag!r}) is the same image as {other_name} ({other_tag!r})"
                warnings.append(Violation(file.coco.name, message, "images", image.index, image.id, Severity.WARNING))
    return warnings


def crowded(files: Sequence[LabelledFile]) -> list[Violation]:
    """Errors on images that are listed several times, and have too many boxes together: they are uploaded as one."""
    boxes: dict[str, set[tuple[str, Box]]] = {}
    violations = []
    for file in files:
        by_id = {image.id: (image, entry) for image, entry in zip(file.coco.images, file.entries, strict=True)}
        for annotation in file.coco.annotations:
            if annotation.box is None:
                break
            image, entry = by_id[annotation.image_id]
            found = boxes.setdefault(entry.sha256, set())
            before = len(found)
            found.add((file.coco.categories[annotation.category_id], annotation.box))
            if before == BOXES_PER_IMAGE_MAX < len(found):
                message = f"{image.file_name} and its copies have more than {BOXES_PER_IMAGE_MAX:,} boxes together"
                violations.append(Violation(file.coco.name, message, "images", image.index, image.id))
    return violations


def unturned(files: Sequence[LabelledFile]) -> list[Violation]:
    """Warnings on boxes of images that are stored turned, where the file states the size of the unturned image: perhaps they
    were drawn on that one."""
    warnings = []
    for file in files:
        boxed = {annotation.image_id for annotation in file.coco.annotations if annotation.box is not None}
        for image, entry in zip(file.coco.images, file.entries, strict=True):
            if image.id in boxed and (image.width, image.height) != (entry.width, entry.height):
                message = (
                    f"{image.file_name} is stored rotated (EXIF orientation), but width and height are those before the "
                    "rotation: "
                    f"its boxes are read as fractions of the upright image, which is {entry.width} × {entry.height} px"
                )
                warnings.append(Violation(file.coco.name, message, "images", image.index, image.id, Severity.WARNING))
    return warnings
