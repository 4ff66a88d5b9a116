"""COCO files of any size: the JSON that `json` reads, one entry of a section at a time.

The first pass finds where the sections are and how many entries they have, and so whether the text is JSON. Each later look
at a section reads that part of the file again. Memory holds one entry, and a window of the text around it.
"""

from __future__ import annotations

import codecs
import json
import re
import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from vision_customization.contract.coco.document import Violation, parse_json

if TYPE_CHECKING:
    from pathlib import Path

_WINDOW_BYTES = 256 * 1024
_BLANK = re.compile(r"[ \t\n\r]*")
_AFTER_VALUE = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")
_BOM_BYTES = 3


class DocumentChanged(Exception):
    """The file was written to while it was read."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: the file was changed while it was read. Start again when it is complete")


class Entries:
    """The entries of a list in a file, read again each time that they are iterated over. Iterating raises DocumentChanged if
    they are not there any more."""

    __slots__ = ("_file", "_name", "_offset", "_size")

    def __init__(self, file: BinaryIO, name: str, offset: int, size: int) -> None:
        self._file = file
        self._name = name
        self._offset = offset
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        left = self._size
        try:
            for value in _Window(self._file, self._offset).values():
                left -= 1
                yield value
        except (_NotStreamable, ValueError, RecursionError):
            raise DocumentChanged(self._name) from None
        if left:
            raise DocumentChanged(self._name)


Document = Mapping[str, Any]
"""A JSON object, whose lists may be `Entries`."""

LIST = (list, Entries)
"""The types of a list in a document."""


def read_document(file: BinaryIO, name: str) -> tuple[Any, Violation | None]:
    """The document in a file, or why it can't be read; as `parse_json`, but each list in the document is an `Entries`.

    Args:
        file: seekable, and open and unchanged for as long as the document is used.
        name: the file's name in violations.
    """
    try:
        return _index(file, name), None
    except (_NotStreamable, ValueError, RecursionError):
        # `json` says best what is wrong with a text, and reads a document that is not an object.
        file.seek(0)
        return parse_json(file.read(), name)


def open_document(path: Path, name: str) -> tuple[Any, Violation | None]:
    """As `read_document`, of a file that is open for as long as the document is used."""
    try:
        return read_document(cast("BinaryIO", _File(path)), name)
    except FileNotFoundError:
        return None, Violation(name, f"no such annotation file: {path}")
    except OSError as error:
        return None, Violation(name, f"can't be read: {error.strerror or error}")


class _File:
    """A file that is closed when nothing uses it any more."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.seek = self._file.seek
        self.read = self._file.read
        weakref.finalize(self, self._file.close)


class _NotStreamable(Exception):
    """Either the text is not JSON, or it is not an object."""


def _index(file: BinaryIO, name: str) -> dict[str, Any]:
    """Raises _NotStreamable, and what `json` raises."""
    file.seek(0)
    window = _Window(file, _BOM_BYTES if file.read(_BOM_BYTES) == codecs.BOM_UTF8 else 0)
    document: dict[str, Any] = {}
    window.take("{")
    if window.next() == "}":
        window.take("}")
    else:
        while True:
            if window.next() != '"':
                raise _NotStreamable
            key = window.value()
            window.take(":")
            if window.next() == "[":
                window.take("[")
                offset = window.offset
                document[key] = Entries(file, name, offset, sum(1 for _ in window.values()))
            else:
                document[key] = window.value()
            if window.next() != ",":
                break
            window.take(",")
        window.take("}")
    if window.next():
        raise _NotStreamable
    return document


class _Window:
    """A piece of the text, and the place in it up to which it was read."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file = file
        self._read = offset
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._decode = json.JSONDecoder().raw_decode
        self._ended = False
        self._text = ""
        self._at = 0

    @property
    def offset(self) -> int:
        """The place, in bytes from the start of the file."""
        return self._read - len(self._decoder.getstate()[0]) - len(self._text[self._at :].encode())

    def next(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            self._at = self._skip(self._at)
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more(self._at)

    def take(self, character: str) -> None:
        """Pass over the next character that is not blank."""
        if self.next() != character:
            raise _NotStreamable
        self._at += 1

    def value(self) -> Any:  # noqa: ANN401 - JSON
        """Pass over the value that begins at the next character that is not blank."""
        self.next()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
                if end < len(self._text) or self._ended:  # a number may go on
                    self._at = end
                    return value
            except json.JSONDecodeError:
                if self._ended:
                    raise
            self._more(self._at)

    def values(self) -> Iterator[Any]:
        """The values of a list, after its `[`, up to and with its `]`."""
        if self.next() == "]":
            self._at += 1
            return
        decode, after_value = self._decode, _AFTER_VALUE.match
        text, at = self._text, self._at
        while True:
            try:
                value, end = decode(text, at)
                after = after_value(text, end)
            except json.JSONDecodeError:
                if self._ended:
                    raise
                after = None
            if after is None:
                if self._ended:
                    raise _NotStreamable
                self._more(at)
                text, at = self._text, self._skip(0)
                continue
            if after[1] == "]":
                self._at = after.start(1) + 1
                yield value
                return
            at = after.end()
            yield value

    def _skip(self, at: int) -> int:
        blank = _BLANK.match(self._text, at)
        return at if blank is None else blank.end()

    def _more(self, at: int) -> None:
        """Drop the text before `at`, and at least double the rest."""
        self._file.seek(self._read)
        rest = self._text[at:]
        data = self._file.read(max(_WINDOW_BYTES, len(rest)))
        self._read += len(data)
        self._ended = not data
        self._text = rest + self._decoder.decode(data, final=self._ended)
        self._at = 0
