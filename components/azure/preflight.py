"""Checks before anything is created: may the caller do it, and does a deleted Vision account block a name?

It reads with azure-mgmt-authorization as the deploying identity, also in a preview, and changes nothing.
"""

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vision_customization.common.errors import VisionError
from vision_customization.components.azure.roles import Permission, Role, assignment_name, missing_actions

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.mgmt.authorization import AuthorizationManagementClient

MANAGEMENT_ENDPOINT = "https://management.azure.com"

ASSIGN_ROLES = "Microsoft.Authorization/roleAssignments/write"
DEFINE_ROLES = "Microsoft.Authorization/roleDefinitions/write"
MAKE_RESOURCES = (
    "Microsoft.Resources/subscriptions/resourceGroups/write",
    "Microsoft.CognitiveServices/accounts/write",
    "Microsoft.Storage/storageAccounts/write",
    "Microsoft.ManagedIdentity/userAssignedIdentities/write",
    "Microsoft.OperationalInsights/workspaces/write",
    "Microsoft.App/managedEnvironments/write",
    "Microsoft.App/containerApps/write",
    "Microsoft.DBforPostgreSQL/flexibleServers/write",
    "Microsoft.Insights/diagnosticSettings/write",
    "Microsoft.Insights/scheduledQueryRules/write",
)
MAKE_NETWORKS = (
    "Microsoft.Network/virtualNetworks/write",
    "Microsoft.Network/privateEndpoints/write",
    "Microsoft.Network/privateDnsZones/write",
)

_DELETED_ACCOUNTS_VERSION = "2023-05-01"


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
    if any(action not in (ASSIGN_ROLES, DEFINE_ROLES) for action in missing):
        needs.append(("Contributor", "to create the resources"))
    if DEFINE_ROLES in missing:  # this role also assigns roles
        needs.append(("User Access Administrator", "to define the role with which the engine adds what people label"))
    elif ASSIGN_ROLES in missing:
        needs.append(("Role Based Access Control Administrator", "to assign the engine's role on the training container"))
    roles = " and ".join(f"'{role}' ({why})" for role, why in needs)
    commands = "; ".join(
        f'az role assignment create --assignee-object-id {caller.object_id} --role "{role}" --scope {scope}'
        for role, _ in needs
    )
    return (
        f"the deploying identity {caller.object_id} lacks the role{'s' if len(needs) > 1 else ''} {roles} on {scope}. "
        f"Missing permissions: {', '.join(missing)}. Nothing was created. A subscription owner can grant them with: {commands}"
    )


def check_caller(
    client: "AuthorizationManagementClient",
    caller: Caller,
    assignments: Sequence[Any],
    resource_group: str,
    *,
    networks: bool,
    defines_role: bool,
) -> None:
    """Raises NotAllowed, naming the role that is missing. `assignments` are the caller's."""
    scope = f"/subscriptions/{caller.subscription_id}/resourceGroups/{resource_group}"
    wanted = (
        *MAKE_RESOURCES,
        *(MAKE_NETWORKS if networks else ()),
        ASSIGN_ROLES,
        *((DEFINE_ROLES,) if defines_role else ()),
    )
    permissions = _group_permissions(client, resource_group)
    if permissions is None:
        scope = f"/subscriptions/{caller.subscription_id}"
        permissions = _assigned_permissions(client, assignments, scope)
    if message := refusal(missing_actions(permissions, wanted), scope, caller):
        raise NotAllowed(message)


def may_write_blobs(assignments: Sequence[Any], container_id: str, ours: str) -> bool:
    """Whether one of the caller's assignments, other than `ours` (its GUID), lets it write blobs of the container."""
    writers = {Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value, Role.STORAGE_BLOB_DATA_OWNER.value}
    return any(
        _last(assignment.role_definition_id) in writers
        and str(assignment.name).lower() != ours
        and _holds(str(assignment.scope), container_id)
        for assignment in assignments
    )


def check_deleted_account(token: str, caller: Caller, location: str, resource_group: str, account: str) -> bool:
    """Whether a soft-deleted Vision account with this name can be restored or purged. Raises NotAllowed."""
    import requests

    url = (
        f"{MANAGEMENT_ENDPOINT}/subscriptions/{caller.subscription_id}/providers/Microsoft.CognitiveServices/locations/{location}"
        f"/resourceGroups/{resource_group}/deletedAccounts/{account}"
    )
    try:
        answer = requests.get(
            url,
            params={"api-version": _DELETED_ACCOUNTS_VERSION},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise NotAllowed(
            f"{urlsplit(MANAGEMENT_ENDPOINT).netloc} cannot be reached ({type(error).__name__}). Is this machine online?"
        ) from None
    if answer.status_code not in (requests.codes.ok, requests.codes.not_found):
        raise NotAllowed(
            f"Azure answered {answer.status_code} to the question whether a deleted Vision account blocks the name '{account}'"
        )
    return bool(answer.status_code == requests.codes.ok)


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
class Found:
    """The result of a preflight.

    `restore`: a deleted account can be restored. `writes_blobs`: the caller has a role of its own to write blobs.
    `caller_type`: whether a person or an application deploys.
    """

    restore: bool
    writes_blobs: bool
    caller_type: str


def preflight(
    credential: "TokenCredential",
    caller: Caller,
    *,
    resource_group: str,
    location: str,
    account: str,
    container_id: str,
    networks: bool,
    defines_role: bool,
    restore: bool,
) -> Found:
    """Run all checks. `networks` and `defines_role` say whether the program creates networks, and a custom role.

    Raises:
        NotAllowed: the caller lacks a role, has no identity, or Azure can't be asked.
        AccountDeleted: the account's name is blocked, and `restore` is not set.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    try:
        with open_client(credential, caller.subscription_id) as client:
            assignments = assignments_of(client, caller)
            check_caller(client, caller, assignments, resource_group, networks=networks, defines_role=defines_role)
            ours = assignment_name(container_id, caller.object_id, Role.STORAGE_BLOB_DATA_CONTRIBUTOR)
            writes_blobs = may_write_blobs(assignments, container_id, ours)
        token = credential.get_token(f"{MANAGEMENT_ENDPOINT}/.default").token
        deleted = check_deleted_account(token, caller, location, resource_group, account)
    except ClientAuthenticationError as error:
        raise NotAllowed(f"no Entra identity for the preflight check. Log in with `az login` ({error.message})") from None
    except AzureError as error:
        raise NotAllowed(
            f"{urlsplit(MANAGEMENT_ENDPOINT).netloc} did not say what this identity may do: {error.message}"
        ) from None
    if deleted and not restore:
        raise AccountDeleted(deleted_account_message(account, location, resource_group))
    return Found(restore=deleted, writes_blobs=writes_blobs, caller_type=caller_type(token))


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


def _permission(found: Any) -> Permission:  # noqa: ANN401 - the SDK's model
    return Permission(tuple(found.actions or ()), tuple(found.not_actions or ()))


def _holds(scope: str, resource_id: str) -> bool:
    """Whether `scope` is the resource or above it."""
    outer, inner = scope.rstrip("/").lower(), resource_id.lower()
    return outer == "" or inner == outer or inner.startswith(f"{outer}/")


def _last(resource_id: object) -> str:
    return str(resource_id).rsplit("/", 1)[-1].lower()
