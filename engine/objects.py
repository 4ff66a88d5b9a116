"""Where the engine keeps files: kept features, trained models, and what a job needs from step to step.

A key is a relative path with `/` between its parts. Whoever reads a key sees a whole object or none, whatever is killed when.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Protocol

from engine.errors import EngineError
from engine.settings import Settings

_KEY = re.compile(r"^[a-zA-Z0-9_-][a-zA-Z0-9._-]*(/[a-zA-Z0-9_-][a-zA-Z0-9._-]*)*$")

_DRAFT, _DELETED = ".draft-", ".deleted-"
_LEFT_BEHIND_SECONDS = 3600.0
"""A draft or a deletion this old is nobody's."""


class ObjectNotFound(EngineError):
    """There is no object of that key."""


class ObjectStore(Protocol):
    """Objects by key. Several processes may use the same one."""

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Write an object, in place of the one there is. Unless `durable`, a power cut may lose or damage it."""

    def get(self, key: str) -> bytes:
        """Raises ObjectNotFound."""

    def exists(self, key: str) -> bool: ...

    def delete(self, prefix: str) -> None:
        """Delete the object `prefix`, and all objects under `prefix/`. None of them is fine, too."""

    def names(self, prefix: str) -> list[str]:
        """The next parts of all keys under `prefix/`."""

    def sweep(self) -> None:
        """Delete what writes and deletions left behind that a killed process did not end. It looks at every object there is."""

    def path(self, key: str) -> Path:
        """A file of this machine that holds the object, which must not be changed. Raises ObjectNotFound."""


def open_objects(settings: Settings) -> "FileObjects":
    """The engine's objects: files in the folder `objects` of its data folder."""
    return FileObjects(settings.data_dir / "objects")


class FileObjects:
    """Objects as files under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        target = self._file(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=_DRAFT)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(target.parent)

    def get(self, key: str) -> bytes:
        try:
            return self._file(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            raise ObjectNotFound(f"There is no object {key}.") from None

    def exists(self, key: str) -> bool:
        return self._file(key).is_file()

    def delete(self, prefix: str) -> None:
        place = self._file(prefix)
        if place.is_dir():
            # Out of sight at once, so that nobody reads half of what is being deleted.
            doomed = Path(tempfile.mkdtemp(dir=place.parent, prefix=_DELETED))
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                place.replace(doomed / place.name)
            shutil.rmtree(doomed, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)

    def names(self, prefix: str) -> list[str]:
        try:
            return sorted(entry for entry in os.listdir(self._file(prefix)) if not entry.startswith("."))  # noqa: PTH208 - names
        except (FileNotFoundError, NotADirectoryError):
            return []

    def sweep(self) -> None:
        before = time.time() - _LEFT_BEHIND_SECONDS
        for folder, folders, files in os.walk(self._root):
            for name in [name for name in (*folders, *files) if name.startswith((_DRAFT, _DELETED))]:
                place = Path(folder, name)
                with contextlib.suppress(OSError):  # another process was faster
                    if place.stat().st_mtime > before:
                        continue
                    if place.is_dir():
                        shutil.rmtree(place, ignore_errors=True)
                    else:
                        place.unlink()
            folders[:] = [name for name in folders if not name.startswith(_DELETED)]

    def path(self, key: str) -> Path:
        place = self._file(key)
        if not place.is_file():
            raise ObjectNotFound(f"There is no object {key}.")
        return place

    def _file(self, key: str) -> Path:
        if not _KEY.match(key):
            raise ValueError(f"{key!r} is no key of an object")
        return self._root.joinpath(*key.split("/"))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
