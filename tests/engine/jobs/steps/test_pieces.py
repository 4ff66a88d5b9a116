"""How a job waits for its pieces: in order, bounded, and the same way when it is resumed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from dbos import WorkflowStatus
from sqlalchemy.exc import OperationalError

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.queue import FIRST_PRIORITY, FITTING_QUEUE, READING_QUEUE
from vision_customization.engine.jobs.steps import pieces as steps
from vision_customization.engine.jobs.steps.pieces import AT_ONCE, Pieces
from vision_customization.engine.jobs.steps.retrying import PAUSES_SECONDS

Result = tuple[str, Any]


@dataclass
class Queue:
    """Ends each piece with what `end` says of it, as soon as somebody asks."""

    end: Callable[[str, Sequence[Any]], Result | None] = lambda _piece, arguments: ("SUCCESS", sum(arguments))
    enqueued: dict[str, tuple[str, int, Sequence[Any]]] = field(default_factory=dict)
    most: int = 0
    asked: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)

    def enqueue_pieces(self, queue: str, priority: int, pieces: Mapping[str, Sequence[Any]]) -> None:
        for piece, arguments in pieces.items():
            self.enqueued.setdefault(piece, (queue, priority, arguments))
        self.most = max(self.most, len(self.enqueued) - len(set(self.asked)))

    def ended_piece(self, piece: str) -> WorkflowStatus | None:
        found = self.end(piece, self.enqueued[piece][2][4]) if piece in self.enqueued else None
        if found is None:
            return None
        self.asked.append(piece)
        return SimpleNamespace(status=found[0], output=found[1])  # type: ignore[return-value]

    def awakenings(self) -> int:
        return 0

    def wait(self, awakenings: int, seconds: float) -> None: ...

    def withdraw_pieces(self, job: str) -> None:
        self.withdrawn.append(job)

    def forget_pieces(self, job: str) -> None:
        self.withdraw_pieces(job)


@dataclass
class Recorded:
    """Records the results of steps, as DBOS does."""

    results: list[tuple[str, Any]] = field(default_factory=list)
    at: int = 0

    def step(self, name: str, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        if self.at == len(self.results):
            self.results.append((name, function(*arguments)))
        recorded, result = self.results[self.at]
        assert recorded == name
        self.at += 1
        return result

    def resumed(self, after: int) -> "Recorded":
        return Recorded(self.results[:after])


class Job:
    def add(self, *numbers: int) -> int:
        return sum(numbers)


ITEMS = [(number, 1) for number in range(3 * AT_ONCE)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LOOK_SECONDS", 0.001)


def check() -> None: ...


def test_a_spread_gives_all_results_in_order_and_never_has_more_in_hand_than_allowed() -> None:
    queue, recorded = Queue(), Recorded()
    pieces = Pieces(recorded.step, queue, "job", check)
    pieces.priority = 9
    assert list(pieces.spread("add", Job().add, ITEMS)) == [(item, sum(item)) for item in ITEMS]
    assert queue.most == AT_ONCE
    assert queue.enqueued["job.add-7-1"] == (READING_QUEUE, 9, ("job", "add 7/1", "add", False, (7, 1)))


@pytest.mark.parametrize("after", [0, 1, AT_ONCE, 2 * AT_ONCE + 1, len(ITEMS)])
def test_a_job_that_is_resumed_goes_on_with_the_pieces_that_it_had_enqueued(after: int) -> None:
    queue, recorded = Queue(), Recorded()
    expected = list(Pieces(recorded.step, queue, "job", check).spread("add", Job().add, ITEMS))
    asked_before, queue.asked = queue.asked, []
    resumed = Pieces(recorded.resumed(after).step, queue, "job", check)
    assert list(resumed.spread("add", Job().add, ITEMS)) == expected
    assert queue.asked == asked_before[after:]
    assert len(queue.enqueued) == len(ITEMS)


def test_enough_takes_what_has_ended_without_a_gap_and_withdraws_the_rest() -> None:
    running = "job.add-12-1"
    queue, recorded = Queue(lambda piece, arguments: None if piece == running else ("SUCCESS", sum(arguments))), Recorded()
    found: list[tuple[int, int]] = []

    def spread(recorded: Recorded) -> list[tuple[int, int]]:
        found.clear()
        pieces = Pieces(recorded.step, queue, "job", check)
        for item, _ in pieces.spread("add", Job().add, ITEMS, enough=lambda item: item[0] < 100 and len(found) >= 10):
            found.append(item)
        return list(found)

    assert spread(recorded) == ITEMS[:12]
    assert queue.withdrawn == ["job"]
    running = ""  # it would have ended by now, but the job has decided
    assert spread(recorded.resumed(11)) == ITEMS[:12]


def test_where_nothing_more_is_enough_the_rest_is_not_even_enqueued() -> None:
    queue = Queue()
    assert not list(Pieces(Recorded().step, queue, "job", check).spread("add", Job().add, ITEMS, enough=lambda _item: True))
    assert len(queue.enqueued) == 0


def test_a_piece_with_steps_runs_once_in_its_queue() -> None:
    queue = Queue()
    assert Pieces(Recorded().step, queue, "job", check).run(FITTING_QUEUE, "sum up", Job().add, 1, 2) == 3
    assert queue.enqueued == {"job.sum-up": (FITTING_QUEUE, FIRST_PRIORITY, ("job", "sum up", "add", True, (1, 2)))}


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        (("SUCCESS", JobFailed(FailureCode.DATASET_CORRUPT, "the image is damaged")), "the image is damaged"),
        (("ERROR", None), "The engine failed in step 'add 3/1'. See its log"),
        (("CANCELLED", None), "The worker died on each of 10 attempts at images of 3, most often for lack of memory"),
        (("MAX_RECOVERY_ATTEMPTS_EXCEEDED", None), "at images of 3"),
    ],
)
def test_the_first_piece_that_fails_ends_the_job_and_says_which_it_was(ended: Result, says: str) -> None:
    queue = Queue(lambda piece, arguments: ended if piece == "job.add-3-1" else ("SUCCESS", sum(arguments)))
    pieces = Pieces(Recorded().step, queue, "job", check)
    spread = pieces.spread("add", Job().add, ITEMS, told=lambda item: f"images of {item[0]}")
    assert [next(spread)[0] for _ in range(3)] == ITEMS[:3]
    with pytest.raises(JobFailed, match=says):
        next(spread)


@pytest.mark.parametrize("ended", [None, ("CANCELLED", None), ("SUCCESS", JobCancelled())])
def test_a_job_that_is_cancelled_stops_waiting(ended: Result | None) -> None:
    def cancelled() -> None:
        raise JobCancelled

    pieces = Pieces(Recorded().step, Queue(lambda _piece, _arguments: ended), "job", cancelled)
    with pytest.raises(JobCancelled):
        next(pieces.spread("add", Job().add, ITEMS))


class Silent:
    """Passes on to a queue, after so many failures of the database in a row, again and again."""

    def __init__(self, queue: Queue, failures: int) -> None:
        self._queue = queue
        self._failures = failures
        self.looks, self.pauses = 0, list[float]()

    def ended_piece(self, piece: str) -> WorkflowStatus | None:
        self.looks += 1
        if self.looks % (self._failures + 1):
            raise OperationalError("SELECT", {}, Exception("the server restarts"))
        return self._queue.ended_piece(piece) if self.looks > 5 * self._failures else None

    def wait(self, awakenings: int, seconds: float) -> None:
        self.pauses.append(seconds)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._queue, name)


def test_a_long_wait_outlives_any_number_of_short_failures_of_the_database() -> None:
    queue = Silent(Queue(), len(PAUSES_SECONDS))
    assert Pieces(Recorded().step, queue, "job", check).run(FITTING_QUEUE, "add", Job().add, 1, 2) == 3
    assert queue.looks > 5 * len(PAUSES_SECONDS)
    assert tuple(queue.pauses[: len(PAUSES_SECONDS)]) == PAUSES_SECONDS


def test_a_database_that_never_answers_ends_a_wait() -> None:
    queue = Silent(Queue(), len(PAUSES_SECONDS) + 1)
    with pytest.raises(OperationalError):
        Pieces(Recorded().step, queue, "job", check).run(FITTING_QUEUE, "add", Job().add, 1)
    assert queue.looks == len(PAUSES_SECONDS) + 1
