"""EngineDatabase: PostgreSQL flexible server, which the engine's API and workers share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import pulumi
from pulumi_azure_native import dbforpostgresql

from vision_customization.components.azure.args import DatabaseSize
from vision_customization.components.azure.capabilities import VERSION
from vision_customization.components.azure.place import Place
from vision_customization.components.generated_key import GeneratedKey

LOGIN = "vision"
DATABASE = "vision"
ZONES = ["availabilityZone", "highAvailability.standbyAvailabilityZone"]
"""What Azure chooses and changes, and azure-native always sends, empty."""


@dataclass(frozen=True)
class EngineDatabaseArgs:
    """The arguments of the server.

    Attributes:
        server_name: 3–63 lowercase letters, digits and '-', unique in all of Azure.
        subnet_id, zone_id: a delegated subnet and a private DNS zone: then the server has no public address. Without them, it
            admits only clients in Azure that have the password.
        storage_gb: the size of the disk now, if Azure may have made it larger than `size` says.
        protect: refuse to destroy it.
    """

    place: Place
    server_name: pulumi.Input[str]
    size: DatabaseSize = field(default_factory=DatabaseSize)
    subnet_id: pulumi.Input[str] | None = None
    zone_id: pulumi.Input[str] | None = None
    storage_gb: pulumi.Input[int] | None = None
    protect: bool = False

    @property
    def is_private(self) -> bool:
        return self.subnet_id is not None


class EngineDatabase(pulumi.ComponentResource):
    """A server with one database. TLS only; the password is generated and is a secret."""

    server_id: pulumi.Output[str]
    url: pulumi.Output[str]
    """`postgresql://…?sslmode=verify-full`, a secret.

    The engine and KEDA's scaler both verify the server's certificate, KEDA with its system's authorities
    (https://github.com/jackc/pgx/blob/master/pgconn/config.go), with which it also calls Azure's own services.
    """

    def __init__(self, name: str, args: EngineDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:EngineDatabase", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        password = GeneratedKey(f"{name}-password", opts=self._child).value
        server = self._server(password)
        rules = [] if args.is_private else [self._azure_may_call("azure", server.name)]
        database = self._database(server, rules)
        self.server_id = server.id
        self.url = pulumi.Output.secret(
            pulumi.Output.all(self._host(server), password, database.name).apply(
                lambda known: f"postgresql://{LOGIN}:{quote(known[1], safe='')}@{known[0]}/{known[2]}?sslmode=verify-full"
            )
        )
        self.register_outputs({"serverId": self.server_id})

    def _server(self, password: pulumi.Output[str]) -> dbforpostgresql.Server:
        args, size = self._args, self._args.size
        storage_gb = size.storage_gb if args.storage_gb is None else args.storage_gb
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
            storage=dbforpostgresql.StorageArgs(storage_size_gb=storage_gb, auto_grow="Enabled"),
            backup=dbforpostgresql.BackupArgs(
                backup_retention_days=size.backup_days,
                geo_redundant_backup="Enabled" if size.geo_redundant_backup else "Disabled",
            ),
            high_availability=dbforpostgresql.HighAvailabilityArgs(mode=size.high_availability),
            network=dbforpostgresql.NetworkArgs(
                delegated_subnet_resource_id=args.subnet_id,
                private_dns_zone_arm_resource_id=args.zone_id,
                public_network_access="Disabled" if args.is_private else "Enabled",
            ),
            tags=args.place.tags,
            # A failover swaps them. To put the server back into its former zone, Pulumi would replace it.
            opts=pulumi.ResourceOptions.merge(self._protected(), pulumi.ResourceOptions(ignore_changes=ZONES)),
        )

    def _host(self, server: dbforpostgresql.Server) -> pulumi.Output[str]:
        """Of the server that the engine uses: a restored one has the same logins, and a name in the same domain."""
        own: pulumi.Output[str] = server.fully_qualified_domain_name
        restored = self._args.size.restored_server
        if restored is None:
            return own
        if not self._args.is_private:  # Azure copies no rules to a restored server
            self._azure_may_call("azure-restored", restored)
        return own.apply(lambda host: f"{restored}.{host.partition('.')[2]}")

    def _azure_may_call(self, what: str, server_name: pulumi.Input[str]) -> dbforpostgresql.FirewallRule:
        return dbforpostgresql.FirewallRule(
            f"{self._name}-{what}",
            resource_group_name=self._args.place.resource_group_name,
            server_name=server_name,
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
