from typing import Any

import pytest

from tests.stacks.azure.failure import Failure
from tests.stacks.azure.network import check_firewall, check_private_endpoint, check_subnet
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
