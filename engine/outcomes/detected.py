"""The outcomes of a detector: pure functions."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.judging import OutcomeKind
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.learning.detection.matching import closest_objects, lay_out, service_matches
from vision_customization.engine.learning.detection.metrics import tag_curves
from vision_customization.engine.learning.precision_recall import Curve, precision_recall_curve
from vision_customization.engine.models.answers import CONFIDENCE_LEAST
from vision_customization.engine.outcomes.answers import ABSENT, LOWEST, Answers, Cells, Marks, ten_thousandths
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

    Hits are those of `detection_performance` at intersection over union 0.5. They do not depend on a threshold: what a
    detection hits follows from more confident ones alone. Detections below a threshold do not count: the one with the highest
    F1 on these images, at least that of analyze. Those from that of analyze on are kept, to be counted at other thresholds.

    Args:
        images: the n images.
        sizes: width and height of each, in the unit of the boxes.
        truths: the objects of each image.
        detections: the detections of each image.
    """
    boxes = lay_out(truths, detections, len(tags))
    [hits], closest = service_matches(boxes, (_OVERLAP,)), closest_objects(boxes)
    hitting = hits.object >= 0
    threshold = rounded(_threshold(hitting, boxes.scores, len(boxes.objects)))
    confidences = ten_thousandths(boxes.scores)
    counted, kept = confidences >= ten_thousandths(threshold), confidences >= ten_thousandths(CONFIDENCE_LEAST)
    hit = np.where(counted, hits.object, -1)
    match = np.where(hitting, hits.object, closest.object)
    overlap = np.where(hitting, hits.overlap, closest.overlap)
    missed = np.ones(len(boxes.objects), np.bool_)
    missed[hit[hit >= 0]] = False
    false = counted & (hit < 0)

    object_image, object_tag = np.divmod(boxes.object_groups, len(tags))
    image, tag = np.divmod(boxes.detection_groups, len(tags))
    wrong = np.bincount(object_image[missed], minlength=len(images)) + np.bincount(
        image[false], boxes.scores[false], len(images)
    )
    order = np.argsort(-wrong, kind="stable")
    found_in, objects_in = _by_image(image, np.flatnonzero(kept)), _by_image(object_image, np.arange(len(missed)))

    def labelled(corners: NDArray[np.float64], label: int, size: tuple[float, float]) -> dict[str, Any]:
        left, top, right_edge, bottom = (corners / (*size, *size)).clip(0, 1).tolist()
        box = [rounded(number) for number in (left, top, right_edge - left, bottom - top)]
        return {"tag": tags[label], "bbox": box}

    def found(index: int, size: tuple[float, float]) -> dict[str, Any]:
        wire = {
            **labelled(boxes.detections[index], int(tag[index]), size),
            "confidence": rounded(boxes.scores[index]),
            "right": bool(hitting[index]),
        }
        if match[index] >= 0:
            matched = labelled(boxes.objects[match[index]], int(object_tag[match[index]]), size)
            wire |= {"match": matched["tag"], "matchBbox": matched["bbox"], "overlap": rounded(overlap[index])}
        return wire

    def outcomes() -> Iterator[ImageOutcome]:
        for number in order.tolist():
            verdicts: Counter[int] = Counter()
            for index in objects_in[number]:
                verdicts[int(object_tag[index])] |= MISSED if missed[index] else HIT
            for index in found_in[number]:
                if false[index]:
                    verdicts[int(tag[index])] |= FALSE
            size = sizes[number]
            shown = [[found(index, size) for index in found_in[number] if counted[index] == counts] for counts in (True, False)]
            wire = {
                **images[number].to_wire(),
                "right": right(verdicts),
                "objects": shown[0],
                **({"unsure": shown[1]} if shown[1] else {}),
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
    row = np.empty(len(images), np.int64)
    row[order] = np.arange(len(images))
    placed, located = _Placed(object_image, object_tag), _Placed(image, tag)
    places, labels, replies = _confused(placed, located, hit, missed, false, swapped)
    confusion: ConfusionCounts = Counter(zip(_names(labels), _names(replies), strict=True))
    answers = Answers(
        OutcomeKind.OBJECTS,
        len(images),
        *_marks(row, placed, located, hits.object, np.where(kept, confidences, 0)),
        LOWEST[OutcomeKind.OBJECTS],
        Cells.counted(row[places], labels, replies),
    )
    return Outcomes(tags, outcomes(), confusion, curves, answers, threshold)


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


class _Placed(NamedTuple):
    """Objects or detections: of each the image and the tag, int64 [n]."""

    image: NDArray[np.int64]
    tag: NDArray[np.int64]


def _confused(
    objects: _Placed,
    found: _Placed,
    hit: NDArray[np.int64],
    missed: NDArray[np.bool_],
    false: NDArray[np.bool_],
    swapped: Mapping[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Each object and each detection once: image, label and answer, int64 [m], ABSENT for none. A missed object got the answer
    of the most confident of the false detections that are close to it: `swapped` are these detections, by falling confidence,
    and the objects of other tags that they overlap."""
    taken_for: dict[int, int] = {}
    for detection, item in swapped.items():
        if missed[item]:
            taken_for.setdefault(item, detection)
    hits, lost = np.flatnonzero(hit >= 0), np.flatnonzero(missed)
    explained = set(taken_for.values())
    others = np.array([index for index in np.flatnonzero(false).tolist() if index not in explained], np.int64)
    instead = [found.tag[taken_for[item]] if item in taken_for else ABSENT for item in lost.tolist()]
    return (
        np.concatenate([found.image[hits], objects.image[lost], found.image[others]]),
        np.concatenate([found.tag[hits], objects.tag[lost], np.full(len(others), ABSENT)]),
        np.concatenate([found.tag[hits], np.array(instead, np.int64), found.tag[others]]),
    )


def _marks(
    row: NDArray[np.int64],
    objects: _Placed,
    found: _Placed,
    hits: NDArray[np.int64],
    confidences: NDArray[np.uint16],
) -> tuple[Marks, Marks]:
    """The labels, and the false answers.

    Args:
        row: int64 [images], where each image stands in the outcomes.
        hits: int64 [n], the object that each detection hits, or −1.
        confidences: uint16 [n], of the detections in ten-thousandths, 0 for those that are not kept.
    """
    found_at = np.zeros(len(objects.tag), np.uint16)
    found_at[hits[hits >= 0]] = confidences[hits >= 0]
    false = (hits < 0) & (confidences > 0)
    return Marks.of(row[objects.image], objects.tag, found_at), Marks.of(row[found.image], found.tag, confidences).where(false)


def _names(tags: NDArray[np.int64]) -> Iterator[int | None]:
    return (None if tag == ABSENT else tag for tag in tags.tolist())


def _by_image(image: NDArray[np.int64], items: NDArray[np.int64]) -> defaultdict[int, list[int]]:
    """The items in each image, in their order."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for item in items.tolist():
        found[int(image[item])].append(item)
    return found
