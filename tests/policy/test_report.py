"""What is deployed, as a table; and judged without Pulumi."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from policy import report
from policy.report import table
from policy.rules import RULES, violations
from policy.rules.rule import HIDDEN, UNKNOWN, Rule, StackRule
from policy.state import SECRET_KIND, SECRET_MARK, UNKNOWN_TEXT, StateInvalid, resources_in, violations_of
from tests.policy import sample
from tests.support.places import CHECKOUT, DOCS

CONFIGS = sorted((CHECKOUT / "policy" / "config").glob("*.json"))
DOCUMENTATION = (DOCS / "policy.md").read_text()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("state", [sample.recorded(), sample.exported()], ids=["recorded", "exported"])
def test_the_sample_passes_in_every_stack(state: dict[str, Any], config: Path) -> None:
    assert list(map(str, violations_of(state, json.loads(config.read_text()), NOW))) == []


def test_every_stack_of_azure_has_its_configuration() -> None:
    assert [path.stem for path in CONFIGS] == ["dev", "prod", "smoke", "staging"]
    levels = {path.stem: json.loads(path.read_text())["all"] for path in CONFIGS}
    assert levels == {"dev": "advisory", "smoke": "advisory", "staging": "mandatory", "prod": "mandatory"}
    prod = json.loads((CHECKOUT / "policy" / "config" / "prod.json").read_text())
    assert {violation.level for violation in violations(resources_in(broken()), prod, NOW)} == {"mandatory"}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_names_settings_that_there_are(config: Path) -> None:
    settings = {rule.name: set(rule.settings) for rule in RULES}
    for name, entry in json.loads(config.read_text()).items():
        if isinstance(entry, dict):
            assert entry.keys() - {"enforcementLevel"} <= settings[name]


def broken() -> dict[str, Any]:
    state = sample.exported()
    sample.change(state, "azure-native:storage:StorageAccount", "allowSharedKeyAccess", True)
    return state


def test_the_table_shows_every_resource_and_no_secret() -> None:
    text = table(resources_in(sample.exported()))
    assert len(text.splitlines()) == 2 + len(sample.exported()["deployment"]["resources"])
    assert "| authorization:RoleAssignment |" in text
    assert "VISION_ENGINE_KEYS (secret)" in text
    for secret in ("a shared key", "a password", "vision:secret", "a key of the engine", sample.SUBSCRIPTION):
        assert secret not in text


def test_the_table_of_a_recorded_state() -> None:
    lines = table(resources_in(sample.recorded())).splitlines()
    storage = next(line for line in lines if line.startswith("| storage:StorageAccount"))
    assert storage == (
        "| storage:StorageAccount | visionprod | eastus | allowBlobPublicAccess: false<br>allowSharedKeyAccess: false<br>"
        "defaultToOAuthAuthentication: true<br>enableHttpsTrafficOnly: true<br>minimumTlsVersion: TLS1_2<br>"
        "allowCrossTenantReplication: false<br>isLocalUserEnabled: false<br>isSftpEnabled: false<br>"
        "encryption.requireInfrastructureEncryption: true<br>publicNetworkAccess: Disabled |"
    )
    role = next(line for line in lines if line.startswith("| authorization:RoleAssignment"))
    assert (
        "role: Storage Blob Data Reader<br>scope: storageAccounts/visionprod/blobServices/default/containers/training<br>"
        in role
    )
    own = next(line for line in lines if line.startswith("| authorization:RoleDefinition"))
    assert own.endswith(
        "roleName: Vision Blob Adder (visionprod)<br>data actions: blobs/read, blobs/add/action<br>resource groups: vision |"
    )
    assert sum("role: Vision Blob Adder<br>" in line for line in lines) == 1
    assert role.endswith("<br>principalType: ServicePrincipal<br>principal: engine (managedidentity:UserAssignedIdentity) |")


@pytest.mark.parametrize(("given", "said"), [({"tiles": 3.0}, "3"), ({}, "not set")])
def test_the_table_tells_what_a_model_costs(given: dict[str, float], said: str) -> None:
    inputs = {"time_budget_in_hours": 2.0, **given}
    entry = {"urn": "a::leaves", "type": sample.MODEL, "inputs": inputs, "outputs": {}}
    row = table(resources_in({"deployment": {"resources": [entry]}})).splitlines()[-1]
    assert row.endswith(f"| time_budget_in_hours: 2<br>tiles: {said} |")


def test_pulumis_marks_are_read() -> None:
    secret = {SECRET_MARK: SECRET_KIND, "ciphertext": "v1:abc"}
    entry = {"urn": "a::b", "type": "t", "inputs": {"key": secret, "list": [{"x": UNKNOWN_TEXT}]}, "outputs": {"more": 1}}
    gone = {**entry, "delete": True}
    [resource] = resources_in({"deployment": {"resources": [entry, gone]}})
    assert resource.properties == {"key": HIDDEN, "list": [{"x": UNKNOWN}], "more": 1}
    assert resource.at("list") == [{"x": UNKNOWN}]
    assert repr(UNKNOWN) == "(known after the update)"


def test_another_json_is_an_error() -> None:
    with pytest.raises(StateInvalid, match="pulumi stack export"):
        resources_in({"outputs": {}})


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, neither = (tmp_path / name for name in ("good.json", "bad.json", "neither.json"))
    good.write_text(json.dumps(sample.exported()))
    bad.write_text(json.dumps(broken()))
    neither.write_text("{}")
    dev, prod = (str(CHECKOUT / "policy" / "config" / f"{stack}.json") for stack in ("dev", "prod"))
    ends = [(good, []), (good, ["--config", prod]), (bad, ["--config", dev]), (bad, ["--config", prod]), (neither, [])]
    assert [report.main([str(state), *options]) for state, options in ends] == [0, 0, 0, 1, 2]
    printed = capsys.readouterr()
    assert "- [mandatory] storage-no-shared-keys: azure-native:storage:StorageAccount visionprod:" in printed.out
    assert f"{neither}: this JSON has neither `deployment.resources`" in printed.err


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_is_documented(rule: Rule | StackRule) -> None:
    settings = ", ".join(f"`{name}`: {json.dumps(schema['default'])}" for name, schema in rule.settings.items())
    assert f"| `{rule.name}` | {rule.says} | {rule.why} | {rule.fix} | {settings} |" in DOCUMENTATION
