"""The arguments of an Azure workspace."""

from collections.abc import Collection
from dataclasses import dataclass, field

from vision_customization.components.azure.address_plan import ADDRESS_PREFIX
from vision_customization.components.azure.existing import TYPES, ArmId, Existing
from vision_customization.components.azure.existing_network import NetworkOptions
from vision_customization.components.azure.place import region_name
from vision_customization.components.azure.vision_account import LOCATIONS
from vision_customization.components.azure.worker_profiles import CONSUMPTION, PROFILES

VISION = ("account", "none")
WORKERS = ("app", "job")
ACCESS = ("network", "azureServices")


def _one_of(name: str, value: object, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")


@dataclass(frozen=True)
class EngineSize:
    """CPU cores and memory per replica, and the number of replicas. Without jobs, there are `min_workers`.

    `workers` says what they are: `app`, replicas that the platform adds and removes, or `job`, executions that end by
    themselves (`min_workers` must be 0 then). `worker_profile` is a key of `PROFILES`; with a GPU profile, a worker has all
    cores and memory of the profile. An execution ends after `worker_timeout_hours`, and another one resumes its work.
    `self_test`: a replica of the API gets calls once a published model has answered in it.
    """

    cpu: float = 1.0
    memory_gib: float = 2.0
    min_replicas: int = 1
    max_replicas: int = 3
    worker_cpu: float = 2.0
    worker_memory_gib: float = 4.0
    min_workers: int = 0
    max_workers: int = 2
    workers: str = "app"
    worker_profile: str = CONSUMPTION
    worker_timeout_hours: int = 24
    self_test: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for other `workers` or another profile, and for workers that always run as executions."""
        _one_of("workers", self.workers, WORKERS)
        _one_of("worker_profile", self.worker_profile, PROFILES)
        if self.workers == "job" and self.min_workers:
            raise ValueError(f"workers 'job' needs min_workers 0, not {self.min_workers}, since executions end by themselves")

    @property
    def follows_jobs(self) -> bool:
        """Whether the platform changes the number of workers."""
        return self.workers == "job" or self.min_workers < self.max_workers


HIGH_AVAILABILITY = ("Disabled", "SameZone", "ZoneRedundant")
"""No standby server, one in the zone of the primary, or one in another zone of the region."""


LOGINS = ("entra", "password")
"""How the engine logs in to the database: with tokens of its identity, which is not an administrator, or with a password."""


@dataclass(frozen=True)
class DatabaseSize:
    """`sku` and `tier` as Azure names them: `Standard_B1ms` of `Burstable`, `Standard_D2ds_v5` of `GeneralPurpose`.

    `login` is one of `LOGINS`, `high_availability` one of `HIGH_AVAILABILITY`. `storage_gb` is the least size of the disk:
    Azure makes it larger as it fills up, and never smaller. `restored_server` is the name of a server that was restored from a
    backup of this one, in the same resource group: the engine then uses it instead.
    `access`: `network`, or `azureServices` as earlier versions have it: any service in Azure that can log in may call.
    """

    sku: str = "Standard_B1ms"
    tier: str = "Burstable"
    storage_gb: int = 32
    backup_days: int = 7
    geo_redundant_backup: bool = False
    high_availability: str = HIGH_AVAILABILITY[0]
    restored_server: str | None = None
    access: str = "network"
    login: str = LOGINS[0]

    def __post_init__(self) -> None:
        """Raises ValueError if there is no such mode, access or login."""
        _one_of("high_availability", self.high_availability, HIGH_AVAILABILITY)
        _one_of("access", self.access, ACCESS)
        _one_of("login", self.login, LOGINS)


@dataclass(frozen=True)
class EnvironmentOptions:
    """The Container Apps environment: whether replicas are spread over zones, and calls between apps are encrypted."""

    zone_redundant: bool = False
    peer_encryption: bool = False


@dataclass(frozen=True)
class AzureArgs:
    """The settings of an environment in Azure.

    `location` is the region of everything but the Vision account, whose region is `vision_region`.
    `base` is what names are made from, at most 20 characters; `names` (a field of `AzureNames` → name) are given ones.
    `deployer_type` is `User`, `ServicePrincipal` or `Group`, where the deployer's token does not say it.
    `custom_vision`: whether the engine also answers the prediction calls of Custom Vision's clients.
    `studio`: whether the engine serves the Studio, its web pages; `studio_client_id`: the app registration that signs in there;
    `studio_labelling`: whether people may label there, for which the engine may add blobs to the training container.
    `novel_samples`: how many images that a classifier finds novel the engine keeps, and for how many days.
    `image_hosts`: hosts that the Vision account may read images from, beside the stack's own storage; `*`: any.
    `key_vault`: whether the engine's secrets are in a Key Vault; `purge_protection`: whether a deleted one stays for 90 days.
    `locks`: whether nobody can delete the storage account and the database server. `monthly_budget`: costs of a month, in the
    currency of the subscription, at which `alert_emails` get mail.
    `image` is the engine's; `registry` a registry that the engine's identity may pull it from, none for a public image;
    `container_registry`: that registry's id, if the engine's identity is to be assigned the role AcrPull on it.
    `resource_group`, `log_workspace`, `identity`: those that are there already, instead of ones that the stack makes.
    `vision`: `account`, or `none` for no Azure AI Vision account; the prebuilt features need one, trainings do not.
    `assign_deployer`: whether the deployer is assigned the role to upload; without it, it must have one.
    """

    base: str
    image: str
    location: str = LOCATIONS[0]
    vision_location: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    registry: str | None = None
    container_registry: Existing | None = None
    resource_group: Existing | None = None
    log_workspace: Existing | None = None
    identity: Existing | None = None
    vision: str = "account"
    engine: EngineSize = field(default_factory=EngineSize)
    database: DatabaseSize = field(default_factory=DatabaseSize)
    storage_sku: str = "Standard_LRS"
    log_retention_days: int = 30
    soft_delete_days: int = 7
    restore_days: int | None = None
    image_hosts: list[str] = field(default_factory=list)
    custom_vision: bool = False
    studio: bool = False
    studio_client_id: str | None = None
    studio_labelling: bool = False
    novel_samples: int = 0
    novel_sample_days: int = 30
    private_network: bool = False
    address_prefix: str = ADDRESS_PREFIX
    network: NetworkOptions = field(default_factory=NetworkOptions)
    environment: EnvironmentOptions = field(default_factory=EnvironmentOptions)
    protect: bool = False
    restore: bool = False
    alert_emails: list[str] = field(default_factory=list)
    key_vault: bool = False
    purge_protection: bool = False
    locks: bool = False
    monthly_budget: float | None = None
    deployer_type: str | None = None
    assign_deployer: bool = True
    role_timeout_minutes: float = 30
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError for another `vision`, for the id of an existing resource of another type, for a budget without
        `alert_emails`, for protection without a vault, and for a private network or zones without a network."""
        _one_of("vision", self.vision, VISION)
        if self.purge_protection and not self.key_vault:
            raise ValueError("purge_protection needs key_vault: it protects the vault")
        if self.monthly_budget is not None and not self.alert_emails:
            raise ValueError("monthly_budget needs alert_emails: the addresses that it sends mail to")
        if not self.has_network and (self.private_network or self.environment.zone_redundant):
            raise ValueError("private_network and zone_redundant need database.access 'network'")
        for name, arm_type in TYPES.items():
            if (found := getattr(self, name)) is not None:
                ArmId.of(name, found.existing, arm_type)

    @property
    def has_network(self) -> bool:
        """Whether apps and database are in a network, which only stacks of earlier versions are not."""
        return self.database.access == "network"

    @property
    def has_queue(self) -> bool:
        """Whether a queue tells the autoscaler how many workers are needed. With a password, it asks the database itself."""
        return self.database.login == "entra" and self.engine.follows_jobs

    @property
    def endpoints(self) -> tuple[str, ...]:
        """What has a private endpoint, by the name of its DNS zone (`existing_network.ZONES`)."""
        there = {"blob": True, "queue": self.has_queue, "vision": self.vision == "account", "vault": self.key_vault}
        return tuple(name for name, is_there in there.items() if is_there and self.private_network)

    @property
    def vision_region(self) -> str:
        """The Vision account's region: `vision_location`, or `location` if it is one of `LOCATIONS`, or their first."""
        return self.vision_location or (self.location if region_name(self.location) in LOCATIONS else LOCATIONS[0])
