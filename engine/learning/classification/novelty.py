"""Novelty: how unlike its training images a classifier finds an image. Pure functions of arrays."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.heads import Labels, Matrix, Samples

_LEFT_OUT_MAX = 10_000
_QUANTILES_MAX = 1000
_TAIL_STEPS = 8
_WIDTH_LEAST = 1e-6
_ROUNDING = 1e-6
"""Share of the scatter below which what is left of it is none: float32 has seven digits."""
_CHUNK = 256


@dataclass(frozen=True)
class Novelty:
    """The share of training images that look less novel than an image, by the distance to the nearest tag's mean.

    In the distance, each dimension is divided by its deviation within the tags: `scale` is float32 [d], `means`, of the scaled
    vectors, float32 [k, d]. The distances of the training images, each measured by the others, make steps of a line from
    distance 0 to novelty 1: float32 [q] each, where a step starts (`start`), how wide it is (`width`, above 0), and how much it
    rises (`rise`).
    """

    scale: NDArray[np.float32]
    means: NDArray[np.float32]
    start: NDArray[np.float32]
    width: NDArray[np.float32]
    rise: NDArray[np.float32]

    def of(self, x: Samples) -> NDArray[np.float32]:
        """The blocks' vectors, float32 [n, d] → float32 [n], 0…1."""
        scaled = x * self.scale
        nearness = (2 * (scaled @ self.means.T) + self.offsets).max(axis=1)
        distance = np.square(scaled).sum(axis=1) - nearness
        steps = np.clip((distance[:, None] - self.start) / self.width, 0, 1)
        result: NDArray[np.float32] = np.minimum(steps @ self.rise, np.float32(1))
        return result

    @cached_property
    def offsets(self) -> NDArray[np.float32]:
        """−‖mean‖² of each tag, float32 [k]: the squared distance is ‖x‖² − (2 · x · mean − ‖mean‖²)."""
        result: NDArray[np.float32] = -np.square(self.means).sum(axis=1)
        return result


@dataclass(frozen=True)
class Spread:
    """Of all training images: the tags' means, float64 [k, d], the sum of the squared differences from them, float64 [d], and
    how many images each tag has, int64 [k]."""

    means: Matrix
    scatter: Matrix
    counts: Labels

    @classmethod
    def of(cls, x: Samples, labels: Labels, classes: int) -> Self:
        means = np.stack([x[labels == label].mean(axis=0, dtype=np.float64) for label in range(classes)])
        scatter = np.square(x - means.astype(np.float32)[labels]).sum(axis=0, dtype=np.float64)
        return cls(means, scatter, np.bincount(labels, minlength=classes))


def fit_novelty(
    x: Samples, labels: Labels, classes: int, groups: Labels | None = None, spread: Spread | None = None
) -> Novelty | None:
    """The novelty by these training images; None if no tag has images of two groups.

    Args:
        x: float32 [n, d].
        labels: int64 [n], each of 0…classes − 1 at least once.
        groups: int64 [n], images that are left out together, because they show the same; by default each image alone.
        spread: of all training images, if `x` are only some of them.
    """
    spread = spread or Spread.of(x, labels, classes)
    distances = left_out_distances(x, labels, classes, groups, spread)
    if not len(distances):
        return None
    scale = np.sqrt(_inverse_variance(spread.scatter, int(spread.counts.sum()) - classes))
    places, shares = _line(distances)
    return Novelty(
        scale.astype(np.float32),
        (spread.means * scale).astype(np.float32),
        places[:-1].astype(np.float32),
        np.maximum(np.diff(places), _WIDTH_LEAST).astype(np.float32),
        np.diff(shares).astype(np.float32),
    )


def left_out_distances(
    x: Samples, labels: Labels, classes: int, groups: Labels | None = None, spread: Spread | None = None
) -> Matrix:
    """The squared distance of each image from the nearest tag's mean, where means and deviations are those of the images
    without its group, in closed form: without a group of g of a tag's n images, whose residuals have the mean r, the tag's
    mean moves by −r · g / (n − g), and the scatter loses the sum of their squares and r² · g² / (n − g).

    Returns:
        float64 [m], of at most 10,000 images whose tag has another group.
    """
    spread = spread or Spread.of(x, labels, classes)
    means, scatter, counts, total = spread.means, spread.scatter, spread.counts, int(spread.counts.sum())
    residuals = x - means.astype(np.float32)[labels]
    distances = []
    for members in _chunks(labels, np.arange(len(x)) if groups is None else groups, counts):
        starts = np.cumsum([0, *(len(group) for group in members[:-1])])
        sizes = np.array([len(group) for group in members])
        images = np.concatenate(members)
        of_group = labels[images[starts]]
        rest = (counts[of_group] - sizes)[:, None]
        lost = np.add.reduceat(residuals[images].astype(np.float64), starts, axis=0)
        squares = np.add.reduceat(np.square(residuals[images]).astype(np.float64), starts, axis=0)
        freedom = np.maximum(total - sizes - classes, 1)[:, None]
        left = np.maximum(scatter - squares - np.square(lost) / rest, 0)
        left[left.sum(axis=1) <= _ROUNDING * scatter.sum()] = 0
        inverse = _inverse_variance(left, freedom)
        group_of = np.repeat(np.arange(len(members)), sizes)
        point, inverse, shift = x[images].astype(np.float64), inverse[group_of], (lost / rest)[group_of]
        found = (inverse * np.square(point)).sum(axis=1, keepdims=True) - 2 * (inverse * point) @ means.T
        found += inverse @ np.square(means).T
        own = point - means[labels[images]] + shift
        found[np.arange(len(images)), labels[images]] = (inverse * np.square(own)).sum(axis=1)
        distances.append(found.min(axis=1))
    return np.concatenate([np.zeros(0), *distances])


def _inverse_variance(scatter: Matrix, freedom: int | NDArray[np.int64]) -> Matrix:
    """One over each dimension's variance, averaged half and half with the mean one, and over the number of dimensions:
    float64 […, d]. Without any spread, all dimensions count the same."""
    variance = scatter / np.maximum(freedom, 1)
    mean = variance.mean(axis=-1, keepdims=True)
    blended = np.where(mean > 0, 0.5 * variance + 0.5 * mean, 1.0)
    inverse: Matrix = 1 / (blended * scatter.shape[-1])
    return inverse


def _chunks(labels: Labels, groups: Labels, counts: NDArray[np.int64]) -> Iterator[list[NDArray[np.int64]]]:
    """The members of the groups, int64 [g] each, a few hundred images at a time: of each tag, if it has another group."""
    order = np.lexsort((groups, labels))
    changed = (np.diff(labels[order]) != 0) | (np.diff(groups[order]) != 0)
    members = [group for group in np.split(order, np.flatnonzero(changed) + 1) if len(group) < counts[labels[group[0]]]]
    members = members[:: -(-sum(map(len, members)) // _LEFT_OUT_MAX) or 1]
    ends = np.cumsum([len(group) for group in members])
    begun = 0
    while begun < len(members):
        stop = max(begun + 1, int(np.searchsorted(ends, ends[begun] + _CHUNK)))
        yield members[begun:stop]
        begun = stop


def _line(distances: Matrix) -> tuple[Matrix, Matrix]:
    """Distances, rising, and the novelty at each: from 0, over the training images' distances, to 1.

    The last of n distances has n / (n + 1), because a next image is further away with a probability of 1 / (n + 1). Beyond it
    the rest is halved again and again, as in an exponential tail with the distances' standard deviation.
    """
    count = len(distances)
    levels = np.linspace(0, 1, min(count, _QUANTILES_MAX))
    quantiles = np.quantile(distances, levels)
    shares = (1 + levels * (count - 1)) / (count + 1)
    steps = np.arange(1, _TAIL_STEPS + 1)
    tail = quantiles[-1] + steps * np.log(2) * (distances.std() or quantiles[-1] or 1.0)
    rest = np.where(steps < _TAIL_STEPS, 0.5**steps / (count + 1), 0.0)
    return np.concatenate([[0.0], quantiles, tail]), np.concatenate([[0.0], shares, 1 - rest])
