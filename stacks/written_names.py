"""Names in a stack's file that YAML changes: it reads `1.10` as the number 1.1, so that `1.1` and `1.10` become the same.

Pulumi passes the parsed values to the program, which no longer show that. So the file is read again, and each key without
quotes is looked up among the keys that Pulumi read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]

_DECIMAL = re.compile(r"[-+]?[0-9]+\.[0-9]+(e[-+][0-9]+)?")
_MERGE = "<<"


@dataclass(frozen=True)
class Misread:
    """A key without quotes: its line (from 1), its place (`vision-customization:models`), and its text."""

    line: int
    place: str
    written: str


def misread_keys(written: str, read: Mapping[str, Any], project: str) -> list[Misread]:
    """The keys of the project's configuration that Pulumi read as something else.

    Args:
        written: a stack's file.
        read: the project's configuration as Pulumi read it, by its keys without the project's name.
        project: the namespace of the configuration.
    """
    config = next((value for key, value in _pairs(_composed(written)) if key.value == "config"), None)
    found: list[Misread] = []
    for key, value in _pairs(config):
        namespace, _, name = key.value.partition(":")
        if namespace == project:
            found += _misread(key.value, value, read.get(name))
    return found


def unproven(names: Iterable[str], written: str | None) -> list[str]:
    """The names that YAML may have changed, such as `1.1`, if no file shows how they were written."""
    keys = {key.value for key in _keys(_composed(written))} if written is not None else set()
    return [name for name in names if _DECIMAL.fullmatch(name) and name not in keys]


def _misread(place: str, node: yaml.Node, read: object) -> Iterator[Misread]:
    if isinstance(node, yaml.SequenceNode) and isinstance(read, list):
        for position, (item, value) in enumerate(zip(node.value, read, strict=False)):
            yield from _misread(f"{place}.{position}", item, value)
    if not isinstance(read, Mapping):
        return
    quoted = {key.value for key, _ in _pairs(node) if key.style is not None}
    for key, value in _pairs(node):
        # If one is in quotes and one is not, only the first can be the one that was read.
        if key.style is None and key.value != _MERGE and (key.value not in read or key.value in quoted):
            yield Misread(key.start_mark.line + 1, place, key.value)
        yield from _misread(f"{place}.{key.value}", value, read.get(key.value))


def _composed(written: str) -> yaml.Node | None:
    try:
        return yaml.compose(written, Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # Pulumi could read the file, so what PyYAML does not understand is not a name
        return None


def _keys(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    for key, value in _pairs(node):
        yield key
        yield from _keys(value)


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, value
