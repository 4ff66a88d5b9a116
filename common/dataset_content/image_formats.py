"""The image formats that the contract accepts, by Pillow's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageFormat:
    extension: str
    content_type: str


FORMATS: Mapping[str, ImageFormat] = {
    "JPEG": ImageFormat(".jpg", "image/jpeg"),
    "MPO": ImageFormat(".jpg", "image/jpeg"),
    "PNG": ImageFormat(".png", "image/png"),
    "BMP": ImageFormat(".bmp", "image/bmp"),
    "GIF": ImageFormat(".gif", "image/gif"),
    "TIFF": ImageFormat(".tiff", "image/tiff"),
    "WEBP": ImageFormat(".webp", "image/webp"),
    "ICO": ImageFormat(".ico", "image/x-icon"),
}

EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".mpo", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ico"})
"""The file extensions of such images, in lower case."""
