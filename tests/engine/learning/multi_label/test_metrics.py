import numpy as np
import pytest

from vision_customization.engine.learning.multi_label.metrics import expected_calibration_error, multi_label_performance

PRESENT = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
PROBABILITIES = np.array([[0.9, 0.2, 0.1], [0.4, 0.8, 0.1], [0.5, 0.6, 0.1], [0.1, 0.7, 0.3]], np.float32)
THRESHOLDS = (0.5, 0.65, 0.2)


def test_each_tag_is_measured_by_its_ranking_and_at_its_threshold() -> None:
    performance = multi_label_performance(PRESENT, PROBABILITIES, THRESHOLDS, ["cup", "fork", "knife"])
    assert performance.tag_performance == {
        # Ranked: hit, miss, hit. At its threshold: one hit, one miss, one left out.
        "cup": pytest.approx(
            {"averagePrecision": (1 + 2 / 3) / 2, "f1": 0.5, "precision": 0.5, "recall": 0.5, "threshold": 0.5}
        ),
        "fork": pytest.approx(
            {"averagePrecision": (1 + 2 / 3) / 2, "f1": 0.5, "precision": 0.5, "recall": 0.5, "threshold": 0.65}
        ),
        "knife": {"averagePrecision": 0.0, "f1": 0.0, "precision": 0.0, "recall": 0.0, "threshold": 0.2},
    }
    # A tag that is on no image says nothing about the model.
    assert performance.mean_average_precision == pytest.approx(5 / 6)
    assert performance.macro_f1 == pytest.approx(0.5)


def test_the_wire_has_no_metric_of_another_kind() -> None:
    wire = multi_label_performance(PRESENT, PROBABILITIES, THRESHOLDS, ["cup", "fork", "knife"]).to_wire()
    assert set(wire) == {"meanAveragePrecision", "macroF1", "calibrationECE", "tagPerformance"}


@pytest.mark.parametrize(
    ("present", "probabilities", "error"),
    [
        ([[1, 0], [0, 1]], [[1, 0], [0, 1]], 0.0),
        ([[1, 0], [0, 1]], [[0, 1], [1, 0]], 1.0),
        ([[1, 0], [1, 0]], [[0.5, 0.5], [0.5, 0.5]], 0.0),
        ([[1, 1], [1, 0]], [[0.5, 0.5], [0.5, 0.5]], 0.25),
        (np.zeros((0, 2)), np.zeros((0, 2)), 0.0),
    ],
)
def test_calibration_is_how_far_counts_and_probabilities_are_apart(
    present: list[list[int]], probabilities: list[list[float]], error: float
) -> None:
    found = expected_calibration_error(np.array(present, bool), np.array(probabilities, np.float32))
    assert found == pytest.approx(error)


@pytest.mark.parametrize(("thresholds", "tags"), [((0.5, 0.5), "abc"), ((0.5, 0.5, 0.5), "ab")])
def test_shapes_that_do_not_match(thresholds: tuple[float, ...], tags: str) -> None:
    with pytest.raises(ValueError, match="expected those of"):
        multi_label_performance(PRESENT, PROBABILITIES, thresholds, list(tags))
