"""Azure roles: the few that are defined or assigned here, and finding the actions that a set of permissions lacks."""

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Built-in roles by the id of their definition (Azure's page "Azure built-in roles")."""

    STORAGE_BLOB_DATA_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
    STORAGE_BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    STORAGE_BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
    STORAGE_QUEUE_DATA_CONTRIBUTOR = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
    ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    COGNITIVE_SERVICES_USER = "a97b65f3-24c7-4388-baec-2e87135dc908"
    KEY_VAULT_SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"

    @property
    def label(self) -> str:
        """The name in the portal: `Storage Blob Data Reader`."""
        if self is Role.ACR_PULL:
            return "AcrPull"
        return self.name.replace("_", " ").title()

    def definition_id(self, subscription_id: str) -> str:
        return definition_id(subscription_id, self.value)


def definition_id(subscription_id: str, guid: str) -> str:
    """The ARM id of a role, as assignments have it: also of a custom role that is defined in a resource group."""
    return f"/subscriptions/{subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{guid}"


READ_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
ADD_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action"
"""Data actions: to read and list blobs, and to create one whose name is new. `blobs/write` would also overwrite one."""

ADDERS = uuid.UUID("8d1c6a52-93be-4f07-a6c4-2be7f51d0e38")
"""The namespace of the GUIDs of our custom role: an arbitrary UUID that must never change."""


def adder_id(account_id: str) -> str:
    """The GUID of the custom role that adds blobs in a storage account: the same on every machine and every time."""
    return str(uuid.uuid5(ADDERS, account_id.lower()))


_ASSIGNMENTS = uuid.UUID("5b0d8f3e-62a4-4b64-9d0f-0d3a4a3b9c11")
"""The namespace of our assignments' names: an arbitrary UUID that must never change."""


def assignment_name(scope: str, principal_id: str, role_id: str) -> str:
    """The GUID that names the assignment: the same for the same scope, principal and role, on every machine and every time.

    `role_id` is the GUID of the role's definition, such as a `Role`.
    """
    return str(uuid.uuid5(_ASSIGNMENTS, f"{scope.lower()}|{principal_id.lower()}|{role_id}"))


@dataclass(frozen=True)
class Permission:
    """What one role allows: actions with `*` as a wildcard, less `not_actions`."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()

    def allows(self, action: str) -> bool:
        return _matches(self.actions, action) and not _matches(self.not_actions, action)


def missing_actions(permissions: Sequence[Permission], wanted: Iterable[str]) -> list[str]:
    """The actions in `wanted` that no permission allows, compared case-insensitively, as in Azure."""
    return [action for action in wanted if not any(permission.allows(action) for permission in permissions)]


def _matches(patterns: Iterable[str], action: str) -> bool:
    """`/*/` also stands for one `/`: Managed Identity Operator has `userAssignedIdentities/*/assign/action`, and allows
    `userAssignedIdentities/assign/action` (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/identity)."""
    return any(_pattern(pattern).fullmatch(action) for pattern in patterns)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"/\*/", "/(.*/)?").replace(r"\*", ".*"), re.IGNORECASE)
