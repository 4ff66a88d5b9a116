"""What both the client and the engine raise."""

from __future__ import annotations


class VisionError(Exception):
    """Everything that this package raises on purpose."""


class StorageError(VisionError):
    """Blob storage refused, or can't be reached. What was uploaded before stays, and the next upload goes on from it."""
