"""Which resources Azure bills, and what of it depends on use alone.

Each row is from the service's own pricing page, `https://azure.microsoft.com/pricing/details/<page>/`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Billing:
    """`by_use`: what an estimate leaves out, because it depends on what people and programs do; empty if nothing does."""

    page: str
    by_use: str

    @property
    def url(self) -> str:
        return f"https://azure.microsoft.com/pricing/details/{self.page}/"


BILLED = {
    "app:ContainerApp": Billing("container-apps", "requests beyond 2 million a month, and traffic"),
    "app:Job": Billing("container-apps", "traffic"),
    "app:ManagedEnvironment": Billing("container-apps", "in a network, the load balancer and the address that Azure manages"),
    "cognitiveservices:Account": Billing("cognitive-services/computer-vision", "calls of the prebuilt features"),
    "dbforpostgresql:Server": Billing(
        "postgresql/flexible-server", "storage that grows, backups larger than the storage, and their copies in another region"
    ),
    "keyvault:Vault": Billing("key-vault", "operations"),
    "monitor:ActionGroup": Billing("monitor", "notifications beyond 1,000 emails a month"),
    "monitor:ScheduledQueryRule": Billing("monitor", ""),
    "network:PrivateEndpoint": Billing("private-link", "traffic"),
    "operationalinsights:Workspace": Billing("monitor", "logs beyond 5 GB a month, and those kept longer than 31 days"),
    "privatedns:PrivateZone": Billing("dns", "queries"),
    "storage:StorageAccount": Billing("storage/blobs", "stored data and its former versions, operations and traffic"),
}
"""Billed resources, by their type without its package."""

FREE = frozenset(
    {
        "authorization:ManagementLockAtResourceGroupLevel",
        "authorization:ManagementLockByScope",
        "authorization:RoleAssignment",
        "authorization:RoleDefinition",
        "consumption:Budget",
        "dbforpostgresql:AdministratorsMicrosoftEntra",
        "dbforpostgresql:Configuration",
        "dbforpostgresql:Database",
        "dbforpostgresql:FirewallRule",
        "keyvault:Secret",
        "managedidentity:UserAssignedIdentity",
        "monitor:DiagnosticSetting",
        "network:NetworkSecurityGroup",
        "network:PrivateDnsZoneGroup",
        "network:Subnet",
        "network:VirtualNetwork",
        "privatedns:PrivateRecordSet",
        "privatedns:VirtualNetworkLink",
        "resources:ResourceGroup",
        "storage:BlobContainer",
        "storage:BlobServiceProperties",
        "storage:ManagementPolicy",
        "storage:Queue",
    }
)
"""Resources that cost nothing themselves; their traffic and data are billed elsewhere."""
