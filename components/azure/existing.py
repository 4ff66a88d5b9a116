"""Resources that are there already, and that a stack uses but never changes."""

import re
from dataclasses import dataclass

_ARM_ID = re.compile(
    r"/subscriptions/(?P<subscription_id>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)/providers/(?P<provider>[^/]+)"
    r"/(?P<type>[^/]+)/(?P<name>[^/]+)",
    re.IGNORECASE,
)


TYPES = {
    "container_registry": "Microsoft.ContainerRegistry/registries",
    "log_workspace": "Microsoft.OperationalInsights/workspaces",
    "identity": "Microsoft.ManagedIdentity/userAssignedIdentities",
}
"""The type of the resource that each of these arguments names by its ARM id."""


@dataclass(frozen=True)
class Existing:
    """`existing`: the name of a resource group, or the ARM id of another resource, in the stack's own subscription."""

    existing: str


@dataclass(frozen=True)
class ArmId:
    """The parts of the id of a resource directly below a resource group."""

    subscription_id: str
    resource_group: str
    name: str

    @classmethod
    def of(cls, what: str, text: str, arm_type: str) -> "ArmId":
        """Raises ValueError unless `text` is the id of a resource of type `arm_type`, such as `Microsoft.App/containerApps`."""
        found = _ARM_ID.fullmatch(text.rstrip("/"))
        if found is None or f"{found['provider']}/{found['type']}".lower() != arm_type.lower():
            raise ValueError(
                f"{what} '{text}': must be the id of a resource of type {arm_type}, like "
                f"/subscriptions/<id>/resourceGroups/<group>/providers/{arm_type}/<name>"
            )
        return cls(found["subscription_id"], found["resource_group"], found["name"])
