"""Stored features: no image is embedded twice, even if it is in several datasets or has several addresses.

They are float16 in packs (`packs`), a group of columns for each view. Their range is far below float16's, and its rounding is
three thousandths of an image's usual deviation from the others (docs/decisions/0017).
"""

import logging
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.jobs.images.packs import (
    ABSENT,
    Digests,
    PackIndex,
    PackLayout,
    Rows,
    by_pack,
    images_of,
    read_spans,
    to_digests,
)
from vision_customization.engine.learning.classification.views import SLICES, View, views_in
from vision_customization.engine.objects.store import ObjectStore

PACK_IMAGES = 2048
"""Images of a merged pack: 48 MB."""
BATCH_IMAGES = 1024
"""Images of a batch: 24 MB."""
SMALL_PACKS_MAX = 128
"""More packs than this with less than half as many images are merged."""

_FLOAT16_MAX = float(np.finfo(np.float16).max)
_OLDER_AT_ONCE = 256
_CRC_BYTES = 4
_PACKS = "packs"

_log = logging.getLogger(__name__)


class KeptFeatures:
    """Features by the image's SHA-256. `extractor_key` names everything else that they depend on, `dimensions` is their
    length."""

    def __init__(self, objects: ObjectStore, extractor_key: str, dimensions: int) -> None:
        self._objects = objects
        self._key = extractor_key
        self._views = views_in(dimensions)
        self._dimensions = dimensions
        self._layout = PackLayout(tuple(view.dimensions for view in self._views))
        self._index = PackIndex(objects, f"features/{extractor_key}/{_PACKS}")
        self._others: dict[str, PackIndex] = {}
        self._may_have_older = True

    def put(self, features: Mapping[str, NDArray[np.floating]]) -> None:
        """Store the features of images, by their SHA-256."""
        if not features:
            return
        rows = np.stack(list(features.values())).clip(-_FLOAT16_MAX, _FLOAT16_MAX).astype(np.float16)
        self._put(to_digests(list(features)), rows)
        small = [name for name in self._index.names if 2 * images_of(name) < PACK_IMAGES]
        if len(small) > SMALL_PACKS_MAX:
            self._merge(small)

    def has(self, sha256: str) -> bool:
        """Whether the features of an image are stored. Those that other processes have just stored may be overlooked."""
        if self._index.has(bytes.fromhex(sha256)):
            return True
        return self._has_older() and self._objects.exists(self._older_key(sha256))

    def missing(self, sha256s: Sequence[str]) -> list[str]:
        """Those of the images whose features are not stored."""
        _, places = self._find(to_digests(sha256s))
        return [sha256s[index] for index in np.flatnonzero(places == ABSENT).tolist()]

    def read(self, images: Sequence[str] | Digests, views: Collection[View] | None = None) -> tuple[Rows, NDArray[np.bool_]]:
        """The features of images.

        Args:
            images: their SHA-256, in hex or as S32 [n].
            views: the views to read (default: all). The columns of the others are arbitrary.

        Returns:
            float16 [n, dimensions], and which of the images have features, bool [n]. The rows of the others are arbitrary.
        """
        digests = to_digests(images)
        rows = np.empty((len(digests), self._dimensions), np.float16)
        found = self._read(digests, views, rows)
        if not found.all():  # another process merged packs, or they are damaged
            again = np.flatnonzero(~found)
            of_again = np.empty((len(again), self._dimensions), np.float16)
            found[again] = self._read(digests[again], views, of_again)
            rows[again] = of_again
        return rows, found

    def batches(self, images: Sequence[str] | Digests) -> Iterator[NDArray[np.int64]]:
        """Positions in `images`, int64 [n], in the order in which `read` needs the fewest requests, some at a time."""
        order = np.argsort(self._find(to_digests(images))[1], kind="stable")
        for start in range(0, len(order), BATCH_IMAGES):
            yield order[start : start + BATCH_IMAGES]

    def count_outdated(self, sha256s: Iterable[str]) -> int:
        """How many of these images have features under another key: of an engine with other networks, or of another version."""
        wanted = list(sha256s)
        if not wanted:
            return 0
        digests = to_digests(wanted)
        outdated = np.zeros(len(wanted), np.bool_)
        for key in self._objects.names("features"):
            if key == self._key:
                continue
            other = self._others.setdefault(key, PackIndex(self._objects, f"features/{key}/{_PACKS}"))
            other.refresh()
            outdated |= other.find(digests)[1] != ABSENT
            for index in np.flatnonzero(~outdated).tolist():
                outdated[index] = self._objects.exists(self._older_key(wanted[index], key))
        return int(outdated.sum())

    def _find(self, digests: Digests) -> tuple[Sequence[str], NDArray[np.int64]]:
        """As `PackIndex.find`, after the features of older engines were packed."""
        self._index.refresh()
        names, places = self._index.find(digests)
        absent = np.flatnonzero(places == ABSENT)
        if len(absent) and self._has_older():
            self._pack_older([digest.hex().ljust(64, "0") for digest in digests[absent].tolist()])
            return self._index.find(digests)
        return names, places

    def _read(self, digests: Digests, views: Collection[View] | None, rows: Rows) -> NDArray[np.bool_]:
        names, places = self._find(digests)
        found: NDArray[np.bool_] = places != ABSENT
        wanted = np.flatnonzero(found)
        damaged = []
        for pack, among, in_pack in by_pack(places[wanted]):
            positions = wanted[among]
            of_pack = np.empty((len(positions), self._dimensions), np.float16)
            whole = self._read_pack(names[pack], in_pack, views, of_pack)
            rows[positions] = of_pack
            found[positions] = whole
            if not whole.all():
                damaged.append(names[pack])
        if damaged:
            self._merge(damaged)
        return found

    def _read_pack(
        self, name: str, in_pack: NDArray[np.int64], views: Collection[View] | None, rows: Rows
    ) -> NDArray[np.bool_]:
        """Read these rows, rising, of one pack. Returns which are whole."""
        whole = np.ones(len(in_pack), np.bool_)
        if not len(in_pack):
            return whole
        first, stop = int(in_pack[0]), int(in_pack[-1]) + 1
        groups = [group for group, view in enumerate(self._views) if views is None or view in views]
        spans = [(self._index.key(name), *self._layout.span(images_of(name), group, first, stop)) for group in groups]
        for group, data in zip(groups, read_spans(self._objects, spans), strict=True):
            whole &= self._layout.decode(data, group, in_pack - first, rows[:, SLICES[self._views[group]]])
        return whole

    def _put(self, digests: Digests, rows: Rows) -> str:
        """Write a pack. Returns its name."""
        name, data = self._layout.encode(digests, rows)
        self._objects.put(self._index.key(name), data)
        self._index.add(name, digests)
        return name

    def _merge(self, names: Sequence[str]) -> None:
        """Write the whole records of packs as fewer packs, and delete the packs. If two processes merge the same ones, some
        images are in two packs, which only takes space."""
        for batch in _batches(names):
            digests, rows = [np.empty(0, "S32")], [np.empty((0, self._dimensions), np.float16)]
            for name, of_pack in zip(batch, self._index.digests(batch), strict=True):
                found = np.empty((len(of_pack), self._dimensions), np.float16)
                whole = self._read_pack(name, np.arange(len(of_pack)), None, found)
                if not whole.all():
                    _log.warning("%d images of a pack of features are damaged: %s", int((~whole).sum()), name)
                digests.append(of_pack[whole])
                rows.append(found[whole])
            together = np.concatenate(digests)
            once = np.sort(np.unique(together, return_index=True)[1])
            kept = self._put(together[once], np.concatenate(rows)[once]) if len(once) else None
            for name in batch:
                if name != kept:
                    self._objects.delete(self._index.key(name))
        self._index.refresh()

    def _has_older(self) -> bool:
        """Whether there may be objects of engines that stored one per image. Once there are none, none is looked for."""
        if self._may_have_older:
            self._may_have_older = self._objects.names(f"features/{self._key}") not in ([], [_PACKS])
        return self._may_have_older

    def _pack_older(self, sha256s: Sequence[str]) -> None:
        """Replace the objects of older engines that these images have by packs."""
        for start in range(0, len(sha256s), _OLDER_AT_ONCE):
            keys = {sha256: self._older_key(sha256) for sha256 in sha256s[start : start + _OLDER_AT_ONCE]}
            objects = dict(zip(keys, self._objects.get_many(list(keys.values())), strict=True))
            read = {sha256: _read_older(data, self._dimensions) for sha256, data in objects.items() if data is not None}
            if whole := {sha256: features for sha256, features in read.items() if features is not None}:
                self.put(whole)
            for sha256 in read:
                self._objects.delete(keys[sha256])

    def _older_key(self, sha256: str, layout: str | None = None) -> str:
        return f"features/{layout or self._key}/{sha256[:2]}/{sha256}"


def _batches(names: Sequence[str]) -> Iterator[list[str]]:
    """Packs that together have no more images than one pack may have; at least one."""
    batch: list[str] = []
    for name in sorted(names, key=images_of):
        if batch and sum(map(images_of, [*batch, name])) > PACK_IMAGES:
            yield batch
            batch = []
        batch.append(name)
    if batch:
        yield batch


def _read_older(data: bytes, dimensions: int) -> NDArray[np.float32] | None:
    """The features in an object of an older engine: little-endian float32, and their CRC-32. None if it is damaged."""
    values, crc = data[:-_CRC_BYTES], data[-_CRC_BYTES:]
    if len(values) != 4 * dimensions or zlib.crc32(values) != int.from_bytes(crc, "little"):
        return None
    return np.frombuffer(values, "<f4")
