"""Probabilities that mean what they say: one temperature, fitted to scores of images that the head has not seen."""

import numpy as np
from numpy.typing import NDArray

SHARPNESS_UNFITTED = 2.0
"""For a head that could not be tried on unseen images: about what is fitted where it could, on two images a tag."""

_IMAGES_TO_TRUST = 2.0
"""Images of a tag, besides the one left out, at which the fit and the usual count alike."""

_LIMITS = (0.05, 50.0)
_STEPS = 40


def _loss(scores: NDArray[np.float64], labels: NDArray[np.int64], sharpness: float) -> float:
    """Mean of −log softmax(sharpness · scores) at the true class over the images, and one assumed mistake more at the mean
    lead of the best class: few right answers do not make certainty."""
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
    # The loss is convex in the factor: a golden-section search over its logarithm finds the only valley.
    low, high = np.log(_LIMITS[0]), np.log(_LIMITS[1])
    ratio = (5**0.5 - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    left_loss, right_loss = _loss(scores, labels, np.exp(left)), _loss(scores, labels, np.exp(right))
    for _ in range(_STEPS):
        if left_loss <= right_loss:
            high, right, right_loss = right, left, left_loss
            left = high - ratio * (high - low)
            left_loss = _loss(scores, labels, np.exp(left))
        else:
            low, left, left_loss = left, right, right_loss
            right = low + ratio * (high - low)
            right_loss = _loss(scores, labels, np.exp(right))
    return float(np.exp((low + high) / 2))


def temper_sharpness(fitted: float, labels: NDArray[np.int64]) -> float:
    """What to use on the last head, which is fitted on all images.

    Heads that are tried on images left out see fewer. With two or three images a tag that makes all the difference: what was
    fitted there is blended with what is usual.
    """
    images_left = float(np.median(np.bincount(labels)[np.unique(labels)])) - 1
    trust = images_left / (images_left + _IMAGES_TO_TRUST)
    return float(fitted**trust * SHARPNESS_UNFITTED ** (1 - trust))
