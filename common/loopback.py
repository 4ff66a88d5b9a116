"""Services on this machine: loopback addresses, and whether such a service is running."""

import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

HEALTH_PATH = "/healthz"
HANGS_SECONDS = 10.0
"""A service that does not answer for this long hangs: even a busy one would answer."""


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK_HOSTS


def asked(url: str, path: str = HEALTH_PATH) -> int | None:
    """The status that a service on this machine answers a GET with; None if it does not answer within HANGS_SECONDS.

    The request is direct: a proxy from the environment is never meant for this machine.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=HANGS_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def is_hung(url: str, program: str) -> bool:
    """Whether a process of this program listens at this machine's URL, and fails to answer two requests in a row.

    Another program there may be a tunnel to a remote service, about which nothing is known.
    """
    if not is_loopback(url) or urlsplit(url).scheme != "http" or is_stopped(url):
        return False
    return asked(url) is None and asked(url) is None and program in _listener(urlsplit(url).port or 80)


def _listener(port: int) -> str:
    """The command line of the process that listens on a port of this machine; empty if it is not visible."""
    import psutil  # a preview without changes does not need it

    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            listening = (at for at in process.net_connections(kind="tcp") if at.status == psutil.CONN_LISTEN)
            if any(at.laddr.port == port for at in listening):
                return " ".join(process.info["cmdline"] or ())
    return ""


def is_stopped(url: str) -> bool:
    """Whether the URL is on this machine, and nothing listens there."""
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
