"""What azure-mgmt-authorization and DefaultAzureCredential are answered."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.mgmt.authorization import AuthorizationManagementClient

from tests.stacks.azure.authority import MANAGEMENT, MANAGEMENT_SCOPE
from tests.stacks.azure.directory import CALLER_CLIENT_ID, CALLER_OBJECT_ID, SUBSCRIPTION_ID, TENANT_ID, write_scenario
from tests.stacks.azure.identity import Place
from tests.stacks.azure.roles import matches
from tests.stacks.azure.services import AzureWorld
from tests.stacks.azure.subscription import Subscription
from tests.stacks.azure.written_state import CONTAINER, GROUP, IDENTITY, READER, State
from vision_customization.components.azure.args import DatabaseSize
from vision_customization.components.azure.capabilities import Found, NotOffered, check_capabilities
from vision_customization.components.azure.deleted_vault import check_deleted_vault
from vision_customization.components.azure.preflight import Caller, check_deleted_account
from vision_customization.components.azure.registration import check_registered
from vision_customization.components.azure.resource_manager import NotRegistered

pytestmark = pytest.mark.process

Credentials = Callable[..., DefaultAzureCredential]
SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION_ID}"


@pytest.fixture
def management(world: AzureWorld, state: State, credential: Credentials) -> Iterator[AuthorizationManagementClient]:
    with AuthorizationManagementClient(
        credential(),
        SUBSCRIPTION_ID,
        base_url=world.management.url,
        credential_scopes=[MANAGEMENT_SCOPE],
    ) as client:
        yield client


@pytest.fixture
def caller(world: AzureWorld) -> Iterator[Callable[..., None]]:
    """Says what the caller may."""

    def may(*actions: str, but: tuple[str, ...] = ()) -> None:
        who = {"objectId": CALLER_OBJECT_ID, "clientId": CALLER_CLIENT_ID}
        write_scenario(world.folder, {"caller": {**who, "actions": actions, "notActions": but}})

    yield may
    may("*")


def test_the_callers_permissions_are_the_scenarios(
    management: AuthorizationManagementClient, caller: Callable[..., None]
) -> None:
    assert [found.actions for found in management.permissions.list_for_resource_group("RG")] == [["*"]]
    caller("*", but=("Microsoft.Authorization/*/Write",))
    found = next(
        iter(management.permissions.list_for_resource("rg", "Microsoft.Storage", "", "storageAccounts", "visiontraining"))
    )
    assert (found.actions, found.not_actions) == (["*"], ["Microsoft.Authorization/*/Write"])
    with pytest.raises(ResourceNotFoundError, match="ResourceGroupNotFound"):
        list(management.permissions.list_for_resource_group("none"))


@pytest.mark.parametrize(
    ("action", "pattern", "allowed"),
    [
        ("Microsoft.App/jobs/write", "*", True),
        ("Microsoft.App/jobs/write", "microsoft.app/*", True),
        ("Microsoft.App/jobs/write", "*/read", False),
        ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "*/userAssignedIdentities/*/assign/action", True),
        ("Microsoft.ManagedIdentity/userAssignedIdentities/write", "*/userAssignedIdentities/*/assign/action", False),
    ],
)
def test_a_right_is_a_pattern(action: str, pattern: str, allowed: bool) -> None:
    assert matches(action, [pattern]) is allowed


def test_assignments_are_those_of_the_state_and_the_callers_own(
    management: AuthorizationManagementClient, state: State, caller: Callable[..., None]
) -> None:
    caller("Microsoft.Authorization/*/read", "Microsoft.Storage/*")
    assignment = state.assign(READER, "engine-object", CONTAINER)
    own = list(management.role_assignments.list_for_subscription(filter=f"assignedTo('{CALLER_OBJECT_ID}')"))
    assert [found.scope for found in own] == [SUBSCRIPTION]
    (permission,) = management.role_definitions.get_by_id(own[0].role_definition_id).permissions
    assert permission.actions == ["Microsoft.Authorization/*/read", "Microsoft.Storage/*"]
    (permission,) = management.role_definitions.get_by_id(
        f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    ).permissions
    assert permission.actions == []
    of_container = list(management.role_assignments.list_for_scope(CONTAINER))
    assert [found.principal_id for found in of_container] == [CALLER_OBJECT_ID, "engine-object"]
    assert of_container[1].id == assignment
    of_group = management.role_assignments.list_for_scope(GROUP, filter="atScope()")
    assert [found.principal_id for found in of_group] == [CALLER_OBJECT_ID]


def test_who_may_not_read_roles_is_told_which_action_is_missing(
    management: AuthorizationManagementClient, caller: Callable[..., None]
) -> None:
    caller("Microsoft.Storage/*")
    with pytest.raises(HttpResponseError, match=r"Microsoft\.Authorization/roleAssignments/read") as refused:
        list(management.role_assignments.list_for_scope(GROUP))
    assert refused.value.status_code == 403


def test_without_a_token_of_its_own_nothing_is_answered(world: AzureWorld, state: State, credential: Credentials) -> None:
    url = f"{world.management.url}{GROUP}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    assert requests.get(url, timeout=10).status_code == 401
    token = credential().get_token("https://storage.azure.com/.default").token
    assert requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code == 401


def test_resource_manager_is_asked_at_its_own_name_and_no_other_is_reached(state: State, credential: Credentials) -> None:
    token = credential().get_token(MANAGEMENT_SCOPE).token
    path = f"{GROUP}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{MANAGEMENT}{path}", headers=headers, timeout=10).status_code == 200
    with pytest.raises(requests.exceptions.ProxyError, match="502"):
        requests.get(f"https://management.usgovcloudapi.net{path}", headers=headers, timeout=10)


def test_a_deleted_account_is_found_where_it_was(world: AzureWorld, state: State, credential: Credentials) -> None:
    headers = {"Authorization": f"Bearer {credential().get_token(MANAGEMENT_SCOPE).token}"}
    location = f"{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/eastus/resourceGroups/rg/deletedAccounts"

    def status(name: str) -> int:
        url = f"{world.management.url}{location}/{name}?api-version=2023-05-01"
        return requests.get(url, headers=headers, timeout=10).status_code

    write_scenario(world.folder, {"softDeleted": ["gone"]})
    assert (status("gone"), status("there")) == (200, 404)
    write_scenario(world.folder, {"softDeleted": []})
    assert status("gone") == 404


def test_the_caller_gets_its_token_by_the_environment_alone(state: State, credential: Credentials) -> None:
    token = credential().get_token("https://storage.azure.com/.default")
    claims = jwt.decode(token.token, options={"verify_signature": False})
    assert (claims["oid"], claims["appid"]) == (CALLER_OBJECT_ID, CALLER_CLIENT_ID)
    assert (claims["aud"], claims["tid"]) == ("https://storage.azure.com", TENANT_ID)
    assert claims["exp"] == token.expires_on > time.time()


def test_a_place_gives_tokens_of_its_identities_only(
    world: AzureWorld, state: State, credential: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    for assigned, expected in (((IDENTITY.upper(),), "engine-object"), ((), None)):
        monkeypatch.setenv("IDENTITY_HEADER", world.identities.open(Place(identity_ids=assigned)))
        if expected is None:
            with pytest.raises(ClientAuthenticationError):
                credential("engine-client").get_token("https://storage.azure.com/.default")
        else:
            token = credential("engine-client").get_token("https://storage.azure.com/.default").token
            assert jwt.decode(token, options={"verify_signature": False})["oid"] == expected
    monkeypatch.setenv("IDENTITY_HEADER", "another")
    with pytest.raises(ClientAuthenticationError):
        credential().get_token("https://storage.azure.com/.default")


def test_each_resource_is_answered_by_its_id(
    management: AuthorizationManagementClient, world: AzureWorld, state: State, caller: Callable[..., None]
) -> None:
    """Also those within another one, and assignments; what is not there is not found."""
    token = management._config.credential.get_token(MANAGEMENT_SCOPE).token
    assignment = state.assign(READER, "engine-object", CONTAINER)

    def code(path: str) -> str:
        answer = requests.get(
            f"{world.management.url}{path}?api-version=2024-01-01",
            headers={"Authorization": f"Bearer {token}"},
            verify=str(world.authority.ca_file),
            timeout=10,
        )
        return answer.json().get("error", {}).get("code", "") or answer.json()["id"]

    for path in (GROUP, CONTAINER, assignment, IDENTITY):
        assert code(path) == path
        assert code(path.replace("/resourceGroups/", "/resourcegroups/")) == path
        assert code(f"{path}-none") in ("ResourceNotFound", "ResourceGroupNotFound")
    assert code(CONTAINER.replace(GROUP, f"{GROUP}-none")) == "ResourceGroupNotFound"
    roles = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    assert code(f"{roles}/{READER}") == f"{roles}/{READER}"
    assert code(f"{roles}/{uuid.uuid4()}") == "RoleDefinitionDoesNotExist"
    caller("*", but=("Microsoft.Storage/storageAccounts/blobServices/containers/read",))
    assert code(CONTAINER) == "AuthorizationFailed"


def test_a_deleted_account_is_purged_by_who_may(
    management: AuthorizationManagementClient, world: AzureWorld, caller: Callable[..., None]
) -> None:
    token = management._config.credential.get_token(MANAGEMENT_SCOPE).token
    account = f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/gone"
    with Subscription(world.folder).locked() as state:
        state.deleted[account] = {"type": "azure-native:cognitiveservices:Account", "inputs": {}, "outputs": {}}
    name = GROUP.rsplit("/", 1)[-1]
    deleted = (
        f"{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/eastus/resourceGroups/{name}/deletedAccounts/gone"
    )

    def send(method: str) -> int:
        return requests.request(
            method,
            f"{world.management.url}{deleted}?api-version=2023-05-01",
            headers={"Authorization": f"Bearer {token}"},
            verify=str(world.authority.ca_file),
            timeout=10,
        ).status_code

    caller("*", but=("Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts/delete",))
    assert (send("DELETE"), send("GET")) == (403, 200)
    caller("*")
    assert (send("DELETE"), send("GET"), send("DELETE")) == (204, 404, 404)
    assert account not in Subscription(world.folder).state().deleted


SERVER_ID = f"{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/vision"
LARGE = DatabaseSize("Standard_D2ds_v5", "GeneralPurpose", 64, high_availability="ZoneRedundant")


@pytest.fixture
def check(world: AzureWorld, state: State, credential: Credentials) -> Iterator[Callable[[str, DatabaseSize], Found]]:
    """What a preflight asks about the database."""
    token = credential().get_token(MANAGEMENT_SCOPE).token
    yield lambda location, size: check_capabilities(token, SERVER_ID, location, size)
    write_scenario(world.folder, {"restrictedRegions": [], "withoutCapacity": {}})


@pytest.mark.parametrize("location", ["centralus", "Sweden Central", "uksouth"])
def test_a_region_that_offers_the_database_of_prod(check: Callable[..., Found], location: str) -> None:
    assert check(location, LARGE) == Found(64)


@pytest.mark.parametrize(
    ("location", "changes", "says"),
    [
        ("eastus", {}, "database.highAvailability: location 'eastus' does not offer ZoneRedundant .* Set it to SameZone"),
        ("westeurope", {}, "database.highAvailability: location 'westeurope'"),
        ("westus2", {"high_availability": "SameZone"}, "database.sku: .* Set database.sku to one of .*Standard_D2ds_v4, or"),
        ("canadaeast", {}, "database.highAvailability: location 'canadaeast'"),
        ("westus3", {"geo_redundant_backup": True}, "database.geoRedundantBackup: location 'westus3'"),
        ("germanynorth", {}, "location 'germanynorth': Azure does not let this subscription create PostgreSQL servers there"),
        ("belgiumcentral", {}, "location 'belgiumcentral': asked what it offers .* Azure answered ResourceNotFound"),
        ("ireland", {}, "location 'ireland': asked what it offers"),
    ],
)
def test_what_regions_do_not_offer(check: Callable[..., Found], location: str, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(NotOffered, match=says):
        check(location, replace(LARGE, **changes))


def test_a_subscription_or_a_size_for_which_a_region_has_no_room(check: Callable[..., Found], world: AzureWorld) -> None:
    write_scenario(world.folder, {"withoutCapacity": {"centralus": ["Standard_D2ds_v5"]}})
    with pytest.raises(
        NotOffered, match=r"Standard_D2ds_v5 .*\(The region has no capacity for this size\)\. Set database\.sku"
    ):
        check("centralus", LARGE)
    write_scenario(world.folder, {"restrictedRegions": ["centralus"]})
    with pytest.raises(NotOffered, match=r"Azure does not let this subscription .*\(Provisioning is restricted in this region"):
        check("centralus", LARGE)


def test_a_server_keeps_what_its_region_offers_no_longer(check: Callable[..., Found], world: AzureWorld, state: State) -> None:
    write_scenario(world.folder, {"restrictedRegions": ["eastus"]})
    outputs = {
        "location": "eastus",
        "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
        "highAvailability": {"mode": "ZoneRedundant"},
        "storage": {"storageSizeGB": 128},
        "network": {"delegatedSubnetResourceId": "/subnets/database"},
    }
    state.add("azure-native:dbforpostgresql:Server", SERVER_ID, {}, outputs)
    assert check("eastus", LARGE) == Found(128)
    assert check("eastus", replace(LARGE, sku="Standard_D4ds_v5", high_availability="SameZone")) == Found(128)


def test_a_caller_without_a_right_in_the_subscription_is_warned(
    check: Callable[..., Found], caller: Callable[..., None]
) -> None:
    caller("*", but=("Microsoft.DBforPostgreSQL/locations/*",))
    (warning,) = check("eastus", LARGE).warnings
    assert "not checked before the update: what 'eastus' offers for PostgreSQL (AuthorizationFailed: " in warning


@pytest.fixture
def token(credential: Credentials) -> str:
    return credential().get_token(MANAGEMENT_SCOPE).token


@pytest.fixture
def unregistered(world: AzureWorld) -> Iterator[list[str]]:
    """Resource providers for which the subscription is not registered."""
    namespaces = ["Microsoft.CognitiveServices", "Microsoft.KeyVault", "Microsoft.DBforPostgreSQL", "Microsoft.Insights"]
    write_scenario(world.folder, {"notRegistered": namespaces})
    yield namespaces
    write_scenario(world.folder, {"notRegistered": []})


def test_a_new_subscription_is_told_all_that_is_to_be_registered(token: str, unregistered: list[str]) -> None:
    wanted = sorted([*unregistered, "Microsoft.Storage"])
    with pytest.raises(NotRegistered) as told:
        check_registered(token, SUBSCRIPTION_ID, wanted)
    assert f"for the resource providers {', '.join(sorted(unregistered))}. Nothing was created" in str(told.value)
    register = f"az provider register --wait --subscription {SUBSCRIPTION_ID} --namespace Microsoft."
    assert str(told.value).count(register) == len(unregistered)
    assert check_registered(token, SUBSCRIPTION_ID, ["Microsoft.App", "Microsoft.Storage"]) == []


@pytest.mark.usefixtures("unregistered")
def test_whoever_may_not_ask_what_is_registered_is_told_by_what_does_not_answer(
    check: Callable[..., Found], caller: Callable[..., None], token: str
) -> None:
    """Rights in one group alone do not allow to ask."""
    caller("*", but=("Microsoft.Resources/subscriptions/providers/read",))
    (warning,) = check_registered(token, SUBSCRIPTION_ID, ["Microsoft.KeyVault", "Microsoft.Storage"])
    assert "whether the subscription is registered for Microsoft.KeyVault, Microsoft.Storage (AuthorizationFailed: " in warning
    me = Caller(SUBSCRIPTION_ID, "me")
    for namespace, ask in {
        "CognitiveServices": lambda: check_deleted_account(token, me, "eastus", "rg", "vision"),
        "KeyVault": lambda: check_deleted_vault(token, SUBSCRIPTION_ID, "eastus", "vision"),
        "DBforPostgreSQL": lambda: check("eastus", LARGE),
    }.items():
        with pytest.raises(NotRegistered, match=rf"for the resource provider Microsoft\.{namespace}\. Nothing was created"):
            ask()
