"""What to label next: which images teach a model most, by their vectors. Pure functions of arrays.

At first the images that stand for most others (facility location); once the tags have a few images each, those of which a model
is least certain, and among these the ones that differ most (k-center). `python -m benchmarks label-order` compares it with
chance, and with k-center from the beginning, which prefers odd images.
"""

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.heads import LinearHead, fit_discriminant
from vision_customization.engine.learning.classification.recipes import DEFAULT

Vectors = NDArray[np.float32]
Positions = NDArray[np.int64]

FIRST_PER_TAG = 2
"""Labelled images per tag, on average, from which on the uncertain images come first. With four, and with k-center in between,
the mean accuracy over seven datasets was 0.7 to 2.7 points lower (docs/benchmarks.md)."""

UNCERTAIN = 60
"""Of so many of the least certain images, those that differ most are taken."""

COVERED_MAX = 2000
"""Images without labels that stand for each other at first: of more, a sample. The memory grows with the square, 16 MB here."""

LABELLED_MAX = 1000
"""Labelled images that they are compared with: of more, a sample."""

LEARNT_MAX = 5000
"""Labelled images that the model learns from: of more, a sample with every tag in it."""

_ROWS = 4096
"""Images that are compared or judged at a time, which bounds the memory."""


def most_useful(
    vectors: Vectors, unlabelled: Positions, labelled: Positions, tags: Positions | None, count: int, *, known_tags: int = 0
) -> Positions:
    """Up to `count` of the unlabelled images, the most useful first; the same for the same input.

    Args:
        vectors: float32 [n, d], of all images.
        unlabelled: int64 [u], positions in `vectors`.
        labelled: int64 [m], positions in `vectors`.
        tags: int64 [m], the tag of each labelled image; None if images have several tags or boxes, and then only
            how typical they are counts.
        known_tags: how many tags there are, also those that no image has yet.
    """
    if not len(unlabelled) or count <= 0:
        return np.empty(0, np.int64)
    if tags is not None:
        seen = len(np.unique(tags))
        if seen > 1 and len(labelled) >= FIRST_PER_TAG * max(seen, known_tags):
            margins = least_margins(vectors, unlabelled, labelled, tags)
            unlabelled = unlabelled[np.argsort(margins, kind="stable")]
            uncertain = unlabelled[:UNCERTAIN]
            first = uncertain[most_different(vectors[uncertain], min(count, UNCERTAIN))]
            return np.concatenate([first, unlabelled[UNCERTAIN:][: count - len(first)]])
    pool = sampled(unlabelled, max(COVERED_MAX, count), len(vectors))
    known = sampled(labelled, LABELLED_MAX, len(vectors))
    return pool[most_typical(vectors[pool], vectors[known], count)]


def most_typical(pool: Vectors, labelled: Vectors, count: int) -> Positions:
    """Greedy facility location (Cornuéjols et al., 1977): positions of up to `count` of the pool, each of which most shortens
    the way from the images of the pool to the nearest one that is labelled or was taken before.

    Args:
        pool: float32 [n, d]; n² distances are in memory.
        labelled: float32 [m, d].
    """
    between = distances(pool, pool)
    longest = between.max(initial=0)
    ways = distances(pool, labelled).min(axis=1, initial=longest)
    taken: list[int] = []
    for _ in range(min(count, len(pool))):
        gains = np.maximum(ways[:, None] - between, 0).sum(axis=0)
        gains[taken] = -1
        best = int(gains.argmax())
        taken.append(best)
        ways = np.minimum(ways, between[:, best])
    return np.array(taken, np.int64)


def most_different(candidates: Vectors, count: int) -> Positions:
    """Greedy k-center (Gonzalez, 1985): positions of up to `count` candidates, float32 [n, d]: the first one, and then the
    furthest from all that were taken before."""
    between = distances(candidates, candidates)
    ways = np.full(len(candidates), np.inf, np.float32)
    taken: list[int] = []
    for _ in range(min(count, len(candidates))):
        furthest = int(ways.argmax())
        taken.append(furthest)
        ways = np.minimum(ways, between[:, furthest])
        ways[taken] = -1
    return np.array(taken, np.int64)


def distances(ones: Vectors, others: Vectors) -> NDArray[np.float32]:
    """Between vectors, float32 [n, d] and [m, d] → float32 [n, m]."""
    squares: NDArray[np.float32] = np.square(ones).sum(axis=1)[:, None] + np.square(others).sum(axis=1) - 2 * (ones @ others.T)
    np.maximum(squares, 0, out=squares)
    np.sqrt(squares, out=squares)
    return squares


def nearest(vectors: Vectors, vector: NDArray[np.float32], count: int) -> Positions:
    """Positions of up to `count` of the vectors, float32 [n, d], the one nearest to a vector, float32 [d], first."""
    distances = np.square(vectors).sum(axis=1) - 2 * (vectors @ vector)
    return np.argsort(distances, kind="stable")[:count]


def least_margins(vectors: Vectors, unlabelled: Positions, labelled: Positions, tags: Positions) -> NDArray[np.float32]:
    """How far the best tag's score is ahead of the second best's, for each unlabelled image: float32 [u]. The model is the
    default recipe's head, of what is labelled so far."""
    learnt = _learnt(tags)
    names, classes = np.unique(tags[learnt], return_inverse=True)
    x = vectors[labelled[learnt]]
    head: LinearHead = fit_discriminant(x, classes.astype(np.int64), len(names), DEFAULT.shrinkage)
    margins = np.empty(len(unlabelled), np.float32)
    for start in range(0, len(unlabelled), _ROWS):
        part = slice(start, start + _ROWS)
        best = np.partition(head.scores(vectors[unlabelled[part]]), -2, axis=1)[:, -2:]
        margins[part] = best[:, 1] - best[:, 0]
    return margins


def sampled(positions: Positions, most: int, images: int) -> Positions:
    """All of them, or `most` that are chosen by chance, rising. A position is chosen before the same others each time, so that
    the sample hardly changes as images are labelled. All positions are below `images`."""
    if len(positions) <= most:
        return positions
    drawn = np.random.default_rng(0).random(images)[positions]
    return np.sort(positions[np.argpartition(drawn, most)[:most]])


def _learnt(tags: Positions) -> Positions:
    """Rows of labelled images to learn from: all, or a sample with the first image of every tag."""
    rows = np.arange(len(tags))
    if len(tags) <= LEARNT_MAX:
        return rows
    first = np.unique(tags, return_index=True)[1]
    return np.union1d(first, sampled(rows, LEARNT_MAX, len(tags)))
