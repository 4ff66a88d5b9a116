"""Which location of the detector's maps answers for which object: adaptive training sample selection.

Zhang et al., "Bridging the Gap Between Anchor-based and Anchor-free Detection via Adaptive Training Sample Selection"
(CVPR 2020), section 3.2: of each map the nine locations nearest to an object's middle are its candidates; those of them whose
anchor overlaps the object by more than the candidates' mean and standard deviation together, and that lie within it, answer.
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
    """What each location should find: a label, int32 [n], BACKGROUND for most, and a box, float32 [n, 4].

    An object that no location answers for by the rule, as a tiny one between them, gets the candidate that overlaps it most.
    A location that two objects claim answers for the one that its anchor overlaps more.
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
    # What is written last stays: the greatest overlap, of equals the first object.
    order = np.lexsort((-owners, overlap[rows, owners]))
    places, owners = candidates[rows, owners][order], owners[order]
    labels[places] = objects.labels[owners]
    boxes[places] = objects.corners[owners]
    return labels, boxes


def _nearest(middles: Points, centres: Points, levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each map, the locations of the least distances to each object's middle: int64 [candidates, objects]."""
    distance = ((middles[:, None] - centres[None]) ** 2).sum(2)
    nearest = []
    for level in range(len(STRIDES)):
        places = np.flatnonzero(levels == level)
        count = min(_CANDIDATES, len(places))
        nearest.append(places[np.argpartition(distance[places], count - 1, axis=0)[:count]])
    return np.concatenate(nearest)
