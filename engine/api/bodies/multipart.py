"""The parts of a `multipart/form-data` body (RFC 7578)."""

import re
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_NAME = re.compile(rb'[;\s]name="?([^";\r\n]*)', re.IGNORECASE)


class Part(NamedTuple):
    """A part's name, whether it is a file, and where in the body its content starts and stops."""

    name: str
    is_file: bool
    start: int
    stop: int


def parts(body: bytes | mmap, content_type: str) -> Iterator[Part]:
    """The parts of a body; none where `content_type`, the request's header, names no boundary."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        return
    delimiter = b"\r\n--" + (match.group(1) or match.group(2)).encode("latin-1")
    # The first delimiter may lack the line break before it.
    begin = -2 if body[: len(delimiter) - 2] == delimiter[2:] else body.find(delimiter)
    while begin != -1:
        start = begin + len(delimiter)
        if body[start : start + 2] == b"--":
            return
        begin = body.find(delimiter, start)
        stop = begin if begin != -1 else len(body)
        blank = body.find(b"\r\n\r\n", start, stop)
        if blank != -1:
            head = body[start:blank]
            name = _NAME.search(head)
            yield Part(name[1].decode("utf-8", "replace") if name else "", b"filename" in head.lower(), blank + 4, stop)


def first_file(body: bytes, content_type: str) -> bytes | None:
    """The first part that is a file, else the first part; None if there is none."""
    found = sorted(parts(body, content_type), key=lambda part: not part.is_file)
    return body[found[0].start : found[0].stop] if found else None
