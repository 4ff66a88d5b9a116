"""How azure-native compares: what an update changes, what it replaces, and what a refresh takes for drift.

As in its `provider/pkg/provider/diff.go` and in `Read` of `provider.go` (https://github.com/pulumi/pulumi-azure-native).
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from tests.stacks.azure.catalog import Kind
from tests.stacks.azure.names import region
from tests.stacks.azure.schema import UNKNOWN

Values = dict[str, Any]


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


def changes(old: Values, new: Values, kind: Kind) -> dict[str, Change]:
    """The paths that differ, each with whether azure-native replaces the resource for it."""
    return dict(compared(normalized(old), normalized(new), "", "", frozenset(kind.replaces)))


def normalized(inputs: Values) -> Values:
    location = inputs.get("location")
    return inputs | ({"location": region(location)} if isinstance(location, str) and location != UNKNOWN else {})


def compared(old: Values, new: Values, path: str, plain: str, replaces: frozenset[str]) -> Iterator[tuple[str, Change]]:
    """The differences of two objects. `plain` is the path without indices.

    What comes or goes is one difference, however much is in it. So a property below, whose change would replace the resource,
    does not replace it then.
    """
    old, new = given(old), given(new)
    for key in sorted(old.keys() | new.keys()):
        at, name = f"{path}{key}", f"{plain}{key}"
        if key in old and key in new:
            yield from differing(old[key], new[key], at, name, replaces)
        else:
            change = Change.ADD if key in new else Change.DELETE
            yield at, Change(f"{change}_REPLACE") if name in replaces else change


def differing(old: object, new: object, path: str, plain: str, replaces: frozenset[str]) -> Iterator[tuple[str, Change]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for at, change in compared(old, new, f"{path}.", f"{plain}.", replaces):
            fixed = change is Change.UPDATE and plain in replaces
            yield at, Change.UPDATE_REPLACE if fixed else change
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            if index < min(len(old), len(new)):
                yield from differing(old[index], new[index], f"{path}[{index}]", f"{plain}[]", replaces)
            else:
                yield f"{path}[{index}]", Change.ADD if index < len(new) else Change.DELETE
    elif old != new:
        yield path, Change.UPDATE_REPLACE if plain in replaces else Change.UPDATE


def given(values: Values) -> Values:
    """Without the nulls, which azure-native never sees."""
    return {key: value for key, value in values.items() if value is not None}


def refreshed(inputs: Values, old: Values, new: Values) -> Values:
    """The inputs after a refresh: those before, with what changed in Azure between the `old` and the `new` state.

    What Azure fills in as it creates a resource is in both, and so no change. What Azure fills in later is one, whether the
    program declared it or not. Both states have the shape of the inputs.
    """
    inputs, old, new = given(inputs), given(old), given(new)
    found = {key: value for key, value in inputs.items() if key in new or key not in old}
    for key, value in new.items():
        if key not in old:
            found[key] = value
        elif value != old[key]:
            found[key] = replaced(inputs[key], old[key], value) if key in inputs else value
    return found


def replaced(base: object, old: object, new: object) -> object:
    if isinstance(base, dict) and isinstance(old, dict) and isinstance(new, dict):
        return refreshed(base, old, new)
    if isinstance(base, list) and isinstance(old, list) and isinstance(new, list):
        shared = min(len(base), len(old))
        return [replaced(base[index], old[index], item) if index < shared else item for index, item in enumerate(new)]
    return new
