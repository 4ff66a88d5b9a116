"""Rules on labels that need the image files: which images are identical, and which are stored rotated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from vision_customization.contract.coco.document import Box, CocoImage, Severity, Violation
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import BOXES_PER_IMAGE_MAX
from vision_customization.customization.datasets.labelled_file import ContentEntry, LabelledFile


def contradictions(files: Sequence[LabelledFile], kind: str) -> list[Violation]:
    """Warnings for identical images with different tags, in a dataset of this kind."""
    if kind == AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION:
        return _differing_copies(files)
    warnings = []
    first: dict[str, tuple[str, str]] = {}
    for file, copies in _copies(files):
        for annotation in file.coco.annotations:
            if annotation.box is not None:
                break
            if annotation.image_id not in copies:
                continue
            image, entry = copies[annotation.image_id]
            tag = file.coco.categories[annotation.category_id]
            other_name, other_tag = first.setdefault(entry.sha256, (image.file_name, tag))
            if other_tag != tag:
                message = f"{image.file_name} ({tag!r}) is the same image as {other_name} ({other_tag!r})"
                warnings.append(Violation(file.coco.name, message, "images", image.index, image.id, Severity.WARNING))
    return warnings


def _differing_copies(files: Sequence[LabelledFile]) -> list[Violation]:
    """Warnings for identical images with different sets of tags: they are uploaded as one image, with the tags of all."""
    warnings = []
    first: dict[str, tuple[str, set[str]]] = {}
    for file, copies in _copies(files):
        tags: defaultdict[int, set[str]] = defaultdict(set)
        for annotation in file.coco.annotations:
            if annotation.image_id in copies:
                tags[annotation.image_id].add(file.coco.categories[annotation.category_id])
        for image, entry in copies.values():
            other_name, other_tags = first.setdefault(entry.sha256, (image.file_name, tags[image.id]))
            if other_tags != tags[image.id]:
                message = (
                    f"{image.file_name} ({_listed(tags[image.id])}) is the same image as {other_name} ({_listed(other_tags)}): "
                    "it gets the tags of both"
                )
                warnings.append(Violation(file.coco.name, message, "images", image.index, image.id, Severity.WARNING))
    return warnings


def _copies(files: Sequence[LabelledFile]) -> Iterator[tuple[LabelledFile, dict[int, tuple[CocoImage, ContentEntry]]]]:
    """Each file with those of its images, by their ids, whose content another entry has, too."""
    seen, repeated = set[str](), set[str]()
    for file in files:
        for entry in file.entries:
            (repeated if entry.sha256 in seen else seen).add(entry.sha256)
    for file in files if repeated else ():
        pairs = enumerate(zip(file.coco.images.ids, file.entries, strict=True))
        yield file, {id_: (file.coco.images[index], entry) for index, (id_, entry) in pairs if entry.sha256 in repeated}


def _listed(tags: set[str]) -> str:
    return ", ".join(repr(tag) for tag in sorted(tags)) or "no tag"


def crowded(files: Sequence[LabelledFile]) -> list[Violation]:
    """Errors for images that are listed several times and together have too many boxes: they are uploaded as one image."""
    boxes: dict[str, set[tuple[str, Box]]] = {}
    violations = []
    for file, copies in _copies(files):
        for annotation in file.coco.annotations:
            if annotation.box is None:
                break
            if annotation.image_id not in copies:
                continue
            image, entry = copies[annotation.image_id]
            found = boxes.setdefault(entry.sha256, set())
            before = len(found)
            found.add((file.coco.categories[annotation.category_id], annotation.box))
            if before == BOXES_PER_IMAGE_MAX < len(found):
                message = f"{image.file_name} and its copies have more than {BOXES_PER_IMAGE_MAX:,} boxes together"
                violations.append(Violation(file.coco.name, message, "images", image.index, image.id))
    return violations


def unturned(files: Sequence[LabelledFile]) -> list[Violation]:
    """Warnings for boxes of images that are stored rotated, if the COCO file has the size before the rotation: the boxes may
    have been drawn on that version."""
    warnings = []
    for file in files:
        boxed = {annotation.image_id for annotation in file.coco.annotations if annotation.box is not None}
        for image, entry in () if not boxed else zip(file.coco.images, file.entries, strict=True):
            if image.id in boxed and (image.width, image.height) != (entry.width, entry.height):
                message = (
                    f"{image.file_name} is stored rotated (EXIF orientation), but width and height are those before the "
                    "rotation: "
                    f"its boxes are read as fractions of the upright image, which is {entry.width} × {entry.height} px"
                )
                warnings.append(Violation(file.coco.name, message, "images", image.index, image.id, Severity.WARNING))
    return warnings
