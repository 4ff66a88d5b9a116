"""The Vision account in a workspace: without one, and the order around it, with Pulumi's engine played."""

from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from tests.components.azure.played_azure import Azure
from tests.components.azure.played_engine import playing
from vision_customization.components.azure.args import AzureArgs
from vision_customization.components.azure.preflight import MAKE_VISION
from vision_customization.components.azure.preflight_resource import PreflightProvider
from vision_customization.components.azure.workspace import AzureWorkspace


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    azure = Azure()
    azure.note_dependencies(monkeypatch)
    with playing(azure, project="app", stack="test"):
        yield azure


def declare(**args: Any) -> str:  # noqa: ANN401
    """Declare a workspace, and wait for all of it; returns the endpoint of its Vision account."""
    endpoints: list[str] = []

    @pulumi.runtime.test
    def program() -> pulumi.Output[None]:
        workspace = AzureWorkspace("vision", AzureArgs(base="contoso", image="engine:1", **args))
        return pulumi.Output.all(workspace.vision_endpoint, workspace.container_url).apply(
            lambda known: endpoints.append(str(known[0]))
        )

    program()
    return endpoints[0]


def variables(azure: Azure) -> set[str]:
    (container,) = azure.inputs("app:ContainerApp")["template"]["containers"]
    return {variable["name"] for variable in container["env"]}


def test_with_an_account(azure: Azure) -> None:
    assert declare().endswith(".cognitiveservices.azure.com/")
    assert "VISION_ENGINE_VISION_ENDPOINT" in variables(azure)
    preflight = azure.inputs("pulumi-python:dynamic/vision:Preflight")
    assert preflight["vision_account"] == "contoso"
    assert MAKE_VISION in preflight["actions"]


@pytest.mark.parametrize("private_network", [False, True])
def test_without_an_account_nothing_is_made_for_it(azure: Azure, *, private_network: bool) -> None:
    assert declare(vision="none", private_network=private_network) == ""
    assert "cognitiveservices:Account" not in {made for made, _, _ in azure.made}
    names = {name for _, name, _ in azure.made}
    assert not names & {"vision-engine-calls", "vision-vision-reads", "vision-logs-vision", "vision-net-vision"}
    assert "VISION_ENGINE_VISION_ENDPOINT" not in variables(azure)
    preflight = azure.inputs("pulumi-python:dynamic/vision:Preflight")
    assert preflight.get("vision_account") is None
    assert MAKE_VISION not in preflight["actions"]


def test_without_an_account_the_rest_is_locked_after_all_that_is_below_it(azure: Azure) -> None:
    declare(vision="none", private_network=True, locks=True, monthly_budget=800, alert_emails=["a@example.com"])
    locks = {name for made, name, _ in azure.made if made == "authorization:ManagementLockByScope"}
    assert locks == {"vision-locks-database", "vision-locks-storage"}
    # A component's resources are made after what it depends on, and deleted before.
    before = azure.dependencies["vision-customization:index:DataLocks vision-locks"]
    assert {"vision-storage-training", "vision-engine-reads", "vision-logs-blobs", "vision-net-blob"} <= before
    assert azure.inputs("consumption:Budget")["amount"] == 800


def test_another_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="vision must be one of account, none, not 'maybe'"):
        AzureArgs(base="contoso", image="engine:1", vision="maybe")


def test_the_private_endpoint_comes_after_all_that_changes_the_account(azure: Azure) -> None:
    """And after the database, whose minutes let the account settle (terraform-provider-azurerm#31712)."""
    declare(private_network=True)
    before = azure.dependencies["azure-native:network:PrivateEndpoint vision-net-vision"]
    assert {"vision-vision", "vision-engine-calls", "vision-logs-vision", "vision-database"} <= before
    assert "vision-database" not in azure.dependencies["azure-native:network:PrivateEndpoint vision-net-blob"]


@pytest.mark.parametrize("restores", [True, False])
def test_it_asks_for_a_restore_only_while_there_is_something_to_restore(azure: Azure, *, restores: bool) -> None:
    azure.restores = restores
    declare(restore=True)
    assert azure.inputs("cognitiveservices:Account")["properties"].get("restore") == (True if restores else None)


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
def test_a_restored_account_is_a_change_of_the_preflight(*, before: bool, after: bool) -> None:
    provider = PreflightProvider()
    assert provider.diff("id", {"restores": before}, {"restores": after}).changes
    assert not provider.diff("id", {"restores": after}, {"restores": after}).changes
