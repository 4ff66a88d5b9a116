"""What kind of image a file is, by its first bytes: its name may say otherwise, or nothing."""

from __future__ import annotations

from pathlib import Path

from vision_customization.common.dataset_content.image_formats import EXTENSIONS

HEAD_BYTES = 64

PHOTO_FORMATS = ("HEIF", "AVIF")
"""Images that the service does not accept. A conversion writes JPEG copies of them."""

PHOTO_EXTENSIONS = frozenset({".heic", ".heif", ".hif", ".avif"})

_RAW_EXTENSIONS = frozenset({".dng", ".nef", ".nrw", ".cr2", ".arw", ".sr2", ".pef", ".srw", ".3fr", ".iiq", ".erf", ".kdc"})
"""Raw data of cameras, which is TIFF by its first bytes."""

_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def image_format(head: bytes) -> str | None:
    """Pillow's name of the format of an image that begins with these bytes; None if they are of no image that can be read."""
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "BMP"
    if head.startswith(b"\0\0\1\0") and head[4:6] != bytes(2):
        return "ICO"
    if head[4:8] == b"ftyp":
        # The length of the list of brands, of which the one at 8 is the main one. One at 12 is a version.
        length = min(int.from_bytes(head[:4]), len(head))
        brands = {head[start : start + 4] for start in (8, *range(16, length, 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        return "HEIF" if brands & _HEIF_BRANDS else None
    return None


def format_of(path: Path) -> str | None:
    """The format of a file by its content; None if it is not an image, or can't be read."""
    try:
        with path.open("rb") as file:
            found = image_format(file.read(HEAD_BYTES))
    except OSError:
        return None
    return None if found == "TIFF" and path.suffix.lower() in _RAW_EXTENSIONS else found


def is_image(path: Path) -> bool:
    """Whether a file has the name of an image, or is one. One with the name that is none will be a problem when it is read."""
    return path.suffix.lower() in EXTENSIONS | PHOTO_EXTENSIONS or format_of(path) is not None


def other_file(path: Path) -> str:
    """What a file is that is not an image, as a reason to leave it out."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        return f"can't be read: {error.strerror or error}"
    suffix = path.suffix.lower()
    if suffix in _RAW_EXTENSIONS:
        return f"raw data of a camera ({suffix}), not an image that can be read"
    if head[4:8] == b"ftyp" or suffix in (".mov", ".mp4", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".3gp"):
        return f"a video ({suffix or 'without extension'}), not an image"
    return f"not an image ({suffix or 'without extension'})"
