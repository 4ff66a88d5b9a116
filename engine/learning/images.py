"""Images as pixels: every format the contract lists, upright, RGB, and no larger than what the networks can use."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from engine.learning.backbones import BACKBONES
from engine.learning.errors import ImageError
from engine.learning.views import ASPECT_ROOT_MAX

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "ICO")
"""Pillow's names of the formats that are read; what else Pillow knows is refused. An MPO file is opened as a JPEG."""

PIXELS_MAX = 178_956_970
"""Pillow's own limit against decompression bombs: a file that claims more is refused before it is decoded."""

# What Pillow warns of is damaged metadata, and images that are large but below the limit.
warnings.filterwarnings("ignore", module=r"PIL\.")

_REDUCED_SIDE = 2 * max(backbone.side for backbone in BACKBONES)
_QUARTER_TURNS = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


@dataclass(frozen=True)
class DecodedImage:
    """`pixels` is uint8 [h, w, 3], RGB, upright. `width` and `height` are the upright image's own: a large JPEG's pixels may
    be fewer, by a power of two on each side."""

    pixels: NDArray[np.uint8]
    width: int
    height: int


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Greys of 16 or 32 bits, or of real numbers, as eight bits."""
    values = np.nan_to_num(np.asarray(image).astype(np.float32))
    low, high = float(values.min()), float(values.max())
    if image.mode == "F":
        values = (values - low) * (255 / max(high - low, 1e-12))
    elif image.mode.startswith("I;16") or high > 255:
        values = values * (255 / max(high, 65535.0))
    return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))


def _to_rgb(image: Image.Image) -> Image.Image:
    """Eight bits, three channels; what is transparent becomes white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _to_eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        page = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(page, layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _reduce_while_decoding(image: Image.Image) -> None:
    """Let a JPEG be decoded at half, a quarter or an eighth of its size where that is at least twice what a network sees."""
    ratio = min(max((image.width / image.height) ** 0.5, 1 / ASPECT_ROOT_MAX), ASPECT_ROOT_MAX)
    image.draft("RGB", (round(_REDUCED_SIDE * ratio), round(_REDUCED_SIDE / ratio)))


def decode_image(data: bytes) -> DecodedImage:
    """Decode one image file.

    Args:
        data: a JPEG, PNG, BMP, GIF, TIFF, WebP, ICO or MPO file; of an animation or a stack of pages the first is taken.

    Raises:
        ImageError: the bytes are none of these, are cut off, or claim more than 178,956,970 pixels.
    """
    if not data:
        raise ImageError("the image is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _decode(image)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"the data ({len(data)} bytes) is no image of a type that is read: {', '.join(FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"the image claims more than {PIXELS_MAX:,} pixels") from error
    except MemoryError as error:
        raise ImageError("the image is too large to decode") from error
    except Exception as error:
        raise ImageError(f"the image is damaged or cut off: {error or type(error).__name__}") from error


def _decode(image: Image.Image) -> DecodedImage:
    width, height = image.size
    if width < 1 or height < 1 or width * height > PIXELS_MAX:
        raise ImageError(f"the image claims {width} × {height} pixels; at most {PIXELS_MAX:,} are read")
    if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
        _reduce_while_decoding(image)
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    image.load()
    upright = _to_rgb(ImageOps.exif_transpose(image) if orientation != 1 else image)
    if orientation in _QUARTER_TURNS:
        width, height = height, width
    return DecodedImage(np.asarray(upright, dtype=np.uint8), width, height)
