"""A socket to listen on, with a helpful error at once if the address is not available."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from vision_customization.engine.errors import SettingsError

_BACKLOG = 1024


@contextmanager
def listening(host: str, port: int, setting: str = "port", backlog: int = _BACKLOG) -> Iterator[socket.socket]:
    """A socket that listens at `host`, on a free port for `port` 0. Raises SettingsError, which names `setting`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise SettingsError(f"host: {host} is not an address of this machine.") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. asyncio sets it only for protocols it knows; without it, a small answer is 40 ms late.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Cannot listen on {host}:{port} ({error.strerror}). Does another process use it? "
            f"Use --{setting.replace('_', '-')} 0 for a free port."
        ) from None
    with listener:
        yield listener


def base_url(host: str, port: int) -> str:
    """`http://…` as a caller on this machine writes it."""
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
