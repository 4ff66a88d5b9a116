"""TrainingStorage: a storage account that accepts only Entra identities, and its containers."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import storage

from vision_customization.components.azure.place import Place

TRAINING, ARTIFACTS = "training", "artifacts"
WORKERS = "workers"
"""The queue by which the engine tells the autoscaler how many workers are needed."""

DEFAULT_RESTORE_DAYS = 6
"""As in the portal."""


@dataclass(frozen=True)
class TrainingStorageArgs:
    """The arguments of the storage.

    Attributes:
        account_name: 3–24 lowercase letters and digits, unique in all of Azure.
        sku: `Standard_LRS`, `Standard_ZRS`, …
        soft_delete_days: how long deleted blobs and containers can be restored, 1–365.
        restore_days: to any time of how many days the blobs can be restored, less than `soft_delete_days`; 0: not at all.
            By default 6, or fewer where soft delete allows only fewer.
        public_network: whether it answers outside private endpoints.
        queue: whether there is a queue `workers`.
        protect: refuse to destroy it.
    """

    place: Place
    account_name: pulumi.Input[str]
    sku: str = "Standard_LRS"
    soft_delete_days: int = 7
    restore_days: int | None = None
    public_network: bool = True
    queue: bool = False
    protect: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for restore days that soft delete does not cover."""
        if not 0 <= self.restorable_days < self.soft_delete_days:
            raise ValueError(
                f"restore_days is {self.restore_days}: must be 0 or more, and less than soft_delete_days "
                f"({self.soft_delete_days}), since a restore needs the blobs that were deleted or overwritten"
            )

    @property
    def restorable_days(self) -> int:
        return min(DEFAULT_RESTORE_DAYS, self.soft_delete_days - 1) if self.restore_days is None else self.restore_days


@dataclass(frozen=True)
class WorkerQueue:
    """A queue with a message for each worker that is needed: its ARM id, its account and name, and its address."""

    id: pulumi.Output[str]
    account_name: pulumi.Output[str]
    name: pulumi.Output[str]
    url: pulumi.Output[str]


class TrainingStorage(pulumi.ComponentResource):
    """A storage account with the containers `training` (images, annotation files) and `artifacts` (models, cached features).

    It may have a queue `workers`.

    No public blobs, no account keys, no local users, TLS 1.2, encrypted twice. Deleted blobs and former versions are kept for a
    while, so that containers can be restored as they were at a point in time.
    """

    account_id: pulumi.Output[str]
    blob_endpoint: pulumi.Output[str]
    """`https://<account>.blob.core.windows.net/`."""
    training_id: pulumi.Output[str]
    artifacts_id: pulumi.Output[str]
    """ARM ids of the containers: the scopes of roles."""
    training_url: pulumi.Output[str]
    artifacts_url: pulumi.Output[str]

    def __init__(self, name: str, args: TrainingStorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:TrainingStorage", name, None, opts)
        self._name, self._args = name, args
        account = self._account()
        service = self._blob_service(account)
        if args.restorable_days:
            self._version_deletion(account, service)
        training, artifacts = (self._container(which, account, service) for which in (TRAINING, ARTIFACTS))
        self.account_id = account.id
        self.blob_endpoint = account.primary_endpoints.apply(lambda endpoints: f"{endpoints.blob.rstrip('/')}/")
        self.training_id, self.artifacts_id = training.id, artifacts.id
        self.training_url = pulumi.Output.concat(self.blob_endpoint, training.name)
        self.artifacts_url = pulumi.Output.concat(self.blob_endpoint, artifacts.name)
        # No annotation of the class: Pulumi takes those for outputs.
        self.queue: WorkerQueue | None = self._queue(account) if args.queue else None
        self.register_outputs({"trainingUrl": self.training_url, "artifactsUrl": self.artifacts_url})

    def _queue(self, account: storage.StorageAccount) -> WorkerQueue:
        queue = storage.Queue(
            f"{self._name}-{WORKERS}",
            resource_group_name=self._args.place.resource_group_name,
            account_name=account.name,
            queue_name=WORKERS,
            opts=pulumi.ResourceOptions(parent=self),
        )
        endpoint = account.primary_endpoints.apply(lambda endpoints: endpoints.queue.rstrip("/"))
        return WorkerQueue(queue.id, account.name, queue.name, pulumi.Output.concat(endpoint, "/", queue.name))

    def _account(self) -> storage.StorageAccount:
        args = self._args
        return storage.StorageAccount(
            self._name,
            resource_group_name=args.place.resource_group_name,
            account_name=args.account_name,
            location=args.place.location,
            kind=storage.Kind.STORAGE_V2,
            sku=storage.SkuArgs(name=args.sku),
            allow_blob_public_access=False,
            allow_shared_key_access=False,
            allow_cross_tenant_replication=False,
            default_to_o_auth_authentication=True,
            enable_https_traffic_only=True,
            is_local_user_enabled=False,
            is_sftp_enabled=False,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            public_network_access="Enabled" if args.public_network else "Disabled",
            network_rule_set=storage.NetworkRuleSetArgs(
                default_action=storage.DefaultAction.ALLOW if args.public_network else storage.DefaultAction.DENY,
                bypass=storage.Bypass.AZURE_SERVICES,
            ),
            encryption=storage.EncryptionArgs(
                key_source=storage.KeySource.MICROSOFT_STORAGE,
                require_infrastructure_encryption=True,
                services=storage.EncryptionServicesArgs(blob=storage.EncryptionServiceArgs(enabled=True)),
            ),
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )

    def _blob_service(self, account: storage.StorageAccount) -> storage.BlobServiceProperties:
        kept = storage.DeleteRetentionPolicyArgs(enabled=True, days=self._args.soft_delete_days)
        restorable = self._args.restorable_days > 0
        return storage.BlobServiceProperties(
            f"{self._name}-blobs",
            resource_group_name=self._args.place.resource_group_name,
            account_name=account.name,
            blob_services_name="default",
            delete_retention_policy=kept,
            container_delete_retention_policy=kept,
            is_versioning_enabled=restorable,
            # The portal asks for more days than can be restored.
            change_feed=storage.ChangeFeedArgs(enabled=True, retention_in_days=self._args.soft_delete_days)
            if restorable
            else storage.ChangeFeedArgs(enabled=False),
            restore_policy=storage.RestorePolicyPropertiesArgs(enabled=True, days=self._args.restorable_days)
            if restorable
            else storage.RestorePolicyPropertiesArgs(enabled=False),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _version_deletion(
        self, account: storage.StorageAccount, service: storage.BlobServiceProperties
    ) -> storage.ManagementPolicy:
        """Azure keeps former versions for ever unless a rule deletes them; soft delete then still keeps them for a restore."""
        return storage.ManagementPolicy(
            f"{self._name}-versions",
            resource_group_name=self._args.place.resource_group_name,
            account_name=account.name,
            management_policy_name="default",
            policy=storage.ManagementPolicySchemaArgs(
                rules=[
                    storage.ManagementPolicyRuleArgs(
                        name="delete-former-versions",
                        type=storage.RuleType.LIFECYCLE,
                        enabled=True,
                        definition=storage.ManagementPolicyDefinitionArgs(
                            actions=storage.ManagementPolicyActionArgs(
                                version=storage.ManagementPolicyVersionArgs(
                                    delete=storage.DateAfterCreationArgs(
                                        days_after_creation_greater_than=self._args.restorable_days
                                    )
                                )
                            ),
                            filters=storage.ManagementPolicyFilterArgs(blob_types=["blockBlob"]),
                        ),
                    )
                ]
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[service]),
        )

    def _container(
        self, which: str, account: storage.StorageAccount, service: storage.BlobServiceProperties
    ) -> storage.BlobContainer:
        return storage.BlobContainer(
            f"{self._name}-{which}",
            resource_group_name=self._args.place.resource_group_name,
            account_name=account.name,
            container_name=which,
            public_access=storage.PublicAccess.NONE,
            opts=pulumi.ResourceOptions(parent=self, protect=self._args.protect, depends_on=[service]),
        )
