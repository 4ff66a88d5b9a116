"""The event log, read: what the real CLI recorded, and what its types allow beyond that."""

import json
from typing import Any

import pytest

from pipeline.events import Change, Remark, read_events, type_of
from tests.pipeline.recordings import ACCOUNT, URN, recorded


def step_event(operation: str, old: dict[str, Any] | None, new: dict[str, Any] | None, **more: object) -> str:
    sides = {
        side: None if inputs is None else {"inputs": inputs, "outputs": {}} for side, inputs in (("old", old), ("new", new))
    }
    metadata = {"op": operation, "urn": ACCOUNT, "type": "azure-native:storage:StorageAccount", **sides, **more}
    return json.dumps({"resourcePreEvent": {"metadata": metadata}})


@pytest.mark.parametrize(
    ("name", "changed", "finished"),
    [
        ("unchanged", [], True),
        ("first", ["create"] * 11, True),
        ("images-added", ["update", "replace", "replace", "update"], True),
        ("gate-raised", ["update"], True),
        ("no-drift", [], True),
        # What a refresh has found, not that it looks.
        ("drift", ["delete", "delete", "update"], True),
        ("data-wrong", [], False),
    ],
)
def test_steps(name: str, changed: list[str], finished: bool) -> None:
    preview = read_events(recorded(name))
    assert [step.operation for step in preview.changed] == changed
    assert (preview.finished and not preview.errors) == finished


@pytest.mark.parametrize(
    ("old", "new", "more", "changes"),
    [
        # A provider that says what differs is believed.
        (
            {"sku": {"name": "LRS"}, "tags": {}},
            {"sku": {"name": "ZRS"}, "tags": {}},
            {"detailedDiff": {"sku.name": {"diffKind": "update", "inputDiff": True}}},
            [Change("sku.name", "LRS", "ZRS")],
        ),
        # One that doesn't (a dynamic one) has its inputs compared.
        (
            {"a": 1, "b": {"c": True, "d": 1}},
            {"a": 2, "b": {"c": False, "d": 1}},
            {},
            [Change("a", "1", "2"), Change("b.c", "true", "false")],
        ),
        ({"a": [1, 2]}, {"a": [1, 3]}, {}, [Change("a")]),
        (
            {"rules": [{"port": 1}]},
            {"rules": [{"port": 2}]},
            {"detailedDiff": {"rules[0].port": {}}},
            [Change("rules[0].port", "1", "2")],
        ),
        # What Pulumi has blinded is one value, whatever it is made of.
        (
            {"key": {"4dabf18193072939515e22adb298388d": "x", "ciphertext": "[secret]"}},
            {"key": {"4dabf18193072939515e22adb298388d": "x", "ciphertext": "[other]"}},
            {},
            [Change("key")],
        ),
    ],
)
def test_changes(old: dict[str, Any], new: dict[str, Any], more: dict[str, Any], changes: list[Change]) -> None:
    [step] = read_events([step_event("update", old, new, **more)]).steps
    assert list(step.changes) == changes


def test_a_refresh_is_compared_by_what_was_seen() -> None:
    state = {"inputs": {"name": "x"}, "outputs": {"publicAccess": False}}
    seen = {"inputs": {"name": "x"}, "outputs": {"publicAccess": True}}
    metadata = {"op": "update", "urn": ACCOUNT, "type": "azure-native:storage:StorageAccount", "old": state, "new": seen}
    [step] = read_events([json.dumps({"resOutputsEvent": {"metadata": metadata}})]).steps
    assert step.changes == (Change("publicAccess", "false", "true"),)


@pytest.mark.parametrize(
    ("severity", "more", "kept"),
    [
        ("info", {}, True),
        ("warning", {}, True),
        ("error", {}, True),
        # Debug messages hold properties as they are, secrets among them.
        ("debug", {}, False),
        # What a program prints on standard error: the error that follows says it again.
        ("info#err", {}, False),
        ("info", {"ephemeral": True}, False),
    ],
)
def test_remarks(severity: str, more: dict[str, Any], kept: bool) -> None:
    event = {"diagnosticEvent": {"urn": ACCOUNT, "message": "<{%reset%}>said<{%reset%}>\n", "severity": severity, **more}}
    assert read_events([json.dumps(event)]).remarks == ((Remark(ACCOUNT, severity, "said"),) if kept else ())


def test_a_line_cut_short_and_lines_of_a_later_kind_are_left_out() -> None:
    lines = ['{"someNewEvent": {}}', '{"summaryEvent": {"result": "succ']
    assert read_events(lines) == read_events([])
    assert not read_events(lines).finished


@pytest.mark.parametrize(
    ("urn", "kind"),
    [
        (ACCOUNT, "storage:StorageAccount"),
        (f"{URN}pulumi-python:dynamic/vision:Model::leaves", "vision:Model"),
        (f"{URN}vision-customization:index:AzureWorkspace::workspace", "vision-customization:index:AzureWorkspace"),
        ("", ""),
    ],
)
def test_type_of(urn: str, kind: str) -> None:
    assert type_of(urn) == kind
