"""Processes that outlive the program that starts them, distinguished from later processes with the same id."""

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
"""How long a process may take to end before it is killed."""


_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class DetachedProcess:
    """A process in a session of its own. `started` identifies it even after changes of the clock.

    A number instead of a string is from a state written by an older version: seconds since the epoch.
    """

    pid: int
    started: str | float

    def is_running(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if isinstance(self.started, str):
                return start_of(self.pid) == self.started
            return abs(process.create_time() - self.started) < 1.0
        except psutil.NoSuchProcess:
            return False

    def stop(self) -> None:
        """End the process, then those that it started and left; kill those that do not end in time. No other is affected.

        A wrapper such as npx ends at once and leaves the server, which has to hear of it, too.
        """
        if not self.is_running():
            return
        family = [psutil.Process(self.pid)]
        with suppress(psutil.NoSuchProcess):
            family += family[0].children(recursive=True)
        with suppress(psutil.NoSuchProcess):
            family[0].send_signal(signal.SIGTERM)
            family[0].send_signal(signal.SIGCONT)  # a suspended process handles the signal only after it resumes
        deadline = time.monotonic() + STOP_SECONDS
        psutil.wait_procs(family[:1], timeout=STOP_SECONDS)
        for process in family[1:]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=max(1.0, deadline - time.monotonic()))
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=STOP_SECONDS)


def start(command: Sequence[str], *, environment: Mapping[str, str], log_file: Path) -> DetachedProcess:
    """Start `command` detached, appending its output to `log_file`. Raises OSError if it cannot be started.

    It inherits this process's environment, except Pulumi's own variables (such as the passphrase) and the engine's settings,
    which come only from the stack.
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
    # Python warns if a Popen object is deleted while its process runs; here that is intended.
    process.returncode = 0
    try:
        return DetachedProcess(process.pid, start_of(process.pid))
    except psutil.NoSuchProcess:  # it has already ended
        return DetachedProcess(process.pid, "ended")


def start_of(pid: int) -> str:
    """When a process was started, independent of changes of the clock. Raises psutil.NoSuchProcess.

    Linux counts from the boot, which has an id (proc(5): `starttime`); psutil computes its creation time from that and the
    clock. Elsewhere, the kernel stores the creation time itself.
    """
    if not _BOOT_ID.exists():
        return f"{psutil.Process(pid).create_time():.6f}"
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    # The name, in parentheses, may contain spaces and parentheses; the start is the 20th field after it.
    ticks = stat.rpartition(")")[2].split()[19]
    return f"{_BOOT_ID.read_text().strip()}/{ticks}"


def size_of(log_file: Path) -> int:
    """The log's size in bytes; 0 if there is no log."""
    try:
        return log_file.stat().st_size
    except FileNotFoundError:
        return 0


def last_lines(log_file: Path, count: int = 15) -> str:
    """The end of a log, to explain a process that did not come up."""
    try:
        return "\n".join(log_file.read_text(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return ""
