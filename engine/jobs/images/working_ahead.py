"""Work done in threads ahead of the consumer of its results, in order and within bounds."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from vision_customization.engine.jobs.steps.waiting import until_done

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    def fill(self) -> None:
        """Start what can be started without waiting."""
        ...

    def take(self, wait: bool) -> T_co | None:
        """The next in line. None after the last, and also if `wait` is false and the next is not ready."""
        ...


class Listed(Generic[I]):
    """Items that are always ready."""

    def __init__(self, items: Iterable[I]) -> None:
        self._items = iter(items)

    def fill(self) -> None: ...

    def take(self, wait: bool) -> I | None:  # noqa: ARG002 - a source's
        return next(self._items, None)


@dataclass(frozen=True)
class Budget(Generic[I, R]):
    """Bounds the line: at most `items`, and no further one once `size_of` of all of them reaches `size`. `size_of` is called
    again each time, because the size of a result is known only when it is done."""

    items: int
    size: int
    size_of: Callable[[I, Future[R]], int]


class OrderedAhead(Generic[I, R]):
    """Does `work` on the items of a source. It is itself a source of the futures of their results, in the items' order.

    If the line is empty, the next item is started whatever its size, and a consumer that waits for its result waits for the
    item: so nothing waits forever. Otherwise only items that are ready are taken. `check` is called during waits; an exception
    that it raises ends the wait.
    """

    def __init__(
        self,
        source: Source[I],
        work: Callable[[I], R],
        pool: Executor,
        budget: Budget[I, R],
        check: Callable[[], None],
    ) -> None:
        self._source = source
        self._work = work
        self._pool = pool
        self._budget = budget
        self._check = check
        self._line: deque[tuple[I, Future[R]]] = deque()

    def fill(self) -> None:
        self._start(wait=False)

    def take(self, wait: bool) -> Future[R] | None:
        """The future of the next result, which is done or has failed."""
        self._start(wait)
        if not self._line:
            return None
        _, future = self._line[0]
        if not future.done():
            if not wait:
                return None
            until_done(future, self._check)
        self._line.popleft()
        return future

    def _start(self, wait: bool) -> None:
        self._source.fill()
        while self._has_room() and (item := self._source.take(wait and not self._line)) is not None:
            self._line.append((item, self._pool.submit(self._work, item)))

    def _has_room(self) -> bool:
        budget = self._budget
        if not self._line:
            return True
        return len(self._line) < budget.items and sum(budget.size_of(*one) for one in self._line) < budget.size
