"""Labels for object detection: images with the boxes of their objects."""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from vision_customization.contract.coco.boxes import bbox_problem, cut_to_image, is_crowd, no_bbox_problem
from vision_customization.contract.coco.document import Violation
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.limits import BOXES_PER_IMAGE_MAX, DATASET_LIMITS
from vision_customization.engine.annotations.files import (
    DATASET,
    AnnotationFile,
    Findings,
    beyond_limits,
    read_files,
)
from vision_customization.engine.annotations.images import BoxedImages, FirstOfUrl, ImageEntries


@dataclass(frozen=True, slots=True)
class BoxedAnnotations:
    """The merged annotation files of a dataset. Tags without boxes are left out; images without boxes are kept. Tags are
    sorted, so that the order of files and entries makes no difference."""

    tags: tuple[str, ...]
    images: BoxedImages


def read_detection(files: Sequence[tuple[str, BinaryIO]], purpose: Purpose) -> BoxedAnnotations:
    """Merge annotation files: categories by their names, images by their URLs.

    A duplicate object (same image, tag and box) counts once; a crowd (`iscrowd`) is not an object. A box that extends over the
    image's edge through rounding, by `vision_customization.contract.coco.boxes.ROUNDING_TOLERANCE` at most, is clipped.

    Args:
        files: name (for messages) and content of each, which is read several times.
        purpose: training or evaluation, which have different limits.

    Raises:
        AnnotationError: names the first violations.
    """
    findings = Findings(DATASET_LIMITS[AnnotationKind.IMAGE_OBJECT_DETECTION.value, purpose])
    merged = _Merged()
    for file in read_files(files, findings, merged.entries):
        merged.add(file)
    annotations = merged.annotations()
    findings.conclude(lambda: _beyond_limits(annotations, findings, purpose))
    return annotations


class _Merged:
    """The files read so far. Tags are numbered in the order in which they appear."""

    def __init__(self) -> None:
        self.entries = ImageEntries()
        self._first_of_url = FirstOfUrl(self.entries)
        self._first_of = array("I")
        self._tags: dict[str, int] = {}
        self._owners, self._labels, self._sides = array("I"), array("i"), array("d")
        """Of each box: its entry, its tag, and its left, top, width and height."""

    def add(self, file: AnnotationFile) -> None:
        self._first_of.extend(map(self._first_of_url.setdefault, file.images))
        unboxed: list[tuple[int, int]] = []
        boxed = False
        for annotation in file.annotations():
            found = bbox_of(annotation.entry)
            boxed |= found.state.tells_of_boxes
            if found.state is BboxState.ABSENT:
                unboxed.append((annotation.index, annotation.id))
            elif found.fault is not None:
                file.refuse(found.fault, "annotations", annotation.index, annotation.id)
            elif found.box is not None:
                self._owners.append(self._first_of[annotation.image])
                self._labels.append(self._tags.setdefault(annotation.tag, len(self._tags)))
                self._sides.extend(found.box)
        if unboxed and not boxed:
            file.refuse(no_bbox_problem(len(unboxed)), "annotations")
        else:
            for index, id_ in unboxed:
                file.refuse(bbox_problem(None) or "", "annotations", index, id_)

    def annotations(self) -> BoxedAnnotations:
        tags = sorted(self._tags)
        position_of = np.zeros(len(tags), np.int32)
        position_of[[self._tags[tag] for tag in tags]] = np.arange(len(tags))
        owners = np.array(self._owners, np.uint32)
        labels = position_of[np.array(self._labels, np.int64)]
        sides = np.array(self._sides, np.float64).reshape(-1, 4)
        order = np.lexsort((*sides.T[::-1], labels, owners))
        owners, labels, sides = owners[order], labels[order], sides[order]
        new = np.ones(len(owners), bool)
        new[1:] = (owners[1:] != owners[:-1]) | (labels[1:] != labels[:-1]) | (sides[1:] != sides[:-1]).any(axis=1)
        first = np.array(self._first_of, np.uint32)
        images = BoxedImages(
            self.entries,
            np.flatnonzero(first == np.arange(len(first), dtype=np.uint32)).astype(np.uint32),
            np.searchsorted(owners[new], np.arange(len(self.entries) + 1)),
            labels[new],
            sides[new],
        )
        return BoxedAnnotations(tuple(tags), images)


def _beyond_limits(annotations: BoxedAnnotations, findings: Findings, purpose: Purpose) -> list[Violation]:
    if not annotations.tags:
        return [no_object(purpose)]
    counts = Counter(chain.from_iterable(annotations.images.labels()))
    count_of = {tag: counts[index] for index, tag in enumerate(annotations.tags)}
    return [
        *beyond_limits(len(annotations.images), count_of, "object", findings.limits, purpose),
        *(
            Violation(annotations.images[position].place, fault)
            for position, boxes in enumerate(annotations.images.counts())
            if (fault := box_count_fault(boxes)) is not None
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
