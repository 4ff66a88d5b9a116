"""Objects by key, wherever they are kept: the protocol that files and blobs fulfil.

A key is a relative path with `/` between its parts. A reader of a key sees a whole object or none, whatever is killed when.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from vision_customization.engine.errors import EngineError

_KEY = re.compile(r"^[a-zA-Z0-9_-][a-zA-Z0-9._-]*(/[a-zA-Z0-9_-][a-zA-Z0-9._-]*)*$")


DRAFT = ".draft-"
LEFT_BEHIND_SECONDS = 3600.0
"""Drafts and deletions older than this are orphans."""


class ObjectNotFound(EngineError):
    """There is no object of that key."""


class ObjectsUnavailable(EngineError, OSError):
    """The container of the objects refuses the engine, or does not answer. An OSError, as every refusal of a folder is."""


class ObjectStore(Protocol):
    """Objects by key. Several processes may use the same one.

    Everything may raise OSError, which is how each kind of store refuses: a folder with the system's own, a container with
    ObjectsUnavailable.
    """

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


def check_key(key: str) -> None:
    """Raises ValueError for what is no key."""
    if not _KEY.match(key):
        raise ValueError(f"{key!r} is no key of an object")
