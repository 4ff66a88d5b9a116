"""Checks before anything is created: may the caller do it, is the subscription ready, is a name free, is the database offered?

It reads with azure-mgmt-authorization as the deploying identity, also in a preview, and changes nothing.
"""

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import FORBIDDEN, NOT_FOUND, OK
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vision_customization.common.errors import VisionError
from vision_customization.components.azure.capabilities import check_capabilities
from vision_customization.components.azure.deleted_vault import check_deleted_vault
from vision_customization.components.azure.environment_check import check_environment
from vision_customization.components.azure.registration import check_registered, namespaces_of
from vision_customization.components.azure.resource_manager import MANAGEMENT_ENDPOINT, NoAnswer, get
from vision_customization.components.azure.roles import Permission, Role, assignment_name, missing_actions
from vision_customization.components.azure.subnet_check import check_subnet
from vision_customization.components.azure.use import Use

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.mgmt.authorization import AuthorizationManagementClient

    from vision_customization.components.azure.args import AzureArgs, DatabaseSize

ASSIGN_ROLES = "Microsoft.Authorization/roleAssignments/write"
DEFINE_ROLES = "Microsoft.Authorization/roleDefinitions/write"
MAKE_LOCKS = "Microsoft.Authorization/locks/write"
MAKE_BUDGETS = "Microsoft.Consumption/budgets/write"
MAKE_GROUP = "Microsoft.Resources/subscriptions/resourceGroups/write"
MAKE_JOBS = "Microsoft.App/jobs/write"
MAKE_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities/write"
MAKE_LOGS = "Microsoft.OperationalInsights/workspaces/write"
MAKE_VISION = "Microsoft.CognitiveServices/accounts/write"
MAKE_VAULTS = ("Microsoft.KeyVault/vaults/write", "Microsoft.KeyVault/vaults/secrets/write")
MAKE_RESOURCES = (
    MAKE_GROUP,
    MAKE_VISION,
    "Microsoft.Storage/storageAccounts/write",
    MAKE_IDENTITY,
    MAKE_LOGS,
    "Microsoft.App/managedEnvironments/write",
    "Microsoft.App/containerApps/write",
    "Microsoft.DBforPostgreSQL/flexibleServers/write",
    "Microsoft.Insights/diagnosticSettings/write",
    "Microsoft.Insights/scheduledQueryRules/write",
)
MAKE_ADMINISTRATOR = "Microsoft.DBforPostgreSQL/flexibleServers/administrators/write"
MAKE_ACTION_GROUP = "Microsoft.Insights/actionGroups/write"
_APPROVE_STORAGE = "Microsoft.Storage/storageAccounts/PrivateEndpointConnectionsApproval/action"
APPROVE_ENDPOINTS = {
    "blob": _APPROVE_STORAGE,
    "queue": _APPROVE_STORAGE,
    "vault": "Microsoft.KeyVault/vaults/PrivateEndpointConnectionsApproval/action",
}
"""What has a private endpoint → the right to approve its connection. Without it, the connection waits for somebody's approval
(https://learn.microsoft.com/azure/private-link/rbac-permissions#approval-rbac-for-private-endpoint). Azure lists no such right
for accounts of AI services (https://learn.microsoft.com/azure/role-based-access-control/permissions/ai-machine-learning)."""

DELETED_ACCOUNTS_VERSION = "2023-05-01"


class NotAllowed(VisionError):
    """The deploying identity may not do what the program declares."""


class AccountDeleted(VisionError):
    """A Vision account of that name was deleted and still blocks it."""


@dataclass(frozen=True)
class Caller:
    """The deploying identity, in one subscription."""

    subscription_id: str
    object_id: str


def refusal(missing: Sequence[str], scope: str, caller: Caller) -> str | None:
    """The message for missing permissions: which role has them, on which scope, how to assign it. None if none are missing."""
    if not missing:
        return None
    needs = []
    if any(action not in (ASSIGN_ROLES, DEFINE_ROLES, MAKE_LOCKS) for action in missing):
        needs.append(("Contributor", "to create the resources"))
    if DEFINE_ROLES in missing:  # this role also assigns roles
        needs.append(("User Access Administrator", "to define the role with which the engine adds what people label"))
    elif ASSIGN_ROLES in missing:
        needs.append(("Role Based Access Control Administrator", "to assign the engine's role on the training container"))
    if MAKE_LOCKS in missing and DEFINE_ROLES not in missing:  # User Access Administrator also makes locks
        needs.append(("Locks Contributor", "to lock the resources that hold data"))
    roles = " and ".join(f"'{role}' ({why})" for role, why in needs)
    commands = "; ".join(
        f'az role assignment create --assignee-object-id {caller.object_id} --role "{role}" --scope {scope}'
        for role, _ in needs
    )
    return (
        f"the deploying identity {caller.object_id} lacks the role{'s' if len(needs) > 1 else ''} {roles} on {scope}. "
        f"Missing permissions: {', '.join(missing)}. Nothing was created. A subscription owner can grant them with: {commands}"
    )


def wanted_actions(
    *,
    group: bool = True,
    logs: bool = True,
    identity: bool = True,
    vision: bool = True,
    jobs: bool = False,
    networks: Sequence[str] = (),
    key_vault: bool = False,
    entra_login: bool = False,
    defines_role: bool = False,
    locks: bool = False,
    budget: bool = False,
    emails: bool = False,
    endpoints: Sequence[str] = (),
) -> list[str]:
    """What the deployer must be allowed to do. Each argument says whether the program makes resources of that kind.

    `networks` is what it must be allowed to do for the network (`NetworkOptions.actions`).
    `endpoints`: what has a private endpoint (`AzureArgs.endpoints`).
    """
    optional = {MAKE_GROUP: group, MAKE_IDENTITY: identity or entra_login, MAKE_LOGS: logs, MAKE_VISION: vision}
    made = [action for action in MAKE_RESOURCES if optional.get(action, True)]
    more = [*((MAKE_JOBS,) if jobs else ()), *((MAKE_ADMINISTRATOR,) if entra_login else ())]
    more += [*networks, *(MAKE_VAULTS if key_vault else ()), *((MAKE_ACTION_GROUP,) if emails else ())]
    more += dict.fromkeys(APPROVE_ENDPOINTS[what] for what in endpoints if what in APPROVE_ENDPOINTS)
    more += [*((MAKE_BUDGETS,) if budget else ()), ASSIGN_ROLES, *((DEFINE_ROLES,) if defines_role else ())]
    return [*made, *more, *((MAKE_LOCKS,) if locks else ())]


def actions_of(args: "AzureArgs") -> list[str]:
    """What the deployer must be allowed to do for a workspace with these arguments."""
    return wanted_actions(
        group=args.resource_group is None,
        logs=args.log_workspace is None,
        identity=args.identity is None,
        vision=args.vision == "account",
        jobs=args.engine.workers == "job",
        networks=args.network.actions(args.endpoints) if args.has_network else (),
        key_vault=args.key_vault,
        entra_login=args.database.login == "entra",
        defines_role=args.studio_labelling,
        locks=args.locks,
        budget=args.monthly_budget is not None,
        emails=bool(args.alert_emails),
        endpoints=args.endpoints,
    )


def wanted_uses(args: "AzureArgs") -> list[Use]:
    """What the program does with existing resources, which it does not make."""
    uses = []
    if args.log_workspace is not None:
        keys = "Microsoft.OperationalInsights/workspaces/sharedKeys/action"
        uses.append(Use(args.log_workspace.existing, [keys], "Log Analytics Contributor", same_subscription=True))
    if args.identity is not None:
        assign = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
        uses.append(Use(args.identity.existing, [assign], "Managed Identity Operator", same_subscription=True))
    if args.has_network:
        uses += args.network.uses(args.endpoints)
    if args.container_registry is not None:
        role = "Role Based Access Control Administrator"
        uses.append(Use(args.container_registry.existing, [ASSIGN_ROLES], role, same_subscription=True))
    return uses


def check_caller(
    client: "AuthorizationManagementClient", caller: Caller, resource_group: str, actions: Sequence[str], *, existing: bool
) -> list[str]:
    """Raises NotAllowed, naming the role that is missing; returns warnings about what Azure did not tell.

    Args:
        actions: what the caller must be allowed to do in the group.
        existing: whether the group must be there already. Then the subscription is not asked about anything.
    """
    from azure.core.exceptions import HttpResponseError

    scope = f"/subscriptions/{caller.subscription_id}/resourceGroups/{resource_group}"
    try:
        permissions = _group_permissions(client, resource_group)
        if permissions is None:
            if existing:
                raise NotAllowed(
                    f"there is no resource group '{resource_group}' in subscription {caller.subscription_id}, or this identity "
                    "may not see it. Create it, or take `azure.resourceGroup` out of the settings. Nothing was created"
                )
            scope = f"/subscriptions/{caller.subscription_id}"
            permissions = _assigned_permissions(client, assignments_of(client, caller), scope)
    except HttpResponseError as error:
        if not (existing and error.status_code == FORBIDDEN):
            raise
        return [f"not checked before the update: {caller.object_id} may not ask what it is allowed to do on {scope}"]
    if message := refusal(missing_actions(permissions, actions), scope, caller):
        raise NotAllowed(message)
    return []


def check_existing(client: "AuthorizationManagementClient", caller: Caller, uses: Sequence[Use]) -> list[str]:
    """Raises NotAllowed for a resource that does not exist, that is in another subscription although it must not be, or that
    the caller may not use; returns warnings."""
    from azure.core.exceptions import HttpResponseError

    warnings = []
    for use in uses:
        if not _holds(f"/subscriptions/{caller.subscription_id}", use.resource_id):
            if use.same_subscription:
                raise NotAllowed(
                    f"{use.resource_id} is in another subscription. It must be in the stack's own, {caller.subscription_id}. "
                    "Give the id of a resource there, or take the setting out. Nothing was created"
                )
            warnings.append(f"not checked before the update: {use.resource_id} is in another subscription")
            continue
        try:
            permissions = [_permission(found) for found in client.permissions.list_for_resource(**_place_of(use.resource_id))]
        except HttpResponseError as error:
            if error.status_code == NOT_FOUND:
                raise NotAllowed(
                    f"there is no {use.resource_id}, or this identity may not see it. Nothing was created"
                ) from None
            if error.status_code != FORBIDDEN:
                raise
            warnings.append(
                f"not checked before the update: {caller.object_id} may not ask what it is allowed to do on {use.resource_id}"
            )
            continue
        if missing := missing_actions(permissions, use.actions):
            raise NotAllowed(
                f"the deploying identity {caller.object_id} lacks the role '{use.role}' on {use.resource_id}. "
                f"Missing permissions: {', '.join(missing)}. Nothing was created. Its owner can grant it with: az role "
                f'assignment create --assignee-object-id {caller.object_id} --role "{use.role}" --scope {use.resource_id}'
            )
    return warnings


def _place_of(resource_id: str) -> dict[str, str]:
    """The arguments of the SDK for the id of a resource, such as a subnet."""
    group, _, own = resource_id.partition("/providers/")
    namespace, *parent, kind, name = own.split("/")
    return {
        "resource_group_name": group.rsplit("/", 1)[-1],
        "resource_provider_namespace": namespace,
        "parent_resource_path": "/".join(parent),
        "resource_type": kind,
        "resource_name": name,
    }


def check_assigned_by_hand(client: "AuthorizationManagementClient", caller: Caller, container_id: str) -> None:
    """Raises NotAllowed if the caller may write the container's blobs by an assignment on it that is not the program's.

    Azure refuses a second assignment of the same role to the same principal on the same scope, under whatever name.
    """
    ours = assignment_name(container_id, caller.object_id, Role.STORAGE_BLOB_DATA_CONTRIBUTOR)
    if other := assigned_by_hand(assignments_in_group(client, caller, container_id.split("/")[4]), container_id, ours):
        raise NotAllowed(
            f"{caller.object_id} has the role 'Storage Blob Data Contributor' on {container_id} already, by the assignment "
            f"{other}. Remove it, or set `azure.assignDeployer: false`. Nothing was created"
        )


def assigned_by_hand(assignments: Sequence[Any], container_id: str, ours: str) -> str | None:
    """The name of an assignment other than `ours` of Storage Blob Data Contributor on just this container."""
    return next(
        (
            str(found.name)
            for found in assignments
            if _last(found.role_definition_id) == Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value
            and str(found.name).lower() != ours
            and str(found.scope).rstrip("/").lower() == container_id.lower()
        ),
        None,
    )


def deleted_account(subscription_id: str, location: str, resource_group: str, account: str) -> str:
    """ARM id under which Azure keeps a deleted Vision account."""
    return (
        f"/subscriptions/{subscription_id}/providers/Microsoft.CognitiveServices/locations/{location}"
        f"/resourceGroups/{resource_group}/deletedAccounts/{account}"
    )


def check_deleted_account(token: str, caller: Caller, location: str, resource_group: str, account: str) -> bool | None:
    """Whether a soft-deleted Vision account with this name can be restored or purged; None if the caller may not ask.

    Raises NoAnswer.
    """
    path = deleted_account(caller.subscription_id, location, resource_group, account)
    answer = get(token, path, DELETED_ACCOUNTS_VERSION)
    if answer.status == FORBIDDEN:
        return None
    if answer.status not in (OK, NOT_FOUND):
        raise NoAnswer(
            f"Azure did not say whether a deleted Vision account blocks the name '{account}' ({answer.fault}). "
            "Run the command again"
        )
    return answer.status == OK


def caller_type(token: str) -> str:
    """What a token of Entra says of its owner: `idtyp` is `app` for pipelines and managed identities.

    The token has just come from Entra, for Azure; it only decides the type in a role assignment.
    """
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    with suppress(ValueError):
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if isinstance(claims, dict) and claims.get("idtyp") == "app":
            return "ServicePrincipal"
    return "User"


def deleted_account_message(account: str, location: str, resource_group: str) -> str:
    purge = f"az cognitiveservices account purge --name {account} --location {location} --resource-group {resource_group}"
    return (
        f"the Vision account '{account}' was deleted, which blocks its name for 48 hours. "
        f"Set `azure.restore: true` to bring it back, or purge it: {purge}"
    )


@dataclass(frozen=True)
class Wanted:
    """What a program is going to make.

    Attributes:
        existing_group: whether the resource group must be there already; then only the group is asked about.
        actions: what the deployer must be allowed to do in the group.
        uses: existing resources, and what is done with them.
        vision_account: a name; None if none is made. `vision_location`: its region.
        key_vault: a name; None if none is made.
        container_id: ARM id of the training container.
        assigns_deployer: whether the program assigns the deployer the role to upload there.
        restore: restore a soft-deleted Vision account of that name.
        database_location: region of the database; `server_id`: ARM id of its server; `database`: what it is to be.
        environment_id: ARM id of the Container Apps environment; `private`: whether it is to have no public address.
    """

    resource_group: str
    existing_group: bool
    actions: Sequence[str]
    uses: Sequence[Use]
    vision_account: str | None
    vision_location: str
    key_vault: str | None
    container_id: str
    assigns_deployer: bool
    restore: bool
    database_location: str
    server_id: str
    database: "DatabaseSize"
    environment_id: str
    private: bool

    @property
    def namespaces(self) -> list[str]:
        """The resource providers that the subscription must be registered for."""
        return namespaces_of(self.actions, in_network=self.database.access == "network")


@dataclass(frozen=True)
class Found:
    """The result of a preflight.

    `restore`: a deleted account can be restored. `caller_type`: whether a person or an application deploys.
    `storage_gb`: the size of the database's disk to declare, never below what it has. `warnings`: what could not be checked.
    """

    restore: bool
    caller_type: str
    storage_gb: int
    warnings: Sequence[str] = ()


def preflight(credential: "TokenCredential", caller: Caller, wanted: Wanted) -> Found:
    """Run all checks.

    Raises:
        NotAllowed: the caller lacks a role, has no identity, or Azure can't be asked.
        AccountDeleted: the account's name is blocked, and `restore` is not set.
        VaultDeleted: the vault's name is blocked.
        SubnetNotUsable: a given subnet does not fit.
        NotRegistered: the subscription is not registered for what the program needs.
        AddressIsFixed: the environment exists, and has or lacks a public address against `private`.
        NotOffered: the region does not offer the database.
        NoAnswer: Azure can't be reached.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    group = wanted.resource_group
    try:
        with open_client(credential, caller.subscription_id) as client:
            warnings = check_caller(client, caller, group, wanted.actions, existing=wanted.existing_group)
            warnings += check_existing(client, caller, wanted.uses)
            if wanted.assigns_deployer:
                check_assigned_by_hand(client, caller, wanted.container_id)
        token = credential.get_token(f"{MANAGEMENT_ENDPOINT}/.default").token
        warnings += check_registered(token, caller.subscription_id, wanted.namespaces)
        asked = [check_subnet(token, use.subnet, use.resource_id) for use in wanted.uses if use.subnet]
        warnings += [warning for warning in asked if warning]
        deleted: bool | None = False
        if wanted.vision_account is not None:
            deleted = check_deleted_account(token, caller, wanted.vision_location, group, wanted.vision_account)
    except ClientAuthenticationError as error:
        raise NotAllowed(
            f"no Entra identity for the preflight check. Log in with `az login`, or set variables ARM_… ({error.message})"
        ) from None
    except AzureError as error:
        host = urlsplit(MANAGEMENT_ENDPOINT).netloc
        raise NotAllowed(f"{host} did not say what this identity may do: {error.message}") from None
    if deleted is None:
        if not wanted.existing_group:
            raise NotAllowed(_may_not_ask_for_deleted(caller, wanted))
        warnings.append(f"not checked before the update: {_may_not_ask_for_deleted(caller, wanted)}")
    if deleted and not wanted.restore:
        raise AccountDeleted(deleted_account_message(str(wanted.vision_account), wanted.vision_location, group))
    if wanted.key_vault is not None:
        warnings += check_deleted_vault(token, caller.subscription_id, wanted.database_location, wanted.key_vault)
    warnings += check_environment(token, wanted.environment_id, internal=wanted.private)
    database = check_capabilities(token, wanted.server_id, wanted.database_location, wanted.database)
    return Found(bool(deleted), caller_type(token), database.storage_gb, [*warnings, *database.warnings])


def _may_not_ask_for_deleted(caller: Caller, wanted: Wanted) -> str:
    return f"{caller.object_id} may not ask whether a deleted Vision account blocks the name '{wanted.vision_account}'"


def open_client(credential: "TokenCredential", subscription_id: str) -> "AuthorizationManagementClient":
    from azure.mgmt.authorization import AuthorizationManagementClient

    return AuthorizationManagementClient(
        credential, subscription_id, base_url=MANAGEMENT_ENDPOINT, credential_scopes=[f"{MANAGEMENT_ENDPOINT}/.default"]
    )


def _group_permissions(client: "AuthorizationManagementClient", resource_group: str) -> list[Permission] | None:
    """What the caller may do in a resource group; None if the group does not exist yet."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return [_permission(found) for found in client.permissions.list_for_resource_group(resource_group)]
    except ResourceNotFoundError:
        return None


def _assigned_permissions(client: "AuthorizationManagementClient", assignments: Sequence[Any], scope: str) -> list[Permission]:
    """What the caller's roles on `scope` and above allow."""
    definitions = {str(assignment.role_definition_id) for assignment in assignments if _holds(str(assignment.scope), scope)}
    return [
        _permission(permission)
        for definition in sorted(definitions)
        for permission in client.role_definitions.get_by_id(definition).permissions or ()
    ]


def assignments_of(client: "AuthorizationManagementClient", caller: Caller) -> list[Any]:
    """The caller's assignments in the subscription and above it, including those through groups."""
    return list(client.role_assignments.list_for_subscription(filter=f"assignedTo('{caller.object_id}')"))


def assignments_in_group(client: "AuthorizationManagementClient", caller: Caller, resource_group: str) -> list[Any]:
    """The caller's assignments in a resource group; none if there is no such group, or the caller may not ask."""
    from azure.core.exceptions import HttpResponseError

    try:
        return list(client.role_assignments.list_for_resource_group(resource_group, filter=f"assignedTo('{caller.object_id}')"))
    except HttpResponseError as error:
        if error.status_code in (FORBIDDEN, NOT_FOUND):
            return []
        raise


def _permission(found: Any) -> Permission:  # noqa: ANN401 - the SDK's model
    return Permission(tuple(found.actions or ()), tuple(found.not_actions or ()))


def _holds(scope: str, resource_id: str) -> bool:
    """Whether `scope` is the resource or above it."""
    outer, inner = scope.rstrip("/").lower(), resource_id.lower()
    return outer == "" or inner == outer or inner.startswith(f"{outer}/")


def _last(resource_id: object) -> str:
    return str(resource_id).rsplit("/", 1)[-1].lower()
