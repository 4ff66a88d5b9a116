import numpy as np
import pytest

from vision_customization.engine.learning.classification.heads import fit_discriminant
from vision_customization.engine.learning.classification.novelty import QUANTILES_MAX, left_out_tops, novelty_of


def _samples(counts: list[int], dimensions: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = random.standard_normal((len(counts), dimensions))
    return (centres[labels] + random.standard_normal((len(labels), dimensions))).astype(np.float32), labels


def _refitted(x: np.ndarray, labels: np.ndarray, classes: int, shrinkage: float) -> list[float]:
    counts = np.bincount(labels)
    tops = []
    for index in np.flatnonzero(counts[labels] > 1):
        kept = np.arange(len(x)) != index
        head = fit_discriminant(x[kept], labels[kept], classes, shrinkage)
        tops.append(float(head.scores(x[~kept]).max()))
    return tops


@pytest.mark.parametrize("dimensions", [6, 300], ids=["more samples than dimensions", "fewer"])
@pytest.mark.parametrize("counts", [[2, 2], [2, 2, 2, 2], [9, 5, 12], [2, 1, 7], [300, 20]], ids=str)
@pytest.mark.parametrize("shrinkage", [0.1, 0.5, 0.9])
def test_the_closed_form_equals_refits(counts: list[int], dimensions: int, shrinkage: float) -> None:
    x, labels = _samples(counts, dimensions)
    expected = _refitted(x, labels, len(counts), shrinkage)
    np.testing.assert_allclose(left_out_tops(x, labels, len(counts), shrinkage), expected, rtol=3e-4, atol=1e-4)


def test_it_equals_refits_where_the_rest_has_no_spread() -> None:
    x, labels = _samples([2, 1, 1], 20)
    np.testing.assert_allclose(left_out_tops(x, labels, 3, 0.5), _refitted(x, labels, 3, 0.5), rtol=1e-5)


def test_copies_are_no_obstacle() -> None:
    x, labels = _samples([3, 3], 20)
    x = np.repeat(x, 4, axis=0)
    labels = np.repeat(labels, 4)
    np.testing.assert_allclose(left_out_tops(x, labels, 2, 0.5), _refitted(x, labels, 2, 0.5), rtol=1e-5)


def test_novelty_is_the_share_of_images_with_a_higher_score() -> None:
    tops = np.random.default_rng(0).standard_normal(200) * 3
    novelty = novelty_of(tops)
    assert novelty is not None
    scores = np.linspace(-12, 12, 400).astype(np.float32)[:, None] - np.array([[0.0, 1.0, 2.0]], np.float32)
    found = novelty.of(scores)
    shares = (tops > scores.max(axis=1, keepdims=True)).mean(axis=1)
    assert np.abs(found - shares).max() <= 1 / 199 + 1e-6
    assert found[0] == 1
    assert found[-1] == 0
    assert (np.diff(found) <= 0).all()


def test_many_scores_are_kept_as_quantiles() -> None:
    tops = np.random.default_rng(0).standard_normal(50_000)
    novelty = novelty_of(tops)
    assert novelty is not None
    assert len(novelty.upper) == len(novelty.width) == QUANTILES_MAX - 1
    for share in (0.01, 0.5, 0.98):
        score = np.quantile(tops, 1 - share).astype(np.float32).reshape(1, 1)
        assert novelty.of(score)[0] == pytest.approx(share, abs=1e-3)


def test_equal_scores_are_a_step() -> None:
    novelty = novelty_of(np.full(5, 2.0))
    assert novelty is not None
    np.testing.assert_array_equal(novelty.of(np.array([[1.9], [2.1]], np.float32)), [1, 0])


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_scores_tell_no_novelty(count: int) -> None:
    assert novelty_of(np.zeros(count)) is None


def test_a_tag_of_one_image_keeps_it() -> None:
    x, labels = _samples([1, 1], 5)
    assert left_out_tops(x, labels, 2, 0.5).shape == (0,)
