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


def make_multi_label_features(present: NDArray[np.bool_], *, noise: float = 1.0, seed: int = 0) -> NDArray[np.float32]:
    """Features of images with any number of tags, bool [n, k]: the sum of a direction for each tag, and noise."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((present.shape[1], DIMENSIONS)).astype(np.float32)
    vectors = present.astype(np.float32) @ centres + noise * random.standard_normal((len(present), DIMENSIONS))
    return np.abs(vectors).astype(np.float32)
