"""EngineDatabase: PostgreSQL flexible server, which the engine's API and workers share."""

from urllib.parse import quote

import pulumi
from pulumi_azure_native import dbforpostgresql

from vision_customization.components.azure.args import DatabaseSize
from vision_customization.components.generated_key import GeneratedKey

LOGIN = "vision"
DATABASE = "vision"
VERSION = "16"


class EngineDatabase(pulumi.ComponentResource):
    """A server with one database. TLS only; the password is generated and is a secret."""

    server_id: pulumi.Output[str]
    url: pulumi.Output[str]
    """`postgresql://…?sslmode=require`, a secret."""

    def __init__(
        self,
        name: str,
        *,
        resource_group_name: pulumi.Input[str],
        server_name: str,
        location: str,
        size: DatabaseSize | None = None,
        subnet_id: pulumi.Input[str] | None = None,
        zone_id: pulumi.Input[str] | None = None,
        tags: dict[str, str] | None = None,
        protect: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        Args:
            server_name: 3–63 lowercase letters, digits and '-', unique in all of Azure.
            subnet_id, zone_id: a delegated subnet and a private DNS zone: then the server has no public address. Without, it
                lets in only what runs in Azure, with the password.
            protect: refuse to destroy it.
        """
        super().__init__("vision-customization:index:EngineDatabase", name, None, opts)
        size = size or DatabaseSize()
        child = pulumi.ResourceOptions(parent=self)
        password = GeneratedKey(f"{name}-password", opts=child)
        private = subnet_id is not None
        server = dbforpostgresql.Server(
            name,
            resource_group_name=resource_group_name,
            server_name=server_name,
            location=location,
            version=VERSION,
            create_mode="Default",
            administrator_login=LOGIN,
            administrator_login_password=password.value,
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
                delegated_subnet_resource_id=subnet_id,
                private_dns_zone_arm_resource_id=zone_id,
                public_network_access="Disabled" if private else "Enabled",
            ),
            tags=tags,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protect)),
        )
        rules = []
        if not private:
            rule = dbforpostgresql.FirewallRule(
                f"{name}-azure",
                resource_group_name=resource_group_name,
                server_name=server.name,
                firewall_rule_name="azure",
                # What Azure takes for "whatever runs in Azure"; no address of the internet is let in.
                start_ip_address="0.0.0.0",  # noqa: S104
                end_ip_address="0.0.0.0",  # noqa: S104
                opts=child,
            )
            rules.append(rule)
        database = dbforpostgresql.Database(
            f"{name}-vision",
            resource_group_name=resource_group_name,
            server_name=server.name,
            database_name=DATABASE,
            charset="UTF8",
            collation="en_US.utf8",
            # The server takes one change at a time; and who has the URL may call, so the rule is there.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protect, depends_on=rules)),
        )
        self.server_id = server.id
        self.url = pulumi.Output.secret(
            pulumi.Output.all(server.fully_qualified_domain_name, password.value, database.name).apply(
                lambda known: f"postgresql://{LOGIN}:{quote(known[1], safe='')}@{known[0]}/{known[2]}?sslmode=require"
            )
        )
        self.register_outputs({"serverId": self.server_id})
