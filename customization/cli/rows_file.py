"""The file of `vision predict --all`: a JSON line for each image. A command that was interrupted continues it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from vision_customization.common.errors import VisionError


class RowsFile:
    """Rows by the name of their image (`key`: `image` or `url`), which are appended to `path` and never changed.

    Opening it repairs a last line that was only half written.

    Raises:
        VisionError: the file cannot be read or written, or has other content.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self.names: set[str] = set()
        self.failed: list[str] = []
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise self._unusable(error) from None
        try:
            self._read()
        except BaseException as error:
            self._file.close()
            if isinstance(error, OSError):
                raise self._unusable(error) from None
            raise
        self.kept = len(self.names)

    def add(self, name: str, line: bytes, *, failed: bool) -> None:
        """Append the row of an image, which has none yet; `line` is without its end."""
        try:
            self._file.write(line + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._unusable(error) from None
        self._note(name, failed=failed)

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Append a row that is JSON-ready values."""
        try:
            line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:  # the name of a file that is not Unicode text
            line = json.dumps(row, separators=(",", ":")).encode()
        self.add(row[self._key], line, failed="error" in row)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> None:
        self._file.seek(0)
        whole = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                self._file.truncate(whole)
                return
            whole += len(line)
            try:
                row = json.loads(line)
                name = row[self._key]
            except (ValueError, KeyError, TypeError):
                name = None
            if not isinstance(name, str):
                raise VisionError(
                    f"{self._path}: line {number} is not a row of `vision predict --all` with the key '{self._key}'. Name "
                    "another file with --out"
                )
            self._note(name, failed="error" in row)

    def _note(self, name: str, *, failed: bool) -> None:
        self.names.add(name)
        if failed:
            self.failed.append(name)

    def _unusable(self, error: OSError) -> VisionError:
        return VisionError(f"{self._path}: can't be written: {error.strerror or error}")
