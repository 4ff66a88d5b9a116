"""Pictures that are the same, or nearly so, within a dataset and between two: pure functions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from vision_customization.common.near_duplicates import found_pairs, groups

PAIRS_MAX = 200_000
"""Pairs of near-duplicates after which the search ends: a thousand frames of one video are half a million."""

Digests = Sequence[str | None]
"""The SHA-256 of each image of a dataset, by its position; None where the engine has not read the image."""


@dataclass(frozen=True)
class Likenesses:
    """Groups of positions, each group and the list sorted. Not `complete` if the search ended early."""

    groups: list[list[int]]
    complete: bool = True


@dataclass(frozen=True)
class SharedPictures:
    """Pairs of positions, here and there, sorted: each picture here once. Not `complete` if the search ended early."""

    pairs: list[tuple[int, int]]
    complete: bool = True


def copies(digests: Digests) -> Likenesses:
    """Images of the same file content."""
    return Likenesses([group for group in _positions(digests).values() if len(group) > 1])


def near_duplicates(digests: Digests, miniatures: Mapping[str, bytes], pairs_max: int = PAIRS_MAX) -> Likenesses:
    """Images that look nearly the same without being copies: one image of each content, in groups.

    Args:
        miniatures: of the images to compare, by their SHA-256; see `common.miniatures`.
    """
    first = {digest: group[0] for digest, group in _positions(digests).items() if digest in miniatures}
    distinct = sorted(first, key=lambda digest: first[digest])
    pairs, complete = _at_most(found_pairs([miniatures[digest] for digest in distinct]), pairs_max)
    found = [sorted(first[distinct[member]] for member in members) for members in groups(pairs)]
    return Likenesses(sorted(found), complete)


def same_pictures(digests: Digests, others: Digests) -> SharedPictures:
    """Images of which both datasets have a file of the same content."""
    there = _positions(others)
    pairs = [(index, there[digest][0]) for index, digest in enumerate(digests) if digest is not None and digest in there]
    return SharedPictures(pairs)


def nearly_same_pictures(
    digests: Digests, others: Digests, miniatures: Mapping[str, bytes], pairs_max: int = PAIRS_MAX
) -> SharedPictures:
    """Images that look nearly the same as one of the other dataset, which does not have the same file."""
    here, there = _positions(digests), _positions(others)
    new = [digest for digest in here if digest in miniatures and digest not in there]
    old = [digest for digest in there if digest in miniatures]
    pairs, complete = _at_most(
        found_pairs([miniatures[digest] for digest in new], [miniatures[digest] for digest in old]), pairs_max
    )
    first: dict[str, int] = {}
    for one, other in sorted(pairs):
        first.setdefault(new[one], there[old[other]][0])
    shared = [(position, first[digest]) for digest, positions in here.items() if digest in first for position in positions]
    return SharedPictures(sorted(shared), complete)


def _positions(digests: Digests) -> dict[str, list[int]]:
    positions: dict[str, list[int]] = {}
    for index, digest in enumerate(digests):
        if digest is not None:
            positions.setdefault(digest, []).append(index)
    return positions


def _at_most(pairs: Iterator[tuple[int, int]], most: int) -> tuple[Iterable[tuple[int, int]], bool]:
    """The first `most` pairs, and whether these are all."""
    found = list(islice(pairs, most))
    return found, next(pairs, None) is None
