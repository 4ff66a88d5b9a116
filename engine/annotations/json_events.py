"""The events of a JSON text of any size, and where it is not JSON.

`ijson` reads strict JSON. Python's `json` also reads NaN and Infinity, and tables written by pandas have them: on the first
such word the text is read again from its start, with a number too large for any rule in place of each.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

import ijson

DEPTH_MAX = 500
TEXT_BYTES_MAX = 4 * 1024 * 1024

Event = tuple[str, Any]
"""What begins, ends or is found, and its value; see `ijson.basic_parse`."""

_CHUNK_BYTES = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_WORDS = (b"NaN", b"Infinity", b"-Infinity")
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("|\\?\Z)|-?Infinity|NaN', re.DOTALL)
"""A string, of which the end may be missing, or a word."""
_HUGE = b"1e999"

_CUT_OFF = "premature EOF"
_SAID = {_CUT_OFF: "the file ends here, within the JSON text"}


class NotJson(Exception):
    """Why a file can't be read: `is not JSON: line 7, column 2: …`."""


class _Unparsable(Exception):
    """The parser's refusal of the chunk that begins at `offset`, or of the end of the text."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(why)
        self.offset = offset
        self.why = why


class _Place(NamedTuple):
    """`offset` is in bytes from the start of the text; lines and columns begin with 1."""

    offset: int
    line: int
    column: int


def json_events(file: BinaryIO) -> Iterator[list[Event]]:
    """The events, a chunk of the file at a time. Each list is emptied when the next one is asked for.

    Numbers are int or Decimal.

    Args:
        file: seekable; it is read from its start.

    Raises:
        NotJson: with line and column.
    """
    passed = 0
    try:
        for events in _parsed(_chunks(file)):
            passed += len(events)
            yield events
    except _Unparsable as error:
        place = _place_of(lambda: _chunks(file), error)
        word = _word_at(file, place.offset)
        if word is None:
            raise _not_json(place, error) from None
    else:
        return
    start = word

    def chunks() -> Iterator[bytes]:
        return _without_words(_chunks(file), start)

    try:
        for events in _parsed(chunks()):
            if passed:
                passed, events[:] = max(0, passed - len(events)), events[passed:]
            yield events
    except _Unparsable as error:
        raise _not_json(_place_of(chunks, error), error) from None


def _parsed(chunks: Iterable[bytes]) -> Iterator[list[Event]]:
    events: list[Event] = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events)
    offset = silent = 0
    for chunk in chunks:
        try:
            parser.send(chunk)
        except ijson.JSONError as error:
            raise _Unparsable(offset, _first_line(error)) from None
        except (ValueError, SystemError) as error:  # int() refuses the number; the parser makes a SystemError of that
            if isinstance(error, SystemError) and not isinstance(error.__cause__, ValueError):
                raise
            raise NotJson("is not an annotation file: it has a number with thousands of digits") from None
        offset += len(chunk)
        silent = 0 if events else silent + len(chunk)
        if silent > TEXT_BYTES_MAX:
            raise NotJson(f"is not an annotation file: it has a text of more than {TEXT_BYTES_MAX // 2**20} MB")
        yield events
        events.clear()
    try:
        parser.close()
    except ijson.JSONError as error:
        raise _Unparsable(offset, _first_line(error)) from None
    yield events


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """The text, without a byte order mark."""
    file.seek(0)
    chunk = file.read(_CHUNK_BYTES).removeprefix(_BOM)
    while chunk:
        yield chunk
        chunk = file.read(_CHUNK_BYTES)


def _without_words(chunks: Iterable[bytes], start: int) -> Iterator[bytes]:
    """The text with a number for each of `_WORDS` from `start` on, where one of them begins."""
    offset, rest = 0, b""
    for chunk in chunks:
        if offset + len(chunk) <= start:
            offset += len(chunk)
            yield chunk
            continue
        before = max(0, start - offset)
        offset += len(chunk)
        text = rest + chunk[before:]
        end = _end_of_tokens(text)
        yield chunk[:before] + _TOKEN.sub(_number, text[:end])
        rest = text[end:]
    if rest:
        yield _TOKEN.sub(_number, rest)


def _end_of_tokens(text: bytes) -> int:
    """Where the text can be cut: outside of a string, and not within a word."""
    last = 0
    for token in _TOKEN.finditer(text):
        if token[1] is not None and token[1] != b'"':
            return token.start()
        last = token.end()
    return max(last, len(text) - max(map(len, _WORDS)))


def _number(token: re.Match[bytes]) -> bytes:
    word = token[0]
    return word if word[:1] == b'"' else b"-" + _HUGE if word[:1] == b"-" else _HUGE


def _place_of(chunks: Callable[[], Iterator[bytes]], error: _Unparsable) -> _Place:
    """Where the parser fails: it tells only the chunk, so that is given to another one byte by byte."""
    events: list[Event] = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events)
    offset, line, column = 0, 1, 1
    for chunk in chunks():
        whole = offset + len(chunk) <= error.offset
        for piece in (chunk,) if whole else (chunk[index : index + 1] for index in range(len(chunk))):
            try:
                parser.send(piece)
            except ijson.JSONError:
                return _Place(offset, line, column)
            events.clear()
            offset += len(piece)
            newline = piece.rfind(b"\n")
            line += piece.count(b"\n")
            column = _characters(piece[newline + 1 :]) + (1 if newline >= 0 else column)
    return _Place(offset, line, column)


def _characters(utf8: bytes) -> int:
    return len(utf8.decode("utf-8", "ignore")) if len(utf8) > 1 else int(utf8 != b"" and utf8[0] & 0xC0 != 0x80)


def _word_at(file: BinaryIO, offset: int) -> int | None:
    """Where in the text one of `_WORDS` begins at which the parser fails: at `offset`, or after a minus sign."""
    file.seek(0)
    base = len(_BOM) if file.read(len(_BOM)) == _BOM else 0
    for start in (offset, offset - 1):
        if start >= 0:
            file.seek(base + start)
            if file.read(len(_WORDS[-1])).startswith(_WORDS):
                return start
    return None


def _not_json(place: _Place, error: _Unparsable) -> NotJson:
    return NotJson(f"is not JSON: line {place.line}, column {place.column}: {error.why}")


def _first_line(error: ijson.JSONError) -> str:
    """What the parser says, without the text around the place: that may be a URL with a token."""
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    why = text.partition("\n")[0].rpartition(": ")[2].rstrip(".")
    return _SAID.get(why, why)
