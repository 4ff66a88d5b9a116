import numpy as np
import pytest

from vision_customization.engine.learning.classification.heads import coordinates_in_span, fit_discriminant, unit_spread


def _samples(counts: list[int], dimensions: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = random.standard_normal((len(counts), dimensions))
    return (centres[labels] + random.standard_normal((len(labels), dimensions))).astype(np.float32), labels


@pytest.mark.parametrize("dimensions", [5, 40], ids=["more samples than dimensions", "fewer"])
@pytest.mark.parametrize("shrinkage", [0.1, 0.5, 0.9])
def test_discriminant_is_its_formula(dimensions: int, shrinkage: float) -> None:
    x, labels = _samples([7, 4, 12], dimensions)
    means = np.stack([x[labels == index].astype(np.float64).mean(axis=0) for index in range(3)])
    residuals = x - means[labels]
    within = residuals.T @ residuals / (len(x) - 3)
    covariance = (1 - shrinkage) * within + shrinkage * np.trace(within) / dimensions * np.eye(dimensions)
    inverse = np.linalg.inv(covariance)
    distances = [np.einsum("nd,de,ne->n", x - mean, inverse, x - mean) for mean in means]
    expected = -0.5 * np.stack(distances, axis=1)
    scores = fit_discriminant(x, labels, 3, shrinkage).scores(x)
    centred = [values - values.mean(axis=1, keepdims=True) for values in (scores, expected)]
    np.testing.assert_allclose(centred[0], centred[1], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    "x",
    [np.zeros((6, 10)), np.repeat(np.eye(2, 10), 3, axis=0), np.zeros((6, 2)), np.full((6, 10), 3.0)],
    ids=["all zero", "copies of one image a tag", "all zero, few dimensions", "all alike"],
)
def test_heads_of_degenerate_samples_are_finite(x: np.ndarray) -> None:
    x = x.astype(np.float32)
    labels = np.array([0, 0, 0, 1, 1, 1])
    head = fit_discriminant(x, labels, 2, 0.5)
    assert np.isfinite(head.scores(x)).all()
    assert np.isfinite(unit_spread(head, x).scores(x)).all()


def test_copies_of_one_image_a_tag_are_told_apart() -> None:
    x = np.repeat(np.eye(2, 10, dtype=np.float32), 3, axis=0)
    labels = np.array([0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(fit_discriminant(x, labels, 2, 0.5).scores(x).argmax(axis=1), labels)


@pytest.mark.parametrize("factor", [0.001, 1.0, 1000.0])
def test_scores_of_unit_spread(factor: float) -> None:
    x, labels = _samples([9, 9, 4], 6)
    scores = unit_spread(fit_discriminant(x, labels, 3, 0.5).scaled(factor), x).scores(x)
    assert np.std(scores - scores.mean(axis=1, keepdims=True)) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("copies", [1, 3])
def test_heads_in_the_span_give_the_same_scores(copies: int) -> None:
    x, labels = _samples([6, 9], 60)
    x, labels = np.repeat(x, copies, axis=0), np.repeat(labels, copies)
    spanned = coordinates_in_span(x)
    seen = np.arange(len(x)) % 3 > 0
    whole = fit_discriminant(x[seen], labels[seen], 2, 0.5).scores(x)
    short = fit_discriminant(spanned[seen], labels[seen], 2, 0.5, dimensions=60).scores(spanned)
    np.testing.assert_allclose(short, whole, rtol=2e-3, atol=2e-3)
