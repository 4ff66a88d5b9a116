"""The jobs whose pieces a worker runs, open from piece to piece: opening one reads its plan."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    def close(self) -> None: ...


J = TypeVar("J", bound=Closable)

_IDLE_MAX = 2
_IDLE_SECONDS = 30.0
"""How many jobs stay open without a piece, and how long: the next piece is probably of one of them."""


@dataclass
class _Open(Generic[J]):
    job: J
    users: int = 0
    used_at: float = 0.0


class OpenJobs(Generic[J]):
    """Opens jobs by `open_job(id)`, and closes those that were not used for longest."""

    def __init__(self, open_job: Callable[[str], J], idle_seconds: float = _IDLE_SECONDS) -> None:
        self._open_job = open_job
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._open: dict[str, _Open[J]] = {}
        self._looks = False

    @contextmanager
    def opened(self, job_id: str) -> Iterator[J]:
        """The job, which stays open meanwhile. Several pieces of it may use it at once."""
        with self._lock:
            entry = self._open.pop(job_id, None) or _Open(self._open_job(job_id))
            self._open[job_id] = entry  # last: used latest
            entry.users += 1
        try:
            yield entry.job
        finally:
            with self._lock:
                entry.users -= 1
                entry.used_at = time.monotonic()
                self._close(self._idle()[:-_IDLE_MAX])
                self._look_later()

    def _look_later(self) -> None:
        if self._looks or not self._idle():
            return
        self._looks = True
        later = threading.Timer(self._idle_seconds, self._close_old)
        later.daemon = True
        later.start()

    def _close_old(self) -> None:
        until = time.monotonic() - self._idle_seconds
        with self._lock:
            self._looks = False
            self._close([id_ for id_ in self._idle() if self._open[id_].used_at <= until])
            self._look_later()

    def _idle(self) -> list[str]:
        return [id_ for id_, entry in self._open.items() if not entry.users]

    def _close(self, ids: list[str]) -> None:
        for id_ in ids:
            self._open.pop(id_).job.close()
