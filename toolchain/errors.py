"""What can go wrong while a checkout is set up."""

from __future__ import annotations


class ToolchainError(Exception):
    """A step can't be done: what was wrong, and what to do."""


class NotHere(ToolchainError):
    """This way to get a tool is not open on this machine; the next one may be."""
