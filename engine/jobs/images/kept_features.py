"""Stored features: no image is embedded twice, even if it is in several datasets or has several addresses.

They are float16 in packs (`packs`), a group of columns for each view. Their range is far below float16's, and its rounding is
three thousandths of an image's usual deviation from the others (docs/decisions/0017).
"""

import logging
import time
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
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore

PACK_IMAGES = 2048
"""Images of a merged pack: 48 MB."""
BATCH_IMAGES = 1024
"""Images of a batch: 24 MB."""
SMALL_PACKS_MAX = 128
"""More packs than this with less than half as many images are merged."""
MERGE_SECONDS_MAX = 300.0
"""A merge into one pack takes seconds. A process that began one longer ago than this was killed."""

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
        self._merging = self._index.key("merging")
        self._others: dict[str, PackIndex] = {}
        self._may_have_older = True

    def put(self, features: Mapping[str, NDArray[np.floating]]) -> None:
        """Store the features of images, by their SHA-256."""
        if not features:
            return
        rows = np.stack(list(features.values())).clip(-_FLOAT16_MAX, _FLOAT16_MAX).astype(np.float16)
        self._put(to_digests(list(features)), rows)
        if len(_small(self._index.names)) > SMALL_PACKS_MAX:
            self._merge_small()

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
        self._index.refresh()
        order = np.argsort(self._index.find(to_digests(images))[1], kind="stable")
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
            for name in damaged:
                self._rewrite([name])
            self._index.refresh()
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

    def _merge_small(self) -> None:
        """Merge the small packs into larger ones, unless another thread or process does.

        If two look at the same moment, both merge. They take equal packs in an equal order, so they write the same objects,
        and the slower one skips packs that are gone."""
        if self._others_merge():
            return
        self._say_merging()
        try:
            self._index.refresh()
            small = _small(self._index.names)
            for batch in _batches(small) if len(small) > SMALL_PACKS_MAX else ():  # another may just have merged them
                self._say_merging()
                self._rewrite(batch)
            self._index.refresh()
        finally:
            self._objects.delete_many([self._merging])

    def _say_merging(self) -> None:
        self._objects.put(self._merging, str(time.time()).encode(), durable=False)

    def _others_merge(self) -> bool:
        """Whether a thread or process has said so lately. One that was killed did not take it back."""
        try:
            said = float(self._objects.get(self._merging))
        except (ObjectNotFound, ValueError):
            return False
        return abs(time.time() - said) < MERGE_SECONDS_MAX

    def _rewrite(self, names: Sequence[str]) -> None:
        """Write the whole records of packs as one pack, each image once, and delete the packs. Does nothing if some of them are
        gone: another process has done it."""
        keys = [self._index.key(name) for name in names]
        read = zip(names, self._objects.get_many(keys), strict=True)
        digests, rows = zip(*(self._layout.whole(images_of(name), data or b"") for name, data in read), strict=True)
        if not self._index.stored().issuperset(names):
            return
        for name, whole in zip(names, digests, strict=True):
            if lost := images_of(name) - len(whole):
                _log.warning("%d images of a pack of features are damaged: %s", lost, name)
        together = np.concatenate(digests)
        once = np.sort(np.unique(together, return_index=True)[1])
        kept = self._put(together[once], np.concatenate(rows)[once]) if len(once) else None
        self._objects.delete_many(self._index.key(name) for name in names if name != kept)

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
            self._objects.delete_many(keys[sha256] for sha256 in read)

    def _older_key(self, sha256: str, layout: str | None = None) -> str:
        return f"features/{layout or self._key}/{sha256[:2]}/{sha256}"


def _small(names: Iterable[str]) -> list[str]:
    """The packs with less than half as many images as one may have."""
    return [name for name in names if 2 * images_of(name) < PACK_IMAGES]


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    """Packs that together have no more images than one pack may have; at least two. Equal packs give equal batches."""
    batch: list[str] = []
    images = 0
    for name in sorted(names, key=lambda name: (images_of(name), name)):
        images += images_of(name)
        if images > PACK_IMAGES:
            yield batch
            batch, images = [], images_of(name)
        batch.append(name)
    if len(batch) > 1:
        yield batch


def _read_older(data: bytes, dimensions: int) -> NDArray[np.float32] | None:
    """The features in an object of an older engine: little-endian float32, and their CRC-32. None if it is damaged."""
    values, crc = data[:-_CRC_BYTES], data[-_CRC_BYTES:]
    if len(values) != 4 * dimensions or zlib.crc32(values) != int.from_bytes(crc, "little"):
        return None
    return np.frombuffer(values, "<f4")
