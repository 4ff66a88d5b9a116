"""Who manages what a stack declares: each resource records its stack with the service, so that nobody else changes it there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pulumi

from vision_customization.contract.owners import pulumi_owner
from vision_customization.customization.errors import NotFound

if TYPE_CHECKING:
    from vision_customization.customization.client.client import VisionClient


def this_stack() -> str:
    """The `managed_by` of the program's resources."""
    return pulumi_owner(pulumi.get_project(), pulumi.get_stack())


def own_model(service: VisionClient, name: str, properties: Mapping[str, Any]) -> None:
    """Record who manages a model that exists. A service that records no owners of models answers 404: it goes on without."""
    if (managed_by := properties.get("managed_by")) is not None:
        with suppress(NotFound):
            service.set_model_owner(name, managed_by)


def other_owner(managed_by: str | None, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The owner that the service shows now, if it is another one than in the state.

    No owner is not another one: that is what a service shows that records none. Neither is any, if the state was written before
    there were owners.
    """
    recorded = properties.get("managed_by")
    return {} if None in (recorded, managed_by) or managed_by == recorded else {"managed_by": managed_by}
