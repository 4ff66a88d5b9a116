"""Reading and writing blobs over HTTP: only on allowed hosts, with the dataset's credentials and no one else's.

`address` decides which URLs may be read and which hosts may get a SAS token. This module follows redirects hop by hop and
checks each like the first URL. It connects to exactly the address that was checked.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, Self, TypeVar

import httpcore
from pydantic import SecretStr

from vision_customization.common.backoff import Backoff
from vision_customization.common.storage_refusal import ROLE_MISSING, code_of_azure, why_refused
from vision_customization.contract.limits import IMAGE_BYTES_MAX
from vision_customization.engine.blobs.address import LISTING, BlobAddress, BlobError, BlobErrorKind, Container, HostPolicy
from vision_customization.engine.blobs.connection import CheckedPool, Resolve, deadline, seconds_left
from vision_customization.engine.blobs.identity import STORAGE_SCOPE, Identity, ManagedIdentity, NoToken, named
from vision_customization.engine.blobs.role_wait import RoleWait

__all__ = ["Blob", "BlobError", "BlobErrorKind", "BlobReader", "Container", "NotModified", "Spooled"]

REDIRECTS_MAX = 5
_BACKOFF = Backoff(0.2, least_share=0.5, asked_max_seconds=10.0)
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LISTING_BYTES_MAX = 1024 * 1024
_STORAGE_VERSION = "2021-12-02"  # without a version, storage refuses a bearer token

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Blob:
    """The content of a blob. `etag` is its version, including quotes, or None if the server sends none."""

    data: bytes
    etag: str | None


@dataclass(frozen=True, slots=True)
class Spooled:
    """A blob that was written to a file. `sha256` is in hex; `etag` as in `Blob`."""

    sha256: str
    size_bytes: int
    etag: str | None


@dataclass(frozen=True, slots=True)
class NotModified:
    """The blob still has the version that the caller knows."""


class BlobReader:
    """Reads blobs, and writes those that callers ask for; safe to use from many threads, which share its connections.

    Args:
        allowed_hosts: hosts besides Azure's blob endpoints, `host` or `host:port`; these may be http and private.
        identity_hosts: such hosts that are https only and get tokens of the identity, as Azure's blob endpoints do.
        identity: its bearer tokens are used if a dataset is read by managed identity.
        role_wait_seconds: how long to retry a blob that the identity may not read, because its role may be new.
        attempts: how often to request a blob until a busy or missing server counts as unreachable.
        timeout_seconds: for connecting, and for each piece of a reply.
    """

    def __init__(
        self,
        allowed_hosts: Sequence[str] = (),
        *,
        identity_hosts: Sequence[str] = (),
        identity: Identity | None = None,
        role_wait_seconds: float = 0.0,
        connections: int = 32,
        attempts: int = 4,
        timeout_seconds: float = 30.0,
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._policy = HostPolicy.of(allowed_hosts, identity_hosts)
        self.identity: Identity = identity or ManagedIdentity()
        self._roles = RoleWait(role_wait_seconds, clock=clock, sleep=sleep)
        self._attempts = attempts
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._pool = CheckedPool(self._policy, connections, resolve)

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
        on_wait: Callable[[str], None] | None = None,
    ) -> Blob | NotModified:
        """The blob at `url`, or NotModified if it still has the version `etag`.

        Args:
            sas: SAS token of the container `sas_scope`; it is sent to no other.
            sas_scope: URL of that container.
            identity: use the engine's own identity, if it has one and the host may get its tokens.
            max_bytes: the largest blob that is read.
            limit_seconds: time limit for all attempts together; without it, a server may send for as long as it likes.
            on_wait: called with the reason before each wait for a role; an exception that it raises ends the read.

        Raises:
            BlobError: notAllowed, notFound, denied, tooLarge or unreachable.
        """

        def receive(reply: httpcore.Response, address: BlobAddress) -> Blob:
            return Blob(b"".join(_pieces(reply, address, max_bytes)), _header(reply, b"etag"))

        access = _Access(sas, sas_scope, identity)
        return self._read(BlobAddress.parse(url), access, etag, receive, limit_seconds, on_wait)

    def spool(
        self,
        url: str,
        target: BinaryIO,
        *,
        sas: SecretStr | None = None,
        sas_scope: str | None = None,
        identity: bool = False,
        etag: str | None = None,
        max_bytes: int = IMAGE_BYTES_MAX,
        limit_seconds: float | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> Spooled | NotModified:
        """Like `read`, but write the blob to the file `target`, a piece at a time, so that memory does not depend on its size.

        `target` then holds the blob and nothing else; after an error, its content is undefined.

        Raises:
            BlobError: as `read`.
            OSError: the file cannot be written.
        """

        def receive(reply: httpcore.Response, address: BlobAddress) -> Spooled:
            target.seek(0)  # an attempt before this one may have ended within the blob
            target.truncate()
            digest, size = hashlib.sha256(), 0
            for piece in _pieces(reply, address, max_bytes):
                target.write(piece)
                digest.update(piece)
                size += len(piece)
            return Spooled(digest.hexdigest(), size, _header(reply, b"etag"))

        return self._read(BlobAddress.parse(url), _Access(sas, sas_scope, identity), etag, receive, limit_seconds, on_wait)

    def put(
        self,
        url: str,
        query: str,
        body: bytes,
        *,
        sas: SecretStr | None = None,
        sas_scope: str | None = None,
        identity: bool = False,
        content_type: str | None = None,
    ) -> None:
        """Send a part of the blob at `url`, as `query` says (`engine.blobs.writing`). The credentials are as in `read`.

        Raises:
            BlobError: notAllowed, notFound (the container), denied or unreachable.
        """
        address = BlobAddress.parse(url)
        self._policy.check(address)
        target, headers = self._authorized(address.with_query(query), sas, sas_scope, identity)
        headers.append((b"Content-Length", str(len(body)).encode()))
        if content_type is not None:
            headers.append((b"x-ms-blob-content-type", content_type.encode()))

        def send() -> None:
            with self._asked(target, headers, "PUT", body) as reply:
                if reply.status != 201:
                    _refuse_write(reply, address)
                reply.read()

        self._attempted(address, send, None, "written")

    def check(self, url: str, limit_seconds: float) -> None:
        """Check that the engine's own identity can read a blob, or list a container, at `url`. Downloads no content.

        Raises:
            BlobError: why it cannot; notAllowed also for a URL with a query, which could be another identity's token.
        """
        address = BlobAddress.parse(url)
        if address.query:
            raise BlobError(
                BlobErrorKind.NOT_ALLOWED, f"{address.url} has a query. Remove it: the check uses the engine's own identity."
            )
        try:
            if (container := Container.at(address)) is not None:
                listing = f"{container.url}?{LISTING}&maxresults=1"
                self.read(listing, identity=True, max_bytes=_LISTING_BYTES_MAX, limit_seconds=limit_seconds)
            else:
                self.read(url, identity=True, max_bytes=0, limit_seconds=limit_seconds)
        except BlobError as error:
            if error.kind is not BlobErrorKind.TOO_LARGE:  # a size is known only with read access
                raise

    def _read(
        self,
        address: BlobAddress,
        access: "_Access",
        etag: str | None,
        receive: Callable[[httpcore.Response, BlobAddress], R],
        limit_seconds: float | None,
        on_wait: Callable[[str], None] | None,
    ) -> R | NotModified:
        """What `receive` makes of the blob's reply; it is called again for each attempt."""

        def follow() -> R | NotModified:
            return self._follow(address, access, etag, receive)

        with deadline(limit_seconds):
            began = self._roles.began()
            while True:
                try:
                    return self._attempted(address, follow, limit_seconds)
                except _RoleMissing as missing:
                    container, who = missing.container, named(self.identity)
                    if not self._roles.pause(began, who, container, on_wait, seconds_left()):
                        raise missing.error(who, self._roles.began() - began) from None

    def _attempted(
        self, address: BlobAddress, attempt_once: Callable[[], R], limit_seconds: float | None, done: str = "read"
    ) -> R:
        """The result of an attempt, or of several if the server is busy."""
        for attempt in range(1, self._attempts + 1):
            try:
                return attempt_once()
            except _Busy as busy:
                wait_seconds = busy.wait_seconds(attempt)
                if wait_seconds >= seconds_left():
                    tried = f"within {limit_seconds:g} seconds"
                elif attempt == self._attempts:
                    tried = f"in {attempt} attempts"
                else:
                    self._sleep(wait_seconds)
                    continue
                raise BlobError(BlobErrorKind.UNREACHABLE, f"{address.url} could not be {done} {tried}: {busy.why}.") from None
        raise AssertionError("attempts is at least 1")

    def _follow(
        self,
        first: BlobAddress,
        access: "_Access",
        etag: str | None,
        receive: Callable[[httpcore.Response, BlobAddress], R],
    ) -> R | NotModified:
        address = first
        for _ in range(REDIRECTS_MAX + 1):
            self._policy.check(address)
            target, headers = self._authorized(address, *access)
            if etag is not None:
                headers.append((b"If-None-Match", etag.encode("latin-1", "replace")))
            with self._asked(target, headers) as reply:
                if reply.status == 304 and etag is not None:
                    reply.read()  # it is empty, but the pool reuses a connection only after that
                    return NotModified()
                if reply.status in _REDIRECTS:
                    address = address.redirected_to(_header(reply, b"location") or "")
                    continue
                if reply.status == 403 and any(name == b"Authorization" for name, _ in headers):
                    raise self._refused(address, _code(reply))
                _refuse_status(reply, address)
                return receive(reply, address)
        raise BlobError(BlobErrorKind.UNREACHABLE, f"{first.url} redirects more than {REDIRECTS_MAX} times.")

    def _authorized(
        self, address: BlobAddress, sas: SecretStr | None, sas_scope: str | None, identity: bool
    ) -> tuple[BlobAddress, list[tuple[bytes, bytes]]]:
        host = address.origin.partition("://")[2]
        headers = [(b"Host", host.encode()), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"vision-engine")]
        if sas is not None and sas_scope is not None and Container.of(sas_scope.rstrip("/") + "/x").holds(address):
            return address.with_query(sas.get_secret_value().lstrip("?")), headers
        if identity and self._policy.takes_identity(address) and (token := self._token()) is not None:
            headers += [(b"Authorization", f"Bearer {token}".encode()), (b"x-ms-version", _STORAGE_VERSION.encode())]
        return address, headers

    def _refused(self, address: BlobAddress, code: str | None) -> Exception:
        """403 to the engine's identity: only a missing role may come late."""
        if code == ROLE_MISSING:
            return _RoleMissing(address)
        return _denied(address, 403, code, named(self.identity), _lacks_role(named(self.identity), address))

    def _token(self) -> str | None:
        try:
            return self.identity.token(STORAGE_SCOPE)
        except NoToken as error:
            raise BlobError(BlobErrorKind.UNREACHABLE, str(error)) from None

    @contextmanager
    def _asked(
        self, target: BlobAddress, headers: list[tuple[bytes, bytes]], method: str = "GET", body: bytes | None = None
    ) -> Iterator[httpcore.Response]:
        url = httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=(f"{target.path}?{target.query}" if target.query else target.path).encode(),
        )
        seconds = max(0.0, min(self._timeout_seconds, seconds_left()))
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        try:
            with self._pool.stream(method, url, headers=headers, content=body, extensions={"timeout": timeouts}) as reply:
                yield reply
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            raise _Busy(f"{target.host}:{target.port} does not answer ({type(error).__name__})") from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, httpcore.ConnectionNotAvailable) as error:
            raise BlobError(
                BlobErrorKind.UNREACHABLE, f"{target.url} could not be requested ({type(error).__name__})."
            ) from None


class _Access(NamedTuple):
    """The credentials for a blob, as in `BlobReader.read`."""

    sas: SecretStr | None
    sas_scope: str | None
    identity: bool


class _Busy(Exception):
    """The server is busy or does not answer: another attempt may succeed."""

    def __init__(self, why: str, retry_after: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self._retry_after = retry_after

    def wait_seconds(self, attempt: int) -> float:
        asked = self._retry_after or ""
        return _BACKOFF.wait_seconds(attempt, float(asked) if asked.isdigit() else None)


class _RoleMissing(Exception):
    """403 to the engine's identity, because it lacks the role."""

    def __init__(self, address: BlobAddress) -> None:
        super().__init__(address.url)
        self._address = address
        self.container = _container_of(address).url

    def error(self, identity: str, seconds: float) -> BlobError:
        asked = f" The engine retried for {seconds:.0f} seconds." if seconds >= 1 else ""
        return _denied(self._address, 403, ROLE_MISSING, identity, _lacks_role(identity, self._address), asked)


def _lacks_role(identity: str, address: BlobAddress) -> str:
    return (
        f"{identity} lacks the role Storage Blob Data Reader on the container {_container_of(address).url}. A new role takes "
        "effect within 30 minutes"
    )


def _denied(
    address: BlobAddress, status: int, code: str | None, who: str, missing: str, more: str = "", done: str = "read"
) -> BlobError:
    answer = f"{status} {code}" if code else f"{status}"
    why = why_refused(code, who, missing)
    return BlobError(BlobErrorKind.DENIED, f"{address.url} may not be {done} ({answer}): {why}.{more}", code)


def _code(reply: httpcore.Response) -> str | None:
    return code_of_azure(_header(reply, b"x-ms-error-code"), _header(reply, b"server"))


def _refuse_status(reply: httpcore.Response, address: BlobAddress) -> None:
    status = reply.status
    if status == 200:
        return
    if status in _RETRIED:
        raise _Busy(f"{address.host}:{address.port} answers {status}", _header(reply, b"retry-after"))
    if status in (404, 410):
        raise BlobError(BlobErrorKind.NOT_FOUND, f"{address.url} does not exist ({status}).")
    if status in (401, 403, 409):  # Azure answers 409 to a caller without credentials if public access is off
        missing = (
            f"pass an unexpired SAS token with read permission for the container {_container_of(address).url}, or give the "
            "engine's identity the role Storage Blob Data Reader there"
        )
        raise _denied(address, status, _code(reply), "the engine", missing)
    raise BlobError(BlobErrorKind.UNREACHABLE, f"{address.url} could not be read: {address.host} answers {status}.")


def _refuse_write(reply: httpcore.Response, address: BlobAddress) -> None:
    """Raises _Busy or BlobError for the answer to a PUT that is not a success."""
    status = reply.status
    if status in _RETRIED:
        raise _Busy(f"{address.host}:{address.port} answers {status}", _header(reply, b"retry-after"))
    container = _container_of(address).url
    if status == 404:
        raise BlobError(BlobErrorKind.NOT_FOUND, f"{address.url} could not be written: there is no container {container}.")
    if status in (401, 403, 409):
        missing = (
            f"pass an unexpired SAS token with the permissions create and write for the container {container}, or give the "
            "engine's identity the role Storage Blob Data Contributor there"
        )
        raise _denied(address, status, _code(reply), "the engine", missing, done="written")
    raise BlobError(BlobErrorKind.UNREACHABLE, f"{address.url} could not be written: {address.host} answers {status}.")


def _container_of(address: BlobAddress) -> Container:
    listed = Container.at(address) if address.query.startswith(LISTING) else None
    return listed or Container.of(address.url)


def _pieces(reply: httpcore.Response, address: BlobAddress, max_bytes: int) -> Iterator[bytes]:
    """The body as it arrives. Raises BlobError (tooLarge)."""
    length = _header(reply, b"content-length") or ""
    too_large = BlobError(BlobErrorKind.TOO_LARGE, f"{address.url} is larger than the maximum of {max_bytes:,} bytes.")
    if length.isdigit() and int(length) > max_bytes:
        raise too_large
    received = 0
    for piece in reply.iter_stream():
        received += len(piece)
        if received > max_bytes:
            raise too_large
        yield piece


def _header(reply: httpcore.Response, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in reply.headers if key.lower() == name), None)
