"""One object of a picture, cut from its view: larger than in a thumbnail, and without the rest of the scene."""

import io

import numpy as np
from PIL import Image

from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, Reencoded, jpeg

MARGIN = 0.08
"""What is shown around a box, as a share of its longer side."""

Box = tuple[float, float, float, float]
"""Left, top, width and height as fractions of the picture's sides."""


def cropped(view: Reencoded, box: Box) -> bytes:
    """The box with a little around it, as a JPEG within a square of 256 pixels. It is never empty, however small the box is."""
    with Image.open(io.BytesIO(view.data), formats=("JPEG",)) as picture:
        left, top, width, height = (share * side for share, side in zip(box, picture.size * 2, strict=True))
        margin = MARGIN * max(width, height)
        start, stop = _whole(left - margin, left + width + margin, picture.width)
        first, last = _whole(top - margin, top + height + margin, picture.height)
        part = picture.crop((start, first, stop, last))
    part.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.HAMMING)
    return jpeg(np.asarray(part), THUMBNAIL_SIDE)


def _whole(start: float, stop: float, side: int) -> tuple[int, int]:
    """Whole pixels within the side, at least one."""
    first = min(max(0, int(start)), side - 1)
    return first, min(side, max(first + 1, round(stop)))
