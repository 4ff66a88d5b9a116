"""The container that the Studio writes to: new pictures, versions, and what drafts need to stay. Blobs are only ever added."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Protocol

from pydantic import SecretStr

from vision_customization.common.blob_container import open_container, refusal_code
from vision_customization.common.dataset_content.blob_names import write_new
from vision_customization.common.storage_refusal import why_refused
from vision_customization.contract.enums import AuthenticationKind
from vision_customization.engine.blobs.identity import ManagedIdentity, named
from vision_customization.engine.drafts.errors import ContainerRefuses
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

SINGLE_PUT_BYTES = 256 * 1024 * 1024
"""Azure allows a Put Blob with the right to add blobs, but blocks, in which larger blobs are written, only with the right to
overwrite them. A COCO file of 100,000 images has some 50 MB."""

Authentication = tuple[AuthenticationKind, SecretStr | None]


class Container(Protocol):
    """A container to which blobs are added. `url` has no query and no slash at its end; `authentication` is how a dataset in it
    is read."""

    @property
    def url(self) -> str: ...

    @property
    def authentication(self) -> Authentication: ...

    def write(self, name: str, data: bytes | BinaryIO, content_type: str) -> bool:
        """Add a blob, unless there is one of this name; returns whether it was added. Raises ContainerRefuses."""
        ...


class StudioContainer:
    """The container of the setting `studio_container`."""

    def __init__(self, container: ContainerClient, authentication: Authentication, who: str) -> None:
        self._container = container
        self.authentication = authentication
        self.url = str(container.url).partition("?")[0].rstrip("/")
        self._who = who

    @classmethod
    def open(cls, settings: Settings) -> StudioContainer | None:
        """None if the setting is not there. Raises SettingsError if it has no token, and the engine has no identity."""
        if settings.studio_container is None:
            return None
        url, _, token = settings.studio_container.get_secret_value().partition("?")
        if token:
            keyed = open_container(url, sas_token=token, single_put_bytes=SINGLE_PUT_BYTES)
            return cls(keyed, (AuthenticationKind.SAS, SecretStr(token)), "the SAS token")
        identity = ManagedIdentity()
        if not identity.exists:
            raise SettingsError(
                f"studio_container (VISION_ENGINE_STUDIO_CONTAINER): the engine has no managed identity to write to {url}. "
                "Assign one to the host that runs the engine, or add a SAS token to the address."
            )
        client = open_container(url, credential=identity.credential, single_put_bytes=SINGLE_PUT_BYTES)
        return cls(client, (AuthenticationKind.MANAGED_IDENTITY, None), named(identity))

    def close(self) -> None:
        self._container.close()

    def write(self, name: str, data: bytes | BinaryIO, content_type: str) -> bool:
        from azure.core.exceptions import HttpResponseError

        with self._explained(name):
            try:
                return write_new(self._container, name, data, content_type)
            except HttpResponseError as error:
                # A right to create alone does not cover a blob that exists, not even to be told so.
                if error.status_code == 403 and self._container.get_blob_client(name).exists():
                    return False
                raise

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        from azure.core.exceptions import AzureError, HttpResponseError

        try:
            yield
        except AzureError as error:
            status = error.status_code if isinstance(error, HttpResponseError) else None
            code = getattr(error, "error_code", None)
            if isinstance(error, HttpResponseError) and status in (401, 403):
                missing = f"{self._who} needs the right to create blobs in it (a new role takes minutes, and a token expires)"
                why = f"refuses it ({status} {getattr(code, 'value', code) or ''}".rstrip()
                why += f"): {why_refused(refusal_code(error), self._who, missing)}"
            elif status is None:
                why = f"can't be reached ({type(error).__name__})"
            else:
                why = f"answers {status} {getattr(code, 'value', code) or ''}".rstrip()
            raise ContainerRefuses(f"{name} was not written: the container {self.url} {why}.") from None
