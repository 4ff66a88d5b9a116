"""An existing network and private DNS zones, which a stack uses instead of its own. Checked without asking Azure."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from vision_customization.components.azure.use import Use

BLOB_ZONE = "privatelink.blob.core.windows.net"
QUEUE_ZONE = "privatelink.queue.core.windows.net"
VISION_ZONE = "privatelink.cognitiveservices.azure.com"
VAULT_ZONE = "privatelink.vaultcore.azure.net"
DATABASE_ZONE = "private.postgres.database.azure.com"
APPS_ZONE = "azurecontainerapps.io"

_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.Network/(?P<rest>.+)", re.IGNORECASE
)


class NetworkNotUsable(ValueError):
    """An id or a combination of settings of the network is wrong. The message has the setting and what was expected."""


@dataclass(frozen=True)
class NetworkId:
    """The id of a resource of Microsoft.Network: its group, the name of a parent if its type has one, and its own name."""

    text: str
    group: str
    parent: str
    name: str

    @classmethod
    def of(cls, what: str, text: str, arm_type: str) -> "NetworkId":
        """Raises NetworkNotUsable unless `text` is an id of `arm_type`, such as `virtualNetworks/subnets`."""
        kinds = arm_type.split("/")
        found = _ID.fullmatch(text.rstrip("/"))
        parts = found["rest"].split("/") if found else []
        if found is None or [part.lower() for part in parts[::2]] != [kind.lower() for kind in kinds] or len(parts) % 2:
            form = "/".join(f"{kind}/<name>" for kind in kinds)
            raise NetworkNotUsable(
                f"{what} is {text!r}. It must be an ARM id: "
                f"/subscriptions/<subscription>/resourceGroups/<group>/providers/Microsoft.Network/{form}"
            )
        return cls(text.rstrip("/"), found["group"], parts[1] if len(kinds) > 1 else "", parts[-1])

    @property
    def parent_id(self) -> str:
        """The id of a subnet's network."""
        return self.text.rsplit("/", 2)[0]


@dataclass(frozen=True)
class ExistingNetwork:
    """An existing network and private DNS zones, by ARM id. What is None is made. What is given is never changed.

    Attributes:
        virtual_network: the network in which subnets that are not given are made; by default the one of a given subnet.
        apps_subnet: delegated to Microsoft.App/environments, /27 or larger, with nothing else in it.
        database_subnet: delegated to Microsoft.DBforPostgreSQL/flexibleServers, /28 or larger.
        endpoints_subnet: not delegated; for private endpoints.
        blob_zone, queue_zone, vision_zone, vault_zone: zones named `privatelink.blob.core.windows.net`,
            `privatelink.queue.core.windows.net`, `privatelink.cognitiveservices.azure.com`, `privatelink.vaultcore.azure.net`.
        database_zone: a zone named `….postgres.database.azure.com`.
        apps_zone: a zone above the domain of the apps, like `eastus.azurecontainerapps.io`.
        link_zones: whether the stack links the given zones to the network; by default they are linked already.
    """

    virtual_network: str | None = None
    apps_subnet: str | None = None
    database_subnet: str | None = None
    endpoints_subnet: str | None = None
    blob_zone: str | None = None
    queue_zone: str | None = None
    vision_zone: str | None = None
    vault_zone: str | None = None
    database_zone: str | None = None
    apps_zone: str | None = None
    link_zones: bool = False

    def subnet(self, what: str) -> NetworkId | None:
        """`apps`, `database` or `endpoints`. Raises NetworkNotUsable."""
        text = getattr(self, f"{what}_subnet")
        return NetworkId.of(f"existing.{what}Subnet", text, "virtualNetworks/subnets") if text else None

    def zone(self, what: str) -> NetworkId | None:
        """`blob`, `queue`, `vision`, `vault`, `database` or `apps`. Raises NetworkNotUsable."""
        text = getattr(self, f"{what}_zone")
        if not text:
            return None
        zone = NetworkId.of(f"existing.{what}Zone", text, "privateDnsZones")
        problem = _zone_problem(what, zone.name.lower())
        if problem:
            raise NetworkNotUsable(f"existing.{what}Zone is named {zone.name!r}. {problem}")
        return zone

    @property
    def network(self) -> NetworkId | None:
        """The existing network that the stack lies in, or None. Raises NetworkNotUsable."""
        if self.virtual_network:
            return NetworkId.of("existing.virtualNetwork", self.virtual_network, "virtualNetworks")
        for subnet in map(self.subnet, SUBNETS):
            if subnet is not None:
                return NetworkId.of("existing.virtualNetwork", subnet.parent_id, "virtualNetworks")
        return None


SUBNETS = ("apps", "database", "endpoints")
ZONES = ("blob", "queue", "vision", "vault", "database", "apps")
_FIXED_ZONES = {"blob": BLOB_ZONE, "queue": QUEUE_ZONE, "vision": VISION_ZONE, "vault": VAULT_ZONE}
_SUFFIXES = {"database": ".postgres.database.azure.com", "apps": APPS_ZONE}


def _zone_problem(what: str, name: str) -> str | None:
    """Why a private DNS zone does not fit, or None.

    The names are Azure's: https://learn.microsoft.com/azure/private-link/private-endpoint-dns, and for the database
    https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-networking-private#use-a-private-dns-zone.
    """
    fixed, suffix = _FIXED_ZONES.get(what), _SUFFIXES.get(what)
    if fixed and name != fixed:
        return f"It must be {fixed}"
    return f"It must end with {suffix}" if suffix and not name.endswith(suffix) else None


@dataclass(frozen=True)
class NetworkOptions:
    """What a stack's network uses; `route_table` is the ARM id of one that leads the apps' traffic to a firewall."""

    existing: ExistingNetwork = field(default_factory=ExistingNetwork)
    route_table: str | None = None

    def actions(self, endpoints: Sequence[str] = ()) -> list[str]:
        """What the deployer must be allowed to do in the stack's resource group.

        `endpoints`: what has a private endpoint, by the name of its zone: `blob`, `queue`, `vision`, `vault`.
        """
        existing = self.existing
        subnets, zones = _needed(endpoints)
        needed = {
            "virtualNetworks/write": existing.network is None,
            "networkSecurityGroups/write": not all(map(existing.subnet, subnets)),
            "privateDnsZones/write": not all(map(existing.zone, zones)),
            "privateEndpoints/write": bool(endpoints),
        }
        return [f"Microsoft.Network/{action}" for action, is_needed in needed.items() if is_needed]

    def uses(self, endpoints: Sequence[str] = ()) -> list[Use]:
        """What the deployer must be allowed to do with an existing network, subnets, zones and route table."""
        existing = self.existing
        subnets, zones = _needed(endpoints)
        given = {what: subnet for what in subnets if (subnet := existing.subnet(what))}
        uses = [_use(subnet, "virtualNetworks/subnets/join/action", subnet=what) for what, subnet in given.items()]
        needed = {
            "virtualNetworks/subnets/write": len(given) < len(subnets),
            "virtualNetworks/join/action": existing.link_zones or not all(map(existing.zone, zones)),
        }
        if existing.network and any(needed.values()):
            uses.append(_use(existing.network, *(action for action, is_needed in needed.items() if is_needed)))
        for what, zone in ((what, existing.zone(what)) for what in zones):
            if zone is not None:
                record = "privateDnsZones/A/write" if what == "apps" else "privateDnsZones/join/action"
                link = ["privateDnsZones/virtualNetworkLinks/write"] if existing.link_zones else []
                uses.append(_use(zone, record, *link, role="Private DNS Zone Contributor"))
        if self.route_table:
            uses.append(_use(NetworkId.of("routeTable", self.route_table, "routeTables"), "routeTables/join/action"))
        return uses

    def problems(self, *, private: bool) -> Iterator[str]:
        """What is wrong with ids and their combination. `private`: whether there are private endpoints."""
        existing = self.existing
        checks: list[Callable[[], object]] = [
            *([lambda: existing.network] if existing.virtual_network else []),
            *(partial(existing.subnet, what) for what in SUBNETS),
            *(partial(existing.zone, what) for what in ZONES),
        ]
        if self.route_table:
            checks.append(partial(NetworkId.of, "routeTable", self.route_table, "routeTables"))
        for check in checks:
            try:
                check()
            except NetworkNotUsable as error:
                yield str(error)
        given = [text.rstrip("/").lower() for what in SUBNETS if (text := getattr(existing, f"{what}_subnet"))]
        if len(set(given)) < len(given):
            yield "two of the existing subnets are the same. Apps, database and endpoints each need a subnet of their own"
        if self.route_table and existing.apps_subnet:
            yield "routeTable is for a subnet that the stack makes. Set it on existing.appsSubnet yourself, and remove it here"
        zones = [getattr(existing, f"{what}_zone") for what in ZONES if what != "database"]
        if not private and (existing.endpoints_subnet or any(zones)):
            yield (
                "existing.endpointsSubnet and all zones but databaseZone need privateNetwork: true. "
                "Without it there are no private endpoints"
            )


def _needed(endpoints: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The subnets and zones that a stack with these private endpoints has."""
    if not endpoints:
        return ("apps", "database"), ("database",)
    return SUBNETS, (*endpoints, "database", "apps")


def _use(of: NetworkId, *actions: str, role: str = "Network Contributor", subnet: str = "") -> Use:
    makes = any(action.endswith("/write") for action in actions)
    return Use(of.text, [f"Microsoft.Network/{action}" for action in actions], role, subnet, same_subscription=makes)
