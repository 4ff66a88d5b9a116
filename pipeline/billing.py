"""What Azure bills for each resource. Without prices, which change, and differ by region, currency and agreement.

Each row is from the service's own pricing page, `https://azure.microsoft.com/pricing/details/<page>/`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Billing:
    """What is billed (`meters`), and whether the resource costs something while idle."""

    page: str
    meters: str
    idle: bool

    @property
    def url(self) -> str:
        return f"https://azure.microsoft.com/pricing/details/{self.page}/"


BILLED = {
    "cognitiveservices:Account": Billing("cognitive-services/computer-vision", "calls of the prebuilt features", idle=False),
    "storage:StorageAccount": Billing("storage/blobs", "stored data, operations and traffic", idle=True),
    "app:ManagedEnvironment": Billing(
        "container-apps", "only its apps; with a private endpoint or dedicated profiles also by the hour", idle=False
    ),
    "app:ContainerApp": Billing(
        "container-apps", "vCPU and memory of each running replica by the second, and requests", idle=True
    ),
    "app:Job": Billing("container-apps", "vCPU and memory of each running execution by the second", idle=False),
    "dbforpostgresql:Server": Billing(
        "postgresql/flexible-server", "its compute by the hour, its storage and backups by size", idle=True
    ),
    "operationalinsights:Workspace": Billing(
        "monitor", "logs ingested, and logs kept longer than the included period", idle=False
    ),
    "monitor:ScheduledQueryRule": Billing("monitor", "each rule, by how often it runs", idle=True),
    "monitor:ActionGroup": Billing("monitor", "notifications sent", idle=False),
    "network:PrivateEndpoint": Billing("private-link", "each endpoint by the hour, and traffic", idle=True),
    "privatedns:PrivateZone": Billing("dns", "each zone by the month, and queries", idle=True),
}
"""Billed resources, by their type without its package."""

FREE = frozenset(
    {
        "authorization:RoleAssignment",
        "authorization:RoleDefinition",
        "dbforpostgresql:Configuration",
        "dbforpostgresql:Database",
        "dbforpostgresql:FirewallRule",
        "managedidentity:UserAssignedIdentity",
        "monitor:DiagnosticSetting",
        "network:PrivateDnsZoneGroup",
        "network:Subnet",
        "network:VirtualNetwork",
        "privatedns:PrivateRecordSet",
        "privatedns:VirtualNetworkLink",
        "resources:ResourceGroup",
        "storage:BlobContainer",
        "storage:BlobServiceProperties",
    }
)
"""Resources that cost nothing themselves; their traffic and data are billed elsewhere."""
