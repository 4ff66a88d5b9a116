"""Divides a worker's time among the pieces that run at once, so that the sum of their seconds is the time that passed."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """What a piece has taken. `seconds` grows while it runs."""

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read
        self._started = read()
        self._ended: float | None = None

    @property
    def seconds(self) -> float:
        return (self._read() if self._ended is None else self._ended) - self._started

    def stop(self) -> None:
        self._ended = self._read()


class SharedClock:
    """Time that passes 1/n as fast while n pieces run: with two at once, each gets half of every second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._running = 0
        self._now = 0.0
        self._read_at = clock()

    @contextmanager
    def measuring(self) -> Iterator[Stopwatch]:
        """Measures what runs within."""
        self._count(1)
        stopwatch = Stopwatch(self._read)
        try:
            yield stopwatch
        finally:
            stopwatch.stop()
            self._count(-1)

    def _read(self) -> float:
        with self._lock:
            return self._advanced()

    def _count(self, change: int) -> None:
        with self._lock:
            self._advanced()
            self._running += change

    def _advanced(self) -> float:
        now = self._clock()
        self._now += (now - self._read_at) / max(1, self._running)
        self._read_at = now
        return self._now
