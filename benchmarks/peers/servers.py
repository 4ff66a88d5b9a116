"""LitServe and BentoML as processes: their set-ups, how they start and end, and how they are asked."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import http_requests
from benchmarks.options import CHECKOUT
from benchmarks.processes import stop_all

START_SECONDS = 120.0
STOP_SECONDS = 3.0
"""LitServe's processes wait for each other for longer than this. None of them has anything to save."""

LITSERVE, BENTOML = "LitServe", "BentoML"

_BOUNDARY = "image-of-the-benchmark"
_FORM_HEAD = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="image.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
)


@dataclass(frozen=True)
class Setup:
    """How a peer uses the cores: `workers` processes, each with one session of `threads` threads, which may `spin`."""

    peer: str
    workers: int
    threads: int
    spin: bool

    @property
    def name(self) -> str:
        """Such as `LitServe 2 × 1`: workers × threads."""
        return f"{self.peer} {self.workers} × {self.threads}"


def setups_of(peer: str, cores: int) -> list[Setup]:
    """A worker of one thread for each core, and one worker of all threads; with one core these are the same."""
    each_core = Setup(peer, cores, 1, spin=False)
    return [each_core] if cores == 1 else [each_core, Setup(peer, 1, cores, spin=True)]


@dataclass(frozen=True)
class Peer:
    """A running peer, which answers `POST /predict` with the probability of each tag."""

    setup: Setup
    endpoint: str
    process: "subprocess.Popen[bytes]"

    def requests(self, images: Sequence[bytes]) -> list[bytes]:
        if self.setup.peer == LITSERVE:
            return http_requests(self.endpoint, "/predict", {"Content-Type": "image/jpeg"}, images)
        before, after = _FORM_HEAD.encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        return http_requests(self.endpoint, "/predict", headers, [before + image + after for image in images])


@contextmanager
def running_peer(setup: Setup, python: Path, model: Path, folder: Path) -> Iterator[Peer]:
    """The peer on a free port of the loopback interface, with usage reports off.

    Args:
        python: of the peers' environment.
        model: the exported ONNX file.
        folder: for what it writes; must not exist.

    Raises:
        RuntimeError: it ended, or does not answer in time.
    """
    folder.mkdir(parents=True)
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(setup, python, model, port),
            cwd=folder,
            env=_environment(setup, model, folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            _wait_until_ready(setup, process, endpoint, log)
            yield Peer(setup, endpoint, process)
        finally:
            stop_all(process, STOP_SECONDS)


def _command(setup: Setup, python: Path, model: Path, port: int) -> list[str]:
    if setup.peer == LITSERVE:
        spin = "spin" if setup.spin else "sleep"
        arguments = [str(port), str(model), str(setup.workers), str(setup.threads), spin]
        return [str(python), "-m", "benchmarks.peers.litserve_server", *arguments]
    service = "benchmarks.peers.bentoml_service:ClassifierService"
    return [str(python), "-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(port)]


def _environment(setup: Setup, model: Path, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VISION_", "PYTHON", "BENTOML_", "LIT"))}
    return kept | {
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "DO_NOT_TRACK": "1",
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(folder / "bentoml"),
        "PEER_MODEL": str(model),
        "PEER_WORKERS": str(setup.workers),
        "PEER_THREADS": str(setup.threads),
        "PEER_SPIN": "spin" if setup.spin else "sleep",
    }


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _wait_until_ready(setup: Setup, process: "subprocess.Popen[bytes]", endpoint: str, log: Path) -> None:
    address = endpoint + ("/health" if setup.peer == LITSERVE else "/readyz")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{setup.name} does not answer {address} within {START_SECONDS:.0f} s:\n{log.read_text()[-2000:]}")
