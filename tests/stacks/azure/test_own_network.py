"""Stacks and networks through the real CLI, with nothing running behind the resources: whose they are, and who reaches what."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.azure.environment import WithoutServices
from tests.stacks.azure.provider import EmptyWorld, Provider
from tests.stacks.azure.services import AzureWorld
from tests.stacks.azure.their_network import PLATFORM, their_network

pytestmark = [pytest.mark.stack, pytest.mark.process]

ZONES = "providers/Microsoft.Network/privateDnsZones"
FIREWALL = "dbforpostgresql:FirewallRule"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AzureWorld]:
    with AzureWorld(tmp_path / "azure") as world:
        yield world


def stack(folder: Path, name: str, world: AzureWorld, **azure: Any) -> WithoutServices:  # noqa: ANN401 - settings
    """A stack of the repository without its datasets and models, with these settings."""
    made = WithoutServices.of(folder, name, world, {}, textile={})
    config = made.config()
    made.configure({**config, "models": {}, "azure": {**config["azure"], **azure}})
    return made


def of_stack(made: WithoutServices, resource_type: str) -> list[str]:
    return [id_ for id_ in made.azure.resources(resource_type) if f"/{PLATFORM}/" not in id_]


def test_a_stack_on_somebody_elses_network_and_dns_leaves_everything_of_theirs(tmp_path: Path, world: AzureWorld) -> None:
    theirs = their_network(world.folder, "centralus")
    del theirs["virtualNetwork"]
    prod = stack(tmp_path, "prod", world, network={"existing": theirs}, protect=False)
    before = prod.azure.resources()
    wrong = {**theirs, "appsSubnet": theirs["endpointsSubnet"], "endpointsSubnet": theirs["appsSubnet"]}
    config = prod.config()
    prod.configure({**config, "azure": {**config["azure"], "network": {"existing": wrong}}})
    refused = prod.preview().failed().output
    assert (
        f"appsSubnet {wrong['appsSubnet']} is delegated to nothing. It must be delegated to Microsoft.App/environments"
        in refused
    )
    assert "Traceback" not in refused
    prod.configure(config)
    prod.bootstrap().succeeded()
    for made_here in ("network:VirtualNetwork", "network:Subnet", "privatedns:PrivateZone", "privatedns:VirtualNetworkLink"):
        assert of_stack(prod, made_here) == []
    (record,) = prod.azure.resources("privatedns:PrivateRecordSet")
    domain = next(iter(prod.azure.resources("app:ManagedEnvironment").values()))["outputs"]["defaultDomain"]
    assert record.endswith(f"/{PLATFORM}/{ZONES}/centralus.azurecontainerapps.io/A/*.{domain.split('.')[0]}")
    (server,) = prod.azure.resources("dbforpostgresql:Server").values()
    assert server["inputs"]["network"]["delegatedSubnetResourceId"] == theirs["databaseSubnet"]
    prod.preview("--expect-no-changes", "--exclude-dependents", "--exclude", "**BlobAccess**").succeeded()
    prod.destroy().succeeded()
    assert prod.azure.resources() == before


def test_what_is_not_given_is_made_in_their_network(tmp_path: Path, world: AzureWorld) -> None:
    theirs = their_network(world.folder, "centralus")
    existing = {name: theirs[name] for name in ("appsSubnet", "blobZone", "visionZone", "vaultZone")}
    prod = stack(tmp_path, "prod", world, network={"existing": existing}, addressPrefix="10.7.0.128/25", protect=False)
    before = prod.azure.resources()
    prod.bootstrap().succeeded()
    made = sorted(id_.rpartition("/")[2] for id_ in prod.azure.resources("network:Subnet") if id_ not in before)
    assert made == ["vision-prod-net-database", "vision-prod-net-endpoints"]
    # Its name is not that of the zone that is linked already, which Azure would refuse.
    assert any(
        "/vision-prod-net.private.postgres.database.azure.com" in id_ for id_ in of_stack(prod, "privatedns:PrivateZone")
    )
    prod.destroy().succeeded()
    assert prod.azure.resources() == before


def test_nothing_public_reaches_the_database_of_a_public_stack(tmp_path: Path, world: AzureWorld) -> None:
    their_network(world.folder)
    table, _ = Provider(world.folder, EmptyWorld()).create(
        "azure-native:network:RouteTable",
        {"resourceGroupName": PLATFORM, "routeTableName": "to-the-firewall", "location": "eastus"},
    )
    choices = {"zoneRedundant": True, "peerEncryption": True}
    dev = stack(tmp_path, "dev", world, network={"routeTable": table}, environment=choices)
    dev.bootstrap().succeeded()
    assert dev.azure.resources(FIREWALL) == {}
    (server,) = dev.azure.resources("dbforpostgresql:Server").values()
    assert server["inputs"]["network"]["publicNetworkAccess"] == "Disabled"
    assert server["inputs"]["network"]["delegatedSubnetResourceId"].endswith("/vision-dev-net/subnets/database")
    # What privateNetwork closes is open.
    assert dev.azure.resources("network:PrivateEndpoint") == {}
    (account,) = dev.azure.resources("storage:StorageAccount").values()
    assert account["inputs"]["publicNetworkAccess"] == "Enabled"
    (environment,) = dev.azure.resources("app:ManagedEnvironment").values()
    assert environment["inputs"]["vnetConfiguration"]["internal"] is False
    subnets = {id_: dev.azure.resources()[id_]["inputs"] for id_ in of_stack(dev, "network:Subnet")}
    assert all(subnet.get("networkSecurityGroup") for subnet in subnets.values())
    tables = {id_.rpartition("/")[2]: (subnet.get("routeTable") or {}).get("id") for id_, subnet in subnets.items()}
    assert tables == {"apps": table, "database": None}
    assert environment["inputs"]["zoneRedundant"] is True
    assert environment["inputs"]["peerTrafficConfiguration"] == {"encryption": {"enabled": True}}
    # Zones can't be changed later: the preview says that the environment would be replaced. Encryption can.
    config = dev.config()
    for changed, replaces in (({"peerEncryption": False}, False), ({"zoneRedundant": False}, True)):
        dev.configure({**config, "azure": {**config["azure"], "environment": choices | changed}})
        preview = dev.preview("--exclude-dependents", "--exclude", "**BlobAccess**").succeeded().output
        lines = [line for line in preview.splitlines() if "app:ManagedEnvironment vision-apps" in line]
        assert any(" replace" in line for line in lines) is replaces, lines


def test_a_stack_of_an_earlier_version_keeps_its_database(tmp_path: Path, world: AzureWorld) -> None:
    """With the setting that says so, nothing of the network is made, and the database is where it was."""
    dev = stack(tmp_path, "dev", world, database={"access": "azureServices"})
    dev.bootstrap().succeeded()
    assert len(dev.azure.resources(FIREWALL)) == 1
    assert dev.azure.resources("network:VirtualNetwork") == {}
    (environment,) = dev.azure.resources("app:ManagedEnvironment").values()
    assert environment["inputs"].get("vnetConfiguration") is None
    # Without the setting, the update would replace the server. It says so, and changes nothing.
    config = dev.config()
    del config["azure"]["database"]
    dev.configure(config)
    before = dev.azure.resources()
    refused = dev.bootstrap().failed().output
    assert "is outside of a network, and Azure can't move it" in refused
    assert "Set `azure.database.access: azureServices` to keep it" in refused
    assert dev.azure.resources() == before
