"""The vault as it is declared, with Pulumi's engine played, and when an app is tried again."""

from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from tests.components.azure.played_azure import Azure
from tests.components.azure.played_engine import playing
from vision_customization.components.azure.args import AzureArgs, DatabaseSize
from vision_customization.components.azure.key_vault import Retries
from vision_customization.components.azure.preflight import MAKE_VAULTS
from vision_customization.components.azure.workspace import AzureWorkspace


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    azure = Azure()
    azure.note_dependencies(monkeypatch)
    with playing(azure, project="app", stack="test"):
        yield azure


def declare(**args: Any) -> None:  # noqa: ANN401
    """Declare a workspace, and wait for all of it."""

    @pulumi.runtime.test
    def program() -> pulumi.Output[str]:
        return AzureWorkspace("vision", AzureArgs(base="contoso", image="engine:1", **args)).container_url

    program()


def secrets(azure: Azure, app: str) -> dict[str, dict[str, Any]]:
    configuration = azure.inputs("app:ContainerApp", f"vision-engine-{app}")["configuration"]
    # With a value in it, all of it is a secret of Pulumi's.
    return {secret["name"]: secret for secret in configuration.get("value", configuration)["secrets"]}


@pytest.mark.parametrize(
    ("private_network", "login", "names"),
    [
        (False, "password", {"database-url", "keys", "token-key"}),
        (True, "password", {"database-url", "keys", "token-key"}),
        (True, "entra", {"keys", "token-key"}),
    ],
)
def test_the_secrets_are_in_the_vault_alone(azure: Azure, private_network: bool, login: str, names: set[str]) -> None:
    declare(key_vault=True, private_network=private_network, database=DatabaseSize(login=login))
    made = {inputs["secretName"] for kind, _, inputs in azure.made if kind == "keyvault:Secret"}
    assert made == names
    for app in ("api", "worker"):
        found = secrets(azure, app)
        assert set(found) == made
        for name, secret in found.items():
            assert secret["keyVaultUrl"] == f"https://vault.example/{name}/1"
            assert secret["identity"] == "vision-engine-id"
            assert "value" not in secret
        assert "vision-vault-keys" in azure.dependencies[f"azure-native:app:ContainerApp vision-engine-{app}"]
    # Azure reads the secrets before it makes an app: so a role and, in a private network, a name are there before.
    before = azure.dependencies["vision-customization:index:EngineApp vision-engine"]
    assert "vision-vault-reader" in before
    assert ("vision-net-vault" in before) is private_network
    role = azure.inputs("authorization:RoleAssignment", "vision-vault-reader")
    assert (role["scope"], role["principalId"]) == ("vision-vault-id", "principal-2")
    assert role["roleDefinitionId"].endswith("/4633458b-17de-408a-b874-0445c86b69e6")
    assert azure.inputs("monitor:DiagnosticSetting", "vision-logs-vault")["resourceUri"] == "vision-vault-id"


@pytest.mark.parametrize(
    ("args", "properties"),
    [
        ({}, {"publicNetworkAccess": "Enabled", "networkAcls": {"bypass": "None", "defaultAction": "Allow"}}),
        (
            {"private_network": True, "purge_protection": True},
            {
                "publicNetworkAccess": "Disabled",
                "networkAcls": {"bypass": "None", "defaultAction": "Deny"},
                "enablePurgeProtection": True,
            },
        ),
    ],
)
def test_only_roles_open_it_and_a_private_network_closes_it(
    azure: Azure, args: dict[str, Any], properties: dict[str, Any]
) -> None:
    declare(key_vault=True, **args)
    declared = azure.inputs("keyvault:Vault")["properties"]
    assert declared["enableRbacAuthorization"] is True
    assert (declared["enableSoftDelete"], declared["softDeleteRetentionInDays"]) == (True, 90)
    names = ("publicNetworkAccess", "networkAcls", "enablePurgeProtection")
    assert {name: declared[name] for name in names if name in declared} == properties


def test_without_a_vault_the_apps_hold_their_secrets(azure: Azure) -> None:
    declare()
    assert not {kind for kind, _, _ in azure.made if kind.startswith("keyvault:")}
    assert all(secret["value"] and "keyVaultUrl" not in secret for secret in secrets(azure, "api").values())
    preflight = azure.inputs("pulumi-python:dynamic/vision:Preflight")
    assert preflight.get("key_vault") is None
    assert not set(MAKE_VAULTS) & set(preflight["actions"])


def test_the_preflight_asks_for_the_vault(azure: Azure) -> None:
    declare(key_vault=True)
    preflight = azure.inputs("pulumi-python:dynamic/vision:Preflight")
    assert preflight["key_vault"] == azure.inputs("keyvault:Vault")["vaultName"]
    assert set(MAKE_VAULTS) <= set(preflight["actions"])


def test_protection_needs_a_vault() -> None:
    with pytest.raises(ValueError, match="purge_protection needs key_vault"):
        AzureArgs(base="contoso", image="engine:1", purge_protection=True)


REFUSED = (
    'Status=400 Code="InvalidParameterValueInContainerTemplate" Message="… Field \'configuration.secrets\' is invalid with '
    "details: … Error: unable to fetch secret 'keys' using Managed identity '/identities/engine''"
)


class Clock:
    """The time, which only a pause passes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def failed(*errors: str, urn: str = "api") -> pulumi.ErrorHookArgs:
    return pulumi.ErrorHookArgs(urn, "", "vision-engine-api", "app", failed_operation="create", errors=[*errors])


def test_an_app_is_tried_again_until_its_identity_reads_the_secrets() -> None:
    clock, said = Clock(), list[str]()
    again = Retries(1800, clock.sleep, clock, said.append)
    errors: list[str] = []
    while again(failed(*(errors := [REFUSED, *errors]))):
        pass
    assert 1800 <= clock.now < 1830
    assert len(errors) < 100  # Pulumi's limit
    assert clock.pauses[:5] == [2, 4, 8, 16, 22.5]
    assert said == ["waiting until 'Key Vault Secrets User' works for the identity of vision-engine-api (up to 30 min)"]
    # Each app has its own time.
    assert again(failed(REFUSED, urn="worker"))


@pytest.mark.parametrize(
    "errors",
    [
        [],
        ['Code="ContainerAppOperationError" Message="… unable to fetch secret …"'],
        ['Code="InvalidParameterValueInContainerTemplate" Message="The image is missing"'],
        ["the latest one", REFUSED],
    ],
)
def test_another_error_ends_it(errors: list[str]) -> None:
    clock = Clock()
    assert not Retries(60, clock.sleep, clock, pytest.fail)(failed(*errors))
    assert clock.pauses == []
