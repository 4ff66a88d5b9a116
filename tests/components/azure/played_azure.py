"""Azure, played: what a whole workspace is answered by Pulumi's engine."""

from typing import Any

import pytest
from pulumi.runtime import mocks

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
OUTPUTS: dict[str, Any] = {
    "primaryEndpoints": {
        "blob": "https://account.blob.core.windows.net/",
        "queue": "https://account.queue.core.windows.net/",
    },
    "identity": {"type": "SystemAssigned", "principalId": "principal-1", "tenantId": "tenant-1"},
    "principalId": "principal-2",
    "clientId": "client-2",
    "defaultDomain": "apps.example",
    "staticIp": "10.42.0.4",
    "fullyQualifiedDomainName": "server.example",
    "value": "c2VjcmV0",
    "caller_type": "User",
}
LOOKED_UP: dict[str, dict[str, Any]] = {
    "authorization:getClientConfig": {
        "subscriptionId": SUBSCRIPTION,
        "objectId": "object-1",
        "tenantId": "tenant-1",
        "clientId": "client-1",
    },
    "operationalinsights:getSharedKeys": {"primarySharedKey": "key"},
    "operationalinsights:getWorkspace": {"customerId": "customer-1"},
    "managedidentity:getUserAssignedIdentity": {"principalId": "principal-9", "clientId": "client-9"},
}


class Azure(mocks.Mocks):
    """Answers with the inputs; `made` are types, names and inputs.

    By type and name, `dependencies` are names of resources, and `ignored` the properties of which a change is ignored.
    """

    def __init__(self) -> None:
        self.made: list[tuple[str, str, dict[str, Any]]] = []
        self.restores = False
        self.storage_gb = 32
        self.dependencies: dict[str, set[str]] = {}
        self.ignored: dict[str, set[str]] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.made.append((args.typ.removeprefix("azure-native:"), args.name, args.inputs))
        outputs = {"name": args.name, **args.inputs, **OUTPUTS, "restores": self.restores, "storage_gb": self.storage_gb}
        if secret := args.inputs.get("secretName"):
            outputs["properties"] = {"secretUriWithVersion": f"https://vault.example/{secret}/1"}
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        return LOOKED_UP[args.token.removeprefix("azure-native:")]

    def inputs(self, resource_type: str, name: str | None = None) -> dict[str, Any]:
        """Of the first resource of a type, or of the one with that name."""
        return next(inputs for made, called, inputs in self.made if made == resource_type and name in (None, called))

    def note_dependencies(self, patch: pytest.MonkeyPatch) -> None:
        """Fill in `dependencies` and `ignored` from now on."""
        register = mocks.MockMonitor.RegisterResource

        def noting(monitor: mocks.MockMonitor, request: Any) -> Any:  # noqa: ANN401 - a message
            self.dependencies[f"{request.type} {request.name}"] = {urn.rpartition("::")[2] for urn in request.dependencies}
            if request.ignoreChanges:
                self.ignored[f"{request.type} {request.name}"] = set(request.ignoreChanges)
            return register(monitor, request)

        patch.setattr(mocks.MockMonitor, "RegisterResource", noting)
