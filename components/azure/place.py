"""The resource group, region and tags of an environment's resources."""

from dataclasses import dataclass, field

import pulumi


@dataclass(frozen=True)
class Place:
    """A resource group, a region, and tags."""

    resource_group_name: pulumi.Input[str]
    location: str
    tags: dict[str, str] = field(default_factory=dict)


def region_name(location: str) -> str:
    """`eastus` for `East US`: Azure accepts both, and answers with the first."""
    return location.replace(" ", "").lower()
