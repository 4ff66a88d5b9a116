"""The outcomes of a detector: pure functions."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.learning.detection.matching import closest_objects, lay_out, service_matches
from vision_customization.engine.learning.detection.metrics import tag_curves
from vision_customization.engine.learning.precision_recall import Curve, precision_recall_curve
from vision_customization.engine.models.answers import CONFIDENCE_LEAST
from vision_customization.engine.outcomes.outcomes import (
    FALSE,
    HIT,
    MISSED,
    ConfusionCounts,
    ImageName,
    ImageOutcome,
    Outcomes,
    right,
    rounded,
)

_OVERLAP = 0.5


def detected(
    images: Sequence[ImageName],
    sizes: Sequence[tuple[float, float]],
    truths: Sequence[LabelledBoxes],
    detections: Sequence[Detections],
    tags: Sequence[str],
) -> Outcomes:
    """The outcomes of a detector, by falling sum of the missed objects and the confidences of false detections.

    Hits are those of `detection_performance` at intersection over union 0.5. Detections below a threshold count for the curves
    only: the one with the highest F1 on these images, at least that of analyze.

    Args:
        images: the n images.
        sizes: width and height of each, in the unit of the boxes.
        truths: the objects of each image.
        detections: the detections of each image.
    """
    boxes = lay_out(truths, detections, len(tags))
    [hits], closest = service_matches(boxes, (_OVERLAP,)), closest_objects(boxes)
    hitting = hits.object >= 0
    threshold = _threshold(hitting, boxes.scores, len(boxes.objects))
    counted = boxes.scores >= threshold
    hit = np.where(counted, hits.object, -1)
    match = np.where(hit >= 0, hits.object, closest.object)
    overlap = np.where(hit >= 0, hits.overlap, closest.overlap)
    missed = np.ones(len(boxes.objects), np.bool_)
    missed[hit[hit >= 0]] = False
    false = counted & (hit < 0)

    object_image, object_tag = np.divmod(boxes.object_groups, len(tags))
    image, tag = np.divmod(boxes.detection_groups, len(tags))
    wrong = np.bincount(object_image[missed], minlength=len(images)) + np.bincount(
        image[false], boxes.scores[false], len(images)
    )
    found_in, objects_in = _by_image(image, np.flatnonzero(counted)), _by_image(object_image, np.arange(len(missed)))

    def labelled(corners: NDArray[np.float64], label: int, size: tuple[float, float]) -> dict[str, Any]:
        left, top, right_edge, bottom = (corners / (*size, *size)).clip(0, 1).tolist()
        box = [rounded(number) for number in (left, top, right_edge - left, bottom - top)]
        return {"tag": tags[label], "bbox": box}

    def found(index: int, size: tuple[float, float]) -> dict[str, Any]:
        wire = {
            **labelled(boxes.detections[index], int(tag[index]), size),
            "confidence": rounded(boxes.scores[index]),
            "right": bool(hit[index] >= 0),
        }
        if match[index] >= 0:
            wire |= {"match": tags[object_tag[match[index]]], "overlap": rounded(overlap[index])}
        return wire

    def outcomes() -> Iterator[ImageOutcome]:
        for number in np.argsort(-wrong, kind="stable").tolist():
            verdicts: Counter[int] = Counter()
            for index in objects_in[number]:
                verdicts[int(object_tag[index])] |= MISSED if missed[index] else HIT
            for index in found_in[number]:
                if false[index]:
                    verdicts[int(tag[index])] |= FALSE
            size = sizes[number]
            wire = {
                **images[number].to_wire(),
                "right": right(verdicts),
                "objects": [found(index, size) for index in found_in[number]],
                "missed": [
                    labelled(boxes.objects[index], int(object_tag[index]), size)
                    for index in objects_in[number]
                    if missed[index]
                ],
            }
            yield ImageOutcome(wire, verdicts)

    curves: dict[str, Curve | Mapping[str, Curve]] = {
        "overall": precision_recall_curve(hitting, boxes.scores, len(boxes.objects)),
        "tags": tag_curves(boxes, hitting, tags),
    }
    close = np.flatnonzero(false & (match >= 0) & (overlap >= _OVERLAP)).tolist()
    swapped = {index: int(match[index]) for index in close if object_tag[match[index]] != tag[index]}
    confusion = _confusion(object_tag, tag, hit, missed, false, swapped)
    return Outcomes(tags, outcomes(), confusion, curves, rounded(threshold))


def _threshold(hits: NDArray[np.bool_], scores: NDArray[np.float64], objects: int) -> float:
    """The lowest confidence that counts: that with the highest F1, or else the lowest that analyze returns. At a lower one,
    most answers of a good detector would look wrong.

    Args:
        hits: bool [n].
        scores: float64 [n], falling.
    """
    f1 = 2 * np.cumsum(hits) / (np.arange(1, len(hits) + 1) + objects)
    best = float(scores[f1.argmax()]) if hits.any() else 0.0
    return max(best, CONFIDENCE_LEAST)


def _confusion(
    object_tag: NDArray[np.int64],
    tag: NDArray[np.int64],
    hit: NDArray[np.int64],
    missed: NDArray[np.bool_],
    false: NDArray[np.bool_],
    swapped: Mapping[int, int],
) -> ConfusionCounts:
    """Each object and each detection once. A missed object got the answer of the most confident of the false detections that
    are close to it: `swapped` are these detections, by falling confidence, and the objects of other tags that they overlap."""
    taken_for: dict[int, int] = {}
    for detection, item in swapped.items():
        if missed[item]:
            taken_for.setdefault(item, detection)
    cells: Counter[tuple[int | None, int | None]] = Counter((label, label) for label in object_tag[hit[hit >= 0]].tolist())
    for item in np.flatnonzero(missed).tolist():
        cells[int(object_tag[item]), int(tag[taken_for[item]]) if item in taken_for else None] += 1
    explained = set(taken_for.values())
    cells.update((None, int(tag[index])) for index in np.flatnonzero(false).tolist() if index not in explained)
    return cells


def _by_image(image: NDArray[np.int64], items: NDArray[np.int64]) -> defaultdict[int, list[int]]:
    """The items in each image, in their order."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for item in items.tolist():
        found[int(image[item])].append(item)
    return found
