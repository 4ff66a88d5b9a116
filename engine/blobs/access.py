"""How the blobs of one dataset are read: with its SAS token, in the containers that the token is for, or with the engine's own
identity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from pydantic import SecretStr

from vision_customization.contract.limits import IMAGE_BYTES_MAX
from vision_customization.engine.blobs.address import BlobAddress, BlobError, Container

if TYPE_CHECKING:
    from vision_customization.engine.blobs.reader import Blob, NotModified, Spooled


class Reader(Protocol):
    """What reads a blob; `BlobReader`."""

    def read(
        self,
        url: str,
        *,
        sas: SecretStr | None = ...,
        sas_scope: str | None = ...,
        identity: bool = ...,
        etag: str | None = ...,
        max_bytes: int = ...,
        limit_seconds: float | None = ...,
        on_wait: Callable[[str], None] | None = ...,
    ) -> "Blob | NotModified": ...


class Spooler(Protocol):
    """What writes a blob to a file; `BlobReader`."""

    def spool(
        self,
        url: str,
        target: BinaryIO,
        *,
        sas: SecretStr | None = ...,
        sas_scope: str | None = ...,
        identity: bool = ...,
        etag: str | None = ...,
        max_bytes: int = ...,
        limit_seconds: float | None = ...,
        on_wait: Callable[[str], None] | None = ...,
    ) -> "Spooled | NotModified": ...


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials of a dataset. `scopes` are the containers that the SAS token is for: those of the annotation files."""

    sas: SecretStr | None
    identity: bool
    scopes: tuple[str, ...]

    def scope_of(self, url: str) -> str | None:
        """The container of the blob, if the token may be used there."""
        if self.sas is None:
            return None
        try:
            address = BlobAddress.parse(url)
        except BlobError:
            return None
        return next((scope for scope in self.scopes if Container.of(f"{scope}/x").holds(address)), None)

    def has_credentials_for(self, url: str) -> bool:
        """Whether the token, or the engine's identity, may be used for the blob: if it is denied, they are at fault."""
        return self.identity or self.scope_of(url) is not None

    def read(
        self,
        reader: "Reader",
        url: str,
        *,
        etag: str | None = None,
        max_bytes: int = IMAGE_BYTES_MAX,
        limit_seconds: float | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> "Blob | NotModified":
        """`BlobReader.read` with these credentials. Raises BlobError."""
        scope = self.scope_of(url)
        return reader.read(
            url,
            sas=self.sas if scope is not None else None,
            sas_scope=scope,
            identity=self.identity,
            etag=etag,
            max_bytes=max_bytes,
            limit_seconds=limit_seconds,
            on_wait=on_wait,
        )

    def spool(
        self,
        reader: "Spooler",
        url: str,
        target: BinaryIO,
        *,
        max_bytes: int,
        etag: str | None = None,
        limit_seconds: float | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> "Spooled | NotModified":
        """`BlobReader.spool` with these credentials. Raises BlobError."""
        scope = self.scope_of(url)
        return reader.spool(
            url,
            target,
            sas=self.sas if scope is not None else None,
            sas_scope=scope,
            identity=self.identity,
            etag=etag,
            max_bytes=max_bytes,
            limit_seconds=limit_seconds,
            on_wait=on_wait,
        )
