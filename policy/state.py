"""Resources as they were deployed: from `pulumi stack export`, or from the recorded state of the Azure stand-in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from policy.rules import Violation, violations
from policy.rules.rule import HIDDEN, UNKNOWN, Resource, texts_in

SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105 - how Pulumi marks a value in its state
SECRET_KIND = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class StateInvalid(Exception):
    """The JSON is neither a stack's export nor a recorded state."""


def violations_of(state: Mapping[str, Any], stack_config: Mapping[str, Any], now: datetime | None = None) -> list[Violation]:
    """The violations in a state.

    Args:
        state: JSON of `pulumi stack export` (`deployment.resources`), or of the Azure stand-in (`resources` by ARM id).
        stack_config: a stack's policy configuration, as in `policy/config/prod.json`.
        now: the time to check expiries at; by default the current time.

    Raises:
        StateInvalid: the state has neither format.
        ConfigurationInvalid: the configuration names a rule or level that does not exist.
    """
    return list(violations(resources_in(state), stack_config, now or datetime.now(UTC)))


def resources_in(state: Mapping[str, Any]) -> list[Resource]:
    """The resources of a state, in its order. Raises StateInvalid."""
    deployment = state.get("deployment")
    if isinstance(deployment, Mapping):
        return [_exported(entry) for entry in deployment.get("resources") or [] if not entry.get("delete")]
    recorded = state.get("resources")
    if isinstance(recorded, Mapping):
        return _with_dependencies([_recorded(id_, entry) for id_, entry in recorded.items()])
    raise StateInvalid("this JSON has neither `deployment.resources` (from `pulumi stack export`) nor `resources` by ARM id")


def _exported(entry: Mapping[str, Any]) -> Resource:
    by_property = entry.get("propertyDependencies") or {}
    others: Iterable[str] = (*(entry.get("dependencies") or ()), *(urn for urns in by_property.values() for urn in urns or ()))
    return Resource(
        type=entry["type"],
        name=entry["urn"].rsplit("::", 1)[-1],
        key=entry["urn"],
        properties=_merged(entry),
        id=entry.get("id", ""),
        protect=bool(entry.get("protect")),
        depends_on=frozenset(others),
    )


def _recorded(id_: str, entry: Mapping[str, Any]) -> Resource:
    return Resource(type=entry["type"], name=id_.rsplit("/", 1)[-1], key=id_, properties=_merged(entry), id=id_)


def _merged(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The declared properties, and those that only the provider's answer has."""
    return _over(_revealed(entry.get("outputs") or {}), _revealed(entry.get("inputs") or {}))


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **below,
        **{
            key: _over(below[key], value) if isinstance(value, Mapping) and isinstance(below.get(key), Mapping) else value
            for key, value in above.items()
        },
    }


def _revealed(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """A value without Pulumi's marks; HIDDEN for a secret that is encrypted."""
    if value == UNKNOWN_TEXT:
        return UNKNOWN
    if isinstance(value, list):
        return [_revealed(item) for item in value]
    if isinstance(value, Mapping):
        if value.get(SECRET_MARK) == SECRET_KIND:
            return HIDDEN
        return {key: _revealed(item) for key, item in value.items()}
    return value


def _with_dependencies(resources: list[Resource]) -> list[Resource]:
    """ARM does not report dependencies: a resource depends on its parents, and on resources that its properties name by id."""

    def depends(resource: Resource, other: Resource) -> bool:
        texts = (resource.id, *(text for _, text in texts_in(resource.properties)))
        return any(f"{text}/".lower().startswith(f"{other.id}/".lower()) for text in texts)

    return [
        replace(
            resource,
            depends_on=frozenset(other.key for other in resources if other is not resource and depends(resource, other)),
        )
        for resource in resources
    ]
