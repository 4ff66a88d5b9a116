import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from vision_evaluation.evaluators import (
    AveragePrecisionEvaluator,
    EceLossEvaluator,
    TagWiseAccuracyEvaluator,
    TopKAccuracyEvaluator,
)

from vision_customization.engine.learning import classification_performance

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def _assert_equal_to_reference(labels: Labels, probabilities: Probabilities) -> None:
    tags = [f"tag {index}" for index in range(probabilities.shape[1])]
    ours = classification_performance(labels, probabilities, tags)
    reference = {}
    for evaluator in (TopKAccuracyEvaluator(1), TopKAccuracyEvaluator(5), AveragePrecisionEvaluator(), EceLossEvaluator()):
        evaluator.add_predictions(probabilities, labels)
        reference |= evaluator.get_report()
    assert ours.accuracy_top1 == pytest.approx(reference["accuracy_top1"], abs=1e-12)
    assert ours.accuracy_top5 == pytest.approx(reference["accuracy_top5"], abs=1e-12)
    assert ours.average_precision == pytest.approx(reference["average_precision"], abs=1e-9)
    assert ours.calibration_ece == pytest.approx(reference["calibration_ece"], abs=1e-6)
    by_tag = TagWiseAccuracyEvaluator()
    by_tag.add_predictions(probabilities, labels)
    with np.errstate(invalid="ignore"):
        expected = by_tag.get_report()["tag_wise_accuracy"]
    assert [ours.tag_performance[tag]["accuracy"] for tag in tags] == pytest.approx(expected, abs=1e-12)


def _random(images: int, classes: int, seed: int, decimals: int | None = None) -> tuple[Labels, Probabilities]:
    random = np.random.default_rng(seed)
    scores = random.dirichlet(np.full(classes, 0.3), images)
    if decimals is not None:
        scores = scores.round(decimals)
    return random.integers(0, classes, images), scores.astype(np.float32)


CASES = {
    "many images": _random(500, 12, 0),
    "two classes": _random(60, 2, 1),
    "ties": _random(200, 8, 2, decimals=1),
    "all alike": (np.array([0, 1, 2, 0]), np.full((4, 3), 1 / 3, np.float32)),
    "absent classes": (np.array([1, 1, 4]), _random(3, 9, 3)[1]),
    "one class only": (np.zeros(5, np.int64), np.ones((5, 1), np.float32)),
    "one image": (np.array([2]), _random(1, 7, 4)[1]),
    "certain and right": (np.arange(4), np.eye(4, dtype=np.float32)),
    "certain and wrong": (np.arange(4)[::-1].copy(), np.eye(4, dtype=np.float32)),
    "all zero": (np.array([0, 1]), np.zeros((2, 3), np.float32)),
}


@pytest.mark.filterwarnings("ignore:A single label:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_metrics_equal_vision_evaluation(name: str) -> None:
    _assert_equal_to_reference(*CASES[name])


@pytest.mark.filterwarnings("ignore:A single label:UserWarning")
@settings(max_examples=60, deadline=None)
@given(
    images=st.integers(1, 60), classes=st.integers(1, 15), seed=st.integers(0, 2**31), decimals=st.sampled_from([None, 0, 1, 2])
)
def test_metrics_equal_vision_evaluation_on_anything(images: int, classes: int, seed: int, decimals: int | None) -> None:
    _assert_equal_to_reference(*_random(images, classes, seed, decimals))


def test_no_images_give_zeros() -> None:
    performance = classification_performance(np.array([], np.int64), np.empty((0, 2), np.float32), ["a", "b"])
    assert performance.accuracy_top1 == performance.average_precision == performance.calibration_ece == 0.0
    assert performance.tag_performance == {"a": {"accuracy": 0.0}, "b": {"accuracy": 0.0}}


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        classification_performance(np.array([0]), np.ones((1, 3), np.float32), ["a", "b"])
