"""Who manages a dataset, a model or a published name. What a Pulumi stack declares says so in `managedBy`."""

from __future__ import annotations

import re
from dataclasses import dataclass

MANAGED_BY = "managedBy"
"""The custom property of a dataset; models and published names have a field of this name, an extension of the contract."""

MANAGED_BY_PATTERN = r"^[a-z][a-z0-9-]*:[a-zA-Z0-9._-]+/[a-zA-Z0-9._-]+$"
"""`pulumi:photos/dev`: the tool, its project and its stack."""

MANAGED_BY_MAX_LENGTH = 255

PULUMI = "pulumi"

RESERVED = f"'{MANAGED_BY}' is set by the Dataset itself, and names its stack. Choose another name for your custom property"
"""Why a dataset that is declared can't have a custom property of this name."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who manages something. `project` and `stack` are empty if the text that names the owner has another form; `tool` is then
    the whole text."""

    tool: str
    project: str = ""
    stack: str = ""

    def __str__(self) -> str:
        """For people: ``the Pulumi stack `photos/dev` ``."""
        if self.tool == PULUMI and self.stack:
            return f"the Pulumi stack `{self.project}/{self.stack}`"
        return f"{self.tool}:{self.project}/{self.stack}" if self.stack else self.tool


def pulumi_owner(project: str, stack: str) -> str:
    """The `managedBy` of what a Pulumi stack declares: `pulumi:photos/dev`."""
    return f"{PULUMI}:{project}/{stack}"


def owner_of(managed_by: str | None) -> Owner | None:
    """The owner that a `managedBy` names; None if there is none. A dataset's custom property can have any text: that is an
    owner, too."""
    if not managed_by:
        return None
    if not re.fullmatch(MANAGED_BY_PATTERN, managed_by):
        return Owner(managed_by)
    tool, _, place = managed_by.partition(":")
    project, _, stack = place.partition("/")
    return Owner(tool, project, stack)
