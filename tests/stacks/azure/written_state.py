"""A subscription whose state a test writes by itself: the services read what a plugin would have written."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stacks.azure import directory

GROUP = f"/subscriptions/{directory.SUBSCRIPTION_ID}/resourceGroups/rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/visiontraining"
CONTAINER = f"{ACCOUNT}/blobServices/default/containers/training"
ARTIFACTS = f"{ACCOUNT}/blobServices/default/containers/artifacts"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/engine"
READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"


@dataclass
class State:
    """`state.json`, as the plugin's stand-in keeps it."""

    folder: Path
    resources: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        partial = self.folder / "state.partial"
        partial.write_text(json.dumps({"resources": self.resources, "deleted": {}}))
        partial.replace(self.folder / "state.json")

    def add(
        self, type_: str, id_: str, inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None
    ) -> None:
        self.resources[id_] = {
            "type": type_,
            "inputs": dict(inputs or {}),
            "outputs": dict(outputs or {}),
            "created": time.time(),
        }
        self.write()

    def remove(self, id_: str) -> None:
        del self.resources[id_]
        self.write()

    def define(self, role: str, *data_actions: str) -> None:
        """A custom role of the resource group."""
        id_ = f"{GROUP}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        self.add(directory.ROLE_DEFINITION, id_, {"permissions": [{"dataActions": list(data_actions)}]})

    def assign(self, role: str, object_id: str, scope: str, *, age_seconds: float = 0) -> str:
        id_ = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{role[:8]}-{object_id}"
        definition = f"/subscriptions/{directory.SUBSCRIPTION_ID}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        self.add(
            directory.ASSIGNMENT,
            id_,
            {"scope": scope, "principalId": object_id, "roleDefinitionId": definition, "principalType": "ServicePrincipal"},
        )
        self.resources[id_]["created"] -= age_seconds
        self.write()
        return id_


def subscription(folder: Path) -> State:
    """A resource group, a hardened storage account with one container, and an identity."""
    folder.mkdir(parents=True, exist_ok=True)
    state = State(folder)
    state.add(directory.RESOURCE_GROUP, GROUP)
    state.add(directory.STORAGE_ACCOUNT, ACCOUNT, {"allowSharedKeyAccess": False, "allowBlobPublicAccess": False})
    state.add(directory.CONTAINER, CONTAINER)
    state.add(directory.IDENTITY, IDENTITY, outputs={"principalId": "engine-object", "clientId": "engine-client"})
    return state
