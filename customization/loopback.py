"""Services of this machine: what is told apart from the network, and whether one is running."""

import socket
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

HEALTH_PATH = "/healthz"
HANGS_SECONDS = 10.0
"""A service that has not answered for so long hangs: it does nothing but to say that it is there."""

_SERVER_ERROR = 500


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK_HOSTS


def answers(url: str, path: str = HEALTH_PATH) -> bool:
    """Whether a service of this machine answers a GET without a server error, and within HANGS_SECONDS.

    It is asked directly: a proxy of the environment is never meant for this machine.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=HANGS_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < _SERVER_ERROR
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def is_away(url: str) -> bool:
    """Whether the URL is one of this machine, and what should answer there is stopped, or hangs."""
    return is_loopback(url) and urlsplit(url).scheme == "http" and not answers(url)


def is_stopped(url: str) -> bool:
    """Whether the URL is one of this machine, and nothing listens there."""
    parts = urlsplit(url)
    if not is_loopback(url):
        return False
    try:
        socket.create_connection((parts.hostname, parts.port or 80), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
