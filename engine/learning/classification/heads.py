"""Linear heads: a discriminant in closed form. Pure functions of arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class LinearHead:
    """Scores are `x @ weights + bias`: weights float64 [d, k], bias float64 [k]."""

    weights: Matrix
    bias: Matrix

    def scores(self, x: Samples) -> Matrix:
        """float32 [n, d] → float64 [n, k]."""
        product: Matrix = (x @ self.weights.astype(np.float32)).astype(np.float64) + self.bias
        return product

    def scaled(self, factor: float) -> "LinearHead":
        return LinearHead(self.weights * factor, self.bias * factor)


def coordinates_in_span(x: Samples) -> Samples:
    """The samples reduced to as many dimensions as there are samples, with the same inner products: a linear head learns the
    same from them at a fraction of the cost.

    Args:
        x: float32 [n, d].

    Returns:
        float32 [n, n], a Cholesky factor of the Gram matrix.
    """
    exact = x.astype(np.float64)
    gram = exact @ exact.T
    # Copies of an image make the matrix singular; the jitter keeps the factor regular.
    gram[np.diag_indices(len(x))] += 1e-9 * np.trace(gram) + 1e-12
    factor: Samples = np.linalg.cholesky(gram).astype(np.float32)
    return factor


def class_means(x: Samples, labels: Labels, classes: int) -> Matrix:
    """The mean of each class, float64 [k, d]. Every class must have a sample."""
    indicator = np.zeros((classes, len(x)), np.float32)
    indicator[labels, np.arange(len(x))] = 1
    means: Matrix = (indicator @ x).astype(np.float64) / indicator.sum(axis=1, keepdims=True)
    return means


def fit_discriminant(
    x: Samples, labels: Labels, classes: int, shrinkage: float, *, dimensions: int | None = None
) -> LinearHead:
    """Linear discriminant with the covariance `S = (1 − λ)·S_w + λ·σ²·I`, σ² the mean variance, all classes equally likely.

    Shrinkage towards the identity follows Friedman (JASA 1989) and Ledoit & Wolf (2004). Solved in the dual (Woodbury's
    identity) if there are fewer samples than dimensions.

    Args:
        x: float32 [n, d].
        labels: int64 [n], each of 0…classes − 1 at least once.
        shrinkage: λ, above 0 and below 1.
        dimensions: number of dimensions that share the variance, if x are coordinates in the samples' span (default: d).
    """
    samples, width = x.shape
    means = class_means(x, labels, classes)
    residuals = x - means.astype(np.float32)[labels]
    freedom = max(samples - classes, 1)
    return discriminant(directions_from(residuals, means - means.mean(axis=0), shrinkage, freedom, dimensions or width), means)


def discriminant(weights: Matrix, means: Matrix) -> LinearHead:
    """The head of these directions, float64 [d, k], for classes with these means, float64 [k, d]."""
    bias: Matrix = -0.5 * np.einsum("dk,kd->k", weights, means + means.mean(axis=0))
    return LinearHead(weights, bias)


def directions_from(residuals: Samples, targets: Matrix, shrinkage: float, freedom: int, dimensions: int) -> Matrix:
    """`shrunk_directions` of the residuals, float32 [n, d]; `dimensions` share the variance."""
    samples, width = residuals.shape
    if samples > width:
        scatter = (residuals.T @ residuals).astype(np.float64)
        return shrunk_directions(scatter, targets, shrinkage, freedom, dimensions)
    variance = float(np.square(residuals).sum(dtype=np.float64)) / (freedom * dimensions)
    ridge = shrinkage * (variance or 1.0)
    inner = (residuals @ residuals.T).astype(np.float64)
    inner[np.diag_indices(samples)] += ridge * freedom / (1 - shrinkage)
    projected = np.linalg.solve(inner, (residuals @ targets.T.astype(np.float32)).astype(np.float64))
    weights: Matrix = (targets.T - residuals.T @ projected.astype(np.float32)) / ridge
    return weights


def shrunk_directions(
    scatter: Matrix, targets: Matrix, shrinkage: float, freedom: int, dimensions: int | None = None
) -> Matrix:
    """`S⁻¹ · targetsᵀ`, float64 [d, k], with the shrunk covariance S (see `fit_discriminant`).

    Args:
        scatter: float64 [d, d], the sum of the outer products of the residuals, which have `freedom` degrees of freedom.
        targets: float64 [k, d].
        dimensions: number of dimensions that share the variance (default: d).
    """
    variance = float(np.trace(scatter)) / (freedom * (dimensions or len(scatter)))
    covariance = (1 - shrinkage) / freedom * scatter
    # No spread at all (one image per tag, or copies): any multiple of the identity gives the same ranking.
    covariance[np.diag_indices(len(covariance))] += shrinkage * (variance or 1.0)
    return np.asarray(np.linalg.solve(covariance, targets.T), np.float64)


def unit_spread(head: LinearHead, x: Samples) -> LinearHead:
    """The head, scaled so that its scores of `x` have a standard deviation of one between the classes."""
    scores = head.scores(x)
    return head.scaled(1 / (float(np.std(scores - scores.mean(axis=1, keepdims=True))) or 1.0))
