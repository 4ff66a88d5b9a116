"""PrivateNetwork: a virtual network, or a part of one, that connects engine, database, storage and Vision account."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pulumi
from pulumi_azure_native import network, privatedns

from vision_customization.components.azure.address_plan import ADDRESS_PREFIX, AddressPlan
from vision_customization.components.azure.existing_network import DATABASE_ZONE, NetworkNotUsable, NetworkOptions
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.security_rules import SecurityRule, apps_rules, database_rules, endpoints_rules
from vision_customization.components.azure.subnet_check import DELEGATES


@dataclass(frozen=True)
class PrivateNetworkArgs:
    """The arguments of the network.

    Attributes:
        address_prefix: a range of /16 to /25 that is unused in the networks that connect to it. In an existing network,
            a free part of that network.
        options: what exists already, and a route table.
        private: whether there are private endpoints, and names for apps without a public address.
        shared_group: whether other stacks may lie in the resource group, so that names there need to be this stack's own.
    """

    place: Place
    network_name: str
    address_prefix: str = ADDRESS_PREFIX
    options: NetworkOptions = field(default_factory=NetworkOptions)
    private: bool = True
    shared_group: bool = False

    def __post_init__(self) -> None:
        """Raises NetworkNotUsable."""
        for problem in self.options.problems(private=self.private):
            raise NetworkNotUsable(problem)

    @cached_property
    def plan(self) -> AddressPlan:
        """Raises ValueError."""
        return AddressPlan.of(self.address_prefix)


class PrivateNetwork(pulumi.ComponentResource):
    """Subnets for the apps, the database, and private endpoints, and the private DNS zones for them.

    It makes what is not given, and changes no existing network, subnet or zone. In a zone that is given it creates
    records, and a link if `link_zones` is set. Its own subnets have network security groups.
    """

    apps_subnet_id: pulumi.Output[str]
    database_subnet_id: pulumi.Output[str]
    database_zone_id: pulumi.Output[str]

    def __init__(self, name: str, args: PrivateNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:PrivateNetwork", name, None, opts)
        self._name, self._args, self._place = name, args, args.place
        self._existing = args.options.existing
        self._child = pulumi.ResourceOptions(parent=self)
        self._made: list[network.Subnet] = []
        self._whole = self._virtual_network()
        self.apps_subnet_id = self._subnet("apps")
        # Names must resolve where the apps are.
        apps = self._existing.subnet("apps")
        self._network_id: pulumi.Input[str] = apps.parent_id if apps else self._whole.id
        self.database_subnet_id = self._subnet("database")
        if args.private:
            self._endpoints_id = self._subnet("endpoints")
        # A network is linked to one zone of a name, and a group has one, so that stacks in one of them need different names.
        shared = args.shared_group or self._existing.network is not None
        zone = self._zone("database", f"{args.network_name}.{DATABASE_ZONE}" if shared else DATABASE_ZONE)
        # A server that is created before its zone is linked can't be reached by its name for a while.
        self.database_zone_id = zone.linked_id
        self.register_outputs({"networkId": self._network_id})

    def connect(
        self,
        what: str,
        resource_id: pulumi.Input[str],
        group_id: str,
        zone_name: str,
        *,
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.Resource:
        """Create a private endpoint to a resource, under its usual name; returns a resource that exists once the name resolves.

        Args:
            what: part of the endpoint's name, and which zone: `blob`, `queue`, `vision` or `vault`.
            group_id: the part of the resource that it leads to: `blob`, `queue`, `account`, `vault`.
            zone_name: the DNS zone of such endpoints.
            after: what must exist before the endpoint.
        """
        zone = self._zone(what, zone_name)
        endpoint = network.PrivateEndpoint(
            f"{self._name}-{what}",
            resource_group_name=self._place.resource_group_name,
            private_endpoint_name=f"{self._args.network_name if self._args.shared_group else self._name}-{what}",
            location=self._place.location,
            subnet=network.SubnetArgs(id=self._endpoints_id),
            private_link_service_connections=[
                network.PrivateLinkServiceConnectionArgs(name=what, private_link_service_id=resource_id, group_ids=[group_id])
            ],
            tags=self._place.tags,
            # Azure fills it in, and empties it once the endpoint is in a DNS zone: undeclared, that would be drift.
            custom_dns_configs=[],
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=list(after))),
        )
        group: pulumi.Resource = network.PrivateDnsZoneGroup(
            f"{self._name}-{what}",
            resource_group_name=self._place.resource_group_name,
            private_endpoint_name=endpoint.name,
            private_dns_zone_group_name="default",
            private_dns_zone_configs=[network.PrivateDnsZoneConfigArgs(name=what, private_dns_zone_id=zone.id)],
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=zone.links)),
        )
        return group

    def name_apps(self, domain: pulumi.Input[str], address: pulumi.Input[str]) -> pulumi.Resource:
        """Create DNS names inside the network for the apps of an environment without a public address.

        Args:
            domain: the environment's default domain.
            address: its static address.
        """
        zone, given = self._zone("apps", domain), self._existing.zone("apps")
        record: pulumi.Resource = privatedns.PrivateRecordSet(
            f"{self._name}-apps",
            resource_group_name=zone.group,
            private_zone_name=zone.name,
            relative_record_set_name=pulumi.Output.from_input(domain).apply(lambda known: record_name(known, given.name))
            if given
            else "*",
            record_type="A",
            ttl=300,
            a_records=[privatedns.ARecordArgs(ipv4_address=address)],
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=zone.links)),
        )
        return record

    def _virtual_network(self) -> "_Network":
        args = self._args
        if theirs := self._existing.network:
            return _Network(theirs.text, theirs.group, theirs.name, f"{args.network_name}-")
        made = network.VirtualNetwork(
            self._name,
            resource_group_name=args.place.resource_group_name,
            virtual_network_name=args.network_name,
            location=args.place.location,
            address_space=network.AddressSpaceArgs(address_prefixes=[args.address_prefix]),
            tags=args.place.tags,
            opts=self._child,
        )
        return _Network(made.id, args.place.resource_group_name, made.name, "")

    def _subnet(self, what: str) -> pulumi.Output[str]:
        """The id of a subnet: the given one, or one that is made."""
        if given := self._existing.subnet(what):
            return pulumi.Output.from_input(given.text)
        delegate, table = DELEGATES.get(what), self._args.options.route_table if what == "apps" else None
        made = network.Subnet(
            f"{self._name}-{what}",
            resource_group_name=self._whole.group,
            virtual_network_name=self._whole.name,
            subnet_name=f"{self._whole.prefix}{what}",
            address_prefix=str(getattr(self._args.plan, what)),
            delegations=[network.DelegationArgs(name=what, service_name=delegate)] if delegate else None,
            network_security_group=network.NetworkSecurityGroupArgs(id=self._security_group(what).id),
            route_table=network.RouteTableArgs(id=table) if table else None,
            # PostgreSQL adds it to its subnet for its backups; undeclared, it would be drift.
            service_endpoints=[network.ServiceEndpointPropertiesFormatArgs(service="Microsoft.Storage")]
            if what == "database"
            else None,
            # Without this, security groups don't apply to private endpoints.
            private_endpoint_network_policies=None if delegate else "NetworkSecurityGroupEnabled",
            # Azure changes one subnet of a network at a time.
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=self._made[-1:])),
        )
        self._made.append(made)
        subnet_id: pulumi.Output[str] = made.id
        return subnet_id

    def _security_group(self, what: str) -> network.NetworkSecurityGroup:
        return network.NetworkSecurityGroup(
            f"{self._name}-{what}",
            resource_group_name=self._place.resource_group_name,
            network_security_group_name=f"{self._args.network_name}-{what}",
            location=self._place.location,
            security_rules=[_security_rule(rule) for rule in self._rules(what)],
            tags=self._place.tags,
            opts=self._child,
        )

    def _rules(self, what: str) -> Sequence[SecurityRule]:
        plan = self._args.plan
        apps = None if self._existing.apps_subnet else str(plan.apps)
        if what == "apps":
            return apps_rules(str(plan.apps))
        return database_rules(str(plan.database), apps) if what == "database" else endpoints_rules(str(plan.endpoints))

    def _zone(self, what: str, zone_name: pulumi.Input[str]) -> "_Zone":
        """The given private DNS zone, or one that is made and linked to the network."""
        if given := self._existing.zone(what):
            links = [self._link(what, given.group, given.name)] if self._existing.link_zones else []
            return _Zone(pulumi.Output.from_input(given.text), given.group, given.name, links)
        made = privatedns.PrivateZone(
            f"{self._name}-{what}",
            resource_group_name=self._place.resource_group_name,
            private_zone_name=zone_name,
            location="global",
            tags=self._place.tags,
            opts=self._child,
        )
        link = self._link(what, self._place.resource_group_name, made.name)
        return _Zone(made.id, self._place.resource_group_name, made.name, [link])

    def _link(self, what: str, group: pulumi.Input[str], zone_name: pulumi.Input[str]) -> privatedns.VirtualNetworkLink:
        theirs = self._existing.zone(what) is not None
        return privatedns.VirtualNetworkLink(
            f"{self._name}-{what}",
            resource_group_name=group,
            private_zone_name=zone_name,
            virtual_network_link_name=f"{self._args.network_name}-{what}" if theirs else what,
            location="global",
            virtual_network=privatedns.SubResourceArgs(id=self._network_id),
            registration_enabled=False,
            opts=self._child,
        )


def record_name(domain: str, zone_name: str) -> str:
    """The name, relative to a zone, of everything below a domain: `*.happy-hill` for `happy-hill.eastus.x` in `eastus.x`.

    Raises:
        pulumi.RunError: the domain is not in the zone. Only Azure's answer says what the domain is.
    """
    if not f".{domain}".endswith(f".{zone_name}"):
        raise pulumi.RunError(
            f"network.existing.appsZone is named {zone_name!r}, but the apps are in {domain!r}. Give a zone above that domain"
        )
    return f"*.{domain.removesuffix(zone_name)}".rstrip(".")


@dataclass(frozen=True)
class _Network:
    """Where subnets are made; `prefix` begins their names."""

    id: pulumi.Input[str]
    group: pulumi.Input[str]
    name: pulumi.Input[str]
    prefix: str


@dataclass(frozen=True)
class _Zone:
    id: pulumi.Output[str]
    group: pulumi.Input[str]
    name: pulumi.Input[str]
    links: list[privatedns.VirtualNetworkLink]

    @property
    def linked_id(self) -> pulumi.Output[str]:
        """The id, known once the links exist."""
        return pulumi.Output.all(self.id, *(link.id for link in self.links)).apply(lambda known: str(known[0]))


def _security_rule(rule: SecurityRule) -> network.SecurityRuleArgs:
    one = len(rule.ports) == 1
    return network.SecurityRuleArgs(
        name=rule.name,
        priority=rule.priority,
        direction=rule.direction,
        access=rule.access,
        protocol=rule.protocol,
        source_address_prefix=rule.source,
        source_port_range="*",
        destination_address_prefix=rule.destination,
        destination_port_range=rule.ports[0] if one else None,
        destination_port_ranges=None if one else list(rule.ports),
    )
