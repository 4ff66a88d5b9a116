"""Groups photos that show nearly the same: bursts, frames of a video, crops and copies of one picture.

If a classifier learns from some of them and is judged on the others, it looks better than it is.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

COSINE_LEAST = 0.75
"""Two photos belong together from this cosine of their standardised vectors on. On 81 classes of photos in bursts, 0.65 also
joined different photos, and 0.85 did not join many bursts (docs/learning.md)."""

_ROWS = 256
"""How many images are compared with all others at a time, which bounds the memory."""


def group_near_duplicates(vectors: NDArray[np.float32], labels: Sequence[Hashable]) -> NDArray[np.int64]:
    """The group of each image, int64 [n] from 0: the connected components of images with the same label that are nearly equal.

    Args:
        vectors: float32 [n, d], standardised.
        labels: what each image shows; only images with equal labels are compared.
    """
    unit = unit_vectors(vectors)
    groups = np.arange(len(unit))
    members: dict[Hashable, list[int]] = {}
    for index, label in enumerate(labels):
        members.setdefault(label, []).append(index)
    for of_label in members.values():
        rows = np.array(of_label)
        groups[rows] = rows[_components(unit[rows])]
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def unit_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors divided by their lengths, float32 [n, d]."""
    lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    result: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-12))
    return result


def near_any(unit: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which unit vectors, float32 [n, d], are nearly equal to one of the others, float32 [m, d]: bool [n]."""
    return np.asarray(((unit @ others.T) >= COSINE_LEAST).any(axis=1), np.bool_)


def _components(unit: NDArray[np.float32]) -> NDArray[np.int64]:
    """For each vector, the first one of its component."""
    count = len(unit)
    first = np.arange(count)
    for start in range(0, count, _ROWS):
        near, others = np.nonzero(unit[start : start + _ROWS] @ unit.T >= COSINE_LEAST)
        ends = np.concatenate([near + start, np.arange(count)]), np.concatenate([others, first])
        _, component = connected_components(coo_array((np.ones(len(ends[0]), np.bool_), ends), (count, count)), directed=False)
        _, first_of, inverse = np.unique(component, return_index=True, return_inverse=True)
        first = first_of[inverse]
    return first
