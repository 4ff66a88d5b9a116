"""Processes of this machine that outlive the program that starts them, told apart from others that got their number later."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

STOP_SECONDS = 15.0
"""How long a process has to end by itself before it is killed."""


@dataclass(frozen=True)
class DetachedProcess:
    """A process in a session of its own. `started` (seconds since the epoch) says that it is still the same one."""

    pid: int
    started: float

    def is_running(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def stop(self) -> None:
        """End the process and those that it started; what does not end in time is killed. No other process is touched."""
        if not self.is_running():
            return
        family = [psutil.Process(self.pid)]
        with suppress(psutil.NoSuchProcess):
            family += family[0].children(recursive=True)
        with suppress(psutil.NoSuchProcess):
            family[0].send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=STOP_SECONDS)


def start(command: Sequence[str], *, environment: Mapping[str, str], log_file: Path) -> DetachedProcess:
    """Start `command` detached, what it prints appended to `log_file`. Raises OSError where it cannot be started.

    It inherits this process's environment, except what is Pulumi's own (the passphrase is nobody else's business) and the
    engine's settings, which come from the stack alone.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "VISION_ENGINE_"))}
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**inherited, **environment},
        )
    # Python complains of a process object that is dropped while its process lives; this one is meant to.
    process.returncode = 0
    return DetachedProcess(process.pid, _start_time(process.pid))


def _start_time(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return time.time()


def last_lines(log_file: Path, count: int = 15) -> str:
    """The end of a log, to explain a process that did not come up."""
    try:
        return "\n".join(log_file.read_text(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return ""
