"""Objects as files in a folder."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vision_customization.engine.objects.store import (
    DRAFT,
    LEFT_BEHIND_SECONDS,
    ObjectNotFound,
    Range,
    check_key,
    surplus,
)
from vision_customization.engine.runtime.full_disk import DiskFull, check_room, is_full

_DELETED = ".deleted-"


class FileObjects:
    """Objects as files under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def close(self) -> None:
        """Does nothing: no connection is open."""

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        target = self._file(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        check_room(target.parent, len(data))
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=DRAFT)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            Path(draft).replace(target)
        except BaseException as error:
            Path(draft).unlink(missing_ok=True)
            if isinstance(error, OSError) and is_full(error):
                raise DiskFull(self._root, len(data)) from error
            raise
        if durable:
            _sync_folder(target.parent)

    def put_many(self, objects: Mapping[str, bytes], *, durable: bool = True) -> None:
        for key, data in objects.items():
            self.put(key, data, durable=durable)

    def get(self, key: str) -> bytes:
        try:
            return self._file(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            raise ObjectNotFound(f"There is no object {key}.") from None

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        for key in keys:
            try:
                yield self.get(key)
            except ObjectNotFound:
                yield None

    def get_ranges(self, ranges: Sequence[Range]) -> Iterator[bytes | None]:
        for key, start, stop in ranges:
            try:
                with self._file(key).open("rb") as file:
                    file.seek(start)
                    yield file.read(stop - start)
            except (FileNotFoundError, IsADirectoryError):
                yield None

    def exists(self, key: str) -> bool:
        return self._file(key).is_file()

    def delete(self, prefix: str) -> None:
        place = self._file(prefix)
        if place.is_dir():
            # Renamed first, so that no reader sees a half-deleted folder.
            doomed = Path(tempfile.mkdtemp(dir=place.parent, prefix=_DELETED))
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                place.replace(doomed / place.name)
            shutil.rmtree(doomed, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)

    def delete_many(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._file(key).unlink(missing_ok=True)

    def names(self, prefix: str) -> list[str]:
        try:
            return sorted(entry for entry in os.listdir(self._file(prefix)) if not entry.startswith("."))  # noqa: PTH208 - names
        except (FileNotFoundError, NotADirectoryError):
            return []

    def trim(self, prefix: str, bytes_max: int) -> int:
        doomed = surplus(_written(self._file(prefix)), bytes_max)
        for file in doomed:
            with contextlib.suppress(OSError):  # another process was faster
                Path(file).unlink()
        return len(doomed)

    def sweep(self) -> None:
        before = time.time() - LEFT_BEHIND_SECONDS
        for folder, folders, files in os.walk(self._root):
            for name in [name for name in (*folders, *files) if name.startswith((DRAFT, _DELETED))]:
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
        check_key(key)
        return self._root.joinpath(*key.split("/"))


def _written(folder: Path) -> Iterator[tuple[float, int, str]]:
    """When each file in `folder` was written, its size, and its path; drafts are left out."""
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                    facts = entry.stat(follow_symlinks=False)
                    yield facts.st_mtime, facts.st_size, entry.path


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
