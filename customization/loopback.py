"""Services of this machine: what is told apart from the network, and whether one is running."""

import socket
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def is_stopped(url: str) -> bool:
    """Whether the URL is one of this machine, and nothing listens there."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK_HOSTS:
        return False
    try:
        socket.create_connection((parts.hostname, parts.port or 80), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
