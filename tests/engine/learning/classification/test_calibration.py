import numpy as np
import pytest

from vision_customization.engine.learning.classification.calibration import SHARPNESS_UNFITTED, fit_sharpness, temper_sharpness


def _scores(images: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose labels are drawn from softmax(sharpness · scores): the factor to find is known."""
    random = np.random.default_rng(seed)
    scores = random.standard_normal((images, 4))
    chances = np.exp(sharpness * scores)
    chances /= chances.sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) > random.random((images, 1))).argmax(axis=1)
    return scores[None], labels


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 6.0])
def test_the_factor_that_made_the_labels_is_found(sharpness: float) -> None:
    assert fit_sharpness(*_scores(4000, sharpness)) == pytest.approx(sharpness, rel=0.1)


def test_a_perfect_score_on_few_images_is_no_certainty() -> None:
    labels = np.array([0, 1, 0, 1, 0, 1])
    scores = np.eye(2)[labels][None]
    sharpness = fit_sharpness(scores, labels)
    assert 0.7 < 1 / (1 + np.exp(-sharpness)) < 0.95


def test_folding_in_several_ways_does_not_make_it_surer() -> None:
    scores, labels = _scores(12, 3.0)
    once = fit_sharpness(scores, labels)
    assert fit_sharpness(np.concatenate([scores] * 5), labels) == pytest.approx(once, rel=1e-6)


@pytest.mark.parametrize(("images_a_tag", "low", "high"), [(2, 1.5, 3.0), (3, 1.2, 1.4), (200, 0.5, 0.52)])
def test_few_images_a_tag_are_trusted_less(images_a_tag: int, low: float, high: float) -> None:
    labels = np.repeat([0, 1], images_a_tag)
    assert low <= temper_sharpness(0.5, labels) <= high
    assert temper_sharpness(SHARPNESS_UNFITTED, labels) == pytest.approx(SHARPNESS_UNFITTED)
