"""The keys of accounts and workspaces, which functions hand out; made of the resource's id, so that they stay."""

import hashlib
from typing import Any

from tests.stacks.azure.catalog import CATALOG, kind_of
from tests.stacks.azure.failure import Failure
from tests.stacks.azure.subscription import Resource

# The function, the type whose keys it answers, and the action of roles that it takes.
KEY_FUNCTIONS = {
    "cognitiveservices:listAccountKeys": ("cognitiveservices:Account", "listKeys/action"),
    "operationalinsights:getSharedKeys": ("operationalinsights:Workspace", "sharedKeys/action"),
    "storage:listStorageAccountKeys": ("storage:StorageAccount", "listKeys/action"),
}


def getter(function: str) -> str | None:
    """The type that a function such as `operationalinsights:getWorkspace` reads: `operationalinsights:Workspace`."""
    module, _, name = function.partition(":get")
    return f"{module}:{name}" if f"{module}:{name}" in CATALOG else None


def key_action(function: str) -> str:
    """`Microsoft.Storage/storageAccounts/listKeys/action`"""
    resource_type, action = KEY_FUNCTIONS[function]
    return f"{kind_of(resource_type).arm_type}/{action}"


def keys(function: str, resource_id: str, resource: Resource | None) -> dict[str, Any]:
    """What the function answers; refused where keys are switched off."""
    if resource is None:
        raise Failure(404, "ResourceNotFound", f"The Resource '{resource_id}' was not found.")
    inputs = resource["inputs"]
    first, second = (hashlib.sha256(f"{resource_id.lower()} {number}".encode()).hexdigest() for number in (1, 2))
    if function == "operationalinsights:getSharedKeys":
        return {"primarySharedKey": first, "secondarySharedKey": second}
    if function == "cognitiveservices:listAccountKeys":
        if (inputs.get("properties") or {}).get("disableLocalAuth"):
            raise Failure(400, "BadRequest", "Failed to list key. disableLocalAuth is set to be true")
        return {"key1": first, "key2": second}
    if inputs.get("allowSharedKeyAccess") is False:
        raise Failure(
            403, "KeyBasedAuthenticationNotPermitted", "Key based authentication is not permitted on this storage account."
        )
    created = "2026-01-01T00:00:00.0000000Z"
    return {
        "keys": [
            {"keyName": f"key{number}", "value": value, "permissions": "FULL", "creationTime": created}
            for number, value in enumerate((first, second), start=1)
        ]
    }
