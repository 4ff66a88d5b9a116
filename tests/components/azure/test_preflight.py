"""What Azure is asked before anything is made; the real SDK against a stand-in is tests/stacks/azure."""

import base64
import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.support.places import DOCS
from vision_customization.components.azure.args import AzureArgs, EngineSize
from vision_customization.components.azure.existing import Existing
from vision_customization.components.azure.existing_network import ExistingNetwork, NetworkOptions
from vision_customization.components.azure.preflight import (
    APPROVE_ENDPOINTS,
    ASSIGN_ROLES,
    DEFINE_ROLES,
    MAKE_ACTION_GROUP,
    MAKE_BUDGETS,
    MAKE_GROUP,
    MAKE_IDENTITY,
    MAKE_LOCKS,
    MAKE_RESOURCES,
    Caller,
    NotAllowed,
    Use,
    actions_of,
    assigned_by_hand,
    caller_type,
    check_caller,
    check_existing,
    refusal,
    wanted_actions,
    wanted_uses,
)
from vision_customization.components.azure.registration import namespaces_of
from vision_customization.components.azure.roles import Role

PAGE = (DOCS / "azure.md").read_text()
NETWORKS = ("Microsoft.Network/virtualNetworks/write", "Microsoft.Network/privateEndpoints/write")
CALLER = Caller("sub-1", "object-1")
GROUP = "/subscriptions/sub-1/resourceGroups/vision-dev"
CONTAINER = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/training"


def permission(*actions: str, less: tuple[str, ...] = ()) -> SimpleNamespace:
    return SimpleNamespace(actions=list(actions), not_actions=list(less))


CONTRIBUTOR = permission("*", less=("Microsoft.Authorization/*/Write",))
OWNER = permission("*")


def client(
    *, group: list[Any] | None = None, assignments: list[Any] | None = None, definitions: dict[str, list[Any]] | None = None
) -> Any:  # noqa: ANN401 - plays an AuthorizationManagementClient
    """`group`: permissions in the resource group; None where there is none."""

    def list_for_resource_group(name: str) -> list[Any]:
        assert name == "vision-dev"
        if group is None:
            raise ResourceNotFoundError("ResourceGroupNotFound")
        return group

    def list_for_subscription(filter: str) -> list[Any]:  # noqa: A002 - as the SDK has it
        assert filter == "assignedTo('object-1')"
        return assignments or []

    return SimpleNamespace(
        permissions=SimpleNamespace(list_for_resource_group=list_for_resource_group),
        role_assignments=SimpleNamespace(list_for_subscription=list_for_subscription),
        role_definitions=SimpleNamespace(get_by_id=lambda id_: SimpleNamespace(permissions=(definitions or {})[id_])),
    )


def assignment(scope: str, role: str, name: str = "a-guid") -> SimpleNamespace:
    return SimpleNamespace(scope=scope, role_definition_id=role, name=name)


@pytest.mark.parametrize(
    "asked",
    [
        client(group=[OWNER]),
        client(group=[CONTRIBUTOR, permission("Microsoft.Authorization/roleAssignments/*")]),
        # no such group yet: what counts is the subscription
        client(assignments=[assignment("/subscriptions/sub-1", "owner")], definitions={"owner": [OWNER]}),
        client(assignments=[assignment("/", "owner")], definitions={"owner": [OWNER]}),
        client(
            assignments=[assignment("/subscriptions/sub-1", "contributor"), assignment("/subscriptions/sub-1", "rbac")],
            definitions={"contributor": [CONTRIBUTOR], "rbac": [permission("Microsoft.Authorization/roleAssignments/write")]},
        ),
    ],
)
def test_a_caller_who_may(asked: Any) -> None:  # noqa: ANN401
    check_caller(asked, CALLER, "vision-dev", wanted_actions(networks=NETWORKS), existing=False)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            client(group=[CONTRIBUTOR]),
            r"lacks the role 'Role Based Access Control Administrator' .* on .*/resourceGroups/vision-dev\.",
        ),
        (
            client(group=[permission("*/read")]),
            "lacks the roles 'Contributor' .* and 'Role Based Access Control Administrator'",
        ),
        (client(group=[]), "Microsoft.App/containerApps/write"),
        # a role on another group does not help to make one
        (
            client(
                assignments=[assignment("/subscriptions/sub-1/resourceGroups/other", "owner")], definitions={"owner": [OWNER]}
            ),
            "on /subscriptions/sub-1. Missing permissions:",
        ),
    ],
)
def test_a_caller_who_may_not(asked: Any, says: str) -> None:  # noqa: ANN401
    with pytest.raises(NotAllowed, match=says):
        check_caller(asked, CALLER, "vision-dev", wanted_actions(), existing=False)


def test_networks_are_asked_about_where_they_are_made() -> None:
    asked = client(group=[permission(*MAKE_RESOURCES, ASSIGN_ROLES)])
    check_caller(asked, CALLER, "vision-dev", wanted_actions(), existing=False)
    with pytest.raises(NotAllowed, match=NETWORKS[0]):
        check_caller(asked, CALLER, "vision-dev", wanted_actions(networks=NETWORKS), existing=False)


def test_an_administrator_of_the_database_is_asked_about_where_it_is_made() -> None:
    asked = client(group=[permission(*MAKE_RESOURCES, ASSIGN_ROLES)])
    with pytest.raises(NotAllowed, match=r"Microsoft\.DBforPostgreSQL/flexibleServers/administrators/write"):
        check_caller(asked, CALLER, "vision-dev", wanted_actions(entra_login=True), existing=False)
    # It is an identity, too, also if that of the engine exists.
    assert MAKE_IDENTITY not in wanted_actions(identity=False)
    assert MAKE_IDENTITY in wanted_actions(identity=False, entra_login=True)


@pytest.mark.parametrize(
    ("actions", "roles"),
    [
        # Role Based Access Control Administrator assigns roles, but defines none.
        ((*MAKE_RESOURCES, ASSIGN_ROLES), "lacks the role 'User Access Administrator' "),
        (MAKE_RESOURCES, "lacks the role 'User Access Administrator' "),
        (("*/read",), "lacks the roles 'Contributor' .* and 'User Access Administrator' "),
    ],
)
def test_whoever_lets_people_label_defines_a_role(actions: tuple[str, ...], roles: str) -> None:
    asked = client(group=[permission(*actions)])
    with pytest.raises(NotAllowed, match=f"{roles}.*{DEFINE_ROLES}"):
        check_caller(asked, CALLER, "vision-dev", wanted_actions(defines_role=True), existing=False)
    may = client(group=[permission(*MAKE_RESOURCES), permission("Microsoft.Authorization/*")])
    check_caller(may, CALLER, "vision-dev", wanted_actions(defines_role=True), existing=False)


def test_a_refusal_says_how_to_go_on() -> None:
    assert refusal([], "/scope", CALLER) is None
    message = refusal([ASSIGN_ROLES], "/scope", CALLER)
    assert message is not None
    assert "Nothing was created" in message
    assert 'az role assignment create --assignee-object-id object-1 --role "Role Based Access Control Administrator"' in message


def test_locks_and_a_budget_are_asked_about_before() -> None:
    assert not {MAKE_LOCKS, MAKE_BUDGETS} & set(wanted_actions())
    assert {MAKE_LOCKS, MAKE_BUDGETS} <= set(wanted_actions(locks=True, budget=True))
    message = str(refusal([MAKE_LOCKS], "/scope", CALLER))
    assert "'Locks Contributor' (to lock the resources that hold data)" in message
    assert "Contributor' (to create" not in message
    # User Access Administrator may make locks, too.
    assert "Locks" not in str(refusal([DEFINE_ROLES, MAKE_LOCKS], "/scope", CALLER)).partition("Missing")[0]


def test_people_to_alert_and_private_endpoints_are_asked_about() -> None:
    plain = AzureArgs(base="vision-dev", image="i")
    assert MAKE_ACTION_GROUP not in actions_of(plain)
    assert not [action for action in actions_of(plain) if "Approval" in action]
    assert MAKE_ACTION_GROUP in actions_of(replace(plain, alert_emails=["ops@example.org"]))
    private = replace(plain, private_network=True)
    assert [action for action in actions_of(private) if "Approval" in action] == [APPROVE_ENDPOINTS["blob"]]
    assert APPROVE_ENDPOINTS["vault"] in actions_of(replace(private, key_vault=True))


EVERYTHING = AzureArgs(
    base="vision-prod",
    image="i",
    engine=EngineSize(workers="job"),
    private_network=True,
    key_vault=True,
    locks=True,
    monthly_budget=100,
    alert_emails=["ops@example.org"],
)
LOCKS = permission("Microsoft.Authorization/locks/*")
RBAC = permission("Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read")


@pytest.mark.parametrize(
    ("args", "roles"),
    [
        (AzureArgs(base="vision-dev", image="i"), [CONTRIBUTOR, RBAC]),
        (AzureArgs(base="vision-dev", image="i"), [OWNER]),
        (EVERYTHING, [CONTRIBUTOR, RBAC, LOCKS]),
        (EVERYTHING, [OWNER]),
        (replace(EVERYTHING, studio=True, studio_labelling=True), [CONTRIBUTOR, permission("Microsoft.Authorization/*")]),
    ],
)
def test_the_roles_that_the_documentation_names_are_enough(args: AzureArgs, roles: list[Any]) -> None:
    """docs/azure.md, step 1; the permissions are those of Azure's built-in roles."""
    check_caller(client(group=roles), CALLER, "vision-dev", actions_of(args), existing=False)
    with pytest.raises(NotAllowed, match=r"Role Based Access Control Administrator|User Access Administrator"):
        check_caller(client(group=[CONTRIBUTOR]), CALLER, "vision-dev", actions_of(args), existing=False)


def test_the_documentation_registers_all_that_a_stack_needs() -> None:
    """docs/azure.md, step 1."""
    (loop,) = re.findall(
        r"^for name in (.+); do\n  az provider register --wait --namespace Microsoft.\$name$", PAGE, re.MULTILINE
    )
    assert namespaces_of(actions_of(EVERYTHING), in_network=True) == [f"Microsoft.{name}" for name in loop.split()]


def test_a_group_that_is_there_is_asked_about_alone() -> None:
    """No right in the subscription is needed, and none to make the group."""
    actions = wanted_actions(group=False)
    assert MAKE_GROUP not in actions
    asked = client(group=[permission(*actions)])
    assert check_caller(asked, CALLER, "vision-dev", actions, existing=True) == []


def test_a_given_group_must_be_there() -> None:
    asked = client(assignments=[assignment("/", "owner")], definitions={"owner": [OWNER]})
    with pytest.raises(NotAllowed, match=r"no resource group 'vision-dev' .* take `azure.resourceGroup` out"):
        check_caller(asked, CALLER, "vision-dev", wanted_actions(group=False), existing=True)


def refusing(status: int) -> Any:  # noqa: ANN401 - plays an AuthorizationManagementClient
    def refuse(*_: object, **__: object) -> list[Any]:
        error = HttpResponseError(f"status {status}")
        error.status_code = status
        raise error

    return SimpleNamespace(permissions=SimpleNamespace(list_for_resource_group=refuse, list_for_resource=refuse))


def test_a_given_group_that_does_not_tell_is_a_warning_and_one_to_be_made_an_error() -> None:
    (warning,) = check_caller(refusing(403), CALLER, "vision-dev", wanted_actions(group=False), existing=True)
    assert "not checked before the update" in warning
    with pytest.raises(HttpResponseError):
        check_caller(refusing(403), CALLER, "vision-dev", wanted_actions(), existing=False)


LOGS = "/subscriptions/sub-1/resourceGroups/platform/providers/Microsoft.OperationalInsights/workspaces/logs"
SHARED_KEYS = "Microsoft.OperationalInsights/workspaces/sharedKeys/action"


def test_what_is_used_of_others_is_asked_about_where_it_is() -> None:
    asked: dict[str, str] = {}

    def list_for_resource(**place: str) -> list[Any]:
        asked.update(place)
        return [permission("*/read")]

    use = Use(LOGS, [SHARED_KEYS], "Log Analytics Contributor")
    with pytest.raises(NotAllowed, match=f"lacks the role 'Log Analytics Contributor' on {LOGS}.*{SHARED_KEYS}"):
        check_existing(SimpleNamespace(permissions=SimpleNamespace(list_for_resource=list_for_resource)), CALLER, [use])
    assert asked == {
        "resource_group_name": "platform",
        "resource_provider_namespace": "Microsoft.OperationalInsights",
        "parent_resource_path": "",
        "resource_type": "workspaces",
        "resource_name": "logs",
    }
    with pytest.raises(NotAllowed, match=f"there is no {LOGS}"):
        check_existing(refusing(404), CALLER, [use])
    (warning,) = check_existing(refusing(403), CALLER, [use])
    assert LOGS in warning


BUILT_IN = {
    "Log Analytics Contributor": "Microsoft.OperationalInsights/*",
    "Managed Identity Operator": "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
    "Network Contributor": "Microsoft.Network/*",
    "Private DNS Zone Contributor": "Microsoft.Network/privateDnsZones/*",
    "Role Based Access Control Administrator": "Microsoft.Authorization/roleAssignments/write",
}
"""What of each role counts here (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles)."""


def test_the_role_that_is_named_for_each_existing_resource_is_enough() -> None:
    platform = "/subscriptions/sub-1/resourceGroups/platform/providers"
    network = f"{platform}/Microsoft.Network"
    args = AzureArgs(
        base="vision",
        image="i",
        registry="contoso.azurecr.io",
        private_network=True,
        log_workspace=Existing(LOGS),
        identity=Existing(f"{platform}/Microsoft.ManagedIdentity/userAssignedIdentities/engine"),
        container_registry=Existing(f"{platform}/Microsoft.ContainerRegistry/registries/contoso"),
        network=NetworkOptions(
            ExistingNetwork(
                apps_subnet=f"{network}/virtualNetworks/spoke/subnets/apps",
                blob_zone=f"{network}/privateDnsZones/privatelink.blob.core.windows.net",
                link_zones=True,
            )
        ),
    )
    uses = wanted_uses(args)
    assert {use.role for use in uses} == BUILT_IN.keys()
    for use in uses:
        asked = SimpleNamespace(list_for_resource=lambda role=use.role, **_: [permission(BUILT_IN[role])])
        assert check_existing(SimpleNamespace(permissions=asked), CALLER, [use]) == []


def test_what_is_looked_up_must_be_in_the_stack_s_subscription() -> None:
    """A look-up asks in the stack's subscription, whatever the id says."""
    elsewhere = LOGS.replace("sub-1", "sub-2")
    with pytest.raises(
        NotAllowed, match=rf"{elsewhere} is in another subscription.* the stack's own, sub-1\..*Nothing was created"
    ):
        check_existing(refusing(404), CALLER, [Use(elsewhere, [SHARED_KEYS], "a role", same_subscription=True)])
    # A private endpoint is made in the stack's group, wherever its subnet is.
    (warning,) = check_existing(refusing(404), CALLER, [Use(elsewhere, [SHARED_KEYS], "a role")])
    assert "not checked before the update" in warning


def test_what_others_made_must_be_in_the_stack_s_subscription() -> None:
    """So docs/azure.md says of these three."""
    group = "/subscriptions/sub-2/resourceGroups/platform/providers"
    ids = {
        "log_workspace": f"{group}/Microsoft.OperationalInsights/workspaces/logs",
        "identity": f"{group}/Microsoft.ManagedIdentity/userAssignedIdentities/engine",
        "container_registry": f"{group}/Microsoft.ContainerRegistry/registries/contoso",
    }
    for name, given in ids.items():
        args = AzureArgs(base="vision-dev", image="i", **{name: Existing(given)})
        with pytest.raises(NotAllowed, match=f"{given} is in another subscription"):
            check_existing(refusing(404), CALLER, wanted_uses(args))


@pytest.mark.parametrize(
    ("found", "by_hand"),
    [
        ([], False),
        ([assignment(CONTAINER.upper(), f"/x/{Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value}")], True),
        # one above the container is not a second one on it, and another role or container is another
        ([assignment(GROUP, f"/x/{Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value}")], False),
        ([assignment(CONTAINER, f"/x/{Role.STORAGE_BLOB_DATA_READER.value}")], False),
        ([assignment(f"{CONTAINER}-2", f"/x/{Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value}")], False),
        # the assignment that this program makes
        ([assignment(CONTAINER, f"/x/{Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value}", "OURS")], False),
    ],
)
def test_whether_somebody_assigned_the_role_by_hand(found: list[Any], by_hand: bool) -> None:
    assert (assigned_by_hand(found, CONTAINER, "ours") is not None) is by_hand


def token(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{payload}.signature"


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        (token(idtyp="app", oid="1"), "ServicePrincipal"),
        (token(idtyp="user"), "User"),
        (token(oid="1"), "User"),
        # what is none of Entra's tokens says nothing
        ("opaque", "User"),
        ("a.b.c", "User"),
        ("a.W10.c", "User"),
    ],
)
def test_whether_a_person_deploys(held: str, kind: str) -> None:
    assert caller_type(held) == kind
