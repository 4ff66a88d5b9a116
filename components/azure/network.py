"""PrivateNetwork: a virtual network that connects engine, database, storage and Vision account, and admits nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network, privatedns

from vision_customization.components.azure.place import Place

BLOB_ZONE = "privatelink.blob.core.windows.net"
QUEUE_ZONE = "privatelink.queue.core.windows.net"
VISION_ZONE = "privatelink.cognitiveservices.azure.com"
ADDRESS_PREFIX = "10.42.0.0/16"

POSTGRESQL = "Microsoft.DBforPostgreSQL/flexibleServers"
DATABASE_ZONE = "private.postgres.database.azure.com"


@dataclass(frozen=True)
class PrivateNetworkArgs:
    """The arguments of the network; `address_prefix` is a /16 that is unused in the networks that connect to it."""

    place: Place
    network_name: str
    address_prefix: str = ADDRESS_PREFIX


class PrivateNetwork(pulumi.ComponentResource):
    """A virtual network with subnets for the apps, the database, and private endpoints, and the private DNS zones for them."""

    apps_subnet_id: pulumi.Output[str]
    database_subnet_id: pulumi.Output[str]
    database_zone_id: pulumi.Output[str]

    def __init__(self, name: str, args: PrivateNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:PrivateNetwork", name, None, opts)
        self._name, self._place = name, args.place
        self._child = pulumi.ResourceOptions(parent=self)
        self._network = self._virtual_network(args)
        first, second = args.address_prefix.split(".")[:2]
        apps = self._subnet("apps", f"{first}.{second}.0.0/23", "Microsoft.App/environments")
        database = self._subnet("database", f"{first}.{second}.2.0/28", POSTGRESQL, after=apps)
        self._endpoints = self._subnet("endpoints", f"{first}.{second}.3.0/24", None, after=database)
        self.apps_subnet_id, self.database_subnet_id = apps.id, database.id
        zone, link = self._zone("database", DATABASE_ZONE)
        # Azure refuses a server that is created before its zone is linked, or the name does not resolve.
        self.database_zone_id = pulumi.Output.all(zone.id, link.id).apply(lambda known: str(known[0]))
        self.register_outputs({"networkId": self._network.id})

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
            what: part of the endpoint's name.
            group_id: the part of the resource that it leads to: `blob`, `account`.
            zone_name: the DNS zone of such endpoints.
            after: what must exist before the endpoint.
        """
        zone, link = self._zone(what, zone_name)
        endpoint = network.PrivateEndpoint(
            f"{self._name}-{what}",
            resource_group_name=self._place.resource_group_name,
            private_endpoint_name=f"{self._name}-{what}",
            location=self._place.location,
            subnet=network.SubnetArgs(id=self._endpoints.id),
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
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[link])),
        )
        return group

    def name_apps(self, domain: pulumi.Input[str], address: pulumi.Input[str]) -> pulumi.Resource:
        """Create DNS names inside the network for the apps of an environment without a public address.

        Args:
            domain: the environment's default domain.
            address: its static address.
        """
        zone, link = self._zone("apps", domain)
        record: pulumi.Resource = privatedns.PrivateRecordSet(
            f"{self._name}-apps",
            resource_group_name=self._place.resource_group_name,
            private_zone_name=zone.name,
            relative_record_set_name="*",
            record_type="A",
            ttl=300,
            a_records=[privatedns.ARecordArgs(ipv4_address=address)],
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[link])),
        )
        return record

    def _virtual_network(self, args: PrivateNetworkArgs) -> network.VirtualNetwork:
        return network.VirtualNetwork(
            self._name,
            resource_group_name=args.place.resource_group_name,
            virtual_network_name=args.network_name,
            location=args.place.location,
            address_space=network.AddressSpaceArgs(address_prefixes=[args.address_prefix]),
            tags=args.place.tags,
            opts=self._child,
        )

    def _subnet(self, what: str, prefix: str, delegate: str | None, after: network.Subnet | None = None) -> network.Subnet:
        return network.Subnet(
            f"{self._name}-{what}",
            resource_group_name=self._place.resource_group_name,
            virtual_network_name=self._network.name,
            subnet_name=what,
            address_prefix=prefix,
            delegations=[network.DelegationArgs(name=what, service_name=delegate)] if delegate else None,
            # PostgreSQL adds it to its subnet for its backups; undeclared, it would be drift.
            service_endpoints=[network.ServiceEndpointPropertiesFormatArgs(service="Microsoft.Storage")]
            if delegate == POSTGRESQL
            else None,
            # Azure changes one subnet of a network at a time.
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[after] if after else [])),
        )

    def _zone(self, what: str, zone_name: pulumi.Input[str]) -> tuple[privatedns.PrivateZone, privatedns.VirtualNetworkLink]:
        zone = privatedns.PrivateZone(
            f"{self._name}-{what}",
            resource_group_name=self._place.resource_group_name,
            private_zone_name=zone_name,
            location="global",
            tags=self._place.tags,
            opts=self._child,
        )
        link = privatedns.VirtualNetworkLink(
            f"{self._name}-{what}",
            resource_group_name=self._place.resource_group_name,
            private_zone_name=zone.name,
            virtual_network_link_name=what,
            location="global",
            virtual_network=privatedns.SubResourceArgs(id=self._network.id),
            registration_enabled=False,
            opts=self._child,
        )
        return zone, link
