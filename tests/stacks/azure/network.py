"""What Azure refuses of networks: subnets that don't fit, private endpoints that can't reach, firewalls with no way in."""

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network
from typing import Any

from tests.stacks.azure.failure import Failure
from tests.stacks.azure.subscription import State, same

# What a private endpoint can lead to (https://learn.microsoft.com/azure/private-link/private-endpoint-overview).
GROUP_IDS = {
    "azure-native:cognitiveservices:Account": {"account"},
    "azure-native:storage:StorageAccount": {"blob", "dfs", "file", "queue", "table", "web"},
    "azure-native:dbforpostgresql:Server": {"postgresqlServer"},
    "azure-native:keyvault:Vault": {"vault"},
    "azure-native:app:ManagedEnvironment": {"managedEnvironments"},
}


def check_subnet(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse a subnet that is not in its network, or lies over another one."""
    network_id = resource_id.rpartition("/subnets/")[0]
    network = (state.get(network_id) or {"inputs": {}})["inputs"]
    space = [ip_network(prefix) for prefix in (network.get("addressSpace") or {}).get("addressPrefixes", [])]
    neighbours = {key: value["inputs"] for key, value in state.of_type("network:Subnet").items() if not same(key, resource_id)}
    for own in ranges(inputs):
        if not any(isinstance(whole, IPv4Network) and own.subnet_of(whole) for whole in space):
            raise Failure(
                400, "NetcfgInvalidSubnet", f"Subnet '{resource_id}' ({own}) is not valid in virtual network '{network_id}'."
            )
        for key, neighbour in neighbours.items():
            if same(key.rpartition("/subnets/")[0], network_id) and any(own.overlaps(other) for other in ranges(neighbour)):
                raise Failure(400, "NetcfgSubnetRangesOverlap", f"Subnet '{resource_id}' ({own}) overlaps with '{key}'.")


def ranges(subnet: dict[str, Any]) -> Iterator[IPv4Network]:
    for prefix in [*(subnet.get("addressPrefixes") or []), *([subnet["addressPrefix"]] if subnet.get("addressPrefix") else [])]:
        try:
            yield IPv4Network(prefix)
        except ValueError as error:
            raise Failure(400, "InvalidAddressPrefixFormat", f"Address prefix {prefix} is not valid: {error}") from error


def check_private_endpoint(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse a connection to a part that the resource doesn't have, or to an account without a subdomain of its own."""
    connections = inputs.get("privateLinkServiceConnections") or []
    if not connections and not inputs.get("manualPrivateLinkServiceConnections"):
        raise Failure(400, "PrivateEndpointMustHaveConnection", f"'{resource_id}' needs one of privateLinkServiceConnections")
    for connection in connections:
        target_id = connection.get("privateLinkServiceId", "")
        target = state.get(target_id) or {"type": "", "inputs": {}}
        known = GROUP_IDS.get(target["type"])
        groups = connection.get("groupIds") or []
        if known and not (groups and known.issuperset(groups)):
            raise Failure(
                400,
                "PrivateEndpointInvalidGroupId",
                f"groupIds {groups} of the connection to '{target_id}' are not valid: {', '.join(sorted(known))}",
            )
        is_account = target["type"] == "azure-native:cognitiveservices:Account"
        if is_account and not (target["inputs"].get("properties") or {}).get("customSubDomainName"):
            raise Failure(
                400, "CustomSubDomainNameRequired", f"a private endpoint to '{target_id}' takes a customSubDomainName"
            )


def check_firewall(resource_id: str, state: State) -> None:
    """Refuse a rule for a server that lies in a network of its own."""
    server = state.get(resource_id.rpartition("/firewallRules/")[0])
    if server and (server["inputs"].get("network") or {}).get("delegatedSubnetResourceId"):
        raise Failure(
            400, "PrivateAccessServer", "Firewall rule operations cannot be requested for a private access enabled server."
        )
