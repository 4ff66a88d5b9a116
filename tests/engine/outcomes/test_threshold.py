"""Outcomes at another threshold."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.engine.outcomes.made import MADE, MANY_TAGS, TAGS, answers, image, made_objects
from tests.engine.outcomes.test_detected import OUTCOMES
from vision_customization.contract.judging import AtThreshold, OutcomeKind
from vision_customization.contract.outcomes import Outcome, OutcomeFilter
from vision_customization.engine.outcomes.classified import classified, multi_classified
from vision_customization.engine.outcomes.outcomes import Outcomes
from vision_customization.engine.outcomes.questions import InvalidQuestion
from vision_customization.engine.outcomes.threshold import at_threshold, objects_at


def first_answers() -> Outcomes:
    """Six images whose first answers are right (0.9, 0.7, 0.5) and wrong (0.8, 0.6, 0.4): a is 0, b is 1."""
    labels = np.array([0, 1, 0, 0, 1, 1])
    first = [(0, 0.9), (1, 0.7), (0, 0.5), (1, 0.8), (0, 0.6), (0, 0.4)]
    rest = {0: (1, 2), 1: (0, 2)}
    probabilities = np.zeros((6, 3), np.float32)
    for row, (tag, value) in enumerate(first):
        probabilities[row, tag] = value
        for other in rest[tag]:
            probabilities[row, other] = (1 - value) / 2
    return classified([image(number) for number in range(6)], labels, probabilities, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("threshold", "tag", "labels", "right", "false", "missed", "unanswered", "precision", "recall"),
    [
        (0.0, None, 6, 3, 3, 0, 0, 3 / 6, 3 / 6),
        (0.5, None, 6, 3, 2, 0, 1, 3 / 5, 3 / 6),
        (0.65, None, 6, 2, 1, 1, 3, 2 / 3, 2 / 6),
        (0.9, None, 6, 1, 0, 2, 5, 1.0, 1 / 6),
        (0.9001, None, 6, 0, 0, 3, 6, None, 0.0),
        # a is on three images: found with 0.9 and 0.5, and one is taken for b. It is wrong with 0.6 and 0.4.
        (0.5, "a", 3, 2, 1, 0, 1, 2 / 3, 2 / 3),
        (0.7, "a", 3, 1, 0, 1, 3, 1.0, 1 / 3),
        (0.5, "c", 0, 0, 0, 0, 0, None, None),
    ],
)
def test_first_answers_below_a_threshold_are_no_answers(
    threshold: float,
    tag: str | None,
    labels: int,
    right: int,
    false: int,
    missed: int,
    unanswered: int,
    precision: float | None,
    recall: float | None,
) -> None:
    numbers = at_threshold(first_answers().answers, "abc", threshold, tag).numbers
    f1 = None if not labels + right + false else 2 * right / (labels + right + false)
    assert numbers == AtThreshold(
        kind=OutcomeKind.ONE_TAG,
        threshold=threshold,
        lowest=0,
        tag=tag,
        images=6,
        labels=labels,
        right=right,
        false=false,
        missed=missed,
        unanswered=unanswered,
        precision=precision,
        recall=recall,
        f1=f1,
    )


@pytest.mark.parametrize(
    ("only", "tag", "images"),
    [
        (None, None, {0, 1, 2, 3, 4, 5}),
        (OutcomeFilter.RIGHT, None, {0, 1}),
        (OutcomeFilter.FALSE, None, {3}),
        (OutcomeFilter.MISSED, None, {2}),
        (OutcomeFilter.WRONG, None, {2, 3}),
        (None, "a", {0, 2, 3}),
        (OutcomeFilter.RIGHT, "a", {0}),
        (OutcomeFilter.MISSED, "a", {2}),
        (OutcomeFilter.FALSE, "b", {3}),
    ],
)
def test_the_images_of_each_set_at_a_threshold(only: OutcomeFilter | None, tag: str | None, images: set[int]) -> None:
    made = first_answers()
    lines = [outcome.wire["image"] for outcome in made.images]
    rows = at_threshold(made.answers, "abc", 0.65, tag).rows(only).tolist()
    assert rows == sorted(rows)
    assert {lines[row] for row in rows} == {image(number).url for number in images}


@pytest.mark.parametrize(
    ("threshold", "right", "false", "missed", "precision", "recall"),
    [
        (0.4, 2, 1, 1, 2 / 3, 2 / 3),
        (0.6, 1, 1, 2, 1 / 2, 1 / 3),
        (0.61, 1, 0, 2, 1.0, 1 / 3),
        (0.95, 0, 0, 3, None, 0.0),
    ],
)
def test_a_tag_of_several_has_its_own_threshold(
    threshold: float, right: int, false: int, missed: int, precision: float | None, recall: float
) -> None:
    present = np.array([[1, 0], [1, 1], [1, 0], [0, 1]], bool)
    probabilities = np.array([[0.9, 0.1], [0.5, 0.9], [0.3, 0.2], [0.6, 0.9]], np.float32)
    made = multi_classified([image(number) for number in range(4)], present, probabilities, [0.5, 0.5], ["a", "b"])
    at = at_threshold(made.answers, ["a", "b"], threshold, "a")
    numbers = at.numbers
    assert (numbers.labels, numbers.right, numbers.false, numbers.missed) == (3, right, false, missed)
    assert (numbers.precision, numbers.recall, numbers.unanswered) == (precision, recall, None)
    assert len(at.rows(OutcomeFilter.MISSED)) == missed
    assert len(at.rows(OutcomeFilter.FALSE)) == false
    assert len(at.rows(OutcomeFilter.RIGHT)) == right


@pytest.mark.parametrize(
    ("threshold", "tag", "right", "false", "missed", "wrong_images"),
    [
        # Of `test_detected`: cats are found with 0.9, 0.8 and 0.4, and once with 0.1. 0.7 is a dog taken for a cat, 0.6 a cat
        # found again, 0.5 a dog where nothing is.
        (0.2, None, 3, 3, 2, {0, 1, 3}),
        (0.55, None, 2, 2, 3, {0, 1, 3}),
        (0.85, None, 1, 0, 4, {0, 1, 3}),
        (0.2, "cat", 3, 2, 1, {0, 1, 3}),
        (0.75, "cat", 2, 0, 2, {1, 3}),
        (0.2, "dog", 0, 1, 1, {0}),
    ],
)
def test_objects_below_a_threshold_do_not_count(
    threshold: float, tag: str | None, right: int, false: int, missed: int, wrong_images: set[int]
) -> None:
    at = at_threshold(OUTCOMES.answers, ("cat", "dog"), threshold, tag)
    assert (at.numbers.right, at.numbers.false, at.numbers.missed) == (right, false, missed)
    assert at.numbers.labels == right + missed
    urls = [outcome.wire["image"] for outcome in OUTCOMES.images]
    assert {urls[row] for row in at.rows(OutcomeFilter.WRONG).tolist()} == {image(number).url for number in wrong_images}


def curve_points(made: Outcomes, tag: str | None) -> list[tuple[float, float, float]]:
    curve: Any = made.curves["overall"] if tag is None else made.curves["tags"][tag]
    points = zip(curve["threshold"], curve["precision"], curve["recall"], strict=True)
    return [point for point in points if made.answers.lowest <= point[0] and point[0] > 0]


@pytest.mark.parametrize(
    ("kind", "tags", "least"),
    [
        (OutcomeKind.ONE_TAG, [None], 0.0),
        (OutcomeKind.ONE_TAG, TAGS, 0.5001),  # from here on, only one tag of an image can be so probable
        (OutcomeKind.SEVERAL_TAGS, MANY_TAGS, 0.01),
        (OutcomeKind.OBJECTS, [None, *TAGS], 0.2),
    ],
)
def test_numbers_are_those_of_the_curve(kind: OutcomeKind, tags: Sequence[str | None], least: float) -> None:
    if kind is OutcomeKind.ONE_TAG:
        labels, probabilities = answers(400)
        made = classified([image(number) for number in range(400)], labels, probabilities.round(4), TAGS)
    else:
        made = MADE[kind](400)
    compared = 0
    for tag in tags:
        for threshold, precision, recall in curve_points(made, tag):
            if threshold < least:
                continue
            numbers = at_threshold(made.answers, made.tags, threshold, tag).numbers
            counted = np.round([numbers.precision or 0, numbers.recall or 0], 4).tolist()
            assert counted == [precision, recall], (tag, threshold)
            compared += 1
    assert compared > 50


def test_at_its_own_threshold_a_detector_has_the_numbers_of_its_confusion() -> None:
    made = made_objects(300)
    assert made.threshold is not None
    numbers = at_threshold(made.answers, TAGS, made.threshold).numbers
    right = sum(count for (label, answer), count in made.confusion.items() if label == answer)
    assert numbers.right == right
    assert numbers.labels == sum(count for (label, _), count in made.confusion.items() if label is not None)
    assert numbers.right + numbers.false == sum(count for (_, answer), count in made.confusion.items() if answer is not None)
    wrong = at_threshold(made.answers, TAGS, made.threshold).rows(OutcomeFilter.WRONG)
    assert wrong.tolist() == [row for row, outcome in enumerate(made.images) if not outcome.wire["right"]]


@pytest.mark.parametrize("threshold", [0.2, 0.3, 0.45, 0.6, 0.95])
def test_an_image_is_shown_as_it_is_at_the_threshold(threshold: float) -> None:
    made = made_objects(200)
    at = at_threshold(made.answers, TAGS, threshold)
    shown = [Outcome.model_validate_json(objects_at(outcome.line, threshold)) for outcome in made.images]
    objects = [item for outcome in shown for item in outcome.objects or []]
    assert sum(item.right for item in objects) == at.numbers.right
    assert sum(not item.right for item in objects) == at.numbers.false
    assert sum(len(outcome.missed or []) for outcome in shown) == at.numbers.missed
    assert all(item.confidence < threshold for outcome in shown for item in outcome.unsure or [])
    assert [row for row, outcome in enumerate(shown) if not outcome.right] == at.rows(OutcomeFilter.WRONG).tolist()
    # At its own threshold, it is as it is stored.
    for outcome in list(made_objects(200).images)[:20]:
        again = json.loads(objects_at(outcome.line, made.threshold or 0))
        assert sorted(map(str, again.pop("missed"))) == sorted(map(str, outcome.wire["missed"]))
        assert again == {name: value for name, value in json.loads(outcome.line).items() if name != "missed"}


def test_an_object_that_a_lower_threshold_finds_is_not_missed_any_more() -> None:
    line = next(outcome.line for outcome in OUTCOMES.images if outcome.wire["image"] == image(3).url)
    higher = json.loads(objects_at(line, 0.7))
    assert [item["confidence"] for item in higher["objects"]] == [0.8]
    assert [item["confidence"] for item in higher["unsure"]] == [0.6, 0.4]
    assert higher["missed"] == [{"tag": "cat", "bbox": [0.5, 0.5, 0.5, 0.5]}]
    lower = json.loads(objects_at(json.dumps(higher).encode(), 0.2))
    assert lower["missed"] == []
    assert "unsure" not in lower


@pytest.mark.parametrize(
    ("kind", "threshold", "tag", "target", "said"),
    [
        (OutcomeKind.ONE_TAG, 1.5, None, "threshold", "1.5 is not from 0 to 1, where these outcomes can be counted."),
        (OutcomeKind.OBJECTS, 0.1, None, "threshold", "0.1 is not from 0.2 to 1, where these outcomes can be counted."),
        (OutcomeKind.ONE_TAG, 0.5, "elm", "tag", "The model has no tag 'elm'. Choose one of its 3: 'ash', 'beech', 'öak'."),
        (
            OutcomeKind.SEVERAL_TAGS,
            0.5,
            None,
            "tag",
            "The model gives an image several tags, each with its own threshold. Choose a tag.",
        ),
    ],
)
def test_what_can_not_be_counted_is_refused(
    kind: OutcomeKind, threshold: float, tag: str | None, target: str, said: str
) -> None:
    made = MADE[kind](20)
    with pytest.raises(InvalidQuestion) as caught:
        at_threshold(made.answers, made.tags, threshold, tag)
    assert (caught.value.target, str(caught.value)) == (target, said)
