import numpy as np
import pytest
from numpy.typing import NDArray

from vision_customization.engine.learning.average_precision import average_precision
from vision_customization.engine.learning.precision_recall import (
    Curve,
    first_answer_curve,
    one_against_rest_curve,
    precision_recall_curve,
)

EMPTY: Curve = {"precision": [], "recall": [], "threshold": []}


@pytest.mark.parametrize(
    ("hits", "scores", "relevant", "expected"),
    [
        ([], [], 3, EMPTY),
        ([False], [0.5], 0, EMPTY),
        ([True], [0.5], 2, {"precision": [1.0], "recall": [0.5], "threshold": [0.5]}),
        # Answers of one score count together.
        ([False, True], [0.5, 0.5], 1, {"precision": [0.5], "recall": [1.0], "threshold": [0.5]}),
        # The line from the first hit to the point before the second is straight.
        (
            [True, False, False, False, True],
            [0.9, 0.8, 0.7, 0.6, 0.5],
            2,
            {"precision": [1.0, 0.25, 0.4], "recall": [0.5, 0.5, 1.0], "threshold": [0.9, 0.6, 0.5]},
        ),
        # So is the line after the last hit.
        ([True, False, False], [0.9, 0.8, 0.7], 1, {"precision": [1.0, 0.3333], "recall": [1.0] * 2, "threshold": [0.9, 0.7]}),
    ],
)
def test_a_curve_has_the_points_that_shape_it(hits: list[bool], scores: list[float], relevant: int, expected: Curve) -> None:
    assert precision_recall_curve(np.array(hits, np.bool_), np.array(scores), relevant) == expected


def made(count: int) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    random = np.random.default_rng(0)
    relevant = random.random(count) < 0.2
    return relevant, (relevant * 0.3 + random.random(count) * 0.7).astype(np.float32)


def test_the_area_under_the_curve_of_a_tag_is_its_average_precision() -> None:
    relevant, scores = made(300)
    curve = one_against_rest_curve(relevant, scores)
    area = np.sum(np.diff(curve["recall"], prepend=0) * curve["precision"])
    assert area == pytest.approx(average_precision(relevant, scores), abs=0.02)


def test_the_curve_of_first_answers_ends_at_the_accuracy() -> None:
    labels = np.array([0, 1, 1, 0])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
    assert first_answer_curve(labels, probabilities) == {
        "precision": [1.0, 0.5, 0.6667, 0.75],
        "recall": [0.25, 0.25, 0.5, 0.75],
        "threshold": [0.9, 0.8, 0.7, 0.6],
    }
    assert first_answer_curve(labels[:0], probabilities[:0]) == EMPTY
