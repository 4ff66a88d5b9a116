"""Labels for object detection: images with the boxes of their objects."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from vision_customization.contract.coco.boxes import bbox_problem, cut_to_image, is_crowd, no_bbox_problem
from vision_customization.contract.coco.document import Violation
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.limits import BOXES_PER_IMAGE_MAX, DATASET_LIMITS
from vision_customization.engine.annotations.files import (
    DATASET,
    AnnotationFile,
    FileAnnotation,
    Findings,
    beyond_limits,
    read_files,
)


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """The box of an object. `label` is a position in `BoxedAnnotations.tags`; the rest are fractions 0…1 of the upright image's
    sides, with `left + width` and `top + height` at most 1, and `width` and `height` greater than 0."""

    label: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class BoxedImage:
    """An image and its objects, sorted, without duplicates. An image without objects teaches what is background. `place` is the
    image's first place in the files, for messages, and `file_name` its name there, or empty."""

    url: str
    boxes: tuple[Box, ...]
    place: str
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class BoxedAnnotations:
    """The merged annotation files of a dataset. Tags without boxes are left out; images without boxes are kept. Tags are
    sorted, so that the order of files and entries makes no difference."""

    tags: tuple[str, ...]
    images: tuple[BoxedImage, ...]


def read_detection(files: Sequence[tuple[str, bytes]], purpose: Purpose) -> BoxedAnnotations:
    """Merge annotation files: categories by their names, images by their URLs.

    A duplicate object (same image, tag and box) counts once; a crowd (`iscrowd`) is not an object. A box that extends over the
    image's edge through rounding, by `vision_customization.contract.coco.boxes.ROUNDING_TOLERANCE` at most, is clipped.

    Args:
        files: name (for messages) and content of each.
        purpose: training or evaluation, which have different limits.

    Raises:
        AnnotationError: names the first violations.
    """
    findings = Findings(DATASET_LIMITS[AnnotationKind.IMAGE_OBJECT_DETECTION.value, purpose])
    merged = _Merged()
    for file in read_files(files, findings):
        merged.add(file)
    annotations = merged.annotations()
    findings.conclude(lambda: _beyond_limits(annotations, findings, purpose))
    return annotations


@dataclass(slots=True)
class _Image:
    place: str
    file_name: str
    boxes: set[Box] = field(default_factory=set)


@dataclass
class _Merged:
    """The files read so far. Tags are numbered in the order in which they appear."""

    tags: dict[str, int] = field(default_factory=dict)
    images: dict[str, _Image] = field(default_factory=dict)

    def add(self, file: AnnotationFile) -> None:
        for url, place, name in file.images.values():
            self.images.setdefault(url, _Image(place, name))
        unboxed: list[FileAnnotation] = []
        boxed = False
        for annotation in file.annotations():
            found = bbox_of(annotation.entry)
            boxed |= found.state.tells_of_boxes
            if found.state is BboxState.ABSENT:
                unboxed.append(annotation)
            elif found.fault is not None:
                file.refuse(found.fault, "annotations", annotation.index, annotation.id)
            elif found.box is not None:
                label = self.tags.setdefault(annotation.tag, len(self.tags))
                self.images[file.images[annotation.image_id].url].boxes.add(Box(label, *found.box))
        if unboxed and not boxed:
            file.refuse(no_bbox_problem(len(unboxed)), "annotations")
        else:
            for annotation in unboxed:
                file.refuse(bbox_problem(None) or "", "annotations", annotation.index, annotation.id)

    def annotations(self) -> BoxedAnnotations:
        tags = sorted(self.tags)
        number = {self.tags[tag]: index for index, tag in enumerate(tags)}
        images = (
            BoxedImage(
                url,
                tuple(sorted(Box(number[box.label], box.left, box.top, box.width, box.height) for box in image.boxes)),
                image.place,
                image.file_name,
            )
            for url, image in self.images.items()
        )
        return BoxedAnnotations(tuple(tags), tuple(images))


def _beyond_limits(annotations: BoxedAnnotations, findings: Findings, purpose: Purpose) -> list[Violation]:
    if not annotations.tags:
        return [no_object(purpose)]
    counts = Counter(box.label for image in annotations.images for box in image.boxes)
    count_of = {tag: counts[index] for index, tag in enumerate(annotations.tags)}
    return [
        *beyond_limits(len(annotations.images), count_of, "object", findings.limits, purpose),
        *(
            Violation(image.place, fault)
            for image in annotations.images
            if (fault := box_count_fault(len(image.boxes))) is not None
        ),
    ]


class BboxState(IntEnum):
    """What an annotation has for a box."""

    GOOD = 0
    CROWD = 1
    """It is not an object."""
    ABSENT = 2
    BROKEN = 3
    UNCLEAR = 4
    """It may be a crowd."""

    @property
    def tells_of_boxes(self) -> bool:
        """Whether its file is one for detection, so that an annotation without a box is a mistake in it."""
        return self in (BboxState.GOOD, BboxState.CROWD, BboxState.BROKEN)


class FoundBbox(NamedTuple):
    """`box` is left, top, width and height of a good one, clipped to the image."""

    state: BboxState
    fault: str | None = None
    box: tuple[float, float, float, float] | None = None


def bbox_of(entry: Mapping[str, Any]) -> FoundBbox:
    """The box of an annotation."""
    try:
        if is_crowd(entry):
            return FoundBbox(BboxState.CROWD)
    except ValueError as error:
        return FoundBbox(BboxState.UNCLEAR, str(error))
    bbox = cut_to_image(entry.get("bbox"))
    if bbox is None:
        return FoundBbox(BboxState.ABSENT)
    if fault := bbox_problem(bbox):
        return FoundBbox(BboxState.BROKEN, fault)
    assert isinstance(bbox, list)
    left, top, width, height = map(float, bbox)
    return FoundBbox(BboxState.GOOD, None, (left, top, width, height))


def no_object(purpose: Purpose) -> Violation:
    return Violation(DATASET, f"has no object with a bbox; {purpose} needs at least one")


def box_count_fault(boxes: int) -> str | None:
    """Why an image can't have so many boxes; None if it can."""
    if boxes <= BOXES_PER_IMAGE_MAX:
        return None
    return f"has {boxes:,} boxes, but at most {BOXES_PER_IMAGE_MAX:,} are allowed"
