"""Names in a stack's file that YAML does not read as texts: `1.10` is the number 1.1, and `1.1` and `1.10` are one.

Pulumi hands the program what it has read, in which that cannot be seen any more. So the file is read again as it was written.
"""

import re
from collections.abc import Iterable, Iterator

import yaml  # type: ignore[import-untyped]

_TEXT = "tag:yaml.org,2002:str"
_NUMBER = re.compile(
    r"[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?0[xob][0-9a-fA-F_]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
"""What YAML 1.1 or 1.2 takes for a number: Pulumi reads by the second, and most other tools by the first."""

_OTHER = re.compile(r"|~|null|Null|NULL|true|True|TRUE|false|False|FALSE|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*")


def is_read_otherwise(text: str) -> bool:
    """Whether YAML reads a plain text as a number, a truth value, a date, or nothing."""
    return bool(_NUMBER.fullmatch(text) or _OTHER.fullmatch(text))


def misread_keys(written: str, project: str) -> list[tuple[int, str, str]]:
    """The keys without quotes in the project's configuration that are not read as texts.

    Args:
        written: a stack's file.
        project: the namespace of its configuration.

    Returns:
        For each its line (from 1), where it stands (`vision-customization:models`), and the key as it is written.
    """
    root = _composed(written)
    config = next((value for key, value in _pairs(root) if key.value == "config"), None)
    found = []
    for key, value in _pairs(config):
        if key.value.startswith(f"{project}:"):
            found += list(_misread(key.value, value))
    return found


def quoted_keys(written: str) -> set[str]:
    """All keys of a stack's file that are in quotes."""
    return {key.value for key in _keys(_composed(written)) if key.style is not None}


def unproven(names: Iterable[str], written: str | None) -> list[str]:
    """Those of the names that may have been something else before they were read: no file says that they were in quotes."""
    quoted = quoted_keys(written) if written is not None else set()
    return [name for name in names if is_read_otherwise(name) and name not in quoted]


def _composed(written: str) -> yaml.Node | None:
    try:
        return yaml.compose(written, Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # Pulumi has read it: what PyYAML does not understand is not a name
        return None


def _misread(place: str, node: yaml.Node) -> Iterator[tuple[int, str, str]]:
    for key, value in _pairs(node):
        if key.style is None and (key.tag != _TEXT or is_read_otherwise(key.value)):
            yield key.start_mark.line + 1, place, key.value
        yield from _misread(f"{place}.{key.value}", value)
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield from _misread(f"{place}.{position}", item)


def _keys(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    for key, value in _pairs(node):
        yield key
        yield from _keys(value)


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, value
