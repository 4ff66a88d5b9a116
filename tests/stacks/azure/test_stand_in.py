"""The real CLI runs a program of azure-native resources against the stand-in."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stacks.azure.stand_in import Azure
from tests.stacks.project import VENV_BIN, Outcome, Project

pytestmark = pytest.mark.stack

SECRET = "a-key-that-nobody-may-read"
TYPES = [
    "app:ContainerApp",
    "app:ManagedEnvironment",
    "authorization:RoleAssignment",
    "cognitiveservices:Account",
    "managedidentity:UserAssignedIdentity",
    "operationalinsights:Workspace",
    "resources:ResourceGroup",
    "storage:BlobContainer",
    "storage:StorageAccount",
]


@dataclass
class Program(Project):
    """The small program of this folder, with a subscription of its own."""

    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create(cls, folder: Path, config: dict[str, Any]) -> "Program":
        shutil.copytree(Path(__file__).parent / "program", folder, dirs_exist_ok=True)
        (folder / ".venv").symlink_to(VENV_BIN.parent)
        for name in ("stacks", "state"):
            (folder / name).mkdir()
        program = cls(folder, settings=config)
        program.configure(config)
        program.run("stack", "init", "local").succeeded()
        # Encrypted, as a person would set it.
        program.run("config", "set", "--secret", "key", SECRET, "--stack", "local").succeeded()
        return program

    @property
    def azure(self) -> Azure:
        return Azure(self.folder / "azure")

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | self.azure.environment()

    def set(self, **settings: Any) -> None:  # noqa: ANN401 - YAML
        """Change settings of the stack; None takes one away."""
        path = self.folder / "stacks" / "Pulumi.local.yaml"
        stored = yaml.safe_load(path.read_text())
        stored["config"] |= {f"vision-customization:{key}": value for key, value in settings.items()}
        stored["config"] = {key: value for key, value in stored["config"].items() if value is not None}
        path.write_text(yaml.safe_dump(stored))

    def up(self) -> Outcome:
        return self.run("up", "--yes", "--skip-preview", "--stack", "local")

    def id_of(self, resource_type: str) -> str:
        (found,) = self.azure.resources(resource_type)
        return found

    def types(self) -> list[str]:
        return sorted(resource["type"].removeprefix("azure-native:") for resource in self.azure.resources().values())


@pytest.fixture
def make_program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def make(**config: Any) -> Program:  # noqa: ANN401 - YAML
        programs.append(Program.create(tmp_path, config))
        return programs[-1]

    yield make
    for program in programs:
        program.azure.scenario(caller=None, fail=None, throttleEvery=None)
        program.run("destroy", "--yes", "--skip-preview", "--stack", "local").succeeded()
        assert program.azure.resources() == {}


def test_a_program_from_its_first_up_to_its_end(make_program: Callable[..., Program]) -> None:
    program = make_program()
    azure = program.azure

    program.preview().succeeded()
    assert azure.calls() == []
    program.up().succeeded()
    assert program.types() == TYPES
    outputs = program.outputs()
    (environment,) = azure.resources("app:ManagedEnvironment").values()
    assert outputs["engine"] == f"engine.{environment['outputs']['defaultDomain']}"
    assert outputs["blobs"] == "https://visiontraining.blob.core.windows.net/"
    assert outputs["vision"] == "https://vision-of-a-test.cognitiveservices.azure.com/"
    # The key reached Azure, and nothing else.
    assert SECRET in json.dumps(azure.resources())
    assert SECRET not in program.state()

    program.preview("--expect-no-changes").succeeded()
    program.refresh("--preview-only", "--expect-no-changes").succeeded()

    program.set(owner="another", maxReplicas=3)
    program.up().succeeded()
    (account,) = azure.resources("storage:StorageAccount").values()
    assert account["outputs"]["tags"] == {"owner": "another"}
    assert account["outputs"]["primaryEndpoints"]["blob"] == outputs["blobs"]

    azure.change(program.id_of("storage:StorageAccount"), "minimumTlsVersion", "TLS1_0")
    azure.remove(program.id_of("storage:BlobContainer"))
    found = program.refresh("--preview-only", "--diff", "--expect-no-changes").failed().output
    assert "minimumTlsVersion" in found
    assert re.search(r"^ *- azure-native:storage:BlobContainer", found, re.MULTILINE), found
    # Without a refresh Pulumi knows nothing of it; after one, an update puts it right.
    program.preview("--expect-no-changes").succeeded()
    program.refresh(previewed=True).succeeded()
    planned = program.preview("--diff").succeeded().output
    assert '~ minimumTlsVersion: "TLS1_0" => "TLS1_2"' in planned
    program.up().succeeded()
    assert program.types() == TYPES
    program.preview("--expect-no-changes").succeeded()

    # Nothing is replaced for what can't change, and nothing is lost: Azure refuses it.
    program.set(infrastructureEncryption="true")
    assert "(replace)" not in program.preview("--diff").succeeded().output
    assert 'Code="AccountPropertyCannotBeUpdated"' in program.up().failed().output

    program.set(infrastructureEncryption=None)
    program.destroy().succeeded()
    assert azure.resources() == {}
    assert "FlagMustBeSetForRestore" in program.up().failed().output
    program.set(restore="true")
    program.up().succeeded()
    assert program.outputs()["principal"] == outputs["principal"]
    # Once it is restored, the request that restored it is not sent again.
    program.set(restore=None, owner="somebody-else")
    program.up().succeeded()
    (account,) = azure.resources("cognitiveservices:Account").values()
    assert account["outputs"]["tags"] == {"owner": "somebody-else"}
    program.preview("--expect-no-changes").succeeded()


def test_what_azure_fills_in_later_is_no_drift(make_program: Callable[..., Program]) -> None:
    """A database changes its subnet, a DNS zone its private endpoint, and each subnet its network."""
    program = make_program(network="true")
    program.up().succeeded()
    for _ in range(2):
        program.refresh("--preview-only", "--expect-no-changes").succeeded()
        program.preview("--expect-no-changes").succeeded()
        program.refresh(previewed=True).succeeded()
    # What somebody changes in the same resources is drift nevertheless.
    (subnet,) = [id_ for id_ in program.azure.resources("network:Subnet") if id_.endswith("/endpoints")]
    program.azure.change(subnet, "defaultOutboundAccess", value=True)
    assert "defaultOutboundAccess" in program.refresh("--preview-only", "--diff", "--expect-no-changes").failed().output


def test_an_up_that_fails_in_the_middle_goes_on(make_program: Callable[..., Program]) -> None:
    program = make_program()
    planned = {"type": "app:ManagedEnvironment", "operation": "create", "code": "ManagedEnvironmentProvisioningError"}
    program.azure.scenario(throttleEvery=4, fail=[planned | {"status": 409, "message": "no capacity in eastus"}])

    failed = program.up().failed().output
    assert 'Status=409 Code="ManagedEnvironmentProvisioningError" Message="no capacity in eastus"' in failed
    assert "Traceback" not in failed
    assert "app:ContainerApp" not in program.types()
    assert "storage:StorageAccount" in program.types()

    program.up().succeeded()
    assert program.types() == TYPES
    assert "TooManyRequests" in [call["answer"] for call in program.azure.calls()]
    program.preview("--expect-no-changes").succeeded()


def test_an_app_waits_until_its_identity_reads_the_vault(make_program: Callable[..., Program]) -> None:
    """Pulumi tries it again, until the role works or the time has passed; the deployer opens no vault."""
    program = make_program(vault="true")
    program.azure.scenario(roleDelaySeconds=8)
    up = program.up().succeeded().output
    assert "waiting until 'Key Vault Secrets User' works for the identity of engine (up to 1 min)" in up
    answers = [call["answer"] for call in program.azure.calls() if call["type"] == "azure-native:app:ContainerApp"]
    assert answers.count("InvalidParameterValueInContainerTemplate") >= 2
    program.preview("--expect-no-changes").succeeded()
    program.refresh("--preview-only", "--expect-no-changes").succeeded()
    assert SECRET not in up

    # Another value is another version, which the app gets with the update.
    def url() -> str:
        (secret,) = program.azure.resources("app:ContainerApp")[program.id_of("app:ContainerApp")]["inputs"]["configuration"][
            "secrets"
        ]
        assert "value" not in secret
        return str(secret["keyVaultUrl"])

    former = url()
    program.run("config", "set", "--secret", "key", "another", "--stack", "local").succeeded()
    program.up().succeeded()
    assert url() != former
    # Without the vault, the app has its secret itself again, and the vault's name stays blocked.
    program.set(vault=None)
    program.up().succeeded()
    assert not program.azure.resources("keyvault:Vault")
    assert program.id_of("app:ContainerApp")
    assert any(id_.endswith("/vaults/vision-123456") for id_ in program.azure.deleted())


def test_what_azure_refuses_is_said_in_its_words(make_program: Callable[..., Program]) -> None:
    program = make_program(tls="TLS1_9")
    refused = program.preview().failed().output
    assert "property minimumTlsVersion value {TLS1_9}" in refused
    assert "the choices are TLS1_0, TLS1_1, TLS1_2, TLS1_3" in refused

    program.set(tls=None, accountName="Vision-Training")
    assert "3-24 lowercase letters and digits" in program.up().failed().output

    program.set(accountName="visiontaken")
    program.azure.scenario(
        takenNames=["visiontaken"], caller={"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}
    )
    assert "the name visiontaken of a storage:StorageAccount is already taken" in program.up().failed().output

    program.azure.scenario(takenNames=None)
    refused = program.up().failed().output
    assert 'Code="AuthorizationFailed"' in refused
    assert "action 'Microsoft.Authorization/roleAssignments/write' over scope" in refused
    assert "authorization:RoleAssignment" not in program.types()
