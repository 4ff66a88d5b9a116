"""Reliability of confidences."""

import numpy as np
import pytest

from tests.engine.outcomes.made import MADE, answers, image
from tests.engine.outcomes.test_detected import OUTCOMES
from vision_customization.contract.judging import OutcomeKind
from vision_customization.engine.learning.classification.metrics import expected_calibration_error
from vision_customization.engine.outcomes import calibration as module
from vision_customization.engine.outcomes.calibration import calibration
from vision_customization.engine.outcomes.classified import classified


def test_bins_of_first_answers() -> None:
    """Two tags; the first answers are right with 1, 0.9, 0.8 and wrong with 0.85, 0.6."""
    first = np.array([1, 0.9, 0.8, 0.85, 0.6], np.float32)
    probabilities = np.stack([first, 1 - first], axis=1)
    outcomes = classified([image(number) for number in range(5)], np.array([0, 0, 0, 1, 1]), probabilities, ["a", "b"])
    found = calibration(outcomes.answers)
    assert (found.kind, found.answers, found.lowest, len(found.bins)) == (OutcomeKind.ONE_TAG, 5, 0, 10)
    # The upper edge belongs to a bin: 0.9 is in (0.8, 0.9], 0.8 in (0.7, 0.8].
    filled = {
        round(each.high, 1): (each.count, round(each.mean_confidence or 0, 4), each.share_right)
        for each in found.bins
        if each.count
    }
    assert filled == {0.6: (1, 0.6, 0.0), 0.8: (1, 0.8, 1.0), 0.9: (2, 0.875, 0.5), 1.0: (1, 1.0, 1.0)}
    # |0 − 0.6| + |1 − 0.8| + |1 − 1.75| + |1 − 1|, of five answers.
    assert found.expected_calibration_error == pytest.approx(1.55 / 5)
    assert found.bins[0].mean_confidence is None
    assert found.bins[0].share_right is None


def test_objects_are_answers_of_a_detector() -> None:
    """Right with 0.9, 0.8, 0.4; wrong with 0.7, 0.6, 0.5."""
    found = calibration(OUTCOMES.answers)
    counts = {round(each.high, 1): (each.count, each.share_right) for each in found.bins if each.count}
    assert counts == {0.4: (1, 1.0), 0.5: (1, 0.0), 0.6: (1, 0.0), 0.7: (1, 0.0), 0.8: (1, 1.0), 0.9: (1, 1.0)}
    assert found.expected_calibration_error == pytest.approx((0.6 + 0.5 + 0.6 + 0.7 + 0.2 + 0.1) / 6)
    assert (found.answers, found.lowest) == (6, 0.2)


def test_with_as_many_bins_it_is_the_metric_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision_customization.engine.learning.classification.metrics._BINS", module.BINS)
    labels, probabilities = answers(2000)
    probabilities = probabilities.round(4)
    found = calibration(classified([image(number) for number in range(2000)], labels, probabilities, ["a", "b", "c"]).answers)
    assert found.expected_calibration_error == pytest.approx(expected_calibration_error(labels, probabilities), abs=1e-6)


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_nothing_answered_has_no_error(kind: OutcomeKind) -> None:
    found = calibration(MADE[kind](0).answers)
    assert (found.answers, found.expected_calibration_error) == (0, None)
    assert sum(each.count for each in found.bins) == 0
