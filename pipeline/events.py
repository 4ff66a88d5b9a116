"""The event log of Pulumi's engine for a preview, parsed into steps, remarks and violations.

An event log has one JSON object per line (apitype.EngineEvent of the Pulumi SDK); secrets in it are blinded by the CLI.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CHANGED = ("create", "update", "replace", "delete", "import")
"""The values of `Step.operation` that change something."""

_OPERATIONS = {
    "create": "create",
    "update": "update",
    "delete": "delete",
    # A replace is surrounded by its parts, `create-replacement` and `delete-replaced`, which add no information.
    "replace": "replace",
    "import": "import",
    "same": "same",
}
_COLOUR = re.compile(r"<\{%.*?%\}>")
_BLINDED = "4dabf18193072939515e22adb298388d"
"""The key with which Pulumi marks a value that is not plain JSON: a secret, an asset."""
_SEVERITIES = {"info": "info", "warning": "warning", "error": "error"}


@dataclass(frozen=True)
class Change:
    """One property that differs. A value that is not a scalar is None."""

    path: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Step:
    """What would happen to one resource. `before` and `after` are its properties: inputs and outputs merged."""

    operation: str
    urn: str
    changes: tuple[Change, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def name(self) -> str:
        return name_of(self.urn)

    @property
    def type(self) -> str:
        return type_of(self.urn)


@dataclass(frozen=True)
class Remark:
    """A message on a resource's row (`urn`), or for the whole stack."""

    urn: str
    severity: str
    text: str


@dataclass(frozen=True)
class Violation:
    urn: str
    level: str
    policy: str
    text: str


@dataclass(frozen=True)
class Preview:
    """A whole preview, or a refresh that changes nothing. `finished` is False if the engine did not reach the end."""

    steps: tuple[Step, ...] = ()
    remarks: tuple[Remark, ...] = ()
    violations: tuple[Violation, ...] = ()
    finished: bool = False

    @property
    def changed(self) -> list[Step]:
        return [step for step in self.steps if step.operation in CHANGED]

    @property
    def errors(self) -> list[Remark]:
        return [remark for remark in self.remarks if remark.severity == "error"]


def name_of(urn: str) -> str:
    """`leaves` of `urn:pulumi:dev::project::type::leaves`; an empty string if there is none."""
    return urn.rsplit("::", 1)[-1]


def type_of(urn: str) -> str:
    """`vision:Model`, `storage:StorageAccount`, …: the type without the parents' types and without its package."""
    parts = urn.split("::")
    full = parts[2].rsplit("$", 1)[-1] if len(parts) > 3 else ""
    package, _, rest = full.partition(":")
    if package == "pulumi-python":
        return rest.removeprefix("dynamic/")
    return rest if package == "azure-native" else full


def read_events(lines: Iterable[str]) -> Preview:
    """A preview from the lines of its event log; a line that was truncated by a killed CLI is skipped."""
    steps: dict[str, Step] = {}
    remarks: dict[Remark, None] = {}
    violations: dict[Violation, None] = {}
    finished = False
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if metadata := (event.get("resourcePreEvent") or event.get("resOutputsEvent") or {}).get("metadata"):
            step = _step(metadata)
            if step is not None:
                steps[step.urn] = step
        elif said := event.get("diagnosticEvent"):
            remark = _remark(said)
            if remark is not None:
                remarks[remark] = None
        elif broken := event.get("policyEvent"):
            violations[_violation(broken)] = None
        elif failure := event.get("errorEvent"):
            remarks[Remark("", "error", _text(failure.get("error", "")))] = None
        elif event.get("summaryEvent") is not None:
            finished = True
    return Preview(tuple(steps.values()), tuple(remarks), tuple(violations), finished)


def _step(metadata: Mapping[str, Any]) -> Step | None:
    operation = _OPERATIONS.get(str(metadata["op"]))
    if operation is None or str(metadata["type"]).startswith("pulumi:"):
        return None
    before, after = (_properties(metadata.get(side)) for side in ("old", "new"))
    changes = _changes(metadata) if operation in ("update", "replace", "import") else ()
    return Step(operation, metadata["urn"], changes, before, after)


def _properties(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """The inputs, and outputs that are not inputs or that only the provider knew."""
    if state is None:
        return {}
    inputs = {name: value for name, value in (state.get("inputs") or {}).items() if value is not None}
    return {**(state.get("outputs") or {}), **inputs}


def _changes(metadata: Mapping[str, Any]) -> tuple[Change, ...]:
    old, new = (metadata.get(side) or {} for side in ("old", "new"))
    before, after = old.get("inputs") or {}, new.get("inputs") or {}
    if before == after:  # a refresh: the difference is what it found
        before, after = old.get("outputs") or {}, new.get("outputs") or {}
    # A dynamic provider gives no detailed difference.
    paths = sorted(metadata.get("detailedDiff") or metadata.get("diffs") or _differing(before, after))
    return tuple(Change(path, _value(before, path), _value(after, path)) for path in paths)


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The paths of the values that differ, including those inside mappings."""
    paths = []
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if isinstance(one, dict) and isinstance(other, dict) and _BLINDED not in one:
            paths += _differing(one, other, f"{prefix}{name}.")
        elif one != other:
            paths.append(f"{prefix}{name}")
    return paths


def _value(properties: Mapping[str, Any], path: str) -> str | None:
    """A scalar as text; None for a missing value, a list or a mapping."""
    value: Any = properties
    for part in re.findall(r'[^.\[\]"]+', path):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}"
    return value if isinstance(value, str) else None


def _remark(said: Mapping[str, Any]) -> Remark | None:
    severity, text = _SEVERITIES.get(str(said.get("severity"))), _text(str(said.get("message", "")))
    if severity is None or said.get("ephemeral") or not text:
        return None
    return Remark(str(said.get("urn") or ""), severity, text)


def _violation(broken: Mapping[str, Any]) -> Violation:
    return Violation(
        str(broken.get("resourceUrn") or ""),
        str(broken.get("enforcementLevel") or "advisory"),
        f"{broken.get('policyPackName', '')}: {broken.get('policyName', '')}",
        _text(str(broken.get("message", ""))),
    )


def _text(message: str) -> str:
    return _COLOUR.sub("", message).strip()
