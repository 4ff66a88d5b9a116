"""Packs: rows of many images in one object, a group of columns after the other, so that few requests read what a job needs.

A pack never changes. Its name is `<images>-<16 digits>`. Its parts stand one after the other:

    the images' SHA-256     32 bytes each, and the CRC-32 of all of them
    each group of columns   a record per image: its values as little-endian float16, and their CRC-32

A record that a power cut has damaged counts as absent, and so does a whole pack if its digests are damaged.
"""

import hashlib
import logging
import re
import threading
import time
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.objects.store import ObjectStore, Range

Digests = NDArray[np.bytes_]
"""S32 [n]: SHA-256 digests."""
Rows = NDArray[np.float16]

ABSENT = -1
_DIGEST = np.dtype("S32")
_CRC_BYTES = 4
_ROW_BITS = 24
_ROW = (1 << _ROW_BITS) - 1
_NAME = re.compile(r"(\d+)-[0-9a-f]{16}")
_RECENT_MAX = 65_536
_REFRESH_SECONDS = 2.0
_REQUEST_BYTES_MAX = 4 * 1024 * 1024
_GAP_BYTES_MAX = 256 * 1024

_log = logging.getLogger(__name__)


def to_digests(images: Sequence[str] | Digests) -> Digests:
    """SHA-256 digests in hex, or as an array already, as an array."""
    if isinstance(images, np.ndarray):
        return images
    return np.frombuffer(bytes.fromhex("".join(images)), _DIGEST)


@dataclass(frozen=True)
class PackLayout:
    """How many columns each group has."""

    widths: tuple[int, ...]

    def encode(self, digests: Digests, rows: Rows) -> tuple[str, bytes]:
        """The name and the content of the pack of these images: `rows` are float16 [n, all columns]."""
        named = digests.astype(_DIGEST).tobytes()
        parts = [named, _crc(named)]
        for width, stop in zip(self.widths, accumulate(self.widths), strict=True):
            records = np.zeros(len(rows), _record(width))
            records["values"] = rows[:, stop - width : stop]
            records["crc"] = [zlib.crc32(values) for values in records["values"]]
            parts.append(records.tobytes())
        return f"{len(rows)}-{hashlib.sha256(named).hexdigest()[:16]}", b"".join(parts)

    def span(self, images: int, group: int, first: int, stop: int) -> tuple[int, int]:
        """The bytes of a group's records `first` to `stop` in a pack of so many images: start and stop."""
        start = _head_bytes(images) + sum(images * _record(width).itemsize for width in self.widths[:group])
        size = _record(self.widths[group]).itemsize
        return start + first * size, start + stop * size

    def decode(self, data: bytes, group: int, rows: NDArray[np.int64], target: Rows) -> NDArray[np.bool_]:
        """Copy a group's values to `target`, float16 [n, columns of the group]. `rows` are positions in the records `data`.
        Returns which of them are whole, bool [n]."""
        record = _record(self.widths[group])
        data += bytes(-len(data) % record.itemsize)
        records = np.frombuffer(data, record)
        whole = rows < len(records)
        values = records["values"][rows[whole]]
        target[whole] = values
        whole[whole] = [zlib.crc32(row) for row in values] == records["crc"][rows[whole]]
        return whole

    def whole(self, images: int, data: bytes) -> tuple[Digests, Rows]:
        """The images of a pack that are not damaged, of a pack of so many images: their digests and rows."""
        digests = _digests_in(images, data)
        rows = np.empty((len(digests), sum(self.widths)), np.float16)
        whole = np.ones(len(digests), np.bool_)
        for group, stop in enumerate(accumulate(self.widths)) if len(digests) else ():
            first, last = self.span(images, group, 0, images)
            whole &= self.decode(data[first:last], group, np.arange(images), rows[:, stop - self.widths[group] : stop])
        return digests[whole], rows[whole]


class PackIndex:
    """Where images are: the digests of all packs in a folder, 48 bytes per image in memory. Threads may share it."""

    def __init__(self, objects: ObjectStore, folder: str) -> None:
        self._objects = objects
        self._folder = folder
        self._lock = threading.RLock()
        self._refreshed = -np.inf
        self._names: list[str] = []
        self._digests: Digests = np.empty(0, _DIGEST)
        self._prefixes = np.empty(0, np.uint64)
        self._places = np.empty(0, np.int64)
        self._recent: dict[bytes, int] = {}

    @property
    def names(self) -> list[str]:
        """The names of all packs, by number."""
        return list(self._names)

    def key(self, name: str) -> str:
        """The key of a pack's object."""
        return f"{self._folder}/{name}"

    def refresh(self, *, at_most_every: float = 0.0) -> None:
        """Look for packs of other processes, unless the last look was less than so many seconds ago."""
        with self._lock:
            if time.monotonic() - self._refreshed < at_most_every:
                return
            found = self.stored()
            self._drop(set(self._names) - found)  # merged, or deleted
            new = sorted(found.difference(self._names))
            for name, digests in zip(new, self.digests(new), strict=True):
                self._add(name, digests)
            self._refreshed = time.monotonic()

    def stored(self) -> set[str]:
        """The names of the packs that are stored now."""
        return {name for name in self._objects.names(self._folder) if _NAME.fullmatch(name)}

    def digests(self, names: Sequence[str]) -> Iterator[Digests]:
        """The digests of packs; none of a pack that is gone. A damaged one is deleted, because nothing in it can be found."""
        heads = self._objects.get_ranges([(self.key(name), 0, _head_bytes(images_of(name))) for name in names])
        for name, head in zip(names, heads, strict=True):
            digests = _digests_in(images_of(name), head or b"")
            if head is not None and not len(digests):
                _log.warning("a damaged pack of features is deleted: %s", self.key(name))
                self._objects.delete_many([self.key(name)])
            yield digests

    def add(self, name: str, digests: Digests) -> None:
        """A pack that was just written."""
        with self._lock:
            if name not in self._names:
                self._add(name, digests)

    def has(self, digest: bytes) -> bool:
        """Whether a pack has the image. Packs of other processes are seen after some seconds."""
        self.refresh(at_most_every=_REFRESH_SECONDS)
        return bool(self.find(np.array([digest], _DIGEST))[1][0] != ABSENT)

    def find(self, digests: Digests) -> tuple[Sequence[str], NDArray[np.int64]]:
        """The names of all packs, by number, and the place of each image, int64 [n]; ABSENT if no known pack has it."""
        with self._lock:
            places = np.full(len(digests), ABSENT, np.int64)
            if len(self._digests):
                at = np.searchsorted(self._prefixes, _prefixes(digests)).clip(max=len(self._digests) - 1)
                places = np.where(self._digests[at] == digests, self._places[at], ABSENT)
            if self._recent:
                for index in np.flatnonzero(places == ABSENT).tolist():
                    places[index] = self._recent.get(bytes(digests[index]), ABSENT)
            return self._names, places

    def _add(self, name: str, digests: Digests) -> None:
        first = len(self._names) << _ROW_BITS
        self._names.append(name)
        self._recent |= {digest: first + row for row, digest in enumerate(digests.tolist())}
        if len(self._recent) > _RECENT_MAX:
            self._fold()

    def _drop(self, gone: Collection[str]) -> None:
        """Forget the places in these packs, and number the others again. An image that another pack has, too, may count as
        absent then: of an image, only the newest place is known."""
        if not gone:
            return
        kept = [number for number, name in enumerate(self._names) if name not in gone]
        numbers = np.full(len(self._names), ABSENT)
        numbers[kept] = np.arange(len(kept))
        self._fold()
        packs = numbers[self._places >> _ROW_BITS]
        stay = packs != ABSENT
        self._digests, self._prefixes = self._digests[stay], self._prefixes[stay]
        self._places = packs[stay] << _ROW_BITS | self._places[stay] & _ROW
        self._names = [self._names[number] for number in kept]  # not in place: `find` has given the list away

    def _fold(self) -> None:
        """Move the newest images from the dictionary to the arrays, which take less memory."""
        digests = np.concatenate([np.array(list(self._recent), _DIGEST), self._digests])
        places = np.concatenate([np.fromiter(self._recent.values(), np.int64), self._places])
        self._prefixes, at = np.unique(_prefixes(digests), return_index=True)
        self._digests, self._places, self._recent = digests[at], places[at], {}


def by_pack(places: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """The number of each pack that places are in, the positions of these places, and their rows in the pack, rising."""
    order = np.argsort(places, kind="stable")
    packs = places[order] >> _ROW_BITS
    for positions in np.split(order, np.flatnonzero(np.diff(packs)) + 1):
        if len(positions):
            yield int(places[positions[0]] >> _ROW_BITS), positions, places[positions] & _ROW


def read_spans(objects: ObjectStore, spans: Sequence[Range]) -> Iterator[bytes]:
    """Parts of one object, rising; small ones that lie near each other with one request. Fewer bytes where it is shorter."""
    requests: list[list[Range]] = []
    for span in spans:
        together = (
            requests and span[2] - requests[-1][0][1] <= _REQUEST_BYTES_MAX and span[1] - requests[-1][-1][2] <= _GAP_BYTES_MAX
        )
        if together:
            requests[-1].append(span)
        else:
            requests.append([span])
    read = objects.get_ranges([(near[0][0], near[0][1], near[-1][2]) for near in requests])
    for near, data in zip(requests, read, strict=True):
        for _, start, stop in near:
            yield (data or b"")[start - near[0][1] : stop - near[0][1]]


def images_of(name: str) -> int:
    """How many images a pack of this name has."""
    return int(name.partition("-")[0])


def _prefixes(digests: Digests) -> NDArray[np.uint64]:
    """The first 8 bytes of each digest: numbers are sorted faster. Two of a million images share them once in 37 million cases;
    then one of them is embedded again each time."""
    return np.frombuffer(digests.astype(_DIGEST).tobytes(), ">u8")[:: _DIGEST.itemsize // 8].astype(np.uint64)


def _digests_in(images: int, data: bytes) -> Digests:
    """The digests at the start of a pack of so many images; none if they are damaged."""
    end = _head_bytes(images) - _CRC_BYTES
    whole = len(data) >= end + _CRC_BYTES and _crc(data[:end]) == data[end : end + _CRC_BYTES]
    return np.frombuffer(data[:end] if whole else b"", _DIGEST)


def _head_bytes(images: int) -> int:
    return images * _DIGEST.itemsize + _CRC_BYTES


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CRC_BYTES, "little")


def _record(width: int) -> np.dtype[np.void]:
    return np.dtype([("values", "<f2", (width,)), ("crc", "<u4")])
