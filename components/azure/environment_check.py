"""Whether the Container Apps environment, if it exists, can become what is declared; asked before anything is changed."""

from http.client import FORBIDDEN, NOT_FOUND, OK

from vision_customization.common.errors import VisionError
from vision_customization.components.azure.resource_manager import NoAnswer, get

API_VERSION = "2024-03-01"


class AddressIsFixed(VisionError):
    """The environment exists, and Azure neither takes a public address away from it nor gives it one."""


def check_environment(token: str, environment_id: str, *, internal: bool) -> list[str]:
    """Ask Azure about the environment; returns warnings about what it did not tell.

    Args:
        token: for Azure Resource Manager.
        environment_id: ARM id of the environment, whether it exists or not.
        internal: whether it is to have no public address.

    Raises:
        AddressIsFixed: it exists, and is not as declared.
        NoAnswer: Azure can't be reached, or does not say.
    """
    answer = get(token, environment_id, API_VERSION)
    if answer.status == FORBIDDEN:
        return [f"not checked before the update: the environment {environment_id} ({answer.fault})"]
    if answer.status == NOT_FOUND:
        return []
    if answer.status != OK:
        raise NoAnswer(f"Azure did not describe the environment {environment_id} ({answer.fault}). Run the command again")
    network = (answer.document.get("properties") or {}).get("vnetConfiguration") or {}
    if bool(network.get("internal")) == internal:
        return []
    found, keep = ("has a public address", "false") if internal else ("has no public address", "true")
    raise AddressIsFixed(
        f"the Container Apps environment {environment_id} {found}, and Azure can't change that. Nothing was changed. Set "
        f"`azure.privateNetwork: {keep}` to keep it, or move to a stack with another `azure.name`"
    )
