"""Encodes images again, for people to look at: upright, of limited size, and with nothing in the file but pixels.

A browser gets a file that is made from decoded pixels alone. It has no EXIF, GPS, colour profile or comment, and nothing else
that the original file contained: no markup, no script, no appended archive. Transparent areas become white, as models see them.

Pictures are JPEG files, not WebP. At the same difference from the original (34 dB) WebP is a quarter smaller, but encoding
takes seven times as long, about as long as decoding the original. `python -m benchmarks views` measures the rest.
"""

import io
import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision_customization.engine.learning.images import DecodedImage

THUMBNAIL_SIDE = 256
VIEW_SIDE = 1600
"""The longer side of a picture, in pixels, at most. Smaller images are not enlarged."""

MEDIA_TYPE = "image/jpeg"

_QUALITIES = {THUMBNAIL_SIDE: 75}
_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Reencoded:
    """A picture to send to a browser: `width` × `height` pixels, of type `media_type`, within a square of `side` pixels.

    `sha256` is the digest of the original file, in hex.
    """

    data: bytes
    width: int
    height: int
    sha256: str
    side: int
    media_type: str = MEDIA_TYPE

    @property
    def etag(self) -> str:
        return picture_etag(self.sha256, self.side)


def picture_etag(sha256: str, side: int) -> str:
    """The entity tag, with its quotes, of the picture of an original within a square of `side` pixels. It is weak: a worker and
    a request make pictures that look the same, but differ by a few bytes."""
    return f'W/"{sha256}-{side}"'


def picture_of(decoded: DecodedImage, sha256: str, side: int) -> Reencoded:
    """The picture of an image, of this digest, that was decoded to be shown within a square of `side` pixels."""
    height, width = decoded.pixels.shape[:2]
    return Reencoded(jpeg(decoded.pixels, side), width, height, sha256, side)


def jpeg(pixels: NDArray[np.uint8], side: int) -> bytes:
    """Pixels, uint8 [h, w, 3], RGB, as a JPEG of the quality that pictures within a square of `side` pixels have."""
    with _file_in_memory() as target:
        Image.fromarray(pixels).save(target, "JPEG", quality=_QUALITIES.get(side, _QUALITY))
        target.seek(0)
        return target.read()


def _file_in_memory() -> BinaryIO:
    """A file with a descriptor, where the system has them in memory: Pillow then lets other threads run while it encodes. For a
    BytesIO it keeps the interpreter's lock, some 4 ms for a view, and longer in a thread of low priority."""
    return os.fdopen(os.memfd_create("picture"), "w+b") if hasattr(os, "memfd_create") else io.BytesIO()
