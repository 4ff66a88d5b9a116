"""Errors while a checkout is set up."""

from __future__ import annotations


class ToolchainError(Exception):
    """A step failed. The message says what is wrong, and what to do."""


class NotHere(ToolchainError):
    """This way to get a tool does not work on this machine; the next one may."""
