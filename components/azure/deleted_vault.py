"""Asking Azure before an update whether a deleted Key Vault blocks the name of the stack's own."""

from http.client import FORBIDDEN, NOT_FOUND, OK

from vision_customization.common.errors import VisionError
from vision_customization.components.azure.place import region_name
from vision_customization.components.azure.resource_manager import NoAnswer, get

API_VERSION = "2023-07-01"


class VaultDeleted(VisionError):
    """A vault of that name was deleted, and still blocks it."""


def deleted_vault(subscription_id: str, location: str, vault: str) -> str:
    """ARM id under which Azure keeps a deleted vault."""
    place = f"/subscriptions/{subscription_id}/providers/Microsoft.KeyVault/locations/{region_name(location)}"
    return f"{place}/deletedVaults/{vault}"


def check_deleted_vault(token: str, subscription_id: str, location: str, vault: str) -> list[str]:
    """Warnings about what Azure did not tell.

    Args:
        token: for Azure Resource Manager.
        vault: the name, which is unique in all of Azure.

    Raises:
        VaultDeleted: a deleted vault blocks the name.
        NoAnswer: Azure can't be reached, or does not say.
    """
    answer = get(token, deleted_vault(subscription_id, location, vault), API_VERSION)
    if answer.status == FORBIDDEN:
        return [f"not checked before the update: whether a deleted Key Vault blocks the name '{vault}' ({answer.fault})"]
    if answer.status == NOT_FOUND:
        return []
    if answer.status != OK:
        raise NoAnswer(
            f"Azure did not say whether a deleted Key Vault blocks the name '{vault}' ({answer.fault}). Run the command again"
        )
    properties = answer.document.get("properties") or {}
    named = f"--name {vault} --location {region_name(location)}"
    recover = f"If the stack still has it in its state, bring it back: az keyvault recover {named}."
    if properties.get("purgeProtectionEnabled"):
        other = (
            f"Otherwise set `azure.names.keyVault` to another name, since purge protection keeps this one until "
            f"{properties.get('scheduledPurgeDate', 'Azure removes it')}"
        )
    else:
        other = f"Otherwise purge it: az keyvault purge {named}"
    raise VaultDeleted(
        f"the Key Vault '{vault}' was deleted, and still blocks its name. Nothing was created. {recover} {other}"
    )
