"""Whether existing subnets fit, asked before anything is created."""

from collections.abc import Mapping
from http.client import FORBIDDEN, NOT_FOUND, OK
from ipaddress import IPv4Network
from typing import Any

from vision_customization.common.errors import VisionError
from vision_customization.components.azure.resource_manager import NoAnswer, get

API_VERSION = "2024-05-01"

DELEGATES = {"apps": "Microsoft.App/environments", "database": "Microsoft.DBforPostgreSQL/flexibleServers"}
"""The services that take over a subnet."""

LONGEST_PREFIX = {"apps": 27, "database": 28}
"""Azure's least sizes (sources in `address_plan`)."""


class SubnetNotUsable(VisionError):
    """A given subnet does not exist, is not delegated as it must be, or is too small."""


def check_subnet(token: str, what: str, subnet_id: str) -> str | None:
    """Ask Azure about a subnet that is given for `apps`, `database` or `endpoints`; returns a warning if it can't be checked.

    Raises:
        SubnetNotUsable: it does not fit, with what was expected.
        NoAnswer: Azure can't be reached, or does not answer.
    """
    answer = get(token, subnet_id, API_VERSION)
    if answer.status == FORBIDDEN:
        return f"not checked before the update: the subnet {subnet_id} ({answer.fault})"
    if answer.status == NOT_FOUND:
        raise SubnetNotUsable(f"network.existing.{what}Subnet {subnet_id} does not exist. Nothing was created")
    if answer.status != OK:
        raise NoAnswer(f"Azure did not describe the subnet {subnet_id} ({answer.fault}). Run the command again")
    if problem := subnet_problem(what, answer.document):
        raise SubnetNotUsable(f"network.existing.{what}Subnet {subnet_id} {problem}. Nothing was created")
    return None


def subnet_problem(what: str, document: Mapping[str, Any]) -> str | None:
    """Why a subnet, as Azure Resource Manager describes it, does not fit; None if it does."""
    properties = document.get("properties") or {}
    found = [str((each.get("properties") or {}).get("serviceName")) for each in properties.get("delegations") or []]
    wanted = DELEGATES.get(what)
    if [service.lower() for service in found] != ([wanted.lower()] if wanted else []):
        return f"is delegated to {', '.join(found) or 'nothing'}. It must be delegated to {wanted or 'nothing'}"
    prefixes = properties.get("addressPrefixes") or [properties.get("addressPrefix")]
    sizes = [IPv4Network(prefix).prefixlen for prefix in prefixes if prefix and ":" not in prefix]
    least = LONGEST_PREFIX.get(what)
    if least and sizes and min(sizes) > least:
        return f"is a /{min(sizes)}. It must be /{least} or larger"
    return None
