"""A model's outcomes if only answers of a confidence or a higher one count: pure functions."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.judging import AtThreshold, OutcomeKind
from vision_customization.contract.outcomes import OutcomeFilter
from vision_customization.engine.outcomes.answers import LOWEST, SCALE, Answers
from vision_customization.engine.outcomes.questions import InvalidQuestion, position
from vision_customization.engine.outcomes.ratios import ratios


@dataclass(frozen=True, eq=False)
class ThresholdOutcomes:
    """`numbers`, and the images that they count: bool [images] each, in the order of the outcomes."""

    numbers: AtThreshold
    concerned: NDArray[np.bool_]
    right: NDArray[np.bool_]
    missed: NDArray[np.bool_]
    false: NDArray[np.bool_]

    def rows(self, only: OutcomeFilter | None) -> NDArray[np.int64]:
        """The rows of the images that the filter selects, rising; without one, all images, or those that the tag concerns."""
        selected = {
            None: self.concerned,
            OutcomeFilter.RIGHT: self.right & ~self.missed & ~self.false,
            OutcomeFilter.WRONG: self.missed | self.false,
            OutcomeFilter.MISSED: self.missed,
            OutcomeFilter.FALSE: self.false,
        }[only]
        return np.flatnonzero(selected)


def at_threshold(answers: Answers, tags: Sequence[str], threshold: float, tag: str | None = None) -> ThresholdOutcomes:
    """What counts from this confidence on, by the definitions of `contract.judging.AtThreshold`.

    Confidences are compared with four decimals, as they are shown, so the numbers are those of the curves of `curves.json` at
    their thresholds: of all tags for the first answers and for objects; of a tag for several tags per image and for objects.
    The curve of a tag of one tag per image also counts answers that are not the first; above 0.5 there are none.

    Args:
        tags: the model's.
        threshold: 0…1.
        tag: count only this tag.

    Raises:
        InvalidQuestion: the model does not have the tag, several tags per image come without one, or the threshold is below
            `answers.lowest`.
    """
    least = _least(answers, threshold)
    if tag is None and answers.kind is OutcomeKind.SEVERAL_TAGS:
        raise InvalidQuestion("tag", "The model gives an image several tags, each with its own threshold. Choose a tag.")
    labels, false = answers.labels, answers.false
    if tag is not None:
        index = position(tags, tag, "tag")
        labels, false = labels.where(labels.tags == index), false.where(false.tags == index)
    found = labels.confidences >= least
    missed = ~found
    counted = false.confidences >= least
    unanswered = None
    if answers.kind is OutcomeKind.ONE_TAG:
        missed &= labels.confidences > 0
        unanswered = int(missed.sum()) + int((~counted).sum())

    def marked(rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        images = np.zeros(answers.images, np.bool_)
        images[rows] = True
        return images

    right, everything = int(found.sum()), np.ones(answers.images, np.bool_)
    numbers = AtThreshold(
        kind=answers.kind,
        threshold=threshold,
        lowest=answers.lowest,
        tag=tag,
        images=answers.images,
        labels=len(found),
        right=right,
        false=int(counted.sum()),
        missed=int(missed.sum()),
        unanswered=unanswered,
        **ratios(right, int(counted.sum()), len(found)),
    )
    return ThresholdOutcomes(
        numbers,
        everything if tag is None else marked(labels.rows) | marked(false.rows[counted]),
        everything if tag is None and answers.kind is OutcomeKind.OBJECTS else marked(labels.rows[found]),
        marked(labels.rows[missed]),
        marked(false.rows[counted]),
    )


def _least(answers: Answers, threshold: float) -> int:
    """The threshold in ten-thousandths, at least one: a confidence of 0 stands for a label that is never found."""
    if not answers.lowest <= threshold <= 1:
        said = f"{threshold:g} is not from {answers.lowest:g} to 1, where these outcomes can be counted."
        older = " Evaluate the model again, to ask for lower ones." if answers.lowest > LOWEST[answers.kind] else ""
        raise InvalidQuestion("threshold", said + older)
    return max(1, math.ceil(round(threshold * SCALE, 4)))


def objects_at(line: bytes, threshold: float) -> bytes:
    """A detector's outcome, as JSON, with `objects`, `unsure`, `missed` and `right` as they are at this threshold.

    Outcomes of older engines do not say where the object is that a detection hits: it is missed at the detection's place then.
    """
    wire: dict[str, Any] = json.loads(line)
    found = [*wire["objects"], *wire.get("unsure", [])]
    missed = [*wire["missed"], *(_label(item) for item in wire["objects"] if item["right"])]
    counted = [item for item in found if item["confidence"] >= threshold]
    for item in counted:
        if item["right"]:
            missed.remove(_label(item))
    unsure = [item for item in found if item["confidence"] < threshold]
    wire |= {"objects": counted, "missed": missed, "right": not missed and all(item["right"] for item in counted)}
    wire.pop("unsure", None)
    return json.dumps({**wire, **({"unsure": unsure} if unsure else {})}, ensure_ascii=False, separators=(",", ":")).encode()


def _label(item: dict[str, Any]) -> dict[str, Any]:
    """The object that a detection hits."""
    return {"tag": item["tag"], "bbox": item.get("matchBbox", item["bbox"])}
