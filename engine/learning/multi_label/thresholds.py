"""Chooses the probability from which on a tag counts as present."""

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.multi_label.heads import Present

THRESHOLD_UNFITTED = 0.5

_CANDIDATES = np.arange(2, 99) / 100
_IMAGES_OF_ALL_TAGS = 10.0
"""So many images with the tag, like the average tag's, are added to a tag's own: few images alone would decide by chance."""


def choose_thresholds(probabilities: NDArray[np.float64], present: Present) -> tuple[float, ...]:
    """For each tag, the threshold with the highest F1, 0.02 to 0.98, on images that the classifier had not seen.

    Args:
        probabilities: float64 [repeats, n, k].
    """
    counts = present.sum(axis=0)
    hits, false_alarms = (
        np.stack([((probabilities >= least) & members).sum(axis=(0, 1)) for least in _CANDIDATES], axis=1) / len(probabilities)
        for members in (present, ~present)
    )
    per_image = np.maximum(counts, 1)[:, None]
    hits = hits + _IMAGES_OF_ALL_TAGS * (hits / per_image).mean(axis=0)
    false_alarms = false_alarms + _IMAGES_OF_ALL_TAGS * (false_alarms / per_image).mean(axis=0)
    f1 = 2 * hits / (counts[:, None] + _IMAGES_OF_ALL_TAGS + hits + false_alarms)
    return tuple(float(_CANDIDATES[index]) for index in np.argmax(f1, axis=1))
