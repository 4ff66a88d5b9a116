"""Linear heads for independent tags: for each, a discriminant of the images with it against those without. Pure functions."""

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.heads import (
    LinearHead,
    Matrix,
    Samples,
    directions_from,
    shrunk_directions,
)
from vision_customization.engine.learning.classification.sums import HeadSums

Present = NDArray[np.bool_]
"""bool [n, k]: whether image i has tag j."""


def fit_tag_heads(x: Samples, present: Present, shrinkage: float, *, dimensions: int | None = None) -> LinearHead:
    """One head per tag. Its scores of these samples are 1 apart, on average, between the images with the tag and those without,
    and 0 in the middle. A tag that all images have, or none, has the score 0.

    All tags share one covariance, that of all images, so that one factorisation is enough. The direction is the same as with
    the covariance within the two groups, which differs from it only along the groups' difference (Sherman & Morrison 1950).
    Both groups weigh the same, however rare a tag is.

    Args:
        x: float32 [n, d], the blocks' vectors; or their coordinates in their span, with `dimensions` of the vectors.
        shrinkage: λ of `fit_discriminant`.
    """
    residuals = x - x.mean(axis=0, dtype=np.float64).astype(np.float32)
    with_tag, without = (
        (members.T.astype(np.float32) @ x).astype(np.float64) / np.maximum(members.sum(axis=0), 1)[:, None]
        for members in (present, ~present)
    )
    weights = directions_from(residuals, with_tag - without, shrinkage, max(len(x) - 1, 1), dimensions or x.shape[1])
    return tag_heads(weights, with_tag, without, np.asarray(present.any(axis=0) & ~present.all(axis=0), np.bool_))


def tag_heads(weights: Matrix, with_tag: Matrix, without: Matrix, decided: NDArray[np.bool_]) -> LinearHead:
    """The heads of these directions, float64 [d, k], between the means of the images with each tag and of those without,
    float64 [k, d]. `decided`, bool [k]: whether there are images of both kinds."""
    above, below = (np.einsum("dk,kd->k", weights, means) for means in (with_tag, without))
    gap = np.where(decided & (above > below), above - below, np.inf)
    return LinearHead(weights / gap, -(above + below) / 2 / gap)


def summed_tag_heads(sums: HeadSums, shrinkage: float) -> LinearHead:
    """As `fit_tag_heads`, on all images that were summed."""
    counts = sums.counts[:, None]
    with_tag = sums.means
    without = (sums.images * sums.mean - counts * with_tag) / np.maximum(sums.images - counts, 1)
    weights = shrunk_directions(sums.scatter, with_tag - without, shrinkage, max(sums.images - 1, 1))
    return tag_heads(weights, with_tag, without, (sums.counts > 0) & (sums.counts < sums.images))
