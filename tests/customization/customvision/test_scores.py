"""Precision, recall and average precision."""

import random

import numpy as np
import pytest

from vision_customization.customization.customvision.comparison import OBJECTS_LEAST
from vision_customization.customization.customvision.scores import Found, Score, average_precision, overlap_of, scores
from vision_customization.engine.learning.average_precision import average_precision as of_the_engine
from vision_customization.engine.models.answers import CONFIDENCE_LEAST

LEFT, RIGHT = (0.0, 0.0, 0.4, 1.0), (0.5, 0.0, 0.4, 1.0)


def test_average_precision_is_the_engines() -> None:
    numbers = random.Random(7)
    for _ in range(200):
        ranked = [(numbers.choice([0.1, 0.25, 0.5, 0.9]), numbers.random() < 0.5) for _ in range(numbers.randint(1, 12))]
        hits = sum(hit for _, hit in ranked)
        if hits:
            probabilities, relevant = (np.array(column) for column in zip(*ranked, strict=True))
            assert average_precision(ranked, hits) == pytest.approx(of_the_engine(relevant, probabilities))


def test_objects_count_from_the_confidence_that_the_engine_answers_with() -> None:
    assert OBJECTS_LEAST == CONFIDENCE_LEAST


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(LEFT, LEFT, 1.0), (LEFT, RIGHT, 0.0), ((0.0, 0.0, 1.0, 1.0), (0.5, 0.0, 1.0, 1.0), 1 / 3)],
)
def test_overlap(first: tuple[float, ...], second: tuple[float, ...], expected: float) -> None:
    assert overlap_of(first, second) == pytest.approx(expected)  # type: ignore[arg-type]


def test_a_classification() -> None:
    labels = {"1": [("cat", None)], "2": [("cat", None)], "3": [("dog", None)], "4": []}
    found = {
        "1": [Found("cat", 0.9), Found("dog", 0.1)],
        "2": [Found("cat", 0.4), Found("dog", 0.6)],
        "3": [Found("dog", 0.8), Found("cat", 0.2)],
        "4": [Found("cat", 0.7)],
        "elsewhere": [Found("cat", 1.0)],
    }
    overall, tags = scores(labels, found, threshold=0.5, overlap=0.3)
    assert tags == {
        "cat": Score(2, 1 / 2, 1 / 2, pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)),
        "dog": Score(1, 1 / 2, 1.0, 1.0),
    }
    assert overall == Score(3, 2 / 4, 2 / 3, pytest.approx((5 / 6 + 1) / 2))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([Found("cup", 0.9, LEFT), Found("cup", 0.8, RIGHT)], Score(2, 1.0, 1.0, 1.0)),
        # The second box finds nothing new: each label counts once.
        ([Found("cup", 0.9, LEFT), Found("cup", 0.8, LEFT)], Score(2, 0.5, 0.5, 0.5)),
        # Half of it: an overlap of 1/3.
        ([Found("cup", 0.9, (0.2, 0.0, 0.4, 1.0))], Score(2, 1.0, 0.5, 0.5)),
        ([Found("cup", 0.9, (0.3, 0.0, 0.2, 1.0))], Score(2, 0.0, 0.0, 0.0)),
        ([Found("cup", 0.4, LEFT)], Score(2, None, 0.0, 0.5)),
        ([], Score(2, None, 0.0, 0.0)),
    ],
)
def test_a_detection(found: list[Found], expected: Score) -> None:
    _, tags = scores({"1": [("cup", LEFT), ("cup", RIGHT)]}, {"1": found}, threshold=0.5, overlap=0.3)
    assert tags == {"cup": expected}


def test_a_tag_that_no_image_has() -> None:
    overall, tags = scores({"1": [("cup", LEFT)]}, {"1": [Found("jug", 0.9, LEFT)]}, threshold=0.5, overlap=0.3)
    assert tags["jug"] == Score(0, 0.0, None, None)
    assert overall == Score(1, 0.0, 0.0, 0.0)
