"""What answers on loopback addresses: small servers of threads, and fronts that pass a call on to its server."""

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

AZURE_HOST = "127.0.0.2"
OWN_HOST = "127.0.0.1"

_METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS")
_OF_ONE_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"})
_PIECE_BYTES = 256 * 1024
_UPSTREAM_SECONDS = 600
_IDLE_SECONDS = 2.0
"""Node.js and uvicorn hang up after 5 s without a call; a connection that may be about to end is not used again."""


@dataclass(frozen=True)
class Call:
    """A request's head."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query, keep_blank_values=True).items()}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, document: object, headers: Mapping[str, str] | None = None) -> "Answer":
        return cls(status, json.dumps(document).encode(), {"Content-Type": "application/json", **(headers or {})})


@dataclass(frozen=True)
class Upstream:
    """Who serves a call: an address, with TLS where there is a `context`."""

    host: str
    port: int
    context: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Body:
    """A request's body, read when asked for."""

    read: Callable[[], bytes]


Responder = Callable[[Call, Body], Answer | Upstream]
"""Answers a call, or says who does."""


class Serving:
    """A server that answers in a thread of its own, until `stop`."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self.port = int(server.server_address[1])
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Server(Serving):
    """Answers on `host` at a free port."""

    def __init__(self, respond: Responder, *, host: str = OWN_HOST, context: ssl.SSLContext | None = None) -> None:
        handler = type("Handler", (_Handler,), {"respond": staticmethod(respond)})
        listener = _Listener((host, 0), handler)
        if context is not None:
            # Each thread shakes hands for itself: nobody waits for a client that doesn't.
            listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
        super().__init__(listener)
        self.authority = f"{host}:{self.port}"
        self.url = f"{'https' if context else 'http'}://{self.authority}"


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base has it
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        with self._open_lock:
            still_open = list(self._open)
        for connection in still_open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A client that hangs up, or does not trust the certificate, is its own business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    respond: ClassVar[Responder]

    def setup(self) -> None:
        super().setup()
        self._upstreams: dict[Upstream, tuple[http.client.HTTPConnection, float]] = {}

    def finish(self) -> None:
        for connection, _ in self._upstreams.values():
            connection.close()
        super().finish()

    def log_message(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name.removeprefix("do_") in _METHODS:
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        call = Call(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self._unread = int(call.headers.get("content-length", 0))
        self._chunked = "chunked" in call.headers.get("transfer-encoding", "").lower()
        served = type(self).respond(call, Body(lambda: b"".join(iter(self._piece, b""))))
        answer = self._pass_on(call, served) if isinstance(served, Upstream) else served
        if answer is not None:
            while self._piece():  # what is left of the body would be taken for the next call
                pass
            self._answer(answer)
        self.wfile.flush()

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _piece(self) -> bytes:
        """The next piece of the body; nothing at its end."""
        if self._chunked and not self._unread:
            self._unread = int(self.rfile.readline().split(b";")[0], 16)
            if not self._unread:
                while self.rfile.readline().strip():  # trailers
                    pass
                self._chunked = False
        if not self._unread:
            return b""
        data = self.rfile.read(min(self._unread, _PIECE_BYTES))
        if not data:
            raise ConnectionError("the client hung up within its body")
        self._unread -= len(data)
        if self._chunked and not self._unread:
            self.rfile.readline()
        return data

    def _pass_on(self, call: Call, upstream: Upstream) -> Answer | None:
        """Pass the call on and its reply back; an Answer is for who can't be reached."""
        connection = self._connection(upstream)
        chunked = self._chunked
        try:
            connection.putrequest(call.method, call.target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OF_ONE_HOP:
                    connection.putheader(name, value)
            connection.putheader("X-Forwarded-Proto", "https")
            connection.putheader("X-Forwarded-For", self.client_address[0])
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            with suppress(BrokenPipeError, ConnectionResetError):  # it has answered already, with a refusal
                while data := self._piece():
                    connection.send(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
                if chunked:
                    connection.send(b"0\r\n\r\n")
            reply = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._drop(upstream)
            self.close_connection = True
            return Answer(502, f"{upstream.host}:{upstream.port} does not answer: {error!r}".encode())
        try:
            self._copy(reply)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            self._drop(upstream)
            return None
        if reply.will_close:
            self._drop(upstream)
        else:
            self._upstreams[upstream] = connection, time.monotonic()
        return None

    def _copy(self, reply: http.client.HTTPResponse) -> None:
        self.send_response_only(reply.status, reply.reason)
        for name, value in reply.getheaders():
            if name.lower() not in _OF_ONE_HOP:
                self.send_header(name, value)
        has_body = self.command != "HEAD" and reply.status not in (204, 304)
        framed = not has_body or reply.getheader("Content-Length") is not None
        if not framed:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while data := reply.read(_PIECE_BYTES):
            self.wfile.write(data if framed else b"%x\r\n%b\r\n" % (len(data), data))
        if not framed:
            self.wfile.write(b"0\r\n\r\n")

    def _connection(self, upstream: Upstream) -> http.client.HTTPConnection:
        if upstream in self._upstreams:
            connection, used = self._upstreams[upstream]
            if time.monotonic() - used < _IDLE_SECONDS:
                return connection
            self._drop(upstream)
        if upstream.context is not None:
            connection = http.client.HTTPSConnection(
                upstream.host, upstream.port, timeout=_UPSTREAM_SECONDS, context=upstream.context
            )
        else:
            connection = http.client.HTTPConnection(upstream.host, upstream.port, timeout=_UPSTREAM_SECONDS)
        self._upstreams[upstream] = connection, time.monotonic()
        return connection

    def _drop(self, upstream: Upstream) -> None:
        if upstream in self._upstreams:
            self._upstreams.pop(upstream)[0].close()
