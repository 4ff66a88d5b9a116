"""EngineDatabase: PostgreSQL flexible server, which the engine's API and workers share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import pulumi
from pulumi_azure_native import dbforpostgresql, managedidentity

from vision_customization.components.azure.args import DatabaseSize
from vision_customization.components.azure.capabilities import VERSION
from vision_customization.components.azure.place import Place
from vision_customization.components.generated_key import GeneratedKey

LOGIN = "vision"
"""The server's administrator with a password, as whom the engine logs in with `login: password`."""
ROLE = "vision-engine"
"""The role of the engine's identity with `login: entra`; it is not an administrator."""
DATABASE = "vision"
ZONES = ["availabilityZone", "highAvailability.standbyAvailabilityZone"]
"""What Azure chooses and changes, and azure-native always sends, empty."""
LOGIN_AS_MADE = "administratorLogin"
"""Stays as the server was made: azure-native replaces a server for another one, and for none."""


@dataclass(frozen=True)
class EngineDatabaseArgs:
    """The arguments of the server.

    Attributes:
        server_name: 3–63 lowercase letters, digits and '-', unique in all of Azure.
        subnet_id, zone_id: a delegated subnet and a private DNS zone: then the server has no public address. Without them, it
            admits only clients in Azure that have the password.
        storage_gb: the size of the disk now, if Azure may have made it larger than `size` says.
        tenant_id, administrator_name, principal_id: for `login: entra`. The tenant, a name for the identity that is the
            server's administrator (it is also its role in the database), and the object id of the engine's identity.
        protect: refuse to destroy it.
    """

    place: Place
    server_name: pulumi.Input[str]
    size: DatabaseSize = field(default_factory=DatabaseSize)
    subnet_id: pulumi.Input[str] | None = None
    zone_id: pulumi.Input[str] | None = None
    storage_gb: pulumi.Input[int] | None = None
    tenant_id: pulumi.Input[str] | None = None
    administrator_name: str = ""
    principal_id: pulumi.Input[str] | None = None
    protect: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError if a login by token lacks what it needs."""
        if self.size.login == "entra" and (self.tenant_id is None or self.principal_id is None or not self.administrator_name):
            raise ValueError(
                "login 'entra' needs tenant_id, administrator_name and principal_id. "
                "Without them, give size=DatabaseSize(login='password')"
            )

    @property
    def is_private(self) -> bool:
        return self.subnet_id is not None


@dataclass(frozen=True)
class DatabaseGrant:
    """What makes the engine's role in the database: `vision-engine` with these arguments and settings, as this identity."""

    identity_id: pulumi.Output[str]
    arguments: Sequence[pulumi.Input[str]]
    settings: Mapping[str, pulumi.Input[str]]


class EngineDatabase(pulumi.ComponentResource):
    """A server with one database. TLS only.

    With `login: entra` it takes no passwords. The engine logs in as a role of its own, which is not an administrator. The
    server's administrator, an identity for this alone, makes it: see `grant`. Otherwise the password is generated, a secret.
    """

    server_id: pulumi.Output[str]
    url: pulumi.Output[str]
    """`postgresql://…?sslmode=verify-full`; with a password it is a secret.

    The engine and KEDA's scaler both verify the server's certificate, KEDA with its system's authorities
    (https://github.com/jackc/pgx/blob/master/pgconn/config.go), with which it also calls Azure's own services.
    """

    def __init__(self, name: str, args: EngineDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:EngineDatabase", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        password = None if self._by_token else GeneratedKey(f"{name}-password", opts=self._child).value
        server = self._server(password)
        rules = [] if args.is_private else [self._azure_may_call("azure", server.name)]
        database = self._database(server, rules)
        self.server_id, host = server.id, self._host(server)
        self.url = self._url(host, database, ROLE if self._by_token else LOGIN, password)
        # No annotation of the class: Pulumi takes those for outputs.
        self.grant: DatabaseGrant | None = self._grant(server, host, database) if self._by_token else None
        # For the engine. With a password, the URL is a secret of its own.
        self.settings: dict[str, pulumi.Input[str]] = {}
        if self._by_token:
            self.settings = {"VISION_ENGINE_DATABASE_LOGIN": "entra", "VISION_ENGINE_DATABASE_URL": self.url}
        self.register_outputs({"serverId": self.server_id})

    @property
    def _by_token(self) -> bool:
        return self._args.size.login == "entra"

    def _url(
        self,
        host: pulumi.Output[str],
        database: dbforpostgresql.Database,
        role: pulumi.Input[str],
        password: pulumi.Output[str] | None = None,
    ) -> pulumi.Output[str]:
        if password is None:
            return pulumi.Output.format("postgresql://{0}@{1}/{2}?sslmode=verify-full", role, host, database.name)
        return pulumi.Output.secret(
            pulumi.Output.all(host, password, database.name).apply(
                lambda known: f"postgresql://{LOGIN}:{quote(known[1], safe='')}@{known[0]}/{known[2]}?sslmode=verify-full"
            )
        )

    def _grant(
        self, server: dbforpostgresql.Server, host: pulumi.Output[str], database: dbforpostgresql.Database
    ) -> DatabaseGrant:
        args = self._args
        assert args.principal_id is not None
        identity = managedidentity.UserAssignedIdentity(
            f"{self._name}-administrator",
            resource_group_name=args.place.resource_group_name,
            resource_name_=args.administrator_name,
            location=args.place.location,
            tags=args.place.tags,
            opts=self._child,
        )
        administrator = dbforpostgresql.AdministratorsMicrosoftEntra(
            f"{self._name}-administrator",
            resource_group_name=args.place.resource_group_name,
            server_name=server.name,
            object_id=identity.principal_id,
            principal_name=identity.name,
            principal_type="ServicePrincipal",
            tenant_id=args.tenant_id,
            # Last, when the server takes other changes already: Azure refuses it while the server is "not accessible"
            # (AadAuthOperationCannotBePerformedWhenServerIsNotAccessible), as it is for a while after it was made or changed.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[database]),
        )
        # It is known once the administrator is one.
        role = administrator.principal_name.apply(lambda name: name or args.administrator_name)
        return DatabaseGrant(
            identity.id,
            # A stack that had a password before: its tables are handed over.
            ["database", "grant", "--role", ROLE, "--principal", args.principal_id, "--from", LOGIN],
            {
                "AZURE_CLIENT_ID": identity.client_id,
                "VISION_ENGINE_DATABASE_LOGIN": "entra",
                "VISION_ENGINE_DATABASE_URL": self._url(host, database, role),
            },
        )

    def _authentication(self) -> dbforpostgresql.AuthConfigArgs:
        if self._by_token:
            return dbforpostgresql.AuthConfigArgs(
                active_directory_auth="Enabled",
                password_auth="Disabled",  # noqa: S106
                tenant_id=self._args.tenant_id,
            )
        return dbforpostgresql.AuthConfigArgs(active_directory_auth="Disabled", password_auth="Enabled")  # noqa: S106

    def _server(self, password: pulumi.Output[str] | None) -> dbforpostgresql.Server:
        args, size = self._args, self._args.size
        storage_gb = size.storage_gb if args.storage_gb is None else args.storage_gb
        return dbforpostgresql.Server(
            self._name,
            resource_group_name=args.place.resource_group_name,
            server_name=args.server_name,
            location=args.place.location,
            version=VERSION,
            create_mode="Default",
            administrator_login=None if self._by_token else LOGIN,
            administrator_login_password=password,
            auth_config=self._authentication(),
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
            # A failover swaps the zones. To put the server back into its former one, Pulumi would replace it.
            opts=pulumi.ResourceOptions.merge(
                self._protected(), pulumi.ResourceOptions(ignore_changes=[*ZONES, LOGIN_AS_MADE])
            ),
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

    def _database(self, server: dbforpostgresql.Server, rules: Sequence[pulumi.Resource]) -> dbforpostgresql.Database:
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
