"""A stack as it should be: inputs in azure-native's spelling, as a recorded state and as a stack's export."""

from copy import deepcopy
from typing import Any

from policy.rules.stack import TAGGED

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/vision"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/visionprod"
CONTAINER = f"{STORAGE}/blobServices/default/containers/training"
VISION = f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/vision-prod"
SERVER = f"{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/vision-prod"
ENVIRONMENT = f"{GROUP}/providers/Microsoft.App/managedEnvironments/vision"
APP = f"{GROUP}/providers/Microsoft.App/containerApps/engine"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/engine"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/vision-prod"
WORKSPACE = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/vision"
INSIGHTS = "providers/Microsoft.Insights/diagnosticSettings/logs"
ROLES = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
READER = f"{ROLES}/2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
OWNER = f"{ROLES}/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
ASSIGNMENT = f"{CONTAINER}/providers/Microsoft.Authorization/roleAssignments/9a8b7c6d-0000-4000-8000-000000000001"
ADDER_GUID = "10d79f4b-4430-5ffb-a60a-fa222ae18c82"
ADDER = f"{ROLES}/{ADDER_GUID}"
PRINCIPAL = "9a8b7c6d-0000-4000-8000-000000000002"
IMAGE = f"ghcr.io/example/vision-engine:1.0.0@sha256:{'ab' * 32}"


def endpoint(target: str, name: str) -> tuple[str, str, dict[str, Any]]:
    return (
        f"{GROUP}/providers/Microsoft.Network/privateEndpoints/{name}",
        "network:PrivateEndpoint",
        {
            "resourceGroupName": "vision",
            "location": "eastus",
            "privateLinkServiceConnections": [{"name": name, "privateLinkServiceId": target, "groupIds": [name]}],
        },
    )


def logs(target: str) -> tuple[str, str, dict[str, Any]]:
    return (
        f"{target}/{INSIGHTS}",
        "monitor:DiagnosticSetting",
        {
            "name": "logs",
            "resourceUri": target,
            "workspaceId": WORKSPACE,
            "logs": [{"categoryGroup": "allLogs", "enabled": True}],
        },
    )


def secret(name: str, value: str) -> tuple[str, str, dict[str, Any]]:
    return (
        f"{VAULT}/secrets/{name}",
        "keyvault:Secret",
        {"resourceGroupName": "vision", "vaultName": "vision-prod", "secretName": name, "properties": {"value": value}},
    )


def lock(target: str, name: str) -> tuple[str, str, dict[str, Any]]:
    return (
        f"{target}/providers/Microsoft.Authorization/locks/{name}",
        "authorization:ManagementLockByScope",
        {"scope": target, "lockName": name, "level": "CanNotDelete"},
    )


TAGS = {"project": "vision-customization", "stack": "prod", "owner": "vision-operations", "costCenter": "0000"}

_RESOURCES: list[tuple[str, str, dict[str, Any]]] = [
    (GROUP, "resources:ResourceGroup", {"resourceGroupName": "vision", "location": "eastus"}),
    lock(STORAGE, "vision-storage"),
    lock(SERVER, "vision-database"),
    (
        f"{GROUP}/providers/Microsoft.Consumption/budgets/vision-budget",
        "consumption:Budget",
        {
            "scope": GROUP,
            "budgetName": "vision-budget",
            "amount": 800.0,
            "category": "Cost",
            "timeGrain": "Monthly",
            "timePeriod": {"startDate": "2026-01-01T00:00:00Z"},
            "notifications": {
                "actual80": {
                    "enabled": True,
                    "operator": "GreaterThanOrEqualTo",
                    "threshold": 80.0,
                    "thresholdType": "Actual",
                    "contactEmails": ["vision-operations@example.com"],
                }
            },
        },
    ),
    (
        VISION,
        "cognitiveservices:Account",
        {
            "resourceGroupName": "vision",
            "accountName": "vision-prod",
            "kind": "ComputerVision",
            "location": "East US",
            "sku": {"name": "S1"},
            "identity": {"type": "SystemAssigned"},
            "properties": {
                "customSubDomainName": "vision-prod",
                "disableLocalAuth": True,
                "publicNetworkAccess": "Disabled",
                "networkAcls": {"defaultAction": "Deny"},
                "restrictOutboundNetworkAccess": True,
                "allowedFqdnList": ["visionprod.blob.core.windows.net"],
            },
        },
    ),
    (
        STORAGE,
        "storage:StorageAccount",
        {
            "resourceGroupName": "vision",
            "accountName": "visionprod",
            "kind": "StorageV2",
            "location": "eastus",
            "sku": {"name": "Standard_ZRS"},
            "allowBlobPublicAccess": False,
            "allowSharedKeyAccess": False,
            "allowCrossTenantReplication": False,
            "isLocalUserEnabled": False,
            "isSftpEnabled": False,
            "defaultToOAuthAuthentication": True,
            "enableHttpsTrafficOnly": True,
            "minimumTlsVersion": "TLS1_2",
            "encryption": {"keySource": "Microsoft.Storage", "requireInfrastructureEncryption": True},
            "publicNetworkAccess": "Disabled",
        },
    ),
    (
        f"{STORAGE}/blobServices/default",
        "storage:BlobServiceProperties",
        {
            "resourceGroupName": "vision",
            "accountName": "visionprod",
            "blobServicesName": "default",
            "deleteRetentionPolicy": {"enabled": True, "days": 30},
            "containerDeleteRetentionPolicy": {"enabled": True, "days": 30},
            "isVersioningEnabled": True,
            "changeFeed": {"enabled": True, "retentionInDays": 30},
            "restorePolicy": {"enabled": True, "days": 14},
        },
    ),
    (
        f"{STORAGE}/managementPolicies/default",
        "storage:ManagementPolicy",
        {
            "resourceGroupName": "vision",
            "accountName": "visionprod",
            "managementPolicyName": "default",
            "policy": {
                "rules": [
                    {
                        "name": "delete-former-versions",
                        "type": "Lifecycle",
                        "enabled": True,
                        "definition": {
                            "actions": {"version": {"delete": {"daysAfterCreationGreaterThan": 14}}},
                            "filters": {"blobTypes": ["blockBlob"]},
                        },
                    }
                ]
            },
        },
    ),
    (
        CONTAINER,
        "storage:BlobContainer",
        {"resourceGroupName": "vision", "accountName": "visionprod", "containerName": "training", "publicAccess": "None"},
    ),
    (IDENTITY, "managedidentity:UserAssignedIdentity", {"resourceGroupName": "vision", "resourceName": "engine"}),
    (
        ASSIGNMENT,
        "authorization:RoleAssignment",
        {
            "roleAssignmentName": "9a8b7c6d-0000-4000-8000-000000000001",
            "principalId": PRINCIPAL,
            "principalType": "ServicePrincipal",
            "roleDefinitionId": READER,
            "scope": CONTAINER,
        },
    ),
    (
        f"{GROUP}/providers/Microsoft.Authorization/roleDefinitions/{ADDER_GUID}",
        "authorization:RoleDefinition",
        {
            "scope": GROUP,
            "roleDefinitionId": ADDER_GUID,
            "roleName": "Vision Blob Adder (visionprod)",
            "roleType": "CustomRole",
            "description": "Reads blobs and adds new ones.",
            "permissions": [
                {
                    "actions": [],
                    "notActions": [],
                    "dataActions": [f"{BLOBS}/read", f"{BLOBS}/add/action"],
                    "notDataActions": [],
                }
            ],
            "assignableScopes": [GROUP],
        },
    ),
    (
        f"{CONTAINER}/providers/Microsoft.Authorization/roleAssignments/9a8b7c6d-0000-4000-8000-000000000006",
        "authorization:RoleAssignment",
        {
            "roleAssignmentName": "9a8b7c6d-0000-4000-8000-000000000006",
            "principalId": PRINCIPAL,
            "principalType": "ServicePrincipal",
            "roleDefinitionId": ADDER,
            "scope": CONTAINER,
        },
    ),
    (
        WORKSPACE,
        "operationalinsights:Workspace",
        {"resourceGroupName": "vision", "workspaceName": "vision", "location": "eastus"},
    ),
    (
        ENVIRONMENT,
        "app:ManagedEnvironment",
        {
            "resourceGroupName": "vision",
            "environmentName": "vision",
            "location": "eastus",
            "zoneRedundant": True,
            "peerTrafficConfiguration": {"encryption": {"enabled": True}},
            "appLogsConfiguration": {
                "destination": "log-analytics",
                "logAnalyticsConfiguration": {
                    "customerId": "9a8b7c6d-0000-4000-8000-000000000003",
                    "sharedKey": "a shared key",
                },
            },
        },
    ),
    (
        APP,
        "app:ContainerApp",
        {
            "resourceGroupName": "vision",
            "containerAppName": "engine",
            "location": "eastus",
            "managedEnvironmentId": ENVIRONMENT,
            "identity": {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY]},
            "configuration": {
                "ingress": {"external": True, "targetPort": 8080, "allowInsecure": False},
                "registries": [{"server": "vision.azurecr.io", "identity": IDENTITY}],
                "secrets": [
                    {"name": name, "keyVaultUrl": f"https://vision-prod.vault.azure.net/secrets/{name}/1", "identity": IDENTITY}
                    for name in ("database-url", "keys")
                ],
            },
            "template": {
                "containers": [
                    {
                        "name": "engine",
                        "image": IMAGE,
                        "env": [
                            {"name": "AZURE_CLIENT_ID", "value": "9a8b7c6d-0000-4000-8000-000000000004"},
                            {"name": "VISION_ENGINE_DATABASE_URL", "secretRef": "database-url"},
                            {"name": "VISION_ENGINE_KEYS", "secretRef": "keys"},
                        ],
                    }
                ],
                "scale": {"minReplicas": 2, "maxReplicas": 4},
            },
        },
    ),
    (
        VAULT,
        "keyvault:Vault",
        {
            "resourceGroupName": "vision",
            "vaultName": "vision-prod",
            "location": "eastus",
            "properties": {
                "tenantId": "9a8b7c6d-0000-4000-8000-000000000007",
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": True,
                "enablePurgeProtection": True,
                "softDeleteRetentionInDays": 90,
                "publicNetworkAccess": "Disabled",
                "networkAcls": {"defaultAction": "Deny", "bypass": "None"},
            },
        },
    ),
    secret("database-url", "postgresql+psycopg://vision:secret@vision-prod:5432/vision?sslmode=verify-full"),
    secret("keys", "a key of the engine"),
    (
        f"{VAULT}/providers/Microsoft.Authorization/roleAssignments/9a8b7c6d-0000-4000-8000-000000000008",
        "authorization:RoleAssignment",
        {
            "roleAssignmentName": "9a8b7c6d-0000-4000-8000-000000000008",
            "principalId": PRINCIPAL,
            "principalType": "ServicePrincipal",
            "roleDefinitionId": f"{ROLES}/4633458b-17de-408a-b874-0445c86b69e6",
            "scope": VAULT,
        },
    ),
    (
        SERVER,
        "dbforpostgresql:Server",
        {
            "resourceGroupName": "vision",
            "serverName": "vision-prod",
            "location": "eastus",
            "authConfig": {"activeDirectoryAuth": "Enabled", "passwordAuth": "Disabled", "tenantId": "a tenant"},
            "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
            "version": "16",
            "storage": {"storageSizeGB": 32, "autoGrow": "Enabled"},
            "highAvailability": {"mode": "SameZone"},
            "backup": {"backupRetentionDays": 14, "geoRedundantBackup": "Disabled"},
            "network": {"publicNetworkAccess": "Disabled"},
        },
    ),
    (
        f"{SERVER}/databases/vision",
        "dbforpostgresql:Database",
        {"resourceGroupName": "vision", "serverName": "vision-prod", "databaseName": "vision"},
    ),
    (
        f"{SERVER}/configurations/require_secure_transport",
        "dbforpostgresql:Configuration",
        {
            "resourceGroupName": "vision",
            "serverName": "vision-prod",
            "configurationName": "require_secure_transport",
            "source": "user-override",
            "value": "on",
        },
    ),
    *map(logs, (VISION, STORAGE, SERVER, VAULT)),
    *(
        endpoint(target, name)
        for target, name in ((VISION, "account"), (STORAGE, "blob"), (SERVER, "postgresqlServer"), (VAULT, "vault"))
    ),
    (
        f"{GROUP}/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net",
        "privatedns:PrivateZone",
        {"resourceGroupName": "vision", "privateZoneName": "privatelink.blob.core.windows.net", "location": "global"},
    ),
]
for _, _type, _inputs in _RESOURCES:
    if f"azure-native:{_type}" in TAGGED:
        _inputs["tags"] = TAGS

DATASET, MODEL = "pulumi-python:dynamic/vision:Dataset", "pulumi-python:dynamic/vision:Model"
EVALUATION, PUBLISHED = "pulumi-python:dynamic/vision:Evaluation", "pulumi-python:dynamic/vision:PublishedModel"

DECLARED: list[tuple[str, str, dict[str, Any], list[str]]] = [
    (
        DATASET,
        "leaves",
        {
            "dataset_name": "leaves",
            "container_url": "https://visionprod.blob.core.windows.net/training",
            "account_key": None,
            "sas_token": None,
            "uris": None,
        },
        [],
    ),
    (MODEL, "leaves", {"logical_name": "leaves", "time_budget_in_hours": 2.0, "tiles": 1.0}, [DATASET]),
    (EVALUATION, "leaves", {"model_name": "leaves-12345678", "require": {"accuracyTop1": 0.9}}, [MODEL]),
    (PUBLISHED, "leaves", {"published_name": "leaves", "model_name": "leaves-12345678"}, [MODEL, EVALUATION]),
]
"""This project's own resources: type, name, properties, and the types of those that they depend on."""


def recorded() -> dict[str, Any]:
    """The state of the Azure stand-in."""
    return {
        "resources": {
            id_: {
                "type": f"azure-native:{type_}",
                "inputs": deepcopy(inputs),
                "outputs": {"id": id_, **({"principalId": PRINCIPAL} if id_ == IDENTITY else {})},
            }
            for id_, type_, inputs in _RESOURCES
        },
        "deleted": {},
    }


def urn(type_: str, name: str) -> str:
    return f"urn:pulumi:prod::vision-customization::{type_}::{name}"


def exported() -> dict[str, Any]:
    """`pulumi stack export`: Azure's resources and this project's own."""
    keys = {id_: urn(f"azure-native:{type_}", _name(id_)) for id_, type_, _ in _RESOURCES}
    resources = [
        {
            "urn": keys[id_],
            "type": f"azure-native:{type_}",
            "custom": True,
            "id": id_,
            "inputs": deepcopy(inputs),
            "protect": type_.startswith(("storage:", "dbforpostgresql:")),
            "propertyDependencies": {"scope": [keys[other] for other in keys if _refers(id_, inputs, other)]},
        }
        for id_, type_, inputs in _RESOURCES
    ]
    own = [
        {
            "urn": urn(type_, name),
            "type": type_,
            "custom": True,
            "id": name,
            "inputs": deepcopy(properties),
            "dependencies": [urn(other, name) for other in others],
        }
        for type_, name, properties, others in DECLARED
    ]
    return {"version": 3, "deployment": {"resources": [*resources, *own]}}


def _name(id_: str) -> str:
    return id_.removesuffix(f"/{INSIGHTS}").rsplit("/", 1)[-1]


def _refers(id_: str, inputs: dict[str, Any], other: str) -> bool:
    return id_ != other and (id_.startswith(f"{other}/") or f'"{other}"' in str(inputs).replace("'", '"'))


def entry(state: dict[str, Any], type_: str) -> dict[str, Any]:
    """The first resource of a type in an export."""
    found: dict[str, Any] = next(resource for resource in state["deployment"]["resources"] if resource["type"] == type_)
    return found


def change(state: dict[str, Any], type_: str, path: str, value: object) -> None:
    """Set one input of the first resource of a type in an export; `protect` and `dependencies` are beside the inputs."""
    holder: Any = entry(state, type_)
    *parents, last = path.split(".") if path in ("protect", "dependencies") else ["inputs", *path.split(".")]
    for part in parents:
        holder = holder[int(part)] if isinstance(holder, list) else holder.setdefault(part, {})
    if isinstance(holder, list):
        holder[int(last) : int(last) + 1] = [value]
    else:
        holder[last] = value


def remove(state: dict[str, Any], type_: str) -> None:
    """Remove all resources of a type from an export."""
    resources = state["deployment"]["resources"]
    resources[:] = [resource for resource in resources if resource["type"] != type_]
