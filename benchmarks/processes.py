"""The processes of a benchmark: the engine, a blob server, and the bare scripts to compare them with.

All run in this process's session, because priorities count only within a session, and all end with it.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
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

    def worker_peak_gigabytes(self) -> float:
        """The peak memory of a worker so far, in 10⁹ bytes."""
        return max(peak_gigabytes(child.pid) for child in psutil.Process(self.process.pid).children())

    def api_peak_gigabytes(self, *, again: bool = False) -> float:
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
        assert self._process.stdout is not None
        self._process.stdin.close()
        stop(self._process)
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def running_engine(data_dir: Path, blob_host: str, checkout: Path | None = None, **settings: str) -> Iterator[Engine]:
    """`vision-engine serve` on a free port, reading blobs of `blob_host` (`host:port`) only; with further `settings`.

    An engine that ran on the same data folder before must have ended. The code is that of this process, or of `checkout`.
    """
    key = secrets.token_hex(16)
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / "serve.json").unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VISION_ENGINE_")}
    environment |= {"VISION_ENGINE_KEYS": key, "VISION_ENGINE_ALLOWED_HOSTS": blob_host}
    environment |= {f"VISION_ENGINE_{name.upper()}": value for name, value in settings.items()}
    command = [str(Path(sys.executable).with_name("vision-engine"))]
    if checkout is not None:
        command = engine_command(checkout)
        environment |= {"PYTHONPATH": python_path(checkout)}
    command += ["serve", "--port", "0", "--data-dir", str(data_dir)]
    log = data_dir.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            port = _wait_for_port(process, data_dir / "serve.json", log)
            yield Engine(f"http://127.0.0.1:{port}", key, data_dir, process)
        finally:
            process.terminate()
            stop(process)


def engine_command(checkout: Path) -> list[str]:
    """`vision-engine` by the environment of `checkout`, or if it has none, by this one; with its code on `python_path`."""
    own = checkout / ".venv" / "bin" / "python"
    return [str(own if own.exists() else sys.executable), "-c", "from vision_customization.engine.cli import main; main()"]


def python_path(checkout: Path) -> str:
    return os.pathsep.join([str(checkout / "src"), str(checkout)])


def stop(process: "subprocess.Popen[Any]") -> None:
    """Wait for a process that was asked to end, and kill it if it does not."""
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop_all(process: "subprocess.Popen[Any]", seconds: float) -> None:
    """End a process and those that it started, and kill the ones that have not ended after `seconds`."""
    started = _tree(process.pid)
    process.terminate()
    _, alive = psutil.wait_procs(started, timeout=seconds)
    for each in alive:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(alive, timeout=STOP_SECONDS)
    process.wait()


@contextmanager
def asleep(pids: Sequence[int]) -> Iterator[Callable[[int], AbstractContextManager[None]]]:
    """These processes and those that they started do nothing (SIGSTOP), except within `awake(pid)`.

    Even a server that nobody asks takes processor time, from the one that is measured. Raises TimeoutError if one goes on.
    """

    @contextmanager
    def awake(pid: int) -> Iterator[None]:
        _resume(pid)
        try:
            yield
        finally:
            _suspend(pid)

    try:
        for pid in pids:
            _suspend(pid)
        yield awake
    finally:
        for pid in pids:
            _resume(pid)


def _suspend(pid: int) -> None:
    """Stop a process and those that it started, and wait until they have: a signal is delivered later than it is sent."""
    processes = _tree(pid)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        while not _suspended(process):
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {process.pid} was told to stop {STOP_SECONDS:.0f} s ago, and still runs")
            time.sleep(0.001)


def _suspended(process: psutil.Process) -> bool:
    """Whether it takes no processor time: it has stopped or ended."""
    try:
        return process.status() in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE}
    except psutil.NoSuchProcess:
        return True


def _resume(pid: int) -> None:
    for process in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            process.resume()


def resident_megabytes(pid: int) -> float:
    """Memory of a process and of those that it started, in 10⁶ bytes. What they share counts once."""
    sizes = []
    for process in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            sizes.append(process.memory_full_info().pss)
    return sum(sizes) / 1e6


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


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
