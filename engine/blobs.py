"""Reading blobs over HTTP: only from allowed hosts, with the dataset's credentials and no one else's.

What may be read and where a SAS token may go is `blob_address`'s to say. Redirects are followed here, hop by hop, each
checked like the first URL, and a connection is made to the very address that was checked.
"""

import os
import random
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import httpcore
from pydantic import SecretStr

from engine.blob_address import BlobAddress, BlobError, BlobErrorKind, Container, HostPolicy
from engine.blob_connection import CheckedBackend, Resolve, seconds_left, time_limit

__all__ = ["Blob", "BlobError", "BlobErrorKind", "BlobReader", "Container", "NotModified"]

IMAGE_BYTES_MAX = 20 * 1024 * 1024
REDIRECTS_MAX = 5
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STORAGE_VERSION = "2021-12-02"  # a bearer token is refused without one
_STORAGE_SCOPE = "https://storage.azure.com/.default"


@dataclass(frozen=True, slots=True)
class Blob:
    """What was read. `etag` is the version, quotes and all, or None where the server names none."""

    data: bytes
    etag: str | None


@dataclass(frozen=True, slots=True)
class NotModified:
    """The blob is still the version that was asked about."""


class TokenSource(Protocol):
    """Where bearer tokens of the engine's own identity come from."""

    def token(self) -> str | None:
        """A token for Azure Storage, or None where the engine has no identity."""


class ManagedIdentity:
    """The identity that Azure gives the place the engine runs in, if it does: App Service, Container Apps, AKS."""

    def __init__(self) -> None:
        self._credential: Any = None

    def token(self) -> str | None:
        places = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE")
        if not any(os.environ.get(place) for place in places):
            return None
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity import CredentialUnavailableError, DefaultAzureCredential

        if self._credential is None:
            self._credential = DefaultAzureCredential(
                exclude_cli_credential=True, exclude_powershell_credential=True, exclude_developer_cli_credential=True
            )
        try:
            return str(self._credential.get_token(_STORAGE_SCOPE).token)
        except (ClientAuthenticationError, CredentialUnavailableError) as error:
            raise BlobError(
                BlobErrorKind.UNREACHABLE, f"The engine's managed identity gives no token ({type(error).__name__})."
            ) from None


class BlobReader:
    """Reads blobs; safe to use from many threads, which share its connections.

    Args:
        allowed_hosts: hosts beside Azure's blob endpoints, `host` or `host:port`; these may be http and private.
        identity: whose bearer tokens are used where a dataset says managed identity.
        attempts: how often a blob is asked for until a server that is busy or gone counts as unreachable.
        timeout_seconds: for connecting, and for each piece of a reply.
    """

    def __init__(
        self,
        allowed_hosts: Sequence[str] = (),
        *,
        identity: TokenSource | None = None,
        connections: int = 32,
        attempts: int = 4,
        timeout_seconds: float = 30.0,
        resolve: Resolve | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._policy = HostPolicy.of(allowed_hosts)
        self._identity = identity or ManagedIdentity()
        self._attempts = attempts
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=20.0,
            network_backend=CheckedBackend(self._policy, resolve),
        )

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(
        self,
        url: str,
        *,
        sas: SecretStr | None = None,
        sas_scope: str | None = None,
        identity: bool = False,
        etag: str | None = None,
        max_bytes: int = IMAGE_BYTES_MAX,
        limit_seconds: float | None = None,
    ) -> Blob | NotModified:
        """The blob at `url`, or NotModified if it still is the version `etag`.

        Args:
            sas: query string that opens the container `sas_scope`, and is sent to no other.
            sas_scope: URL of that container.
            identity: ask as the engine's own identity, where it has one and the host is Azure's.
            max_bytes: the most that is read.
            limit_seconds: the most that all attempts take together; without it a server may send for as long as it likes.

        Raises:
            BlobError: notAllowed, notFound, denied, tooLarge or unreachable.
        """
        address = BlobAddress.parse(url)
        with time_limit(limit_seconds):
            for attempt in range(1, self._attempts + 1):
                try:
                    return self._follow(address, sas, sas_scope, identity, etag, max_bytes)
                except _Busy as busy:
                    wait_seconds = busy.wait_seconds(attempt)
                    if wait_seconds >= seconds_left():
                        tried = f"within {limit_seconds:g} seconds"
                    elif attempt == self._attempts:
                        tried = f"in {attempt} attempts"
                    else:
                        self._sleep(wait_seconds)
                        continue
                    raise BlobError(
                        BlobErrorKind.UNREACHABLE, f"{address.url} could not be read {tried}: {busy.why}."
                    ) from None
        raise AssertionError("attempts is at least 1")

    def _follow(
        self, first: BlobAddress, sas: SecretStr | None, sas_scope: str | None, identity: bool, etag: str | None, max_bytes: int
    ) -> Blob | NotModified:
        address = first
        for _ in range(REDIRECTS_MAX + 1):
            self._policy.check(address)
            target, headers = self._authorized(address, sas, sas_scope, identity)
            if etag is not None:
                headers.append((b"If-None-Match", etag.encode("latin-1", "replace")))
            with self._asked(target, headers) as reply:
                if reply.status == 304 and etag is not None:
                    reply.read()  # nothing, but only then is the connection used again
                    return NotModified()
                if reply.status in _REDIRECTS:
                    address = address.redirected_to(_header(reply, b"location") or "")
                    continue
                _refuse_status(reply, address)
                return Blob(_body(reply, address, max_bytes), _header(reply, b"etag"))
        raise BlobError(BlobErrorKind.UNREACHABLE, f"{first.url} redirects more than {REDIRECTS_MAX} times.")

    def _authorized(
        self, address: BlobAddress, sas: SecretStr | None, sas_scope: str | None, identity: bool
    ) -> tuple[BlobAddress, list[tuple[bytes, bytes]]]:
        host = address.origin.partition("://")[2]
        headers = [(b"Host", host.encode()), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"vision-engine")]
        if sas is not None and sas_scope is not None and Container.of(sas_scope.rstrip("/") + "/x").holds(address):
            return address.with_query(sas.get_secret_value().lstrip("?")), headers
        if identity and address.is_azure and (token := self._identity.token()) is not None:
            headers += [(b"Authorization", f"Bearer {token}".encode()), (b"x-ms-version", _STORAGE_VERSION.encode())]
        return address, headers

    @contextmanager
    def _asked(self, target: BlobAddress, headers: list[tuple[bytes, bytes]]) -> Iterator[httpcore.Response]:
        url = httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=(f"{target.path}?{target.query}" if target.query else target.path).encode(),
        )
        seconds = max(0.0, min(self._timeout_seconds, seconds_left()))
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        try:
            with self._pool.stream("GET", url, headers=headers, extensions={"timeout": timeouts}) as reply:
                yield reply
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            raise _Busy(f"{target.host}:{target.port} does not answer ({type(error).__name__})") from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, httpcore.ConnectionNotAvailable) as error:
            raise BlobError(
                BlobErrorKind.UNREACHABLE, f"{target.url} could not be asked for ({type(error).__name__})."
            ) from None


class _Busy(Exception):
    """A reply, or the lack of one, that another attempt may better."""

    def __init__(self, why: str, retry_after: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self._retry_after = retry_after

    def wait_seconds(self, attempt: int) -> float:
        """0.2 s, then twice that and so on, half of it by chance; what the server asks for, up to 10 s, if that is longer."""
        backoff: float = 0.2 * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it
        asked = self._retry_after or ""
        return max(backoff, min(float(asked), 10.0)) if asked.isdigit() else backoff


def _refuse_status(reply: httpcore.Response, address: BlobAddress) -> None:
    status = reply.status
    if status == 200:
        return
    if status in _RETRIED:
        raise _Busy(f"{address.host}:{address.port} answers {status}", _header(reply, b"retry-after"))
    if status in (404, 410):
        raise BlobError(BlobErrorKind.NOT_FOUND, f"{address.url} does not exist ({status}).")
    if status in (401, 403, 409):  # Azure answers 409 to a caller without credentials where public access is off
        container = Container.of(address.url).url
        raise BlobError(
            BlobErrorKind.DENIED,
            f"{address.url} may not be read ({status}): the container {container} needs a SAS token with read right "
            "that has not expired, or the engine's identity needs the role Storage Blob Data Reader there.",
        )
    raise BlobError(BlobErrorKind.UNREACHABLE, f"{address.url} could not be read: {address.host} answers {status}.")


def _body(reply: httpcore.Response, address: BlobAddress, max_bytes: int) -> bytes:
    length = _header(reply, b"content-length") or ""
    too_large = BlobError(BlobErrorKind.TOO_LARGE, f"{address.url} is larger than {max_bytes:,} bytes, the most that is read.")
    if length.isdigit() and int(length) > max_bytes:
        raise too_large
    data = bytearray()
    for part in reply.iter_stream():
        data += part
        if len(data) > max_bytes:
            raise too_large
    return bytes(data)


def _header(reply: httpcore.Response, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in reply.headers if key.lower() == name), None)
