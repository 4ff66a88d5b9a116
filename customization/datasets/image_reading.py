"""Image files: what one is (digest, format, size in pixels), and whether it decodes."""

from __future__ import annotations

import hashlib
import io
import os
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vision_customization.customization.errors import ImageUnreadable

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

    from vision_customization.customization.datasets.digest_cache import DigestCache

SIDE_MAX_PX = 16_000
_OPENED_AS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "ICO")
"""Pillow's readers; that of JPEG reads MPO."""

_ROTATED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


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
"""How the names of files that may be such an image end, in lower case."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image file holds. `width` and `height` are pixels as one sees the image, that is after its EXIF orientation;
    `turned` says that the orientation swaps them, so that the file's own header has them the other way round."""

    sha256: str
    width: int
    height: int
    turned: bool
    format: str

    def has_size(self, width: object, height: object) -> bool:
        """Whether a claimed size is this image's, oriented or as its header has it: labelling tools write either."""
        return (self.width, self.height) == (width, height) or (self.turned and (self.height, self.width) == (width, height))


def read_image(data: bytes, sha256: str | None = None) -> ImageFacts:
    """The facts of an encoded image, which is decoded whole so that a damaged one is found here.

    Raises:
        ImageUnreadable: not an image of a listed type, damaged, or a side over 16,000 px.
    """
    from PIL import Image, UnidentifiedImageError

    # Pillow warns of images this large, and the contract allows them.
    if Image.MAX_IMAGE_PIXELS is not None and Image.MAX_IMAGE_PIXELS < SIDE_MAX_PX**2:
        Image.MAX_IMAGE_PIXELS = SIDE_MAX_PX**2
    try:
        with Image.open(io.BytesIO(data), formats=_OPENED_AS) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112) in _ROTATED
            if max(width, height) <= SIDE_MAX_PX:
                _decode(image)
            file_format = image.format or ""
    except UnidentifiedImageError:
        known = ", ".join(FORMATS)
        raise ImageUnreadable(f"is not an image of a type that can be trained on ({known})" if data else "is empty") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, ArithmeticError, LookupError) as error:
        raise ImageUnreadable(f"is damaged: {error}") from None
    # Pillow has set a TIFF upright already.
    if turned and file_format != "TIFF":
        width, height = height, width
    return ImageFacts(sha256 or hashlib.sha256(data).hexdigest(), width, height, turned, file_format)


def _decode(image: PilImage) -> None:
    # At an eighth of the size a JPEG's whole bit stream is still read, for half the time.
    image.draft("RGB", (image.width // 8, image.height // 8))
    image.load()


@dataclass(frozen=True, slots=True)
class ReadImage:
    """A file that was just read: its status before it was, and the time (ns since the epoch) at which it was."""

    path: str
    status: os.stat_result
    read_ns: int
    facts: ImageFacts


def read_images(
    statuses: Mapping[str, os.stat_result],
    cache: DigestCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, ImageFacts | ImageUnreadable]:
    """The facts of each file, from the cache where it has not changed since; the others are read by a pool of threads.

    Args:
        statuses: path → `os.stat` of it.
        cache: where facts are kept between calls.
        on_progress: gets (done, total) of the files that have to be read.
    """
    facts: dict[str, ImageFacts | ImageUnreadable] = {}
    if cache is not None:
        facts.update(cache.lookup(statuses))
    missing = [path for path in statuses if path not in facts]
    if not missing:
        return facts
    verified = cache.verified() if cache is not None else {}
    read_now: list[ReadImage] = []
    pool = ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) + 1), thread_name_prefix="read-images")
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, on standard error and without the file's name.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            results = pool.map(lambda path: _read_file(path, verified), missing)
            for done, (path, result) in enumerate(zip(missing, results, strict=True), start=1):
                if isinstance(result, ReadImage):
                    read_now.append(result)
                    facts[path] = result.facts
                else:
                    facts[path] = result
                if on_progress is not None:
                    on_progress(done, len(missing))
    finally:
        # What was read until Ctrl-C need not be read again.
        pool.shutdown(cancel_futures=True)
        if cache is not None:
            cache.remember(read_now)
    return facts


def _read_file(path: str, verified: Mapping[str, ImageFacts]) -> ReadImage | ImageUnreadable:
    try:
        with Path(path).open("rb") as file:
            status = os.fstat(file.fileno())
            read_ns = time.time_ns()
            data = file.read()
        sha256 = hashlib.sha256(data).hexdigest()
        return ReadImage(path, status, read_ns, verified.get(sha256) or read_image(data, sha256))
    except ImageUnreadable as error:
        return error
    except OSError as error:
        return ImageUnreadable(f"can't be read: {error.strerror or error}")
