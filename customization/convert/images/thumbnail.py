"""Thumbnails that are part of a page's own text."""

from __future__ import annotations

import base64
import io

from PIL import Image, ImageOps

from vision_customization.common.image_metadata import essential_png, orientation_of

THUMBNAIL_PX = 220
"""The longer side of a thumbnail."""
JPEG_QUALITY = 80


def thumbnail(data: bytes) -> tuple[int, int, str]:
    """Width and height in pixels, and a data URI of the upright image. Raises what Pillow raises for a file that is not one."""
    try:
        upright = _upright(data)
    except (OSError, SyntaxError, ValueError):
        # Metadata that Pillow refuses does not spoil a good image.
        upright = _upright(essential_png(data) or data)
    upright.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    written = io.BytesIO()
    upright.save(written, "JPEG", quality=JPEG_QUALITY)
    return *upright.size, f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"


def _upright(data: bytes) -> Image.Image:
    """The image in RGB, perhaps at a smaller size."""
    with Image.open(io.BytesIO(data)) as opened:
        opened.draft("RGB", (2 * THUMBNAIL_PX, 2 * THUMBNAIL_PX))
        opened.load()
        turned = ImageOps.exif_transpose(opened) if orientation_of(opened) != 1 else opened
        if turned.mode in ("I", "F") or turned.mode.startswith("I;16"):
            grey = turned if turned.mode == "F" else turned.convert("I").convert("F")
            _, brightest = grey.getextrema()
            scale = 255 / max(float(brightest), 1e-12)  # type: ignore[arg-type]  # a tuple only of several channels
            turned = grey.point(lambda value: value * scale + 0)
        return turned.convert("RGB")
