import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future

import pytest

from vision_customization.engine.runtime.priority import NICENESS
from vision_customization.engine.views.errors import ViewsBusy
from vision_customization.engine.views.shared_work import SharedWork

Work = SharedWork[str, int]


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def work() -> Iterator[Work]:
    """One thread, and room for two that wait."""
    work = Work(1, 2, "test")
    yield work
    work.close()


def ask(work: Work, key: str, piece: Callable[[], int]) -> Future[int]:
    answer = Future[int]()
    work.answer(key, piece, answer)
    return answer


def held(work: Work, gate: threading.Event) -> Future[int]:
    """A piece that keeps the thread busy until the gate opens."""
    began = threading.Event()

    def piece() -> int:
        began.set()
        assert gate.wait(10)
        return 0

    answer = ask(work, "held", piece)
    assert began.wait(10)
    return answer


def test_who_asks_for_the_same_gets_the_same(work: Work, gate: threading.Event) -> None:
    first = held(work, gate)
    done: list[str] = []

    def piece() -> int:
        done.append("a")
        return 7

    answers = [ask(work, "a", piece) for _ in range(5)]
    late = ask(work, "held", lambda: 1)  # joins the one that runs
    gate.set()
    assert [answer.result(10) for answer in answers] == [7] * 5
    assert (first.result(10), late.result(10), done) == (0, 0, ["a"])
    assert work.pending == 0
    assert ask(work, "a", lambda: 8).result(10) == 8


def test_too_many_are_refused_and_those_that_wait_are_done(work: Work, gate: threading.Event) -> None:
    held(work, gate)
    waiting = [ask(work, key, lambda: 1) for key in "ab"]
    refused = ask(work, "c", lambda: 1)
    with pytest.raises(ViewsBusy, match=r"making 3 pictures already\. Try again in a second") as raised:
        refused.result(0)
    assert raised.value.retry_after_seconds == 1
    assert not ask(work, "a", lambda: 2).done()  # asks for one that waits already
    gate.set()
    assert [answer.result(10) for answer in waiting] == [1, 1]
    assert ask(work, "c", lambda: 3).result(10) == 3


def test_an_error_is_every_askers(work: Work, gate: threading.Event) -> None:
    held(work, gate)

    def piece() -> int:
        raise LookupError("gone")

    answers = [ask(work, "a", piece) for _ in range(2)]
    gate.set()
    for answer in answers:
        with pytest.raises(LookupError, match="gone"):
            answer.result(10)
    assert ask(work, "a", lambda: 1).result(10) == 1


def test_what_nobody_waits_for_is_not_done(work: Work, gate: threading.Event) -> None:
    held(work, gate)
    done: list[str] = []
    dropped = ask(work, "dropped", lambda: done.append("dropped") or 1)
    shared = [ask(work, "shared", lambda: done.append("shared") or 2) for _ in range(2)]
    assert dropped.cancel()
    assert shared[0].cancel()
    gate.set()
    assert shared[1].result(10) == 2
    assert done == ["shared"]
    assert work.pending == 0


def test_what_nobody_waits_for_leaves_its_place(work: Work, gate: threading.Event) -> None:
    """As when somebody scrolls fast through pictures whose blobs are slow."""
    held(work, gate)
    done: list[str] = []
    for number in range(100):
        passed = [ask(work, f"{number}{side}", lambda: done.append("passed") or 0) for side in "ab"]
        assert not any(answer.done() for answer in passed), "no place for it, though the others are not needed any more"
        assert work.pending == 3
        for answer in passed:
            assert answer.cancel()
    ask(work, "again", lambda: 4).cancel()
    again = ask(work, "again", lambda: 5)  # cancelled and asked for again, before a thread was free
    last = ask(work, "last", lambda: 6)
    with pytest.raises(ViewsBusy):
        ask(work, "one too many", lambda: 7).result(0)
    gate.set()
    assert (again.result(10), last.result(10), done) == (4, 6, [])
    assert work.pending == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities per thread")
def test_its_threads_give_way(work: Work) -> None:
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    assert ask(work, "a", lambda: os.getpriority(os.PRIO_PROCESS, 0)).result(10) == min(19, mine + NICENESS)


def test_closing_ends_all_waits(work: Work, gate: threading.Event) -> None:
    running = held(work, gate)
    waiting = ask(work, "a", lambda: 1)
    work.close()
    for answer in (running, waiting, ask(work, "b", lambda: 1)):
        with pytest.raises(CancelledError):
            answer.result(10)
