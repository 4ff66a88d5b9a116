"""The schema of a stack's key `azure`: the settings of an environment in Azure."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from vision_customization.components.azure.address_plan import ADDRESS_PREFIX, AddressPlan
from vision_customization.components.azure.existing import TYPES, ArmId
from vision_customization.components.azure.existing_network import ExistingNetwork, NetworkOptions
from vision_customization.components.azure.place import region_name


class Settings(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class AzureNameSettings(Settings):
    """Names that override those derived from `name`. `subdomain`, `storageAccount`, `databaseServer` and `keyVault` are
    global."""

    resource_group: str | None = None
    vision_account: str | None = None
    subdomain: str | None = None
    storage_account: str | None = None
    identity: str | None = None
    log_workspace: str | None = None
    environment: str | None = None
    engine: str | None = None
    worker: str | None = None
    worker_job: str | None = None
    database_server: str | None = None
    database_administrator: str | None = None
    network: str | None = None
    key_vault: str | None = None


class EngineSizeSettings(Settings):
    """CPU cores and memory per replica of API and workers, and the number of replicas."""

    cpu: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    memory_gib: Annotated[float, Field(ge=0.5, le=8)] = 2.0
    min_replicas: Annotated[int, Field(ge=0, le=300)] = 1
    max_replicas: Annotated[int, Field(ge=1, le=300)] = 3
    worker_cpu: Annotated[float, Field(ge=0.25, le=4)] = 2.0
    worker_memory_gib: Annotated[float, Field(ge=0.5, le=8)] = 4.0
    min_workers: Annotated[int, Field(ge=0, le=300)] = 0
    max_workers: Annotated[int, Field(ge=1, le=300)] = 2
    workers: Literal["app", "job"] = "app"
    """What the workers are: replicas of an app, or executions of an event-driven job, each for one job of the engine."""
    worker_profile: Literal["Consumption", "Consumption-GPU-NC8as-T4", "Consumption-GPU-NC24-A100"] = "Consumption"
    """The workload profile of the workers. With a GPU, a worker has all cores and memory of the profile."""
    worker_timeout_hours: Annotated[int, Field(ge=1, le=240)] = 24
    """How long an execution may take; another one then resumes its work."""
    self_test: bool = False
    """Give a replica of the API calls once a published model has answered in it, so that a broken release gets none."""

    @model_validator(mode="after")
    def _is_offered(self) -> Self:
        if self.workers == "job" and self.min_workers:
            raise ValueError("workers: job needs minWorkers: 0, because an execution without a job ends, and would start again")
        sizes = {"worker_cpu", "worker_memory_gib"} & self.model_fields_set
        if self.worker_profile != "Consumption" and sizes:
            raise ValueError(f"a worker on {self.worker_profile} has the whole profile: remove workerCpu and workerMemoryGib")
        for cpu, memory, name in (
            (self.cpu, self.memory_gib, "memoryGib"),
            (self.worker_cpu, self.worker_memory_gib, "workerMemoryGib"),
        ):
            if cpu * 4 % 1 or memory != 2 * cpu:
                offered = "Container Apps offer cores in steps of 0.25, with 2 GiB per core"
                raise ValueError(f"{offered}: for {cpu:g} cores, {name} must be {2 * cpu:g}")
        if self.min_replicas > self.max_replicas or self.min_workers > self.max_workers:
            raise ValueError("minReplicas must be at most maxReplicas, and minWorkers at most maxWorkers")
        return self


def _mode(value: object) -> object:
    """A mode of high availability. Raises ValueError for the booleans that releases before the modes had."""
    if isinstance(value, bool):
        former = "ZoneRedundant" if value else "Disabled"
        raise ValueError(  # noqa: TRY004 - pydantic turns a ValueError into the error of this key
            f"must be Disabled, SameZone or ZoneRedundant, not {str(value).lower()}, which was {former}. "
            "Not every region offers each mode (docs/azure-database.md)"
        )
    return value


def _region(location: str) -> str:
    """`eastus` for `East US`. Raises ValueError for what can't be a region's name."""
    name = region_name(location)
    if not name.isascii() or not name.isalnum():
        raise ValueError(f"{location!r} is not a region of Azure. Use its name, like swedencentral, or its display name")
    return name


def _disk(size: int) -> int:
    """Raises ValueError for a size that Azure has no disk of.

    https://learn.microsoft.com/azure/postgresql/compute-storage/concepts-storage-premium-ssd
    """
    if size not in DISK_SIZES:
        raise ValueError(f"Azure has no disk of {size} GiB for PostgreSQL. Choose from {', '.join(map(str, DISK_SIZES))}")
    return size


DISK_SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4095, 4096, 8192, 16384, 32767)


class DatabaseSizeSettings(Settings):
    """PostgreSQL flexible server, as Azure names its sizes."""

    sku: str = "Standard_B1ms"
    tier: Literal["Burstable", "GeneralPurpose", "MemoryOptimized"] = "Burstable"
    storage_gb: Annotated[int, AfterValidator(_disk)] = 32
    backup_days: Annotated[int, Field(ge=7, le=35)] = 7
    geo_redundant_backup: bool = False
    high_availability: Annotated[Literal["Disabled", "SameZone", "ZoneRedundant"], BeforeValidator(_mode)] = "Disabled"
    """A standby server: none, in the zone of the primary, or in another zone of the region."""
    restored_server: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")] | None = None
    """A server that was restored from a backup of the stack's own, and that the engine uses instead."""
    access: Literal["network", "azureServices"] = "network"
    """Who reaches it: a subnet of the stack's network, or, as in earlier versions, any service in Azure with the password."""
    login: Literal["entra", "password"] = "entra"
    """How the engine logs in: with tokens of its identity, or with a password. With `entra`, the server takes no passwords."""

    @model_validator(mode="after")
    def _is_offered(self) -> Self:
        if self.high_availability != "Disabled" and self.tier == "Burstable":
            raise ValueError("highAvailability is not available in tier Burstable. Use GeneralPurpose")
        return self


class ExistingGroupSettings(Settings):
    """A resource group that is there already."""

    existing: str
    """Its name."""


class ExistingSettings(Settings):
    """A resource that is there already, in the stack's own subscription."""

    existing: str
    """Its ARM id."""


class ExistingNetworkSettings(Settings):
    """An existing network and private DNS zones, by ARM id. The stack makes what is not given."""

    virtual_network: str | None = None
    """Where subnets that are not given are made; by default the network of a given subnet."""
    apps_subnet: str | None = None
    """Delegated to Microsoft.App/environments, /27 or larger."""
    database_subnet: str | None = None
    """Delegated to Microsoft.DBforPostgreSQL/flexibleServers, /28 or larger."""
    endpoints_subnet: str | None = None
    """For private endpoints; not delegated."""
    blob_zone: str | None = None
    """privatelink.blob.core.windows.net."""
    vision_zone: str | None = None
    """privatelink.cognitiveservices.azure.com."""
    queue_zone: str | None = None
    """privatelink.queue.core.windows.net."""
    vault_zone: str | None = None
    """privatelink.vaultcore.azure.net."""
    database_zone: str | None = None
    """A zone whose name ends with .postgres.database.azure.com."""
    apps_zone: str | None = None
    """A zone above the domain of the apps, like eastus.azurecontainerapps.io."""
    link_zones: bool = False
    """Link the given zones to the network; by default they are linked already."""


class NetworkSettings(Settings):
    """The network of apps, database and private endpoints."""

    existing: ExistingNetworkSettings = ExistingNetworkSettings()
    route_table: str | None = None
    """ARM id of a route table for the subnet of the apps, which leads their traffic to a firewall."""


class EnvironmentSettings(Settings):
    """The Container Apps environment."""

    zone_redundant: bool = False
    """Spread replicas over availability zones; can't be changed later."""
    peer_encryption: bool = False
    """Encrypt calls between the apps."""


class AzureSettings(Settings):
    """Platform `azure`."""

    name: str | None = None
    """The base of all names, at most 20 lowercase letters, digits and '-'; by default `vision-<stack>`."""
    image: str
    """The engine's container image, preferably with its digest."""
    registry: str | None = None
    """A registry that the engine's identity may pull from (`contoso.azurecr.io`); none for a public image."""
    container_registry: ExistingSettings | None = None
    """That registry's id: then the stack assigns the engine's identity the role AcrPull on it."""
    resource_group: ExistingGroupSettings | None = None
    """The group to make everything in; by default, the stack makes one."""
    log_workspace: ExistingSettings | None = None
    """The Log Analytics workspace to send logs to; by default, the stack makes one."""
    identity: ExistingSettings | None = None
    """The user-assigned identity of the engine; by default, the stack makes one."""
    location: Annotated[str, AfterValidator(_region)] = "eastus"
    """The region of all resources but the Vision account."""
    vision_location: Literal["eastus", "westus2", "westeurope"] | None = None
    """The Vision account's region, one of those that had model customization; by default `location` if it is one of them,
    else `eastus`."""
    vision: Literal["account", "none"] = "account"
    """Whether there is an Azure AI Vision account, for the prebuilt features; trainings need none."""
    names: AzureNameSettings = AzureNameSettings()
    engine: EngineSizeSettings = EngineSizeSettings()
    database: DatabaseSizeSettings = DatabaseSizeSettings()
    storage_sku: Literal["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS"] = "Standard_LRS"
    log_retention_days: Annotated[int, Field(ge=30, le=730)] = 30
    soft_delete_days: Annotated[int, Field(ge=1, le=365)] = 7
    """How long deleted blobs can be restored."""
    restore_days: Annotated[int, Field(ge=0, le=364)] | None = None
    """To any time of how many days the containers can be restored; 0: former versions are not kept."""
    image_hosts: Annotated[list[str], Field(max_length=999)] = Field(default_factory=list)
    """Hosts that the Vision account may read images from, beside the stack's own storage; `*`: any host."""
    custom_vision: bool = False
    """Also answer the prediction calls of Custom Vision's clients."""
    studio: bool = False
    """Serve the Studio, the engine's web pages."""
    studio_client_id: Annotated[str, Field(pattern=r"^[0-9a-fA-F-]{36}$")] | None = None
    """The app registration with which people sign in there; by default only the engine's key signs in."""
    studio_labelling: bool = False
    """Let people label there: the engine may add blobs to the training container, by a role that the stack defines."""
    novel_samples: Annotated[int, Field(ge=0, le=10_000)] = 0
    """How many images that a classifier finds novel the engine keeps, for people to label; by default none."""
    novel_sample_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """For how many days."""
    private_network: bool = False
    """Make storage, database, Vision account and engine reachable only from a virtual network."""
    address_prefix: str = ADDRESS_PREFIX
    """The network's addresses: a private range of /16 to /25 that is unused in the networks that connect to it."""
    network: NetworkSettings = NetworkSettings()
    environment: EnvironmentSettings = EnvironmentSettings()
    protect: bool = False
    """Refuse to destroy resources that hold data."""
    restore: bool = False
    """Bring back a deleted Vision account of the same name."""
    alert_emails: list[str] = Field(default_factory=list)
    """Who is told of a failed training, and of costs."""
    key_vault: bool = False
    """Keep the engine's secrets in a Key Vault, from which Container Apps reads them as the engine's identity."""
    purge_protection: bool = False
    """Let nobody remove the vault for good, or reuse its name, before 90 days have passed; can't be turned off later."""
    locks: bool = False
    """Lock the storage account and the database server, so that nobody can delete them."""
    monthly_budget: Annotated[float, Field(gt=0)] | None = None
    """The costs of a month at which mail is sent, in the currency that the subscription is billed in."""
    deployer_type: Literal["User", "ServicePrincipal", "Group"] | None = None
    """The principal type of the deploying identity, if its token does not state it: a person, or a pipeline's identity."""
    assign_deployer: bool = True
    """Assign the deployer the role to upload; without it, it must have one that reaches the training container."""
    role_timeout_minutes: Annotated[float, Field(gt=0, le=120)] = 30
    """How long to wait for a new role to take effect."""
    tags: dict[str, str] = {}

    @model_validator(mode="after")
    def _deleted_blobs_cover_a_restore(self) -> Self:
        if self.restore_days is not None and self.restore_days >= self.soft_delete_days:
            raise ValueError(
                f"restoreDays is {self.restore_days}: must be less than softDeleteDays ({self.soft_delete_days}), since a "
                "restore needs the blobs that were deleted or overwritten"
            )
        return self

    @model_validator(mode="after")
    def _each_setting_has_an_effect(self) -> Self:
        for name, is_given, need, is_met in self._needs():
            if is_given and not is_met:
                raise ValueError(f"{name} needs {need}")
        return self

    def _needs(self) -> Iterator[tuple[str, bool, str, bool]]:
        """Settings that do nothing without another: the name, whether it is given, what it needs, and whether that is so.

        Zones are not among them: a platform team gives all of its zones, and may have more than the stack has names for.
        """
        yield "purgeProtection", self.purge_protection, "keyVault: true, since it protects the vault", self.key_vault
        account, has_account = "vision: account. Remove it, since there is no Vision account", self.vision == "account"
        yield "visionLocation", bool(self.vision_location), account, has_account
        yield "imageHosts", bool(self.image_hosts), account, has_account
        yield "restore", self.restore, account, has_account
        yield "studioLabelling", self.studio_labelling, "studio: true, since people label in the Studio", self.studio
        yield "studioClientId", bool(self.studio_client_id), "studio: true, since people sign in to the Studio", self.studio
        hours, is_job = "workers: job, since only an execution ends", self.engine.workers == "job"
        yield "engine.workerTimeoutHours", "worker_timeout_hours" in self.engine.model_fields_set, hours, is_job
        own = "a workspace of the stack's own. Remove it, and set it on the existing one"
        days, makes_logs = own, self.log_workspace is None
        yield "logRetentionDays", "log_retention_days" in self.model_fields_set, days, makes_logs
        pulls = "registry, its login server, like contoso.azurecr.io"
        yield "containerRegistry", self.container_registry is not None, pulls, self.registry is not None
        kept = "novelSamples: without any, nothing is kept for these days"
        yield "novelSampleDays", "novel_sample_days" in self.model_fields_set, kept, self.novel_samples > 0
        assigned = "assignDeployer: true, since it is the type in that assignment"
        yield "deployerType", self.deployer_type is not None, assigned, self.assign_deployer
        existing, in_network = self.network.existing, self.database.access == "network"
        zones = any(value for name, value in existing if name.endswith("_zone"))
        yield "network.existing.linkZones", existing.link_zones, "a zone to link, such as databaseZone", zones
        makes_subnets = in_network and None in self._subnets_given
        lays_out = "a subnet that the stack makes, and with these settings it makes none. Remove it"
        yield "addressPrefix", "address_prefix" in self.model_fields_set, lays_out, makes_subnets
        for name, is_made in {
            "resource_group": self.resource_group is None,
            "identity": self.identity is None,
            "log_workspace": makes_logs,
            "vision_account": has_account,
            "subdomain": has_account,
            "worker": not is_job,
            "worker_job": is_job,
            "database_administrator": self.database.login == "entra",
            "key_vault": self.key_vault,
            "network": in_network,
        }.items():
            resource = "such a resource of the stack's own, and with these settings there is none. Remove it"
            yield f"names.{to_camel(name)}", getattr(self.names, name) is not None, resource, is_made

    @model_validator(mode="after")
    def _the_image_is_in_the_registry(self) -> Self:
        if self.registry is None:
            return self
        if not self.image.lower().startswith(f"{self.registry.lower()}/"):
            raise ValueError(
                f"registry is {self.registry}, and image does not begin with it. Write the registry's host name alone, like "
                "contoso.azurecr.io, and an image in it, or remove registry"
            )
        if self.container_registry is not None:
            # The login server of a registry `contoso` is contoso.azurecr.io, or contoso-<hash>.azurecr.io.
            found = ArmId.of("containerRegistry.existing", self.container_registry.existing, TYPES["container_registry"])
            if not self.registry.lower().startswith((f"{found.name.lower()}.", f"{found.name.lower()}-")):
                raise ValueError(
                    f"containerRegistry is the registry {found.name}, and registry is {self.registry}. Name the same one"
                )
        return self

    @model_validator(mode="after")
    def _somebody_is_told(self) -> Self:
        for name, needs in (("protect", self.protect), ("monthlyBudget", self.monthly_budget is not None)):
            if needs and not self.alert_emails:
                raise ValueError(f"{name} needs alertEmails: the addresses of those who look after the stack")
        for index, address in enumerate(self.alert_emails):
            if not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
                raise ValueError(f"alertEmails[{index}] is not an address like operations@example.org")
            if address.lower() in map(str.lower, self.alert_emails[:index]):
                raise ValueError(f"alertEmails[{index}] is there twice; Azure refuses that. Remove it")
        return self

    @model_validator(mode="after")
    def _images_are_read_from_hosts(self) -> Self:
        for host in self.image_hosts:
            if host != "*" and not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host):
                raise ValueError(f"imageHosts: '{host}' must be a host name like images.example.org, without a path, or '*'")
        return self

    @model_validator(mode="after")
    def _existing_resources_have_their_types(self) -> Self:
        for name, arm_type in TYPES.items():
            if (found := getattr(self, name)) is not None:
                ArmId.of(f"{to_camel(name)}.existing", found.existing, arm_type)
        return self

    @field_validator("address_prefix")
    @classmethod
    def _is_laid_out(cls, prefix: str) -> str:
        AddressPlan.of(prefix)
        return prefix

    @property
    def _subnets_given(self) -> set[str | None]:
        """The ARM ids of the subnets that the stack needs; None for one that it makes."""
        given = self.network.existing
        return {given.apps_subnet, given.database_subnet, *([given.endpoints_subnet] if self.private_network else [])}

    @model_validator(mode="after")
    def _the_network_fits(self) -> Self:
        options = NetworkOptions(ExistingNetwork(**self.network.existing.model_dump()), self.network.route_table)
        if problem := next(options.problems(private=self.private_network), None):
            raise ValueError(f"network: {problem}")
        makes_subnets = None in self._subnets_given
        if options.existing.network and makes_subnets and "address_prefix" not in self.model_fields_set:
            raise ValueError(
                "network.existing names a network, in which the stack makes the subnets that are not named. Set addressPrefix "
                "to a part of that network's addresses that is free, or name all subnets"
            )
        if self.database.access == "azureServices":
            needing = {
                "privateNetwork": self.private_network,
                "network": self.network != NetworkSettings(),
                "environment.zoneRedundant": self.environment.zone_redundant,
            }
            if name := next((name for name, is_set in needing.items() if is_set), None):
                raise ValueError(f"{name} needs a network, which a stack with database.access: azureServices does not have")
        return self
