"""Thumbnails that are part of a page's own text."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps

THUMBNAIL_PX = 220
"""The longer side of a thumbnail."""
JPEG_QUALITY = 80


def thumbnail(image: Path | BinaryIO) -> tuple[int, int, str]:
    """Width and height in pixels, and a data URI of the upright image. Raises OSError if Pillow can't read it."""
    with Image.open(image) as opened:
        opened.draft("RGB", (2 * THUMBNAIL_PX, 2 * THUMBNAIL_PX))
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    upright.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    written = io.BytesIO()
    upright.save(written, "JPEG", quality=JPEG_QUALITY)
    return *upright.size, f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"
