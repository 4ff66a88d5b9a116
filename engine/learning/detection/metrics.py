"""Metrics of a detector: pure functions, equal to PyPI's `vision-evaluation`, which the hosted service measured with.

Boxes are in pixels. Every object counts equally: COCO's crowds and ignored objects do not exist here.
"""

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
from vision_customization.engine.learning.precision_recall import Curve, precision_recall_curve

_SERVICE_OVERLAPS = (0.3, 0.5, 0.75)


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
    return tag_curves(boxes, hits, tags)


def tag_curves(boxes: Boxes, hits: NDArray[np.bool_], tags: Sequence[str]) -> dict[str, Curve]:
    """`precision_recall_curves` of boxes that are laid out, and of the detections that hit, bool [n]."""
    curves = {}
    for index, tag in enumerate(tags):
        objects, own = boxes.objects_by_tag[index], boxes.detections_by_tag[index]
        curves[tag] = precision_recall_curve(hits[own], boxes.scores[own], objects)
    return curves


def _average_precisions(boxes: Boxes, hits: NDArray[np.bool_]) -> list[float]:
    """Of each tag."""
    values = []
    for objects, own in zip(boxes.objects_by_tag, boxes.detections_by_tag, strict=True):
        found = hits[own]
        # average_precision's recall is relative to the objects that were found at all.
        values.append(average_precision(found, boxes.scores[own]) * float(found.sum()) / objects if found.any() else 0.0)
    return values
