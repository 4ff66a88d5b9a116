"""The outcomes of a classifier: pure functions."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.judging import OutcomeKind
from vision_customization.engine.learning.precision_recall import Curve, first_answer_curve, one_against_rest_curve
from vision_customization.engine.outcomes.answers import LOWEST, Answers, Marks, ten_thousandths
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

BEST = 5
"""Tags that are kept of each image, beside those of its labels."""
_ROWS_AT_ONCE = 1000
"""The order of all probabilities takes twice their memory."""


def classified(
    images: Sequence[ImageName],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    tags: Sequence[str],
    likely: NDArray[np.int64] | None = None,
) -> Outcomes:
    """The outcomes of one tag per image, by rising probability of the image's own tag.

    Args:
        images: the n images.
        labels: int64 [n], positions in `tags`.
        probabilities: float32 [n, k].
        likely: int64 [n], `learning.label_issues.likely_labels`.
    """
    own = probabilities[np.arange(len(labels)), labels]
    answers = probabilities.argmax(axis=1) if len(labels) else labels
    best = _best(probabilities)
    order = np.argsort(own, kind="stable")

    def outcomes() -> Iterator[ImageOutcome]:
        for row in order.tolist():
            label, answer = int(labels[row]), int(answers[row])
            verdicts = {label: HIT} if answer == label else {label: MISSED, answer: FALSE}
            shown = list(dict.fromkeys([*best[row].tolist(), label]))
            wire = {
                **images[row].to_wire(),
                "right": answer == label,
                "labels": [tags[label]],
                "tags": [{"name": tags[tag], "confidence": rounded(probabilities[row, tag])} for tag in shown],
            }
            if likely is not None and likely[row] != label:
                wire["likelyLabels"] = [tags[likely[row]]]
            yield ImageOutcome(wire, verdicts)

    cells: ConfusionCounts = Counter(zip(labels.tolist(), answers.tolist(), strict=True))
    curves: dict[str, Curve | Mapping[str, Curve]] = {
        "overall": first_answer_curve(labels, probabilities),
        "tags": {tag: one_against_rest_curve(labels == index, probabilities[:, index]) for index, tag in enumerate(tags)},
    }
    first = probabilities[np.arange(len(labels)), answers]
    return Outcomes(tags, outcomes(), cells, curves, _first_answers(labels[order], answers[order], first[order]))


def multi_classified(
    images: Sequence[ImageName],
    present: NDArray[np.bool_],
    probabilities: NDArray[np.float32],
    thresholds: Sequence[float],
    tags: Sequence[str],
    likely: NDArray[np.bool_] | None = None,
) -> Outcomes:
    """The outcomes of several tags per image, by rising probability of the label (present or absent) that is least probable.

    Args:
        images: the n images.
        present: bool [n, k].
        probabilities: float32 [n, k].
        thresholds: k probabilities from which on a tag counts as present.
        likely: bool [n, k], `learning.label_issues.likely_present`.
    """
    found = probabilities >= np.asarray(thresholds, np.float32)
    least = np.where(present, probabilities, 1 - probabilities).min(axis=1, initial=1)
    best = _best(probabilities)
    order = np.argsort(least, kind="stable")

    def tag(row: int, index: int) -> dict[str, Any]:
        return {"name": tags[index], "confidence": rounded(probabilities[row, index]), "threshold": thresholds[index]}

    def outcomes() -> Iterator[ImageOutcome]:
        for row in order.tolist():
            concerned = np.flatnonzero(present[row] | found[row]).tolist()
            verdicts = {index: (HIT if found[row, index] else MISSED) if present[row, index] else FALSE for index in concerned}
            shown = sorted({*best[row].tolist(), *concerned}, key=lambda index: (-probabilities[row, index], index))
            wire = {
                **images[row].to_wire(),
                "right": right(verdicts),
                "labels": [tags[index] for index in np.flatnonzero(present[row]).tolist()],
                "tags": [tag(row, index) for index in shown],
            }
            if likely is not None and (likely[row] != present[row]).any():
                wire["likelyLabels"] = [tags[index] for index in np.flatnonzero(likely[row]).tolist()]
            yield ImageOutcome(wire, verdicts)

    cells: dict[tuple[int | None, int | None], int] = {}
    for index in range(len(tags)):
        has, says = present[:, index], found[:, index]
        counts = {(index, index): has & says, (index, None): has & ~says, (None, index): ~has & says}
        cells |= {cell: int(where.sum()) for cell, where in counts.items() if where.any()}
    curves = {name: one_against_rest_curve(present[:, index], probabilities[:, index]) for index, name in enumerate(tags)}
    return Outcomes(tags, outcomes(), cells, {"tags": curves}, _tag_answers(present, probabilities, order))


def _first_answers(labels: NDArray[np.int64], answers: NDArray[np.int64], confidences: NDArray[np.float32]) -> Answers:
    """Of images in the order of their rows: labels and answers int64 [n], and the confidences of the answers, float32 [n]."""
    rows, right, rounded_ones = np.arange(len(labels)), answers == labels, ten_thousandths(confidences)
    found = Marks.of(rows, labels, np.where(right, rounded_ones, 0))
    false = Marks.of(rows, answers, rounded_ones).where(~right)
    return Answers(OutcomeKind.ONE_TAG, len(labels), found, false, LOWEST[OutcomeKind.ONE_TAG])


def _tag_answers(present: NDArray[np.bool_], probabilities: NDArray[np.float32], order: NDArray[np.int64]) -> Answers:
    """Of images whose rows are in this `order`, int64 [n]."""
    lowest = LOWEST[OutcomeKind.SEVERAL_TAGS]
    labels: list[Marks] = []
    false: list[Marks] = []
    for tag in range(present.shape[1]):
        confidences, has = ten_thousandths(probabilities[order, tag]), present[order, tag]
        confidences[confidences < ten_thousandths(lowest)] = 0
        marks = Marks.of(np.arange(len(order)), np.full(len(order), tag), confidences)
        labels.append(marks.where(has))
        false.append(marks.where(~has & (confidences > 0)))
    return Answers(OutcomeKind.SEVERAL_TAGS, len(order), Marks.together(labels), Marks.together(false), lowest)


def _best(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """The tags with the highest probabilities, int64 [n, at most 5], the highest first."""
    count = min(BEST, probabilities.shape[1])
    best = np.empty((len(probabilities), count), np.int64)
    for start in range(0, len(probabilities), _ROWS_AT_ONCE):
        part = probabilities[start : start + _ROWS_AT_ONCE]
        among = np.sort(np.argpartition(-part, count - 1, axis=1)[:, :count], axis=1)
        order = np.argsort(-np.take_along_axis(part, among, axis=1), axis=1, kind="stable")
        best[start : start + _ROWS_AT_ONCE] = np.take_along_axis(among, order, axis=1)
    return best
