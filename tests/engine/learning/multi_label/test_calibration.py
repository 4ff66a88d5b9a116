import numpy as np
import pytest
from scipy.special import expit

from vision_customization.engine.learning.classification.heads import LinearHead
from vision_customization.engine.learning.multi_label.calibration import fit_calibration, moved, prior_log_odds
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


@pytest.mark.parametrize("deviation", [0.08, 0.12, 0.16])
def test_a_tag_on_8_images_of_a_sample_and_16_of_a_million_is_found_as_in_the_sample(deviation: float) -> None:
    """The other tag is harder to tell, so the slope common to both is low for this one."""
    images, sampled = 1_000_000, 20_000
    random = np.random.default_rng(0)
    present = np.zeros((images, 2), np.bool_)
    present[:, 0] = random.random(images) < 0.5
    present[:8, 1] = present[-8:, 1] = True
    scores = present - 0.5 + [0.3, deviation] * random.standard_normal(present.shape)
    calibration = fit_calibration(scores[None, :sampled], present[:sampled])
    shift = prior_log_odds(present.sum(axis=0), images) - prior_log_odds(present[:sampled].sum(axis=0), sampled)
    assert shift == pytest.approx([0, np.log(16.5 / 1_000_000) - np.log(8.5 / 20_000)], abs=0.03)
    of_sample, served = (each.probabilities(scores) for each in (calibration, calibration.moved(shift)))
    np.testing.assert_allclose(served, moved(of_sample, shift), rtol=1e-6)
    thresholds = np.array(choose_thresholds(of_sample[None, :sampled]))
    found = served >= moved(thresholds, shift)
    np.testing.assert_array_equal(found, of_sample >= thresholds)
    assert found[present[:, 1], 1].sum() >= 6
    assert found[~present[:, 1], 1].sum() <= 1
    assert (served >= thresholds)[:, 1].sum() <= 1  # which is why they are moved
