"""The sample and the report use azure-native's own names: a rule about a property that there is not would find nothing."""

import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi_azure_native
import pytest
from pulumi._types import input_type_types

from policy.report import PROPERTIES
from tests.policy import sample

AZURE = "azure-native:"


def arguments(type_: str) -> type:
    """The SDK's arguments of a resource type."""
    module, name = type_.removeprefix(AZURE).split(":")
    # By the module and never by a file in it: the SDK's modules load late, and one whose file came first stays half loaded.
    found: type = getattr(getattr(pulumi_azure_native, module), f"{name}Args")
    return found


def nested(hint: Any) -> type | None:  # noqa: ANN401 - a type of the SDK
    """The input type that a property's type holds, in a list, a mapping or an output."""
    if isinstance(hint, type) and hint.__module__.startswith("pulumi_azure_native"):
        return hint
    return next((found for part in typing.get_args(hint) if (found := nested(part))), None)


def has_own_keys(hint: Any) -> bool:  # noqa: ANN401 - a type of the SDK
    """Whether a property is a mapping whose keys are the caller's."""
    return typing.get_origin(hint) is Mapping or any(map(has_own_keys, typing.get_args(hint)))


def unknown_names(value: object, of: type | None, path: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from unknown_names(item, of, path)
    elif isinstance(value, Mapping) and of is not None:
        names = input_type_types(of)
        for key, item in value.items():
            if key not in names:
                yield f"{path}{key}"
            elif has_own_keys(names[key]) and isinstance(item, Mapping):
                yield from unknown_names(list(item.values()), nested(names[key]), f"{path}{key}.")
            else:
                yield from unknown_names(item, nested(names[key]), f"{path}{key}.")


@pytest.mark.parametrize("type_", sorted({entry["type"] for entry in sample.recorded()["resources"].values()}))
def test_the_sample_has_the_names_of_the_sdk(type_: str) -> None:
    for entry in sample.recorded()["resources"].values():
        if entry["type"] == type_:
            assert list(unknown_names(entry["inputs"], arguments(type_))) == []


@pytest.mark.parametrize("type_", sorted(type_ for type_ in PROPERTIES if type_.startswith(AZURE)))
def test_the_report_has_the_names_of_the_sdk(type_: str) -> None:
    for entry in PROPERTIES[type_]:
        value: object = None
        if isinstance(entry, str):
            for part in reversed(entry.split(".")):
                value = {part: value}
            assert list(unknown_names(value, arguments(type_))) == [], entry
