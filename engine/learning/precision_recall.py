"""Precision-recall curves, of both kinds of model."""

import heapq

import numpy as np
from numpy.typing import NDArray

CURVE_POINTS = 101

Curve = dict[str, list[float]]
"""`precision`, `recall` and `threshold` (answers of this score or a higher one count): lists of one length, by falling
threshold, with four decimals; ready for JSON."""

_DECIMALS = 4


def precision_recall_curve(hits: NDArray[np.bool_], scores: NDArray[np.floating], relevant: int) -> Curve:
    """The curve of answers; empty without an answer, or if nothing is relevant.

    Of more than 101 points, only those that shape the line most are kept.

    Args:
        hits: bool [n], whether each answer is right.
        scores: float [n], falling.
        relevant: number of right answers that there could be.
    """
    points = np.empty((0, 3))
    if relevant and len(scores):
        ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
        found = np.cumsum(hits)[ends]
        shaping = _shaping(found)
        ends, found = ends[shaping], found[shaping]
        points = np.stack([found / relevant, found / (ends + 1), scores[ends]], axis=1)
        points = points[_thinned(points[:, :2], CURVE_POINTS)]
    recall, precision, threshold = points.round(_DECIMALS).T.tolist()
    return {"precision": precision, "recall": recall, "threshold": threshold}


def one_against_rest_curve(relevant: NDArray[np.bool_], scores: NDArray[np.floating]) -> Curve:
    """The curve of one tag of a classifier: `relevant` bool [n], whether an image has the tag, and its `scores` float [n]."""
    order = np.argsort(-scores, kind="stable")
    return precision_recall_curve(relevant[order], scores[order], int(relevant.sum()))


def first_answer_curve(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Curve:
    """The curve of a classifier's first answers: precision is the share of answers that are right, recall of images.

    Args:
        labels: int64 [n].
        probabilities: float32 [n, k].
    """
    best = probabilities.max(axis=1, initial=0)
    order = np.argsort(-best, kind="stable")
    hits = probabilities.argmax(axis=1) == labels if len(labels) else np.zeros(0, np.bool_)
    return precision_recall_curve(hits[order], best[order], len(labels))


def _shaping(found: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The points that the line needs: between two hits, recall stays and precision falls on a straight line."""
    hit = np.diff(found, prepend=0) > 0
    before = np.append(hit[1:], True)
    shaping: NDArray[np.bool_] = hit | before
    shaping[0] = True
    return shaping


def _thinned(line: NDArray[np.float64], count: int) -> list[int]:
    """The points, at most `count`, that a line keeps: its ends, then repeatedly the point farthest from the line through the
    kept points (Douglas & Peucker 1973, by number instead of by tolerance)."""
    kept = {0, len(line) - 1}
    # Farthest first: (−distance, point, where its stretch begins, where it ends).
    farthest = [_farthest(line, 0, len(line) - 1)]
    while farthest and len(kept) < count:
        distance, point, begin, end = heapq.heappop(farthest)
        if distance == 0:
            break
        kept.add(point)
        heapq.heappush(farthest, _farthest(line, begin, point))
        heapq.heappush(farthest, _farthest(line, point, end))
    return sorted(kept)


def _farthest(line: NDArray[np.float64], begin: int, end: int) -> tuple[float, int, int, int]:
    inner = line[begin + 1 : end]
    if not len(inner):
        return 0.0, begin, begin, end
    first, chord = line[begin], line[end] - line[begin]
    along = np.clip((inner - first) @ chord / max(float(chord @ chord), 1e-18), 0, 1)
    distances = np.linalg.norm(inner - first - along[:, None] * chord, axis=1)
    point = int(np.argmax(distances))
    return -float(distances[point]), begin + 1 + point, begin, end
