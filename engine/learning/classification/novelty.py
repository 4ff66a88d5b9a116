"""Novelty: how unlike its training images a classifier finds an image. Pure functions of arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.heads import Labels, Matrix, Samples

QUANTILES_MAX = 1001
_WIDTH_LEAST = 1e-6
_SPREAD_LEAST = 1e-9
"""Share of the images' spread below which the rest is rounding, because it has none."""
_CHUNK = 256


@dataclass(frozen=True)
class Novelty:
    """The highest scores of the training images, each left out in turn, as the steps between their quantiles: float32 [q] each,
    the upper ends rising, and the widths, above 0.

    The highest score of a linear head tells the unfamiliar better than the probability after the softmax, which only compares
    the tags with each other.
    """

    upper: NDArray[np.float32]
    width: NDArray[np.float32]

    def of(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """The share of training images that look less novel, between two of them linear: float32 [n, k] → float32 [n], 0…1."""
        top = scores.max(axis=1, keepdims=True)
        result: NDArray[np.float32] = np.clip((self.upper - top) / self.width, 0, 1).mean(axis=1)
        return result


def novelty_of(tops: Matrix) -> Novelty | None:
    """The novelty by these scores, float64 [m]; None if they are fewer than two."""
    if len(tops) < 2:
        return None
    quantiles = np.quantile(tops, np.linspace(0, 1, min(len(tops), QUANTILES_MAX)))
    width = np.maximum(np.diff(quantiles), _WIDTH_LEAST)
    return Novelty(quantiles[1:].astype(np.float32), width.astype(np.float32))


def left_out_tops(x: Samples, labels: Labels, classes: int, shrinkage: float) -> Matrix:
    """The highest score of each image by the discriminant of all others (see `fit_discriminant`), in closed form.

    The discriminant's score of a class is half the difference of two squared Mahalanobis distances: to the mean of the class
    means, and to the class's. Without image i of class a, with n images and residual r, the class's mean moves by −r / (n − 1)
    and the scatter loses n / (n − 1) · r · rᵀ, so the inverse changes by one term (Sherman & Morrison 1950). The ridge, which
    follows the scatter's trace, changes too: in the scatter's eigenvectors that costs nothing more.

    Args:
        x: float32 [n, d].
        labels: int64 [n], each of 0…classes − 1 at least once.
        shrinkage: λ, above 0 and below 1.

    Returns:
        float64 [m], of the images whose class has another one.
    """
    samples, dimensions = x.shape
    exact = x.astype(np.float64)
    if samples < dimensions:
        exact = np.linalg.qr(exact.T, mode="r").T  # coordinates in the samples' span
    means = np.stack([exact[labels == label].mean(axis=0) for label in range(classes)])
    residuals = exact - means[labels]
    eigenvalues, vectors = np.linalg.eigh(residuals.T @ residuals)
    scatter = np.maximum(eigenvalues, 0)
    exact, means, residuals = exact @ vectors, means @ vectors, residuals @ vectors
    centre = means.mean(axis=0)
    counts = np.bincount(labels, minlength=classes)[labels].astype(np.float64)
    freedom = max(samples - 1 - classes, 1)
    tops = []
    left_out = np.flatnonzero(counts > 1)
    for chunk in np.split(left_out, range(_CHUNK, len(left_out), _CHUNK)):
        point, residual, rest = exact[chunk], residuals[chunk], counts[chunk] - 1
        lost = 1 + 1 / rest
        spread = scatter.sum() - lost * np.square(residual).sum(axis=1)
        variance = np.where(spread > _SPREAD_LEAST * scatter.sum(), spread / (freedom * dimensions), 1.0)
        ridge = shrinkage * variance * freedom / (1 - shrinkage)
        inverse = 1 / (scatter + ridge[:, None])
        weighted = inverse * residual
        own = (weighted * residual).sum(axis=1)
        gain = lost / (1 - lost * own)

        def distance(offset: Matrix) -> Matrix:
            return (inverse * np.square(offset)).sum(axis=1) + gain * np.square((weighted * offset).sum(axis=1))

        along = (weighted * point).sum(axis=1, keepdims=True) - weighted @ means.T
        distances = (inverse * np.square(point)).sum(axis=1, keepdims=True) - 2 * (inverse * point) @ means.T
        distances += inverse @ np.square(means).T + gain[:, None] * np.square(along)
        distances[np.arange(len(chunk)), labels[chunk]] = distance(lost[:, None] * residual)
        to_centre = distance(point - centre + residual / (rest * classes)[:, None])
        tops.append((to_centre - distances.min(axis=1)) * freedom / (1 - shrinkage) / 2)
    return np.concatenate(tops)
