"""Two models on the same images: pure functions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.judging import Comparison, ComparisonFilter, OutcomeKind


@dataclass(frozen=True, eq=False)
class Side:
    """One model's outcomes, each image once.

    `digests` S32 [n], rising; `rows` int64 [n], the worst of an image's outcomes; `right` bool [n]; `labels` uint64 [n], equal
    if and only if the labels are, but for a chance of 1 in 2⁶⁴; `places` float64 [n], 0 for the worst outcome of all and
    almost 1 for the best.
    """

    kind: OutcomeKind
    digests: NDArray[np.bytes_]
    rows: NDArray[np.int64]
    right: NDArray[np.bool_]
    labels: NDArray[np.uint64]
    places: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in (self.digests, self.rows, self.right, self.labels, self.places))


def side(
    kind: OutcomeKind,
    digests: NDArray[np.bytes_],
    right: NDArray[np.bool_],
    label_rows: NDArray[np.integer],
    label_tags: NDArray[np.integer],
    tags: Sequence[str],
) -> Side:
    """One side of a comparison.

    Args:
        digests: S32 [images], the SHA-256 of each row's image.
        right: bool [images].
        label_rows: int [m], the rows of the labels.
        label_tags: int [m], their positions in `tags`.
    """
    codes = np.array([int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8], "big") for tag in tags], np.uint64)
    labels = np.zeros(len(digests), np.uint64)
    np.add.at(labels, label_rows, codes[label_tags])  # modulo 2⁶⁴, whatever the order
    unique, rows, images = np.unique(digests, return_index=True, return_inverse=True)
    wrong = np.bincount(images, ~right, len(unique))
    places = rows / max(1, len(digests))
    return Side(kind, unique, rows.astype(np.int64), wrong == 0, labels[rows], places)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two models on the same images. `rows` int64 [n, 2] and `right` bool [n, 2] are of the images that both have, the worst
    first; `alone` are the rows of those that only one of them has."""

    numbers: Comparison
    rows: NDArray[np.int64]
    right: NDArray[np.bool_]
    alone: tuple[NDArray[np.int64], NDArray[np.int64]]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in (self.rows, self.right, *self.alone))

    def selected(self, only: ComparisonFilter | None) -> NDArray[np.int64]:
        """The rows of the images that the filter selects, int64 [m, 2]; −1 for a model that does not have the image."""
        if only is ComparisonFilter.UNPAIRED:
            nowhere = [np.full(len(rows), -1) for rows in self.alone]
            return np.concatenate(
                [np.stack([self.alone[0], nowhere[0]], axis=1), np.stack([nowhere[1], self.alone[1]], axis=1)]
            )
        first, second = self.right.T
        chosen: NDArray[np.bool_] = {
            None: np.ones(len(first), np.bool_),
            ComparisonFilter.DIFFERING: first != second,
            ComparisonFilter.FIRST: first & ~second,
            ComparisonFilter.SECOND: second & ~first,
            ComparisonFilter.BOTH: first & second,
            ComparisonFilter.NEITHER: ~first & ~second,
        }[only]
        rows: NDArray[np.int64] = self.rows[chosen]
        return rows


def paired(first: Side, second: Side) -> Pairs:
    """The images of two models, by digest. Raises ValueError if the models are of different kinds."""
    if first.kind is not second.kind:
        raise ValueError(f"outcomes of {first.kind.value} and {second.kind.value}, expected two of one kind")
    _, ours, theirs = np.intersect1d(first.digests, second.digests, assume_unique=True, return_indices=True)
    order = np.argsort(np.minimum(first.places[ours], second.places[theirs]), kind="stable")
    ours, theirs = ours[order], theirs[order]
    right = np.stack([first.right[ours], second.right[theirs]], axis=1)
    only_first, only_second = int((right[:, 0] & ~right[:, 1]).sum()), int((right[:, 1] & ~right[:, 0]).sum())
    alone = _others(first, ours), _others(second, theirs)
    numbers = Comparison(
        kind=first.kind,
        images=len(ours),
        both_right=int(right.all(axis=1).sum()),
        only_first=only_first,
        only_second=only_second,
        both_wrong=int((~right).all(axis=1).sum()),
        only_in_first=len(alone[0]),
        only_in_second=len(alone[1]),
        labels_differ=int((first.labels[ours] != second.labels[theirs]).sum()),
        p_value=mcnemar_p_value(only_first, only_second),
    )
    return Pairs(numbers, np.stack([first.rows[ours], second.rows[theirs]], axis=1), right, alone)


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """McNemar's exact test, two-sided (McNemar, Psychometrika 12, 1947; the exact form is the sign test).

    If both models were equally good, each image on which only one is right would be a fair toss, so the smaller number would be
    binomial.
    """
    from scipy.special import bdtr  # only comparisons need it

    if not only_first + only_second:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))


def _others(side: Side, paired_ones: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of the images that are not paired, the worst first."""
    alone = np.ones(len(side.rows), np.bool_)
    alone[paired_ones] = False
    return np.sort(side.rows[alone])
