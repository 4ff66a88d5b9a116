"""HEIC and AVIF photos, as phones take them: their facts, and JPEG files of them, since the service does not accept them."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from vision_customization.contract.limits import IMAGE_BYTES_MAX
from vision_customization.customization.convert.images.content import PHOTO_FORMATS, format_of
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import SIDE_MAX_PX, ImageFacts
from vision_customization.customization.datasets.image_reading import read_images
from vision_customization.customization.errors import ImageUnreadable

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

QUALITIES = (95, 85, 70)
"""Of a JPEG copy: the first at which it is as small as the service accepts."""

_FAULTS = (OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError, RuntimeError)
"""What decoders raise for damaged files."""


def is_photo(facts: ImageFacts) -> bool:
    """Whether the file is a photo that the service does not accept as it is."""
    return facts.format in PHOTO_FORMATS


def read_images_and_photos(
    statuses: Mapping[str, os.stat_result],
    cache: DigestCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, ImageFacts | ImageUnreadable]:
    """As `read_images`, and the size of each photo, which is decoded only when it is copied."""
    # Most are images with the extension of one. A photo may have it, too: those that can't be read are looked at.
    facts = read_images(statuses, cache, on_progress)
    refused = [path for path, known in facts.items() if isinstance(known, ImageUnreadable)]
    with ThreadPoolExecutor(max_workers=_threads(), thread_name_prefix="read-photos") as pool:
        for path, known in zip(refused, pool.map(_read_photo, refused), strict=True):
            if known is not None:
                facts[path] = known
    return facts


def _threads() -> int:
    return min(8, (os.cpu_count() or 1) + 1)


def _read_photo(path: str) -> ImageFacts | ImageUnreadable | None:
    """The facts about a photo, or why it can't be read; None if the file is not a photo."""
    file_format = format_of(Path(path))
    if file_format not in PHOTO_FORMATS:
        return None
    try:
        data = Path(path).read_bytes()
        with _opened(data, file_format) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112) in (5, 6, 7, 8)
    except ImageUnreadable as error:
        return error
    except _FAULTS as error:
        return ImageUnreadable(f"is damaged: {error}")
    if max(width, height) > SIDE_MAX_PX:
        return ImageUnreadable(f"is {width} × {height} px, each side must be at most {SIDE_MAX_PX:,}")
    upright = (height, width) if turned else (width, height)
    return ImageFacts(hashlib.sha256(data).hexdigest(), *upright, turned, file_format)


def _opened(data: bytes, file_format: str) -> PilImage:
    """Raises ImageUnreadable where this Python has no decoder, or what decoders raise."""
    from PIL import Image, features

    if file_format == "HEIF":
        try:
            import pillow_heif
        except ImportError:
            install = "pip install 'vision-customization[heif]'"
            raise ImageUnreadable(f"is a HEIC photo, which takes another package to read: {install}") from None
        pillow_heif.register_heif_opener()
    elif not features.check("avif"):
        raise ImageUnreadable("is an AVIF image, which takes Pillow 11.3 or newer to read: pip install --upgrade pillow")
    if Image.MAX_IMAGE_PIXELS is not None and Image.MAX_IMAGE_PIXELS < SIDE_MAX_PX**2:
        Image.MAX_IMAGE_PIXELS = SIDE_MAX_PX**2
    return Image.open(io.BytesIO(data), formats=(file_format,))


def jpeg_of(photo: Path) -> bytes:
    """The photo as a JPEG file: upright, in the colours of sRGB, without its metadata.

    The same file gives the same bytes.

    Raises:
        ImageUnreadable: it is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            with _opened(photo.read_bytes(), format_of(photo) or "HEIF") as image:
                return _encoded(_in_srgb(image))
    except _FAULTS as error:
        raise ImageUnreadable(f"is damaged: {error}") from None


def _in_srgb(image: PilImage) -> PilImage:
    from PIL import ImageCms, ImageOps

    image.load()
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    coloured = upright.convert("RGB")
    if not profile:
        return coloured
    try:
        converted = ImageCms.profileToProfile(
            coloured,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except ImageCms.PyCMSError:
        return coloured  # a profile that is damaged, or not of RGB: the colours are taken as they are
    return converted or coloured


def _encoded(image: PilImage) -> bytes:
    for quality in QUALITIES:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        if stream.tell() <= IMAGE_BYTES_MAX:
            break
    return stream.getvalue()
