"""Features that are kept: one object for each image and backbone, so that no image is embedded twice, in whichever dataset
and under whichever address it comes.

An object is the features as little-endian float32, and their CRC-32. It is written without waiting for the disk, and counts
as absent where a power cut has damaged it.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from engine.objects import ObjectNotFound, ObjectStore

Features = NDArray[np.float32]
_CRC_BYTES = 4


class KeptFeatures:
    """Features by the image's SHA-256. `extractor_key` names everything else that they depend on."""

    def __init__(self, objects: ObjectStore, extractor_key: str, dimensions: int) -> None:
        self._objects = objects
        self._prefix = f"features/{extractor_key}"
        self._dimensions = dimensions

    def put(self, sha256: str, features: Features) -> None:
        data = features.astype("<f4").tobytes()
        self._objects.put(self._key(sha256), data + zlib.crc32(data).to_bytes(_CRC_BYTES, "little"), durable=False)

    def get(self, sha256: str) -> Features | None:
        """float32 [dimensions]; None where there are none, or damaged ones."""
        try:
            kept = self._objects.get(self._key(sha256))
        except ObjectNotFound:
            return None
        data, crc = kept[:-_CRC_BYTES], kept[-_CRC_BYTES:]
        if len(data) != 4 * self._dimensions or zlib.crc32(data) != int.from_bytes(crc, "little"):
            return None
        return np.frombuffer(data, "<f4")

    def has(self, sha256: str) -> bool:
        """Whether `get` finds them. It reads them, too (0.1 ms): a damaged object would else never be replaced."""
        return self.get(sha256) is not None

    def _key(self, sha256: str) -> str:
        return f"{self._prefix}/{sha256[:2]}/{sha256}"
