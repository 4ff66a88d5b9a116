"""Metadata of image files: what of it counts, and PNG files without the rest."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
"""The EXIF tag."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"tRNS", b"eXIf")
"""Chunks that say how an image looks, besides those that every PNG decoder needs: transparent colours, and its orientation."""


def orientation_of(image: Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where the metadata is damaged or has none."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - Pillow's parser raises whatever the damage leads to
        return 1
    return orientation if orientation in range(1, 9) else 1


def upright(image: Image, orientation: int) -> Image:
    """The image, turned and mirrored as its EXIF orientation says."""
    from PIL.Image import Transpose

    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)


def essential_png(data: bytes) -> bytes | None:
    """A PNG file without texts, colour profiles and other chunks that a decoder can do without, or that are damaged.

    None if nothing can be left out, or if it is not a PNG file.
    """
    if not data.startswith(_PNG_SIGNATURE):
        return None
    parts, position = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        length, name = int.from_bytes(data[position : position + 4]), data[position + 4 : position + 8]
        end = position + 12 + length
        # The first letter of a chunk that every decoder needs is upper case.
        if name[:1].isupper() or (
            name in _KEPT and zlib.crc32(data[position + 4 : end - 4]) == int.from_bytes(data[end - 4 : end])
        ):
            parts.append(data[position:end])
        position = end
    essential = b"".join(parts)
    return essential if len(essential) < len(data) else None
