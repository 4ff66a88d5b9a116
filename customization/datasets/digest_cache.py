"""Facts about image files and their miniatures, cached between runs so that unchanged files are not read again."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from vision_customization.customization.datasets.image_facts import FileStatus, ImageFacts, ReadImage

_VERSION = 2
_WITHOUT_MINIATURES = 1
"""The version before, whose digests are still good."""

_RACY_NS = 2_000_000_000
"""A file changed this shortly before it was hashed may change again within the same tick of its clock."""

_CHUNK = 900
_MANY = 1000
_SCANNED_PER_PATH = 2
"""Reading so many rows one after the other takes no longer than finding one: 1.0 µs against 1.8 µs a row, of a million."""
_COLUMNS = "sha256, width, height, turned, format"


class DigestCache:
    """One SQLite file, `digests.sqlite`, in `folder`; several processes may use it at once.

    A row is valid as long as the file's size, mtime and ctime are the same, and only if they were older than two seconds when
    the file was hashed. A cache that can't be read or written costs time, never correctness: it counts as empty.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "digests.sqlite"

    def lookup(self, statuses: Mapping[str, FileStatus]) -> dict[str, ImageFacts]:
        """The facts about those files (path → its status) that have not changed since they were read."""
        paths = {key: path for path in statuses if (key := _key(path)) is not path}
        """Those that are kept under another key."""
        facts: dict[str, ImageFacts] = {}
        with suppress(sqlite3.Error, OSError), self._open() as connection:
            for key, size, mtime_ns, ctime_ns, *columns in _rows(connection, statuses):
                path = paths.get(key, key) if paths else key
                status = statuses.get(path)
                if status is None:
                    continue
                if status.st_mtime_ns == mtime_ns and status.st_ctime_ns == ctime_ns and status.st_size == size:
                    facts[path] = _facts(*columns)
        return facts

    def verified(self, at_most: int | None = None) -> dict[str, ImageFacts]:
        """Every image content that decoded before, by SHA-256: a file that was only touched need not be decoded again. None
        of them if there are more than `at_most`: then it is quicker to decode a few files again."""
        with suppress(sqlite3.Error, OSError), self._open() as connection:
            (count,) = connection.execute("SELECT COUNT(*) FROM digests").fetchone()
            if at_most is None or count <= at_most:
                rows = connection.execute(f"SELECT {_COLUMNS} FROM digests")  # noqa: S608 - the column names are constants
                return {row[0]: _facts(*row) for row in rows}
        return {}

    def miniatures(self, contents: Iterable[str]) -> dict[str, bytes]:
        """The miniatures that are known of these contents, by SHA-256."""
        found: dict[str, bytes] = {}
        with suppress(sqlite3.Error, OSError), self._open() as connection:
            found.update(_in_chunks(connection, "SELECT sha256, grey FROM miniatures WHERE sha256 IN", list(contents)))
        return found

    def remember_miniatures(self, miniatures: Mapping[str, bytes]) -> None:
        if not miniatures:
            return
        with suppress(sqlite3.Error, OSError), self._open() as connection:
            connection.executemany("INSERT OR REPLACE INTO miniatures VALUES (?, ?)", miniatures.items())
            connection.commit()

    def remember(self, images: Sequence[ReadImage]) -> None:
        self.remember_miniatures({image.facts.sha256: image.facts.miniature for image in images if image.facts.miniature})
        rows = [
            (
                _key(image.path),
                image.status.st_size,
                # A racy file is kept only for its digest: no file has this mtime.
                image.status.st_mtime_ns if _settled(image) else -1,
                image.status.st_ctime_ns,
                *(getattr(image.facts, column) for column in _COLUMNS.split(", ")),
            )
            for image in images
        ]
        if not rows:
            return
        marks = ", ".join("?" * len(rows[0]))
        with suppress(sqlite3.Error, OSError), self._open() as connection:
            connection.executemany(f"INSERT OR REPLACE INTO digests VALUES ({marks})", rows)  # noqa: S608
            connection.commit()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = self._connect()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            self.path.unlink(missing_ok=True)
            connection = self._connect()
        with closing(connection):
            yield connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=10)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version != _VERSION:
                connection.executescript(
                    f"""
                    BEGIN IMMEDIATE;
                    {"" if version == _WITHOUT_MINIATURES else "DROP TABLE IF EXISTS digests;"}
                    DROP TABLE IF EXISTS miniatures;
                    CREATE TABLE miniatures (sha256 TEXT PRIMARY KEY, grey BLOB) WITHOUT ROWID;
                    CREATE TABLE IF NOT EXISTS digests (
                        path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
                        sha256 TEXT, width INTEGER, height INTEGER, turned INTEGER, format TEXT
                    ) WITHOUT ROWID;
                    PRAGMA user_version = {_VERSION};
                    COMMIT;
                    """
                )
        except BaseException:
            connection.close()
            raise
        return connection


def _key(path: str) -> str | bytes:
    """The absolute path; as bytes if it is not UTF-8, which SQLite can't keep as text."""
    key = path if path.startswith("/") else os.path.abspath(path)  # noqa: PTH100 - Path objects take ten times as long
    return key if key.isascii() or _is_unicode(key) else os.fsencode(key)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _settled(image: ReadImage) -> bool:
    return max(image.status.st_mtime_ns, image.status.st_ctime_ns) < image.read_ns - _RACY_NS


def _rows(connection: sqlite3.Connection, paths: Collection[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of these paths; of many paths, maybe more rows than theirs."""
    columns = f"path, size, mtime_ns, ctime_ns, {_COLUMNS}"
    if len(paths) >= _MANY:
        (rows,) = connection.execute("SELECT COUNT(*) FROM digests").fetchone()
        if rows <= _SCANNED_PER_PATH * len(paths):
            return connection.execute(f"SELECT {columns} FROM digests")  # noqa: S608 - the column names are constants
    return _in_chunks(connection, f"SELECT {columns} FROM digests WHERE path IN", sorted(map(_key, paths), key=os.fsencode))  # noqa: S608


def _in_chunks(connection: sqlite3.Connection, query: str, keys: Sequence[str | bytes]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query that ends with `IN`."""
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        yield from connection.execute(f"{query} ({', '.join('?' * len(chunk))})", chunk)


def _facts(sha256: str, width: int, height: int, turned: int, file_format: str) -> ImageFacts:
    return ImageFacts(sha256, _same(width), _same(height), bool(turned), sys.intern(file_format))


@lru_cache(maxsize=4096)
def _same(side: int) -> int:
    """Each side once in memory: datasets have few different ones."""
    return side
