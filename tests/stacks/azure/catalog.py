"""The types of resources that the stand-in knows: where each lies in Azure, and what of it can never change.

azure-native replaces a resource for the names in its path, for a top-level property that Azure's specification marks as
`"x-ms-mutability": ["create", "read"]`, and for those of its own list (`forceNewMap` in `provider/pkg/gen/replacement.go`).
For a property below another one it does not, whatever its mark (`forceNew` in `provider/pkg/gen/properties.go`): it sends
the change, and Azure refuses it. The marks are those of https://github.com/Azure/azure-rest-api-specs in the version that the
SDK uses.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.stacks.azure.failure import Failure

GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{{accountName}}"
POSTGRESQL = f"{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/{{serverName}}"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/{{vaultName}}"


@dataclass(frozen=True)
class Fixed:
    """How Azure refuses to change a property that azure-native sends in an update. `{}` in the message is its name."""

    code: str
    message: str
    status: int = 400
    # Azure takes no notice of it where the resource was made without it.
    ignored_if_new: bool = False


STORAGE_FIXED = Fixed(
    "AccountPropertyCannotBeUpdated",
    "The property '{}' was specified in the input, but it cannot be updated as it is read-only. For more information, see - "
    "https://aka.ms/storageaccountupdate",
)
ASSIGNMENT_FIXED = Fixed(
    "RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
)
ENVIRONMENT_FIXED = Fixed(
    "ManagedEnvironmentInfraSubnetIdCannotBeUpdated",
    "Infrastructure subnet Id can not be changed after environment creation.",
    ignored_if_new=True,
)
UNNAMED_FIXED = Fixed("PropertyChangeNotAllowed", "Changing property '{}' is not allowed.", 409)
"""The code and the message are the simulation's own: that Azure refuses is documented, its words are not."""

MOVED = Fixed(
    "InvalidResourceLocation",
    "The resource already exists in another location. A resource with the same name cannot be created in location '{}'.",
    409,
)


@dataclass(frozen=True)
class Kind:
    """A type of resource. `path` is its id; the last placeholder of it is the resource's own name."""

    path: str
    # What azure-native replaces a resource for, beside the names in the path and the location.
    forced: tuple[str, ...] = ()
    # What azure-native sends in an update, and Azure refuses to change.
    fixed: Mapping[str, Fixed] = field(default_factory=dict)
    # azure-native sends another location in an update, instead of replacing the resource for it.
    sends_location: bool = False
    # Lists whose items are resources of their own, too: azure-native keeps what is in Azure where the program declares none.
    shared_lists: tuple[str, ...] = ()
    # A singleton is there with its parent: it is set, and reset, never made or removed.
    singleton: bool = False
    # It lies in no region.
    is_global: bool = False
    # It can't be removed while another resource refers to it or lies below it.
    held_by_references: bool = False
    # It stays when the resource group of its scope is deleted.
    outlives_group: bool = False
    # A name that azure-native makes up is a GUID.
    guid_named: bool = False

    @property
    def placeholders(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def replaces(self) -> tuple[str, ...]:
        """All that azure-native replaces a resource for."""
        return (*self.placeholders, *(() if self.sends_location else ("location",)), *self.forced)

    @property
    def name_property(self) -> str:
        return self.placeholders[-1]

    @property
    def arm_type(self) -> str:
        """`Microsoft.Storage/storageAccounts/blobServices`, of which the actions of roles are made."""
        if "/providers/" not in self.path:
            return "Microsoft.Resources/subscriptions/resourceGroups"
        namespace, *segments = self.path.rpartition("/providers/")[2].split("/")
        return "/".join([namespace, *segments[::2]])

    @property
    def is_top_level(self) -> bool:
        """Whether it lies right below a resource group: those are named with a random suffix when no name is given."""
        return self.path == GROUP or (self.path.startswith(f"{GROUP}/") and self.path.count("/") == GROUP.count("/") + 4)

    def id_of(self, inputs: dict[str, Any], subscription_id: str) -> str:
        values = {"subscriptionId": subscription_id, **inputs}
        values |= {key: str(values[key]).strip("/") for key in ("scope", "resourceUri") if key in values}
        path = self.path if self.path.startswith("/") else f"/{self.path}"
        return path.format(**{name: values[name] for name in self.placeholders})


CATALOG: dict[str, Kind] = {
    "resources:ResourceGroup": Kind(GROUP),
    "cognitiveservices:Account": Kind(
        f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/{{accountName}}",
        fixed={"properties.customSubDomainName": UNNAMED_FIXED, "kind": UNNAMED_FIXED},
    ),
    "storage:StorageAccount": Kind(
        STORAGE,
        ("isHnsEnabled",),
        {
            "dnsEndpointType": STORAGE_FIXED,
            "enableNfsV3": STORAGE_FIXED,
            "encryption.requireInfrastructureEncryption": STORAGE_FIXED,
            "immutableStorageWithVersioning.enabled": STORAGE_FIXED,
        },
    ),
    "storage:BlobServiceProperties": Kind(f"{STORAGE}/blobServices/{{blobServicesName}}", singleton=True),
    "storage:ManagementPolicy": Kind(f"{STORAGE}/managementPolicies/{{managementPolicyName}}"),
    "storage:BlobContainer": Kind(f"{STORAGE}/blobServices/default/containers/{{containerName}}"),
    "storage:Blob": Kind(f"{STORAGE}/blobServices/default/containers/{{containerName}}/blobs/{{blobName}}", ("type",)),
    "storage:Queue": Kind(f"{STORAGE}/queueServices/default/queues/{{queueName}}"),
    "managedidentity:UserAssignedIdentity": Kind(
        f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{{resourceName}}"
    ),
    "authorization:RoleAssignment": Kind(
        "{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        ("principalId",),
        {"roleDefinitionId": ASSIGNMENT_FIXED},
        guid_named=True,
    ),
    "authorization:RoleDefinition": Kind(
        "{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}",
        outlives_group=True,
        guid_named=True,
    ),
    "authorization:ManagementLockByScope": Kind("{scope}/providers/Microsoft.Authorization/locks/{lockName}", ("scope",)),
    "consumption:Budget": Kind("{scope}/providers/Microsoft.Consumption/budgets/{budgetName}", ("scope",)),
    "operationalinsights:Workspace": Kind(f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/{{workspaceName}}"),
    "containerregistry:Registry": Kind(f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/{{registryName}}"),
    "app:ManagedEnvironment": Kind(
        f"{GROUP}/providers/Microsoft.App/managedEnvironments/{{environmentName}}",
        ("infrastructureResourceGroup", "zoneRedundant"),
        {
            "vnetConfiguration.infrastructureSubnetId": ENVIRONMENT_FIXED,
            "vnetConfiguration.internal": UNNAMED_FIXED,
        },
        held_by_references=True,
    ),
    "app:ContainerApp": Kind(
        f"{GROUP}/providers/Microsoft.App/containerApps/{{containerAppName}}",
        ("environmentId", "managedEnvironmentId"),
    ),
    "app:Job": Kind(f"{GROUP}/providers/Microsoft.App/jobs/{{jobName}}", ("environmentId",)),
    "dbforpostgresql:Server": Kind(
        POSTGRESQL,
        ("administratorLogin", "availabilityZone", "pointInTimeUTC", "sourceServerResourceId"),
        {"backup.geoRedundantBackup": UNNAMED_FIXED, "network.delegatedSubnetResourceId": UNNAMED_FIXED},
    ),
    "dbforpostgresql:Database": Kind(
        f"{POSTGRESQL}/databases/{{databaseName}}", fixed={"charset": UNNAMED_FIXED, "collation": UNNAMED_FIXED}
    ),
    "dbforpostgresql:FirewallRule": Kind(f"{POSTGRESQL}/firewallRules/{{firewallRuleName}}"),
    "keyvault:Vault": Kind(
        VAULT,
        fixed={
            "properties.softDeleteRetentionInDays": Fixed(
                "BadRequest", 'The property "{}" has been set already and it can\'t be modified.'
            )
        },
    ),
    "keyvault:Secret": Kind(f"{VAULT}/secrets/{{secretName}}"),
    "dbforpostgresql:AdministratorsMicrosoftEntra": Kind(f"{POSTGRESQL}/administrators/{{objectId}}"),
    "monitor:DiagnosticSetting": Kind("{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}"),
    "monitor:ActionGroup": Kind(f"{GROUP}/providers/Microsoft.Insights/actionGroups/{{actionGroupName}}", is_global=True),
    "monitor:ScheduledQueryRule": Kind(
        f"{GROUP}/providers/Microsoft.Insights/scheduledQueryRules/{{ruleName}}",
        fixed={"scopes": Fixed("BadRequest", "Scope can not be updated")},
    ),
    "network:VirtualNetwork": Kind(
        f"{NETWORK}/virtualNetworks/{{virtualNetworkName}}",
        shared_lists=("subnets", "virtualNetworkPeerings"),
        held_by_references=True,
    ),
    "network:Subnet": Kind(f"{NETWORK}/virtualNetworks/{{virtualNetworkName}}/subnets/{{subnetName}}", held_by_references=True),
    "network:NetworkSecurityGroup": Kind(
        f"{NETWORK}/networkSecurityGroups/{{networkSecurityGroupName}}", held_by_references=True
    ),
    "network:RouteTable": Kind(f"{NETWORK}/routeTables/{{routeTableName}}", held_by_references=True),
    "network:PrivateEndpoint": Kind(
        f"{NETWORK}/privateEndpoints/{{privateEndpointName}}", ("subnet",), {"location": MOVED}, sends_location=True
    ),
    "network:PrivateDnsZoneGroup": Kind(
        f"{NETWORK}/privateEndpoints/{{privateEndpointName}}/privateDnsZoneGroups/{{privateDnsZoneGroupName}}"
    ),
    "privatedns:PrivateZone": Kind(f"{NETWORK}/privateDnsZones/{{privateZoneName}}", is_global=True, held_by_references=True),
    "privatedns:VirtualNetworkLink": Kind(
        f"{NETWORK}/privateDnsZones/{{privateZoneName}}/virtualNetworkLinks/{{virtualNetworkLinkName}}",
        fixed={"virtualNetwork.id": UNNAMED_FIXED},
        is_global=True,
    ),
    "privatedns:PrivateRecordSet": Kind(
        f"{NETWORK}/privateDnsZones/{{privateZoneName}}/{{recordType}}/{{relativeRecordSetName}}", is_global=True
    ),
}


def kind_of(resource_type: str) -> Kind:
    """The kind of `azure-native:storage:StorageAccount`."""
    try:
        return CATALOG[resource_type.removeprefix("azure-native:")]
    except KeyError:
        known = ", ".join(sorted(CATALOG))
        raise Failure(501, "NotImplemented", f"the stand-in for Azure doesn't know {resource_type}; it knows {known}") from None


def parent_of(resource_id: str) -> str | None:
    """The id of what must exist before a resource can: its parent, or what it extends. None for a resource group."""
    above, _, own = resource_id.rpartition("/providers/")
    if not above:
        return None
    segments = own.split("/")
    if len(segments) <= 3:
        return above
    parent = "/".join(segments[:-2])
    for service in ("blobServices", "queueServices"):
        parent = parent.removesuffix(f"/{service}/default")
    return f"{above}/providers/{parent}"


def type_of(resource_id: str) -> str:
    """`Microsoft.Storage/storageAccounts` for the id of a storage account."""
    if "/providers/" not in resource_id:
        return "Microsoft.Resources/resourceGroups"
    namespace, *segments = resource_id.rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *segments[::2]])
