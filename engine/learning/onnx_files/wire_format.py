"""Counts the parts of an ONNX file before it is parsed.

A parsed message takes memory for each of its parts, however short: 500 MB of empty nodes would become 40 GB. So the parts are
counted in the raw bytes (protobuf.dev/programming-guides/encoding; the field numbers are those of onnx.proto3).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PARTS_MAX = 100_000
"""The largest file of this engine has about 15,000."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class TooManyParts(ValueError):
    """The file has more parts than a model needs."""


class NotProtobuf(ValueError):
    """The bytes are not a message."""


@dataclass(frozen=True)
class Message:
    """A kind of message: its fields that are messages themselves, and its fields that no exported file has, because they could
    contain any number of parts. The content of all other fields is ignored."""

    fields: Mapping[int, "Message"]
    refused: Mapping[int, str]


_TENSOR = Message({}, {6: "texts"})
_ATTRIBUTE = Message(
    {5: _TENSOR},
    {6: "a graph", 10: "tensors", 11: "graphs", 14: "a type", 15: "types", 22: "a sparse tensor", 23: "sparse tensors"},
)
_NODE = Message({5: _ATTRIBUTE}, {})
_GRAPH = Message({1: _NODE, 5: _TENSOR}, {13: "descriptions of values", 14: "quantization annotations", 15: "sparse tensors"})
_MODEL = Message({7: _GRAPH}, {20: "training information", 25: "a function"})


def check_parts(data: bytes) -> str | None:
    """A part of the file that no exported model has; None if it has none.

    Raises:
        TooManyParts, NotProtobuf
    """
    found: list[str] = []
    left = [PARTS_MAX]
    _walk(memoryview(data), _MODEL, found, left)
    return found[0] if found else None


def _walk(data: memoryview, kind: Message, found: list[str], left: list[int]) -> None:
    for number, content in _fields(data):
        left[0] -= 1
        if left[0] < 0:
            raise TooManyParts
        if number in kind.refused:
            found.append(kind.refused[number])
            return
        if content is not None and number in kind.fields:
            _walk(content, kind.fields[number], found, left)
            if found:
                return


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """Number and content of each field; the content of a number is None."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire_type = tag >> 3, tag & 7
        content: memoryview | None = None
        if wire_type == _VARINT:
            _, place = _varint(data, place)
        elif wire_type in (_FIXED64, _FIXED32):
            place += 8 if wire_type == _FIXED64 else 4
        elif wire_type == _BYTES:
            length, place = _varint(data, place)
            content = data[place : place + length]
            place += length
        else:
            raise NotProtobuf
        if place > len(data) or not number:
            raise NotProtobuf
        yield number, content


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
    raise NotProtobuf
