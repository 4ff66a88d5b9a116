"""AzureWorkspace: the resource group and everything in it that datasets and models need."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import pulumi
from pulumi_azure_native import authorization, resources

from vision_customization.components.azure.apps_environment import apps_environment
from vision_customization.components.azure.args import AzureArgs
from vision_customization.components.azure.blob_adder import BlobAdder
from vision_customization.components.azure.database import EngineDatabase, EngineDatabaseArgs
from vision_customization.components.azure.engine_app import EngineApp, EngineAppArgs
from vision_customization.components.azure.engine_identity import EngineIdentity
from vision_customization.components.azure.existing_network import BLOB_ZONE, QUEUE_ZONE, VISION_ZONE
from vision_customization.components.azure.key_vault import KeyVault, KeyVaultArgs
from vision_customization.components.azure.names import AzureNames
from vision_customization.components.azure.network import PrivateNetwork, PrivateNetworkArgs
from vision_customization.components.azure.observability import Observability, ObservabilityArgs
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.preflight import actions_of, wanted_uses
from vision_customization.components.azure.preflight_resource import Preflight
from vision_customization.components.azure.role_grants import (
    BlobContributor,
    BlobReader,
    ImagePuller,
    QueueContributor,
    RoleGrant,
    VisionUser,
)
from vision_customization.components.azure.role_ready import BlobAccess
from vision_customization.components.azure.safeguards import CostBudget, DataLocks
from vision_customization.components.azure.storage import TRAINING, TrainingStorage, TrainingStorageArgs
from vision_customization.components.azure.studio_settings import studio_settings
from vision_customization.components.azure.vision_account import VisionAccount, VisionAccountArgs
from vision_customization.components.generated_key import GeneratedKey
from vision_customization.components.given import args_of
from vision_customization.components.novel_samples import novel_sample_settings
from vision_customization.customization.resources import Service, TrainingContainer


class AzureWorkspace(pulumi.ComponentResource):
    """Vision account, training storage, and the engine with its database, in one resource group.

    Before it creates anything, also in a preview, its `Preflight` asks Azure whether the caller may do so. `container` is known
    only once the engine's identity and the deploying identity can read it.
    """

    endpoint: pulumi.Output[str]
    """Where the engine answers."""
    key: pulumi.Output[str]
    container_url: pulumi.Output[str]
    vision_endpoint: pulumi.Output[str]
    """Where the Vision account answers; empty without one."""
    resource_group: pulumi.Output[str]

    def __init__(self, name: str, args: AzureArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:AzureWorkspace", name, None, opts)
        self._name, self._args = name, (args := args_of(AzureArgs, args))
        self._client = authorization.get_client_config_output(pulumi.InvokeOptions(parent=self))
        # Only the names that are unique in all of Azure depend on the subscription.
        self._names = AzureNames.of(args.base, "", args.names)
        self._worker_name = self._names.worker_of(args.engine.workers)
        self._unique = self._client.apply(lambda client: AzureNames.of(args.base, client.subscription_id, args.names))
        self._tags = {"project": "vision-customization", "stack": pulumi.get_stack(), **args.tags}
        self._child = pulumi.ResourceOptions(parent=self)
        self._assignments: list[pulumi.Resource] = []
        preflight = self._preflight()
        # A component waits for what it depends on, and its children wait for it.
        self._child = pulumi.ResourceOptions(parent=self, depends_on=[preflight])

        group_id, self.resource_group = self._group()
        self._place = Place(self.resource_group, args.location, self._tags)
        network = self._network()
        self._private = network if args.private_network else None
        observability = self._observability(preflight)
        storage = self._storage()
        vision = self._vision(preflight, storage)
        self.vision_endpoint = vision.endpoint if vision is not None else pulumi.Output.from_input("")
        identity = self._identity(preflight)
        database = self._database(network, preflight, identity.principal_id)
        names: list[pulumi.Resource] = []
        if self._private is not None:
            names.append(self._private.connect("blob", storage.account_id, "blob", BLOB_ZONE))
        if storage.queue is not None:
            names.append(self._grant(QueueContributor, "engine-scales", storage.queue.id, identity.principal_id))
            if self._private is not None:
                names.append(self._private.connect("queue", storage.account_id, "queue", QUEUE_ZONE, after=names[:1]))
        observability.watch("blobs", pulumi.Output.concat(storage.account_id, "/blobServices/default"), metrics="Transaction")
        observability.watch("database", database.server_id)
        observability.alert(self._worker_name, args.alert_emails)

        reads, writes = self._roles(storage, vision, identity.principal_id)
        if args.studio_labelling:
            self._adder(group_id, storage, identity.principal_id)
        if vision is not None:
            names += self._connect_vision(vision, observability, identity.principal_id, database)
        if args.container_registry is not None:
            names.append(self._grant(ImagePuller, "engine-pulls", args.container_registry.existing, identity.principal_id))
        engine = self._engine(network, names, observability, vision, storage, database, identity)
        deployer = self._deployer_access(storage, preflight)
        can_write = self._engine_access("keeps", engine, storage.artifacts_url, writes)
        can_read = self._engine_access("reads", engine, deployer.container_url, reads)
        optional = [part for part in (network, vision) if part is not None]
        data = {"storage": storage.account_id, "database": database.server_id}
        self._safeguards(group_id, data, [storage, database, observability, *optional, *self._assignments])
        assert engine.key is not None
        self.endpoint, self.key = _once(can_write, engine.endpoint), pulumi.Output.from_input(engine.key)
        self.container_url = can_read.container_url
        # No annotations of the class: Pulumi takes those for outputs, which a program in another language would see.
        self.service: Service = Service(self.endpoint, self.key)
        self.container: TrainingContainer = TrainingContainer(self.container_url)
        self.exports: dict[str, pulumi.Input[str]] = {
            "resourceGroup": self.resource_group,
            "location": args.location,
            "identityId": identity.id,
            "identityClientId": identity.client_id,
            "identityPrincipalId": identity.principal_id,
            "visionEndpoint": self.vision_endpoint,
            "visionPrincipalId": vision.principal_id if vision else "",
            "visionAccountId": vision.account_id if vision else "",
            "storageAccountId": storage.account_id,
            "trainingUrl": storage.training_url,
            "databaseServerId": database.server_id,
            "logWorkspaceId": observability.workspace_id,
            "engineApp": self._names.engine,
            "workerApp": self._worker_name,
        }
        self.register_outputs(
            {
                "endpoint": self.endpoint,
                "key": self.key,
                "containerUrl": self.container_url,
                "visionEndpoint": self.vision_endpoint,
                "resourceGroup": self.resource_group,
            }
        )

    def _safeguards(
        self, group_id: pulumi.Output[str], data: dict[str, pulumi.Output[str]], below: Sequence[pulumi.Resource]
    ) -> None:
        args = self._args
        if args.monthly_budget is not None:
            CostBudget(
                f"{self._name}-budget",
                group_id=group_id,
                budget_name=args.base,
                amount=args.monthly_budget,
                emails=args.alert_emails,
                opts=self._child,
            )
        if args.locks:
            DataLocks(
                f"{self._name}-locks",
                data,
                pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=below)),
            )

    def _preflight(self) -> Preflight:
        args = self._args
        group = args.resource_group.existing if args.resource_group else self._names.resource_group
        group_id = self._group_id(group)
        account_id = pulumi.Output.concat(
            group_id, "/providers/Microsoft.Storage/storageAccounts/", self._unique.storage_account
        )
        return Preflight(
            f"{self._name}-preflight",
            subscription_id=self._client.subscription_id,
            object_id=self._client.object_id,
            resource_group=group,
            existing_group=args.resource_group is not None,
            actions=actions_of(args),
            uses=wanted_uses(args),
            vision_account=self._names.vision_account if args.vision == "account" else None,
            vision_location=args.vision_region,
            key_vault=self._unique.key_vault if args.key_vault else None,
            container_id=pulumi.Output.concat(account_id, "/blobServices/default/containers/", TRAINING),
            assigns_deployer=args.assign_deployer,
            restore=args.restore,
            database_location=args.location,
            server_id=pulumi.Output.concat(
                group_id, "/providers/Microsoft.DBforPostgreSQL/flexibleServers/", self._unique.database_server
            ),
            database=args.database,
            environment_id=pulumi.Output.concat(
                group_id, "/providers/Microsoft.App/managedEnvironments/", self._names.environment
            ),
            private=args.private_network,
            caller_type=args.deployer_type,
            opts=self._child,
        )

    def _group(self) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """Id and name of the resource group."""
        if self._args.resource_group is not None:
            name = self._args.resource_group.existing
            return self._group_id(name), pulumi.Output.from_input(name)
        group = resources.ResourceGroup(
            self._name,
            resource_group_name=self._names.resource_group,
            location=self._args.location,
            tags=self._tags,
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(protect=self._args.protect)),
        )
        return group.id, group.name

    def _group_id(self, name: str) -> pulumi.Output[str]:
        return pulumi.Output.format("/subscriptions/{0}/resourceGroups/{1}", self._client.subscription_id, name)

    def _network(self) -> PrivateNetwork | None:
        args = self._args
        if not args.has_network:
            return None
        return PrivateNetwork(
            f"{self._name}-net",
            PrivateNetworkArgs(
                self._place,
                self._names.network,
                args.address_prefix,
                options=args.network,
                private=args.private_network,
                shared_group=args.resource_group is not None,
            ),
            self._child,
        )

    def _observability(self, preflight: Preflight) -> Observability:
        existing = self._args.log_workspace
        return Observability(
            f"{self._name}-logs",
            ObservabilityArgs(
                self._place,
                self._names.log_workspace,
                self._args.log_retention_days,
                preflight.passed(existing.existing) if existing else None,
            ),
            self._child,
        )

    def _vision(self, preflight: Preflight, storage: TrainingStorage) -> VisionAccount | None:
        if self._args.vision == "none":
            return None
        own_images = storage.blob_endpoint.apply(lambda endpoint: urlsplit(endpoint).hostname or "")
        return VisionAccount(
            f"{self._name}-vision",
            VisionAccountArgs(
                replace(self._place, location=self._args.vision_region),
                account_name=self._names.vision_account,
                subdomain=self._unique.subdomain,
                public_network=not self._args.private_network,
                restore=preflight.restores,
                protect=self._args.protect,
                image_hosts=None if "*" in self._args.image_hosts else [own_images, *self._args.image_hosts],
            ),
            self._child,
        )

    def _storage(self) -> TrainingStorage:
        return TrainingStorage(
            f"{self._name}-storage",
            TrainingStorageArgs(
                self._place,
                account_name=self._unique.storage_account,
                sku=self._args.storage_sku,
                soft_delete_days=self._args.soft_delete_days,
                restore_days=self._args.restore_days,
                public_network=not self._args.private_network,
                queue=self._args.has_queue,
                protect=self._args.protect,
            ),
            self._child,
        )

    def _database(
        self, network: PrivateNetwork | None, preflight: Preflight, principal_id: pulumi.Output[str]
    ) -> EngineDatabase:
        return EngineDatabase(
            f"{self._name}-database",
            EngineDatabaseArgs(
                self._place,
                server_name=self._unique.database_server,
                size=self._args.database,
                storage_gb=preflight.storage_gb,
                subnet_id=network.database_subnet_id if network else None,
                zone_id=network.database_zone_id if network else None,
                tenant_id=self._client.tenant_id,
                administrator_name=self._names.database_administrator,
                principal_id=principal_id,
                protect=self._args.protect,
            ),
            self._child,
        )

    def _identity(self, preflight: Preflight) -> EngineIdentity:
        if self._args.identity is not None:
            return EngineIdentity.existing(preflight.passed(self._args.identity.existing), self)
        return EngineIdentity.made(f"{self._name}-engine", self._place, self._names.identity, self._child)

    def _roles(
        self, storage: TrainingStorage, vision: VisionAccount | None, principal_id: pulumi.Output[str]
    ) -> tuple[RoleGrant, RoleGrant]:
        """Assign the roles in storage of the engine's and the Vision account's identities; returns the engine's."""
        reads = self._grant(BlobReader, "engine-reads", storage.training_id, principal_id)
        if vision is not None:
            self._grant(BlobReader, "vision-reads", storage.training_id, vision.principal_id)
        writes = self._grant(BlobContributor, "engine-writes", storage.artifacts_id, principal_id)
        return reads, writes

    def _connect_vision(
        self,
        vision: VisionAccount,
        observability: Observability,
        principal_id: pulumi.Output[str],
        database: EngineDatabase,
    ) -> list[pulumi.Resource]:
        """Let the engine call the Vision account; returns what exists once its name resolves in a private network.

        The private endpoint comes last: each write leaves the account in the state `Accepted` for a while, in which Azure
        refuses an endpoint (AccountProvisioningStateInvalid, terraform-provider-azurerm#31712) though the write has ended. The
        database takes minutes, so that the account has settled by then.
        """
        calls = self._grant(VisionUser, "engine-calls", vision.account_id, principal_id)
        logs = observability.watch("vision", vision.account_id)
        if self._private is None:
            return []
        return [self._private.connect("vision", vision.account_id, "account", VISION_ZONE, after=[calls, logs, database])]

    def _adder(self, group_id: pulumi.Output[str], storage: TrainingStorage, principal_id: pulumi.Output[str]) -> None:
        """The engine's right to add what people label.

        No resource waits until it takes effect: only people use it, and until then the Studio says that the right is missing.
        An attempt would leave a blob that the engine may not delete.
        """
        adder = BlobAdder(
            f"{self._name}-engine-adds",
            subscription_id=self._client.subscription_id,
            group_id=group_id,
            account_name=self._unique.storage_account,
            scope=storage.training_id,
            principal_id=principal_id,
            opts=self._child,
        )
        self._assignments.append(adder)

    def _grant(
        self,
        role: type[RoleGrant],
        what: str,
        scope: pulumi.Input[str],
        principal_id: pulumi.Input[str],
        principal_type: pulumi.Input[str] = "ServicePrincipal",
    ) -> RoleGrant:
        grant = role(
            f"{self._name}-{what}",
            subscription_id=self._client.subscription_id,
            scope=scope,
            principal_id=principal_id,
            principal_type=principal_type,
            opts=self._child,
        )
        self._assignments.append(grant)
        return grant

    def _engine(
        self,
        network: PrivateNetwork | None,
        names_there: list[pulumi.Resource],
        observability: Observability,
        vision: VisionAccount | None,
        storage: TrainingStorage,
        database: EngineDatabase,
        identity: EngineIdentity,
    ) -> Service:
        environment = apps_environment(
            f"{self._name}-apps",
            self._place,
            environment_name=self._names.environment,
            observability=observability,
            subnet_id=network.apps_subnet_id if network else None,
            internal=self._args.private_network,
            options=self._args.environment,
            worker_profile=self._args.engine.worker_profile,
            opts=self._child,
        )
        if self._private is not None:
            names_there = [*names_there, self._private.name_apps(environment.default_domain, environment.static_ip)]
        # By name: behind a private endpoint the account has a private address, and in a sovereign cloud another name.
        blob_host = storage.blob_endpoint.apply(lambda endpoint: urlsplit(endpoint).netloc)
        key = GeneratedKey(f"{self._name}-engine-key", opts=self._child)
        token_key = GeneratedKey(f"{self._name}-token-key", opts=self._child)
        secrets: dict[str, pulumi.Input[str]] = {
            "VISION_ENGINE_KEYS": key.value,
            **({} if database.grant else {"VISION_ENGINE_DATABASE_URL": database.url}),
            "VISION_ENGINE_TOKEN_KEY": token_key.value.apply(lambda value: value.translate(str.maketrans("+/", "-_"))),
        }
        vault = self._vault(secrets, observability, identity)
        if vault is not None:
            names_there = [*names_there, *vault.readable_after]
        engine = EngineApp(
            f"{self._name}-engine",
            EngineAppArgs(
                self._place,
                environment_id=environment.id,
                api_name=self._names.engine,
                worker_name=self._worker_name,
                image=self._args.image,
                registry=self._args.registry,
                identity_id=identity.id,
                settings={
                    "AZURE_CLIENT_ID": identity.client_id,
                    "VISION_ENGINE_IDENTITY_HOSTS": blob_host,
                    "VISION_ENGINE_OBJECTS_URL": storage.artifacts_url,
                    **({"VISION_ENGINE_WORKER_QUEUE": storage.queue.url} if storage.queue is not None else {}),
                    **database.settings,
                    **({"VISION_ENGINE_VISION_ENDPOINT": vision.endpoint} if vision is not None else {}),
                    "VISION_ENGINE_PUBLIC_URL": pulumi.Output.concat(
                        "https://", self._names.engine, ".", environment.default_domain
                    ),
                    **({"VISION_ENGINE_CUSTOM_VISION": "true"} if self._args.custom_vision else {}),
                    **studio_settings(self._args, self._client.tenant_id),
                    **novel_sample_settings(self._args.novel_samples, self._args.novel_sample_days),
                },
                # Workers add nothing there, and keep their revision when this changes.
                api_settings={"VISION_ENGINE_STUDIO_CONTAINER": storage.training_url} if self._args.studio_labelling else {},
                secrets=secrets,
                secret_urls=vault.urls if vault else {},
                readable_minutes=self._args.role_timeout_minutes,
                grant=database.grant,
                queue=storage.queue,
                size=self._args.engine,
            ),
            # A name that is looked up before it exists stays unresolved for a while.
            pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=names_there)),
        )
        return Service(engine.endpoint, key.value)

    def _vault(
        self,
        secrets: Mapping[str, pulumi.Input[str]],
        observability: Observability,
        identity: EngineIdentity,
    ) -> KeyVault | None:
        if not self._args.key_vault:
            return None
        vault = KeyVault(
            f"{self._name}-vault",
            KeyVaultArgs(
                self._place,
                vault_name=self._unique.key_vault,
                subscription_id=self._client.subscription_id,
                tenant_id=self._client.tenant_id,
                reader_id=identity.principal_id,
                secrets=secrets,
                network=self._private,
                purge_protection=self._args.purge_protection,
                protect=self._args.protect,
            ),
            self._child,
        )
        observability.watch("vault", vault.vault_id)
        return vault

    def _deployer_access(self, storage: TrainingStorage, preflight: Preflight) -> BlobAccess:
        """The training container, once the deploying identity's role on it takes effect."""
        role = None
        if self._args.assign_deployer:
            role = self._grant(
                BlobContributor, "deployer-writes", storage.training_id, self._client.object_id, preflight.caller_type
            )
        return BlobAccess(
            f"{self._name}-deployer-access",
            container_url=storage.training_url,
            identity="the deploying identity",
            role=BlobContributor.role.label,
            assignment_id=role.assignment_id if role else None,
            timeout_minutes=self._args.role_timeout_minutes,
            opts=self._child,
        )

    def _engine_access(self, what: str, engine: Service, container_url: pulumi.Output[str], grant: RoleGrant) -> BlobAccess:
        """A container, once the engine's role on it takes effect."""
        return BlobAccess(
            f"{self._name}-engine-{what}",
            container_url=container_url,
            identity="the engine",
            role=grant.role.label,
            assignment_id=grant.assignment_id,
            service=engine,
            timeout_minutes=self._args.role_timeout_minutes,
            opts=self._child,
        )


def _once(access: BlobAccess, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """`value`, which is known only once the access exists."""
    return pulumi.Output.all(access.readable, value).apply(lambda known: str(known[1]))
