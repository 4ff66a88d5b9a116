"""A small program of azure-native resources, of which the tests change one thing or another by the stack's settings."""

import uuid

import pulumi
from pulumi_azure_native import app, authorization, managedidentity, operationalinsights, resources, storage

from vision_customization.components.azure.database import EngineDatabase, EngineDatabaseArgs
from vision_customization.components.azure.existing_network import BLOB_ZONE, VISION_ZONE
from vision_customization.components.azure.key_vault import KeyVault, KeyVaultArgs, once_readable
from vision_customization.components.azure.network import PrivateNetwork, PrivateNetworkArgs
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.vision_account import VisionAccount, VisionAccountArgs

settings = pulumi.Config()
READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
client = authorization.get_client_config_output()

group = resources.ResourceGroup("group", resource_group_name="vision", location=settings.get("location") or "eastus")
storage_account = storage.StorageAccount(
    "storage",
    resource_group_name=group.name,
    account_name=settings.get("accountName") or "visiontraining",
    location=group.location,
    kind="StorageV2",
    sku=storage.SkuArgs(name=settings.get("sku") or "Standard_LRS"),
    allow_shared_key_access=False,
    minimum_tls_version=settings.get("tls") or "TLS1_2",
    encryption=storage.EncryptionArgs(
        key_source="Microsoft.Storage", require_infrastructure_encryption=settings.get_bool("infrastructureEncryption")
    ),
    tags={"owner": settings.get("owner") or "vision"},
)
container = storage.BlobContainer(
    "training", resource_group_name=group.name, account_name=storage_account.name, container_name="training"
)
identity = managedidentity.UserAssignedIdentity("identity", resource_group_name=group.name, resource_name_="engine")
vision = VisionAccount(
    "vision",
    VisionAccountArgs(
        Place(group.name, "eastus", {"owner": settings.get("owner") or "vision"}),
        account_name="vision",
        subdomain="vision-of-a-test",
        restore=settings.get_bool("restore") or False,
    ),
)
reader = authorization.RoleAssignment(
    "reader",
    scope=container.id,
    principal_id=identity.principal_id,
    principal_type="ServicePrincipal",
    role_definition_id=client.subscription_id.apply(
        lambda subscription: f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    ),
    role_assignment_name=pulumi.Output.all(container.id, identity.principal_id).apply(
        lambda parts: str(uuid.uuid5(uuid.NAMESPACE_URL, " ".join(parts)))
    ),
)
logs = operationalinsights.Workspace("logs", resource_group_name=group.name, workspace_name="vision-logs", retention_in_days=30)
environment = app.ManagedEnvironment(
    "environment",
    resource_group_name=group.name,
    environment_name="vision",
    app_logs_configuration=app.AppLogsConfigurationArgs(
        destination="log-analytics",
        log_analytics_configuration=app.LogAnalyticsConfigurationArgs(
            customer_id=logs.customer_id,
            shared_key=operationalinsights.get_shared_keys_output(
                resource_group_name=group.name, workspace_name=logs.name
            ).primary_shared_key,
        ),
    ),
)
key = settings.require_secret("key")
vault = None
if settings.get_bool("vault"):
    vault = KeyVault(
        "vault",
        KeyVaultArgs(
            Place(group.name, "eastus", {}),
            "vision-123456",
            client.subscription_id,
            client.tenant_id,
            identity.principal_id,
            {"VISION_ENGINE_KEY": key},
        ),
    )
engine = app.ContainerApp(
    "engine",
    resource_group_name=group.name,
    container_app_name="engine",
    managed_environment_id=environment.id,
    identity=app.ManagedServiceIdentityArgs(type="UserAssigned", user_assigned_identities=[identity.id]),
    configuration=app.ConfigurationArgs(
        ingress=app.IngressArgs(external=True, target_port=8000),
        secrets=[
            app.SecretArgs(name="key", key_vault_url=vault.urls["VISION_ENGINE_KEY"], identity=identity.id)
            if vault
            else app.SecretArgs(name="key", value=key)
        ],
    ),
    template=app.TemplateArgs(
        containers=[
            app.ContainerArgs(
                name="engine",
                image="registry.example/engine:1",
                env=[app.EnvironmentVarArgs(name="VISION_ENGINE_KEY", secret_ref="key")],
                resources=app.ContainerResourcesArgs(cpu=0.5, memory="1Gi"),
            )
        ],
        scale=app.ScaleArgs(min_replicas=1, max_replicas=settings.get_int("maxReplicas") or 2),
    ),
    opts=pulumi.ResourceOptions.merge(
        once_readable("engine-secrets", timeout_minutes=1), pulumi.ResourceOptions(depends_on=vault.readable_after)
    )
    if vault
    else None,
)
if settings.get_bool("network"):
    place = Place(group.name, "eastus", {})
    network = PrivateNetwork("net", PrivateNetworkArgs(place, "net"))
    database = EngineDatabase(
        "database",
        EngineDatabaseArgs(
            place,
            "vision-jobs",
            subnet_id=network.database_subnet_id,
            zone_id=network.database_zone_id,
            tenant_id=client.tenant_id,
            administrator_name="vision-jobs-administrator",
            principal_id=identity.principal_id,
        ),
    )
    network.connect("blob", storage_account.id, "blob", BLOB_ZONE)
    network.connect("vision", vision.account_id, "account", VISION_ZONE, after=[database])

pulumi.export("blobs", storage_account.primary_endpoints.blob)
pulumi.export("vision", vision.endpoint)
pulumi.export("engine", engine.configuration.ingress.fqdn)
pulumi.export("principal", vision.principal_id)
pulumi.export("tenant", client.tenant_id)
