"""Encodes images again, for people to look at: upright, of limited size, and with nothing in the file but pixels.

A browser gets a file that is made from decoded pixels alone. It has no EXIF, GPS, colour profile or comment, and nothing else
that the original file contained: no markup, no script, no appended archive. Transparent areas become white, as models see them.

Pictures are JPEG files, not WebP. At the same difference from the original (34 dB) WebP is a quarter smaller, but encoding
takes seven times as long, about as long as decoding the original. `python -m benchmarks views` measures the rest.
"""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision_customization.engine.learning.images import decode_to_show, size_within

THUMBNAIL_SIDE = 256
VIEW_SIDE = 1600
"""The longer side of a picture, in pixels, at most. Smaller images are not enlarged."""

MEDIA_TYPE = "image/jpeg"

_QUALITIES = {THUMBNAIL_SIDE: 75}
_QUALITY = 85
_SAMPLES = 4
"""Per side of a picture's pixel: of an image that has more of them, only every second, third, … is averaged."""


@dataclass(frozen=True, slots=True)
class Jpeg:
    """An encoded picture, and its width and height in pixels."""

    data: bytes
    width: int
    height: int


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


def reencoded(data: bytes, side: int) -> Reencoded:
    """The image file `data` as a picture whose longer side is at most `side` pixels; of an animation, the first image.

    Raises:
        ImageError, ImageSizeError, CodecError: as `engine.learning.images.decode_to_show`.
    """
    jpeg = jpeg_within(decode_to_show(data, side).pixels, side)
    return Reencoded(jpeg.data, jpeg.width, jpeg.height, hashlib.sha256(data).hexdigest(), side)


def jpeg_within(pixels: NDArray[np.uint8], side: int) -> Jpeg:
    """Pixels, uint8 [h, w, 3], RGB, as a JPEG whose longer side is at most `side` pixels."""
    step = max(1, max(pixels.shape[:2]) // (_SAMPLES * side))
    size = size_within(pixels.shape[1], pixels.shape[0], side)
    picture = Image.fromarray(np.ascontiguousarray(pixels[::step, ::step]))
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.HAMMING)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=_QUALITIES.get(side, _QUALITY))
    return Jpeg(target.getvalue(), *size)
