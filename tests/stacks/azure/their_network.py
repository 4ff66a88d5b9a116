"""What a platform team has before a stack comes: a resource group with a network, subnets, and private DNS zones."""

from pathlib import Path
from typing import Any

from tests.stacks.azure.network import APPS, DATABASE
from tests.stacks.azure.provider import EmptyWorld, Provider

PLATFORM = "contoso-platform"
"""The name of the group."""


def their_network(folder: Path, location: str = "eastus") -> dict[str, str]:
    """Make it: a network with three subnets, and zones that are linked to it. Their ids, by the settings that name them."""
    provider = Provider(folder, EmptyWorld())

    def create(resource_type: str, **inputs: Any) -> str:  # noqa: ANN401 - JSON
        return provider.create(f"azure-native:{resource_type}", {"resourceGroupName": PLATFORM} | inputs)[0]

    create("resources:ResourceGroup", location=location)
    network = create(
        "network:VirtualNetwork",
        virtualNetworkName="spoke",
        location=location,
        addressSpace={"addressPrefixes": ["10.7.0.0/24"]},
    )
    ids = {"virtualNetwork": network}
    for number, (name, service) in enumerate({"apps": APPS, "database": DATABASE, "endpoints": None}.items()):
        ids[f"{name}Subnet"] = create(
            "network:Subnet",
            virtualNetworkName="spoke",
            subnetName=name,
            addressPrefix=f"10.7.0.{32 * number}/27",
            delegations=[{"name": name, "serviceName": service}] if service else [],
        )
    zones = {
        "blob": "privatelink.blob.core.windows.net",
        "vision": "privatelink.cognitiveservices.azure.com",
        "queue": "privatelink.queue.core.windows.net",
        "vault": "privatelink.vaultcore.azure.net",
        "database": "private.postgres.database.azure.com",
        "apps": f"{location}.azurecontainerapps.io",
    }
    for what, zone in zones.items():
        ids[f"{what}Zone"] = create("privatedns:PrivateZone", privateZoneName=zone, location="global")
        create(
            "privatedns:VirtualNetworkLink",
            privateZoneName=zone,
            virtualNetworkLinkName="spoke",
            location="global",
            virtualNetwork={"id": network},
            registrationEnabled=False,
        )
    return ids
