"""The worker processes of `serve`: they start with it, are restarted if they end, and end with it."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from vision_customization.common.backoff import Backoff
from vision_customization.engine.settings import Settings

_BACKOFF = Backoff(0.5, 30.0)
_STEADY_SECONDS = 60.0
_STOP_SECONDS = 3.0
_log = logging.getLogger(__name__)


@dataclass
class _Slot:
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    due: float = 0.0


class WorkerProcesses:
    """`settings.workers` workers as children of this process.

    One thread starts them all and lives until `stop`, because the kernel ends a child with the *thread* that started it. They
    stay in this process's session, because on many kernels a priority counts only among the processes of a session.
    """

    def __init__(self, settings: Settings, command: Callable[[], list[str]] | None = None) -> None:
        self._settings = settings
        self._command = command or (
            lambda: [sys.executable, "-m", "vision_customization.engine.jobs.process.worker_child", str(os.getpid())]
        )
        self._slots = [_Slot() for _ in range(settings.workers)]
        self._stopping = False
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._slots and self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="worker-processes", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop all workers; after the next start, their jobs continue where they stopped."""
        self._stopping = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        try:
            while not self._stopping:
                for slot in self._slots:
                    self._see_to(slot)
                due = [slot.due for slot in self._slots if slot.process is None]
                self._changed.wait(max(0.0, min(due) - time.monotonic()) if due else None)
                self._changed.clear()
        finally:
            self._end_all()

    def _see_to(self, slot: _Slot) -> None:
        now = time.monotonic()
        if slot.process is None:
            if now >= slot.due:
                slot.process = self._spawn()
                slot.started = now
            return
        status = slot.process.poll()
        if status is None:
            return
        if now - slot.started > _STEADY_SECONDS:
            slot.failures = 0
        slot.failures += 1
        backoff_seconds = _BACKOFF.wait_seconds(slot.failures)
        _log.warning("a worker ended (%s); a new one starts in %.1f s", _told(status), backoff_seconds)
        slot.process, slot.due = None, now + backoff_seconds

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            **self._settings.to_environment(),
            # The threads of a BLAS wait for each other by spinning. At the lowest priority, on cores that others use too, a fit
            # of 300 images took 3 to 15 s with two of them, and 0.5 s with one; of 1,500 images 9 to 22 s, and 4 to 9 s.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        }
        process = subprocess.Popen(self._command(), env=environment, stdin=subprocess.DEVNULL)
        threading.Thread(target=self._tell_end, args=(process,), name="worker-end", daemon=True).start()
        return process

    def _tell_end(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._changed.set()

    def _end_all(self) -> None:
        processes = [slot.process for slot in self._slots if slot.process is not None]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _told(status: int) -> str:
    return f"status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
