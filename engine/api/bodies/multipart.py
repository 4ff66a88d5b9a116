"""The parts of a `multipart/form-data` body (RFC 7578), as positions in it: no part is copied."""

from email.message import Message
from email.utils import collapse_rfc2231_value
from mmap import mmap
from typing import TYPE_CHECKING, NamedTuple

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

PARTS_MAX = 100
HEAD_BYTES_MAX = 16_384
"""Maximum length of one part's headers."""

_CHUNK_BYTES = 1024 * 1024


class Part(NamedTuple):
    """A part's name, whether it is a file, and where in the body its content starts and stops."""

    name: str
    is_file: bool
    start: int
    stop: int


def parts(body: bytes | mmap, content_type: str) -> list[Part]:
    """The parts of a body, up to the first that is malformed and at most PARTS_MAX. None of them if `content_type`, the
    request's header, names no boundary. The delimiter after the last part may be missing."""
    boundary = _parameter(content_type, "boundary")
    if not boundary:
        return []
    opening = b"--" + boundary.encode("latin-1", "replace")
    reader = _Reader()
    try:
        parser = MultipartParser(opening[2:], reader.callbacks())
        position = _first_delimiter(body, opening)
        while position is not None and position < len(body):
            chunk = body[position : position + _CHUNK_BYTES]
            reader.goes_on(chunk, position)
            parser.write(chunk)
            position += len(chunk)
    except FormParserError:
        return reader.found
    reader.end(body, b"\r\n" + opening)
    return reader.found


def first_file(body: bytes, content_type: str) -> bytes | None:
    """The first part that is a file, else the first part; None if there is none."""
    found = sorted(parts(body, content_type), key=lambda part: not part.is_file)
    return body[found[0].start : found[0].stop] if found else None


class _Reader:
    """Collects the parts that the parser reports."""

    def __init__(self) -> None:
        self.found: list[Part] = []
        self._chunk = b""
        self._chunk_start = 0
        self._begin()

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field_goes_on,
            "on_header_value": self._value_goes_on,
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._content_goes_on,
            "on_part_end": self._end_part,
        }

    def goes_on(self, chunk: bytes, start: int) -> None:
        """Note which chunk the parser gets next, and where in the body it starts."""
        self._chunk, self._chunk_start = chunk, start

    def end(self, body: bytes | mmap, delimiter: bytes) -> None:
        """The body has ended, possibly within the content of a part."""
        if self._in_content:
            stop = body.find(delimiter, self._start) if self._length else self._start
            self._keep(stop if stop != -1 else len(body))

    def _begin(self) -> None:
        if len(self.found) == PARTS_MAX:
            raise MultipartParseError("too many parts")
        self._field = self._value = self._disposition = b""
        self._head_bytes = 0
        self._in_content = False
        self._start = self._length = 0

    def _field_goes_on(self, data: bytes, start: int, stop: int) -> None:
        self._count_head(stop - start)
        self._field += data[start:stop]

    def _value_goes_on(self, data: bytes, start: int, stop: int) -> None:
        self._count_head(stop - start)
        self._value += data[start:stop]

    def _count_head(self, more: int) -> None:
        self._head_bytes += more
        if self._head_bytes > HEAD_BYTES_MAX:
            raise MultipartParseError("too long headers")

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _begin_content(self) -> None:
        self._in_content = True

    def _content_goes_on(self, data: bytes, start: int, stop: int) -> None:
        if not self._length:
            # Bytes that looked like a delimiter at the end of the previous chunk come from the parser's own buffer.
            self._start = self._chunk_start + (start if data is self._chunk else start - stop)
        self._length += stop - start

    def _end_part(self) -> None:
        self._keep(self._start + self._length)

    def _keep(self, stop: int) -> None:
        disposition = self._disposition.decode("utf-8", "replace")
        name = _parameter(disposition, "name")
        self.found.append(Part(name or "", _parameter(disposition, "filename") is not None, self._start, stop))
        self._in_content = False


def _first_delimiter(body: bytes | mmap, opening: bytes) -> int | None:
    """Where the first delimiter starts: the parser does not know the preamble that may precede it. None without a delimiter."""
    position = 0 if body[: len(opening)] == opening else body.find(b"\r\n" + opening) + 2
    return position if position != 1 else None


def _parameter(header: str, name: str) -> str | None:
    """A parameter of a header's value, quoted or not, also in the form of RFC 2231, which old clients send for names that
    are not ASCII; None if there is none."""
    message = Message()
    message["content-disposition"] = header
    try:
        value = message.get_param(name, header="content-disposition")
    except (TypeError, ValueError):  # two forms of RFC 2231 mixed, or a number too long for one
        return None
    return None if value is None else collapse_rfc2231_value(value)
