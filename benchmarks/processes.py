"""The processes of a benchmark: the engine, a blob server, and the bare scripts to compare them with.

All run in this process's session, because priorities count only within a session, and all end with it.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from vision_customization.customization.client.client import VisionClient

START_SECONDS = 60.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Engine:
    """A running `vision-engine serve` with one worker."""

    endpoint: str
    key: str
    data_dir: Path
    process: "subprocess.Popen[bytes]"

    def client(self) -> VisionClient:
        return VisionClient(self.endpoint, self.key)

    def model_file(self, model_name: str) -> Path:
        """The ONNX file, downloaded once."""
        path = self.data_dir.parent / f"{model_name}.onnx"
        if not path.exists():
            with self.client() as client:
                client.download_artifact(model_name, path)
        return path

    def worker_cpu_seconds(self) -> float:
        """Processor time that the worker has taken so far."""
        times = [child.cpu_times() for child in psutil.Process(self.process.pid).children()]
        return sum(time_.user + time_.system for time_ in times)

    def workerpeak_gigabytes(self) -> float:
        """The peak memory of a worker so far, in 10⁹ bytes."""
        return max(peak_gigabytes(child.pid) for child in psutil.Process(self.process.pid).children())

    def apipeak_gigabytes(self, *, again: bool = False) -> float:
        """The peak memory of the process that answers so far, in 10⁹ bytes; with `again`, from now on."""
        if again:
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # proc(5): resets the peak
        return peak_gigabytes(self.process.pid)

    def wait_until_worker_rests(self) -> None:
        """Wait until the worker uses almost no processor time, so that it does not share the cores with what follows."""
        if not _rests(self.worker_cpu_seconds):
            raise RuntimeError("the worker is still busy, although it has no jobs")

    def wait_until_api_rests(self) -> None:
        """The same for the process that answers, which may still make pictures."""
        if not _rests(self.api_cpu_seconds):
            raise RuntimeError("the API is still busy, although nobody asks it")

    def api_cpu_seconds(self) -> float:
        """Processor time that the process that answers has taken so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


class Script:
    """A Python module that answers a JSON line on stdin with one on stdout, and ends with its stdin."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **question: Any) -> Any:  # noqa: ANN401 - JSON
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self._process.args[2:3]))} ended with {self._process.wait()}")  # type: ignore[index]
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        stop(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def running_engine(data_dir: Path, blob_host: str, **settings: str) -> Iterator[Engine]:
    """`vision-engine serve` on a free port, reading blobs of `blob_host` (`host:port`) only; with further `settings`."""
    key = secrets.token_hex(16)
    data_dir.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VISION_ENGINE_")}
    environment |= {"VISION_ENGINE_KEYS": key, "VISION_ENGINE_ALLOWED_HOSTS": blob_host}
    environment |= {f"VISION_ENGINE_{name.upper()}": value for name, value in settings.items()}
    command = [str(Path(sys.executable).with_name("vision-engine")), "serve", "--port", "0", "--data-dir", str(data_dir)]
    log = data_dir.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            port = _wait_for_port(process, data_dir / "serve.json", log)
            yield Engine(f"http://127.0.0.1:{port}", key, data_dir, process)
        finally:
            process.terminate()
            stop(process)


def stop(process: "subprocess.Popen[Any]") -> None:
    """Wait for a process that was asked to end, and kill it if it does not."""
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def peak_gigabytes(pid: int) -> float:
    """The peak memory of a process so far, in 10⁹ bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def _rests(cpu_seconds: Callable[[], float]) -> bool:
    """Whether hardly any processor time is used before long."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        before = cpu_seconds()
        time.sleep(0.5)
        if cpu_seconds() - before < 0.05:
            return True
    return False


def _wait_for_port(process: "subprocess.Popen[bytes]", announcement: Path, log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if announcement.exists():
            return int(json.loads(announcement.read_text())["port"])
        time.sleep(0.05)
    raise RuntimeError(f"vision-engine does not listen after {START_SECONDS:.0f} s:\n{log.read_text()[-2000:]}")
