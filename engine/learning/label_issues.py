"""Labels that are likely wrong, by confident learning (Northcutt, Jiang & Chuang, JAIR 2021): pure functions.

The probabilities must come from a classifier that had not seen the image. A tag's threshold is its mean probability on the
images with this label. If an image's probability of another tag reaches that tag's threshold, and is the highest of those that
reach theirs, the image likely has the wrong label.
"""

import numpy as np
from numpy.typing import NDArray


def likely_labels(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """The label that each image likely should have: its own one, or another.

    Args:
        labels: int64 [n], positions in the k tags.
        probabilities: float32 [n, k].

    Returns:
        int64 [n].
    """
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    tags = probabilities.shape[1]
    counts = np.bincount(labels, minlength=tags)
    thresholds = np.bincount(labels, own, tags) / np.maximum(counts, 1)
    thresholds[counts == 0] = np.inf
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    best = confident.argmax(axis=1) if tags else labels
    best = np.where(confident[np.arange(len(labels)), labels] >= confident.max(axis=1, initial=-1), labels, best)
    likely: NDArray[np.int64] = np.where(confident.max(axis=1, initial=-1) >= 0, best, labels).astype(np.int64)
    return likely


def likely_present(present: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The same for several tags per image, of each tag by itself: present and absent are its two labels.

    Args:
        present: bool [n, k].
        probabilities: float32 [n, k].

    Returns:
        bool [n, k]: whether an image likely has a tag.
    """
    likely = present.copy()
    for tag in range(present.shape[1]):
        states = np.stack([1 - probabilities[:, tag], probabilities[:, tag]], axis=1)
        likely[:, tag] = likely_labels(present[:, tag].astype(np.int64), states) == 1
    return likely
