import numpy as np
import pytest
from scipy.special import expit

from vision_customization.engine.learning.classification.heads import LinearHead
from vision_customization.engine.learning.multi_label.calibration import fit_calibration
from vision_customization.engine.learning.multi_label.metrics import expected_calibration_error
from vision_customization.engine.learning.multi_label.thresholds import choose_thresholds


def _drawn(images: int, shares: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of tags with these shares of images: normally distributed, 1 apart, with a deviation of 0.5."""
    random = np.random.default_rng(seed)
    present = random.random((images, len(shares))) < shares
    return present, (present - 0.5 + 0.5 * random.standard_normal(present.shape))[None]


def test_many_scores_give_their_true_probabilities() -> None:
    shares = [0.5, 0.1, 0.02]
    present, scores = _drawn(20_000, shares)
    calibration = fit_calibration(scores, present)
    # Two normal distributions have the log odds score · gap / variance + log of the share's odds.
    assert calibration.slope == pytest.approx(4, rel=0.05)
    np.testing.assert_allclose(calibration.offsets, np.log(np.array(shares) / (1 - np.array(shares))), atol=0.15)
    again, unseen = _drawn(20_000, shares, seed=1)
    assert expected_calibration_error(again, calibration.probabilities(unseen[0]).astype(np.float32)) < 0.01


def test_a_few_right_answers_are_no_certainty() -> None:
    present = np.array([[True], [False], [True], [False]])
    calibration = fit_calibration(np.where(present, 0.5, -0.5)[None], present)
    assert 0.6 < calibration.probabilities(np.array([0.5]))[0] < 0.97


def test_scores_that_say_nothing_give_the_share_of_images() -> None:
    present = np.random.default_rng(0).random((2000, 1)) < 0.2
    scores = np.random.default_rng(1).standard_normal((1, 2000, 1))
    np.testing.assert_allclose(fit_calibration(scores, present).probabilities(scores), 0.2, atol=0.05)


def test_a_head_gives_the_calibrated_odds() -> None:
    present, scores = _drawn(200, [0.3, 0.6])
    calibration = fit_calibration(scores, present)
    head = calibration.applied_to(LinearHead(np.eye(2), np.array([0.1, 0.2])))
    x = scores[0].astype(np.float32)
    np.testing.assert_allclose(expit(head.scores(x)), calibration.probabilities(x + np.array([0.1, 0.2])), atol=1e-6)


def test_with_many_images_a_threshold_is_that_of_the_best_f1() -> None:
    present, scores = _drawn(20_000, [0.5, 0.05])
    probabilities = fit_calibration(scores, present).probabilities(scores)
    for tag, threshold in enumerate(choose_thresholds(probabilities)):

        def f1(least: float, tag: int = tag) -> float:
            found = probabilities[0, :, tag] >= least
            hits = (found & present[:, tag]).sum()
            return float(2 * hits / (found.sum() + present[:, tag].sum()))

        assert f1(threshold) > max(f1(least) for least in np.arange(0.02, 0.99, 0.01)) - 0.005
