"""Finds the pictures of outcomes: in a folder of this machine, else in blob storage."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vision_customization.common.blob_container import AZURE_BLOB_SUFFIXES, open_blob, storage_errors
from vision_customization.common.dataset_content.image_formats import EXTENSIONS
from vision_customization.common.errors import StorageError, VisionError
from vision_customization.common.file_digest import file_digest
from vision_customization.common.loopback import LOOPBACK_HOSTS
from vision_customization.contract.limits import IMAGE_BYTES_MAX

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from vision_customization.contract.outcomes import Outcome


class PictureUnreadable(VisionError):
    """A picture that is not shown; the text says why."""


class Pictures:
    """Reads pictures by their digest, so that one is never mistaken for another.

    Args:
        folder: a local dataset: its pictures are found by their names, else by their content.
        account_key: of the storage account. [default: `credential`, and without that the caller's Entra identity]
    """

    def __init__(self, folder: Path | None, account_key: str | None = None, credential: TokenCredential | None = None) -> None:
        self._folder = folder
        self._account_key = account_key
        self._credential = credential

    def path(self, outcome: Outcome) -> Path | None:
        """The picture's file on this machine, if it is there."""
        if self._folder is None:
            return None
        if outcome.file_name:
            path = self._folder / outcome.file_name
            if path.is_file() and file_digest(path) == outcome.digest:
                return path
        return self._by_digest.get(outcome.digest)

    def read(self, outcome: Outcome) -> bytes:
        """Raises PictureUnreadable."""
        try:
            path = self.path(outcome)
            data = path.read_bytes() if path is not None else self._download(outcome.image)
        except OSError as error:
            raise PictureUnreadable(f"can't be read: {error.strerror or error}") from None
        if hashlib.sha256(data).hexdigest() != outcome.digest:
            raise PictureUnreadable("has changed since")
        return data

    def _download(self, url: str) -> bytes:
        host = urlsplit(url).hostname or ""
        # The identity's token must reach no other host, whatever an annotation file names.
        if host not in LOOPBACK_HOSTS and not (host.endswith(AZURE_BLOB_SUFFIXES) and url.startswith("https://")):
            raise PictureUnreadable("is not in Azure Blob Storage: pass the folder of the pictures with --images")
        if host in LOOPBACK_HOSTS and self._account_key is None:
            raise PictureUnreadable("needs --images, or the storage account's key in VISION_STORAGE_KEY")
        try:
            with (
                storage_errors("the picture"),
                open_blob(url, account_key=self._account_key, credential=self._credential) as blob,
            ):
                return blob.download_blob(0, IMAGE_BYTES_MAX).readall()
        except StorageError as error:
            raise PictureUnreadable(f"can't be read: {str(error).removeprefix('the picture: ')}") from None

    @cached_property
    def _by_digest(self) -> dict[str, Path]:
        assert self._folder is not None
        files = (file for file in sorted(self._folder.rglob("*")) if file.suffix.lower() in EXTENSIONS and file.is_file())
        return {file_digest(file): file for file in files}
