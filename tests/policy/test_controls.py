"""The table of controls: read from a state, each held by a rule that there is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from policy.controls import CONTROLS, MODULES, main, table
from policy.rules import RULES
from policy.state import resources_in
from tests.policy import sample
from tests.support.places import CHECKOUT, DOCS

PAGE = (DOCS / "azure-controls.md").read_text()


def row(state: dict[str, object], says: str) -> list[str]:
    [found] = [line for line in table(resources_in(state)).splitlines() if line.startswith(f"| {says} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_a_control_names_a_module_and_a_rule_that_there_are() -> None:
    assert {control.module for control in CONTROLS} == set(MODULES)
    assert {control.rule for control in CONTROLS} <= {rule.name for rule in RULES}
    assert len({control.says for control in CONTROLS}) == len(CONTROLS)


@pytest.mark.parametrize(
    ("says", "type_", "path", "value", "before", "after"),
    [
        ("Account keys", "storage:StorageAccount", "allowSharedKeyAccess", True, "false", "true"),
        ("Days of point-in-time restore", "storage:BlobServiceProperties", "restorePolicy", None, "14", "not set"),
        ("Ingress without TLS", "app:ContainerApp", "configuration.ingress.allowInsecure", True, "false", "true"),
        ("Deletion of former versions", "storage:ManagementPolicy", "policy.rules", [], "after 14 days", "never"),
        (
            "Tags of all resources",
            "storage:StorageAccount",
            "tags",
            {"owner": "o"},
            "costCenter, owner, project, stack",
            "owner",
        ),
    ],
)
def test_ours_is_read_from_the_state(says: str, type_: str, path: str, value: object, before: str, after: str) -> None:
    state = sample.exported()
    assert row(state, says)[2] == before
    sample.change(state, f"azure-native:{type_}", path, value)
    assert row(state, says)[2] == after


@pytest.mark.parametrize(
    ("says", "type_", "before", "after"),
    [
        ("Locks", "authorization:ManagementLockByScope", "2 of 2 are locked", "0 of 2 are locked"),
        ("Diagnostic settings", "monitor:DiagnosticSetting", "4 of 4 send logs", "0 of 4 send logs"),
        ("Budget per month", "consumption:Budget", "800", "no such resource"),
    ],
)
def test_what_is_missing_shows(says: str, type_: str, before: str, after: str) -> None:
    state = sample.exported()
    assert row(state, says)[2].startswith(before)
    sample.remove(state, f"azure-native:{type_}")
    assert row(state, says)[2].startswith(after)


def test_the_page_names_the_modules_that_the_defaults_are_from() -> None:
    for name, (module, commit) in MODULES.items():
        assert f"| {name} | [avm/res/{module}](https://github.com/Azure/bicep-registry-modules/blob/{commit}/" in PAGE


def test_the_command(tmp_path: Path) -> None:
    state = tmp_path / "prod.json"
    state.write_text(json.dumps(sample.exported()))
    done = subprocess.run(
        [sys.executable, "-m", "policy.controls", state], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == table(resources_in(sample.exported()))
    assert sample.SUBSCRIPTION not in done.stdout
    state.write_text("{}")
    assert main([str(state)]) == 2
