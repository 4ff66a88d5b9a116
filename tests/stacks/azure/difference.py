"""What changed between the inputs of a resource and the new ones, property by property."""

import re
from enum import StrEnum
from typing import Any

from tests.stacks.azure.catalog import Kind
from tests.stacks.azure.names import region
from tests.stacks.azure.schema import UNKNOWN


class Change(StrEnum):
    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"
    ADD_REPLACE = "ADD_REPLACE"
    DELETE_REPLACE = "DELETE_REPLACE"
    UPDATE_REPLACE = "UPDATE_REPLACE"

    @property
    def replaces(self) -> bool:
        return self.endswith("_REPLACE")


def changes(old: dict[str, Any], new: dict[str, Any], kind: Kind) -> dict[str, Change]:
    """The paths that differ, each with whether that replaces the resource."""
    unchangeable = (*kind.placeholders, "location", *kind.immutable)
    found = {}
    for path, change in compared(normalized(old), normalized(new), ""):
        plain = re.sub(r"\[\d+\]", "", path)
        # An object that only the update knows may hold a change of what can't change.
        fixed = any(f"{plain}.".startswith(f"{name}.") or f"{name}.".startswith(f"{plain}.") for name in unchangeable)
        found[path] = Change(f"{change}_REPLACE") if fixed else change
    return found


def normalized(inputs: dict[str, Any]) -> dict[str, Any]:
    location = inputs.get("location")
    return inputs | ({"location": region(location)} if isinstance(location, str) and location != UNKNOWN else {})


def compared(old: object, new: object, path: str) -> list[tuple[str, Change]]:
    if isinstance(old, dict) or isinstance(new, dict):
        # An object that comes or goes is compared with an empty one, so that what in it differs is named.
        before, after = ({} if value is None else value for value in (old, new))
        if isinstance(before, dict) and isinstance(after, dict) and (before or after):
            keys = sorted(before.keys() | after.keys())
            return [
                found for key in keys for found in compared(before.get(key), after.get(key), f"{path}.{key}" if path else key)
            ]
    if isinstance(old, list) and isinstance(new, list):
        longest = max(len(old), len(new))
        pairs = zip(old + [None] * (longest - len(old)), new + [None] * (longest - len(new)), strict=True)
        return [found for index, (first, second) in enumerate(pairs) for found in compared(first, second, f"{path}[{index}]")]
    if old == new:
        return []
    if old is None:
        return [(path, Change.ADD)]
    return [(path, Change.DELETE if new is None else Change.UPDATE)]
