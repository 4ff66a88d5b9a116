"""Random features, without images."""

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.views import DIMENSIONS


def make_features(counts: list[int], *, noise: float = 1.0, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features of `counts[i]` images of tag i: a direction of its own for each tag, and noise."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = random.standard_normal((len(counts), DIMENSIONS)).astype(np.float32)
    features = centres[labels] + noise * random.standard_normal((len(labels), DIMENSIONS)).astype(np.float32)
    return np.abs(features), labels
