"""The jobs whose pieces a worker runs, open from piece to piece: opening one reads its plan."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    def close(self) -> None: ...


J = TypeVar("J", bound=Closable)

_IDLE_MAX = 2
"""Jobs that stay open without a piece: the next piece is probably of one of them."""


@dataclass
class _Open(Generic[J]):
    job: J
    users: int = 0


class OpenJobs(Generic[J]):
    """Opens jobs by `open_job(id)`, and closes those that were not used for longest."""

    def __init__(self, open_job: Callable[[str], J]) -> None:
        self._open_job = open_job
        self._lock = threading.Lock()
        self._open: dict[str, _Open[J]] = {}

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
                idle = [id_ for id_, entry in self._open.items() if not entry.users]
                for id_ in idle[:-_IDLE_MAX]:
                    self._open.pop(id_).job.close()
