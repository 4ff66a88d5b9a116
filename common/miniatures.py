"""The small grey picture of an image by which near-duplicates are found (`near_duplicates`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vision_customization.common.image_metadata import upright

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

SIDE = 32
"""Pixels of a miniature's sides."""


def miniature(image: PilImage, orientation: int = 1) -> bytes:
    """32 × 32 pixels of grey, upright, by rows, a byte each: the mean of the part of the image that each pixel stands for.

    Args:
        image: already decoded; a JPEG at an eighth of its size is enough.
        orientation: the EXIF orientation that was not applied to it.

    Raises:
        ValueError: Pillow can't convert the image to grey, which may be in the colours of LAB.
    """
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":  # greys of more than 8 bits
        grey = image.convert("I").point(lambda value: value / 256).convert("L")
    else:
        grey = _opaque(image).convert("L")
    small = grey.resize((SIDE, SIDE), Image.Resampling.BOX)
    return upright(small, orientation).tobytes()


def _opaque(image: PilImage) -> PilImage:
    """On white, as viewers show it: the colours behind transparent pixels are anything."""
    from PIL import Image

    if not image.has_transparency_data:
        return image
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white
