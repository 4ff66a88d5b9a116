"""The data types of rules, and of the resources they check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final


class Unknown:
    """A value that a preview can't know yet. Rules ignore it: the update checks again, with the value."""

    def __repr__(self) -> str:
        return "(known after the update)"


UNKNOWN: Final = Unknown()

HIDDEN: Final = "[secret]"
"""Replaces a secret that is encrypted in a stack's export: a value is set, but it is not visible."""


@dataclass(frozen=True)
class Resource:
    """A resource as the engine has it.

    `type` is Pulumi's (`azure-native:storage:StorageAccount`), `properties` are in the provider's own spelling (camelCase
    in Azure, snake_case in this project's resources), `protect` is None if the source does not say, `depends_on` holds the keys
    of other resources.
    """

    type: str
    name: str
    key: str
    properties: Mapping[str, Any]
    id: str = ""
    protect: bool | None = None
    depends_on: frozenset[str] = frozenset()

    def at(self, path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """The value at a dotted path; None if there is none, UNKNOWN if it or its parent is not known yet."""
        value: Any = self.properties
        for part in path.split("."):
            if value is UNKNOWN:
                return UNKNOWN
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def items_at(self, path: str) -> list[Mapping[str, Any]]:
        """The known objects of the list at a dotted path."""
        value = self.at(path)
        return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


@dataclass(frozen=True)
class Settings:
    """A stack's settings for one rule, with defaults filled in, and the time of the check."""

    values: Mapping[str, Any]
    now: datetime

    def number(self, name: str) -> float:
        return float(self.values[name])

    def texts(self, name: str) -> list[str]:
        return [str(value) for value in self.values[name]]

    def flag(self, name: str) -> bool:
        return bool(self.values[name])


@dataclass(frozen=True, kw_only=True)
class About:
    """The description of a rule. `settings` maps a setting to its JSON schema, with a `default`."""

    name: str
    says: str
    why: str
    fix: str
    types: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def settings_from(self, values: Mapping[str, Any], now: datetime) -> Settings:
        defaults = {name: schema["default"] for name, schema in self.settings.items()}
        return Settings({**defaults, **{name: value for name, value in values.items() if name in defaults}}, now)

    def concerns(self, type_: str) -> bool:
        return ANY in self.types or type_ in self.types


@dataclass(frozen=True, kw_only=True)
class Rule(About):
    """Checks one resource by itself, before it is created: `check` yields what is wrong with it."""

    check: Callable[[Resource, Settings], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class StackRule(About):
    """Checks resources together: `check` yields the resource concerned (None: the stack) and what is wrong."""

    check: Callable[[Sequence[Resource], Settings], Iterable[tuple[Resource | None, str]]]


ANY: Final = "*"


def expect(resource: Resource, path: str, *allowed: object) -> Iterator[str]:
    """Yield an error if the value at `path` is not in `allowed`. The error shows the value: never use it for a secret."""
    value = resource.at(path)
    if value is not UNKNOWN and value not in allowed:
        shown = "not set" if value is None else repr(value)
        yield f"{path} is {shown}; it must be {' or '.join(map(repr, allowed))}"


def texts_in(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, with its path (`template.containers[0].image`)."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts_in(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts_in(item, f"{path}[{index}]")
