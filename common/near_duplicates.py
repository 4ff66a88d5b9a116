"""Which pictures show the same: copies that were scaled, cropped a little or compressed again, and photos of one burst.

Two steps. A difference hash (Krawetz, "Kind of Like That", 2013) of the whole picture finds pairs that may be near-duplicates.
Then both are compared in the windows that a small crop leaves, as far as they differ from the average picture of the dataset.
That is what tells near-duplicates from pictures of one kind: all X-rays of chests have nearly the same hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from vision_customization.common.miniatures import SIDE

CELLS = 8
"""A window is 8 × 8 cells, as in the difference hash; its features are differences of neighbours."""

MARGINS = (0.0, 0.06)
"""What a window leaves out at each of its sides, as shares of the picture. Two pictures are near-duplicates if any window of
the one is near to any of the other: so the same part is compared where one of them was cropped."""

HAMMING_MAX = 40
"""Of 128 bits. Of pictures cropped by up to 8 % on each side, 99 % are within it, as are up to 3 % of pairs of others."""

COSINE_MIN = 0.90
"""`benchmarks/near_duplicates.py` measures what it joins."""

PLAIN_BELOW = 1.0
"""Grey levels by which neighbouring cells of a picture differ on average: one with less shows nothing to compare."""

_BLOCK = 512

Floats = NDArray[np.float32]


def near_pairs(miniatures: Sequence[bytes], others: Sequence[bytes] | None = None) -> list[tuple[int, int]]:
    """The pairs of near-duplicates among miniatures, or between them and `others`, by their positions, sorted.

    Args:
        miniatures: grey pictures of 32 × 32 pixels, by rows, a byte each.
    """
    return sorted(found_pairs(miniatures, others))


def found_pairs(miniatures: Sequence[bytes], others: Sequence[bytes] | None = None) -> Iterator[tuple[int, int]]:
    """The same pairs as they are found, in no particular order: a caller that has enough of them can stop."""
    if not miniatures or (others is not None and not others):
        return
    one = _pictures(miniatures)
    two = one if others is None else _pictures(others)
    average, spread = _statistics(one if others is None else np.concatenate([one, two]))
    hashes, other_hashes = _hashes(one), _hashes(two)
    # All pairs of hashes: a billion takes a few seconds. The windows of a block of pictures need 4 MB.
    for start, first in _blocks(len(one)):
        windows = _windows(one[first], average, spread)
        for other_start, second in _blocks(len(two)):
            if others is None and other_start < start:
                continue
            near = _distances(hashes[first], other_hashes[second]) <= HAMMING_MAX
            if others is None and other_start == start:
                near = np.triu(near, 1)
            theirs = _windows(two[second], average, spread) if near.any() else windows
            for row in np.flatnonzero(near.any(axis=1)):
                candidates = np.flatnonzero(near[row])
                found = candidates[_cosines(windows[row], theirs[candidates]) >= COSINE_MIN]
                yield from ((start + int(row), other_start + int(column)) for column in found)


def groups(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components of pairs: each sorted, and the list, too."""
    group: dict[int, list[int]] = {}
    for one, other in pairs:
        mine, theirs = group.setdefault(one, [one]), group.setdefault(other, [other])
        if mine is not theirs:
            longer, shorter = sorted((mine, theirs), key=len, reverse=True)
            longer += shorter
            group.update(dict.fromkeys(shorter, longer))
    return sorted(sorted(members) for members in {id(members): members for members in group.values()}.values())


def _blocks(count: int) -> Iterator[tuple[int, slice]]:
    for start in range(0, count, _BLOCK):
        yield start, slice(start, start + _BLOCK)


def _cosines(windows: Floats, others: Floats) -> Floats:
    """The greatest cosine between any window (16 × 128) of a picture and any of each other one (n × 16 × 128): n."""
    cosines = others.reshape(-1, others.shape[-1]) @ windows.T
    return np.asarray(cosines.reshape(len(others), -1).max(axis=1))


def _pictures(miniatures: Sequence[bytes]) -> Floats:
    """n × 32 × 32."""
    return np.frombuffer(b"".join(miniatures), np.uint8).reshape(-1, SIDE, SIDE).astype(np.float32)


def _cells(count: int, start: float, end: float) -> Floats:
    """A matrix (count × 32) that averages an axis of a miniature between two shares of it into cells of equal width."""
    edges = np.linspace(start * SIDE, end * SIDE, count + 1)
    pixels = np.arange(SIDE)
    covered = np.clip(np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels), 0, None)
    return np.asarray(covered / covered.sum(axis=1, keepdims=True), dtype=np.float32)


def _differences(pictures: Floats, x: tuple[float, float], y: tuple[float, float]) -> Floats:
    """n × 128: of 8 × 8 cells of the window, how much brighter the neighbour to the right is, then the one below."""
    wide = _cells(CELLS, *y) @ pictures @ _cells(CELLS + 1, *x).T
    high = _cells(CELLS + 1, *y) @ pictures @ _cells(CELLS, *x).T
    right, below = np.diff(wide, axis=2), np.diff(high, axis=1)
    return np.concatenate([right.reshape(len(pictures), -1), below.reshape(len(pictures), -1)], axis=1)


def _statistics(pictures: Floats) -> tuple[Floats, Floats]:
    differences = _differences(pictures, (0.0, 1.0), (0.0, 1.0))
    return differences.mean(axis=0), differences.std(axis=0) + np.float32(1)


def _windows(pictures: Floats, average: Floats, spread: Floats) -> Floats:
    """n × 16 × 128, of unit length."""
    spans = [(start, 1 - end) for start, end in product(MARGINS, MARGINS)]
    windows = np.stack([_differences(pictures, x, y) for x, y in product(spans, spans)], axis=1)
    plain = np.abs(windows).mean(axis=2, keepdims=True) < PLAIN_BELOW
    windows = np.where(plain, np.float32(0), (windows - average) / spread)
    return np.asarray(windows / (np.linalg.norm(windows, axis=2, keepdims=True) + 1e-9), dtype=np.float32)


def _hashes(pictures: Floats) -> NDArray[np.uint64]:
    """n × 2 words."""
    bits = np.packbits(_differences(pictures, (0.0, 1.0), (0.0, 1.0)) > 0, axis=1)
    return bits.view(np.uint64)


def _distances(one: NDArray[np.uint64], two: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Hamming distances, len(one) × len(two)."""
    first, second = (np.bitwise_count(one[:, None, word] ^ two[None, :, word]) for word in (0, 1))
    return np.asarray(first + second)
