"""A stack among resources of somebody else, deployed by a caller who may do something in one resource group alone."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.stacks.azure.environment import Environment
from tests.stacks.azure.provider import EmptyWorld, Provider
from tests.stacks.azure.services import AzureWorld
from tests.stacks.azure.their_network import PLATFORM, their_network

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process, pytest.mark.postgresql]

GROUP = "contoso-vision"
IMAGE = "contoso.azurecr.io/vision-engine:v0.1.0"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureWorld]:
    with AzureWorld(tmp_path_factory.mktemp("azure")) as world:
        yield world


@pytest.fixture(scope="module")
def network(world: AzureWorld) -> dict[str, str]:
    """Their network and DNS zones."""
    return their_network(world.folder)


@pytest.fixture(scope="module")
def theirs(world: AzureWorld, network: dict[str, str]) -> dict[str, str]:
    """What the platform team has made: ids by what they are called in the settings."""
    provider = Provider(world.folder, EmptyWorld())

    def made(resource_type: str, **inputs: Any) -> str:  # noqa: ANN401
        return provider.create(f"azure-native:{resource_type}", {"location": "eastus", **inputs})[0]

    made("resources:ResourceGroup", resourceGroupName=GROUP)
    inside: dict[str, Any] = {"resourceGroupName": PLATFORM}
    return {
        "logWorkspace": made(
            "operationalinsights:Workspace", workspaceName="contoso-logs", sku={"name": "PerGB2018"}, **inside
        ),
        "identity": made("managedidentity:UserAssignedIdentity", resourceName="contoso-engine", **inside),
        "containerRegistry": made("containerregistry:Registry", registryName="contoso", sku={"name": "Premium"}, **inside),
    }


@pytest.fixture(scope="module")
def stack(
    world: AzureWorld, theirs: dict[str, str], network: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    stack = Environment.of(tmp_path_factory.mktemp("borrowed"), "dev", world, {}, textile={})
    config = stack.config()
    config["models"] = {}
    config["azure"] |= {name: {"existing": id_} for name, id_ in theirs.items()}
    config["azure"] |= {"resourceGroup": {"existing": GROUP}, "registry": "contoso.azurecr.io", "image": IMAGE}
    config["azure"] |= {"privateNetwork": True, "keyVault": True, "network": {"existing": network}}
    stack.configure(config)
    return stack


def caller_in(stack: Environment, scope: str | None, *, but: list[str] | None = None) -> None:
    """Give the caller rights in one group alone, or (None) everywhere."""
    caller = {**stack.azure.subscription.scenario()["caller"], "notActions": but or []}
    caller.pop("scope", None)
    stack.azure.scenario(caller={**caller, **({"scope": scope} if scope else {})})


def test_one_missing_right_is_named_before_anything_is_made(stack: Environment, theirs: dict[str, str]) -> None:
    before = set(stack.azure.resources())
    keys = "Microsoft.OperationalInsights/workspaces/sharedKeys/action"
    caller_in(stack, None, but=[keys])
    refused = stack.up().failed().output
    caller_in(stack, None)
    assert f"lacks the role 'Log Analytics Contributor' on {theirs['logWorkspace']}" in refused
    assert "Nothing was created" in refused
    assert "Traceback" not in refused
    assert set(stack.azure.resources()) == before


def test_it_comes_up_among_theirs(stack: Environment, theirs: dict[str, str]) -> None:
    before = {id_: found["inputs"] for id_, found in stack.azure.resources().items()}
    stack.bootstrap().succeeded()
    stack.up().succeeded()
    stack.preview("--expect-no-changes").succeeded()
    made = stack.azure.resources()
    elsewhere = {made[id_]["type"] for id_ in made.keys() - before.keys() if f"/resourceGroups/{GROUP}/" not in id_}
    assert elsewhere == {"azure-native:authorization:RoleAssignment", "azure-native:privatedns:PrivateRecordSet"}
    assert not [id_ for id_, found in made.items() if found["type"].endswith(":Workspace") and id_ != theirs["logWorkspace"]]
    pulls = [
        found["inputs"]["scope"]
        for found in stack.azure.resources("authorization:RoleAssignment").values()
        if "7f951dda-4ed3-4680-a7ca-43fe172d538d" in found["inputs"]["roleDefinitionId"]
    ]
    assert pulls == [theirs["containerRegistry"]]
    assert {id_: made[id_]["inputs"] for id_ in before} == before


def test_destroy_leaves_everything_of_theirs(stack: Environment, theirs: dict[str, str], network: dict[str, str]) -> None:
    stack.destroy().succeeded()
    left = {id_ for id_ in stack.azure.resources() if "/providers/" in id_ and "/virtualNetworkLinks/" not in id_}
    assert left == {*theirs.values(), *network.values()}
    assert len(stack.azure.resources("privatedns:VirtualNetworkLink")) == sum(name.endswith("Zone") for name in network)


def test_a_caller_with_rights_in_one_group_alone(
    world: AzureWorld, stack: Environment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No right in the subscription, no resource of somebody else but the group."""
    alone = Environment.of(tmp_path_factory.mktemp("alone"), "dev", world, {}, textile={})
    config = alone.config()
    config["models"] = {}
    config["azure"] |= {"resourceGroup": {"existing": GROUP}, "name": "contoso-alone", "keyVault": True}
    alone.configure(config)
    subscription = alone.azure.subscription.scenario()["subscriptionId"]
    caller_in(alone, f"/subscriptions/{subscription}/resourceGroups/{GROUP}")
    try:
        up = alone.up().succeeded().output
        assert "may not ask whether a deleted Vision account blocks the name 'contoso-alone'" in up
        assert "not checked before the update: whether a deleted Key Vault blocks the name 'contoso-alone-" in up
        alone.destroy().succeeded()
    finally:
        caller_in(alone, None)
