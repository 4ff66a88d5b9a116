"""Linear heads for independent tags: for each tag, the sum of a discriminant and a logistic regression. Pure functions."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from vision_customization.engine.learning.classification.heads import (
    LinearHead,
    Matrix,
    Samples,
    coordinates_in_span,
    shrunk_directions,
)
from vision_customization.engine.learning.classification.recipes import Recipe

LOGISTIC_STRENGTH = 100.0
LOGISTIC_NUMBERS_MAX = 1e7
"""Samples × coordinates × tags above which the logistic regression is left out, as for one tag per image."""

_STEPS_MAX = 100
_TOLERANCE = 1e-3

Present = NDArray[np.bool_]
"""bool [n, k]: whether image i has tag j."""


def fit_tag_heads(recipe: Recipe, x: Samples, present: Present, *, dimensions: int | None = None) -> LinearHead:
    """One head per tag. Its scores of these samples are 1 apart, on average, between the images with the tag and those without,
    and 0 in the middle. A tag that all images have, or none, has the score 0.

    Args:
        x: float32 [n, d], the blocks' vectors; or their coordinates in their span, with `dimensions` of the vectors.
    """
    head = _one_apart(fit_tag_discriminants(x, present, recipe.shrinkage, dimensions=dimensions), x, present)
    if not recipe.logistic or len(x) * min(x.shape) * present.shape[1] > LOGISTIC_NUMBERS_MAX:
        return head
    logistic = _one_apart(fit_tag_logistics(x, present, LOGISTIC_STRENGTH), x, present)
    return LinearHead((head.weights + logistic.weights) / 2, (head.bias + logistic.bias) / 2)


def fit_tag_discriminants(x: Samples, present: Present, shrinkage: float, *, dimensions: int | None = None) -> LinearHead:
    """The linear discriminant of the images with a tag against those without it, for each tag.

    All tags share one covariance, that of all images, so that one factorisation is enough. The direction is the same as with
    the covariance within the two groups, which differs from it only along the groups' difference (Sherman & Morrison 1950).
    """
    residuals = x - x.mean(axis=0, dtype=np.float64).astype(np.float32)
    with_tag, without = (
        (members.T.astype(np.float32) @ x).astype(np.float64) / np.maximum(members.sum(axis=0), 1)[:, None]
        for members in (present, ~present)
    )
    freedom = max(len(x) - 1, 1)
    weights = shrunk_directions(residuals, with_tag - without, shrinkage, freedom, dimensions or x.shape[1])
    return LinearHead(weights, np.zeros(present.shape[1]))


def fit_tag_logistics(x: Samples, present: Present, strength: float) -> LinearHead:
    """L2-regularised logistic regressions, one for each tag, all in one descent: minimises
    `strength · Σ cross-entropy + ½ ‖weights‖²`, the biases free.

    The images with a tag and those without weigh the same in total, so that a rare tag is learnt like a frequent one.
    """
    samples, width = x.shape
    tags = present.shape[1]
    centre = x.mean(axis=0, dtype=np.float64)
    centred = x.astype(np.float64) - centre
    coordinates = coordinates_in_span(centred.astype(np.float32)).astype(np.float64) if samples < width else centred
    size = coordinates.shape[1]
    counts = present.sum(axis=0)
    with np.errstate(divide="ignore"):
        weight = strength * np.where(present, samples / (2 * counts), samples / (2 * (samples - counts)))
    truth = present.astype(np.float64)

    def objective(parameters: Matrix) -> tuple[float, Matrix]:
        weights = parameters[: size * tags].reshape(size, tags)
        scores = coordinates @ weights + parameters[size * tags :]
        loss = float((weight * (np.logaddexp(0, scores) - truth * scores)).sum()) + 0.5 * float(np.square(weights).sum())
        error = weight * (expit(scores) - truth)
        return loss, np.concatenate([(coordinates.T @ error + weights).ravel(), error.sum(axis=0)])

    start = np.zeros((size + 1) * tags)
    steepest = float(np.abs(objective(start)[1]).max())
    options = {"gtol": _TOLERANCE * steepest, "ftol": 0.0, "maxiter": _STEPS_MAX}
    solution: Matrix = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    weights = solution[: size * tags].reshape(size, tags)
    if samples < width:
        weights = centred.T @ np.linalg.solve(coordinates.T, weights)
    return LinearHead(weights, solution[size * tags :] - centre @ weights)


def _one_apart(head: LinearHead, x: Samples, present: Present) -> LinearHead:
    scores = head.scores(x)
    with_tag, without = ((scores * members).sum(axis=0) / np.maximum(members.sum(axis=0), 1) for members in (present, ~present))
    known = present.any(axis=0) & ~present.all(axis=0)
    gap = np.where(known & (with_tag > without), with_tag - without, np.inf)
    return LinearHead(head.weights / gap, (head.bias - (with_tag + without) / 2) / gap)
