"""Metrics of a detector: pure functions, equal to PyPI's `vision-evaluation`, which the hosted service measured with.

Boxes are in pixels. Every object counts equally: COCO's crowds and ignored objects do not exist here.
"""

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.models import ModelPerformance
from vision_customization.engine.learning.average_precision import average_precision
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.learning.detection.matching import (
    Boxes,
    lay_out,
    service_hits,
)

CURVE_POINTS = 101

_SERVICE_OVERLAPS = (0.3, 0.5, 0.75)
_DECIMALS = 4

Curve = dict[str, list[float]]


def detection_performance(
    truths: Sequence[LabelledBoxes], detections: Sequence[Detections], tags: Sequence[str]
) -> ModelPerformance:
    """All metrics that the contract reports for a detector, as `vision-evaluation` 0.2.14 computes them with
    `MeanAveragePrecisionEvaluatorForMultipleIOUs`, its evaluator of detectors (not its COCO-like one).

    `matching.service_hits` decides what a detection hits. A tag's average precision is Σ (Rₙ − Rₙ₋₁) · Pₙ over the distinct
    scores in falling order, where recall R is the share of *all* objects of the tag: precision is not interpolated, and objects
    that are never found lower it. It is 0 without a hit. The mean is over the tags that have an object or a detection: a tag
    that is detected but has no object counts as 0, a tag with neither does not count. Without any tag it is 0.

    Args:
        truths: the objects of each image.
        detections: all detections of each image, also those with low scores, in the same order of images.
        tags: names; labels are positions in them.

    Returns:
        `mean_average_precision30`, `50` and `75`: at intersection over union 0.3, 0.5, 0.75. `tag_performance`: each tag's
        `averagePrecision50`, 0 if it has no object.

    Raises:
        ValueError: the images do not match, a label is not a position in the tags, or a number is not finite.
    """
    boxes = lay_out(truths, detections, len(tags))
    hits = service_hits(boxes, _SERVICE_OVERLAPS)
    by_tag = [_average_precisions(boxes, row) for row in hits]
    concerned = [tag for tag in range(len(tags)) if boxes.objects_by_tag[tag] or len(boxes.detections_by_tag[tag])]
    mean30, mean50, mean75 = (float(np.mean([values[tag] for tag in concerned] or [0.0])) for values in by_tag)
    return ModelPerformance(
        mean_average_precision30=mean30,
        mean_average_precision50=mean50,
        mean_average_precision75=mean75,
        tag_performance={tag: {"averagePrecision50": value} for tag, value in zip(tags, by_tag[1], strict=True)},
    )


def precision_recall_curves(
    truths: Sequence[LabelledBoxes], detections: Sequence[Detections], tags: Sequence[str]
) -> dict[str, Curve]:
    """Each tag's precision and recall at every possible threshold, for drawing; ready for JSON.

    Hits are those of `detection_performance` at intersection over union 0.5, so the area under all steps is the tag's
    `averagePrecision50`. Of more than 101 points, only those that shape the line most are kept.

    Returns:
        By tag `precision`, `recall` and `threshold` (detections of this score or a higher one count): lists of one length, by
        falling threshold, with four decimals. They are empty if a tag has no object or no detection.

    Raises:
        ValueError: as in `detection_performance`.
    """
    boxes = lay_out(truths, detections, len(tags))
    [hits] = service_hits(boxes, (0.5,))
    curves = {}
    for index, tag in enumerate(tags):
        objects, own = boxes.objects_by_tag[index], boxes.detections_by_tag[index]
        points = _curve(hits[own], boxes.scores[own], objects) if objects and len(own) else np.empty((0, 3))
        recall, precision, threshold = points.round(_DECIMALS).T.tolist()
        curves[tag] = {"precision": precision, "recall": recall, "threshold": threshold}
    return curves


def _average_precisions(boxes: Boxes, hits: NDArray[np.bool_]) -> list[float]:
    """Of each tag."""
    values = []
    for objects, own in zip(boxes.objects_by_tag, boxes.detections_by_tag, strict=True):
        found = hits[own]
        # average_precision's recall is relative to the objects that were found at all.
        values.append(average_precision(found, boxes.scores[own]) * float(found.sum()) / objects if found.any() else 0.0)
    return values


def _curve(hits: NDArray[np.bool_], scores: NDArray[np.float64], objects: int) -> NDArray[np.float64]:
    """float64 [points, 3]: recall, precision, threshold."""
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    found = np.cumsum(hits)[ends]
    points = np.stack([found / objects, found / (ends + 1), scores[ends]], axis=1)
    return points[_thinned(points[:, :2], CURVE_POINTS)]


def _thinned(line: NDArray[np.float64], count: int) -> list[int]:
    """The points, at most `count`, that a line keeps: its ends, then repeatedly the point farthest from the line through the
    kept points (Douglas & Peucker 1973, by number instead of by tolerance)."""
    kept = {0, len(line) - 1}
    # Farthest first: (−distance, point, where its stretch begins, where it ends).
    farthest = [_farthest(line, 0, len(line) - 1)]
    while farthest and len(kept) < count:
        distance, point, begin, end = heapq.heappop(farthest)
        if distance == 0:
            break
        kept.add(point)
        heapq.heappush(farthest, _farthest(line, begin, point))
        heapq.heappush(farthest, _farthest(line, point, end))
    return sorted(kept)


def _farthest(line: NDArray[np.float64], begin: int, end: int) -> tuple[float, int, int, int]:
    inner = line[begin + 1 : end]
    if not len(inner):
        return 0.0, begin, begin, end
    first, chord = line[begin], line[end] - line[begin]
    along = np.clip((inner - first) @ chord / max(float(chord @ chord), 1e-18), 0, 1)
    distances = np.linalg.norm(inner - first - along[:, None] * chord, axis=1)
    point = int(np.argmax(distances))
    return -float(distances[point]), begin + 1 + point, begin, end
