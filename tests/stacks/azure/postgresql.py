"""PostgreSQL flexible servers as Azure has them: what each region offers, what of a server can't change, and its zones.

The regions: MicrosoftDocs/azure-databases-docs, articles/postgresql/flexible-server/includes/regions-table.md of 2025-11-18.
The answer about them: Azure/azure-rest-api-specs, specification/postgresql/…/PostgreSQL/models.tsp (`Capability`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.stacks.azure.failure import Failure
from tests.stacks.azure.names import REGIONS, region
from tests.stacks.azure.subscription import Resource

Values = dict[str, Any]

# fmt: off
NOT_LISTED = frozenset({"belgiumcentral", "denmarkeast", "westindia"})
WITHOUT_V5 = frozenset({
    "eastus2", "israelcentral", "japaneast", "mexicocentral", "polandcentral", "qatarcentral", "southcentralus",
    "southeastasia", "spaincentral", "westus2",
})
# `$` in the table: "New zone-redundant high availability deployments are temporarily blocked in these regions."
ZONES_BLOCKED = frozenset({
    "brazilsouth", "centralindia", "eastasia", "eastus", "eastus2", "germanywestcentral", "mexicocentral", "northeurope",
    "qatarcentral", "southcentralus", "southeastasia", "westeurope", "westus2",
})
WITHOUT_ZONES = frozenset({
    "australiacentral", "australiacentral2", "australiasoutheast", "brazilsoutheast", "canadaeast", "francesouth",
    "germanynorth", "japanwest", "koreasouth", "northcentralus", "norwaywest", "southafricawest", "switzerlandwest",
    "uaecentral", "ukwest", "westcentralus", "westus",
})
WITHOUT_GEO_BACKUP = frozenset({
    "australiacentral2", "austriaeast", "brazilsouth", "brazilsoutheast", "chilecentral", "indonesiacentral", "israelcentral",
    "italynorth", "malaysiawest", "mexicocentral", "newzealandnorth", "polandcentral", "qatarcentral", "spaincentral",
    "westus3",
})
# `*` in the table: "These regions are available only upon request by creating a new support request."
ON_REQUEST = frozenset({
    "australiacentral2", "brazilsoutheast", "germanynorth", "norwayeast", "southafricawest", "switzerlandwest", "uaecentral",
})
# fmt: on

STORAGE_GIB = (32, 64, 128, 256, 512, 1024, 2048, 4095, 4096, 8192, 16384, 32767)
VERSIONS = ("11", "12", "13", "14", "15", "16", "17", "18")
BURSTABLE = {"B1ms": 1, "B2s": 2, "B2ms": 2, "B4ms": 4, "B8ms": 8, "B12ms": 12, "B16ms": 16, "B20ms": 20}
CORES = (2, 4, 8, 16, 32, 48, 64)
GENERATIONS = ("s_v3", "ds_v4", "ds_v5")

RESTRICTED = (
    "Provisioning is restricted in this region. Please choose a different region. For exceptions to this rule please open a "
    "support request with Issue type of 'Service and subscription limits'."
)


@dataclass(frozen=True)
class Offer:
    """What a region offers to a subscription, to new servers."""

    location: str
    is_restricted: bool
    generations: tuple[str, ...]
    zone_redundant: bool
    geo_backup: bool
    without_capacity: frozenset[str] = frozenset()

    @classmethod
    def of(cls, location: str, scenario: Mapping[str, Any]) -> "Offer":
        """`restrictedRegions` and `withoutCapacity` (region → SKUs) of the scenario come on top of the table."""
        name = region(location)
        return cls(
            name,
            is_restricted=name in ON_REQUEST or name in scenario.get("restrictedRegions", ()),
            generations=GENERATIONS[:2] if name in WITHOUT_V5 else GENERATIONS,
            zone_redundant=name not in ZONES_BLOCKED | WITHOUT_ZONES,
            geo_backup=name not in WITHOUT_GEO_BACKUP,
            without_capacity=frozenset(scenario.get("withoutCapacity", {}).get(name, ())),
        )

    @property
    def modes(self) -> list[str]:
        """Of high availability, which the tier Burstable does not have."""
        return ["SameZone", "ZoneRedundant"] if self.zone_redundant else ["SameZone"]

    def skus(self) -> Iterator[tuple[str, str, int]]:
        """The tier, name and cores of each size."""
        yield from (("Burstable", f"Standard_{name}", cores) for name, cores in BURSTABLE.items())
        for tier, letter in (("GeneralPurpose", "D"), ("MemoryOptimized", "E")):
            for generation in self.generations:
                yield from ((tier, f"Standard_{letter}{cores}{generation}", cores) for cores in CORES)


def is_listed(location: str) -> bool:
    """Whether the table has the region."""
    return region(location) in REGIONS - NOT_LISTED


def capabilities(offer: Offer, *, of_server: bool = False) -> Values:
    """The answer of `…/capabilities`. A server that exists may be changed, whatever is open to new ones."""
    restricted = offer.is_restricted and not of_server
    found: Values = {
        "name": "FlexibleServerCapabilities",
        "supportedServerEditions": [] if restricted else list(_editions(offer)),
        "supportedServerVersions": [] if restricted else [{"name": version, "status": "Available"} for version in VERSIONS],
        "supportedFeatures": [
            {"name": name, "status": _enabled(on)}
            for name, on in {
                "ZoneRedundantHa": offer.zone_redundant,
                "GeoBackup": offer.geo_backup,
                "ZoneRedundantHaAndGeoBackup": offer.zone_redundant and offer.geo_backup,
                "StorageAutoGrowth": True,
                "OfferRestricted": restricted,
            }.items()
        ],
        "restricted": _enabled(restricted),
    }
    return {"value": [found | ({"reason": RESTRICTED} if restricted else {})]}


def _enabled(on: bool) -> str:
    return "Enabled" if on else "Disabled"


def _editions(offer: Offer) -> Iterator[Values]:
    disks = [{"storageSizeMb": size * 1024, "status": "Available"} for size in STORAGE_GIB]
    for tier in ("Burstable", "GeneralPurpose", "MemoryOptimized"):
        yield {
            "name": tier,
            "status": "Available",
            "supportedServerSkus": [
                {"name": name, "vCores": cores, "supportedHaMode": [] if tier == "Burstable" else offer.modes}
                | (
                    {"status": "Disabled", "reason": "The region has no capacity for this size."}
                    if name in offer.without_capacity
                    else {"status": "Available"}
                )
                for its, name, cores in offer.skus()
                if its == tier
            ],
            "supportedStorageEditions": [{"name": "ManagedDisk", "supportedStorageMb": disks}],
        }


def check_new_server(inputs: Values, scenario: Mapping[str, Any]) -> None:
    """Refuse what the region does not offer to a new server."""
    location = str(inputs.get("location", ""))
    if location and not is_listed(location):
        raise Failure(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type "
            "'Microsoft.DBforPostgreSQL/flexibleServers'.",
        )
    offer = Offer.of(location, scenario)
    if offer.is_restricted:
        raise Failure(
            400,
            "LocationIsOfferRestricted",
            f"Subscriptions are restricted from provisioning in location '{offer.location}'. "
            "Try again in a different location.",
        )
    sku = (inputs.get("sku") or {}).get("name")
    names = [name for _, name, _ in offer.skus() if name not in offer.without_capacity]
    if sku is not None and sku not in names:
        raise out_of_range("Sku.Name", names)
    mode = mode_of(inputs)
    if mode == "ZoneRedundant" and not offer.zone_redundant:
        raise Failure(400, "HADisabledForRegion", f"HA is disabled for region {offer.location}.")
    if (inputs.get("backup") or {}).get("geoRedundantBackup") == "Enabled" and not offer.geo_backup:
        raise out_of_range("GeoRedundantBackup", ["Disabled"])


def out_of_range(parameter: str, allowed: list[str]) -> Failure:
    return Failure(
        400,
        "ParameterOutOfRange",
        f"The value of the '{parameter}' should be in: [{', '.join(allowed)}]. "
        "Verify that the specified parameter value is correct.",
    )


def check_server_change(inputs: Values, present: Resource) -> None:
    """Refuse an update that takes storage away, or names another zone; empty, a zone is left to Azure."""
    size, now = ((of.get("storage") or {}).get("storageSizeGB") for of in (inputs, present["outputs"]))
    if size is not None and now is not None and size < now:
        raise Failure(
            400,
            "UpsertServerManagementOperationDowngradeDiskSizeUnsupported",
            f"Requested data Disk size '{size * 1024}' cannot be less than current size '{now * 1024}'. Please make sure to "
            "request correct disk size.",
        )
    zone = inputs.get("availabilityZone")
    if zone and zone != present["outputs"].get("availabilityZone"):
        raise Failure(
            400, "InvalidParameterValue", "Invalid value given for parameter availabilityZone. Specify a valid parameter value."
        )


def takes_passwords(values: Mapping[str, Any]) -> bool:
    return bool((values.get("authConfig") or {}).get("passwordAuth", "Enabled") == "Enabled")


def takes_tokens(values: Mapping[str, Any]) -> bool:
    return bool((values.get("authConfig") or {}).get("activeDirectoryAuth") == "Enabled")


def check_logins(inputs: Values, present: Resource) -> None:
    """Refuse to enable passwords on a server that was made without them, unless an administrator comes along."""
    given = inputs.get("administratorLogin") and inputs.get("administratorLoginPassword")
    if takes_passwords(inputs) and not takes_passwords(present["inputs"]) and not given:
        raise Failure(
            400,
            "EngineCredentialsNotProvided",
            "The admin credentials are required for creating admin role while enabling Password Authentication and must be "
            "provided.",
        )


def check_administrator(inputs: Values, server: Resource | None) -> None:
    """Refuse an administrator of Entra on a server that knows no tokens, and a name that PostgreSQL would cut."""
    if server is not None and not takes_tokens(server["inputs"]):
        raise Failure(
            400, "AadAuthNotEnabled", "Microsoft Entra authentication is not enabled on the server: enable it in authConfig."
        )
    if not inputs.get("principalName") or not inputs.get("tenantId") or not inputs.get("principalType"):
        raise Failure(400, "InvalidParameterValue", "principalName, principalType and tenantId are required")
    if len(str(inputs["principalName"]).encode()) > 63:
        raise Failure(400, "InvalidParameterValue", "principalName is the name of a role, which has 63 bytes at most")


def mode_of(values: Mapping[str, Any]) -> str:
    return str((values.get("highAvailability") or {}).get("mode") or "Disabled")


def placed(outputs: Values, old: Values) -> Values:
    """The zones of a server: those that are given, those that it has, or those that Azure chooses."""
    if region(str(outputs.get("location", ""))) in WITHOUT_ZONES:
        return {}
    zone = outputs.get("availabilityZone") or old.get("availabilityZone") or "1"
    mode = mode_of(outputs)
    standby = (outputs.get("highAvailability") or {}).get("standbyAvailabilityZone")
    if not standby and mode == mode_of(old):
        standby = (old.get("highAvailability") or {}).get("standbyAvailabilityZone")
    if mode == "Disabled":
        return {"availabilityZone": zone, "highAvailability": {"mode": mode, "state": "NotEnabled"}}
    chosen = standby or (zone if mode == "SameZone" else "2" if zone == "1" else "1")
    return {
        "availabilityZone": zone,
        "highAvailability": {"mode": mode, "state": "Healthy", "standbyAvailabilityZone": chosen},
    }


def document(server_id: str, outputs: Mapping[str, Any]) -> Values:
    """A server as Azure Resource Manager answers it: what azure-native lifts to the top is below `properties`."""
    above = ("location", "name", "sku", "tags", "type", "identity", "systemData")
    return {
        "id": server_id,
        **{key: outputs[key] for key in above if key in outputs},
        "properties": {key: value for key, value in outputs.items() if key not in (*above, "azureApiVersion")},
    }
