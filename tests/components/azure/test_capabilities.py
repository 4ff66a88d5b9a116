"""Whether Azure offers the declared database; the answers have the form of Azure's specification (models.tsp, `Capability`)."""

from typing import Any

import pytest

from vision_customization.components.azure import capabilities
from vision_customization.components.azure.args import DatabaseSize
from vision_customization.components.azure.capabilities import (
    Found,
    NotOffered,
    Server,
    WouldBeReplaced,
    check_capabilities,
    not_offered,
)
from vision_customization.components.azure.resource_manager import Answer, NoAnswer

SERVER_ID = "/subscriptions/s/resourceGroups/vision/providers/Microsoft.DBforPostgreSQL/flexibleServers/vision"
RESTRICTED = "Provisioning is restricted in this region. Please choose a different region."
LARGE = DatabaseSize("Standard_D2ds_v5", "GeneralPurpose", 64)


def size(**changes: Any) -> DatabaseSize:  # noqa: ANN401
    return DatabaseSize(**{**vars(LARGE), **changes})


def sku(name: str, *modes: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"name": name, "supportedHaMode": list(modes), **more}


def offer(*features: str, skus: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A region that offers much. `features`: those that it has, of the three that are asked about."""
    general = [sku("Standard_D2ds_v5", "SameZone", "ZoneRedundant"), sku("Standard_D2ds_v4", "SameZone")]
    named = ("ZoneRedundantHa", "GeoBackup", "ZoneRedundantHaAndGeoBackup")
    return {
        "name": "FlexibleServerCapabilities",
        "supportedServerEditions": [
            {"name": "Burstable", "supportedServerSkus": [sku("Standard_B1ms")]},
            {
                "name": "GeneralPurpose",
                "supportedServerSkus": general if skus is None else skus,
                "supportedStorageEditions": [
                    {"name": "ManagedDisk", "supportedStorageMb": [{"storageSizeMb": gib * 1024} for gib in (32, 64, 128)]}
                ],
            },
        ],
        "supportedServerVersions": [{"name": "15"}, {"name": "16"}],
        "supportedFeatures": [
            *({"name": name, "status": "Enabled" if name in features else "Disabled"} for name in named),
            {"name": "OfferRestricted", "status": "Disabled"},
        ],
        "restricted": "Disabled",
        **more,
    }


EVERYTHING = ("ZoneRedundantHa", "GeoBackup", "ZoneRedundantHaAndGeoBackup")


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (offer(), LARGE),
        (offer(), size(sku="standard_d2ds_v5")),
        (offer(), size(high_availability="SameZone")),
        (offer("ZoneRedundantHa"), size(high_availability="ZoneRedundant")),
        (offer(*EVERYTHING), size(high_availability="ZoneRedundant", geo_redundant_backup=True)),
        (offer("GeoBackup"), size(high_availability="SameZone", geo_redundant_backup=True)),
        # An answer of before the list of features, which says the same by properties.
        (offer(supportedFeatures=[], zoneRedundantHaSupported="Enabled"), size(high_availability="ZoneRedundant")),
        # What it says nothing of is not refused here.
        ({"supportedServerEditions": [{"name": "GeneralPurpose", "supportedServerSkus": [{"name": LARGE.sku}]}]}, LARGE),
    ],
)
def test_what_is_offered(offered: dict[str, Any], wanted: DatabaseSize) -> None:
    assert list(not_offered(offered, "centralus", wanted)) == []


@pytest.mark.parametrize(
    ("offered", "wanted", "says"),
    [
        (
            offer(restricted="Enabled", reason=RESTRICTED),
            LARGE,
            (
                "location 'eastus': Azure does not let this subscription create PostgreSQL servers there (Provisioning is "
                "restricted in this region. Please choose a different region). Set azure.location to another region, or ask"
            ),
        ),
        (
            offer(supportedServerEditions=[], supportedServerVersions=[], supportedFeatures=[], reason=RESTRICTED),
            LARGE,
            "Azure does not let this subscription",
        ),
        (
            offer(supportedFeatures=[{"name": "OfferRestricted", "status": "Enabled"}]),
            LARGE,
            "Azure does not let this subscription create PostgreSQL servers there (it gives no reason)",
        ),
        (
            offer(skus=[sku("Standard_D2ds_v4"), sku("Standard_D2s_v3"), sku("Standard_D4s_v3")]),
            LARGE,
            (
                "database.sku: location 'eastus' does not offer Standard_D2ds_v5 of the tier GeneralPurpose. "
                "Set database.sku to one of Standard_D2ds_v4, Standard_D2s_v3, or"
            ),
        ),
        (
            offer(skus=[sku("Standard_D2ds_v5", status="Disabled", reason="No capacity."), sku("Standard_D4s_v3")]),
            LARGE,
            "of the tier GeneralPurpose (No capacity). Set database.sku to one of Standard_D4s_v3, or",
        ),
        (offer(), size(tier="MemoryOptimized"), "It offers nothing of the tier MemoryOptimized, or set azure.location"),
        (offer(supportedServerVersions=[{"name": "15"}]), LARGE, "location 'eastus' does not offer PostgreSQL 16."),
        (
            offer(),
            size(storage_gb=256),
            "storageGb: location 'eastus' has no disk of 256 GiB. Choose from 32, 64, 128",
        ),
        (
            offer(),
            size(high_availability="ZoneRedundant"),
            (
                "database.highAvailability: location 'eastus' does not offer ZoneRedundant for Standard_D2ds_v5. "
                "Set it to SameZone, or set azure.location to a region that offers ZoneRedundant"
            ),
        ),
        (
            offer(*EVERYTHING),
            size(sku="Standard_D2ds_v4", high_availability="ZoneRedundant"),
            "does not offer ZoneRedundant for Standard_D2ds_v4. Set it to SameZone, or",
        ),
        (
            offer(supportedFeatures=[], zoneRedundantHaSupported="Disabled"),
            size(high_availability="ZoneRedundant"),
            "does not offer ZoneRedundant",
        ),
        (
            offer(),
            DatabaseSize(high_availability="SameZone"),
            "does not offer SameZone for Standard_B1ms. It offers no standby server for that size",
        ),
        (offer(), size(geo_redundant_backup=True), "database.geoRedundantBackup: location 'eastus' does not offer it. Set it"),
        (
            offer("GeoBackup", "ZoneRedundantHa"),
            size(geo_redundant_backup=True, high_availability="ZoneRedundant"),
            "does not offer it together with ZoneRedundant",
        ),
    ],
)
def test_what_is_not_offered(offered: dict[str, Any], wanted: DatabaseSize, says: str) -> None:
    (fault,) = not_offered(offered, "eastus", wanted)
    assert says in fault


def test_each_fault_is_named() -> None:
    wanted = size(high_availability="ZoneRedundant", geo_redundant_backup=True, storage_gb=256)
    faults = list(not_offered(offer(), "eastus", wanted))
    assert [fault.partition(":")[0] for fault in faults] == [
        "database.geoRedundantBackup",
        "database.storageGb",
        "database.highAvailability",
    ]


ZONE_REDUNDANT = size(high_availability="ZoneRedundant")
PRESENT = Server("Standard_D2ds_v5", "ZoneRedundant", 128)


@pytest.mark.parametrize(
    ("wanted", "faults"),
    [
        (ZONE_REDUNDANT, 0),
        (size(geo_redundant_backup=True, high_availability="ZoneRedundant"), 0),
        (size(high_availability="Disabled"), 0),
        (size(sku="Standard_D2ds_v4", high_availability="ZoneRedundant"), 1),
        (size(sku="Standard_D8ds_v5"), 1),
        (size(storage_gb=256, high_availability="ZoneRedundant"), 1),
    ],
)
def test_a_server_keeps_what_it_has(wanted: DatabaseSize, faults: int) -> None:
    """Also where Azure offers it to new ones no longer, or lets the subscription create none."""
    now = offer(restricted="Enabled", reason=RESTRICTED)
    assert len(list(not_offered(now, "eastus", wanted, PRESENT))) == faults


class Azure:
    """Answers by the end of the path, and notes what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: Answer) -> None:
        self.asked: list[str] = []
        self._answers = answers
        monkeypatch.setattr(capabilities, "get", self._get)

    def _get(self, token: str, path: str, api_version: str) -> Answer:
        assert (token, api_version) == ("a-token", "2025-08-01")
        self.asked.append(path)
        if not path.endswith("/capabilities"):
            return self._answers.get("server", Answer(404))
        return self._answers["of_server" if path.startswith(SERVER_ID) else "of_location"]


def check(wanted: DatabaseSize) -> Found:
    return check_capabilities("a-token", SERVER_ID, "East US", wanted)


def server(
    mode: str = "Disabled", storage_gb: int = 64, subnet: str | None = "/subnets/database", passwords: str = "Disabled"
) -> Answer:
    return Answer(
        200,
        {
            "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
            "properties": {
                "highAvailability": {"mode": mode},
                "storage": {"storageSizeGB": storage_gb},
                "network": {"publicNetworkAccess": "Disabled", "delegatedSubnetResourceId": subnet},
                "authConfig": {"passwordAuth": passwords},
            },
        },
    )


def test_the_region_is_asked_for_a_new_server(monkeypatch: pytest.MonkeyPatch) -> None:
    azure = Azure(monkeypatch, of_location=Answer(200, {"value": [offer()]}))
    assert check(LARGE) == Found(64)
    assert azure.asked[1] == "/subscriptions/s/providers/Microsoft.DBforPostgreSQL/locations/eastus/capabilities"
    with pytest.raises(NotOffered, match=r"ZoneRedundant.*Nothing was created\. `az postgres .* --location eastus` lists"):
        check(ZONE_REDUNDANT)


def test_a_server_is_asked_about_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    azure = Azure(monkeypatch, server=server(storage_gb=128), of_server=Answer(200, {"value": [offer()]}))
    # Azure made its disk larger: no update may ask for less.
    assert check(LARGE) == Found(128)
    assert azure.asked == [SERVER_ID]
    assert check(size(high_availability="SameZone")) == Found(128)
    assert azure.asked[-1] == f"{SERVER_ID}/capabilities"
    with pytest.raises(NotOffered, match="ZoneRedundant"):
        check(ZONE_REDUNDANT)


def test_the_end_of_a_servers_password_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    Azure(monkeypatch, server=server(passwords="Enabled"))
    (warning,) = check(LARGE).warnings
    assert "the engine does not answer for some minutes. Set azure.database.login to 'password' to leave it" in warning
    assert check(size(login="password")).warnings == ()


def test_a_larger_disk_than_it_has_can_be_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    Azure(monkeypatch, server=server(), of_server=Answer(200, {"value": [offer()]}))
    assert check(size(storage_gb=128)) == Found(128)


def test_a_restored_server_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    Azure(monkeypatch, server=Answer(404), of_location=Answer(200, {"value": [offer()]}))
    with pytest.raises(
        NotOffered, match=r"database.restoredServer: there is no .*/flexibleServers/vision-restored\. Restore it"
    ):
        check(size(restored_server="vision-restored"))
    Azure(monkeypatch, server=server())
    assert check(size(restored_server="vision-restored")) == Found(64)


@pytest.mark.parametrize(
    ("subnet", "access", "says"),
    [
        (None, "network", "is outside of a network, .* `azure.database.access: azureServices` to keep it"),
        ("/subnets/database", "azureServices", "is in a subnet, .* `azure.database.access: network` to keep it"),
    ],
)
def test_a_server_that_the_update_would_replace(
    monkeypatch: pytest.MonkeyPatch, subnet: str | None, access: str, says: str
) -> None:
    Azure(monkeypatch, server=server(subnet=subnet))
    with pytest.raises(WouldBeReplaced, match=says):
        check(size(access=access))
    other = {"network": "azureServices", "azureServices": "network"}[access]
    assert check(size(access=other)) == Found(64)


DENIED = Answer(403, {"error": {"code": "AuthorizationFailed", "message": "The client may not."}})


def test_a_caller_who_may_not_ask_is_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with rights on a resource group alone: the region is asked about in the subscription."""
    Azure(monkeypatch, of_location=DENIED)
    (warning,) = check(LARGE).warnings
    assert warning == (
        "not checked before the update: what 'East US' offers for PostgreSQL (AuthorizationFailed: The client may not.)"
    )
    Azure(monkeypatch, server=DENIED)
    assert "the server /subscriptions/s/" in check(LARGE).warnings[0]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(200, {"value": []}), "Azure answered an empty list"),
        (Answer(404), "Azure answered HTTP status 404"),
        (Answer(409, {"error": {"code": "MissingSubscriptionRegistration"}}), "Azure answered MissingSubscriptionRegistration"),
    ],
)
def test_no_answer_about_a_region(monkeypatch: pytest.MonkeyPatch, answer: Answer, says: str) -> None:
    Azure(monkeypatch, of_location=answer)
    with pytest.raises(NotOffered, match=rf"{says}\. Check the region's name"):
        check(LARGE)


def test_no_answer_about_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    Azure(monkeypatch, server=Answer(500))
    with pytest.raises(NoAnswer, match=r"whether there is a server .*HTTP status 500"):
        check(LARGE)
