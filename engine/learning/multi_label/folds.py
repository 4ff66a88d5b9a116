"""Splits images of several tags for cross-validation: every tag is spread over the folds as evenly as possible."""

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.multi_label.heads import Present

_NOT_YET = -1


def assign_tag_folds(present: Present, folds: int, seed: int) -> NDArray[np.int64]:
    """Each image's fold, int64 [n] of 0…folds − 1, by iterative stratification (Sechidis et al., ECML 2011).

    The tag with the fewest images left comes first. Each of its images goes to the fold that has the fewest of this tag, and
    of these to the smallest. Images without a tag come last.
    """
    order = np.random.default_rng(seed).permutation(len(present))
    result = np.full(len(present), _NOT_YET, np.int64)
    of_tag = np.zeros((folds, present.shape[1]), np.int64)
    sizes = np.zeros(folds, np.int64)

    def assign(image: int, wanted: NDArray[np.int64]) -> None:
        fold = int(np.lexsort((sizes, wanted))[0])
        result[image] = fold
        of_tag[fold] += present[image]
        sizes[fold] += 1

    left = present.sum(axis=0)
    while left.any():
        tag = int(np.argmin(np.where(left > 0, left, len(present) + 1)))
        for image in order[(result[order] == _NOT_YET) & present[order, tag]]:
            assign(image, of_tag[:, tag])
            left = left - present[image]
    for image in order[result[order] == _NOT_YET]:
        assign(image, sizes)
    return result


def assign_group_folds(present: Present, groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """As `assign_tag_folds`, with all images of a group in one fold. The images of a group have the same tags."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    result: NDArray[np.int64] = assign_tag_folds(present[first], folds, seed)[inverse]
    return result
