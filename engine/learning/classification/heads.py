"""Linear heads: a discriminant in closed form, a logistic regression, and the sum of both. Pure functions of arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

_STEPS_MAX = 100

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
    centre = means.mean(axis=0)
    residuals = x - means.astype(np.float32)[labels]
    freedom = max(samples - classes, 1)
    weights = shrunk_directions(residuals, means - centre, shrinkage, freedom, dimensions or width)
    bias: Matrix = -0.5 * np.einsum("dk,kd->k", weights, means + centre)
    return LinearHead(weights, bias)


def shrunk_directions(residuals: Samples, targets: Matrix, shrinkage: float, freedom: int, dimensions: int) -> Matrix:
    """`S⁻¹ · targetsᵀ`, float64 [d, k], with the shrunk covariance S of the residuals (see `fit_discriminant`).

    Args:
        residuals: float32 [n, d], with `freedom` degrees of freedom.
        targets: float64 [k, d].
        dimensions: number of dimensions that share the variance.
    """
    samples, width = residuals.shape
    variance = float(np.square(residuals).sum(dtype=np.float64)) / (freedom * dimensions)
    # No spread at all (one image per tag, or copies): any multiple of the identity gives the same ranking.
    ridge = shrinkage * (variance or 1.0)
    share = (1 - shrinkage) / freedom
    if samples <= width:
        inner = (residuals @ residuals.T).astype(np.float64)
        inner[np.diag_indices(samples)] += ridge / share
        projected = np.linalg.solve(inner, (residuals @ targets.T.astype(np.float32)).astype(np.float64))
        weights: Matrix = (targets.T - residuals.T @ projected.astype(np.float32)) / ridge
        return weights
    covariance = share * (residuals.T @ residuals).astype(np.float64)
    covariance[np.diag_indices(width)] += ridge
    return np.asarray(np.linalg.solve(covariance, targets.T), np.float64)


def fit_logistic(x: Samples, labels: Labels, classes: int, strength: float, *, tolerance: float = 1e-3) -> LinearHead:
    """Multinomial logistic regression: minimises `strength · Σ cross-entropy + ½ ‖weights‖²`, the bias free.

    The weights lie in the span of the (centred) samples, so with fewer samples than dimensions the fit runs on n × n
    coordinates (a Cholesky factor of the Gram matrix) instead of n × d.

    Args:
        x: float32 [n, d].
        labels: int64 [n], each below `classes`.
        tolerance: how far the gradient's largest component must fall, as a share of its initial value.
    """
    samples, dimensions = x.shape
    centre = x.mean(axis=0, dtype=np.float64)
    centred = x.astype(np.float64) - centre
    coordinates = centred
    if samples < dimensions:
        gram = centred @ centred.T
        # Centred samples are linearly dependent; the jitter keeps the factor regular.
        gram[np.diag_indices(samples)] += 1e-9 * np.trace(gram) + 1e-12
        coordinates = np.linalg.cholesky(gram)
    width = coordinates.shape[1]
    rows = np.arange(samples)

    def objective(parameters: Matrix) -> tuple[float, Matrix]:
        weights = parameters[: width * classes].reshape(width, classes)
        scores = coordinates @ weights + parameters[width * classes :]
        scores -= scores.max(axis=1, keepdims=True)
        error = np.exp(scores)
        totals = error.sum(axis=1)
        loss = strength * float((np.log(totals) - scores[rows, labels]).sum()) + 0.5 * float(np.square(weights).sum())
        error /= totals[:, None]
        error[rows, labels] -= 1
        error *= strength
        return loss, np.concatenate([(coordinates.T @ error + weights).ravel(), error.sum(axis=0)])

    # At the start all tags are equally likely.
    error = np.full((samples, classes), strength / classes)
    error[rows, labels] -= strength
    steepest = max(float(np.abs(coordinates.T @ error).max()), float(np.abs(error.sum(axis=0)).max()))
    # Only the gradient decides when to stop.
    options = {"gtol": tolerance * steepest, "ftol": 0.0, "maxiter": _STEPS_MAX}
    start = np.zeros((width + 1) * classes)
    solution: Matrix = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    weights = solution[: width * classes].reshape(width, classes)
    if samples < dimensions:
        weights = centred.T @ np.linalg.solve(coordinates.T, weights)
    return LinearHead(weights, solution[width * classes :] - centre @ weights)


def add_heads(heads: list[LinearHead], x: Samples) -> LinearHead:
    """The sum of heads, each scaled so that its scores of `x` have the same spread between the classes."""
    total = None
    for head in heads:
        scores = head.scores(x)
        spread = float(np.std(scores - scores.mean(axis=1, keepdims=True))) or 1.0
        part = head.scaled(1 / spread)
        total = part if total is None else LinearHead(total.weights + part.weights, total.bias + part.bias)
    if total is None:
        raise ValueError("heads is empty: expected at least one")
    return total
