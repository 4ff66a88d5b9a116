"""What a container's probe is told of a worker."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest

from tests.support.waiting import wait_until
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.jobs.process import health
from vision_customization.engine.jobs.process.health import HUNG_SECONDS, STALE_SECONDS, Pulse, answering_health


def asked(port: int, path: str = "/healthz") -> tuple[int, str]:
    """Status, and what the answer says."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as reply:
            return reply.status, json.load(reply)["status"]
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)["error"]["message"]


def test_a_worker_is_well_while_it_looks_after_its_jobs() -> None:
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    with answering_health("127.0.0.1", 0, pulse) as port:
        assert asked(port) == (503, "The worker is starting.")
        pulse.beat()
        assert asked(port) == (200, "ok")
        now[0] = STALE_SECONDS
        assert asked(port, "/healthz?probe=live") == (200, "ok")
        now[0] = STALE_SECONDS + 1
        assert asked(port) == (503, "The worker has not checked its jobs for 61 seconds.")
        pulse.beat()
        assert asked(port) == (200, "ok")
        assert asked(port, "/metrics") == (404, "A worker only answers /livez and /healthz.")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=30)


def test_a_worker_is_alive_while_it_starts_or_waits_for_its_database() -> None:
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    with answering_health("127.0.0.1", 0, pulse) as port:
        assert (asked(port, "/livez"), asked(port)[0]) == ((200, "ok"), 503)
        pulse.beat()
        now[0] = HUNG_SECONDS
        assert (asked(port, "/livez?probe=live"), asked(port)[0]) == ((200, "ok"), 503)
        now[0] = HUNG_SECONDS + 1
        assert asked(port, "/livez") == (503, "The worker has not checked its jobs for 601 seconds.")


def test_callers_that_say_nothing_do_not_keep_a_probe_waiting() -> None:
    pulse = Pulse()
    pulse.beat()
    before = threading.active_count()
    with answering_health("127.0.0.1", 0, pulse) as port, ExitStack() as stack:
        for number in range(200):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX: "[: number % 20])
        assert asked(port) == (200, "ok")
        wait_until(lambda: threading.active_count() - before <= 40, "two threads for each caller", 10)


def test_a_caller_that_sends_letter_by_letter_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_CALLER_SECONDS", 0.3)
    with (
        answering_health("127.0.0.1", 0, Pulse()) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        pytest.raises(OSError, match=r"reset|Broken pipe"),
    ):
        trickle(connection)


def trickle(connection: socket.socket) -> None:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        connection.sendall(b"x")
        time.sleep(0.05)


def test_a_taken_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=f"Cannot listen on 127.0.0.1:{port} .* --health-port 0 for a free port"),
            answering_health("127.0.0.1", port, Pulse()),
        ):
            pass
