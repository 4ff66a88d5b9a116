"""What Azure refuses, because of what there is or who asks; the provider is called as the plugin calls it."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.azure.failure import Failure
from tests.stacks.azure.provider import ATTEMPTS, EmptyWorld, Provider, Values
from tests.stacks.azure.roles import DIRECTORY_DELAY_SECONDS, check_role_assignment
from tests.stacks.azure.rules import authorize
from tests.stacks.azure.schema import UNKNOWN
from tests.stacks.azure.stand_in import Azure
from tests.stacks.azure.subscription import DEFAULT_SCENARIO

SUBSCRIPTION = f"/subscriptions/{DEFAULT_SCENARIO['subscriptionId']}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/vision"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/visiontraining"
CONTAINER = f"{STORAGE}/blobServices/default/containers/training"
ACCOUNT = f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/vision"
READER = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
GUID = "2a2b9908-0000-4000-8000-00000000000{}"

IN_GROUP = {"resourceGroupName": "vision"}
INPUTS: dict[str, Values] = {
    "resources:ResourceGroup": IN_GROUP | {"location": "East US"},
    "storage:StorageAccount": IN_GROUP
    | {"accountName": "visiontraining", "location": "eastus", "kind": "StorageV2", "allowSharedKeyAccess": False},
    "storage:BlobContainer": IN_GROUP | {"accountName": "visiontraining", "containerName": "training"},
    "storage:BlobServiceProperties": IN_GROUP | {"accountName": "visiontraining", "blobServicesName": "default"},
    "storage:Blob": IN_GROUP | {"accountName": "visiontraining", "containerName": "training", "blobName": "a.png"},
    "managedidentity:UserAssignedIdentity": IN_GROUP | {"resourceName": "engine", "location": "eastus"},
    "cognitiveservices:Account": IN_GROUP
    | {
        "accountName": "vision",
        "location": "eastus",
        "kind": "ComputerVision",
        "sku": {"name": "S1"},
        "identity": {"type": "SystemAssigned"},
        "properties": {"customSubDomainName": "vision-of-a-test"},
    },
    "app:ManagedEnvironment": IN_GROUP | {"environmentName": "vision", "location": "eastus"},
    "network:VirtualNetwork": IN_GROUP | {"virtualNetworkName": "vision", "location": "eastus"},
    "network:Subnet": IN_GROUP | {"virtualNetworkName": "vision", "subnetName": "endpoints", "addressPrefix": "10.0.0.0/24"},
}


class Caller:
    """A caller of the stand-in, with few words for many calls."""

    def __init__(self, folder: Path) -> None:
        self.azure = Azure(folder)
        self.provider = Provider(folder, EmptyWorld())

    def create(self, resource_type: str, **changes: Any) -> tuple[str, Values]:  # noqa: ANN401 - JSON
        return self.provider.create(f"azure-native:{resource_type}", INPUTS.get(resource_type, {}) | changes)

    def create_all(self, *resource_types: str) -> None:
        for resource_type in resource_types:
            self.create(resource_type)

    def assign(self, principal: str, number: int = 1, **changes: Any) -> tuple[str, Values]:  # noqa: ANN401 - JSON
        inputs = {"scope": CONTAINER, "principalId": principal, "principalType": "ServicePrincipal", "roleDefinitionId": READER}
        return self.create("authorization:RoleAssignment", roleAssignmentName=GUID.format(number), **(inputs | changes))

    def refused(self, code: str, resource_type: str, **changes: Any) -> None:  # noqa: ANN401 - JSON
        with pytest.raises(Failure) as refused:
            self.create(resource_type, **changes)
        assert refused.value.code == code


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


@pytest.fixture
def with_container(caller: Caller) -> Caller:
    caller.create_all("resources:ResourceGroup", "storage:StorageAccount", "storage:BlobContainer")
    return caller


def test_parents_come_first(caller: Caller) -> None:
    caller.refused("ResourceGroupNotFound", "storage:StorageAccount")
    caller.create("resources:ResourceGroup")
    caller.refused("ParentResourceNotFound", "storage:BlobContainer")
    caller.create("storage:StorageAccount")
    assert caller.create("storage:BlobContainer")[0] == CONTAINER


def test_what_is_referred_to_exists(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    missing = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/engine"
    identity = {"type": "UserAssigned", "userAssignedIdentities": [missing]}
    caller.refused("LinkedResourceNotFound", "storage:StorageAccount", identity=identity)
    _, known = caller.create("managedidentity:UserAssignedIdentity")
    _, outputs = caller.create("storage:StorageAccount", identity=identity)
    expected = {key: known[key] for key in ("clientId", "principalId")}
    assert outputs["identity"]["userAssignedIdentities"] == {missing: expected}


def test_a_subnet_may_stand_in_its_network(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    network, _ = caller.create("network:VirtualNetwork", subnets=[{"name": "endpoints"}])
    account, _ = caller.create("storage:StorageAccount")
    inputs = {
        "privateEndpointName": "blobs",
        "location": "eastus",
        "subnet": {"id": f"{network}/subnets/endpoints"},
        "privateLinkServiceConnections": [{"privateLinkServiceId": account, "groupIds": ["blob"]}],
    }
    caller.create("network:PrivateEndpoint", **IN_GROUP, **inputs)
    with pytest.raises(Failure, match=r"CannotDeleteResource.*privateEndpoints/blobs"):
        caller.provider.delete("azure-native:network:VirtualNetwork", network)


RESTORABLE: Values = {
    "deleteRetentionPolicy": {"enabled": True, "days": 14},
    "isVersioningEnabled": True,
    "changeFeed": {"enabled": True},
    "restorePolicy": {"enabled": True, "days": 13},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"isVersioningEnabled": False},
        {"changeFeed": None},
        {"deleteRetentionPolicy": {"enabled": False}},
        {"deleteRetentionPolicy": {"enabled": True, "days": 13}},
        {"restorePolicy": {"enabled": True, "days": 0}},
    ],
)
def test_containers_are_restored_with_all_that_a_restore_needs(with_container: Caller, changes: Values) -> None:
    with_container.refused("InvalidValuesForRequestParameters", "storage:BlobServiceProperties", **RESTORABLE | changes)
    with_container.create("storage:BlobServiceProperties", **RESTORABLE)


def test_days_of_restore_are_lowered_before_those_of_soft_delete(with_container: Caller) -> None:
    kind = "azure-native:storage:BlobServiceProperties"
    blobs, _ = with_container.create("storage:BlobServiceProperties", **RESTORABLE)
    inputs = INPUTS["storage:BlobServiceProperties"] | RESTORABLE
    fewer = inputs | {"restorePolicy": {"enabled": True, "days": 5}}
    both = fewer | {"deleteRetentionPolicy": {"enabled": True, "days": 6}}
    with pytest.raises(Failure, match="ContainerOperationFailure"):
        with_container.provider.update(kind, blobs, both)
    with_container.provider.update(kind, blobs, fewer)
    with_container.provider.update(kind, blobs, both)


def test_containers_of_a_hierarchical_namespace_are_not_restored(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    caller.refused("SftpRequiresHns", "storage:StorageAccount", isSftpEnabled=True)
    caller.create("storage:StorageAccount", isHnsEnabled=True)
    caller.refused("ConflictFeatureEnabled", "storage:BlobServiceProperties", **RESTORABLE)


def test_a_lock_holds_what_it_is_on_below_and_in(with_container: Caller) -> None:
    _, identity = with_container.create("managedidentity:UserAssignedIdentity")
    assignment, _ = with_container.assign(identity["principalId"])
    kind = "authorization:ManagementLockByScope"
    lock, _ = with_container.create(kind, scope=STORAGE, lockName="vision-data", level="CanNotDelete")
    held = {
        "authorization:RoleAssignment": assignment,
        "storage:BlobContainer": CONTAINER,
        "storage:StorageAccount": STORAGE,
        "resources:ResourceGroup": GROUP,
    }
    for resource_type, id_ in held.items():
        with pytest.raises(Failure, match=r"ScopeLocked.*storageAccounts/visiontraining'\. Please remove the lock"):
            with_container.provider.delete(f"azure-native:{resource_type}", id_)
    # What is not below it can be deleted, and what it holds can be changed and made.
    with_container.provider.update("azure-native:storage:StorageAccount", STORAGE, INPUTS["storage:StorageAccount"])
    with_container.create("storage:BlobContainer", containerName="artifacts")
    with_container.provider.delete("azure-native:managedidentity:UserAssignedIdentity", f"{GROUP}/none")
    with_container.provider.delete(f"azure-native:{kind}", lock)
    for resource_type, id_ in held.items():
        with_container.provider.delete(f"azure-native:{resource_type}", id_)


THIS_MONTH = datetime.now(UTC).replace(day=1)
BUDGET: Values = {
    "scope": GROUP,
    "budgetName": "vision",
    "amount": 100.0,
    "category": "Cost",
    "timeGrain": "Monthly",
    "timePeriod": {"startDate": f"{THIS_MONTH:%Y-%m-%d}T00:00:00Z"},
    "notifications": {"actual80": {"enabled": True, "operator": "GreaterThan", "threshold": 80, "contactEmails": ["a@b.c"]}},
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"timePeriod": {"startDate": f"{THIS_MONTH - timedelta(days=1):%Y-%m}-01T00:00:00Z"}}, "within the timegrain"),
        ({"timePeriod": {"startDate": f"{THIS_MONTH:%Y-%m}-02T00:00:00Z"}}, "first of a month"),
        ({"notifications": {str(n): BUDGET["notifications"]["actual80"] for n in range(6)}}, "five notifications"),
        ({"notifications": {"actual80": {"enabled": True, "operator": "GreaterThan", "threshold": 80}}}, "needs contactEmails"),
    ],
)
def test_budgets_that_are_refused(caller: Caller, changes: Values, said: str) -> None:
    caller.create("resources:ResourceGroup")
    with pytest.raises(Failure, match=said):
        caller.create("consumption:Budget", **BUDGET | changes)


def test_a_budget_is_changed_in_a_later_month(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    budget, _ = caller.create("consumption:Budget", **BUDGET)
    earlier = BUDGET | {"timePeriod": {"startDate": f"{THIS_MONTH - timedelta(days=1):%Y-%m}-01T00:00:00Z"}}
    caller.provider.update("azure-native:consumption:Budget", budget, earlier | {"amount": 200.0})


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("Standard_LRS", "Standard_GRS", True),
        ("Standard_GZRS", "Standard_ZRS", True),
        ("Standard_LRS", "Standard_ZRS", False),
        ("Standard_GZRS", "Standard_GRS", False),
    ],
)
def test_no_update_moves_an_account_into_zones_or_out_of_them(
    caller: Caller, before: str, after: str, *, allowed: bool
) -> None:
    caller.create("resources:ResourceGroup")
    account, _ = caller.create("storage:StorageAccount", sku={"name": before})
    inputs = INPUTS["storage:StorageAccount"] | {"sku": {"name": after}}
    with nullcontext() if allowed else pytest.raises(Failure, match=f"ConversionNotAllowed.* from {before} to {after}"):
        caller.provider.update("azure-native:storage:StorageAccount", account, inputs)


def test_names_are_taken_once(with_container: Caller) -> None:
    with_container.refused("AlreadyExists", "storage:BlobContainer")
    with_container.create("resources:ResourceGroup", resourceGroupName="other")
    with_container.refused("StorageAccountAlreadyTaken", "storage:StorageAccount", resourceGroupName="other")
    with_container.create("cognitiveservices:Account")
    with_container.refused("CustomDomainInUse", "cognitiveservices:Account", accountName="second")
    with_container.azure.scenario(takenNames=["worldsfirst", "worlds-second"])
    with_container.refused("StorageAccountAlreadyTaken", "storage:StorageAccount", accountName="worldsfirst")
    with_container.refused(
        "CustomDomainInUse",
        "cognitiveservices:Account",
        accountName="second",
        properties={"customSubDomainName": "Worlds-Second"},
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"roleDefinitionId": "Storage Blob Data Reader"}, "RoleDefinitionDoesNotExist"),
        ({"scope": f"{CONTAINER}s"}, "ParentResourceNotFound"),
        ({"principalId": GUID.format(9)}, "PrincipalNotFound"),
        # A fresh identity, whose type is not said: the directory may not have heard of it.
        ({"principalType": None}, "PrincipalNotFound"),
        ({"principalType": "User"}, "UnmatchedPrincipalType"),
        ({"roleAssignmentName": "reader"}, "InvalidRoleAssignmentId"),
    ],
)
def test_role_assignments_that_are_refused(with_container: Caller, changes: Values, code: str) -> None:
    _, identity = with_container.create("managedidentity:UserAssignedIdentity")
    with_container.refused(
        code,
        "authorization:RoleAssignment",
        **{
            "scope": CONTAINER,
            "principalId": identity["principalId"],
            "principalType": "ServicePrincipal",
            "roleDefinitionId": READER,
            "roleAssignmentName": GUID.format(1),
        }
        | changes,
    )


def test_role_assignments(with_container: Caller) -> None:
    _, identity = with_container.create("managedidentity:UserAssignedIdentity")
    assignment, _ = with_container.assign(identity["principalId"])
    assert assignment == f"{CONTAINER}/providers/Microsoft.Authorization/roleAssignments/{GUID.format(1)}"
    with pytest.raises(Failure, match="RoleAssignmentExists"):
        with_container.assign(identity["principalId"], 2)
    # For another scope, for an identity that a resource has of its own, and for the deployer.
    with_container.assign(identity["principalId"], 3, scope=STORAGE)
    _, vision = with_container.create("cognitiveservices:Account")
    with_container.assign(vision["identity"]["principalId"], 4)
    with_container.assign(DEFAULT_SCENARIO["caller"]["objectId"], 5, principalType="User")
    assert len(with_container.azure.resources("authorization:RoleAssignment")) == 4


GROUP_ROLE: Values = {
    "scope": GROUP,
    "roleDefinitionId": GUID.format(7),
    "roleName": "Vision Blob Adder (visiontraining)",
    "permissions": [{"dataActions": [f"{BLOBS}/add/action"]}],
    "assignableScopes": [GROUP],
}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"roleDefinitionId": "adder"}, "InvalidRoleDefinitionId"),
        ({"roleName": None}, "RoleDefinitionNameInvalid"),
        ({"roleName": "x" * 513}, "RoleDefinitionNameInvalid"),
        # In the tenant, whatever the letter case.
        ({"roleName": "vision blob adder (VISIONTRAINING)"}, "RoleDefinitionWithSameNameExists"),
        ({"assignableScopes": []}, "MissingAssignableScopes"),
        ({"assignableScopes": [f"{GROUP}-2"]}, "LinkedResourceNotFound"),
        ({"permissions": [{"dataActions": [f"{BLOBS}/add"]}]}, "InvalidActionOrNotAction"),
    ],
)
def test_role_definitions_that_are_refused(with_container: Caller, changes: Values, code: str) -> None:
    with_container.create("authorization:RoleDefinition", **GROUP_ROLE)
    other = {"roleDefinitionId": GUID.format(8), "roleName": "other"}
    with_container.refused(code, "authorization:RoleDefinition", **GROUP_ROLE | other | changes)


def test_a_custom_role_is_defined_before_and_deleted_after_its_assignments(with_container: Caller) -> None:
    _, identity = with_container.create("managedidentity:UserAssignedIdentity")
    role = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{GUID.format(7)}"
    with pytest.raises(Failure, match="RoleDefinitionDoesNotExist"):
        with_container.assign(identity["principalId"], roleDefinitionId=role)
    definition, outputs = with_container.create("authorization:RoleDefinition", **GROUP_ROLE)
    assert definition == f"{GROUP}/providers/Microsoft.Authorization/roleDefinitions/{GUID.format(7)}"
    assert (outputs["roleType"], outputs["permissions"][0]["actions"]) == ("CustomRole", [])
    with_container.create("resources:ResourceGroup", resourceGroupName="other")
    with_container.create("storage:StorageAccount", resourceGroupName="other", accountName="othertraining")
    with pytest.raises(Failure, match="RoleAssignmentScopeNotAssignableToRoleDefinition"):
        with_container.assign(
            identity["principalId"],
            roleDefinitionId=role,
            scope=f"{SUBSCRIPTION}/resourceGroups/other/providers/Microsoft.Storage/storageAccounts/othertraining",
        )
    assignment, _ = with_container.assign(identity["principalId"], roleDefinitionId=role)
    full = "azure-native:authorization:RoleDefinition"
    changed = GROUP_ROLE | {"roleName": "Vision Blob Adder (renamed)"}
    assert with_container.provider.update(full, definition, changed)["roleName"] == "Vision Blob Adder (renamed)"
    with pytest.raises(Failure, match="RoleDefinitionHasAssignments"):
        with_container.provider.delete(full, definition)
    with_container.provider.delete("azure-native:authorization:RoleAssignment", assignment)
    with_container.provider.delete(full, definition)
    assert with_container.azure.resources("authorization:RoleDefinition") == {}


def test_a_custom_role_outlives_the_group_that_it_is_for(with_container: Caller) -> None:
    with_container.create("authorization:RoleDefinition", **GROUP_ROLE)
    with_container.provider.delete("azure-native:resources:ResourceGroup", GROUP)
    assert list(with_container.azure.resources()) == [
        f"{GROUP}/providers/Microsoft.Authorization/roleDefinitions/{GUID.format(7)}"
    ]


def test_the_directory_hears_of_an_identity_in_time(with_container: Caller) -> None:
    _, identity = with_container.create("managedidentity:UserAssignedIdentity")
    inputs = {"scope": CONTAINER, "principalId": identity["principalId"], "roleDefinitionId": READER}
    state = with_container.azure.subscription.state()
    (created,) = [resource["created"] for resource in state.of_type("managedidentity:UserAssignedIdentity").values()]
    check_role_assignment(inputs, state, DEFAULT_SCENARIO["caller"], now=created + DIRECTORY_DELAY_SECONDS)
    with pytest.raises(Failure, match="set principalType to ServicePrincipal"):
        check_role_assignment(inputs, state, DEFAULT_SCENARIO["caller"], now=created + DIRECTORY_DELAY_SECONDS - 1)


@pytest.mark.parametrize(
    ("action", "actions", "not_actions", "allowed"),
    [
        ("Microsoft.Storage/storageAccounts/write", ["*"], [], True),
        ("Microsoft.Storage/storageAccounts/write", ["microsoft.storage/*"], [], True),
        ("Microsoft.Storage/storageAccounts/write", ["*/read"], [], False),
        # What a Contributor may do.
        ("Microsoft.Authorization/roleAssignments/write", ["*"], ["Microsoft.Authorization/*/Write"], False),
        ("Microsoft.Authorization/roleAssignments/read", ["*"], ["Microsoft.Authorization/*/Write"], True),
    ],
)
def test_rights(action: str, actions: list[str], not_actions: list[str], *, allowed: bool) -> None:
    caller = {"clientId": "app", "objectId": "person", "actions": actions, "notActions": not_actions}
    if allowed:
        authorize(action, GROUP, caller)
    else:
        with pytest.raises(Failure, match=f"AuthorizationFailed.*'person'.*'{action}' over scope '{GROUP}'"):
            authorize(action, GROUP, caller)


def test_each_operation_takes_a_right(with_container: Caller) -> None:
    with_container.azure.scenario(caller={"actions": []})
    provider, container = with_container.provider, "azure-native:storage:BlobContainer"
    for act in (
        lambda: provider.create(container, INPUTS["storage:BlobContainer"] | {"containerName": "artifacts"}),
        lambda: provider.read(container, CONTAINER),
        lambda: provider.update(container, CONTAINER, INPUTS["storage:BlobContainer"]),
        lambda: provider.delete(container, CONTAINER),
        lambda: provider.invoke("azure-native:storage:listStorageAccountKeys", INPUTS["storage:StorageAccount"]),
    ):
        with pytest.raises(Failure, match="AuthorizationFailed"):
            act()
    assert len(with_container.azure.resources()) == 3


SERVER_INPUTS: Values = {
    **IN_GROUP,
    "serverName": "vision-db",
    "location": "centralus",
    "authConfig": {"activeDirectoryAuth": "Enabled", "passwordAuth": "Disabled"},
}
PRINCIPAL: Values = {
    **IN_GROUP,
    "serverName": "vision-db",
    "objectId": GUID.format(3),
    "principalName": "vision-database",
    "principalType": "ServicePrincipal",
    "tenantId": DEFAULT_SCENARIO["tenantId"],
}


def test_a_server_that_was_made_without_passwords_takes_none_without_an_administrator(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    server, _ = caller.create("dbforpostgresql:Server", **SERVER_INPUTS)
    full = "azure-native:dbforpostgresql:Server"
    both = SERVER_INPUTS | {"authConfig": {"activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled"}}
    with pytest.raises(Failure, match="EngineCredentialsNotProvided"):
        caller.provider.update(full, server, both | {"administratorLoginPassword": "Correct-horse-7"})
    login = {"administratorLogin": "vision", "administratorLoginPassword": "Correct-horse-7"}
    caller.provider.update(full, server, both | login)
    # Once it has an administrator with a password, the login comes along in each request, or is left out.
    caller.provider.update(full, server, SERVER_INPUTS | {"administratorLogin": "vision"})


def test_administrators_of_entra_need_a_server_that_knows_tokens(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    caller.refused("ParentResourceNotFound", "dbforpostgresql:AdministratorsMicrosoftEntra", **PRINCIPAL)
    by_password: Values = {"administratorLogin": "vision", "administratorLoginPassword": "Correct-horse-7", "authConfig": None}
    server, _ = caller.create("dbforpostgresql:Server", **SERVER_INPUTS | by_password)
    caller.refused("AadAuthNotEnabled", "dbforpostgresql:AdministratorsMicrosoftEntra", **PRINCIPAL)
    caller.provider.update("azure-native:dbforpostgresql:Server", server, SERVER_INPUTS)
    too_long = PRINCIPAL | {"principalName": "x" * 64}
    caller.refused("InvalidParameterValue", "dbforpostgresql:AdministratorsMicrosoftEntra", **too_long)
    entry, outputs = caller.create("dbforpostgresql:AdministratorsMicrosoftEntra", **PRINCIPAL)
    assert entry == f"{server}/administrators/{PRINCIPAL['objectId']}"
    assert outputs["principalName"] == "vision-database"


def test_a_role_may_be_on_a_queue(caller: Caller) -> None:
    caller.create_all("resources:ResourceGroup", "storage:StorageAccount", "managedidentity:UserAssignedIdentity")
    principal = next(iter(caller.azure.resources("managedidentity:UserAssignedIdentity").values()))["outputs"]["principalId"]
    role = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/974c5e8b-45b9-4653-ba55-5f855dd0fb88"
    queue = f"{STORAGE}/queueServices/default/queues/workers"
    with pytest.raises(Failure, match="ParentResourceNotFound"):
        caller.assign(principal, scope=queue, roleDefinitionId=role)
    made, _ = caller.create("storage:Queue", **IN_GROUP, accountName="visiontraining", queueName="workers")
    assert made == queue
    caller.assign(principal, scope=queue, roleDefinitionId=role)


def test_a_deleted_account_can_be_restored(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    _, first = caller.create("cognitiveservices:Account")
    caller.provider.delete("azure-native:cognitiveservices:Account", ACCOUNT)
    assert (list(caller.azure.resources()), list(caller.azure.deleted())) == ([GROUP], [ACCOUNT])
    caller.refused("FlagMustBeSetForRestore", "cognitiveservices:Account")
    # Its subdomain is held, too.
    caller.refused("CustomDomainInUse", "cognitiveservices:Account", accountName="second")
    properties = {"customSubDomainName": "vision-of-a-test", "restore": True}
    _, second = caller.create("cognitiveservices:Account", properties=properties)
    assert second["identity"] == first["identity"]
    assert "restore" not in second["properties"]
    assert caller.azure.deleted() == {}
    # Nothing is left to restore: neither by a later update, nor by another account.
    inputs = INPUTS["cognitiveservices:Account"] | {"properties": properties, "tags": {"owner": "vision"}}
    with pytest.raises(Failure, match="CanNotRestoreANonExistingResource"):
        caller.provider.update("azure-native:cognitiveservices:Account", ACCOUNT, inputs)
    inputs["properties"] = {"customSubDomainName": "vision-of-a-test"}
    caller.provider.update("azure-native:cognitiveservices:Account", ACCOUNT, inputs)
    caller.refused("CanNotRestoreANonExistingResource", "cognitiveservices:Account", accountName="second", properties=RESTORED)


RESTORED = {"customSubDomainName": "another-of-a-test", "restore": True}


def test_a_kind_of_account_whose_terms_nobody_has_accepted(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    caller.azure.scenario(termsNotAccepted=["ComputerVision"])
    caller.refused("ResourceKindRequireAcceptTerms", "cognitiveservices:Account")
    caller.azure.scenario(termsNotAccepted=None)
    account, _ = caller.create("cognitiveservices:Account")
    # Who has an account keeps it.
    caller.azure.scenario(termsNotAccepted=["ComputerVision"])
    caller.provider.update("azure-native:cognitiveservices:Account", account, INPUTS["cognitiveservices:Account"])


def test_an_account_settles_before_it_takes_a_private_endpoint(caller: Caller) -> None:
    caller.azure.scenario(accountSettlesSeconds=60)
    caller.create_all("resources:ResourceGroup", "network:VirtualNetwork", "cognitiveservices:Account")
    subnet, _ = caller.create("network:VirtualNetwork", virtualNetworkName="other", subnets=[{"name": "endpoints"}])
    endpoint = {
        "privateEndpointName": "vision",
        "location": "eastus",
        "subnet": {"id": f"{subnet}/subnets/endpoints"},
        "privateLinkServiceConnections": [{"privateLinkServiceId": ACCOUNT, "groupIds": ["account"]}],
    }
    caller.refused("AccountProvisioningStateInvalid", "network:PrivateEndpoint", **IN_GROUP, **endpoint)
    with pytest.raises(Failure, match="RequestConflict"):
        caller.provider.update("azure-native:cognitiveservices:Account", ACCOUNT, INPUTS["cognitiveservices:Account"])
    with caller.azure.subscription.locked() as state:
        state.resources[ACCOUNT]["written"] -= 60
    caller.create("network:PrivateEndpoint", **IN_GROUP, **endpoint)
    # Each write makes it unsettled again.
    caller.provider.update("azure-native:cognitiveservices:Account", ACCOUNT, INPUTS["cognitiveservices:Account"])
    caller.refused(
        "AccountProvisioningStateInvalid",
        "network:PrivateEndpoint",
        **IN_GROUP | endpoint | {"privateEndpointName": "second"},
    )


@pytest.mark.parametrize(
    ("resource_type", "made", "changed", "code"),
    [
        (
            "storage:StorageAccount",
            {"encryption": {"requireInfrastructureEncryption": True}},
            {"encryption": {"requireInfrastructureEncryption": False}},
            "AccountPropertyCannotBeUpdated",
        ),
        (
            "cognitiveservices:Account",
            {},
            {"properties": {"customSubDomainName": "another-of-a-test"}},
            "PropertyChangeNotAllowed",
        ),
    ],
)
def test_what_can_never_change(
    caller: Caller, resource_type: str, made: dict[str, Any], changed: dict[str, Any], code: str
) -> None:
    caller.create("resources:ResourceGroup")
    resource_id, outputs = caller.create(resource_type, **made)
    full = f"azure-native:{resource_type}"
    with pytest.raises(Failure, match=code):
        caller.provider.update(full, resource_id, INPUTS[resource_type] | changed)
    # What a request leaves out stays.
    caller.provider.update(full, resource_id, INPUTS[resource_type])
    assert caller.azure.resources()[resource_id]["outputs"]["name"] == outputs["name"]


def test_a_network_can_not_be_changed_or_added_later(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    network, _ = caller.create("network:VirtualNetwork", subnets=[{"name": "apps"}, {"name": "others"}])
    environment, full = "app:ManagedEnvironment", "azure-native:app:ManagedEnvironment"
    alone, _ = caller.create(environment)
    inside = {"vnetConfiguration": {"infrastructureSubnetId": f"{network}/subnets/apps", "internal": True}}
    # Azure takes no notice of it (microsoft/azure-container-apps#851).
    assert "vnetConfiguration" not in caller.provider.update(full, alone, INPUTS[environment] | inside)
    other, _ = caller.create(environment, environmentName="other", **inside)
    inside["vnetConfiguration"]["infrastructureSubnetId"] = f"{network}/subnets/others"
    with pytest.raises(Failure, match="ManagedEnvironmentInfraSubnetIdCannotBeUpdated"):
        caller.provider.update(full, other, INPUTS[environment] | {"environmentName": "other"} | inside)


def test_an_account_that_somebody_deleted_before(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    caller.azure.scenario(softDeleted=["vision"])
    caller.refused("FlagMustBeSetForRestore", "cognitiveservices:Account")
    caller.create("cognitiveservices:Account", properties={"restore": True})
    with pytest.raises(Failure, match="CanNotRestoreANonExistingResource"):
        caller.provider.update(
            "azure-native:cognitiveservices:Account",
            ACCOUNT,
            INPUTS["cognitiveservices:Account"] | {"properties": {"restore": True}},
        )


def test_a_group_takes_along_what_is_in_it(with_container: Caller) -> None:
    with_container.create("cognitiveservices:Account")
    with_container.provider.delete("azure-native:resources:ResourceGroup", GROUP)
    assert with_container.azure.resources() == {}
    assert list(with_container.azure.deleted()) == [ACCOUNT]
    # What is gone is as good as deleted.
    with_container.provider.delete("azure-native:storage:StorageAccount", STORAGE)


def test_keys_that_are_switched_off(with_container: Caller) -> None:
    with_container.refused("KeyBasedAuthenticationNotPermitted", "storage:Blob")
    arguments = {"resourceGroupName": "vision", "accountName": "visiontraining"}
    with pytest.raises(Failure, match="KeyBasedAuthenticationNotPermitted"):
        with_container.provider.invoke("azure-native:storage:listStorageAccountKeys", arguments)
    with_container.azure.change(STORAGE, "allowSharedKeyAccess", value=True)
    (first, _) = with_container.provider.invoke("azure-native:storage:listStorageAccountKeys", arguments)["keys"]
    assert (first["keyName"], len(first["value"])) == ("key1", 64)
    with_container.create("storage:Blob")


def test_public_access_that_the_account_forbids(with_container: Caller) -> None:
    public = {"containerName": "public", "publicAccess": "Blob"}
    with_container.refused("PublicAccessNotPermitted", "storage:BlobContainer", **public)
    with_container.azure.change(STORAGE, "allowBlobPublicAccess", value=True)
    with_container.create("storage:BlobContainer", **public)


def test_a_singleton_is_there_with_its_parent(with_container: Caller) -> None:
    for days in (7, 14):
        policy = {"enabled": True, "days": days}
        _, outputs = with_container.create("storage:BlobServiceProperties", deleteRetentionPolicy=policy)
        assert (outputs["name"], outputs["deleteRetentionPolicy"]) == ("default", policy)


def test_who_is_asking(caller: Caller) -> None:
    caller.azure.scenario(tenantId="a tenant", caller={"objectId": "a person"})
    found = caller.provider.invoke("azure-native:authorization:getClientConfig", {})
    defaults = DEFAULT_SCENARIO
    assert found == {
        "clientId": defaults["caller"]["clientId"],
        "objectId": "a person",
        "subscriptionId": defaults["subscriptionId"],
        "tenantId": "a tenant",
    }


@pytest.mark.parametrize("every", [2, 3])
def test_a_throttled_call_is_sent_again(caller: Caller, every: int) -> None:
    caller.azure.scenario(throttleEvery=every)
    caller.create_all("resources:ResourceGroup", "storage:StorageAccount", "storage:BlobContainer")
    assert [call["answer"] for call in caller.azure.calls()].count("TooManyRequests") >= 1
    assert len(caller.azure.resources()) == 3


def test_throttling_that_does_not_end(caller: Caller) -> None:
    caller.azure.scenario(throttleEvery=1)
    caller.refused("TooManyRequests", "resources:ResourceGroup")
    assert len(caller.azure.calls()) == ATTEMPTS


def test_failures_that_are_planned(caller: Caller) -> None:
    planned = {
        "type": "storage:StorageAccount",
        "operation": "create",
        "times": 2,
        "code": "ServerBusy",
        "message": "try later",
    }
    for _ in range(2):  # told again, it happens again
        caller.azure.scenario(fail=[planned])
        caller.create("resources:ResourceGroup")
        for _ in range(2):
            caller.refused("ServerBusy", "storage:StorageAccount")
        caller.create("storage:StorageAccount")
        caller.provider.delete("azure-native:resources:ResourceGroup", GROUP)


def test_drift(with_container: Caller) -> None:
    container = "azure-native:storage:BlobContainer"
    before = with_container.provider.read(container, CONTAINER)
    with_container.azure.change(CONTAINER, "metadata.owner", value="somebody")
    after = with_container.provider.read(container, CONTAINER)
    assert before
    assert after
    assert [part.get("metadata") for part in (*before, *after)] == [None, None, {"owner": "somebody"}, {"owner": "somebody"}]
    with_container.azure.remove(STORAGE)
    assert with_container.provider.read(container, CONTAINER) is None
    with pytest.raises(KeyError, match=r"there is no .*storageAccounts/visiontraining"):
        with_container.azure.change(STORAGE, "tags.owner", value="somebody")


def test_an_update_keeps_what_azure_made_up(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    identity, first = caller.create("managedidentity:UserAssignedIdentity")
    inputs = INPUTS["managedidentity:UserAssignedIdentity"] | {"tags": {"owner": "vision"}}
    second = caller.provider.update("azure-native:managedidentity:UserAssignedIdentity", identity, inputs)
    assert second == first | {"tags": {"owner": "vision"}}
    # Deleted and made again, it is another one.
    caller.azure.remove(identity)
    assert caller.create("managedidentity:UserAssignedIdentity")[1]["principalId"] != first["principalId"]


def test_check_fills_in_what_azure_native_does(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")

    def checked(resource_type: str, old: Values, new: Values) -> Values:
        return caller.provider.check(f"azure-native:{resource_type}", "storage", old, new, b"seed")[0]

    first = checked("storage:StorageAccount", {}, IN_GROUP)
    assert first["accountName"].startswith("storage")
    assert len(first["accountName"]) == len("storage") + 8
    assert first["location"] == "eastus"
    assert first["__createBeforeDelete"] is True
    # A name that was made up stays; children are named as the program names them.
    assert checked("storage:StorageAccount", first, IN_GROUP) == first
    assert checked("storage:StorageAccount", {"accountName": "visiontraining"}, IN_GROUP) == IN_GROUP | {
        "accountName": "visiontraining",
        "location": "eastus",
    }
    assert checked("storage:StorageAccount", {}, {"resourceGroupName": UNKNOWN})["location"] == UNKNOWN
    assert checked("storage:BlobContainer", {}, IN_GROUP)["containerName"] == "storage"
    caller.provider.config = {"location": "westeurope"}
    assert checked("storage:StorageAccount", {}, IN_GROUP)["location"] == "westeurope"


def test_a_preview_knows_the_inputs_alone(caller: Caller) -> None:
    inputs = INPUTS["storage:StorageAccount"]
    new = caller.provider.preview("azure-native:storage:StorageAccount", inputs, None)
    assert (new["kind"], new["primaryEndpoints"], new["name"]) == ("StorageV2", UNKNOWN, UNKNOWN)
    old = {"name": "visiontraining", "location": "eastus", "primaryEndpoints": {"blob": "https://…"}}
    changed = caller.provider.preview("azure-native:storage:StorageAccount", inputs, old)
    assert (changed["name"], changed["primaryEndpoints"]) == ("visiontraining", UNKNOWN)


def test_a_type_and_a_function_that_are_not_known(caller: Caller) -> None:
    caller.refused("NotImplemented", "sql:Server")
    with pytest.raises(Failure, match="it knows authorization:getClientConfig, "):
        caller.provider.invoke("azure-native:sql:getServer", {})


class RecordingWorld:
    """Notes what it is told, and gives storage accounts an endpoint of its own."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def apply(self, resource_type: str, resource_id: str, inputs: Values, outputs: Values) -> Values:
        self.told.append(("apply", resource_type))
        if inputs.get("containerName") == "broken":
            raise RuntimeError("the container doesn't start")
        return outputs | ({"primaryEndpoints": {"blob": "https://127.0.0.2:1/"}} if "primaryEndpoints" in outputs else {})

    def remove(self, resource_type: str, resource_id: str) -> None:
        self.told.append(("remove", resource_type))


def test_what_runs_follows(with_container: Caller) -> None:
    world = RecordingWorld()
    with_container.provider.running = world
    account, container = "azure-native:storage:StorageAccount", "azure-native:storage:BlobContainer"
    changed = with_container.provider.update(account, STORAGE, INPUTS["storage:StorageAccount"])
    assert changed["primaryEndpoints"] == {"blob": "https://127.0.0.2:1/"}
    assert with_container.azure.resources()[STORAGE]["outputs"] == changed
    with pytest.raises(RuntimeError):
        with_container.create("storage:BlobContainer", containerName="broken")
    assert list(with_container.azure.resources()) == [GROUP, STORAGE, CONTAINER]
    with_container.create("managedidentity:UserAssignedIdentity")
    with_container.provider.delete("azure-native:resources:ResourceGroup", GROUP)
    assert world.told == [("apply", account), ("apply", container), ("remove", container), ("remove", account)]


SERVER_TYPE = "azure-native:dbforpostgresql:Server"
SERVER: Values = IN_GROUP | {
    "serverName": "vision-jobs",
    "location": "centralus",
    "administratorLogin": "vision",
    "administratorLoginPassword": "Correct-horse-7",
    "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
    "storage": {"storageSizeGB": 64},
    "availabilityZone": "",
    "backup": {"geoRedundantBackup": "Disabled"},
    "highAvailability": {"mode": "ZoneRedundant", "standbyAvailabilityZone": ""},
}


@pytest.fixture
def with_server(caller: Caller) -> tuple[Caller, str]:
    caller.create("resources:ResourceGroup")
    return caller, caller.create("dbforpostgresql:Server", **SERVER)[0]


def update_server(caller: Caller, server_id: str, **changes: Any) -> Values:  # noqa: ANN401 - JSON
    return caller.provider.update(SERVER_TYPE, server_id, SERVER | changes)


def test_azure_chooses_the_zones_of_a_server(with_server: tuple[Caller, str]) -> None:
    caller, server_id = with_server
    made = caller.azure.resources()[server_id]["outputs"]
    assert (made["availabilityZone"], made["highAvailability"]["standbyAvailabilityZone"]) == ("1", "2")
    caller.azure.fail_over(server_id)
    # It is read as azure-native does: what changed among the outputs, changed among the inputs.
    read = caller.provider.read(SERVER_TYPE, server_id)
    assert read is not None
    outputs, inputs = read
    for values in (outputs, inputs):
        assert (values["availabilityZone"], values["highAvailability"]["standbyAvailabilityZone"]) == ("2", "1")
    # Pulumi would replace the server to put it back into a zone that nobody asked for.
    assert caller.provider.diff(SERVER_TYPE, inputs, SERVER)["availabilityZone"].replaces
    # Empty zones are left to Azure; another zone is refused.
    assert update_server(caller, server_id, tags={"owner": "vision"})["availabilityZone"] == "2"
    with pytest.raises(Failure, match=r"InvalidParameterValue.*availabilityZone"):
        update_server(caller, server_id, availabilityZone="1")


def test_a_disk_never_becomes_smaller(with_server: tuple[Caller, str]) -> None:
    caller, server_id = with_server
    caller.azure.grow_disk(server_id, 128)
    with pytest.raises(Failure, match=r"DowngradeDiskSizeUnsupported.*'65536' cannot be less than current size '131072'"):
        update_server(caller, server_id, tags={"owner": "vision"})
    assert update_server(caller, server_id, storage={"storageSizeGB": 256})["storage"]["storageSizeGB"] == 256


@pytest.mark.parametrize(
    ("path", "value", "replaces"),
    [
        ("administratorLogin", "another", True),
        ("availabilityZone", "3", True),
        ("backup", {"geoRedundantBackup": "Enabled"}, False),
        ("sourceServerResourceId", "/subscriptions/s/…", True),
        ("createMode", "Update", False),
        ("network", {"delegatedSubnetResourceId": "/subscriptions/s/…"}, False),
        ("highAvailability", {"mode": "Disabled"}, False),
        ("storage", {"storageSizeGB": 128}, False),
    ],
)
def test_what_of_a_server_only_a_create_sets(caller: Caller, path: str, value: object, *, replaces: bool) -> None:
    found = caller.provider.diff(SERVER_TYPE, SERVER, SERVER | {path: value})
    assert any(change.replaces for change in found.values()) is replaces


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"location": "eastus"}, "HADisabledForRegion"),
        ({"location": "westus2", "highAvailability": {"mode": "SameZone"}}, "ParameterOutOfRange"),
        ({"location": "westus3", "backup": {"geoRedundantBackup": "Enabled"}}, "ParameterOutOfRange"),
        ({"location": "germanynorth"}, "LocationIsOfferRestricted"),
        ({"location": "belgiumcentral"}, "LocationNotAvailableForResourceType"),
    ],
)
def test_a_server_that_its_region_does_not_offer(caller: Caller, changes: Values, code: str) -> None:
    caller.create("resources:ResourceGroup")
    caller.refused(code, "dbforpostgresql:Server", **SERVER | changes)


def test_a_server_for_which_a_region_has_no_room(caller: Caller) -> None:
    caller.create("resources:ResourceGroup")
    caller.azure.scenario(restrictedRegions=["centralus"])
    caller.refused("LocationIsOfferRestricted", "dbforpostgresql:Server", **SERVER)
    caller.azure.scenario(restrictedRegions=None, withoutCapacity={"centralus": ["Standard_D2ds_v5"]})
    caller.refused("ParameterOutOfRange", "dbforpostgresql:Server", **SERVER)
