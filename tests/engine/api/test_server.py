"""`vision-engine serve` as a process: where it listens, how it ends, and what it leaves."""

import http.client
import json
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from vision_customization.engine.runtime.listening import listening

pytestmark = pytest.mark.process


def start(data_dir: Path, *flags: str, **environment: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-c",
        "from vision_customization.engine.cli import main; main()",
        "serve",
        "--data-dir",
        str(data_dir),
        "--workers",
        "0",
    ]
    return subprocess.Popen(
        [*command, *flags], env={"PATH": "", **environment}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def announced(data_dir: Path, process: subprocess.Popen[str]) -> dict[str, int]:
    file = data_dir / "serve.json"

    def there() -> bool:
        assert file.exists() or process.poll() is None, process.communicate()
        return file.exists()

    wait_until(there, "the engine says where it serves")
    content: dict[str, int] = json.loads(file.read_text())
    return content


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def process(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    process = start(data_dir, "--port", "0")
    yield process
    process.kill()
    process.communicate()


def test_from_start_to_sigterm(data_dir: Path, process: subprocess.Popen[str]) -> None:
    content = announced(data_dir, process)
    assert content["pid"] == process.pid
    base = f"http://127.0.0.1:{content['port']}"
    with urllib.request.urlopen(f"{base}/healthz") as reply:
        assert json.load(reply)["status"] == "ok"
        assert "server" not in {name.lower() for name in reply.headers}
    key = (data_dir / "keys").read_text().split()[0]
    request = urllib.request.Request(
        f"{base}/computervision//datasets?api-version=2023-04-01-preview", headers={"Ocp-Apim-Subscription-Key": key}
    )
    with urllib.request.urlopen(request) as reply:
        assert json.load(reply) == {"value": []}
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(f"{base}/computervision/datasets?api-version=2023-04-01-preview")
    refused.value.close()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert f"vision-engine listens on {base}" in out
    assert not (data_dir / "serve.json").exists()
    lines = [json.loads(line) for line in err.splitlines()]
    assert {"listening", "request", "stopping"} <= {line["event"] for line in lines}
    assert key not in out + err
    for secret in ("keys", "token.key"):
        assert stat.S_IMODE((data_dir / secret).stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_the_announcement_is_heard(data_dir: Path, process: subprocess.Popen[str], number: int) -> None:
    assert process.stdout is not None
    assert "listens on" in process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert not (data_dir / "serve.json").exists()


IDLE_CONNECTIONS = 5000


@pytest.fixture
def quiet_process(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Logs too little to fill the pipe that nobody reads."""
    process = start(data_dir, "--port", "0", "--log-level", "error")
    yield process
    process.kill()
    process.communicate()


def test_connections_without_a_key_leave_room_for_those_with_one(data_dir: Path, quiet_process: subprocess.Popen[str]) -> None:
    """Idle ones, halves of heads and slow bodies: more than the engine has room for."""
    port = announced(data_dir, quiet_process)["port"]
    key = (data_dir / "keys").read_text().split()[0]
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files[1], 2 * IDLE_CONNECTIONS), files[1]))
    heads = (
        b"",
        b"GET /healthz HTTP/1.1\r\nX: ",
        b"POST /computervision/imageanalysis:analyze HTTP/1.1\r\nHost: h\r\nContent-Length: 999\r\n\r\n",
    )
    try:
        with ExitStack() as stack:
            for number in range(IDLE_CONNECTIONS):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
                with suppress(OSError):  # it has been closed already
                    connection.sendall(heads[number % len(heads)])
                if number % 500 == 0:
                    with keyed(port, key, "datasets") as reply:
                        assert json.load(reply) == {"value": []}
            with keyed(port, key, "datasets") as reply:
                assert json.load(reply) == {"value": []}
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as reply:
                metrics = reply.read().decode()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
    most, *states = map(float, re.findall(r"^vision_engine_connections(?:_max|{.*}) (\S+)", metrics, re.MULTILINE)[::-1])
    assert sum(states) <= most <= 2048
    closed = re.findall(r'^vision_engine_connections_closed_total{reason="too many connections"} (\S+)', metrics, re.MULTILINE)
    assert float(closed[0]) > 0


def keyed(port: int, key: str, path: str) -> http.client.HTTPResponse:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/computervision/{path}?api-version=2023-04-01-preview",
        headers={"Ocp-Apim-Subscription-Key": key},
    )
    reply: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=30)
    return reply


def test_few_descriptors_are_said(data_dir: Path) -> None:
    program = "from vision_customization.engine.cli import main; main()"
    command = f"ulimit -n 1024; exec {sys.executable} -c '{program}' serve --workers 0 --port 0"
    process = subprocess.Popen(
        ["sh", "-c", f"{command} --data-dir {data_dir}"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        announced(data_dir, process)
        process.terminate()
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    lines = {line["event"]: line for line in map(json.loads, err.splitlines())}
    assert (lines["listening"]["connections"], lines["listening"]["files"]) == (512, 1024)
    assert any("ulimit -n" in event for event in lines)


def test_a_taken_port_is_said(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(data_dir, "--port", str(port), VISION_ENGINE_KEYS="a-key-that-is-given")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in err
    assert "--port 0 for a free port" in err
    assert "Traceback" not in err


def test_a_data_folder_is_served_by_one_engine(data_dir: Path, process: subprocess.Popen[str]) -> None:
    port = announced(data_dir, process)["port"]
    second = start(data_dir, "--port", "0")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"serves {data_dir} already, process {process.pid} on port {port}" in err
    process.kill()
    process.wait()
    third = start(data_dir, "--port", "0")
    try:

        def serves() -> bool:
            assert third.poll() is None, third.communicate()
            return bool(json.loads((data_dir / "serve.json").read_text())["pid"] == third.pid)

        wait_until(serves, "the third engine serves")
    finally:
        third.kill()
        third.communicate()


def test_a_request_in_hand_is_answered_before_the_end(data_dir: Path, process: subprocess.Popen[str]) -> None:
    content = announced(data_dir, process)
    key = (data_dir / "keys").read_text().split()[0]
    body = b'{"annotationKind": "imageClassification", "annotationFileUris": ["https://h/c/t.json"]}'
    head = (
        f"PUT /computervision/datasets/cats?api-version=2023-04-01-preview HTTP/1.1\r\nHost: h\r\n"
        f"Ocp-Apim-Subscription-Key: {key}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", content["port"]), timeout=30) as connection:
        connection.sendall(head.encode() + body[:20])
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(body[20:])
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 201"), reply
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_small_answers_do_not_wait() -> None:
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_that_offers_another_protocol_is_read_like_any_other(
    data_dir: Path, process: subprocess.Popen[str], chunked: bool
) -> None:
    """Java's HTTP client offers HTTP/2 with each first request over plain HTTP, and so does `curl --http2`."""
    content = announced(data_dir, process)
    key = (data_dir / "keys").read_text().split()[0]
    body = b'{"annotationKind": "imageClassification", "annotationFileUris": ["https://h/c/t.json"]}'
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = (
        "PUT /computervision/datasets/cats?api-version=2023-04-01-preview HTTP/1.1\r\nHost: h\r\n"
        f"Ocp-Apim-Subscription-Key: {key}\r\n{length}\r\n"
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", content["port"]), timeout=30) as connection:
        connection.sendall(head.encode())
        time.sleep(0.1)  # the body comes apart from the head
        connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 201")


def test_a_head_without_an_end_is_cut_off(data_dir: Path, process: subprocess.Popen[str]) -> None:
    content = announced(data_dir, process)
    refused, sent = False, 0
    with socket.create_connection(("127.0.0.1", content["port"]), timeout=30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        try:
            while sent < 64 * 1024 * 1024 and not refused:
                connection.sendall(b"a" * 65536)
                sent += 65536
                connection.setblocking(False)
                try:
                    refused = connection.recv(65536) is not None
                except BlockingIOError:
                    pass
                finally:
                    connection.settimeout(30)
        except OSError:
            refused = True
    assert refused, f"{sent} bytes were taken"
