"""Where the parts of an environment stand, and what all of them are marked with."""

from dataclasses import dataclass, field

import pulumi


@dataclass(frozen=True)
class Place:
    """A resource group, a region, and tags."""

    resource_group_name: pulumi.Input[str]
    location: str
    tags: dict[str, str] = field(default_factory=dict)
