"""The pictures that a detector's jobs learn from, stored between trainings."""

import io
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision_customization.common.miniatures import SIDE, miniature
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.shards import LOST
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.store.speeds import Work

PICTURE_SIDE = 640
"""For each of its tiles, a picture has about the area of a square with this side, in pixels: 1.5 times the side of what a
detector learns from at a time."""
_QUALITY = 95

Decoded = TypeVar("Decoded")


class Pictures:
    """Images as JPEG, at the size that detectors with `tiles` × `tiles` tiles learn from; stored between trainings."""

    measures: Work = "read_image_seconds"
    outdated = 0

    def __init__(self, objects: ObjectStore, tiles: int = 1) -> None:
        self._objects = objects
        self.detail = tiles
        self._side = PICTURE_SIDE * tiles

    def has(self, sha256: str) -> bool:
        return self._objects.exists(self._key(sha256))

    def add(self, images: Mapping[str, NDArray[np.uint8]]) -> int:
        missing = {digest: pixels for digest, pixels in images.items() if not self.has(digest)}
        pictures = {self._key(digest): _encoded(pixels, self._side) for digest, pixels in missing.items()}
        self._objects.put_many(pictures, durable=False)
        return len(missing)

    def read(self, sha256: str) -> NDArray[np.uint8]:
        """uint8 [h, w, 3], RGB. Raises JobFailed if it is lost or damaged."""
        return self._decoded(sha256, lambda picture: np.asarray(picture.convert("RGB")))

    def miniature(self, sha256: str) -> bytes:
        """The miniature by which near-duplicates are found. Raises JobFailed if the picture is lost or damaged."""
        return self._decoded(sha256, _miniature)

    def _decoded(self, sha256: str, decode: Callable[[Image.Image], Decoded]) -> Decoded:
        try:
            data = self._objects.get(self._key(sha256))
        except ObjectNotFound:
            raise JobFailed(FailureCode.UNKNOWN, LOST) from None
        try:
            with Image.open(io.BytesIO(data)) as picture:
                return decode(picture)
        except OSError:
            self._objects.delete(self._key(sha256))
            raise JobFailed(FailureCode.UNKNOWN, LOST) from None

    def _key(self, sha256: str) -> str:
        return f"pictures/{self._side}/{sha256[:2]}/{sha256}"


def _miniature(picture: Image.Image) -> bytes:
    picture.draft("L", (2 * SIDE, 2 * SIDE))  # decodes a fraction of the pixels
    return miniature(picture)


def _encoded(pixels: NDArray[np.uint8], side: int) -> bytes:
    picture = Image.fromarray(pixels)
    factor = side / (picture.width * picture.height) ** 0.5
    if factor < 1:
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=_QUALITY, subsampling=0)
    return target.getvalue()
