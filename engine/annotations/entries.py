"""COCO files of any size, an entry at a time: the sections may come in any order, and memory depends on neither.

It accepts what `json` accepts, including a byte order mark and NaN, but no nesting beyond `DEPTH_MAX` and no text of more than
`TEXT_BYTES_MAX`.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

from vision_customization.contract.coco.document import Violation
from vision_customization.engine.annotations.files import NOT_A_DOCUMENT, AnnotationError
from vision_customization.engine.annotations.json_events import DEPTH_MAX, Event, NotJson, json_events

ITEMS_MAX = 64
"""How many items of a list or an object within an entry are read: no key that matters has more than four."""

KEYS: Mapping[str, frozenset[str]] = {
    "images": frozenset({"id", "absolute_url", "coco_url", "width", "height", "file_name"}),
    "categories": frozenset({"id", "name"}),
    "annotations": frozenset({"id", "image_id", "category_id", "bbox", "iscrowd"}),
}
"""The sections of a file, and which keys of their entries matter."""

_BEGINS = frozenset({"start_map", "start_array"})
_ENDS = frozenset({"end_map", "end_array"})


class SectionBegins(NamedTuple):
    """A section is there, as a list or as something else."""

    name: str
    is_list: bool


class Entry(NamedTuple):
    """An entry of a section, of which the first has number 0, with the keys that matter; `content` is None if it is not an
    object."""

    section: str
    number: int
    content: dict[str, Any] | None


def read_entries(file: BinaryIO, name: str) -> Iterator[SectionBegins | Entry]:
    """Each section and each of its entries, in the order of the file.

    Args:
        file: seekable; it is read from its start.
        name: the file's name in messages.

    Raises:
        AnnotationError: it is not JSON (with line and column), or not an object.
    """
    try:
        yield from _sections(chain.from_iterable(json_events(file)))
    except NotJson as fault:
        raise AnnotationError(str(Violation(name, str(fault)))) from None


def _sections(events: Iterator[Event]) -> Iterator[SectionBegins | Entry]:
    if next(events)[0] != "start_map":
        raise NotJson(NOT_A_DOCUMENT)
    for kind, section in events:
        if kind == "end_map":
            break
        begin = next(events)
        keys = KEYS.get(section)
        if keys is None:
            _skip(begin, events)
            continue
        is_list = begin[0] == "start_array"
        yield SectionBegins(section, is_list)
        if not is_list:
            _skip(begin, events)
            continue
        for number, event in enumerate(events):
            if event[0] == "end_array":
                break
            if event[0] == "start_map":
                yield Entry(section, number, _entry(events, keys))
            else:
                _skip(event, events)
                yield Entry(section, number, None)
    for _ in events:  # what follows the document is white space, or the parser refuses it
        pass


def _entry(events: Iterator[Event], keys: frozenset[str]) -> dict[str, Any]:
    """The object that has just begun."""
    entry: dict[str, Any] = {}
    for kind, key in events:
        if kind == "end_map":
            break
        event = next(events)
        if key in keys:
            entry[key] = _value(event, events)
        elif event[0] in _BEGINS:
            _skip(event, events)
    return entry


def _value(event: Event, events: Iterator[Event]) -> Any:  # noqa: ANN401 - JSON
    """The value that begins with `event`, with at most ITEMS_MAX items on each level."""
    kind, value = event
    if kind not in _BEGINS:
        return float(value) if isinstance(value, Decimal) else value
    whole: list[Any] | dict[str, Any] = [] if kind == "start_array" else {}
    open_: list[list[Any] | dict[str, Any]] = [whole]
    keys: list[str] = [""]
    for kind, value in events:
        inner = open_[-1]
        if kind in _ENDS:
            open_.pop()
            keys.pop()
            if not open_:
                break
            continue
        if kind == "map_key":
            keys[-1] = value
            continue
        found: Any = float(value) if isinstance(value, Decimal) else value
        if kind in _BEGINS:
            found = [] if kind == "start_array" else {}
            open_.append(found)
            keys.append("")
            if len(open_) > DEPTH_MAX:
                raise NotJson("is not an annotation file: it is nested too deeply")
        if len(inner) < ITEMS_MAX:
            if isinstance(inner, list):
                inner.append(found)
            else:
                inner[keys[-2] if kind in _BEGINS else keys[-1]] = found
    return whole


def _skip(event: Event, events: Iterator[Event]) -> None:
    """Pass over the value that begins with `event`."""
    if event[0] not in _BEGINS:
        return
    depth = 1
    for kind, _ in events:
        if kind in _BEGINS:
            depth += 1
            if depth > DEPTH_MAX:
                raise NotJson("is not an annotation file: it is nested too deeply")
        elif kind in _ENDS:
            depth -= 1
            if not depth:
                return
