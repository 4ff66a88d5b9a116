"""Stored features: one object per image and layout, so that no image is embedded twice, even if it is in several datasets
or has several addresses.

An object is the features as little-endian float32, and their CRC-32. It is written without waiting for the disk, and counts
as absent if a power cut has damaged it.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.objects.store import ObjectStore

Features = NDArray[np.float32]
_CRC_BYTES = 4


class KeptFeatures:
    """Features by the image's SHA-256. `extractor_key` names everything else that they depend on."""

    def __init__(self, objects: ObjectStore, extractor_key: str, dimensions: int) -> None:
        self._objects = objects
        self._layout = extractor_key
        self._dimensions = dimensions

    def put(self, features: Mapping[str, Features]) -> None:
        """Store the features of images, by their SHA-256."""
        kept = {}
        for sha256, vector in features.items():
            data = vector.astype("<f4").tobytes()
            kept[self._key(sha256)] = data + zlib.crc32(data).to_bytes(_CRC_BYTES, "little")
        self._objects.put_many(kept, durable=False)

    def get(self, sha256s: Sequence[str]) -> Iterator[Features | None]:
        """float32 [dimensions] for each image; None if they are missing or damaged."""
        return map(self._read, self._objects.get_many([self._key(sha256) for sha256 in sha256s]))

    def has(self, sha256: str) -> bool:
        """Whether `get` finds them. It reads them, because otherwise a damaged object would never be replaced."""
        return next(self.get([sha256])) is not None

    def count_outdated(self, sha256s: Iterable[str]) -> int:
        """How many of these images have features under another key: of an engine with other networks, or of another version."""
        others = [key for key in self._objects.names("features") if key != self._layout]
        return sum(any(self._objects.exists(self._key(sha256, other)) for other in others) for sha256 in sha256s)

    def _read(self, kept: bytes | None) -> Features | None:
        if kept is None:
            return None
        data, crc = kept[:-_CRC_BYTES], kept[-_CRC_BYTES:]
        if len(data) != 4 * self._dimensions or zlib.crc32(data) != int.from_bytes(crc, "little"):
            return None
        return np.frombuffer(data, "<f4")

    def _key(self, sha256: str, layout: str | None = None) -> str:
        return f"features/{layout or self._layout}/{sha256[:2]}/{sha256}"
