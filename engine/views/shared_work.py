"""Work that is done once for all who ask for it at the same time, in few threads, and for a bounded number of them."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from vision_customization.engine.runtime.priority import give_way
from vision_customization.engine.views.errors import ViewsBusy

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class SharedWork(Generic[K, R]):
    """Runs pieces of work by key, in `threads` threads that give way to the process's other threads.

    At most `waiting_max` pieces wait for a thread. A piece whose answers are all cancelled leaves its place to another one.
    """

    def __init__(self, threads: int, waiting_max: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=give_way)
        self._threads, self._waiting_max = threads, waiting_max
        self._lock = threading.Lock()
        self._askers: dict[K, list[Future[R]]] = {}
        self._waiting: dict[K, Callable[[], R]] = {}
        self._working = 0
        self._closed = False

    def close(self) -> None:
        """Ends the threads after what they are doing. Answers that were not given are cancelled."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
        self._pool.shutdown(wait=False)
        with self._lock:
            left = [answer for answers in self._askers.values() for answer in answers]
        for answer in left:
            answer.cancel()

    @property
    def pending(self) -> int:
        """How many pieces wait or run."""
        with self._lock:
            return len(self._askers)

    def answer(self, key: K, work: Callable[[], R], answer: Future[R]) -> None:
        """Let `answer` have the result of `work`: of the same piece that already waits or runs under `key`, or else of a new
        one. It gets ViewsBusy instead if too many wait. A piece that waits is dropped once all of its answers are cancelled."""
        with self._lock:
            if self._closed:
                answer.cancel()
                return
            if (asked := self._askers.get(key)) is not None:
                self._askers[key] = [*(each for each in asked if not each.cancelled()), answer]
                return
            free = self._working < self._threads
            if free or self._has_room():
                self._askers[key] = [answer]
                self._waiting[key] = work
                if free:
                    self._working += 1
                    self._pool.submit(self._work)
                return
            pending = len(self._askers)
        fail(answer, ViewsBusy(pending))

    def _has_room(self) -> bool:
        """Whether another piece may wait, if necessary in the place of those that are not needed any more."""
        if len(self._waiting) >= self._waiting_max:
            for key in [key for key in self._waiting if self._is_dropped(key)]:
                self._drop(key)
        return len(self._waiting) < self._waiting_max

    def _is_dropped(self, key: K) -> bool:
        return all(answer.cancelled() for answer in self._askers[key])

    def _drop(self, key: K) -> None:
        del self._waiting[key]
        del self._askers[key]

    def _work(self) -> None:
        """A thread's: runs what waits, in the order in which it was asked for, until nothing does."""
        while (piece := self._next()) is not None:
            self._run(*piece)

    def _next(self) -> tuple[K, Callable[[], R]] | None:
        with self._lock:
            while self._waiting:
                key = next(iter(self._waiting))
                if not self._is_dropped(key):
                    return key, self._waiting.pop(key)
                self._drop(key)
            self._working -= 1
            return None

    def _run(self, key: K, work: Callable[[], R]) -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is the askers'
            for answer in self._ended(key):
                fail(answer, error)
        else:
            for answer in self._ended(key):
                succeed(answer, result)

    def _ended(self, key: K) -> list[Future[R]]:
        with self._lock:
            return self._askers.pop(key)


def succeed(answer: Future[R], result: R) -> None:
    """Give an answer, unless it was cancelled."""
    if answer.set_running_or_notify_cancel():
        answer.set_result(result)


def fail(answer: Future[R], error: BaseException) -> None:
    """Give an error as the answer, unless it was cancelled."""
    if answer.set_running_or_notify_cancel():
        answer.set_exception(error)
