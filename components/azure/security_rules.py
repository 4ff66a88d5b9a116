"""What network security groups let through: rules as plain data, for subnets that the stack makes.

Azure's own rules come after these: within the network everything is allowed, from outside nothing, and out everything
(https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#default-security-rules).
"""

from dataclasses import dataclass
from typing import Literal

NETWORK = "VirtualNetwork"
"""Azure's tag for the network, those that are peered with it, and what is connected by a gateway."""

LAST = 4096
"""The priority after which only Azure's own rules come."""


@dataclass(frozen=True)
class SecurityRule:
    """One rule. `source` and `destination` are ranges of addresses or service tags; `ports` are the destination's."""

    name: str
    priority: int
    direction: Literal["Inbound", "Outbound"]
    access: Literal["Allow", "Deny"]
    source: str
    destination: str
    ports: tuple[str, ...] = ("*",)
    protocol: Literal["Tcp", "Udp", "*"] = "*"


def apps_rules(apps: str) -> list[SecurityRule]:
    """Rules of the apps' subnet, a range of addresses.

    In: HTTP and HTTPS to the environment's proxy, its load balancer's probes, and the apps among each other. Out: the network,
    HTTPS (images, Entra, logs) and the time. Source:
    https://learn.microsoft.com/azure/container-apps/firewall-integration#nsg-allow-rules, which also says that DNS does not go
    through security groups, nor does traffic from the internet to an environment with a public address.
    """
    return [
        SecurityRule("callers", 100, "Inbound", "Allow", NETWORK, apps, ("80", "443", "31080", "31443"), "Tcp"),
        SecurityRule("probes", 110, "Inbound", "Allow", "AzureLoadBalancer", apps, ("30000-32767",), "Tcp"),
        SecurityRule("apps", 120, "Inbound", "Allow", apps, apps),
        _no_others("Inbound", NETWORK, "*"),
        SecurityRule("https", 100, "Outbound", "Allow", apps, "Internet", ("443",), "Tcp"),
        SecurityRule("time", 110, "Outbound", "Allow", apps, "*", ("123",), "Udp"),
        _no_others("Outbound", "*", "Internet"),
    ]


def database_rules(database: str, apps: str | None) -> list[SecurityRule]:
    """Rules of the database's subnet; `apps` is the range of the apps, or None if it is not known.

    In: PostgreSQL from the apps, and from the subnet itself, which high availability needs. Out: everything, since the server
    needs storage and Entra
    (https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-networking-private#virtual-network-concepts).
    """
    return [
        SecurityRule("apps", 100, "Inbound", "Allow", apps or NETWORK, database, ("5432",), "Tcp"),
        SecurityRule("standby", 110, "Inbound", "Allow", database, database, ("5432",), "Tcp"),
        _no_others("Inbound", NETWORK, "*"),
    ]


def endpoints_rules(endpoints: str) -> list[SecurityRule]:
    """Rules of the subnet of private endpoints: HTTPS from the network."""
    return [
        SecurityRule("callers", 100, "Inbound", "Allow", NETWORK, endpoints, ("443",), "Tcp"),
        _no_others("Inbound", NETWORK, "*"),
    ]


def _no_others(direction: Literal["Inbound", "Outbound"], source: str, destination: str) -> SecurityRule:
    return SecurityRule(f"no-others-{direction.lower()}", LAST, direction, "Deny", source, destination)
