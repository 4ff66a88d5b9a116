"""Linear heads in closed form or by a small convex fit. Everything here is a pure function of arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class LinearHead:
    """Scores are `x @ weights + bias`: weights float64 [d, k], bias float64 [k]."""

    weights: Matrix
    bias: Matrix

    def scores(self, x: Matrix) -> Matrix:
        return x @ self.weights + self.bias


def class_means(x: Matrix, labels: Labels, classes: int) -> Matrix:
    """float64 [k, d]. Every class must have a row."""
    indicator = np.zeros((classes, len(x)))
    indicator[labels, np.arange(len(x))] = 1
    return (indicator @ x) / indicator.sum(axis=1, keepdims=True)


def fit_discriminant(x: Matrix, labels: Labels, classes: int, shrinkage: float) -> LinearHead:
    """Linear discriminant with the covariance `S = (1 − λ)·S_w + λ·σ²·I`, σ² the mean variance, all classes equally likely.

    Shrinkage as Ledoit & Wolf (2004) and Friedman (1989); solved in the dual (Woodbury) where samples are fewer than
    dimensions.

    Args:
        x: float64 [n, d].
        labels: int64 [n], each of 0…classes − 1 at least once.
        shrinkage: λ, above 0 and at most 1.
    """
    samples, dimensions = x.shape
    means = class_means(x, labels, classes)
    centre = means.mean(axis=0)
    residuals = x - means[labels]
    freedom = max(samples - classes, 1)
    variance = float(np.square(residuals).sum()) / (freedom * dimensions)
    # No spread at all (one image a tag, duplicates): any multiple of the identity ranks alike.
    ridge = shrinkage * variance or 1.0
    share = (1 - shrinkage) / freedom
    targets = means - centre
    if samples <= dimensions:
        inner = residuals @ residuals.T
        inner[np.diag_indices(samples)] += ridge / share if share > 0 else 1.0
        projected = np.linalg.solve(inner, residuals @ targets.T) if share > 0 else np.zeros((samples, classes))
        weights = (targets.T - residuals.T @ projected) / ridge
    else:
        covariance = share * (residuals.T @ residuals)
        covariance[np.diag_indices(dimensions)] += ridge
        weights = np.linalg.solve(covariance, targets.T)
    bias = -0.5 * np.einsum("dk,kd->k", weights, means + centre)
    return LinearHead(weights, bias)


def softmax(scores: Matrix) -> Matrix:
    """Row-wise, without overflow."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    total: Matrix = shifted / shifted.sum(axis=1, keepdims=True)
    return total
