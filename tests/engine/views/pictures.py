"""Pictures to try what makes thumbnails and views of them."""

import hashlib
import io

import numpy as np
from PIL import Image

from vision_customization.engine.learning.images import decode_to_show
from vision_customization.engine.views.reencoding import Reencoded, picture_of


def photo(width: int = 120, height: int = 80) -> Image.Image:
    """A picture of which each corner has a colour of its own, and the middle a gradient."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([255 * x / width, 255 * y / height, 128 + 0 * x], axis=-1).astype(np.uint8)
    pixels[: height // 4, : width // 4] = (250, 20, 20)
    pixels[: height // 4, -width // 4 :] = (20, 250, 20)
    pixels[-height // 4 :, : width // 4] = (20, 20, 250)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def reencoded(data: bytes, side: int) -> Reencoded:
    """An image file as the picture that people see, whose longer side is at most `side` pixels."""
    return picture_of(decode_to_show(data, side), hashlib.sha256(data).hexdigest(), side)


def opened(data: bytes) -> Image.Image:
    """The picture in an encoded file. Fails if it is not a JPEG."""
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    image.load()
    return image


def difference(image: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures of one size, in grey levels."""
    assert image.size == other.size
    return float(np.abs(np.asarray(image.convert("RGB"), int) - np.asarray(other.convert("RGB"), int)).mean())
