"""What Azure refuses of networks: subnets that don't fit, private endpoints that can't reach, firewalls with no way in.

The sources of the rules are in the README.
"""

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


# What Container Apps reserve for themselves, and the smallest subnet of an environment with workload profiles, and without.
RESERVED = tuple(
    map(
        IPv4Network,
        (
            *("169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24"),
            *("100.100.0.0/17", "100.100.128.0/19", "100.100.160.0/19", "100.100.192.0/19"),
        ),
    )
)
PROFILES_PREFIX, CONSUMPTION_PREFIX = 27, 23

DATABASE_PREFIX = 28
DATABASE_ZONES = ".postgres.database.azure.com"

APPS, DATABASE = "Microsoft.App/environments", "Microsoft.DBforPostgreSQL/flexibleServers"


def check_network(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse to take away the addresses of a subnet."""
    space = address_space(inputs)
    for key, subnet in subnets_of(resource_id, state).items():
        for own in ranges(subnet):
            if not within(own, space):
                raise Failure(
                    400, "NetcfgInvalidSubnet", f"Subnet '{key}' ({own}) is not valid in virtual network '{resource_id}'."
                )


def check_subnet(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse a subnet that is not in its network, lies over another one, or changes under what is in it."""
    network_id = resource_id.rpartition("/subnets/")[0]
    network = (state.get(network_id) or {"inputs": {}})["inputs"]
    neighbours = {key: value for key, value in subnets_of(network_id, state).items() if not same(key, resource_id)}
    for own in ranges(inputs):
        if not within(own, address_space(network)):
            raise Failure(
                400, "NetcfgInvalidSubnet", f"Subnet '{resource_id}' ({own}) is not valid in virtual network '{network_id}'."
            )
        for key, neighbour in neighbours.items():
            if any(own.overlaps(other) for other in ranges(neighbour)):
                raise Failure(400, "NetcfgSubnetRangesOverlap", f"Subnet '{resource_id}' ({own}) overlaps with '{key}'.")
    if present := state.get(resource_id):
        check_subnet_in_use(resource_id, present["inputs"], inputs, state)


def check_subnet_in_use(resource_id: str, old: dict[str, Any], new: dict[str, Any], state: State) -> None:
    user = user_of(resource_id, state)
    if user is None:
        return
    kept = set(ranges(new))
    for gone in ranges(old):
        if gone not in kept:
            raise Failure(
                400,
                "InUsePrefixCannotBeDeleted",
                f"IpPrefix {gone} on Subnet {resource_id} has active allocations and cannot be deleted.",
            )
    if delegations(old) != delegations(new):
        raise Failure(
            400,
            "SubnetDelegationsCannotChangeWhenSubnetUsedByResource",
            f"Delegations of subnet {resource_id} cannot be changed from {delegations(old)} to {delegations(new)} because it "
            f"is being used by the resource {user}.",
        )


def user_of(subnet_id: str, state: State, *, but: str = "") -> str | None:
    """What lies in a subnet, other than `but`."""
    for key, resource in state.resources.items():
        inputs = resource["inputs"]
        used = {
            "azure-native:app:ManagedEnvironment": (inputs.get("vnetConfiguration") or {}).get("infrastructureSubnetId"),
            "azure-native:dbforpostgresql:Server": (inputs.get("network") or {}).get("delegatedSubnetResourceId"),
            "azure-native:network:PrivateEndpoint": (inputs.get("subnet") or {}).get("id"),
        }.get(resource["type"])
        if used and same(used, subnet_id) and not same(key, but):
            return key
    return None


def address_space(network: dict[str, Any]) -> list[IPv4Network]:
    space = map(ip_network, (network.get("addressSpace") or {}).get("addressPrefixes", []))
    return [whole for whole in space if isinstance(whole, IPv4Network)]


def within(own: IPv4Network, space: list[IPv4Network]) -> bool:
    return any(own.subnet_of(whole) for whole in space)


def subnets_of(network_id: str, state: State) -> dict[str, dict[str, Any]]:
    """The subnets of a network by id: resources of their own, and those that are a property of the network."""
    network = (state.get(network_id) or {"inputs": {}})["inputs"]
    found = {f"{network_id}/subnets/{subnet.get('name')}": subnet for subnet in network.get("subnets") or []}
    for key, resource in state.of_type("network:Subnet").items():
        if same(key.rpartition("/subnets/")[0], network_id):
            found[key] = resource["inputs"]
    return found


def subnet_at(subnet_id: str, state: State) -> dict[str, Any]:
    network_id = subnet_id.rpartition("/subnets/")[0]
    return next((subnet for key, subnet in subnets_of(network_id, state).items() if same(key, subnet_id)), {})


def delegations(subnet: dict[str, Any]) -> list[str]:
    return [str(delegation.get("serviceName")) for delegation in subnet.get("delegations") or []]


def check_environment(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse a subnet that Container Apps can't take over, or that another environment has."""
    subnet_id = (inputs.get("vnetConfiguration") or {}).get("infrastructureSubnetId")
    if not subnet_id:
        if inputs.get("zoneRedundant"):
            raise Failure(400, "ManagedEnvironmentInvalidNetworkConfiguration", "A zone redundant environment needs a subnet.")
        return
    subnet, profiles = subnet_at(subnet_id, state), bool(inputs.get("workloadProfiles"))
    if profiles and delegations(subnet) != [APPS]:
        raise Failure(
            400,
            "ManagedEnvironmentSubnetDelegationError",
            f"The subnet of the environment must be delegated to the service '{APPS}'.",
        )
    if not profiles and delegations(subnet):
        raise Failure(400, "ManagedEnvironmentSubnetIsDelegated", f"The subnet '{subnet_id}' must not be delegated.")
    longest = PROFILES_PREFIX if profiles else CONSUMPTION_PREFIX
    for own in ranges(subnet):
        problem = None
        if own.prefixlen > longest:
            problem = f"Provided subnet must have a size of at least /{longest}"
        elif overlapped := next((reserved for reserved in RESERVED if own.overlaps(reserved)), None):
            problem = f"Provided subnet {own} overlaps with the reserved range {overlapped}"
        if problem:
            message = f"The environment network configuration is invalid: {problem}"
            raise Failure(400, "ManagedEnvironmentInvalidNetworkConfiguration", message)
    if user := user_of(subnet_id, state, but=resource_id):
        raise Failure(400, "ManagedEnvironmentSubnetInUse", f"The subnet '{subnet_id}' is used by '{user}' already.")


def check_server(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse a subnet that is not delegated to PostgreSQL or too small, and a zone with a name that does not fit."""
    network = inputs.get("network") or {}
    subnet_id, zone_id = network.get("delegatedSubnetResourceId"), network.get("privateDnsZoneArmResourceId")
    if not subnet_id or not zone_id:
        return
    subnet = subnet_at(subnet_id, state)
    if delegations(subnet) != [DATABASE]:
        raise Failure(400, "SubnetNotDelegated", f"The subnet '{subnet_id}' must be delegated to the service '{DATABASE}'.")
    for own in ranges(subnet):
        if own.prefixlen > DATABASE_PREFIX:
            raise Failure(400, "SubnetTooSmall", f"The subnet '{subnet_id}' ({own}) must be /{DATABASE_PREFIX} or larger.")
    zone, name = zone_id.rsplit("/", 1)[-1].lower(), resource_id.rsplit("/", 1)[-1].lower()
    if not zone.endswith(DATABASE_ZONES) or zone == f"{name}{DATABASE_ZONES}":
        raise Failure(
            400,
            "PrivateDnsZoneNameNotValid",
            f"The Private DNS Zone name provided [{zone}] is not valid. It must end with {DATABASE_ZONES} and can not be "
            "server name plus zone suffix.",
        )


def check_link(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse a second zone of the same name for a network."""
    zone = resource_id.lower().rpartition("/virtualnetworklinks/")[0].rsplit("/", 1)[-1]
    network_id = (inputs.get("virtualNetwork") or {}).get("id", "")
    for key, link in state.of_type("privatedns:VirtualNetworkLink").items():
        other = key.lower().rpartition("/virtualnetworklinks/")[0].rsplit("/", 1)[-1]
        linked = (link["inputs"].get("virtualNetwork") or {}).get("id", "")
        if not same(key, resource_id) and other == zone and same(linked, network_id):
            raise Failure(
                400,
                "BadRequest",
                "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual "
                f"network with '{other}' and '{zone}' zones.",
            )


def ranges(subnet: dict[str, Any]) -> Iterator[IPv4Network]:
    for prefix in [*(subnet.get("addressPrefixes") or []), *([subnet["addressPrefix"]] if subnet.get("addressPrefix") else [])]:
        try:
            yield IPv4Network(prefix)
        except ValueError as error:
            raise Failure(400, "InvalidAddressPrefixFormat", f"Address prefix {prefix} is not valid: {error}") from error


def check_private_endpoint(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse a connection to a part that the resource doesn't have, or to an account without a subdomain of its own."""
    subnet_id = (inputs.get("subnet") or {}).get("id", "")
    if delegated := delegations(subnet_at(subnet_id, state)):
        raise Failure(
            400,
            "PrivateEndpointCannotBeCreatedInSubnet",
            f"The subnet '{subnet_id}' is delegated to {', '.join(delegated)} and cannot be used with a private endpoint.",
        )
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
