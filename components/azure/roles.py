"""Azure roles: the few that are assigned here, and finding the actions that a set of permissions lacks."""

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
    COGNITIVE_SERVICES_USER = "a97b65f3-24c7-4388-baec-2e87135dc908"

    @property
    def label(self) -> str:
        """The name in the portal: `Storage Blob Data Reader`."""
        return self.name.replace("_", " ").title()

    def definition_id(self, subscription_id: str) -> str:
        return f"/subscriptions/{subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{self.value}"


_ASSIGNMENTS = uuid.UUID("5b0d8f3e-62a4-4b64-9d0f-0d3a4a3b9c11")
"""The namespace of our assignments' names: an arbitrary UUID that must never change."""


def assignment_name(scope: str, principal_id: str, role: Role) -> str:
    """The GUID that names the assignment: the same for the same scope, principal and role, on every machine and every time."""
    return str(uuid.uuid5(_ASSIGNMENTS, f"{scope.lower()}|{principal_id.lower()}|{role.value}"))


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
    return any(
        re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), action, re.IGNORECASE) for pattern in patterns
    )
