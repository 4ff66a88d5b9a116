"""The connections for reading blobs: only to checked addresses, and no longer than a read may take."""

import math
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import httpcore

from vision_customization.engine.blobs.address import HostPolicy

Resolve = Callable[[str, int], Sequence[str]]
"""Host and port → IP addresses; raises OSError."""

_KEPT_SECONDS = 20.0
_ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Within the block, all requests of this thread together take `seconds` at most; then they time out."""
    token = _ends_at.set(math.inf if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def seconds_left() -> float:
    """Seconds left until the deadline; infinite without one."""
    return _ends_at.get() - time.monotonic()


def _within_limit(timeout: float | None) -> float | None:
    left = seconds_left()
    if left <= 0:
        raise httpcore.TimeoutException("the time limit is reached")
    if math.isinf(left):
        return timeout
    return left if timeout is None else min(timeout, left)


class CheckedPool(httpcore.ConnectionPool):
    """Reused connections to checked addresses; `close` closes all of them."""

    def __init__(self, policy: HostPolicy, connections: int, resolve: Resolve | None = None) -> None:
        self._checked = CheckedBackend(policy, resolve)
        super().__init__(
            ssl_context=ssl.create_default_context(),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEPT_SECONDS,
            network_backend=self._checked,
        )

    def close(self) -> None:
        super().close()
        self._checked.close()


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to the address that was checked, so that a name cannot resolve to another machine after the check."""

    def __init__(self, policy: HostPolicy, resolve: Resolve | None = None) -> None:
        self._policy = policy
        self._resolve = resolve or _resolve
        self._backend = httpcore.SyncBackend()
        self._streams: WeakSet[_LimitedStream] = WeakSet()
        self._closed = False

    def close(self) -> None:
        """Close every connection, and each one that a thread is just opening: a closed pool does not know those."""
        self._closed = True
        for stream in list(self._streams):
            stream.close()

    def opened(self, stream: "_LimitedStream") -> "_LimitedStream":
        """Register a stream, so that `close` closes it. Raises httpcore.ConnectError after `close`."""
        self._streams.add(stream)
        if self._closed:
            stream.close()
            raise httpcore.ConnectError("the connections have been closed")
        return stream

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = list(dict.fromkeys(self._resolve(host, port)))
        except (OSError, UnicodeError):  # encoding an invalid name fails
            raise httpcore.ConnectError(f"{host} cannot be resolved") from None
        for address in addresses:
            self._policy.check_address(host, port, address)
        refused: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                left = _within_limit(timeout)
                stream = self._backend.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
            else:
                return self.opened(_LimitedStream(stream, self.opened))
        raise refused

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _LimitedStream(httpcore.NetworkStream):
    """A stream that keeps its user's deadline: a server that sends byte after byte would never exceed a timeout."""

    def __init__(self, stream: httpcore.NetworkStream, opened: "Callable[[_LimitedStream], _LimitedStream]") -> None:
        self._stream = stream
        self._opened = opened

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _within_limit(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _within_limit(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _within_limit(timeout))
        return self._opened(_LimitedStream(stream, self._opened))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore declares it
        return self._stream.get_extra_info(info)


def _resolve(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
