"""A proxy for https through which Azure's own names lead to this machine, and no other name to anywhere."""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from tests.stacks.azure.front import OWN_HOST, Serving


class Proxy(Serving):
    """Answers CONNECT of the known names. What a program trusts, and sends, is as in Azure."""

    def __init__(self, servers: Mapping[str, tuple[str, int]]) -> None:
        """Args:
        servers: name → address of who serves it.
        """
        handler = type("Handler", (_Handler,), {"servers": servers})
        server = ThreadingHTTPServer((OWN_HOST, 0), handler)
        server.daemon_threads = True
        super().__init__(server)
        self.url = f"http://{OWN_HOST}:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    servers: ClassVar[Mapping[str, tuple[str, int]]]

    def log_message(self, *_: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.close_connection = True
        name, _, port = self.path.rpartition(":")
        address = self.servers.get(name)
        if address is None or port != "443":
            self.send_error(502, f"{self.path} is not played here")
            return
        with socket.create_connection(address) as upstream:
            self.send_response(200, "Connection established")
            self.end_headers()
            back = threading.Thread(target=_copy, args=(upstream, self.connection), daemon=True)
            back.start()
            _copy(self.connection, upstream)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
