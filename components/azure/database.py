"""EngineDatabase: PostgreSQL flexible server, which the engine's API and workers share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import pulumi
from pulumi_azure_native import dbforpostgresql

from vision_customization.components.azure.args import DatabaseSize
from vision_customization.components.azure.place import Place
from vision_customization.components.generated_key import GeneratedKey

LOGIN = "vision"
DATABASE = "vision"
VERSION = "16"


@dataclass(frozen=True)
class EngineDatabaseArgs:
    """The arguments of the server.

    Attributes:
        server_name: 3–63 lowercase letters, digits and '-', unique in all of Azure.
        subnet_id, zone_id: a delegated subnet and a private DNS zone: then the server has no public address. Without them, it
            admits only clients in Azure that have the password.
        protect: refuse to destroy it.
    """

    place: Place
    server_name: pulumi.Input[str]
    size: DatabaseSize = field(default_factory=DatabaseSize)
    subnet_id: pulumi.Input[str] | None = None
    zone_id: pulumi.Input[str] | None = None
    protect: bool = False

    @property
    def is_private(self) -> bool:
        return self.subnet_id is not None


class EngineDatabase(pulumi.ComponentResource):
    """A server with one database. TLS only; the password is generated and is a secret."""

    server_id: pulumi.Output[str]
    url: pulumi.Output[str]
    """`postgresql://…?sslmode=require`, a secret."""

    def __init__(self, name: str, args: EngineDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:EngineDatabase", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        password = GeneratedKey(f"{name}-password", opts=self._child).value
        server = self._server(password)
        rules = [] if args.is_private else [self._azure_may_call(server)]
        database = self._database(server, rules)
        self.server_id = server.id
        self.url = pulumi.Output.secret(
            pulumi.Output.all(server.fully_qualified_domain_name, password, database.name).apply(
                lambda known: f"postgresql://{LOGIN}:{quote(known[1], safe='')}@{known[0]}/{known[2]}?sslmode=require"
            )
        )
        self.register_outputs({"serverId": self.server_id})

    def _server(self, password: pulumi.Output[str]) -> dbforpostgresql.Server:
        args, size = self._args, self._args.size
        return dbforpostgresql.Server(
            self._name,
            resource_group_name=args.place.resource_group_name,
            server_name=args.server_name,
            location=args.place.location,
            version=VERSION,
            create_mode="Default",
            administrator_login=LOGIN,
            administrator_login_password=password,
            auth_config=dbforpostgresql.AuthConfigArgs(active_directory_auth="Disabled", password_auth="Enabled"),  # noqa: S106
            sku=dbforpostgresql.SkuArgs(name=size.sku, tier=size.tier),
            storage=dbforpostgresql.StorageArgs(storage_size_gb=size.storage_gb, auto_grow="Enabled"),
            backup=dbforpostgresql.BackupArgs(
                backup_retention_days=size.backup_days,
                geo_redundant_backup="Enabled" if size.geo_redundant_backup else "Disabled",
            ),
            high_availability=dbforpostgresql.HighAvailabilityArgs(
                mode="ZoneRedundant" if size.high_availability else "Disabled"
            ),
            network=dbforpostgresql.NetworkArgs(
                delegated_subnet_resource_id=args.subnet_id,
                private_dns_zone_arm_resource_id=args.zone_id,
                public_network_access="Disabled" if args.is_private else "Enabled",
            ),
            tags=args.place.tags,
            opts=self._protected(),
        )

    def _azure_may_call(self, server: dbforpostgresql.Server) -> dbforpostgresql.FirewallRule:
        return dbforpostgresql.FirewallRule(
            f"{self._name}-azure",
            resource_group_name=self._args.place.resource_group_name,
            server_name=server.name,
            firewall_rule_name="azure",
            # Azure's notation for "any service in Azure"; it admits no internet addresses.
            start_ip_address="0.0.0.0",  # noqa: S104
            end_ip_address="0.0.0.0",  # noqa: S104
            opts=self._child,
        )

    def _database(
        self, server: dbforpostgresql.Server, rules: Sequence[dbforpostgresql.FirewallRule]
    ) -> dbforpostgresql.Database:
        return dbforpostgresql.Database(
            f"{self._name}-vision",
            resource_group_name=self._args.place.resource_group_name,
            server_name=server.name,
            database_name=DATABASE,
            charset="UTF8",
            collation="en_US.utf8",
            # The server accepts one change at a time; and anyone with the URL may call, so the rule must exist.
            opts=self._protected(rules),
        )

    def _protected(self, depends_on: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, protect=self._args.protect, depends_on=list(depends_on))
