"""AzureWorkspace in the tests of those who use it: with Pulumi's mocks, and without any network."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from tests.components.azure.played_engine import playing
from vision_customization.components.azure.args import AzureArgs
from vision_customization.components.azure.existing import Existing
from vision_customization.components.azure.workspace import AzureWorkspace

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
PLATFORM = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/platform/providers"
LOGS = f"{PLATFORM}/Microsoft.OperationalInsights/workspaces/logs"
IDENTITY = f"{PLATFORM}/Microsoft.ManagedIdentity/userAssignedIdentities/engine"
CLIENT = {"subscriptionId": SUBSCRIPTION, "objectId": "object-1", "tenantId": "tenant-1", "clientId": "client-1"}


class Azure(mocks.Mocks):
    """Answers with the inputs, and remembers what was made."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.made.append((args.typ, args.name))
        outputs: Mapping[str, Any] = {
            "primaryEndpoints": {"blob": "https://account.blob.core.windows.net/"},
            "identity": {"type": "SystemAssigned", "principalId": "principal-1", "tenantId": "tenant-1"},
            "principalId": "principal-2",
            "clientId": "client-2",
            "defaultDomain": "apps.example",
            "staticIp": "10.42.0.4",
            "value": "c2VjcmV0",
            "restores": False,
            "caller_type": "User",
        }
        return f"{args.name}-id", {"name": args.name, **args.inputs, **outputs}

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        return {
            "azure-native:authorization:getClientConfig": CLIENT,
            "azure-native:operationalinsights:getSharedKeys": {"primarySharedKey": "key"},
            "azure-native:operationalinsights:getWorkspace": {"customerId": "customer-1"},
            "azure-native:managedidentity:getUserAssignedIdentity": {"principalId": "principal-9", "clientId": "client-9"},
        }[args.token]


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    def refuse(*_: object) -> None:
        raise AssertionError("a constructor called a network")

    azure = Azure()
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with playing(azure, project="app", stack="test"):
        yield azure


def types(azure: Azure) -> set[str]:
    return {made.removeprefix("azure-native:") for made, _ in azure.made}


def declare(**args: Any) -> str:  # noqa: ANN401
    """Declare a workspace, and wait for all of it; returns its container's URL."""
    urls: list[str] = []

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        workspace = AzureWorkspace("vision", AzureArgs(base="contoso", image="engine:1", **args))
        return workspace.container_url.apply(urls.append)

    run()
    return urls[0]


def test_a_program_declares_it_with_mocks(azure: Azure) -> None:
    assert declare() == "https://account.blob.core.windows.net/vision-storage-training"
    assert {"resources:ResourceGroup", "storage:StorageAccount", "app:ContainerApp"} <= types(azure)
    assert ("pulumi-python:dynamic/vision:Preflight", "vision-preflight") in azure.made


def test_what_is_there_already_is_not_made(azure: Azure) -> None:
    given = {"resource_group": Existing("contoso-rg"), "log_workspace": Existing(LOGS), "identity": Existing(IDENTITY)}
    declare(**given)
    assert not types(azure) & {
        "resources:ResourceGroup",
        "operationalinsights:Workspace",
        "managedidentity:UserAssignedIdentity",
    }


def test_an_id_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match=r"identity '.*/logs': must be the id of a resource of type Microsoft\.Managed"):
        AzureArgs(base="contoso", image="engine:1", identity=Existing(LOGS))
