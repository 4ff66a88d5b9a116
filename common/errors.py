"""Errors that both the client and the engine raise."""

from __future__ import annotations


class VisionError(Exception):
    """Base class of every error that this package raises on purpose."""


class StorageError(VisionError):
    """Blob storage refused the request, or can't be reached. Uploaded data stays, and the next upload continues from there."""


class AccessRefused(StorageError):
    """Blob storage answered 401 or 403. `code` is the storage's own."""

    def __init__(self, message: str, code: str | None) -> None:
        super().__init__(message)
        self.code = code
