"""Decodes images to pixels: every format that the contract lists, upright, RGB, and no larger than needed."""

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vision_customization.common.image_codecs import load_codecs, needing_codecs
from vision_customization.common.image_metadata import essential_png, orientation_of, upright
from vision_customization.contract.limits import IMAGE_PIXELS_MAX
from vision_customization.contract.texts import pixels_fault, size_fault
from vision_customization.engine.learning.errors import CodecError, ImageError
from vision_customization.engine.learning.pretrained.backbones import BACKBONES

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "ICO")
"""Pillow's names of the accepted formats; its other formats are refused. An MPO file is opened as a JPEG."""

LARGE_PIXELS = 16 * 1024 * 1024
"""A larger image is reduced before its channels are converted. Only one that needs much memory is decoded at a time."""

load_codecs()

# Pillow warns about damaged metadata, and about images that are large but below the limit.
warnings.filterwarnings("ignore", module=r"PIL\.")

_WHITES = tuple(2.0**bits - 1 for bits in (8, 10, 12, 14, 16))

_REDUCED_SIDE = 2 * max(backbone.side for backbone in BACKBONES)
_BAND_PIXELS = 1024 * 1024
_QUARTER_TURNS = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""

_SHOWN_SIDES = (1, 16_000)
_SHOWN_PIXELS_MAX = 10_240**2
"""The largest training image. Of larger images to evaluate with, people see none: it would take a gigabyte to decode them."""

_large_one = threading.Lock()


class ImageSizeError(ImageError):
    """An image whose sides are outside the allowed range."""


@dataclass(frozen=True)
class DecodedImage:
    """`pixels` is uint8 [h, w, 3], RGB, upright. `width` and `height` are those of the upright original: a large JPEG, and
    any image of more than LARGE_PIXELS, may have fewer pixels, by an integer factor on each side. `small` is the same picture
    within a square, if asked for."""

    pixels: NDArray[np.uint8]
    width: int
    height: int
    small: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class _Wanted:
    """What an image's pixels are for.

    Args:
        sides: the least and the greatest length that a side may have.
        size_of: the size at which the pixels are needed, at least, from the image's width and height.
        pixels_max: how many pixels it may have, if that is fewer than any image may.
        shown_side: the greatest side of the pixels, if that is limited.
        small_side: the greatest side of `small`, if that is wanted.
    """

    sides: tuple[int, int] | None
    size_of: Callable[[int, int], tuple[int, int]]
    pixels_max: int | None = None
    shown_side: int | None = None
    small_side: int | None = None


def _is_deep(image: Image.Image) -> bool:
    """Whether its values are 16- or 32-bit greys, or floating-point numbers."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _values(image: Image.Image) -> NDArray[np.float32]:
    return np.nan_to_num(np.asarray(image).astype(np.float32))


def _to_eight_bits(image: Image.Image, low: float, high: float) -> Image.Image:
    """A deep image as eight bits; `low` and `high` are its least and greatest value, or those of the image it is a part of."""
    values = _values(image)
    if image.mode == "F":
        values = (values - low) * (255 / max(high - low, 1e-12))
    elif image.mode.startswith("I;16") or high > 255:
        values = values * (255 / _white(high))
    return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))


def _white(high: float) -> float:
    """The value that is white in an image whose greatest is `high`: cameras write 10, 12 or 14 bits into a file of 16."""
    return next((white for white in _WHITES if high <= white), high)


def _to_rgb(image: Image.Image, low: float, high: float) -> Image.Image:
    """The image with three channels of eight bits; transparent areas become white."""
    if _is_deep(image):
        return _to_eight_bits(image, low, high).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        page = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(page, layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _bands(image: Image.Image, rows: int) -> Iterator[tuple[int, Image.Image]]:
    """The image from top to bottom in bands of `rows` rows, each with its start."""
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _reduced_rgb(image: Image.Image, wanted: _Wanted) -> Image.Image:
    """`image` as RGB. A large one is reduced by an integer factor, to at least the size that is needed.

    A reduced image is converted in bands, because each conversion makes a copy or two.
    """
    factor, rows = 1, image.height
    if image.width * image.height > LARGE_PIXELS:
        width, height = wanted.size_of(image.width, image.height)
        factor = max(1, min(image.width // width, image.height // height))
        rows = factor * max(1, _BAND_PIXELS // (image.width * factor))
    low = high = 0.0
    if _is_deep(image):
        extremes = [(float(values.min()), float(values.max())) for values in (_values(band) for _, band in _bands(image, rows))]
        low, high = min(least for least, _ in extremes), max(greatest for _, greatest in extremes)
    if rows >= image.height:
        return _to_rgb(image, low, high)
    reduced = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, band in _bands(image, rows):
        reduced.paste(_to_rgb(band, low, high).reduce(factor), (0, top // factor))
    return reduced


def fitting_size(width: int, height: int, side: int) -> tuple[float, float]:
    """Width and height, in pixels, of the size that a network sees: an area of about side², with the image's proportions."""
    ratio = min(max((width / height) ** 0.5, 1 / ASPECT_ROOT_MAX), ASPECT_ROOT_MAX)
    return side * ratio, side / ratio


def size_within(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height of an image, in pixels, once its longer side is at most `side`; a smaller image keeps its size."""
    factor = min(1.0, side / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _within(image: Image.Image, side: int) -> Image.Image:
    """The image within a square of `side` pixels. Means of whole pixels first, then bicubic: for photographs of 0.3 to 12
    megapixels at 256 px, that is 41 to 44 dB from Lanczos, in a fifth of the time."""
    size = size_within(image.width, image.height, side)
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=1.0)


def decode_image(
    data: bytes, sides: tuple[int, int] | None = None, detail: int = 1, *, small_side: int | None = None
) -> DecodedImage:
    """Decode one image file.

    Args:
        data: a JPEG, PNG, BMP, GIF, TIFF, WebP, ICO or MPO file; of an animation or a multi-page file, the first image.
        sides: the least and the greatest length in pixels that each side may have.
        detail: N means that the networks see the image N× as wide and high as usual, so more of a large image is kept.
        small_side: the greatest side, in pixels, of the `small` picture, if that is wanted.

    Raises:
        ImageSizeError: a side is shorter or longer; checked from the file's header, before anything is decoded.
        ImageError: the format is not one of these, or the bytes are truncated, or claim more than 178,956,970 pixels
            (67,108,864 as WebP). Damaged or very long metadata is ignored.
        CodecError: this installation lacks the codec.
    """

    def size_of(width: int, height: int) -> tuple[int, int]:
        wide, high = fitting_size(width, height, _REDUCED_SIDE * detail)
        return round(wide), round(high)

    return _decoded(data, _Wanted(sides, size_of, small_side=small_side))


def decode_to_show(data: bytes, side: int) -> DecodedImage:
    """Decode one image file for people to look at, within a square of `side` pixels. A smaller image is not enlarged.

    Raises:
        ImageSizeError: it has more than 104,857,600 pixels, or a side of more than 16,000; checked before anything is decoded.
        ImageError, CodecError: as `decode_image`.
    """

    def size_of(width: int, height: int) -> tuple[int, int]:
        return size_within(width, height, side)

    return _decoded(data, _Wanted(_SHOWN_SIDES, size_of, _SHOWN_PIXELS_MAX, shown_side=side))


def _decoded(data: bytes, wanted: _Wanted) -> DecodedImage:
    if not data:
        raise ImageError("the image is empty (0 bytes)")
    try:
        with needing_codecs(data, _codec_error):
            return _opened(data, wanted)
    except (ImageError, CodecError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"the data ({len(data)} bytes) is not an image of a supported type: {', '.join(FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"the image claims too many pixels: a file may have at most {IMAGE_PIXELS_MAX:,} pixels") from error
    except MemoryError as error:
        raise ImageError("the image is too large to decode") from error
    except Exception as error:
        raise ImageError(f"the image is damaged or truncated: {error or type(error).__name__}") from error


def _opened(data: bytes, wanted: _Wanted) -> DecodedImage:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, wanted)
            return _decode(image, wanted)
    except (OSError, SyntaxError, ValueError):
        # Metadata that Pillow refuses must not spoil a good image.
        essential = essential_png(data)
        if essential is None:
            raise
    with Image.open(io.BytesIO(essential), formats=FORMATS) as image:
        _check_size(image, wanted)
        return _decode(image, wanted)


def _codec_error(message: str) -> CodecError:
    return CodecError(f"the image {message}")


def check_sides(width: int, height: int, sides: tuple[int, int]) -> None:
    """Raises ImageSizeError unless both sides, in pixels, are from `sides[0]` to `sides[1]`."""
    if fault := size_fault(*sides, width, height):
        raise ImageSizeError(f"the image {fault}")


def _check_size(image: Image.Image, wanted: _Wanted) -> None:
    width, height = image.size
    if wanted.sides is not None:
        check_sides(width, height, wanted.sides)
    if fault := pixels_fault(width, height, image.format or ""):
        raise ImageError(f"the image {fault}")
    if wanted.pixels_max is not None and width * height > wanted.pixels_max:
        raise ImageSizeError(
            f"the image is {width} × {height} px, but only images of at most {wanted.pixels_max:,} pixels can be shown"
        )


def _decode(image: Image.Image, wanted: _Wanted) -> DecodedImage:
    width, height = image.size
    drafted = image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L")
    if drafted:
        # Decode it at half, a quarter or an eighth of its size, if that is at least what is needed. A progressive JPEG keeps
        # all coefficients in memory meanwhile.
        image.draft("RGB", wanted.size_of(width, height))
    hungry = width * height > LARGE_PIXELS and (not drafted or "progressive" in image.info)
    with _large_one if hungry else nullcontext():
        image.load()
        reduced = _reduced_rgb(image, wanted)
    # Only after loading: Pillow turns a TIFF upright, and drops its orientation, when it loads it.
    orientation = orientation_of(image)
    if orientation in _QUARTER_TURNS:
        width, height = height, width
    turned = upright(reduced, orientation)
    shown = turned if wanted.shown_side is None else _within(turned, wanted.shown_side)
    small = None if wanted.small_side is None else np.asarray(_within(turned, wanted.small_side), dtype=np.uint8)
    return DecodedImage(np.asarray(shown, dtype=np.uint8), width, height, small)


ASPECT_ROOT_MAX = 2.0
"""Square root of the greatest ratio of an image's sides: a more elongated image is squeezed to 4 : 1."""
