"""One image file: its digest, format and size in pixels, and whether it decodes."""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vision_customization.common.dataset_content.image_formats import FORMATS
from vision_customization.common.image_codecs import needing_codecs
from vision_customization.common.image_metadata import essential_png, orientation_of
from vision_customization.common.miniatures import miniature
from vision_customization.contract.texts import pixels_fault
from vision_customization.customization.errors import CodecMissing, ImageUnreadable

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage


SIDE_MAX_PX = 16_000


_OPENED_AS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "ICO")
"""Pillow's readers; the JPEG reader also reads MPO."""


_ROTATED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Facts about an image file. `width` and `height` are pixels after applying the EXIF orientation. `turned` says that the
    orientation swaps them, so that the file's header has them the other way round. Only a file that was just decoded has a
    `miniature`; `read_miniatures` knows those of others."""

    sha256: str
    width: int
    height: int
    turned: bool
    format: str
    miniature: bytes | None = field(default=None, compare=False, repr=False)

    def has_size(self, width: object, height: object) -> bool:
        """Whether a claimed size is this image's, with or without the EXIF orientation: labelling tools write either."""
        return (self.width, self.height) == (width, height) or (self.turned and (self.height, self.width) == (width, height))


def read_image(data: bytes, sha256: str | None = None) -> ImageFacts:
    """The facts about an encoded image, which is decoded completely so that damage is found here; but not if it has more pixels
    than the contract allows. Damaged metadata is ignored.

    Raises:
        ImageUnreadable: not an image of a supported type, damaged, or a side over 16,000 px.
        CodecMissing: Pillow can't decode it here.
    """
    from PIL import Image, UnidentifiedImageError

    # Pillow warns about images this large, but the contract allows them.
    if Image.MAX_IMAGE_PIXELS is not None and Image.MAX_IMAGE_PIXELS < SIDE_MAX_PX**2:
        Image.MAX_IMAGE_PIXELS = SIDE_MAX_PX**2
    try:
        with needing_codecs(data, CodecMissing):
            width, height, turned, file_format, small = _read_with_any_metadata(data)
    except UnidentifiedImageError:
        known = ", ".join(FORMATS)
        raise ImageUnreadable(f"is not an image of a supported type ({known})" if data else "is empty") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, ArithmeticError, LookupError) as error:
        raise ImageUnreadable(f"is damaged: {error}") from None
    # Pillow has already rotated a TIFF upright.
    if turned and file_format != "TIFF":
        width, height = height, width
    return ImageFacts(sha256 or hashlib.sha256(data).hexdigest(), width, height, turned, file_format, small)


def _read_with_any_metadata(data: bytes) -> tuple[int, int, bool, str, bytes | None]:
    """`_read`, but metadata that Pillow refuses does not spoil a good image."""
    try:
        return _read(data)
    except (OSError, SyntaxError, ValueError):
        essential = essential_png(data)
        if essential is None:
            raise
    return _read(essential)


def _read(data: bytes) -> tuple[int, int, bool, str, bytes | None]:
    """Width, height, whether the EXIF orientation swaps them, format, and the miniature of an image that was decoded."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=_OPENED_AS) as image:
        (width, height), file_format = image.size, image.format or ""
        orientation = orientation_of(image)
        small = None
        if max(width, height) <= SIDE_MAX_PX and pixels_fault(width, height, file_format) is None:
            _decode(image)
            with suppress(ValueError):
                # Pillow has already rotated a TIFF upright.
                small = miniature(image, orientation if file_format != "TIFF" else 1)
        return width, height, orientation in _ROTATED, file_format, small


def _decode(image: PilImage) -> None:
    # Decoding a JPEG at an eighth of its size still reads the whole bit stream, in half the time.
    image.draft("RGB", (image.width // 8, image.height // 8))
    image.load()


class FileStatus(Protocol):
    """What `os.stat` says of a file, as far as it matters. Times are ns since the epoch."""

    @property
    def st_mode(self) -> int: ...
    @property
    def st_size(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...
    @property
    def st_ctime_ns(self) -> int: ...


class SmallStatus(NamedTuple):
    """A `FileStatus` in a third of the memory of an `os.stat_result`."""

    st_mode: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> SmallStatus:
        return cls(status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class ReadImage:
    """A file that was just read: its status before, and the time of reading (ns since the epoch)."""

    path: str
    status: FileStatus
    read_ns: int
    facts: ImageFacts
