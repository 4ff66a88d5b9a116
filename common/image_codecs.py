"""Pillow's codecs. If one is missing, the installation is at fault, and not the image."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

_PLUGINS = ("Bmp", "Gif", "Ico", "Jpeg", "Mpo", "Png", "Tiff", "WebP")
_UNAVAILABLE = re.compile(r"(de|en)coder \S+ not available|cannot open shared object file")


def load_codecs() -> None:
    """Load Pillow's module for each accepted format now, and not with the first image of the format.

    A process that has run for long then reads images even if its packages were moved or replaced meanwhile.

    Raises:
        ImportError: Pillow is incomplete.
    """
    for name in _PLUGINS:
        import_module(f"PIL.{name}ImagePlugin")


@contextmanager
def needing_codecs(data: bytes, error_of: Callable[[str], Exception]) -> Iterator[None]:
    """Decode the encoded image `data` in this block. If Pillow lacks a codec for it or can't load it, the block raises
    `error_of` a message; other errors pass."""
    try:
        load_codecs()
        yield
    except Exception as error:
        if not _is_missing_codec(error, data):
            raise
        raise error_of(
            f"can't be decoded here, because Pillow lacks a codec ({error}). The image may be intact. Install the packages "
            "again: `make setup`, or `pip install --force-reinstall pillow`"
        ) from error


def _is_missing_codec(error: Exception, data: bytes) -> bool:
    from PIL import UnidentifiedImageError, features

    if isinstance(error, UnidentifiedImageError):  # which a Pillow without WebP says of such a file
        return data[8:12] == b"WEBP" and not features.check("webp")
    return isinstance(error, ImportError) or (isinstance(error, OSError) and _UNAVAILABLE.search(str(error)) is not None)
