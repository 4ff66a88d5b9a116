"""All checks of a preflight together, with Azure's answers played: what one of them may not ask, and what all of them find."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential

from vision_customization.components.azure import preflight as checks
from vision_customization.components.azure import preflight_resource, resource_manager
from vision_customization.components.azure.args import DatabaseSize
from vision_customization.components.azure.capabilities import NotOffered
from vision_customization.components.azure.environment_check import AddressIsFixed
from vision_customization.components.azure.preflight import AccountDeleted, Caller, Found, NotAllowed, Wanted, preflight
from vision_customization.components.azure.preflight_resource import PreflightProvider
from vision_customization.components.azure.resource_manager import Answer, NoAnswer
from vision_customization.components.azure.roles import Role

GROUP = "/subscriptions/sub-1/resourceGroups/contoso-vision"
CONTAINER = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/training"
WANTED = Wanted(
    resource_group="contoso-vision",
    existing_group=True,
    actions=["Microsoft.App/containerApps/write"],
    uses=[],
    vision_account="vision",
    vision_location="eastus",
    key_vault=None,
    container_id=CONTAINER,
    assigns_deployer=True,
    restore=False,
    database_location="centralus",
    server_id=f"{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/vision",
    database=DatabaseSize("Standard_D2ds_v5", "GeneralPurpose", 64, high_availability="ZoneRedundant"),
    environment_id=f"{GROUP}/providers/Microsoft.App/managedEnvironments/vision",
    private=True,
)
REGISTERED = Answer(200, {"registrationState": "Registered"})
SERVER = {
    "sku": {"name": "Standard_D2ds_v5"},
    "properties": {
        "highAvailability": {"mode": "ZoneRedundant"},
        "storage": {"storageSizeGB": 128},
        "network": {"delegatedSubnetResourceId": "/subnets/database"},
    },
}
THERE = Answer(200, SERVER)
REGISTERED = Answer(200, {"registrationState": "Registered"})
DENIED = Answer(403, {"error": {"code": "AuthorizationFailed", "message": "The client may not."}})

Ask = Callable[..., Found]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run the checks. Each answer is named by the last part but one of its path; what has none is not found."""

    def run(wanted: Wanted = WANTED, assignments: Sequence[Any] | HttpResponseError = (), **answers: Answer) -> Found:
        def answer(_method: str, _token: str, path: str, _api_version: str) -> Answer:
            return {"providers": REGISTERED, **answers}.get(path.split("/")[-2], Answer(404))

        def in_group(name: str, **_: str) -> Sequence[Any]:
            assert name == "contoso-vision"
            if isinstance(assignments, HttpResponseError):
                raise assignments
            return assignments

        def in_subscription(**_: str) -> list[Any]:
            raise AssertionError("the subscription was asked, in which the caller may have no right")

        owner = SimpleNamespace(actions=["*"], not_actions=[])
        client: Any = SimpleNamespace(
            permissions=SimpleNamespace(list_for_resource_group=lambda _: [owner]),
            role_assignments=SimpleNamespace(list_for_resource_group=in_group, list_for_subscription=in_subscription),
        )
        monkeypatch.setattr(resource_manager, "ask", answer)
        monkeypatch.setattr(checks, "open_client", lambda *_: nullcontext(client))
        credential: Any = SimpleNamespace(get_token=lambda _: SimpleNamespace(token="a-token"))
        return preflight(credential, Caller("sub-1", "object-1"), wanted)

    return run


def refused(status: int) -> HttpResponseError:
    error = HttpResponseError(f"status {status}")
    error.status_code = status
    return error


def test_a_caller_with_rights_in_one_group_alone_is_warned_of_what_is_in_the_subscription(ask: Ask) -> None:
    found = ask(
        replace(WANTED, key_vault="vault"),
        refused(403),
        providers=DENIED,
        deletedAccounts=DENIED,
        deletedVaults=DENIED,
        centralus=DENIED,
    )
    assert (found.restore, found.storage_gb) == (False, 64)
    registration, account, vault, database = found.warnings
    assert "whether the subscription is registered for Microsoft.App" in registration
    assert account.endswith("may not ask whether a deleted Vision account blocks the name 'vision'")
    assert "whether a deleted Key Vault blocks the name 'vault'" in vault
    assert "what 'centralus' offers for PostgreSQL" in database
    # Who makes the group has rights in the subscription.
    with pytest.raises(NotAllowed, match="object-1 may not ask whether a deleted Vision account blocks the name"):
        ask(replace(WANTED, existing_group=False), deletedAccounts=DENIED)


def test_a_role_that_somebody_assigned_is_looked_up_in_the_group(ask: Ask) -> None:
    role = f"/providers/Microsoft.Authorization/roleDefinitions/{Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value}"
    by_hand = SimpleNamespace(name="by-hand", scope=CONTAINER, role_definition_id=role)
    with pytest.raises(NotAllowed, match=r"by the assignment by-hand\. Remove it, or set `azure.assignDeployer: false`"):
        ask(WANTED, [by_hand], flexibleServers=THERE)
    assert ask(replace(WANTED, assigns_deployer=False), [by_hand], flexibleServers=THERE).warnings == []


def test_what_the_region_does_not_offer_ends_it(ask: Ask) -> None:
    sizes = {"name": "GeneralPurpose", "supportedServerSkus": [{"name": "Standard_D2ds_v5"}]}
    zones = {"name": "ZoneRedundantHa", "status": "Disabled"}
    offer = {"supportedServerEditions": [sizes], "supportedFeatures": [zones]}
    with pytest.raises(NotOffered, match="location 'centralus' does not offer ZoneRedundant"):
        ask(centralus=Answer(200, {"value": [offer]}))


def test_the_disk_that_azure_made_larger_is_found(ask: Ask) -> None:
    assert ask(flexibleServers=THERE).storage_gb == 128


@pytest.mark.parametrize("status", [200, 404])
def test_an_account_is_restored_only_if_it_was_deleted(ask: Ask, status: int) -> None:
    deleted = Answer(status)
    assert ask(replace(WANTED, restore=True), flexibleServers=THERE, deletedAccounts=deleted).restore is (status == 200)
    if status == 200:
        with pytest.raises(AccountDeleted, match=r"Set `azure\.restore: true`"):
            ask(flexibleServers=THERE, deletedAccounts=deleted)


def test_an_answer_that_says_nothing_about_a_deleted_account_says_what_to_do(ask: Ask) -> None:
    busy = Answer(503, {"error": {"code": "ServerBusy", "message": "Try later."}})
    with pytest.raises(NoAnswer, match=r"blocks the name 'vision' \(ServerBusy: Try later\.\)\. Run the command again"):
        ask(flexibleServers=THERE, deletedAccounts=busy)


@pytest.mark.parametrize(
    ("found", "private", "said"),
    [
        ({"internal": True}, True, None),
        ({"internal": False}, False, None),
        (None, False, None),  # of an earlier version, without a network
        ({"internal": False}, True, r"has a public address.* Set `azure\.privateNetwork: false` to keep it"),
        (None, True, "has a public address"),
        ({"internal": True}, False, r"has no public address.* Set `azure\.privateNetwork: true` to keep it"),
    ],
)
def test_the_address_of_an_environment_stays(ask: Ask, found: object, private: bool, said: str | None) -> None:
    environment = Answer(200, {"properties": {"vnetConfiguration": found}})
    wanted = replace(WANTED, private=private)
    if said is None:
        assert ask(wanted, flexibleServers=THERE, managedEnvironments=environment).warnings == []
    else:
        with pytest.raises(AddressIsFixed, match=said):
            ask(wanted, flexibleServers=THERE, managedEnvironments=environment)


def test_an_environment_that_can_not_be_asked_about_is_a_warning(ask: Ask) -> None:
    (warning,) = ask(flexibleServers=THERE, managedEnvironments=DENIED).warnings
    assert "not checked before the update: the environment" in warning


def test_without_an_account_none_can_be_deleted(ask: Ask) -> None:
    found = ask(replace(WANTED, vision_account=None), flexibleServers=THERE, deletedAccounts=Answer(200))
    assert (found.restore, found.warnings) == (False, [])


PROPERTIES: dict[str, Any] = {
    **vars(WANTED),
    "database": vars(WANTED.database),
    "subscription_id": "sub-1",
    "object_id": "object-1",
    "row_urn": "urn",
}


def test_the_resource_asks_as_the_deploying_identity_and_notes_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as the identity of the machine that it runs on."""
    for name in ("ARM_USE_DEFAULT_AZURE_CREDENTIAL", "ARM_CLIENT_CERTIFICATE_PATH", "ARM_USE_OIDC", "ARM_USE_MSI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("ARM_TENANT_ID", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET"):
        monkeypatch.setenv(name, "11111111-2222-3333-4444-555555555555")
    asked: list[object] = []

    def found(credential: object, caller: Caller, wanted: Wanted) -> Found:
        asked.append(credential)
        assert (caller, wanted) == (Caller("sub-1", "object-1"), WANTED)
        return Found(restore=False, caller_type="User", storage_gb=64 * 2 ** len(asked))

    monkeypatch.setattr(preflight_resource, "preflight", found)
    provider = PreflightProvider()
    made = provider.create(provider.check({}, PROPERTIES).inputs).outs
    assert (made["storage_gb"], made["caller_type"]) == (128, "User")
    # The disk grows: a change without a refresh, none after it.
    grown = provider.check(made, PROPERTIES).inputs
    assert grown["storage_gb"] == 256
    assert provider.diff("id", made, grown).changes
    assert provider.read("id", made).outs["storage_gb"] == 512
    assert not provider.diff("id", grown, grown).changes
    assert all(isinstance(credential, ClientSecretCredential) for credential in asked)
