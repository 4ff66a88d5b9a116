"""Objects by key: the protocol that file and blob storage implement.

A key is a relative path with `/` between its parts. A reader sees a complete object or none, even if a writer is killed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from vision_customization.engine.errors import EngineError

_KEY = re.compile(r"^[a-zA-Z0-9_-][a-zA-Z0-9._-]*(/[a-zA-Z0-9_-][a-zA-Z0-9._-]*)*$")


DRAFT = ".draft-"
LEFT_BEHIND_SECONDS = 3600.0
"""Drafts and deletions older than this are orphans."""


Range = tuple[str, int, int]
"""An object's key, and the first byte and the byte after the last one of a part of it."""


class ObjectNotFound(EngineError):
    """No object has that key."""


class ObjectsUnavailable(EngineError, OSError):
    """The container of the objects refuses the engine, or does not answer. An OSError, like the errors of a folder."""


class ObjectStore(Protocol):
    """Objects by key. Several processes may use the same one.

    Every method may raise OSError: a folder raises the system's own errors, a container raises ObjectsUnavailable.
    """

    def close(self) -> None:
        """Close connections and threads."""

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Write an object, replacing an existing one. Unless `durable`, a power cut may lose or damage it."""

    def put_many(self, objects: Mapping[str, bytes], *, durable: bool = True) -> None:
        """Write objects in any order; if one fails, others may have been written."""

    def get(self, key: str) -> bytes:
        """Raises ObjectNotFound."""

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        """The objects of `keys`, in their order; None for each that does not exist."""

    def get_ranges(self, ranges: Sequence[Range]) -> Iterator[bytes | None]:
        """Parts of objects, in the order of `ranges`; fewer bytes if an object is shorter, None if it does not exist."""

    def exists(self, key: str) -> bool: ...

    def delete(self, prefix: str) -> None:
        """Delete the object `prefix` and all objects under `prefix/`. It is not an error if none exist."""

    def delete_many(self, keys: Iterable[str]) -> None:
        """Delete the objects of these keys, and none under them. It is not an error if some do not exist."""

    def names(self, prefix: str) -> list[str]:
        """The next path part of all keys under `prefix/`."""

    def trim(self, prefix: str, bytes_max: int) -> int:
        """Delete the objects directly under `prefix/` that were written first, until the rest takes at most `bytes_max`.
        Returns how many were deleted. Looks at each of them."""

    def sweep(self) -> None:
        """Delete what unfinished writes and deletions of killed processes left behind. Looks at every object."""

    def path(self, key: str) -> Path:
        """A local file with the object's content, which must not be changed. Raises ObjectNotFound."""


def surplus(written: Iterable[tuple[float, int, str]], bytes_max: int) -> list[str]:
    """The names of the oldest objects, without which the rest takes at most `bytes_max`.

    Args:
        written: when each was written, in any unit, its size in bytes, and its name.
    """
    ordered = sorted(written)
    excess = sum(size for _, size, _ in ordered) - bytes_max
    names = []
    for _, size, name in ordered:
        if excess <= 0:
            break
        names.append(name)
        excess -= size
    return names


def check_key(key: str) -> None:
    """Raises ValueError if it is not a valid key."""
    if not _KEY.match(key):
        raise ValueError(f"{key!r} is not a valid object key")
