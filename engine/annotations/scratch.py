"""The rows of annotation files while they are merged: in an SQLite file of its own, so that memory does not depend on them.

Nothing here knows the rules.
"""

import hashlib
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from vision_customization.engine.annotations.files import shown

_SCHEMA = """
CREATE TABLE images (
    position INTEGER PRIMARY KEY, url_key BLOB NOT NULL UNIQUE, url TEXT, file_name TEXT, width REAL, height REAL, place TEXT
);
CREATE TABLE tags (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE labels (position, tag, "left", top, width, height, PRIMARY KEY (position, tag, "left", top, width, height))
    WITHOUT ROWID;
CREATE TABLE first_tags (position INTEGER PRIMARY KEY, tag, place TEXT);
CREATE TABLE faults (position, kind, PRIMARY KEY (position, kind)) WITHOUT ROWID;
CREATE TABLE image_ids (id PRIMARY KEY, entry INTEGER, position INTEGER, tag) WITHOUT ROWID;
CREATE TABLE category_ids (id PRIMARY KEY, entry INTEGER, tag) WITHOUT ROWID;
CREATE TABLE annotations (
    entry INTEGER PRIMARY KEY, id UNIQUE, image_id, category_id, state, fault TEXT, "left", top, width, height
);
"""
_OF_ONE_FILE = ("image_ids", "category_ids", "annotations")
_CACHE_KIBIBYTES = 16 * 1024

NO_BOX = (0.0, 0.0, 0.0, 0.0)
"""In `labels`, whose key needs values: no box is that narrow."""

Box4 = tuple[float, float, float, float]


class ImageRow(NamedTuple):
    """`place` is where in the files it is first, for messages."""

    position: int
    url: str
    file_name: str
    width: float | None
    height: float | None
    place: str


class LabelRow(NamedTuple):
    position: int
    tag: int
    box: Box4 | None


class AnnotationRow(NamedTuple):
    """An annotation whose references are not resolved yet. `image_id` and `category_id` are keys, see `key_of`."""

    entry: int
    id: Any
    image_id: Any
    category_id: Any
    state: int
    fault: str | None
    box: Box4


class ImageId(NamedTuple):
    """An image of the current file: entry, position, and the tag that its id got first."""

    entry: int
    position: int
    tag: int | None


class Scratch:
    """The tables. The file has no name once it is open, so nothing is left of a process that is killed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{uuid.uuid4()}.sqlite"
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._execute = self._connection.execute
        try:
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", f"cache_size=-{_CACHE_KIBIBYTES}"):
                self._execute(f"PRAGMA {pragma}")
            self._connection.executescript(_SCHEMA)
            self._execute("BEGIN")
        finally:
            file.unlink()
        self.images = 0
        self.tags = 0
        """Their numbers are 1 to this."""

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin_file(self) -> None:
        for table in _OF_ONE_FILE:
            self._execute(f"DELETE FROM {table}")  # noqa: S608 - a constant

    def add_image(self, url: str, file_name: str, width: float | None, height: float | None, place: str) -> int:
        """The position of the image at this URL; its first entry decides the rest."""
        key = hashlib.blake2b(url.encode(), digest_size=16).digest()
        found = self._execute("SELECT position FROM images WHERE url_key = ?", (key,)).fetchone()
        if found is not None:
            return int(found[0])
        position = self.images
        self._execute("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?)", (position, key, url, file_name, width, height, place))
        self.images += 1
        return position

    def add_tag(self, name: str) -> int:
        found = self._execute("SELECT number FROM tags WHERE name = ?", (name,)).fetchone()
        if found is not None:
            return int(found[0])
        self.tags += 1
        self._execute("INSERT INTO tags VALUES (?, ?)", (self.tags, name))
        return self.tags

    def tag_name(self, tag: int) -> str:
        return str(self._execute("SELECT name FROM tags WHERE number = ?", (tag,)).fetchone()[0])

    def entry_of(self, section: str, id_: int) -> int | None:
        """Which entry of the current file has an id already."""
        table, column = {
            "images": ("image_ids", "id"),
            "categories": ("category_ids", "id"),
            "annotations": ("annotations", "id"),
        }[section]
        found = self._execute(f"SELECT entry FROM {table} WHERE {column} = ?", (key_of(id_),)).fetchone()  # noqa: S608 - constants
        return None if found is None else int(found[0])

    def add_image_id(self, id_: int, entry: int, position: int | None) -> None:
        """Without a position, the id only counts as taken."""
        self._execute("INSERT INTO image_ids VALUES (?, ?, ?, NULL)", (key_of(id_), entry, position))

    def add_category_id(self, id_: int, entry: int, tag: int | None) -> None:
        self._execute("INSERT INTO category_ids VALUES (?, ?, ?)", (key_of(id_), entry, tag))

    def add_annotation(self, row: AnnotationRow) -> None:
        self._execute("INSERT INTO annotations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row[:6], *row.box))

    def annotations(self) -> Iterator[AnnotationRow]:
        """Those of the current file, in its order."""
        for row in self._execute("SELECT * FROM annotations ORDER BY entry"):
            entry, id_, image_id, category_id, state, fault, left, top, width, height = row
            yield AnnotationRow(entry, id_, image_id, category_id, state, fault, (left, top, width, height))

    def image_of(self, key: object) -> ImageId | None:
        found = self._execute("SELECT entry, position, tag FROM image_ids WHERE id = ?", (key,)).fetchone()
        return None if found is None or found[1] is None else ImageId(*found)

    def tag_of(self, key: object) -> int | None:
        found = self._execute("SELECT tag FROM category_ids WHERE id = ?", (key,)).fetchone()
        return None if found is None else found[0]

    def set_tag_of(self, key: object, tag: int) -> None:
        self._execute("UPDATE image_ids SET tag = ? WHERE id = ?", (tag, key))

    def first_tag(self, position: int, tag: int, place: str) -> tuple[int, str]:
        """The tag that the image at a position got first, and where."""
        self._execute("INSERT OR IGNORE INTO first_tags VALUES (?, ?, ?)", (position, tag, place))
        first: tuple[int, str] = self._execute("SELECT tag, place FROM first_tags WHERE position = ?", (position,)).fetchone()
        return first

    def add_label(self, position: int, tag: int, box: Box4 = NO_BOX) -> None:
        """A repeated label counts once."""
        self._execute("INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?, ?, ?)", (position, tag, *box))

    def add_fault(self, position: int, kind: str) -> None:
        self._execute("INSERT OR IGNORE INTO faults VALUES (?, ?)", (position, kind))

    def all_images(self) -> Iterator[ImageRow]:
        """By position, as `all_labels` and `all_faults`."""
        query = "SELECT position, url, file_name, width, height, place FROM images ORDER BY position"
        return (ImageRow(*row) for row in self._execute(query))

    def all_labels(self) -> Iterator[LabelRow]:
        for position, tag, left, top, width, height in self._execute("SELECT * FROM labels ORDER BY position"):
            yield LabelRow(position, tag, (left, top, width, height) if width else None)

    def all_faults(self) -> Iterator[tuple[int, str]]:
        return self._execute("SELECT position, kind FROM faults ORDER BY position")

    def tags_by_name(self) -> Iterator[tuple[int, str]]:
        """Number and name of each tag, sorted by name as Python sorts text."""
        return self._execute("SELECT number, name FROM tags ORDER BY name")


def key_of(value: object) -> object:
    """An id, or a reference to one, as the tables compare it: numbers by value, as Python does."""
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else f"\0{value}"
    return value if value is None or isinstance(value, float | str) else f"\0{shown(value)}"


def shown_key(key: object) -> str:
    """The value of a key as messages show it."""
    return key[1:] if isinstance(key, str) and key.startswith("\0") else shown(key)
