"""Assigns objects to locations of the detector's maps: adaptive training sample selection.

Zhang et al., "Bridging the Gap Between Anchor-based and Anchor-free Detection via Adaptive Training Sample Selection"
(CVPR 2020), section 3.2: on each map, the nine locations nearest to an object's centre are its candidates. A candidate gets the
object if it lies within it and its anchor overlaps it by more than the candidates' mean plus their standard deviation.
"""

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.boxes import LabelledBoxes, paired_overlaps
from vision_customization.engine.learning.pretrained.nanodet import STRIDES, grid

BACKGROUND = -1
_CANDIDATES = 9
_ANCHOR_STRIDES = 5

Points = NDArray[np.float32]
"""float32 [n, 2]: x and y."""


def assign(objects: LabelledBoxes, height: int, width: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The target of each location: a label, int32 [n], BACKGROUND for most, and a box, float32 [n, 4].

    If the rule gives an object no location, for example a tiny one between them, it gets the candidate that overlaps it most.
    A location that two objects claim gets the one that its anchor overlaps more.
    """
    middles, strides, levels = grid(height, width)
    labels = np.full(len(middles), BACKGROUND, np.int32)
    boxes = np.zeros((len(middles), 4), np.float32)
    if not len(objects):
        return labels, boxes
    candidates = _nearest(middles, (objects.corners[:, :2] + objects.corners[:, 2:]) / np.float32(2), levels)
    half = strides[candidates, None] * np.float32(_ANCHOR_STRIDES / 2)
    anchors = np.concatenate([middles[candidates] - half, middles[candidates] + half], axis=2)
    overlap = paired_overlaps(anchors, objects.corners[None])
    x, y = middles[candidates].transpose(2, 0, 1)
    left, top, right, bottom = objects.corners.T
    within = (x > left) & (x < right) & (y > top) & (y < bottom)
    answering = within & (overlap >= overlap.mean(0) + overlap.std(0))
    unanswered = np.flatnonzero(~answering.any(0))
    answering[overlap.argmax(0)[unanswered], unanswered] = True
    rows, owners = np.nonzero(answering)
    # The last write wins: the greatest overlap, and among equals the first object.
    order = np.lexsort((-owners, overlap[rows, owners]))
    places, owners = candidates[rows, owners][order], owners[order]
    labels[places] = objects.labels[owners]
    boxes[places] = objects.corners[owners]
    return labels, boxes


def _nearest(middles: Points, centres: Points, levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """On each map, the locations nearest to each object's centre: int64 [candidates, objects]."""
    distance = ((middles[:, None] - centres[None]) ** 2).sum(2)
    nearest = []
    for level in range(len(STRIDES)):
        places = np.flatnonzero(levels == level)
        count = min(_CANDIDATES, len(places))
        nearest.append(places[np.argpartition(distance[places], count - 1, axis=0)[:count]])
    return np.concatenate(nearest)
