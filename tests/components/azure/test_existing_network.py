"""A network and DNS of somebody else: ids, names and combinations, checked without asking Azure."""

import re
from typing import Any

import pytest

from vision_customization.components.azure.existing_network import ExistingNetwork, NetworkOptions

GROUP = "/subscriptions/sub-1/resourceGroups/hub/providers/Microsoft.Network"
NETWORK = f"{GROUP}/virtualNetworks/spoke"
SUBNET = f"{NETWORK}/subnets"
ZONE = f"{GROUP}/privateDnsZones"
ENDPOINTS = ("blob", "vision")


def problems(private: bool = True, route_table: str | None = None, **existing: Any) -> list[str]:  # noqa: ANN401
    return list(NetworkOptions(ExistingNetwork(**existing), route_table).problems(private=private))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"virtual_network": NETWORK},
        {"apps_subnet": f"{SUBNET}/apps", "database_subnet": f"{SUBNET}/db", "endpoints_subnet": f"{SUBNET}/pe/"},
        {"blob_zone": f"{ZONE}/privatelink.blob.core.windows.net", "database_zone": f"{ZONE}/x.postgres.database.azure.com"},
        {"apps_zone": f"{ZONE}/eastus.azurecontainerapps.io", "link_zones": True},
        {"route_table": f"{GROUP}/routeTables/to-the-firewall", "database_subnet": f"{SUBNET}/db"},
        {"private": False, "apps_subnet": f"{SUBNET}/apps", "database_zone": f"{ZONE}/private.postgres.database.azure.com"},
        {"apps_subnet": f"{SUBNET}/apps".upper().replace("/SUBSCRIPTIONS", "/subscriptions")},
    ],
)
def test_what_can_be_used(given: dict[str, Any]) -> None:
    assert problems(**given) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"apps_subnet": NETWORK}, "existing.appsSubnet is .* It must be an ARM id: .*/virtualNetworks/<name>/subnets/<name>"),
        ({"virtual_network": "spoke"}, "existing.virtualNetwork is 'spoke'"),
        ({"vault_zone": f"{ZONE}/vault.azure.net"}, "existing.vaultZone .* It must be privatelink.vaultcore.azure.net"),
        ({"blob_zone": f"{ZONE}/blob.example"}, "existing.blobZone is named 'blob.example'. It must be privatelink.blob.core"),
        ({"database_zone": f"{ZONE}/postgres.example"}, "It must end with .postgres.database.azure.com"),
        ({"apps_zone": f"{ZONE}/apps.example"}, "It must end with azurecontainerapps.io"),
        ({"apps_subnet": f"{SUBNET}/a", "endpoints_subnet": f"{SUBNET}/A"}, "two of the existing subnets are the same"),
        ({"route_table": f"{GROUP}/routes/x"}, "routeTable is .*/routeTables/<name>"),
        ({"route_table": f"{GROUP}/routeTables/x", "apps_subnet": f"{SUBNET}/a"}, "Set it on existing.appsSubnet"),
        ({"private": False, "endpoints_subnet": f"{SUBNET}/pe"}, "need privateNetwork: true"),
    ],
)
def test_what_can_not(given: dict[str, Any], says: str) -> None:
    (problem,) = problems(**given)
    assert re.search(says, problem)


def test_what_the_deployer_must_be_allowed_to_do() -> None:
    """Only for what is made, and for what is used."""
    alone = NetworkOptions()
    assert alone.uses(ENDPOINTS) == []
    made = ["virtualNetworks/write", "networkSecurityGroups/write", "privateDnsZones/write"]
    assert alone.actions() == [f"Microsoft.Network/{action}" for action in made]
    given = {
        **{f"{what}_subnet": f"{SUBNET}/{what}" for what in ("apps", "database", "endpoints")},
        "blob_zone": f"{ZONE}/privatelink.blob.core.windows.net",
        "vision_zone": f"{ZONE}/privatelink.cognitiveservices.azure.com",
        "database_zone": f"{ZONE}/private.postgres.database.azure.com",
        "apps_zone": f"{ZONE}/eastus.azurecontainerapps.io",
    }
    theirs = NetworkOptions(ExistingNetwork(**given))
    assert theirs.actions(ENDPOINTS) == ["Microsoft.Network/privateEndpoints/write"]
    uses = {use.resource_id.rpartition("/")[2]: use for use in theirs.uses(ENDPOINTS)}
    assert set(uses) == {
        "apps",
        "database",
        "endpoints",
        *(text.rpartition("/")[2] for name, text in given.items() if "zone" in name),
    }
    assert uses["database"].actions == ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    assert uses["eastus.azurecontainerapps.io"].actions == ["Microsoft.Network/privateDnsZones/A/write"]
    assert uses["eastus.azurecontainerapps.io"].role == "Private DNS Zone Contributor"
    # Only where the stack itself writes, as docs/azure-network.md says.
    assert [name for name, use in uses.items() if use.same_subscription] == ["eastus.azurecontainerapps.io"]
    # A vault's zone is needed with a vault alone.
    assert "Microsoft.Network/privateDnsZones/write" in theirs.actions((*ENDPOINTS, "vault"))
    vault = f"{ZONE}/privatelink.vaultcore.azure.net"
    with_vault = NetworkOptions(ExistingNetwork(**given, vault_zone=vault))
    assert with_vault.actions((*ENDPOINTS, "vault")) == ["Microsoft.Network/privateEndpoints/write"]
    assert {use.resource_id for use in with_vault.uses((*ENDPOINTS, "vault"))} == {*given.values(), vault}
    assert {use.resource_id for use in with_vault.uses(ENDPOINTS)} == {*given.values()}
    without = NetworkOptions(ExistingNetwork(**{**given, "vision_zone": None}))
    assert without.actions(("blob",)) == ["Microsoft.Network/privateEndpoints/write"]
    assert NETWORK not in {use.resource_id for use in without.uses(("blob",))}
    assert given["vision_zone"] not in {use.resource_id for use in theirs.uses(("blob",))}
    some = NetworkOptions(ExistingNetwork(virtual_network=NETWORK, blob_zone=given["blob_zone"], link_zones=True))
    uses = {use.resource_id.rpartition("/")[2]: use for use in some.uses(ENDPOINTS)}
    assert [action.removeprefix("Microsoft.Network/") for action in uses["spoke"].actions] == [
        "virtualNetworks/subnets/write",
        "virtualNetworks/join/action",
    ]
    assert "Microsoft.Network/privateDnsZones/virtualNetworkLinks/write" in uses["privatelink.blob.core.windows.net"].actions
    assert all(use.same_subscription for use in uses.values())
