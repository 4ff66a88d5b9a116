"""Probabilities that mean what they say: one temperature, fitted to scores of images that the head has not seen."""

import numpy as np
from numpy.typing import NDArray

_STEPS = 60
_LOG_LIMITS = (-8.0, 8.0)


def negative_log_likelihood(scores: NDArray[np.float64], labels: NDArray[np.int64], sharpness: float) -> float:
    """Mean over the images of −log softmax(sharpness · scores) at the true class."""
    scaled = scores * sharpness
    peak = scaled.max(axis=1, keepdims=True)
    partition = np.log(np.exp(scaled - peak).sum(axis=1)) + peak[:, 0]
    return float((partition - scaled[np.arange(len(labels)), labels]).mean())


def fit_sharpness(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The factor, one over the temperature of Guo et al. (ICML 2017), under which the labels are likeliest.

    Args:
        scores: float64 [n, k], out of fold.
        labels: int64 [n].

    Returns:
        The factor, kept where ten errors more or fewer would not change it beyond reason: one error among n is always
        assumed, so that a perfect score on a few images does not claim certainty.
    """
    spread = float(np.std(scores)) or 1.0
    # One assumed mistake, in the shape of an image that every class is as likely for as its score is average.
    low, high = _LOG_LIMITS
    ratio = (np.sqrt(5) - 1) / 2

    def loss(log_sharpness: float) -> float:
        sharpness = float(np.exp(log_sharpness)) / spread
        doubt = float(np.ptp(scores, axis=1).mean()) * sharpness
        return negative_log_likelihood(scores, labels, sharpness) + np.logaddexp(0, doubt) / (len(labels) + 1)

    left, right = high - ratio * (high - low), low + ratio * (high - low)
    left_loss, right_loss = loss(left), loss(right)
    for _ in range(_STEPS):
        if left_loss < right_loss:
            high, right, right_loss = right, left, left_loss
            left = high - ratio * (high - low)
            left_loss = loss(left)
        else:
            low, left, left_loss = left, right, right_loss
            right = low + ratio * (high - low)
            right_loss = loss(right)
    return float(np.exp((low + high) / 2)) / spread
