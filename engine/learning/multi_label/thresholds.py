"""Chooses the probability from which on a tag counts as present."""

import numpy as np
from numpy.typing import NDArray

THRESHOLD_UNFITTED = 0.5

_CANDIDATES = np.arange(2, 99) / 100


def choose_thresholds(probabilities: NDArray[np.float64]) -> tuple[float, ...]:
    """For each tag, the threshold with the highest expected F1, 0.02 to 0.98.

    The expectation takes the calibrated probabilities, of images that the classifier had not seen, at their word (Lipton et al.
    2014): it does not depend on a few labels of a rare tag, which would decide by chance.

    Args:
        probabilities: float64 [repeats, n, k].
    """
    hits, found = (
        np.stack([np.where(probabilities >= least, values, 0).sum(axis=(0, 1)) for least in _CANDIDATES], axis=1)
        for values in (probabilities, 1.0)
    )
    with_tag = probabilities.sum(axis=(0, 1))[:, None]
    return tuple(float(_CANDIDATES[index]) for index in np.argmax(2 * hits / (with_tag + found), axis=1))
