"""Where the engine keeps objects: kept features, trained models, and what a job needs from step to step.

A key is a relative path with `/` between its parts. Whoever reads a key sees a whole object or none, whatever is killed when.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from vision_customization.engine.errors import EngineError, SettingsError
from vision_customization.engine.settings import Settings

_KEY = re.compile(r"^[a-zA-Z0-9_-][a-zA-Z0-9._-]*(/[a-zA-Z0-9_-][a-zA-Z0-9._-]*)*$")

DRAFT, _DELETED = ".draft-", ".deleted-"
LEFT_BEHIND_SECONDS = 3600.0
"""A draft or a deletion this old is nobody's."""


class ObjectNotFound(EngineError):
    """There is no object of that key."""


class ObjectsUnavailable(EngineError):
    """Where the objects are kept refuses the engine, or does not answer."""


class ObjectStore(Protocol):
    """Objects by key. Several processes may use the same one. Everything may raise ObjectsUnavailable."""

    def close(self) -> None:
        """Let go of connections and threads."""

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Write an object, in place of the one there is. Unless `durable`, a power cut may lose or damage it."""

    def put_many(self, objects: Mapping[str, bytes], *, durable: bool = True) -> None:
        """Write objects, in no order; where one fails, others may be there."""

    def get(self, key: str) -> bytes:
        """Raises ObjectNotFound."""

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        """The objects of `keys`, in their order; None for each that there is not."""

    def exists(self, key: str) -> bool: ...

    def delete(self, prefix: str) -> None:
        """Delete the object `prefix`, and all objects under `prefix/`. None of them is fine, too."""

    def names(self, prefix: str) -> list[str]:
        """The next parts of all keys under `prefix/`."""

    def sweep(self) -> None:
        """Delete what writes and deletions left behind that a killed process did not end. It looks at every object there is."""

    def path(self, key: str) -> Path:
        """A file of this machine that holds the object, which must not be changed. Raises ObjectNotFound."""


def open_objects(settings: Settings) -> ObjectStore:
    """The engine's objects: blobs of the container `objects_url`, else files in the folder `objects` of its data folder.

    Raises:
        SettingsError: they are blobs, and the engine has no identity to read them with.
    """
    if settings.objects_url is None:
        return FileObjects(settings.data_dir / "objects")
    from vision_customization.common.blob_container import open_container
    from vision_customization.engine.blobs.identity import ManagedIdentity, named
    from vision_customization.engine.objects.blobs import BlobObjects

    identity = ManagedIdentity()
    if not identity.exists:
        raise SettingsError(
            "objects_url (VISION_ENGINE_OBJECTS_URL): the engine has no managed identity here to read and write "
            f"{settings.objects_url} with. Assign one to where it runs, or leave the setting out."
        )
    container = open_container(settings.objects_url, credential=identity.credential)
    return BlobObjects(container, settings.data_dir / "cache" / "objects", named(identity))


class FileObjects:
    """Objects as files under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def close(self) -> None:
        """Nothing is open."""

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        target = self._file(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=DRAFT)
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


def check_key(key: str) -> None:
    """Raises ValueError for what is no key."""
    if not _KEY.match(key):
        raise ValueError(f"{key!r} is no key of an object")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
