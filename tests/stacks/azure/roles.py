"""What Azure refuses of custom roles and of assignments: pure functions of a state.

https://learn.microsoft.com/azure/role-based-access-control/custom-roles
https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
"""

import re
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from tests.stacks.azure.failure import Failure
from tests.stacks.azure.names import GUID
from tests.stacks.azure.subscription import Resource, State, same

ROLE_NAME_MOST = 512


def matches(action: str, patterns: Sequence[str]) -> bool:
    """Azure's patterns have one wildcard, `*`, and know no case. `/*/` is also one `/`, as in Managed Identity Operator.

    https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/identity
    """
    lowered = [text for pattern in patterns for text in (pattern.lower(), pattern.lower().replace("/*/", "/"))]
    return any(fnmatchcase(action.lower(), pattern) for pattern in lowered)


# For so long the directory may not have heard of a fresh identity; a caller that names the principal's type needs not wait.
DIRECTORY_DELAY_SECONDS = 600

BUILT_IN = frozenset(
    {
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",  # Owner
        "b24988ac-6180-42a0-ab88-20f7382dd24c",  # Contributor
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",  # Storage Blob Data Reader
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",  # Storage Blob Data Contributor
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",  # Storage Blob Data Owner
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88",  # Storage Queue Data Contributor
        "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",  # Storage Blob Delegator
        "a97b65f3-24c7-4388-baec-2e87135dc908",  # Cognitive Services User
        "7f951dda-4ed3-4680-a7ca-43fe172d538d",  # AcrPull
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",  # Key Vault Secrets Officer
        "4633458b-17de-408a-b874-0445c86b69e6",  # Key Vault Secrets User
    }
)

# https://learn.microsoft.com/azure/role-based-access-control/permissions/storage
BLOB_DATA_ACTIONS = frozenset(
    f"microsoft.storage/storageaccounts/blobservices/containers/blobs/{action.lower()}"
    for action in (
        *("read", "write", "delete", "add/action", "move/action", "filter/action", "tags/read", "tags/write"),
        *("deleteBlobVersion/action", "permanentDelete/action", "manageOwnership/action", "modifyPermissions/action"),
        *("runAsSuperUser/action", "immutableStorage/runAsSuperUser/action"),
    )
)


def check_role_definition(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse a role without a name of its own, without a scope, or with data actions of blobs that don't exist."""
    name = str(inputs.get("roleName") or "")
    if not 1 <= len(name) <= ROLE_NAME_MOST:
        raise Failure(400, "RoleDefinitionNameInvalid", f"roleName has 1 to {ROLE_NAME_MOST} characters, not {len(name)}")
    for other_id, other in state.of_type("authorization:RoleDefinition").items():
        if not same(other_id, resource_id) and same(other["inputs"]["roleName"], name):
            raise Failure(
                409, "RoleDefinitionWithSameNameExists", "A role definition cannot be updated with a name that already exists."
            )
    if not inputs.get("assignableScopes"):
        raise Failure(400, "MissingAssignableScopes", f"The role definition '{name}' has no assignable scopes.")
    for permission in inputs.get("permissions") or []:
        for action in (*permission.get("dataActions", ()), *permission.get("notDataActions", ())):
            if "/blobs/" in action and "*" not in action and action.lower() not in BLOB_DATA_ACTIONS:
                raise Failure(
                    400,
                    "InvalidActionOrNotAction",
                    f"'{action}' does not match any of the actions supported by the providers.",
                )


def check_role_definition_unused(resource_id: str, state: State) -> None:
    """Refuse to delete a role that is still assigned."""
    guid = resource_id.rpartition("/")[2]
    if any(same(guid, role_of(assignment)) for assignment in state.of_type("authorization:RoleAssignment").values()):
        raise Failure(400, "RoleDefinitionHasAssignments", f"There are existing role assignments referencing role '{guid}'.")


def role_of(assignment: Resource) -> str:
    return str(assignment["inputs"]["roleDefinitionId"]).rpartition("/")[2]


def principals(state: State) -> dict[str, float]:
    """The object ids of all identities in the subscription, with the time of each one's creation."""
    found = {}
    for resource in state.resources.values():
        outputs = resource["outputs"]
        identity = outputs.get("identity") or {}
        for principal in (outputs.get("principalId"), identity.get("principalId")):
            if principal and resource["type"] != "azure-native:authorization:RoleAssignment":
                found[principal] = resource["created"]
    return found


def check_role_assignment(inputs: dict[str, Any], state: State, caller: dict[str, Any], now: float | None = None) -> None:
    """Refuse an assignment for nobody, a second one of the same, and one without principal type for a fresh identity."""
    scope, principal, role = inputs["scope"], inputs["principalId"], inputs["roleDefinitionId"]
    if not re.fullmatch(rf"(?i)(/subscriptions/[^/]+)?/providers/Microsoft\.Authorization/roleDefinitions/{GUID}", role):
        raise Failure(404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{role}' does not exist.")
    check_role_exists(role.rpartition("/")[2], scope, state)
    created = principals(state).get(principal)
    is_caller = principal == caller["objectId"]
    young = created is not None and (now or time.time()) - created < DIRECTORY_DELAY_SECONDS
    if (created is None and not is_caller) or (young and not inputs.get("principalType")):
        raise Failure(
            400,
            "PrincipalNotFound",
            f"Principal {principal} does not exist in the directory. If you are creating this principal and then immediately "
            "assigning a role, set principalType to ServicePrincipal: replication may take a while.",
        )
    if created is not None and inputs.get("principalType") not in {None, "ServicePrincipal"}:
        raise Failure(
            400,
            "UnmatchedPrincipalType",
            f"The principal {principal} has type ServicePrincipal, not {inputs['principalType']}.",
        )
    for other in state.of_type("authorization:RoleAssignment").values():
        parts = (
            other["inputs"]["scope"],
            other["inputs"]["principalId"],
            other["inputs"]["roleDefinitionId"].rpartition("/")[2],
        )
        if all(map(same, parts, (scope, principal, role.rpartition("/")[2]))):
            raise Failure(409, "RoleAssignmentExists", "The role assignment already exists.")


def check_role_exists(guid: str, scope: str, state: State) -> None:
    """Refuse a role that is neither built in nor defined, and one that can't be assigned at the scope."""
    if guid.lower() in BUILT_IN:
        return
    defined = [
        role["inputs"]
        for id_, role in state.of_type("authorization:RoleDefinition").items()
        if same(id_.rpartition("/")[2], guid)
    ]
    if not defined:
        raise Failure(404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{guid}' does not exist.")
    if not any(is_at_or_below(scope, assignable) for role in defined for assignable in role["assignableScopes"]):
        raise Failure(
            400,
            "RoleAssignmentScopeNotAssignableToRoleDefinition",
            f"The role assignment scope '{scope}' is not one of the assignable scopes of role '{guid}'.",
        )


def is_at_or_below(scope: str, above: str) -> bool:
    return f"{scope}/".lower().startswith(f"{above.rstrip('/')}/".lower())
