"""Boxes: the places of labelled or detected objects in an image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Corners = NDArray[np.float32]
"""float32 [n, 4]: left, top, right, bottom."""


@dataclass(frozen=True, eq=False)
class LabelledBoxes:
    """The objects of an image. `corners` float32 [n, 4], in pixels of one image; `labels` int64 [n], positions in the tags."""

    corners: Corners
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects that a detector finds in an image, by falling score: as `LabelledBoxes`, and `scores` float32 [n], 0…1."""

    corners: Corners
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)


def areas(corners: Corners) -> NDArray[np.float32]:
    """The areas, float32 […], of boxes float32 […, 4]; a box that ends before it begins has area 0."""
    sides = np.maximum(corners[..., 2:] - corners[..., :2], 0)
    product: NDArray[np.float32] = sides[..., 0] * sides[..., 1]
    return product


def overlaps(first: Corners, second: Corners) -> NDArray[np.float32]:
    """Intersection over union of each of n boxes with each of m: float32 [n, m]. Two boxes without an area have 0."""
    return paired_overlaps(first[:, None], second[None])


def paired_overlaps(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union, float32 […], of boxes float32 […, 4] with boxes of a shape that broadcasts with theirs."""
    sides = np.maximum(np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2]), 0)
    intersection = sides[..., 0] * sides[..., 1]
    union = areas(first) + areas(second) - intersection
    ratio: NDArray[np.float32] = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return ratio
