"""What Azure offers for the database, asked before anything is created: a region may lack its size, its standby, its backups.

It answers below `Microsoft.DBforPostgreSQL/locations/{location}`, and below the id of a server that exists, at `/capabilities`
(azure-rest-api-specs, specification/postgresql/resource-manager/Microsoft.DBforPostgreSQL/PostgreSQL/models.tsp, `Capability`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import FORBIDDEN, NOT_FOUND, OK
from typing import TYPE_CHECKING, Any

from vision_customization.common.errors import VisionError
from vision_customization.components.azure.place import region_name
from vision_customization.components.azure.resource_manager import Answer, NoAnswer, get

if TYPE_CHECKING:
    from vision_customization.components.azure.args import DatabaseSize

API_VERSION = "2025-08-01"
VERSION = "16"
"""The major version of PostgreSQL."""

ENDS_PASSWORDS = (
    "the database takes passwords now, and with database.login 'entra' it will not. The update restarts it and hands its "
    "tables over to the engine's role; the engine does not answer for some minutes. Set azure.database.login to 'password' to "
    "leave it as it is (docs/azure-database.md#no-passwords)"
)
GIB_IN_MIB = 1024
_SHOWN = 8
_CORES = re.compile(r"Standard_[A-Z]+(\d+)")

Capability = Mapping[str, Any]


class NotOffered(VisionError):
    """Azure does not offer the database that the program declares."""


class WouldBeReplaced(VisionError):
    """The update would replace the database server, whose data would be lost."""


@dataclass(frozen=True)
class Server:
    """A server that exists; `in_subnet`: only a subnet reaches it, which can't be changed later."""

    sku: str
    high_availability: str
    storage_gb: int
    in_subnet: bool = True
    takes_passwords: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Server":
        properties = document.get("properties") or {}
        return cls(
            sku=str((document.get("sku") or {}).get("name", "")),
            high_availability=str((properties.get("highAvailability") or {}).get("mode", "Disabled")),
            storage_gb=int((properties.get("storage") or {}).get("storageSizeGB", 0)),
            in_subnet=bool((properties.get("network") or {}).get("delegatedSubnetResourceId")),
            takes_passwords=(properties.get("authConfig") or {}).get("passwordAuth") == "Enabled",
        )


@dataclass(frozen=True)
class Found:
    """The result of the check.

    `storage_gb`: the size of the disk to declare, never below what it has: Azure makes it larger as it fills up, and refuses
    any update that asks for less. `warnings`: what could not be checked, and what the update will interrupt.
    """

    storage_gb: int
    warnings: Sequence[str] = ()


def check_capabilities(token: str, server_id: str, location: str, size: "DatabaseSize") -> Found:
    """Ask Azure whether it offers the database. A server that exists is asked about what changes, and only about that.

    Args:
        token: for Azure Resource Manager.
        server_id: ARM id of the server, whether it exists or not.

    Raises:
        NotOffered: Azure does not offer it, with what it offers instead.
        WouldBeReplaced: the server exists and can't have the declared access.
        NoAnswer: Azure can't be reached, or does not say whether the server exists.
    """
    answer = get(token, server_id, API_VERSION)
    if answer.status == FORBIDDEN:
        return Found(size.storage_gb, [f"not checked before the update: the server {server_id} ({answer.fault})"])
    if answer.status not in (OK, NOT_FOUND):
        raise NoAnswer(f"Azure did not say whether there is a server {server_id} ({answer.fault}). Run the command again")
    server = Server.of(answer.document) if answer.status == OK else None
    if server:
        check_access(server, server_id, size.access)
    if size.restored_server is not None:
        _check_restored(token, f"{server_id.rpartition('/')[0]}/{size.restored_server}")
    interrupts = (ENDS_PASSWORDS,) if server and server.takes_passwords and size.login == "entra" else ()
    found = Found(max(size.storage_gb, server.storage_gb if server else 0), interrupts)
    if server and not is_changed(server, size):
        return found
    subscription = "/".join(server_id.split("/")[:3])
    place = f"{subscription}/providers/Microsoft.DBforPostgreSQL/locations/{region_name(location)}"
    answer = get(token, f"{server_id if server else place}/capabilities", API_VERSION)
    if answer.status == FORBIDDEN:
        unchecked = f"not checked before the update: what '{location}' offers for PostgreSQL ({answer.fault})"
        return Found(found.storage_gb, [*interrupts, unchecked])
    faults = list(_faults(answer, location, size, server))
    if faults:
        raise NotOffered(
            f"{'; '.join(faults)}. Nothing was created. `az postgres flexible-server list-skus --location "
            f"{region_name(location)}` lists what Azure offers to this subscription"
        )
    return found


def _check_restored(token: str, server_id: str) -> None:
    """Raises NotOffered if there is no such server."""
    if get(token, server_id, API_VERSION).status == NOT_FOUND:
        raise NotOffered(
            f"database.restoredServer: there is no {server_id}. Restore it first (docs/azure-database.md), or "
            "remove the setting. Nothing was changed"
        )


def check_access(server: Server, server_id: str, access: str) -> None:
    """Raises WouldBeReplaced if an existing server is not in a subnet as `access` says, or is in one against it."""
    if server.in_subnet == (access == "network"):
        return
    found, keep = ("in a subnet", "network") if server.in_subnet else ("outside of a network", "azureServices")
    raise WouldBeReplaced(
        f"the database server {server_id} is {found}, and Azure can't move it: this would replace it, and lose its data. "
        f"Nothing was changed. Set `azure.database.access: {keep}` to keep it, or move its data to a new stack first "
        '(docs/azure-network.md, "A stack of an earlier version")'
    )


def is_changed(server: Server, size: "DatabaseSize") -> bool:
    """Whether an update would ask for something that the server does not have yet."""
    return (
        server.sku.lower() != size.sku.lower()
        or (size.high_availability != "Disabled" and server.high_availability != size.high_availability)
        or server.storage_gb < size.storage_gb
    )


def not_offered(offer: Capability, location: str, size: "DatabaseSize", server: Server | None = None) -> Iterator[str]:
    """What of `size` the answer of Azure does not have, each with what to do. `server`: the one that exists, if any."""
    reason = _restriction(offer)
    if server is None and reason is not None:
        yield (
            f"location '{location}': Azure does not let this subscription create PostgreSQL servers there ({reason}). "
            "Set azure.location to another region, or ask for access with a support request"
        )
        return
    sku, others = _sku(offer, size)
    resized = server is None or server.sku.lower() != size.sku.lower()
    if resized:
        yield from _sku_faults(sku, others, location, size)
    if server is None:
        yield from _version_faults(offer, location)
        yield from _backup_faults(offer, location, size)
    if server is None or server.storage_gb < size.storage_gb:
        yield from _storage_faults(offer, location, size)
    if sku and (resized or server is None or server.high_availability != size.high_availability):
        yield from _availability_faults(offer, sku, location, size)


def _faults(answer: Answer, location: str, size: "DatabaseSize", server: Server | None) -> Iterator[str]:
    offers = answer.document.get("value") or []
    if answer.status != OK or not offers:
        what = answer.fault if answer.status != OK else "an empty list"
        yield (
            f"location '{location}': asked what it offers there for PostgreSQL, Azure answered {what}. Check the region's name"
        )
        return
    yield from not_offered(offers[0], location, size, server)


def _restriction(offer: Capability) -> str | None:
    """Azure's reason why the subscription may create nothing in the region; None if it may."""
    is_restricted = _feature(offer, "OfferRestricted") == "Enabled" or offer.get("restricted") == "Enabled"
    if not is_restricted and offer.get("status") != "Disabled" and offer.get("supportedServerEditions"):
        return None
    return str(offer.get("reason") or "it gives no reason").rstrip(".")


def _feature(offer: Capability, name: str) -> str | None:
    """`Enabled` or `Disabled`; None if the answer says nothing of the feature."""
    found = next((each for each in offer.get("supportedFeatures") or () if each.get("name") == name), None)
    return str(found.get("status")) if found else None


def _named(entries: Sequence[Capability] | None, name: str) -> Capability | None:
    return next((each for each in entries or () if str(each.get("name", "")).lower() == name.lower()), None)


def _sku(offer: Capability, size: "DatabaseSize") -> tuple[Capability | None, list[str]]:
    """The compute size, and the names of those of the tier that are available."""
    tier = _named(offer.get("supportedServerEditions"), size.tier)
    skus = (tier or {}).get("supportedServerSkus") or ()
    return _named(skus, size.sku), [str(each.get("name")) for each in skus if each.get("status") != "Disabled"]


def _sku_faults(sku: Capability | None, others: Sequence[str], location: str, size: "DatabaseSize") -> Iterator[str]:
    if sku is not None and sku.get("status") != "Disabled":
        return
    why = f" ({str(sku['reason']).rstrip('.')})" if sku and sku.get("reason") else ""
    like = [name for name in others if _cores(name) == _cores(size.sku)] or others
    instead = f"Set database.sku to one of {', '.join(like[:_SHOWN])}" if like else f"It offers nothing of the tier {size.tier}"
    yield (
        f"database.sku: location '{location}' does not offer {size.sku} of the tier {size.tier}{why}. "
        f"{instead}, or set azure.location to another region"
    )


def _cores(sku: str) -> str | None:
    found = _CORES.match(sku)
    return found[1] if found else None


def _version_faults(offer: Capability, location: str) -> Iterator[str]:
    versions = offer.get("supportedServerVersions")
    if versions is not None and _named(versions, VERSION) is None:
        yield f"location '{location}' does not offer PostgreSQL {VERSION}. Set azure.location to another region"


def _backup_faults(offer: Capability, location: str, size: "DatabaseSize") -> Iterator[str]:
    if not size.geo_redundant_backup:
        return
    if _is_disabled(offer, "GeoBackup", "geoBackupSupported"):
        yield (
            f"database.geoRedundantBackup: location '{location}' does not offer it. "
            "Set it to false, or azure.location to another region"
        )
    elif size.high_availability == "ZoneRedundant" and _is_disabled(
        offer, "ZoneRedundantHaAndGeoBackup", "zoneRedundantHaAndGeoBackupSupported"
    ):
        yield (
            f"database.geoRedundantBackup: location '{location}' does not offer it together with ZoneRedundant. "
            "Set it to false, or azure.location to another region"
        )


def _is_disabled(offer: Capability, feature: str, former: str) -> bool:
    """By the list of features; by the property that came before it, which Azure is going to remove, if the list lacks it."""
    return (_feature(offer, feature) or offer.get(former)) == "Disabled"


def _storage_faults(offer: Capability, location: str, size: "DatabaseSize") -> Iterator[str]:
    tier = _named(offer.get("supportedServerEditions"), size.tier)
    disks = _named((tier or {}).get("supportedStorageEditions"), "ManagedDisk")
    sizes = [int(each["storageSizeMb"]) // GIB_IN_MIB for each in (disks or {}).get("supportedStorageMb") or ()]
    if sizes and size.storage_gb not in sizes:
        yield (
            f"database.storageGb: location '{location}' has no disk of {size.storage_gb} GiB. "
            f"Choose from {', '.join(map(str, sizes))}"
        )


def _availability_faults(offer: Capability, sku: Capability, location: str, size: "DatabaseSize") -> Iterator[str]:
    mode, modes = size.high_availability, sku.get("supportedHaMode")
    blocked = mode == "ZoneRedundant" and _is_disabled(offer, "ZoneRedundantHa", "zoneRedundantHaSupported")
    if mode == "Disabled" or ((modes is None or mode in modes) and not blocked):
        return
    instead = [each for each in modes or () if each != mode]
    offered = f"Set it to {' or '.join(instead)}" if instead else "It offers no standby server for that size"
    yield (
        f"database.highAvailability: location '{location}' does not offer {mode} for {size.sku}. "
        f"{offered}, or set azure.location to a region that offers {mode}"
    )
