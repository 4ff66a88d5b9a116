"""AzureWorkspace in the tests of those who use it: with Pulumi's mocks, and without any network."""

import socket
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from tests.components.azure.played_azure import SUBSCRIPTION, Azure
from tests.components.azure.played_engine import playing
from vision_customization.components.azure.args import AzureArgs, DatabaseSize, EngineSize
from vision_customization.components.azure.existing import Existing
from vision_customization.components.azure.existing_network import ExistingNetwork, NetworkOptions
from vision_customization.components.azure.preflight import MAKE_GROUP
from vision_customization.components.azure.workspace import AzureWorkspace

PLATFORM = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/platform/providers"
LOGS = f"{PLATFORM}/Microsoft.OperationalInsights/workspaces/logs"
IDENTITY = f"{PLATFORM}/Microsoft.ManagedIdentity/userAssignedIdentities/engine"


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    def refuse(*_: object) -> None:
        raise AssertionError("a constructor called a network")

    azure = Azure()
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with playing(azure, project="app", stack="test"):
        yield azure


def types(azure: Azure) -> set[str]:
    return {made for made, _, _ in azure.made}


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
    assert azure.inputs("pulumi-python:dynamic/vision:Preflight", "vision-preflight")


def test_what_is_there_already_is_not_made(azure: Azure) -> None:
    given = {"resource_group": Existing("contoso-rg"), "log_workspace": Existing(LOGS), "identity": Existing(IDENTITY)}
    declare(**given)
    assert not types(azure) & {"resources:ResourceGroup", "operationalinsights:Workspace"}
    # The database's administrator is nobody else's.
    identity = "managedidentity:UserAssignedIdentity"
    assert [name for made, name, _ in azure.made if made == identity] == ["vision-database-administrator"]


def test_a_stack_has_names_of_its_own_in_a_group_of_somebody_else(azure: Azure) -> None:
    """So that two stacks can share it."""
    given = {"private_network": True, "monthly_budget": 5, "alert_emails": ["a@example.com"]}
    declare(resource_group=Existing("contoso-rg"), **given)
    assert azure.inputs("consumption:Budget")["budgetName"] == "contoso"
    assert azure.inputs("network:PrivateEndpoint", "vision-net-blob")["privateEndpointName"] == "contoso-net-blob"
    zone = azure.inputs("privatedns:PrivateZone", "vision-net-database")["privateZoneName"]
    assert zone == "contoso-net.private.postgres.database.azure.com"


def test_a_group_of_somebody_else_is_asked_about_by_its_name(azure: Azure) -> None:
    """And no right is asked for to make one, nor in the subscription."""
    declare(resource_group=Existing("contoso-rg"))
    preflight = azure.inputs("pulumi-python:dynamic/vision:Preflight")
    assert (preflight["resource_group"], preflight["existing_group"]) == ("contoso-rg", True)
    assert MAKE_GROUP not in preflight["actions"]
    for id_ in (preflight["container_id"], preflight["server_id"]):
        assert id_.startswith(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/contoso-rg/")


def test_the_region_is_free_and_the_vision_accounts_one_of_three(azure: Azure) -> None:
    declare(location="swedencentral", private_network=True, key_vault=True)
    places = {name: inputs["location"] for _, name, inputs in azure.made if inputs.get("location") not in (None, "global")}
    assert places.pop("vision-vision") == "eastus"
    assert set(places.values()) == {"swedencentral"}
    assert {"vision-database", "vision-storage", "vision-engine-api"} <= set(places)
    preflight = azure.inputs("pulumi-python:dynamic/vision:Preflight")
    assert (preflight["database_location"], preflight["vision_location"]) == ("swedencentral", "eastus")


def test_what_azure_changes_of_the_database_stays_and_nothing_else_is_ignored(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is ignored stays in each later request: the zones that a failover swaps, but never a restore that was done."""
    azure.note_dependencies(monkeypatch)
    azure.storage_gb = 256
    declare(database=DatabaseSize(storage_gb=64), restore=True, private_network=True, key_vault=True)
    assert azure.inputs("dbforpostgresql:Server")["storage"]["storageSizeGB"] == 256
    zones = {"availabilityZone", "highAvailability.standbyAvailabilityZone"}
    assert azure.ignored == {"azure-native:dbforpostgresql:Server vision-database": zones | {"administratorLogin"}}


def exports(**args: Any) -> dict[str, Any]:  # noqa: ANN401
    """The workspace's `exports`, as Pulumi knows them in the end."""
    found: list[dict[str, Any]] = []

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        workspace = AzureWorkspace("vision", AzureArgs(base="contoso", image="engine:1", **args))
        return pulumi.Output.from_input(workspace.exports).apply(found.append)

    run()
    return found[0]


@pytest.mark.usefixtures("azure")
def test_a_stack_exports_the_same_names_with_what_is_there_already() -> None:
    registry = Existing(f"{PLATFORM}/Microsoft.ContainerRegistry/registries/contoso")
    borrowed = exports(
        resource_group=Existing("contoso-rg"),
        log_workspace=Existing(LOGS),
        identity=Existing(IDENTITY),
        registry="contoso.azurecr.io",
        container_registry=registry,
    )
    assert borrowed["resourceGroup"] == "contoso-rg"
    assert borrowed["logWorkspaceId"] == LOGS
    assert borrowed["identityId"] == IDENTITY
    assert (borrowed["identityClientId"], borrowed["identityPrincipalId"]) == ("client-9", "principal-9")
    assert all(borrowed.values())
    assert set(borrowed) == set(exports())


@pytest.mark.usefixtures("azure")
def test_without_a_vision_account_its_exports_are_empty() -> None:
    found = exports(vision="none")
    assert {name for name, value in found.items() if value == ""} == {"visionEndpoint", "visionAccountId", "visionPrincipalId"}
    assert all(value is not None for value in found.values())


def test_workers_as_a_job_with_a_gpu_need_a_right_and_a_profile_of_the_environment(azure: Azure) -> None:
    declare(engine=EngineSize(workers="job", worker_profile="Consumption-GPU-NC8as-T4"))
    preflight = azure.inputs("pulumi-python:dynamic/vision:Preflight", "vision-preflight")
    assert "Microsoft.App/jobs/write" in preflight["actions"]
    environment = azure.inputs("app:ManagedEnvironment")
    profiles = {profile["name"]: profile["workloadProfileType"] for profile in environment["workloadProfiles"]}
    assert profiles == {"Consumption": "Consumption", "NC8as-T4": "Consumption-GPU-NC8as-T4"}
    assert azure.inputs("app:Job")["workloadProfileName"] == "NC8as-T4"


def test_workers_as_a_job_have_another_name_than_as_an_app(azure: Azure) -> None:
    """When `workers` changes, both exist for a while."""
    declare(engine=EngineSize(workers="job"), alert_emails=["ops@example.com"])
    assert azure.inputs("app:Job")["jobName"] == "contoso-worker-job"
    rule = azure.inputs("monitor:ScheduledQueryRule", "vision-logs-failed-trainings")
    assert "'contoso-worker-job' in" in rule["criteria"]["allOf"][0]["query"]
    declare()
    assert azure.inputs("app:ContainerApp", "vision-engine-worker")["containerAppName"] == "contoso-worker"


@pytest.mark.usefixtures("azure")
def test_the_name_of_the_workers_is_exported() -> None:
    assert exports(engine=EngineSize(workers="job"))["workerApp"] == "contoso-worker-job"
    assert exports()["workerApp"] == "contoso-worker"


def test_an_id_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match=r"identity '.*/logs': must be the id of a resource of type Microsoft\.Managed"):
        AzureArgs(base="contoso", image="engine:1", identity=Existing(LOGS))


def test_the_name_of_the_network_is_in_names_of_what_is_made_among_given_subnets(azure: Azure) -> None:
    subnets = f"{PLATFORM}/Microsoft.Network/virtualNetworks/spoke/subnets"
    given = ExistingNetwork(apps_subnet=f"{subnets}/apps", database_subnet=f"{subnets}/database")
    declare(network=NetworkOptions(given), names={"network": "ours"})
    assert azure.inputs("privatedns:PrivateZone")["privateZoneName"] == "ours.private.postgres.database.azure.com"
