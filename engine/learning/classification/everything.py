"""Fits a recipe on more images than fit into memory, of which a sample has been looked at.

The images of the sample, and those that look nearly the same, are summed apart. The sums of the others give a classifier that
has seen none of them. If it learnt from most of all images, it is judged by them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.learning.classification.classifier import Block, Features, apply_blocks
from vision_customization.engine.learning.classification.heads import Labels
from vision_customization.engine.learning.classification.recipes import ALIKE, Recipe, alike_blocks
from vision_customization.engine.learning.classification.sums import BlockSums, Grid, HeadSums
from vision_customization.engine.learning.classification.views import View
from vision_customization.engine.learning.errors import LearningError
from vision_customization.engine.learning.near_duplicates import near_any, unit_vectors

SAMPLE_IMAGES = 20_000
"""More images than this are sampled to choose and calibrate a recipe."""
_OF_TAG_LEAST = 8
"""Images with each tag in the sample, and images without it, if there are twice as many."""
_LEARNT_SHARE_LEAST = 0.5
"""The least share of all images that a classifier judging the sample must have learnt from (`SummedUp.others_judge`)."""


class Everything(Protocol):
    """All images of a training."""

    @property
    def tags(self) -> csr_array:
        """Which tags each image has, bool [n, k]."""
        ...

    @property
    def sample(self) -> Labels:
        """The rows of the images that were looked at, int64 [m]."""
        ...

    def batches(self, views: tuple[View, ...]) -> Iterator[tuple[Labels, Features]]:
        """The features of all images with these views, in any order, some at a time: the rows, int64 [m], and the features
        [m, dimensions], of which the columns of other views are arbitrary."""
        ...


def sample_rows(tags: csr_array, images: int = SAMPLE_IMAGES) -> Labels:
    """About so many rows of bool [n, k], rising: the first ones of each tag, in proportion to its images, but at least 8, or
    half of them, rounded up. All rows if they are not more than `images`. A row of several tags counts for the rarest.

    If it then has fewer than 8 rows with a tag, or fewer than half of them, the first of the others with it are added. So are
    rows without a tag.
    """
    count = tags.shape[0]
    if count <= images:
        return np.arange(count)
    counts = np.asarray(tags.sum(axis=0)).ravel()
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    rarest = np.full(count, len(counts), np.int64)  # those of images without a tag
    np.minimum.at(rarest, np.repeat(np.arange(count), np.diff(tags.indptr)), rank[tags.indices])
    order = np.argsort(rarest, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(rarest[order])) + 1)
    taken = np.zeros(count, np.bool_)
    for of_tag in members:
        taken[of_tag[: max(_least(len(of_tag)), len(of_tag) * images // count)]] = True
    _add_both_kinds(taken, tags, counts)
    return np.flatnonzero(taken)


def _least(rows: int) -> int:
    """How many of such rows a sample has at least."""
    return min(-(-rows // 2), _OF_TAG_LEAST)


def _add_both_kinds(taken: NDArray[np.bool_], tags: csr_array, counts: Labels) -> None:
    """Add the first rows with and without each tag to those that are taken, bool [n], where too few of them are."""
    by_tag, count = tags.tocsc(), len(taken)
    with_tag = np.asarray(tags[taken].sum(axis=0)).ravel()
    without = int(taken.sum()) - with_tag

    def add(rows: Labels) -> None:
        missing = _least(len(rows)) - int(taken[rows].sum())
        taken[rows[~taken[rows]][: max(missing, 0)]] = True

    for tag, total in enumerate(counts.tolist()):
        rows = by_tag.indices[by_tag.indptr[tag] : by_tag.indptr[tag + 1]]
        if with_tag[tag] < _least(total):
            add(rows)
        if without[tag] < _least(count - total):
            add(np.setdiff1d(np.arange(count), rows, assume_unique=True))


@dataclass(frozen=True)
class SummedUp:
    """The blocks of a recipe, fitted on all images, and the sums of their vectors: of the images unlike the sample (`others`),
    and of the sample and what looks like it (`alike`)."""

    blocks: tuple[Block, ...]
    others: HeadSums
    alike: HeadSums

    @property
    def learnt_share(self) -> float:
        """The share of all images, 0…1, that a classifier of the others learnt from."""
        return self.others.images / (self.others.images + self.alike.images)

    @property
    def others_judge(self) -> bool:
        """Whether a classifier of the others says more about the final one than cross-validation within the sample.

        It does with at least half of all images: then it learnt from at least as many as the sample has, whose folds give only
        four fifths of them. Of a dataset just above the size of a sample, or whose images nearly all look like the sample's,
        the others are few.
        """
        return self.learnt_share >= _LEARNT_SHARE_LEAST


def sum_up(
    recipe: Recipe,
    features: Features,
    everything: Everything,
    *,
    one_tag: bool,
    report: Callable[[float], None],
) -> SummedUp:
    """Sum up all images for a recipe, in two passes.

    Args:
        features: of the sample [m, dimensions].
        one_tag: whether each image has one tag, from whose mean it differs; else the images differ from the mean of all.
        report: called with the share that is done, 0…1.

    Raises:
        LearningError: some features are not finite.
    """
    images, done = everything.tags.shape[0], 0
    tags = everything.tags[everything.sample]

    def count(batch: Features) -> None:
        nonlocal done
        done += len(batch)
        report(done / (2 * images))

    grids = tuple(Grid.of(block) for block in recipe.fit_blocks(features))
    block_sums = None
    for _, batch in everything.batches(recipe.views):
        summed = BlockSums.of(recipe, grids, batch)
        block_sums = summed if block_sums is None else block_sums + summed
        count(batch)
    assert block_sums is not None
    blocks = block_sums.blocks(recipe, grids)
    x = apply_blocks(blocks, features)
    reference = x.mean(axis=0, keepdims=True)
    if one_tag:
        counts = np.asarray(tags.sum(axis=0)).ravel()
        reference = np.asarray((tags.T.astype(np.float32) @ x) / np.maximum(counts, 1)[:, None], np.float32)
    others, alike = (HeadSums.empty(reference, tags.shape[1]) for _ in range(2))
    # The blocks of near-duplicates are computed already if they are the recipe's first ones.
    shared = recipe.blocks[: len(ALIKE)] == ALIKE
    compared = blocks[: len(ALIKE)] if shared else alike_blocks(features)
    width = sum(len(block.mean) for block in compared)
    sampled = Sampled.of(apply_blocks(compared, features), tags)
    for rows, batch in everything.batches(tuple(dict.fromkeys((*recipe.views, *chain.from_iterable(ALIKE))))):
        of_batch, vectors = everything.tags[rows], apply_blocks(blocks, batch)
        looks = vectors[:, :width] if shared else apply_blocks(compared, batch)
        near = sampled.near(looks, of_batch) | np.isin(rows, everything.sample)
        others.add(vectors[~near], of_batch[~near])
        alike.add(vectors[near], of_batch[near])
        count(batch)
    if not (np.isfinite(others.total).all() and np.isfinite(alike.total).all()):
        raise LearningError(FailureCode.INTERNAL_SERVER_ERROR, "the features contain values that are not finite")
    return SummedUp(blocks, others, alike)


@dataclass(frozen=True)
class Sampled:
    """The vectors of a sample's images by their tags, float32 [m, d] of unit length, to find what looks nearly the same."""

    by_tags: dict[bytes, NDArray[np.float32]] = field(repr=False)

    @classmethod
    def of(cls, vectors: NDArray[np.float32], tags: csr_array) -> Self:
        unit = unit_vectors(vectors)
        return cls({key: unit[rows] for key, rows in _by_tags(tags).items()})

    def near(self, vectors: NDArray[np.float32], tags: csr_array) -> NDArray[np.bool_]:
        """Which images look nearly like one of the sample that has the same tags, bool [n]."""
        unit = unit_vectors(vectors)
        result = np.zeros(len(unit), np.bool_)
        for key, rows in _by_tags(tags).items():
            if key in self.by_tags:
                result[rows] = near_any(unit[rows], self.by_tags[key])
        return result


def _by_tags(tags: csr_array) -> dict[bytes, list[int]]:
    """The rows of the images with the same tags."""
    rows: dict[bytes, list[int]] = {}
    for row, (start, stop) in enumerate(zip(tags.indptr[:-1], tags.indptr[1:], strict=True)):
        rows.setdefault(tags.indices[start:stop].astype(np.int32).tobytes(), []).append(row)
    return rows
