"""Chooses the probability from which on a tag counts as present."""

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.multi_label.calibration import Odds, moved

THRESHOLD_UNFITTED = 0.5

_CANDIDATES = np.arange(2, 99) / 100


def choose_thresholds(probabilities: NDArray[np.float64], shift: Odds | None = None) -> tuple[float, ...]:
    """For each tag, the threshold with the highest expected F1, 0.02 to 0.98.

    The expectation takes the calibrated probabilities, of images that the classifier had not seen, at their word (Lipton et al.
    2014): it does not depend on a few labels of a rare tag, which would decide by chance.

    Args:
        probabilities: float64 [repeats, n, k].
        shift: if the logarithms of the tags' odds were moved, by how much. The limits move along: the best threshold of a tag
            that is far rarer than in the sample may be below 0.02.
    """
    candidates = np.repeat(_CANDIDATES[:, None], probabilities.shape[2], axis=1)
    if shift is not None:
        candidates = moved(candidates, shift)
    hits, found = (
        np.stack([np.where(probabilities >= least, values, 0).sum(axis=(0, 1)) for least in candidates])
        for values in (probabilities, 1.0)
    )
    best = np.argmax(2 * hits / (probabilities.sum(axis=(0, 1)) + found), axis=0)
    return tuple(candidates[best, np.arange(len(best))].tolist())
