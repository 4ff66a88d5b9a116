"""The file of `vision predict --all`: a JSON line for each image. A command that was interrupted continues it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from vision_customization.common.errors import VisionError
from vision_customization.contract.errors import ImageErrorCode

if sys.platform != "win32":
    import fcntl


class RowsFile:
    """Rows by the name of their image (`key`: `image` or `url`), which are appended to `path`. One command at a time has it
    open, where the system has file locks.

    Opening it repairs a last line that was only half written. It also removes the rows of images that could not be read, so
    that the caller answers these again: `removed` counts them, and `kept` the others.

    Raises:
        VisionError: the file cannot be read or written, has other content, or another command has it open.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self.names: set[str] = set()
        self.failed: list[str] = []
        try:
            self._file = self._opened()
        except OSError as error:
            raise self._unusable(error) from None
        try:
            unread = self._read()
            if unread:
                self._remove(unread)
        except BaseException as error:
            with suppress(OSError):
                self._file.close()
            if isinstance(error, OSError):
                raise self._unusable(error) from None
            raise
        self.kept = len(self.names)
        self.removed = len(unread)

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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._file.close()
        except OSError as error:
            if kind is None:  # else it is the error that is raised already: closing writes what could not be written
                raise self._unusable(error) from None

    def _opened(self) -> IO[bytes]:
        file = self._path.open("a+b")
        if sys.platform == "win32":
            return file
        in_use = False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another command may have replaced the file before it was locked here.
            in_use = not os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except BlockingIOError:
            in_use = True
        except OSError:  # a file system without locks
            in_use = False
        if in_use:
            file.close()
            raise VisionError(
                f"{self._path}: another `vision predict --all` is writing this file. Wait until it has ended, or name another "
                "file with --out"
            )
        return file

    def _read(self) -> set[int]:
        """Note the rows; returns the numbers of the lines of images that could not be read."""
        unread = set[int]()
        self._file.seek(0)
        whole = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                self._file.truncate(whole)
                break
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
            if is_unread(row):
                unread.add(number)
            else:
                self._note(name, failed="error" in row)
        return unread

    def _remove(self, numbers: Collection[int]) -> None:
        """Replace the file by one without these lines."""
        path = self._path.resolve()
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                self._file.seek(0)
                file.writelines(line for number, line in enumerate(self._file, 1) if number not in numbers)
            shutil.copymode(path, partial)
            Path(partial).replace(path)
        finally:
            Path(partial).unlink(missing_ok=True)
        replaced, self._file = self._file, self._opened()
        replaced.close()

    def _note(self, name: str, *, failed: bool) -> None:
        self.names.add(name)
        if failed:
            self.failed.append(name)

    def _unusable(self, error: OSError) -> VisionError:
        return VisionError(f"{self._path}: can't be written: {error.strerror or error}")


def is_unread(row: Mapping[str, Any]) -> bool:
    """Whether a row says that its image could not be read: its storage or its file refused it. A later attempt may read it."""
    error = row.get("error")
    return isinstance(error, dict) and error.get("code") == ImageErrorCode.INVALID_IMAGE_URL
