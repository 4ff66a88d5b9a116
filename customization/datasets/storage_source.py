"""Reading a dataset where it is: its annotation files and images by their URLs, with the caller's own rights."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from vision_customization.common.blob_container import (
    AZURE_BLOB_SUFFIXES,
    CONNECTIONS,
    container_of_blob,
    open_container,
    storage_errors,
)
from vision_customization.common.errors import StorageError
from vision_customization.common.loopback import LOOPBACK_HOSTS
from vision_customization.common.redaction import without_query
from vision_customization.contract.limits import IMAGE_BYTES_MAX
from vision_customization.customization.datasets.copying import ImageRefused

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

_ANNOTATIONS_BYTES_MAX = 1 << 30
_TIMEOUT_SECONDS = (10.0, 60.0)


class StorageSource:
    """A registered dataset.

    A URL with a query (a SAS token) is read as it is, without further rights. So is one of a host that is not blob storage: key
    and identity never go there.

    Args:
        uris: its annotation files.
        account_key: of the storage account; by default `credential`, and without that the caller's Entra identity.
    """

    connections = CONNECTIONS

    def __init__(
        self, uris: Sequence[str], *, account_key: str | None = None, credential: TokenCredential | None = None
    ) -> None:
        self._uris = uris
        self._account_key = account_key
        self._credential = credential
        self._containers: dict[str, ContainerClient] = {}
        self._lock = threading.Lock()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def annotation_files(self) -> Sequence[tuple[str, bytes]]:
        files = []
        for uri in self._uris:
            try:
                files.append((without_query(uri), self._read(uri, _ANNOTATIONS_BYTES_MAX)))
            except ImageRefused as error:
                raise StorageError(f"{without_query(uri)}: {error}") from None
        return files

    def image(self, url: str) -> bytes:
        return self._read(url, IMAGE_BYTES_MAX)

    def _read(self, url: str, max_bytes: int) -> bytes:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.query or not (host.endswith(AZURE_BLOB_SUFFIXES) or host in LOOPBACK_HOSTS):
            return _get(url, max_bytes)
        from azure.core.exceptions import ResourceNotFoundError

        root = container_of_blob(url)
        with storage_errors(without_query(url)):
            container = self._container(root)
            try:
                download = container.download_blob(unquote(url.removeprefix(f"{root}/")))
                if download.size > max_bytes:
                    raise ImageRefused(f"has {download.size:,} bytes; at most {max_bytes:,} are allowed")
                return download.readall()
            except ResourceNotFoundError:
                raise ImageRefused("is not in storage") from None

    def _container(self, root: str) -> ContainerClient:
        with self._lock:
            if root not in self._containers:
                opened = open_container(root, account_key=self._account_key, credential=self._credential)
                self._containers[root] = self._open.enter_context(opened)
            return self._containers[root]


def _get(url: str, max_bytes: int) -> bytes:
    """What a URL answers to anybody. Raises ImageRefused, StorageError."""
    import requests

    shown = without_query(url)
    try:
        # A redirect could lead anywhere.
        with requests.get(url, timeout=_TIMEOUT_SECONDS, stream=True, allow_redirects=False) as response:
            if response.status_code != 200:
                raise ImageRefused(f"its host answers {response.status_code}")
            data = bytearray()
            for chunk in response.iter_content(1 << 20):
                data += chunk
                if len(data) > max_bytes:
                    raise ImageRefused(f"has more than {max_bytes:,} bytes")
            return bytes(data)
    except requests.RequestException as error:
        raise StorageError(f"{shown}: can't be read ({type(error).__name__}). Run the same command again") from None
