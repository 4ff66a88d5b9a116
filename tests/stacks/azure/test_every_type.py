"""Each type that the stand-in knows, made, read, changed and deleted, with inputs as a program would give them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.stacks.azure.catalog import CATALOG
from tests.stacks.azure.provider import EmptyWorld, Provider, Values
from tests.stacks.azure.subscription import DEFAULT_SCENARIO

SUBSCRIPTION = f"/subscriptions/{DEFAULT_SCENARIO['subscriptionId']}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/vision/providers"
NETWORK = f"{GROUP}/Microsoft.Network/virtualNetworks/vision"
STORAGE = f"{GROUP}/Microsoft.Storage/storageAccounts/visiontraining"
WORKSPACE = f"{GROUP}/Microsoft.OperationalInsights/workspaces/vision-logs"
ZONE = f"{GROUP}/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"

PROGRAM: list[tuple[str, Values]] = [
    ("resources:ResourceGroup", {"resourceGroupName": "vision", "location": "eastus"}),
    (
        "network:VirtualNetwork",
        {
            "virtualNetworkName": "vision",
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "endpoints", "addressPrefix": "10.0.2.0/27"}],
        },
    ),
    ("network:RouteTable", {"routeTableName": "to-the-firewall"}),
    (
        "network:NetworkSecurityGroup",
        {
            "networkSecurityGroupName": "vision-apps",
            "securityRules": [
                {
                    "name": "https",
                    "priority": 100,
                    "direction": "Inbound",
                    "access": "Allow",
                    "protocol": "Tcp",
                    "sourceAddressPrefix": "VirtualNetwork",
                    "sourcePortRange": "*",
                    "destinationAddressPrefix": "10.0.0.0/23",
                    "destinationPortRanges": ["443", "31443"],
                }
            ],
        },
    ),
    (
        "network:Subnet",
        {
            "virtualNetworkName": "vision",
            "subnetName": "apps",
            "networkSecurityGroup": {"id": f"{GROUP}/Microsoft.Network/networkSecurityGroups/vision-apps"},
            "routeTable": {"id": f"{GROUP}/Microsoft.Network/routeTables/to-the-firewall"},
            "addressPrefix": "10.0.0.0/23",
            "delegations": [{"name": "apps", "serviceName": "Microsoft.App/environments"}],
        },
    ),
    ("storage:StorageAccount", {"accountName": "visiontraining", "kind": "StorageV2", "sku": {"name": "Standard_ZRS"}}),
    ("storage:BlobServiceProperties", {"accountName": "visiontraining", "isVersioningEnabled": True}),
    (
        "storage:ManagementPolicy",
        {
            "accountName": "visiontraining",
            "managementPolicyName": "default",
            "policy": {
                "rules": [
                    {
                        "name": "delete-former-versions",
                        "type": "Lifecycle",
                        "definition": {
                            "actions": {"version": {"delete": {"daysAfterCreationGreaterThan": 6}}},
                            "filters": {"blobTypes": ["blockBlob"]},
                        },
                    }
                ]
            },
        },
    ),
    ("storage:BlobContainer", {"accountName": "visiontraining", "containerName": "training", "publicAccess": "None"}),
    ("storage:Blob", {"accountName": "visiontraining", "containerName": "training", "blobName": "a.png", "type": "Block"}),
    ("storage:Queue", {"accountName": "visiontraining", "queueName": "workers"}),
    ("managedidentity:UserAssignedIdentity", {"resourceName": "engine"}),
    (
        "cognitiveservices:Account",
        {"accountName": "vision", "kind": "ComputerVision", "sku": {"name": "S1"}, "identity": {"type": "SystemAssigned"}},
    ),
    (
        "authorization:RoleDefinition",
        {
            "scope": f"{SUBSCRIPTION}/resourceGroups/vision",
            "roleName": "Vision Blob Adder (visiontraining)",
            "permissions": [{"dataActions": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"]}],
            "assignableScopes": [f"{SUBSCRIPTION}/resourceGroups/vision"],
        },
    ),
    (
        "authorization:RoleAssignment",
        {
            "scope": f"{STORAGE}/blobServices/default/containers/training",
            "principalId": DEFAULT_SCENARIO["caller"]["objectId"],
            "principalType": "User",
            "roleDefinitionId": f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/"
            "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        },
    ),
    (
        "keyvault:Vault",
        {
            "vaultName": "vision",
            "properties": {
                "tenantId": DEFAULT_SCENARIO["tenantId"],
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": True,
            },
        },
    ),
    ("keyvault:Secret", {"vaultName": "vision", "secretName": "keys", "properties": {"value": "a key"}}),
    ("containerregistry:Registry", {"registryName": "contoso", "sku": {"name": "Premium"}}),
    ("operationalinsights:Workspace", {"workspaceName": "vision-logs", "sku": {"name": "PerGB2018"}, "retentionInDays": 30}),
    (
        "app:ManagedEnvironment",
        {
            "environmentName": "vision",
            "vnetConfiguration": {"infrastructureSubnetId": f"{NETWORK}/subnets/apps", "internal": False},
            "workloadProfiles": [{"name": "Consumption", "workloadProfileType": "Consumption"}],
        },
    ),
    (
        "app:ContainerApp",
        {
            "containerAppName": "engine",
            "managedEnvironmentId": f"{GROUP}/Microsoft.App/managedEnvironments/vision",
            "template": {"containers": [{"name": "engine", "image": "registry.example/engine:1"}]},
        },
    ),
    (
        "dbforpostgresql:Server",
        {
            "serverName": "vision-jobs",
            "version": "16",
            "administratorLogin": "vision",
            "administratorLoginPassword": "Correct-horse-7",
            "authConfig": {"activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled"},
            "sku": {"name": "Standard_B1ms", "tier": "Burstable"},
        },
    ),
    ("dbforpostgresql:Database", {"serverName": "vision-jobs", "databaseName": "engine"}),
    (
        "dbforpostgresql:FirewallRule",
        {"serverName": "vision-jobs", "firewallRuleName": "azure", "startIpAddress": "0.0.0.0", "endIpAddress": "0.0.0.0"},
    ),
    (
        "dbforpostgresql:AdministratorsMicrosoftEntra",
        {
            "serverName": "vision-jobs",
            "objectId": "6c1d2fb0-8a5e-4f5c-9d4c-0a8f3ab3c001",
            "principalName": "vision-database",
            "principalType": "ServicePrincipal",
            "tenantId": DEFAULT_SCENARIO["tenantId"],
        },
    ),
    (
        "monitor:DiagnosticSetting",
        {
            "resourceUri": WORKSPACE,
            "name": "audit",
            "workspaceId": WORKSPACE,
            "logs": [{"categoryGroup": "audit", "enabled": True}],
        },
    ),
    ("monitor:ActionGroup", {"actionGroupName": "on-call", "groupShortName": "on-call", "enabled": True, "location": "Global"}),
    (
        "app:Job",
        {
            "jobName": "worker",
            "environmentId": f"{GROUP}/Microsoft.App/managedEnvironments/vision",
            "configuration": {
                "triggerType": "Event",
                "replicaTimeout": 3600,
                "eventTriggerConfig": {"scale": {"maxExecutions": 2, "rules": [{"name": "jobs", "type": "postgresql"}]}},
            },
            "template": {"containers": [{"name": "worker", "image": "registry/engine", "args": ["worker", "--once"]}]},
        },
    ),
    (
        "monitor:ScheduledQueryRule",
        {
            "ruleName": "failed-trainings",
            "scopes": [WORKSPACE],
            "severity": 2,
            "evaluationFrequency": "PT5M",
            "windowSize": "PT15M",
            "criteria": {"allOf": [{"query": "Logs", "timeAggregation": "Count", "operator": "GreaterThan", "threshold": 0}]},
            "actions": {"actionGroups": [f"{GROUP}/Microsoft.Insights/actionGroups/on-call"]},
        },
    ),
    ("privatedns:PrivateZone", {"privateZoneName": "privatelink.blob.core.windows.net", "location": "Global"}),
    (
        "privatedns:PrivateRecordSet",
        {
            "privateZoneName": "privatelink.blob.core.windows.net",
            "recordType": "A",
            "relativeRecordSetName": "*",
            "ttl": 300,
            "aRecords": [{"ipv4Address": "10.42.0.10"}],
        },
    ),
    (
        "privatedns:VirtualNetworkLink",
        {
            "privateZoneName": "privatelink.blob.core.windows.net",
            "virtualNetworkLinkName": "vision",
            "virtualNetwork": {"id": NETWORK},
            "registrationEnabled": False,
            "location": "Global",
        },
    ),
    (
        "network:PrivateEndpoint",
        {
            "privateEndpointName": "blobs",
            "subnet": {"id": f"{NETWORK}/subnets/endpoints"},
            "privateLinkServiceConnections": [{"name": "blobs", "privateLinkServiceId": STORAGE, "groupIds": ["blob"]}],
        },
    ),
    (
        "network:PrivateDnsZoneGroup",
        {
            "privateEndpointName": "blobs",
            "privateDnsZoneGroupName": "default",
            "privateDnsZoneConfigs": [{"name": "blob", "privateDnsZoneId": ZONE}],
        },
    ),
    (
        "consumption:Budget",
        {
            "scope": f"{SUBSCRIPTION}/resourceGroups/vision",
            "budgetName": "vision",
            "amount": 100.0,
            "category": "Cost",
            "timeGrain": "Monthly",
            "timePeriod": {"startDate": f"{datetime.now(UTC):%Y-%m}-01T00:00:00Z"},
            "notifications": {
                "actual80": {"enabled": True, "operator": "GreaterThanOrEqualTo", "threshold": 80, "contactEmails": ["a@b.c"]}
            },
        },
    ),
    # Last, since nothing that it holds can be deleted before it.
    ("authorization:ManagementLockByScope", {"scope": STORAGE, "lockName": "data", "level": "CanNotDelete"}),
]


SCOPED = {
    "authorization:ManagementLockByScope",
    "authorization:RoleAssignment",
    "authorization:RoleDefinition",
    "consumption:Budget",
    "monitor:DiagnosticSetting",
}
"""What lies on another resource, and names no resource group."""


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return Provider(tmp_path, EmptyWorld())


def test_every_type_from_its_making_to_its_end(provider: Provider) -> None:
    assert sorted(resource_type for resource_type, _ in PROGRAM) == sorted(CATALOG)
    made: list[tuple[str, str]] = []
    for resource_type, given in PROGRAM:
        full = f"azure-native:{resource_type}"
        scoped = {} if resource_type in SCOPED else {"resourceGroupName": "vision"}
        inputs, mismatches = provider.check(full, "a-name", {}, scoped | given, b"a seed")
        assert mismatches == []
        resource_id, outputs = provider.create(full, inputs)
        assert provider.read(full, resource_id) == (outputs, inputs)
        assert outputs["name"] in resource_id
        assert provider.diff(full, inputs, inputs) == {}
        assert provider.update(full, resource_id, inputs).keys() == outputs.keys()
        made.append((full, resource_id))
    for full, resource_id in reversed(made):
        if full == "azure-native:keyvault:Secret":
            continue  # Azure Resource Manager deletes none: it goes with its vault
        provider.delete(full, resource_id)
        assert provider.read(full, resource_id) is None
    assert provider.subscription.state().resources == {}
