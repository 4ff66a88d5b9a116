"""What Azure fills in, and when: at the creation of a resource, or later, as another resource comes to refer to it.

The first is not drift, the second is: see `difference.refreshed`.
"""

from collections.abc import Callable
from typing import Any

from tests.stacks.azure.subscription import State, same

Values = dict[str, Any]

AT_CREATION: dict[str, Values] = {
    "storage:StorageAccount": {
        "accessTier": "Hot",
        "encryption": {
            "keySource": "Microsoft.Storage",
            "services": {name: {"enabled": True, "keyType": "Account"} for name in ("blob", "file")},
        },
        "networkRuleSet": {"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []},
        "privateEndpointConnections": [],
    },
    "storage:BlobServiceProperties": {"cors": {"corsRules": []}},
    "storage:BlobContainer": {
        "defaultEncryptionScope": "$account-encryption-key",
        "denyEncryptionScopeOverride": False,
        "publicAccess": "None",
    },
    "cognitiveservices:Account": {"properties": {"publicNetworkAccess": "Enabled", "privateEndpointConnections": []}},
    "operationalinsights:Workspace": {
        "features": {"enableLogAccessUsingOnlyResourcePermissions": True},
        "publicNetworkAccessForIngestion": "Enabled",
        "publicNetworkAccessForQuery": "Enabled",
        "workspaceCapping": {"dailyQuotaGb": -1, "dataIngestionStatus": "RespectQuota"},
    },
    "app:ManagedEnvironment": {
        "peerAuthentication": {"mtls": {"enabled": False}},
        "peerTrafficConfiguration": {"encryption": {"enabled": False}},
        "publicNetworkAccess": "Enabled",
        "zoneRedundant": False,
    },
    "app:ContainerApp": {
        "configuration": {"activeRevisionsMode": "Single", "maxInactiveRevisions": 100},
        "template": {"revisionSuffix": "", "scale": {"cooldownPeriod": 300, "maxReplicas": 10, "pollingInterval": 30}},
        "workloadProfileName": "Consumption",
    },
    "dbforpostgresql:Server": {
        "authConfig": {"activeDirectoryAuth": "Disabled", "passwordAuth": "Enabled"},
        "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled"},
        "dataEncryption": {"type": "SystemManaged"},
        "highAvailability": {"mode": "Disabled", "state": "NotEnabled"},
        "maintenanceWindow": {"customWindow": "Disabled", "dayOfWeek": 0, "startHour": 0, "startMinute": 0},
        "storage": {"autoGrow": "Disabled", "iops": 120, "storageSizeGB": 32, "tier": "P4"},
    },
    "keyvault:Vault": {
        "properties": {"enableSoftDelete": True, "softDeleteRetentionInDays": 90, "publicNetworkAccess": "Enabled"}
    },
    "monitor:ActionGroup": {
        name: [] for name in ("armRoleReceivers", "azureAppPushReceivers", "emailReceivers", "smsReceivers", "webhookReceivers")
    },
    "monitor:ScheduledQueryRule": {"actions": {"customProperties": {}}, "autoMitigate": True},
    "network:VirtualNetwork": {"enableDdosProtection": False, "subnets": [], "virtualNetworkPeerings": []},
    "network:Subnet": {"privateEndpointNetworkPolicies": "Disabled", "privateLinkServiceNetworkPolicies": "Enabled"},
    "network:PrivateEndpoint": {"ipConfigurations": [], "manualPrivateLinkServiceConnections": []},
    "privatedns:VirtualNetworkLink": {"resolutionPolicy": "Default", "virtualNetworkLinkState": "Completed"},
}
"""By type: the values where the program gives none."""

IN_EACH: dict[str, dict[str, Values]] = {
    "app:ContainerApp": {"template.containers": {"resources": {"cpu": 0.5, "ephemeralStorage": "4Gi", "memory": "1Gi"}}},
    "app:ManagedEnvironment": {"workloadProfiles": {"enableFips": False}},
    # pulumi-azure-native#2798
    "monitor:DiagnosticSetting": {
        "logs": {"retentionPolicy": {"days": 0, "enabled": False}},
        "metrics": {"retentionPolicy": {"days": 0, "enabled": False}},
    },
    "network:Subnet": {"delegations": {"actions": ["Microsoft.Network/virtualNetworks/subnets/join/action"]}},
}
"""By type and list: the values of each item."""


def filled(resource_type: str, given: Values) -> Values:
    """The outputs of a resource with what Azure fills in at its creation. `resource_type` is without `azure-native:`."""
    values = below(given, AT_CREATION.get(resource_type, {}))
    for path, defaults in IN_EACH.get(resource_type, {}).items():
        *above, name = path.split(".")
        holder = values
        for key in above:
            holder = holder.get(key) or {}
        if isinstance(holder.get(name), list):
            holder[name] = [below(item, defaults) if isinstance(item, dict) else item for item in holder[name]]
    return values


def below(given: Values, defaults: Values) -> Values:
    """`given`, and the defaults of what it lacks, object by object."""
    return {**defaults, **given} | {
        key: below(given[key], value)
        for key, value in defaults.items()
        if isinstance(value, dict) and isinstance(given.get(key), dict)
    }


def current(resource_type: str, resource_id: str, outputs: Values, state: State) -> Values:
    """The outputs as a read has them now, with what other resources have brought about."""
    later = LATER.get(resource_type)
    return later(resource_id, outputs, state) if later else outputs


def virtual_network(resource_id: str, outputs: Values, state: State) -> Values:
    own = {
        key: value["outputs"]
        for key, value in state.of_type("network:Subnet").items()
        if same(key.rpartition("/subnets/")[0], resource_id)
    }
    inline = [
        each for each in outputs.get("subnets") or [] if each.get("name") not in {found["name"] for found in own.values()}
    ]
    return outputs | {"subnets": [*inline, *({"id": key, "name": found["name"]} for key, found in sorted(own.items()))]}


def subnet(resource_id: str, outputs: Values, state: State) -> Values:
    """PostgreSQL adds the service endpoint of storage to the subnet that it is put into."""
    servers = state.of_type("dbforpostgresql:Server").values()
    used = any(
        same((each["inputs"].get("network") or {}).get("delegatedSubnetResourceId") or "", resource_id) for each in servers
    )
    endpoints = outputs.get("serviceEndpoints") or []
    if not used or any(each.get("service") == "Microsoft.Storage" for each in endpoints):
        return outputs
    return outputs | {"serviceEndpoints": [*endpoints, {"service": "Microsoft.Storage", "provisioningState": "Succeeded"}]}


def private_endpoint(resource_id: str, outputs: Values, state: State) -> Values:
    """Its own DNS records are gone once it is in a DNS zone."""
    grouped = any(same(key.rpartition("/privateDnsZoneGroups/")[0], resource_id) for key in state.of_type(GROUP_OF_ZONES))
    record = {"fqdn": f"{outputs['name']}.example", "ipAddresses": ["10.42.3.4"]}
    return outputs | {"customDnsConfigs": [] if grouped else [record]}


def private_zone(resource_id: str, outputs: Values, state: State) -> Values:
    return outputs | {
        count: sum(same(key.rpartition(separator)[0], resource_id) for key in state.of_type(kind))
        for count, separator, kind in (
            ("numberOfVirtualNetworkLinks", "/virtualNetworkLinks/", "privatedns:VirtualNetworkLink"),
            ("numberOfRecordSets", "/A/", "privatedns:PrivateRecordSet"),
        )
    }


GROUP_OF_ZONES = "network:PrivateDnsZoneGroup"

LATER: dict[str, Callable[[str, Values, State], Values]] = {
    "network:VirtualNetwork": virtual_network,
    "network:Subnet": subnet,
    "network:PrivateEndpoint": private_endpoint,
    "privatedns:PrivateZone": private_zone,
}
