"""Which location of the detector's maps answers for which object: adaptive training sample selection.

Zhang et al., "Bridging the Gap Between Anchor-based and Anchor-free Detection via Adaptive Training Sample Selection"
(CVPR 2020), section 3.2: of each map the nine locations nearest to an object's middle are its candidates; those of them whose
anchor overlaps the object by more than the candidates' mean and standard deviation together, and that lie within it, answer.
"""

import numpy as np
from numpy.typing import NDArray

from engine.learning.boxes import LabelledBoxes, overlaps
from engine.learning.nanodet import STRIDES, grid

BACKGROUND = -1
_CANDIDATES = 9
_ANCHOR_STRIDES = 5


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
    half = (strides * _ANCHOR_STRIDES / 2)[:, None]
    overlap = overlaps(np.concatenate([middles - half, middles + half], 1), objects.corners)
    centres = (objects.corners[:, :2] + objects.corners[:, 2:]) / 2
    distance = np.linalg.norm(middles[:, None] - centres[None], axis=2)
    chosen = np.zeros_like(overlap, bool)
    for index in range(len(objects)):
        candidates = _nearest(distance[:, index], levels)
        quality = overlap[candidates, index]
        left, top, right, bottom = objects.corners[index]
        x, y = middles[candidates].T
        within = (x > left) & (x < right) & (y > top) & (y < bottom)
        answering = candidates[within & (quality >= quality.mean() + quality.std())]
        chosen[answering if len(answering) else candidates[[np.argmax(quality)]], index] = True
    claimed = np.where(chosen, overlap, -1)
    best = claimed.argmax(1)
    taken = chosen.any(1)
    labels[taken] = objects.labels[best[taken]]
    boxes[taken] = objects.corners[best[taken]]
    return labels, boxes


def _nearest(distance: NDArray[np.float32], levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each map, the locations of the least distances."""
    nearest = []
    for level in range(len(STRIDES)):
        places = np.flatnonzero(levels == level)
        order = np.argsort(distance[places], kind="stable")[:_CANDIDATES]
        nearest.append(places[order])
    return np.concatenate(nearest)
