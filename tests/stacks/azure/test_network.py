from typing import Any

import pytest

from tests.stacks.azure.failure import Failure
from tests.stacks.azure.network import (
    APPS,
    DATABASE,
    check_environment,
    check_firewall,
    check_link,
    check_network,
    check_private_endpoint,
    check_server,
    check_subnet,
)
from tests.stacks.azure.subscription import State

NETWORK = "/subscriptions/s/resourceGroups/vision/providers/Microsoft.Network/virtualNetworks/vision"
ACCOUNTS = "/subscriptions/s/resourceGroups/vision/providers/Microsoft.CognitiveServices/accounts"
STORAGE = "/subscriptions/s/resourceGroups/vision/providers/Microsoft.Storage/storageAccounts/visiontraining"
SERVERS = "/subscriptions/s/resourceGroups/vision/providers/Microsoft.DBforPostgreSQL/flexibleServers"


def resource(resource_type: str, **inputs: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"type": f"azure-native:{resource_type}", "inputs": inputs, "outputs": {}, "created": 0}


STATE = State(
    {
        NETWORK: resource("network:VirtualNetwork", addressSpace={"addressPrefixes": ["10.0.0.0/16"]}),
        f"{NETWORK}/subnets/apps": resource("network:Subnet", addressPrefix="10.0.0.0/23"),
        STORAGE: resource("storage:StorageAccount"),
        f"{ACCOUNTS}/plain": resource("cognitiveservices:Account"),
        f"{ACCOUNTS}/named": resource("cognitiveservices:Account", properties={"customSubDomainName": "vision"}),
        f"{SERVERS}/open": resource("dbforpostgresql:Server"),
        f"{SERVERS}/inside": resource("dbforpostgresql:Server", network={"delegatedSubnetResourceId": f"{NETWORK}/subnets/db"}),
    }
)


@pytest.mark.parametrize(
    ("name", "inputs", "code"),
    [
        ("endpoints", {"addressPrefix": "10.0.2.0/24"}, None),
        ("endpoints", {"addressPrefixes": ["10.0.2.0/24", "10.0.3.0/24"]}, None),
        # It is changed, and does not lie over itself.
        ("apps", {"addressPrefix": "10.0.0.0/22"}, None),
        ("endpoints", {"addressPrefix": "10.1.0.0/24"}, "NetcfgInvalidSubnet"),
        ("endpoints", {"addressPrefix": "10.0.1.0/24"}, "NetcfgSubnetRangesOverlap"),
        ("endpoints", {"addressPrefix": "10.0.2.1/24"}, "InvalidAddressPrefixFormat"),
    ],
)
def test_subnets(name: str, inputs: dict[str, Any], code: str | None) -> None:
    subnet = f"{NETWORK}/subnets/{name}"
    if code is None:
        check_subnet(subnet, inputs, STATE)
    else:
        with pytest.raises(Failure, match=code):
            check_subnet(subnet, inputs, STATE)


@pytest.mark.parametrize(
    ("target", "groups", "code"),
    [
        (STORAGE, ["blob"], None),
        (f"{ACCOUNTS}/named", ["account"], None),
        (STORAGE, ["account"], "PrivateEndpointInvalidGroupId"),
        (STORAGE, [], "PrivateEndpointInvalidGroupId"),
        (f"{ACCOUNTS}/plain", ["account"], "CustomSubDomainNameRequired"),
        (None, [], "PrivateEndpointMustHaveConnection"),
    ],
)
def test_private_endpoints(target: str | None, groups: list[str], code: str | None) -> None:
    connections = [{"privateLinkServiceId": target, "groupIds": groups}] if target else []
    inputs = {"privateLinkServiceConnections": connections}
    if code is None:
        check_private_endpoint("/an/id", inputs, STATE)
    else:
        with pytest.raises(Failure, match=code):
            check_private_endpoint("/an/id", inputs, STATE)


def test_a_server_in_a_network_has_no_firewall() -> None:
    check_firewall(f"{SERVERS}/open/firewallRules/azure", STATE)
    with pytest.raises(Failure, match="private access enabled server"):
        check_firewall(f"{SERVERS}/inside/firewallRules/azure", STATE)


def delegated(prefix: str, *services: str) -> dict[str, Any]:
    return resource("network:Subnet", addressPrefix=prefix, delegations=[{"serviceName": service} for service in services])


ZONES = "/subscriptions/s/resourceGroups/vision/providers/Microsoft.Network/privateDnsZones"
ENVIRONMENTS = "/subscriptions/s/resourceGroups/vision/providers/Microsoft.App/managedEnvironments"
SUBNETS = State(
    {
        NETWORK: resource(
            "network:VirtualNetwork",
            addressSpace={"addressPrefixes": ["10.0.0.0/16", "100.100.0.0/16"]},
            # A part of the network, and not a resource of its own.
            subnets=[{"name": "inline", "addressPrefix": "10.0.9.0/27", "delegations": [{"serviceName": APPS}]}],
        ),
        f"{NETWORK}/subnets/apps": delegated("10.0.0.0/27", APPS),
        f"{NETWORK}/subnets/reserved": delegated("100.100.0.0/27", APPS),
        f"{NETWORK}/subnets/small": delegated("10.0.0.32/28", APPS),
        f"{NETWORK}/subnets/plain": delegated("10.0.2.0/23"),
        f"{NETWORK}/subnets/db": delegated("10.0.1.0/28", DATABASE),
        f"{NETWORK}/subnets/tiny": delegated("10.0.1.16/29", DATABASE),
        f"{NETWORK}/subnets/taken": delegated("10.0.4.0/27", APPS),
        f"{ENVIRONMENTS}/other": resource(
            "app:ManagedEnvironment", vnetConfiguration={"infrastructureSubnetId": f"{NETWORK}/subnets/taken".upper()}
        ),
        f"{ZONES}/a.example/virtualNetworkLinks/one": resource("privatedns:VirtualNetworkLink", virtualNetwork={"id": NETWORK}),
        STORAGE: resource("storage:StorageAccount"),
    }
)


@pytest.mark.parametrize(
    ("subnet", "profiles", "code"),
    [
        ("apps", True, None),
        ("inline", True, None),
        ("plain", False, None),
        ("plain", True, "ManagedEnvironmentSubnetDelegationError"),
        ("db", True, "ManagedEnvironmentSubnetDelegationError"),
        ("apps", False, "ManagedEnvironmentSubnetIsDelegated"),
        ("small", True, "ManagedEnvironmentInvalidNetworkConfiguration.*at least /27"),
        ("reserved", True, "ManagedEnvironmentInvalidNetworkConfiguration.*reserved"),
        ("taken", True, "ManagedEnvironmentSubnetInUse"),
        (None, True, None),
    ],
)
def test_the_subnet_of_an_environment(subnet: str | None, profiles: bool, code: str | None) -> None:
    inputs = {
        "workloadProfiles": [{"name": "Consumption"}] if profiles else None,
        "vnetConfiguration": {"infrastructureSubnetId": f"{NETWORK}/subnets/{subnet}"} if subnet else None,
    }
    if code is None:
        check_environment(f"{ENVIRONMENTS}/mine", inputs, SUBNETS)
    else:
        with pytest.raises(Failure, match=code):
            check_environment(f"{ENVIRONMENTS}/mine", inputs, SUBNETS)


def test_zones_take_a_subnet() -> None:
    with pytest.raises(Failure, match="zone redundant environment needs a subnet"):
        check_environment(f"{ENVIRONMENTS}/mine", {"zoneRedundant": True}, SUBNETS)


@pytest.mark.parametrize(
    ("subnet", "zone", "code"),
    [
        ("db", "x.postgres.database.azure.com", None),
        ("apps", "x.postgres.database.azure.com", "SubnetNotDelegated"),
        ("plain", "x.postgres.database.azure.com", "SubnetNotDelegated"),
        ("tiny", "x.postgres.database.azure.com", "SubnetTooSmall"),
        ("db", "x.example.com", "PrivateDnsZoneNameNotValid"),
        ("db", "inside.postgres.database.azure.com", "PrivateDnsZoneNameNotValid"),
    ],
)
def test_the_subnet_of_a_server(subnet: str, zone: str, code: str | None) -> None:
    network = {
        "delegatedSubnetResourceId": f"{NETWORK}/subnets/{subnet}",
        "privateDnsZoneArmResourceId": f"{ZONES}/{zone}",
    }
    if code is None:
        check_server(f"{SERVERS}/inside", {"network": network}, SUBNETS)
    else:
        with pytest.raises(Failure, match=code):
            check_server(f"{SERVERS}/inside", {"network": network}, SUBNETS)


@pytest.mark.parametrize(
    ("name", "inputs", "code"),
    [
        # Unused, everything can change.
        ("apps", {"addressPrefix": "10.0.8.0/27"}, None),
        ("taken", {"addressPrefix": "10.0.4.0/27", "delegations": [{"serviceName": APPS}], "routeTable": {"id": "x"}}, None),
        ("taken", {"addressPrefix": "10.0.4.0/26", "delegations": [{"serviceName": APPS}]}, "InUsePrefixCannotBeDeleted"),
        ("taken", {"addressPrefix": "10.0.4.0/27"}, "SubnetDelegationsCannotChangeWhenSubnetUsedByResource"),
    ],
)
def test_a_subnet_in_use(name: str, inputs: dict[str, Any], code: str | None) -> None:
    if code is None:
        check_subnet(f"{NETWORK}/subnets/{name}", inputs, SUBNETS)
    else:
        with pytest.raises(Failure, match=code):
            check_subnet(f"{NETWORK}/subnets/{name}", inputs, SUBNETS)


def test_a_network_keeps_the_addresses_of_its_subnets() -> None:
    check_network(NETWORK, {"addressSpace": {"addressPrefixes": ["10.0.0.0/8", "100.100.0.0/16"]}}, SUBNETS)
    with pytest.raises(Failure, match=r"NetcfgInvalidSubnet.*subnets/inline"):
        check_network(NETWORK, {"addressSpace": {"addressPrefixes": ["10.0.0.0/23", "100.100.0.0/16"]}}, SUBNETS)


def test_a_network_has_one_zone_of_a_name() -> None:
    check_link(f"{ZONES}/a.example/virtualNetworkLinks/one", {"virtualNetwork": {"id": NETWORK}}, SUBNETS)
    check_link(f"{ZONES}/b.example/virtualNetworkLinks/one", {"virtualNetwork": {"id": NETWORK}}, SUBNETS)
    second = f"{ZONES.replace('/vision/', '/other/')}/A.example/virtualNetworkLinks/two"
    with pytest.raises(Failure, match="overlapping namespaces"):
        check_link(second, {"virtualNetwork": {"id": NETWORK}}, SUBNETS)


def test_no_private_endpoint_in_a_delegated_subnet() -> None:
    inputs = {"subnet": {"id": f"{NETWORK}/subnets/db"}, "privateLinkServiceConnections": [{"privateLinkServiceId": STORAGE}]}
    with pytest.raises(Failure, match="cannot be used with a private endpoint"):
        check_private_endpoint("/an/id", inputs, SUBNETS)
