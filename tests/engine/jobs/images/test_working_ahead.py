"""Work ahead of the one who takes it, on numbers."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.support.waiting import wait_until
from vision_customization.engine.jobs.errors import JobCancelled
from vision_customization.engine.jobs.images.working_ahead import Budget, Listed, OrderedAhead


class Workshop:
    """Doubles a number once it is let go."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._gates: dict[int, threading.Event] = {}

    def gate(self, number: int) -> threading.Event:
        return self._gates.setdefault(number, threading.Event())

    def let_go(self, *numbers: int) -> None:
        for number in numbers:
            self.gate(number).set()

    def double(self, number: int) -> int:
        self.begun.append(number)
        assert self.gate(number).wait(30)
        if number < 0:
            raise ValueError(number)
        return 2 * number


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def pool(workshop: Workshop) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool
        workshop.let_go(*range(-20, 20))


def unsized(_item: object, _future: Future[int]) -> int:
    return 0


def size_of(item: int, future: Future[int]) -> int:
    return future.result() if future.done() else item


def test_results_come_in_order_however_the_work_ends(workshop: Workshop, pool: ThreadPoolExecutor) -> None:
    ahead = OrderedAhead(Listed([1, 2, 3]), workshop.double, pool, Budget(8, 100, unsized), lambda: None)
    workshop.let_go(3, 2)
    ahead.fill()
    wait_until(lambda: len(workshop.begun) == 3, "all three are begun")
    assert ahead.take(wait=False) is None
    workshop.let_go(1)
    assert [future.result() for future in (ahead.take(wait=True) for _ in range(3)) if future is not None] == [2, 4, 6]
    assert ahead.take(wait=True) is None


@pytest.mark.parametrize(
    ("items", "size", "begun"),
    [(2, 1000, 2), (9, 6, 3), (9, 7, 4), (9, 1, 1), (1, 0, 1)],
    ids=["as many as may be", "until the size is reached", "once beyond it", "one of any size", "one always"],
)
def test_no_more_is_begun_than_the_budget_has_room_for(
    workshop: Workshop, pool: ThreadPoolExecutor, items: int, size: int, begun: int
) -> None:
    ahead = OrderedAhead(Listed([1, 2, 3, 4]), workshop.double, pool, Budget(items, size, size_of), lambda: None)
    ahead.fill()
    wait_until(lambda: len(workshop.begun) == begun, f"{begun} are begun")
    ahead.fill()
    assert sorted(workshop.begun) == [1, 2, 3, 4][:begun]
    workshop.let_go(1, 2, 3, 4)
    assert [future.result() for future in iter(lambda: ahead.take(wait=True), None)] == [2, 4, 6, 8]


def test_what_fails_fails_in_its_turn_and_ends_nothing(workshop: Workshop, pool: ThreadPoolExecutor) -> None:
    ahead = OrderedAhead(Listed([1, -2, 3]), workshop.double, pool, Budget(8, 100, unsized), lambda: None)
    workshop.let_go(1, -2, 3)
    first, second, third = (ahead.take(wait=True) for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.result(), third.result()) == (2, 6)
    with pytest.raises(ValueError, match="-2"):
        second.result()


def test_two_in_a_row_work_at_once_and_the_second_takes_only_what_is_ready(
    workshop: Workshop, pool: ThreadPoolExecutor
) -> None:
    negated: list[int] = []

    def negate(future: Future[int]) -> int:
        negated.append(future.result())
        return -future.result()

    doubled = OrderedAhead(Listed([1, 2, 3, 4]), workshop.double, pool, Budget(3, 100, unsized), lambda: None)
    ahead = OrderedAhead(doubled, negate, pool, Budget(8, 100, unsized), lambda: None)
    workshop.let_go(1, 3)
    first = ahead.take(wait=True)
    assert first is not None
    assert first.result() == -2
    ahead.fill()
    wait_until(lambda: sorted(workshop.begun) == [1, 2, 3, 4], "all four are begun")  # the first is full again
    assert negated == [2]  # 3 is done, but not its turn
    workshop.let_go(2, 4)
    assert [future.result() for future in iter(lambda: ahead.take(wait=True), None)] == [-4, -6, -8]


def test_waiting_ends_with_what_the_check_raises_and_nothing_is_lost(workshop: Workshop, pool: ThreadPoolExecutor) -> None:
    cancelled = True

    def check() -> None:
        if cancelled:
            raise JobCancelled

    ahead = OrderedAhead(Listed([1]), workshop.double, pool, Budget(1, 1, unsized), check)
    with pytest.raises(JobCancelled):
        ahead.take(wait=True)
    cancelled = False
    workshop.let_go(1)
    future = ahead.take(wait=True)
    assert future is not None
    assert future.result() == 2
