"""Key Vault as it is played: names, secrets, and apps that refer to secrets."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.identity import DefaultAzureCredential

from tests.stacks.azure import az
from tests.stacks.azure.authority import MANAGEMENT_SCOPE
from tests.stacks.azure.directory import CALLER_OBJECT_ID, Directory
from tests.stacks.azure.failure import Failure
from tests.stacks.azure.provider import EmptyWorld, Provider, Values
from tests.stacks.azure.runbook import follow
from tests.stacks.azure.services import AzureWorld
from tests.stacks.azure.stand_in import Azure
from tests.stacks.azure.subscription import DEFAULT_SCENARIO
from tests.stacks.azure.vault import VAULT, resolved
from vision_customization.components.azure.deleted_vault import VaultDeleted, check_deleted_vault

SUBSCRIPTION = f"/subscriptions/{DEFAULT_SCENARIO['subscriptionId']}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/vision"
VAULT_ID = f"{GROUP}/providers/Microsoft.KeyVault/vaults/vision-123456"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/engine"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
IN_GROUP = {"resourceGroupName": "vision"}
PROPERTIES = {
    "tenantId": DEFAULT_SCENARIO["tenantId"],
    "sku": {"family": "A", "name": "standard"},
    "enableRbacAuthorization": True,
}


class Caller:
    """A group with a vault, a secret in it, an identity and an environment."""

    def __init__(self, folder: Path, **properties: Any) -> None:  # noqa: ANN401 - JSON
        self.azure = Azure(folder)
        self.provider = Provider(folder, EmptyWorld())
        self.create("resources:ResourceGroup", location="eastus")
        self.create("keyvault:Vault", vaultName="vision-123456", location="eastus", properties=PROPERTIES | properties)
        _, secret = self.set("first")
        self.url: str = secret["properties"]["secretUriWithVersion"]
        _, identity = self.create("managedidentity:UserAssignedIdentity", resourceName="engine", location="eastus")
        self.principal: str = identity["principalId"]
        self.create("app:ManagedEnvironment", environmentName="vision", location="eastus")

    def create(self, resource_type: str, **inputs: Any) -> tuple[str, Values]:  # noqa: ANN401 - JSON
        return self.provider.create(f"azure-native:{resource_type}", IN_GROUP | inputs)

    def set(self, value: str) -> tuple[str, Values]:
        return self.create("keyvault:Secret", vaultName="vision-123456", secretName="keys", properties={"value": value})

    def assign(self, role: str, principal: str, scope: str = VAULT_ID) -> None:
        self.create(
            "authorization:RoleAssignment",
            roleAssignmentName=f"{role[:8]}-0000-4000-8000-{len(principal):012d}",
            scope=scope,
            principalId=principal,
            principalType="ServicePrincipal",
            roleDefinitionId=f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}",
        )

    def app(self, **secret: str) -> Values:
        return IN_GROUP | {
            "containerAppName": "engine",
            "location": "eastus",
            "environmentId": f"{GROUP}/providers/Microsoft.App/managedEnvironments/vision",
            "identity": {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY]},
            "configuration": {"secrets": [{"name": "keys", "keyVaultUrl": self.url, "identity": IDENTITY} | secret]},
            "template": {"containers": [{"name": "engine", "image": "engine:1", "resources": {"cpu": 1, "memory": "2Gi"}}]},
        }

    def run(self, **secret: str) -> None:
        self.provider.create("azure-native:app:ContainerApp", self.app(**secret))

    def refused(self, code: str, act: Callable[[], object]) -> str:
        with pytest.raises(Failure) as refused:
            act()
        assert refused.value.code == code
        return str(refused.value)


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def test_an_app_gets_the_secret_that_its_identity_may_read(caller: Caller) -> None:
    said = caller.refused("InvalidParameterValueInContainerTemplate", caller.run)
    assert f"unable to fetch secret 'keys' using Managed identity '{IDENTITY}'" in said
    caller.assign(BLOB_READER, caller.principal)
    caller.refused("InvalidParameterValueInContainerTemplate", caller.run)
    caller.assign(SECRETS_USER, caller.principal)
    caller.azure.scenario(roleDelaySeconds=3600)
    caller.refused("InvalidParameterValueInContainerTemplate", caller.run)
    caller.azure.scenario(roleDelaySeconds=0)
    caller.run()
    directory = Directory({"resources": caller.azure.resources()}, caller.azure.subscription.scenario())
    assert resolved(caller.app(), directory)["configuration"]["secrets"] == [{"name": "keys", "value": "first"}]


@pytest.mark.parametrize(
    "secret",
    [
        {"keyVaultUrl": "https://vision-123456.vault.azure.net/secrets/others"},
        {"keyVaultUrl": "https://another.vault.azure.net/secrets/keys"},
        {"keyVaultUrl": "https://vision-123456.vault.azure.net/secrets/keys/0123456789abcdef0123456789abcdef"},
        {"identity": IDENTITY.replace("engine", "another")},
    ],
)
def test_references_that_lead_nowhere(caller: Caller, secret: Values) -> None:
    caller.assign(SECRETS_USER, caller.principal)
    app = caller.app(**secret)
    if "identity" in secret:
        caller.create("managedidentity:UserAssignedIdentity", resourceName="another", location="eastus")
    caller.refused(
        "InvalidParameterValueInContainerTemplate", lambda: caller.provider.create("azure-native:app:ContainerApp", app)
    )


def test_a_closed_vault_is_reached_through_a_private_endpoint_with_a_name(tmp_path: Path) -> None:
    caller = Caller(tmp_path, publicNetworkAccess="Disabled", networkAcls={"defaultAction": "Deny", "bypass": "AzureServices"})
    caller.assign(SECRETS_USER, caller.principal)
    caller.create(
        "network:VirtualNetwork",
        virtualNetworkName="vision",
        location="eastus",
        addressSpace={"addressPrefixes": ["10.0.0.0/16"]},
    )
    subnet, _ = caller.create(
        "network:Subnet", virtualNetworkName="vision", subnetName="endpoints", addressPrefix="10.0.0.0/24"
    )
    zone, _ = caller.create("privatedns:PrivateZone", privateZoneName="privatelink.vaultcore.azure.net", location="global")
    caller.refused("InvalidParameterValueInContainerTemplate", caller.run)
    connection = {"name": "vault", "privateLinkServiceId": VAULT_ID, "groupIds": ["vault"]}
    caller.create(
        "network:PrivateEndpoint",
        privateEndpointName="vault",
        location="eastus",
        subnet={"id": subnet},
        privateLinkServiceConnections=[connection],
    )
    caller.refused("InvalidParameterValueInContainerTemplate", caller.run)
    caller.create(
        "network:PrivateDnsZoneGroup",
        privateEndpointName="vault",
        privateDnsZoneGroupName="default",
        privateDnsZoneConfigs=[{"name": "vault", "privateDnsZoneId": zone}],
    )
    caller.run()


def test_a_secret_shows_no_value_and_each_request_makes_a_version(caller: Caller) -> None:
    secret_id = f"{VAULT_ID}/secrets/keys"
    inputs = IN_GROUP | {"vaultName": "vision-123456", "secretName": "keys", "properties": {"value": "second"}}
    outputs = caller.provider.update("azure-native:keyvault:Secret", secret_id, inputs)
    assert "second" not in str(outputs)
    assert outputs["properties"]["secretUri"] == "https://vision-123456.vault.azure.net/secrets/keys"
    assert outputs["properties"]["secretUriWithVersion"] != caller.url


def test_only_who_may_open_the_vault_deletes_a_secret(caller: Caller) -> None:
    secret = ("azure-native:keyvault:Secret", f"{VAULT_ID}/secrets/keys")
    assert "ForbiddenByRbac" in caller.refused("Forbidden", lambda: caller.provider.delete(*secret))
    caller.assign(SECRETS_OFFICER, CALLER_OBJECT_ID)
    caller.provider.delete(*secret)
    assert not caller.azure.resources("keyvault:Secret")


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"enablePurgeProtection": False}, "BadRequest"),
        ({"softDeleteRetentionInDays": 6}, "BadRequest"),
        ({"enableRbacAuthorization": False}, "BadRequest"),
    ],
)
def test_vaults_that_are_refused(caller: Caller, properties: Values, code: str) -> None:
    wanted = PROPERTIES | properties
    caller.refused(code, lambda: caller.create("keyvault:Vault", vaultName="vision-2", location="eastus", properties=wanted))


def test_the_days_of_soft_delete_stay(tmp_path: Path) -> None:
    caller = Caller(tmp_path, softDeleteRetentionInDays=90)
    inputs = IN_GROUP | {"vaultName": "vision-123456", "location": "eastus"}
    for days, refused in ((90, False), (7, True)):
        wanted = inputs | {"properties": PROPERTIES | {"softDeleteRetentionInDays": days}}
        if refused:
            said = caller.refused("BadRequest", lambda: caller.provider.update(VAULT, VAULT_ID, wanted))  # noqa: B023
            assert "can't be modified" in said
        else:
            caller.provider.update(VAULT, VAULT_ID, wanted)


def test_a_name_is_taken_once(caller: Caller) -> None:
    caller.azure.scenario(takenNames=["vision-9"])
    caller.refused(
        "VaultAlreadyExists",
        lambda: caller.create("keyvault:Vault", vaultName="vision-9", location="eastus", properties=PROPERTIES),
    )


@pytest.mark.process
@pytest.mark.parametrize("protected", [False, True])
def test_a_deleted_vault_blocks_its_name_until_it_is_purged_or_comes_back(
    tmp_path: Path, world: AzureWorld, credential: Callable[..., DefaultAzureCredential], *, protected: bool
) -> None:
    (world.folder / "state.json").unlink(missing_ok=True)
    caller = Caller(world.folder, **({"enablePurgeProtection": True} if protected else {}))
    caller.assign(SECRETS_USER, caller.principal)
    token = credential().get_token(MANAGEMENT_SCOPE).token

    def check(location: str = "East US") -> list[str]:
        return check_deleted_vault(token, DEFAULT_SCENARIO["subscriptionId"], location, "vision-123456")

    def purge() -> "subprocess.CompletedProcess[str]":
        script = az.install(tmp_path / "bin") / "az"
        command = [script, "keyvault", "purge", "--name", "vision-123456", "--location", "eastus"]
        return subprocess.run(
            command, env={**os.environ, **world.environment()}, capture_output=True, text=True, timeout=60, check=False
        )

    assert check() == []
    caller.provider.delete(VAULT, VAULT_ID)
    caller.refused(
        "ConflictError",
        lambda: caller.create("keyvault:Vault", vaultName="vision-123456", location="eastus", properties=PROPERTIES),
    )
    way = (
        "another name, since purge protection keeps this one until 20"
        if protected
        else "az keyvault purge --name vision-123456"
    )
    with pytest.raises(VaultDeleted, match=f"Nothing was created.*az keyvault recover --name vision-123456.*{way}"):
        check()
    assert check("West Europe") == []
    if protected:
        refused = purge()
        assert (refused.returncode, "(MethodNotAllowed)" in refused.stderr) == (1, True)
        done = follow(tmp_path, world, "The Key Vault", VAULT="vision-123456", LOCATION="eastus")
        assert done.returncode == 0, done.stderr
        assert list(caller.azure.resources("keyvault:Secret")) == [f"{VAULT_ID}/secrets/keys"]
        # Roles do not come back.
        caller.refused("InvalidParameterValueInContainerTemplate", caller.run)
    else:
        assert purge().returncode == 0
        caller.create("keyvault:Vault", vaultName="vision-123456", location="eastus", properties=PROPERTIES)
        assert not caller.azure.resources("keyvault:Secret")
    assert check() == []
