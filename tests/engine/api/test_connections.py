"""Bounds on connections: on a real server, with short times."""

import asyncio
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from tests.support.waiting import wait_until
from vision_customization.engine.api import connections as bounds
from vision_customization.engine.api.connections import BoundedConnection, Closed, Connections, Limits, raise_file_limit
from vision_customization.engine.runtime.listening import listening

SHORT = 0.4
"""Seconds that a client has for its head, its body, or to read."""

RELEASED = threading.Event()
"""Until it is set, `/slow` does not answer."""

HEAD = b"POST / HTTP/1.1\r\nHost: h\r\n"
LARGE = b"x" * 20_000_000


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Echoes the length of a body; `/refused` answers without reading it, `/large` is long, `/slow` waits."""
    length = 0
    if scope["path"] != "/refused":
        while True:
            message = await receive()
            length += len(message.get("body", b""))
            if not message.get("more_body"):
                break
    if scope["path"] == "/slow":
        await asyncio.to_thread(RELEASED.wait, 30)
    answer = LARGE if scope["path"] == "/large" else str(length).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(answer)).encode())]})
    await send({"type": "http.response.body", "body": answer})


class Server:
    def __init__(self, port: int, connections: Connections) -> None:
        self.port = port
        self.connections = connections

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(sent)
        return connection

    def until(self, condition: Callable[[], object]) -> None:
        wait_until(condition, lambda: f"{self.connections.open} open, closed {dict(self.connections.closed)}", 10)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(bounds, name, SHORT)
    RELEASED.clear()
    connections = Connections(most=6)
    http = cast("type[asyncio.Protocol]", partial(BoundedConnection, connections))
    config = uvicorn.Config(app, http=http, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=30)
    with listening("127.0.0.1", 0) as listener:
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        yield Server(listener.getsockname()[1], connections)
        RELEASED.set()
        running.should_exit = running.force_exit = True
        thread.join()


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it; what it has sent before is read."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def trickle(connection: socket.socket, part: bytes, seconds: float) -> None:
    """Send `part` again and again, until the other side has had enough."""
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            connection.sendall(part)
            time.sleep(0.02)
    except OSError:
        pass


@pytest.mark.parametrize(
    ("sent", "trickled", "reason"),
    [
        (b"", b"", Closed.SLOW_HEAD),
        (HEAD, b"", Closed.SLOW_HEAD),
        (HEAD + b"X: ", b"a", Closed.SLOW_HEAD),
        (HEAD + b"Content-Length: 9\r\n\r\n123456789", b"", Closed.SLOW_HEAD),  # answered, then idle
        (HEAD + b"Content-Length: 9\r\n\r\n123456789" + HEAD + b"X: ", b"a", Closed.SLOW_HEAD),  # and begins another
        (HEAD + b"Content-Length: 90000\r\n\r\n", b"", Closed.SLOW_BODY),
        (HEAD + b"Content-Length: 90000\r\n\r\n", b"a", Closed.SLOW_BODY),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", Closed.SLOW_BODY),
        (HEAD.replace(b"/", b"/refused", 1) + b"Content-Length: 90000\r\n\r\n", b"a", Closed.SLOW_HEAD),  # answered before
    ],
)
def test_a_client_that_takes_its_time_is_cut_off(server: Server, sent: bytes, trickled: bytes, reason: Closed) -> None:
    begun = time.monotonic()
    with server.connect(sent) as connection:
        if trickled:
            trickle(connection, trickled, 5 * SHORT)
        assert is_closed(connection)
    assert time.monotonic() - begun >= SHORT
    assert dict(server.connections.closed) == {reason: 1}
    server.until(lambda: server.connections.open == 0)


def test_an_answer_that_nobody_reads_is_cut_off(server: Server) -> None:
    with server.connect(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n") as connection:
        server.until(lambda: server.connections.closed == {Closed.SLOW_READER: 1})
        assert is_closed(connection)


def test_a_slow_reader_gets_its_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ANSWER_SECONDS", 4 * SHORT)
    with server.connect(b"GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n") as connection:
        got = 0
        for _ in range(8):
            time.sleep(SHORT / 2)
            wanted = got + len(LARGE) // 10
            while got < wanted:
                got += len(connection.recv(65536))
        while part := connection.recv(65536):
            got += len(part)
    assert got > len(LARGE)
    assert server.connections.closed == {}


def test_a_body_may_take_long_if_it_comes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "BODY_BYTES_LEAST", 100)
    with server.connect(HEAD + b"Content-Length: 6000\r\nConnection: close\r\n\r\n") as connection:
        for _ in range(60):
            connection.sendall(b"x" * 100)
            time.sleep(SHORT / 10)
        assert connection.recv(65536).endswith(b"\r\n\r\n6000")
    assert server.connections.closed == {}


def test_an_answer_may_take_long(server: Server) -> None:
    with server.connect(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n") as connection:
        time.sleep(3 * SHORT)
        RELEASED.set()
        assert connection.recv(65536).endswith(b"\r\n\r\n0")
    assert server.connections.closed == {}


def test_the_connection_that_is_missed_least_makes_room(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "HEAD_SECONDS", 30)
    connections = server.connections
    with ExitStack() as stack:
        crowd(server, connections, lambda sent=b"": stack.enter_context(server.connect(sent)))
    assert dict(connections.closed) == {Closed.TOO_MANY: 2}


def crowd(server: Server, connections: Connections, connect: Callable[..., socket.socket]) -> None:
    idle = [connect(HEAD + b"Content-Length: 0\r\n\r\n") for _ in range(2)]
    server.until(lambda: connections.waiting == 2)
    answering = [connect(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n") for _ in range(2)]
    server.until(lambda: (connections.open, connections.waiting) == (4, 2))
    new = [connect() for _ in range(2)]
    server.until(lambda: (connections.open, connections.waiting) == (6, 4))
    seventh = connect()
    assert is_closed(new[0]), "the oldest that has sent nothing"
    seventh.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    assert seventh.recv(65536).endswith(b"0")
    waiting = (*answering, new[1])
    for connection in waiting:
        connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    RELEASED.set()
    for connection in waiting:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200"), "those that wait for an answer get it"
    connect()
    assert is_closed(idle[0]), "where all have sent something, the one that has been idle longest"


def test_what_is_closed_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    connections = Connections(most=1, clock=lambda: now[0])
    for seconds in (0, 1, 2, 61, 62):
        now[0] = seconds
        for _ in range(2):
            connections.add(cast("BoundedConnection", Aborted()))
    told = [cast("Any", record).closed for record in caplog.records]
    assert told == [{"too many connections": 1}, {"too many connections": 5}]


class Aborted:
    """A connection that knows no more than how it is closed."""

    def __init__(self) -> None:
        self.transport = self

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("files", "wanted", "expected"),
    [
        (65_536, 2048, Limits(65_536, 2048, 256)),
        (4096, 2048, Limits(4096, 2048, 256)),
        (1024, 2048, Limits(1024, 512, 256)),
        (256, 2048, Limits(256, 16, 64)),
        (65_536, 100, Limits(65_536, 100, 256)),
    ],
)
def test_work_keeps_its_file_descriptors(files: int, wanted: int, expected: Limits) -> None:
    assert Limits.of(files, wanted) == expected


def test_the_limit_of_open_files_is_raised_where_that_is_allowed() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert raise_file_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
