import json
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from vision_evaluation.evaluators import MeanAveragePrecisionEvaluatorForSingleIOU

from vision_customization.engine.learning import (
    detection_performance,
    precision_recall_curves,
)
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.learning.detection import matching
from vision_customization.engine.learning.precision_recall import CURVE_POINTS

Row = tuple[float, ...]
Case = tuple[list[LabelledBoxes], list[Detections], int]
"""Objects and detections of each image, and the number of tags."""


def _truth(*rows: Row) -> LabelledBoxes:
    """Rows of label, left, top, right, bottom."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return LabelledBoxes(table[:, 1:], table[:, 0].astype(np.int64))


def _found(*rows: Row) -> Detections:
    """Rows of label, score, left, top, right, bottom."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, 2:], table[:, 0].astype(np.int64), table[:, 1])


def _tags(count: int) -> list[str]:
    return [f"tag {index}" for index in range(count)]


def _service_reference(case: Case, overlap: float) -> tuple[float, list[float]]:
    """Mean, and the average precision of each tag."""
    truths, detections, tags = case
    evaluator = MeanAveragePrecisionEvaluatorForSingleIOU(overlap)
    evaluator.add_predictions(
        [np.column_stack([found.labels, found.scores, found.corners]).tolist() for found in detections],
        [np.column_stack([truth.labels, truth.corners]).tolist() for truth in truths],
    )
    report = evaluator.get_report()
    return report[f"mAP_{int(overlap * 100)}"], [float(evaluator.aps.get(index, 0.0)) for index in range(tags)]


def _assert_equal_to_the_reference(case: Case) -> None:
    truths, detections, count = case
    performance = detection_performance(truths, detections, _tags(count))
    by_overlap = {
        0.3: performance.mean_average_precision30,
        0.5: performance.mean_average_precision50,
        0.75: performance.mean_average_precision75,
    }
    for overlap, ours in by_overlap.items():
        assert ours == pytest.approx(_service_reference(case, overlap)[0], abs=1e-9), overlap
    by_tag = [performance.tag_performance[tag]["averagePrecision50"] for tag in _tags(count)]
    assert by_tag == pytest.approx(_service_reference(case, 0.5)[1], abs=1e-9)


def _random(
    images: int,
    classes: int,
    seed: int,
    *,
    objects: int = 6,
    detections: int = 12,
    side: int = 640,
    whole: bool = False,
    decimals: int | None = None,
) -> Case:
    """Up to so many objects and detections an image. Two in three detections are an object of their image, moved a little;
    one in ten of those has another label. `whole` coordinates on a small `side` make equal overlaps."""
    random = np.random.default_rng(seed)

    def corners(count: int) -> NDArray[np.float64]:
        first, second = random.uniform(0, side, (2, count, 2))
        return np.hstack([np.minimum(first, second), np.maximum(first, second)])

    def rounded(values: NDArray[np.float64]) -> NDArray[np.float32]:
        return (np.rint(values) if whole else values).astype(np.float32)

    truths, found = [], []
    for _ in range(images):
        truth = LabelledBoxes(rounded(corners(count := random.integers(0, objects + 1))), random.integers(0, classes, count))
        boxes, labels = corners(count := random.integers(0, detections + 1)), random.integers(0, classes, count)
        if len(truth):
            moved, chosen = random.random(count) < 2 / 3, random.integers(0, len(truth), count)
            shift = random.normal(0, 0.06, (count, 4)) * np.tile(truth.corners[chosen, 2:] - truth.corners[chosen, :2], 2)
            boxes = np.where(moved[:, None], truth.corners[chosen] + shift, boxes)
            labels = np.where(moved & (random.random(count) < 0.9), truth.labels[chosen], labels)
            boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
        scores = random.random(count) if decimals is None else random.random(count).round(decimals)
        found.append(Detections(rounded(boxes), labels, scores.astype(np.float32)))
        truths.append(truth)
    return truths, found, classes


BOX = (10, 10, 50, 40)
CASES: dict[str, Case] = {
    "many images": _random(60, 5, 0),
    "many classes": _random(40, 60, 1),
    "crowded": _random(5, 1, 2, objects=60, detections=260),
    "crowded, with ties": _random(5, 2, 3, objects=40, detections=250, side=12, whole=True, decimals=1),
    "all scores alike": _random(30, 3, 4, decimals=0),
    "more classes than are there": _random(3, 200, 5),
    "no images": ([], [], 2),
    "no tags": ([_truth()], [_found()], 0),
    "images without anything": ([_truth()] * 3, [_found()] * 3, 2),
    "no objects at all": ([_truth()] * 2, [_found((0, 0.5, *BOX)), _found((1, 0.9, *BOX))], 3),
    "no detections at all": ([_truth((0, *BOX), (1, *BOX)), _truth()], [_found()] * 2, 3),
    "one box, found": ([_truth((0, *BOX))], [_found((0, 0.3, *BOX))], 1),
    "one box, missed": ([_truth((0, *BOX))], [_found((0, 0.3, 60, 60, 90, 90))], 1),
    "one box, found as something else": ([_truth((0, *BOX))], [_found((1, 0.3, *BOX))], 2),
    "one box, in another image": ([_truth((0, *BOX)), _truth()], [_found(), _found((0, 0.3, *BOX))], 1),
    "a class with detections and no object": ([_truth((0, *BOX))], [_found((0, 0.4, *BOX), (2, 0.8, *BOX))], 3),
    "an object found twice": ([_truth((0, *BOX), (0, 90, 90, 99, 99))], [_found((0, 0.9, *BOX), (0, 0.8, *BOX))], 1),
    "an object found twice, with one score": ([_truth((0, *BOX))], [_found((0, 0.9, *BOX), (0, 0.9, *BOX))], 1),
    # The service's rule knows no second choice, as COCO's does.
    "two objects in one place": ([_truth((0, *BOX), (0, *BOX))], [_found((0, 0.9, *BOX), (0, 0.8, *BOX))], 1),
    "the nearest object is taken": (
        [_truth((0, 0, 0, 10, 10), (0, 0, 3, 10, 13))],
        [_found((0, 0.9, 0, 0, 10, 10), (0, 0.8, 0, 1, 10, 11))],
        1,
    ),
    # Which of two objects a detection in the middle takes decides what is left for the second one.
    "as near to two objects": (
        [_truth((0, 0, 0, 10, 10), (0, 4, 0, 14, 10))],
        [_found((0, 0.9, 2, 0, 12, 10), (0, 0.8, 4, 0, 14, 10), (0, 0.7, 0, 0, 10, 10))],
        1,
    ),
    "no area": (
        [_truth((0, 5, 5, 5, 5), (0, 7, 0, 7, 9), (1, *BOX))],
        [_found((0, 0.9, 5, 5, 5, 5), (0, 0.8, 7, 0, 7, 8), (1, 0.9, 10, 10, 10, 40), (1, 0.8, *BOX))],
        2,
    ),
    "exactly at the thresholds": (
        [_truth((0, 0, 0, 10, 10), (1, 0, 0, 4, 4), (2, 0, 0, 10, 20))],
        [_found((0, 0.9, 0, 0, 10, 5), (1, 0.9, 0, 0, 4, 3), (2, 0.9, 0, 0, 10, 6), (2, 0.8, 0, 0, 10, 19))],
        3,
    ),
    "scores that do not fall": ([_truth((0, *BOX))], [_found((0, 0.1, 60, 60, 90, 90), (0, 0.9, *BOX))], 1),
}


@pytest.mark.parametrize("name", CASES)
def test_metrics_equal_vision_evaluation(name: str) -> None:
    _assert_equal_to_the_reference(CASES[name])


@settings(max_examples=80, deadline=None)
@given(
    images=st.integers(1, 12),
    classes=st.integers(1, 6),
    seed=st.integers(0, 2**31),
    side=st.sampled_from([6, 30, 640]),
    whole=st.booleans(),
    decimals=st.sampled_from([None, 0, 1, 2]),
)
def test_metrics_equal_vision_evaluation_on_anything(
    images: int, classes: int, seed: int, side: int, whole: bool, decimals: int | None
) -> None:
    _assert_equal_to_the_reference(_random(images, classes, seed, side=side, whole=whole, decimals=decimals))


def test_pairs_in_several_parts_are_the_same_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", 7)
    _assert_equal_to_the_reference(CASES["many images"])


def test_what_is_reported_of_a_detector() -> None:
    truths = [_truth((0, *BOX), (1, *BOX))]
    detections = [_found((0, 0.9, *BOX), (0, 0.8, *BOX), (2, 0.5, *BOX))]
    # The mean is over cat (1), dog (0: not found) and cow (0: not there); pig is neither there nor found.
    assert detection_performance(truths, detections, ["cat", "dog", "cow", "pig"]).to_wire() == {
        "meanAveragePrecision30": 1 / 3,
        "meanAveragePrecision50": 1 / 3,
        "meanAveragePrecision75": 1 / 3,
        "tagPerformance": {
            "cat": {"averagePrecision50": 1.0},
            "dog": {"averagePrecision50": 0.0},
            "cow": {"averagePrecision50": 0.0},
            "pig": {"averagePrecision50": 0.0},
        },
    }


def test_curves_hold_every_score_that_could_be_the_threshold() -> None:
    truths = [_truth((0, *BOX), (0, 60, 60, 90, 90), (0, 0, 0, 5, 5))]
    detections = [_found((0, 0.9, *BOX), (0, 0.8, *BOX), (0, 0.7, 60, 60, 90, 90), (0, 0.7, 1, 90, 9, 99), (2, 0.5, *BOX))]
    assert precision_recall_curves(truths, detections, ["cat", "dog", "cow"]) == {
        "cat": {"precision": [1.0, 0.5, 0.5], "recall": [0.3333, 0.3333, 0.6667], "threshold": [0.9, 0.8, 0.7]},
        "dog": {"precision": [], "recall": [], "threshold": []},
        "cow": {"precision": [], "recall": [], "threshold": []},
    }


def test_the_area_under_a_curve_is_the_average_precision() -> None:
    truths, detections, count = _random(20, 6, 7)
    performance = detection_performance(truths, detections, _tags(count))
    for tag, curve in precision_recall_curves(truths, detections, _tags(count)).items():
        assert 0 < len(curve["threshold"]) < CURVE_POINTS
        area = np.sum(np.diff(curve["recall"], prepend=0) * curve["precision"])
        assert area == pytest.approx(performance.tag_performance[tag]["averagePrecision50"], abs=2e-4)


@pytest.mark.parametrize("seed", range(3))
def test_thinned_curves_look_as_they_were(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    truths, detections, _ = _random(400, 1, seed, detections=40)
    [curve] = precision_recall_curves(truths, detections, ["cat"]).values()
    monkeypatch.setattr("vision_customization.engine.learning.precision_recall.CURVE_POINTS", 10**6)
    [whole] = precision_recall_curves(truths, detections, ["cat"]).values()
    assert len(curve["recall"]) == CURVE_POINTS < len(whole["recall"])
    assert json.loads(json.dumps(curve)) == curve
    assert curve["threshold"] == sorted(curve["threshold"], reverse=True)
    assert curve["recall"] == sorted(curve["recall"])
    assert [values[-1] for values in curve.values()] == [values[-1] for values in whole.values()]
    line = list(zip(curve["recall"], curve["precision"], strict=True))
    distances = [
        min(_distance(np.array(point), np.array(first), np.array(second)) for first, second in pairwise(line))
        for point in list(zip(whole["recall"], whole["precision"], strict=True))[::20]
    ]
    # Two pixels of a picture of 400.
    assert max(distances) < 0.005


def _distance(point: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    chord = second - first
    along = np.clip((point - first) @ chord / max(chord @ chord, 1e-18), 0, 1)
    return float(np.linalg.norm(point - first - along * chord))


ONE = _truth((0, *BOX))
FOUND = _found((0, 0.5, *BOX))


@pytest.mark.parametrize(
    ("truths", "detections", "said"),
    [
        ([ONE], [], "objects of 1 images and detections of 0, expected one of each per image"),
        ([ONE, _truth((2, *BOX))], [FOUND] * 2, "the objects of image 1 have label 2, expected 0 to 1: a position in 2 tags"),
        ([ONE], [_found((-1, 0.5, *BOX))], "the detections of image 0 have label -1"),
        ([LabelledBoxes(ONE.corners[:, :3], ONE.labels)], [FOUND], r"objects of image 0 have corners \(1, 3\)"),
        ([LabelledBoxes(ONE.corners, np.zeros(2, np.int64))], [FOUND], r"corners \(1, 4\) and labels \(2,\)"),
        ([ONE], [Detections(FOUND.corners, FOUND.labels, np.ones(2, np.float32))], r"scores of image 0 are \(2,\)"),
        ([ONE], [_found((0, float("nan"), *BOX))], "scores of image 0 are not all finite"),
        ([ONE], [_found((0, 0.5, 1, 1, 1, float("inf")))], "the detections of image 0 have corners that are not finite"),
    ],
)
@pytest.mark.parametrize(
    "measure",
    [
        lambda truths, detections: detection_performance(truths, detections, ["cat", "dog"]),
        lambda truths, detections: precision_recall_curves(truths, detections, ["cat", "dog"]),
    ],
)
def test_what_does_not_fit_is_refused(
    truths: list[LabelledBoxes],
    detections: list[Detections],
    said: str,
    measure: Callable[[list[LabelledBoxes], list[Detections]], object],
) -> None:
    with pytest.raises(ValueError, match=said):
        measure(truths, detections)
