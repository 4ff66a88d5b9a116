"""Sums over images, from which a recipe is fitted on any number of them in bounded memory.

Each value is rounded to a whole number of small units, counted from a reference near the mean. Sums of whole numbers are exact
in float64, so they depend neither on the order of the images nor on which process adds which of them. A recipe needs two
passes: `BlockSums` for the standardisation, then `HeadSums` for the discriminant.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk
from scipy.sparse import csr_array

from vision_customization.engine.learning.classification.classifier import (
    Block,
    Features,
    standardised,
)
from vision_customization.engine.learning.classification.heads import (
    Labels,
    LinearHead,
    Matrix,
    discriminant,
    shrunk_directions,
)
from vision_customization.engine.learning.classification.novelty import Spread
from vision_customization.engine.learning.classification.recipes import Recipe
from vision_customization.engine.learning.classification.views import SLICES

_BLOCK_UNITS = 2.0**14
"""Units in a block's mean deviation. The sum of squares is exact up to that of 30 million images."""
_HEAD_UNIT = 2.0**-20
"""Vectors of blocks have a length of about one, so their values are about 1/50. Exact up to a sum of squares of 8192 in each
dimension, which is that of a million images or more. Beyond it, the last digits depend on the order."""


@dataclass(frozen=True)
class Grid:
    """From values to whole numbers, of a block: the size of a unit, and the `reference`, float32 [c], whole units itself, so
    that values of few digits are not rounded all alike."""

    reference: NDArray[np.float32]
    unit: float

    @classmethod
    def of(cls, block: Block) -> Self:
        """Of a block that was fitted on a sample."""
        deviation = float(np.sqrt(np.mean(1 / np.square(block.scale.astype(np.float64)))))
        if not block.unit_length:
            deviation /= np.sqrt(len(block.scale))
        unit = np.float32(2.0 ** np.floor(np.log2(deviation / _BLOCK_UNITS)))
        return cls(np.rint(block.mean / unit) * unit, float(unit))

    def whole(self, values: NDArray[np.float16] | NDArray[np.float32]) -> NDArray[np.float64]:
        """[n, c] → whole numbers, float64 [n, c]."""
        result: NDArray[np.float64] = np.rint((values - self.reference) / np.float32(self.unit)).astype(np.float64)
        return result


@dataclass(frozen=True)
class BlockSums:
    """Of the blocks of a recipe: how many vectors there are of each, their sums, and the sums of their squares, float64 [c]."""

    counts: tuple[int, ...]
    totals: tuple[Matrix, ...]
    squares: tuple[Matrix, ...]

    @classmethod
    def of(cls, recipe: Recipe, grids: tuple[Grid, ...], features: Features) -> Self:
        counts, totals, squares = [], [], []
        for views, grid in zip(recipe.blocks, grids, strict=True):
            vectors = [grid.whole(features[:, SLICES[view]]) for view in views]
            counts.append(len(features) * len(views))
            totals.append(np.sum([each.sum(axis=0) for each in vectors], axis=0))
            squares.append(np.sum([np.einsum("nc,nc->c", each, each) for each in vectors], axis=0))
        return cls(tuple(counts), tuple(totals), tuple(squares))

    def __add__(self, other: Self) -> Self:
        return type(self)(
            tuple(one + two for one, two in zip(self.counts, other.counts, strict=True)),
            tuple(one + two for one, two in zip(self.totals, other.totals, strict=True)),
            tuple(one + two for one, two in zip(self.squares, other.squares, strict=True)),
        )

    def blocks(self, recipe: Recipe, grids: tuple[Grid, ...]) -> tuple[Block, ...]:
        """The blocks as `fit_block` fits them on all images that were summed."""
        result = []
        for views, grid, count, total, squares in zip(
            recipe.blocks, grids, self.counts, self.totals, self.squares, strict=True
        ):
            mean = grid.reference + grid.unit * total / count
            variance = np.maximum(squares / count - np.square(total / count), 0) * grid.unit**2
            result.append(standardised(views, mean, variance, unit_length=recipe.unit_length))
        return tuple(result)


@dataclass
class HeadSums:
    """Of the blocks' vectors x: how many images there are, and how many with each tag; the sums of x − reference over all of
    them, [d], and over those with each tag, [k, d]; and the lower triangle of the sum of its outer products, [d, d]. All but
    the counts are float64, in units.

    `reference`, float32 [r, d], are one vector for all images, or one for each tag, which is subtracted from its images.
    """

    reference: NDArray[np.float32]
    images: int
    counts: Labels
    total: Matrix
    by_tag: Matrix
    products: Matrix

    @classmethod
    def empty(cls, reference: NDArray[np.float32], tags: int) -> Self:
        width = reference.shape[1]
        return cls(
            reference,
            0,
            np.zeros(tags, np.int64),
            np.zeros(width),
            np.zeros((tags, width)),
            np.zeros((width, width), order="F"),
        )

    def add(self, x: NDArray[np.float32], tags: csr_array) -> None:
        """Add images: their vectors float32 [n, d], and the tags of each, bool [n, k], one each if a tag has its reference."""
        owner = tags.indices if len(self.reference) > 1 else np.zeros(len(x), np.int64)
        whole = np.rint((x - self.reference[owner]) / np.float32(_HEAD_UNIT)).astype(np.float64)
        self.images += len(x)
        self.counts += np.asarray(tags.sum(axis=0)).ravel().astype(np.int64)
        self.total += whole.sum(axis=0)
        self.by_tag += tags.T.astype(np.float64) @ whole
        self.products = dsyrk(1.0, whole.T, beta=1.0, c=self.products, lower=1, overwrite_c=1)

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.reference,
            self.images + other.images,
            self.counts + other.counts,
            self.total + other.total,
            self.by_tag + other.by_tag,
            self.products + other.products,
        )

    @property
    def means(self) -> Matrix:
        """The mean vector of the images with each tag, float64 [k, d]."""
        return self.reference + _HEAD_UNIT * self.by_tag / np.maximum(self.counts, 1)[:, None]

    @property
    def mean(self) -> Matrix:
        """The mean vector of all images, float64 [d], if they have one reference; without images, the reference."""
        result: Matrix = self.reference[0] + _HEAD_UNIT * self.total / max(self.images, 1)
        return result

    @property
    def scatter(self) -> Matrix:
        """The sum of the outer products of the images' differences from their means, float64 [d, d]: from that of their tag, if
        each tag has a reference, else from that of all."""
        products = np.tril(self.products) + np.tril(self.products, -1).T
        if len(self.reference) > 1:
            shift = self.by_tag / np.sqrt(np.maximum(self.counts, 1))[:, None]
        else:
            shift = self.total[None] / np.sqrt(max(self.images, 1))
        products -= shift.T @ shift
        products *= _HEAD_UNIT**2
        return products


def summed_head(recipe: Recipe, sums: HeadSums) -> LinearHead:
    """As `Recipe.fit_head`, on all images that were summed, of which each has one tag."""
    means, scatter = sums.means, sums.scatter
    weights = shrunk_directions(scatter, means - means.mean(axis=0), recipe.shrinkage, max(sums.images - len(means), 1))
    head = discriminant(weights, means)
    # The deviation of the scores from each image's mean score, as `unit_spread` measures it: within the tags, and between.
    apart = head.weights - head.weights.mean(axis=1, keepdims=True)
    of_means = means @ apart + (head.bias - head.bias.mean())
    squares = float((sums.counts[:, None] * np.square(of_means)).sum() + (apart * (scatter @ apart)).sum())
    return head.scaled(1 / (np.sqrt(squares / (sums.images * len(means))) or 1.0))


def spread_of(sums: HeadSums) -> Spread:
    """What the novelty needs: of the tags if each has a reference, else of all images as one kind."""
    diagonal = np.diag(sums.scatter)
    if len(sums.reference) > 1:
        return Spread(sums.means, diagonal, sums.counts)
    return Spread(sums.mean[None], diagonal, np.array([sums.images]))
