"""The pack as Pulumi runs it: asked over gRPC as the engine asks, and loaded by the real CLI."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from policy.rules import RULES
from policy.rules.rule import StackRule
from policy.state import UNKNOWN_TEXT
from tests.policy import sample
from tests.stacks.project import Outcome, Project
from tests.support.ci import IN_CI
from tests.support.places import CHECKOUT
from toolchain.stacks.policy_pack import PLUGIN

PACK = CHECKOUT / ".vision" / "policy"
CONFIG = CHECKOUT / "policy" / "config"
STORAGE = "azure-native:storage:StorageAccount"
TIMEOUT_SECONDS = 60


@pytest.fixture(scope="module")
def plugin() -> Path:
    """What starts the pack, made by set-up."""
    program = Path(sys.executable).parent / PLUGIN
    if not (program.exists() and (CHECKOUT / "policy" / ".venv" / "bin" / "python").exists()):
        reason = "the policy pack's environment is not there: `make setup-all` makes it, from PyPI"
        pytest.fail(reason) if IN_CI else pytest.skip(reason)
    return program


@pytest.fixture(scope="module")
def analyzer(plugin: Path) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    # Nothing listens at the engine's address: the pack only talks to it when it logs.
    with subprocess.Popen([plugin, "127.0.0.1:1", "."], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
                yield analyzer_pb2_grpc.AnalyzerStub(channel)
        finally:
            process.terminate()


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


def analyze(
    analyzer: analyzer_pb2_grpc.AnalyzerStub, type_: str, properties: dict[str, Any], *, protect: bool = False
) -> dict[str, str]:
    """Message by policy."""
    request = analyzer_pb2.AnalyzeRequest(
        type=type_,
        name="it",
        urn=sample.urn(type_, "it"),
        properties=struct(properties),
        options=analyzer_pb2.AnalyzerResourceOptions(protect=protect),
    )
    return {found.policyName: found.message for found in analyzer.Analyze(request, timeout=TIMEOUT_SECONDS).diagnostics}


def inputs(type_: str) -> dict[str, Any]:
    found: dict[str, Any] = sample.entry(sample.exported(), type_)["inputs"]
    return found


def test_the_pack_offers_every_rule(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty(), timeout=TIMEOUT_SECONDS)
    assert info.name == "vision-customization"
    assert [policy.name for policy in info.policies] == [rule.name for rule in RULES]
    assert {policy.enforcementLevel for policy in info.policies} == {analyzer_pb2.MANDATORY}
    for policy, rule in zip(info.policies, RULES, strict=True):
        assert policy.remediation_steps == rule.fix
        assert set(policy.configSchema.properties) == set(rule.settings)
        stack = policy.policy_type == analyzer_pb2.POLICY_TYPE_STACK
        assert stack == isinstance(rule, StackRule)


def test_a_resource_that_passes_and_ones_that_fail(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    good = inputs(STORAGE)
    assert analyze(analyzer, STORAGE, good, protect=True) == {}
    assert set(analyze(analyzer, STORAGE, {**good, "allowSharedKeyAccess": True})) == {
        "storage-no-shared-keys",
        "protected-data",
    }
    message = analyze(analyzer, STORAGE, {**good, "encryption": {}}, protect=True)["storage-infrastructure-encryption"]
    assert "encryption.requireInfrastructureEncryption is not set; it must be True" in message
    assert "Set `encryption.requireInfrastructureEncryption` to true" in message


def test_what_a_preview_does_not_know_is_left_to_the_update(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    type_ = "azure-native:authorization:RoleAssignment"
    assert analyze(analyzer, type_, {**inputs(type_), "scope": UNKNOWN_TEXT}) == {}
    app = json.loads(json.dumps(inputs("azure-native:app:ContainerApp")))
    app["configuration"]["secrets"][0]["value"] = UNKNOWN_TEXT
    assert analyze(analyzer, "azure-native:app:ContainerApp", app) == {}


def test_a_whole_stack(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    state = sample.exported()

    def found() -> dict[str, str]:
        request = analyzer_pb2.AnalyzeStackRequest(
            resources=[
                analyzer_pb2.AnalyzerResource(
                    type=entry["type"],
                    name=entry["urn"].rsplit("::", 1)[-1],
                    urn=entry["urn"],
                    properties=struct({key: value for key, value in entry["inputs"].items() if value is not None}),
                    dependencies=entry.get("dependencies", []),
                    propertyDependencies={
                        name: analyzer_pb2.AnalyzerPropertyDependencies(urns=urns)
                        for name, urns in entry.get("propertyDependencies", {}).items()
                    },
                )
                for entry in state["deployment"]["resources"]
            ]
        )
        return {found.policyName: found.urn for found in analyzer.AnalyzeStack(request, timeout=TIMEOUT_SECONDS).diagnostics}

    assert found() == {}
    sample.remove(state, sample.EVALUATION)
    sample.change(state, sample.MODEL, "time_budget_in_hours", 9)
    assert found() == {"gates": sample.urn(sample.PUBLISHED, "leaves"), "budget-ceiling": ""}


PROGRAM = """
import json
from pathlib import Path

from pulumi import ComponentResource, ResourceOptions

for type_, name, properties, protect in json.loads(Path("resources.json").read_text()):
    ComponentResource(type_, name, properties, ResourceOptions(protect=protect))
"""


@pytest.fixture
def project(tmp_path: Path, plugin: Path) -> Project:
    (tmp_path / "Pulumi.yaml").write_text("{name: held-to-rules, runtime: python}")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "state").mkdir()
    project = Project(tmp_path)
    project.run("stack", "init", "prod").succeeded()
    return project


def preview(project: Project, stack: str) -> Outcome:
    options = ("--policy-pack", str(PACK), "--policy-pack-config", str(CONFIG / f"{stack}.json"))
    return project.run("preview", "--stack", "prod", *options)


@pytest.mark.stack
def test_the_cli_is_stopped_by_the_pack_in_prod_and_warned_in_dev(project: Project) -> None:
    """Components of these types stand for the resources: the engine hands them to the pack in the same way."""
    resources = project.folder / "resources.json"
    closed = inputs(STORAGE)
    resources.write_text(json.dumps([[STORAGE, "training", closed, True]]))
    # Nothing is beside the account: what is missing says the pack of the stack as a whole.
    assert "storage-no-shared-keys" not in preview(project, "prod").failed().output

    resources.write_text(json.dumps([[STORAGE, "training", {**closed, "allowSharedKeyAccess": True}, False]]))
    stopped = preview(project, "prod").failed().output
    assert f"[mandatory]  storage-no-shared-keys  ({STORAGE}: training)" in stopped
    assert f"[mandatory]  protected-data  ({STORAGE}: training)" in stopped
    assert f"[mandatory]  storage-soft-delete  ({STORAGE}: training)" in stopped

    warned = preview(project, "dev").succeeded().output
    assert f"[advisory]  storage-no-shared-keys  ({STORAGE}: training)" in warned
    assert "protected-data" not in warned
