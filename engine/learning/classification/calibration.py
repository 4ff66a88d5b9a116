"""Calibrates the probabilities: by one temperature, fitted to scores of images that the head has not seen."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

SHARPNESS_UNFITTED = 3.5
"""For a head that could not be tried on unseen images: the median of what was best for the test images of eight datasets, with
two images per tag."""

_IMAGES_TO_TRUST = 2.0
"""Images per tag, besides the one left out, at which the fitted and the usual value have equal weight."""

_LIMITS = (0.05, 50.0)
_TOLERANCE = 1e-7
"""Tolerance for the factor's logarithm."""


def _loss(scores: NDArray[np.float64], labels: NDArray[np.int64], sharpness: float) -> float:
    """Mean of −log softmax(sharpness · scores) at the true class over the images and one assumed mistake, at the mean lead of
    the best class: a few right answers do not make certainty."""
    repeats, images, _ = scores.shape
    scaled = scores * sharpness
    peak = scaled.max(axis=2)
    partition = np.log(np.exp(scaled - peak[:, :, None]).sum(axis=2)) + peak
    leads = np.diff(np.partition(scaled, -2, axis=2)[:, :, -2:], axis=2)
    mistake = np.logaddexp(0, float(leads.mean()))
    return float((partition - scaled[:, np.arange(images), labels]).sum() / repeats + mistake)


def fit_sharpness(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The factor on the scores under which the labels are likeliest: one over the temperature of Guo et al. (ICML 2017).

    Args:
        scores: float64 [repeats, n, k], of images that the head had not seen, k at least 2.
        labels: int64 [n].
    """
    # The loss is convex in the factor, so it has one minimum over the factor's logarithm.
    found = minimize_scalar(
        lambda logarithm: _loss(scores, labels, float(np.exp(logarithm))),
        bounds=(np.log(_LIMITS[0]), np.log(_LIMITS[1])),
        method="bounded",
        options={"xatol": _TOLERANCE},
    )
    return float(np.exp(found.x))


def temper_sharpness(fitted: float, labels: NDArray[np.int64]) -> float:
    """The factor for the last head, which is fitted on all images.

    Heads that are tried on left-out images are fitted on fewer. With two or three images per tag that matters a lot, so the
    fitted factor is blended with the usual one.
    """
    images_left = float(np.median(np.bincount(labels)[np.unique(labels)])) - 1
    trust = images_left / (images_left + _IMAGES_TO_TRUST)
    return float(fitted**trust * SHARPNESS_UNFITTED ** (1 - trust))
