"""Finding a file whose name is written a little differently from what a label file says."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import PurePath

from vision_customization.common.dataset_content.image_formats import EXTENSIONS


class NearNames:
    """The names in folders, each read once."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def same(self, folder: str, name: str) -> str | None:
        """The path of the file `name` (with slashes) below `folder`, whatever Unicode form (NFC or NFD) each part of it has on
        disk; None if there is none."""
        path = folder
        for part in name.split("/"):
            if part in ("", "."):
                continue
            form = unicodedata.normalize("NFC", part)
            found = next((other for other in self._in(path) if unicodedata.normalize("NFC", other) == form), None)
            if found is None:
                return None
            path = f"{path}/{found}"
        return path

    def hint(self, folder: str, name: str) -> str | None:
        """A file with nearly the same name, relative to `folder`: in other letter case, or with another image extension."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts:
            return None
        *parents, last = parts
        inner = ""
        for part in parents:
            found = next((other for other in self._in(f"{folder}/{inner}") if _folded(other) == _folded(part)), None)
            if found is None:
                return None
            inner += f"{found}/"
        return next((inner + other for other in _near(last, self._in(f"{folder}/{inner}"))), None)

    def _in(self, folder: str) -> list[str]:
        if folder not in self._names:
            try:
                self._names[folder] = sorted(os.listdir(folder))  # noqa: PTH208 - the names are all that is needed
            except (OSError, ValueError):
                self._names[folder] = []
        return self._names[folder]


def _near(name: str, others: list[str]) -> Iterator[str]:
    yield from (other for other in others if _folded(other) == _folded(name))
    stem = _stem(name)
    yield from (other for other in others if _stem(other) == stem and PurePath(other).suffix.lower() in EXTENSIONS)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _stem(name: str) -> str:
    """Without an image's extension; other endings, as in `2024.05`, belong to the name."""
    path = PurePath(name)
    return _folded(path.stem if path.suffix.lower() in EXTENSIONS else name)
