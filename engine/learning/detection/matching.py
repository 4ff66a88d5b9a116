"""Decides which detections hit an object of their tag: pure functions, by the rule of the hosted service."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.boxes import Detections, LabelledBoxes

_PAIRS_AT_ONCE = 2_000_000  # pairs of boxes, each a few hundred bytes while their overlap is computed
_SERVICE_MARGIN = 1e-5
_OVERLAP_LEAST = 0.01

Hits = NDArray[np.bool_]
_Indices = NDArray[np.int64]
_Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of all images in one sequence. Objects are sorted by group, detections by falling score; equal ones keep their
    order. A group is an image and a tag."""

    tags: int
    objects: _Numbers
    """float64 [m, 4]."""
    object_groups: _Indices
    """int64 [m]: image × tags + tag."""
    detections: _Numbers
    """float64 [n, 4]."""
    detection_groups: _Indices
    scores: _Numbers
    """float64 [n]."""

    @cached_property
    def objects_by_tag(self) -> list[int]:
        """How many objects each tag has."""
        counts: list[int] = np.bincount(self.object_groups % self.tags, minlength=self.tags).tolist()
        return counts

    @cached_property
    def detections_by_tag(self) -> list[_Indices]:
        """The detections of each tag, by falling score."""
        labels = self.detection_groups % self.tags
        order = np.argsort(labels, kind="stable")
        bounds = np.searchsorted(labels[order], np.arange(self.tags + 1)).tolist()
        return [order[begin:end] for begin, end in pairwise(bounds)]


@dataclass(frozen=True, eq=False)
class Matches:
    """Of each detection, in the order of `Boxes`: the object that it matches, int64 [n], −1 for none, and their intersection
    over union, float64 [n]."""

    object: _Indices
    overlap: _Numbers


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Detections and objects of the same group that overlap: three arrays of one length."""

    detection: _Indices
    object: _Indices
    overlap: _Numbers

    def ordered(self, order: NDArray[np.intp]) -> "_Pairs":
        return _Pairs(self.detection[order], self.object[order], self.overlap[order])


def lay_out(truths: Sequence[LabelledBoxes], detections: Sequence[Detections], tags: int) -> Boxes:
    """The boxes of all images in one sequence.

    Args:
        truths: the objects of each image.
        detections: the detections of each image, in the same order of images.
        tags: number of tags.

    Raises:
        ValueError: they do not match, a label is not a position in the tags, or a number is not finite.
    """
    if len(truths) != len(detections):
        raise ValueError(f"objects of {len(truths)} images and detections of {len(detections)}, expected one of each per image")
    for image, (truth, found) in enumerate(zip(truths, detections, strict=True)):
        _check("the objects", image, truth, tags)
        _check("the detections", image, found, tags)
        if found.scores.shape != (len(found),):
            raise ValueError(f"scores of image {image} are {found.scores.shape}, expected ({len(found)},)")
        if not np.isfinite(found.scores).all():
            raise ValueError(f"scores of image {image} are not all finite")
    object_groups, objects = _groups(truths, tags), _corners(truths)
    detection_groups, found_corners = _groups(detections, tags), _corners(detections)
    scores = np.concatenate([np.empty(0), *(found.scores for found in detections)], dtype=np.float64)
    by_group = np.argsort(object_groups, kind="stable")
    by_score = np.argsort(-scores, kind="stable")
    return Boxes(
        tags,
        objects[by_group],
        object_groups[by_group],
        found_corners[by_score],
        detection_groups[by_score],
        scores[by_score],
    )


def service_hits(boxes: Boxes, thresholds: Sequence[float]) -> Hits:
    """The rule of PyPI's `vision-evaluation`, in its `MeanAveragePrecisionEvaluatorForSingleIOU`.

    Each detection is compared with the object of its image and tag that it overlaps most (of several, the first). It hits if
    that overlap is at least the threshold, and no detection with a higher score (or an equal one, but earlier) hit the same
    object. So a second detection of an object does not count, and never falls back to another object. Overlaps are
    intersection over union, with each side lengthened by 0.00001.

    Returns:
        bool [thresholds, n], in the order of the detections in `boxes`.
    """
    return np.stack([matches.object >= 0 for matches in service_matches(boxes, thresholds)])


def service_matches(boxes: Boxes, thresholds: Sequence[float]) -> list[Matches]:
    """Which object each detection hits, by the rule of `service_hits`, for each threshold."""
    pairs = _closest(boxes, min(thresholds))
    found = []
    for threshold in thresholds:
        enough = np.flatnonzero(pairs.overlap >= threshold)
        _, first = np.unique(pairs.object[enough], return_index=True)
        found.append(_matches(boxes, pairs.ordered(enough[first])))
    return found


def closest_objects(boxes: Boxes) -> Matches:
    """Which object of its image, of any tag, each detection overlaps most; of several, the first."""
    images = replace(
        boxes,
        tags=1,
        object_groups=boxes.object_groups // boxes.tags,
        detection_groups=boxes.detection_groups // boxes.tags,
    )
    return _matches(boxes, _closest(images, _OVERLAP_LEAST))


def _closest(boxes: Boxes, least: float) -> _Pairs:
    """Each detection with the object of its group that it overlaps most, if by `least` or more; of several, the first."""
    pairs = _pairs(boxes, _SERVICE_MARGIN, least)
    pairs = pairs.ordered(np.lexsort((pairs.object, -pairs.overlap, pairs.detection)))
    return pairs.ordered(np.flatnonzero(_starts(pairs.detection)))


def _matches(boxes: Boxes, pairs: _Pairs) -> Matches:
    objects = np.full(len(boxes.scores), -1, np.int64)
    overlaps = np.zeros(len(boxes.scores))
    objects[pairs.detection], overlaps[pairs.detection] = pairs.object, pairs.overlap
    return Matches(objects, overlaps)


def _check(what: str, image: int, boxes: LabelledBoxes | Detections, tags: int) -> None:
    if boxes.labels.ndim != 1 or boxes.corners.shape != (len(boxes), 4):
        shapes = f"corners {boxes.corners.shape} and labels {boxes.labels.shape}"
        raise ValueError(f"{what} of image {image} have {shapes}, expected (n, 4) and (n,)")
    if not np.isfinite(boxes.corners).all():
        raise ValueError(f"{what} of image {image} have corners that are not finite")
    if len(boxes) and not 0 <= boxes.labels.min() <= boxes.labels.max() < tags:
        wrong = next(label for label in boxes.labels if not 0 <= label < tags)
        raise ValueError(f"{what} of image {image} have label {wrong}, expected 0 to {tags - 1}: a position in {tags} tags")


def _groups(images: Sequence[LabelledBoxes | Detections], tags: int) -> _Indices:
    counts = [len(boxes) for boxes in images]
    labels = np.concatenate([np.empty(0, np.int64), *(boxes.labels for boxes in images)], dtype=np.int64)
    return np.repeat(np.arange(len(images)), counts) * tags + labels


def _corners(images: Sequence[LabelledBoxes | Detections]) -> _Numbers:
    return np.concatenate([np.empty((0, 4)), *(boxes.corners for boxes in images)], dtype=np.float64)


def _pairs(boxes: Boxes, margin: float, least: float) -> _Pairs:
    """The pairs that overlap by `least` or more, with every box made wider and higher by `margin`."""
    starts = np.searchsorted(boxes.object_groups, boxes.detection_groups, side="left")
    counts = np.searchsorted(boxes.object_groups, boxes.detection_groups, side="right") - starts
    some = np.flatnonzero(counts)
    found = []
    for part in np.array_split(some, counts.sum() // _PAIRS_AT_ONCE + 1):
        detection = np.repeat(part, counts[part])
        before = np.cumsum(counts[part]) - counts[part]
        other = np.arange(len(detection)) + np.repeat(starts[part] - before, counts[part])
        overlap = _overlaps(boxes.detections[detection], boxes.objects[other], margin)
        enough = overlap >= least
        found.append(_Pairs(detection[enough], other[enough], overlap[enough]))
    return _Pairs(
        np.concatenate([pairs.detection for pairs in found]),
        np.concatenate([pairs.object for pairs in found]),
        np.concatenate([pairs.overlap for pairs in found]),
    )


def _overlaps(first: _Numbers, second: _Numbers, margin: float) -> _Numbers:
    """Like `boxes.overlaps`, of each box with its counterpart, but with the reference's double precision and order of
    operations, so that overlaps exactly at a threshold, or equal for two objects, give the same result as there."""
    corner, opposite = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    intersection = _areas(corner, opposite, margin)
    union = _areas(first[:, :2], first[:, 2:], margin) + _areas(second[:, :2], second[:, 2:], margin) - intersection
    ratio: _Numbers = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return ratio


def _areas(corner: _Numbers, opposite: _Numbers, margin: float) -> _Numbers:
    sides = np.maximum(opposite - corner + margin, 0)
    product: _Numbers = sides[:, 0] * sides[:, 1]
    return product


def _starts(values: _Indices) -> NDArray[np.bool_]:
    """Whether each value begins a run of equal values."""
    return np.append(True, values[1:] != values[:-1])[: len(values)]
