"""The pieces of a job: work that any worker takes from a queue while the job's workflow waits for it.

A piece is a method of the job's object (`Training`, `EvaluationRun`) and its arguments. The worker that takes it opens the job
and calls the method. The ids of the pieces derive from the job and from what they work on, so a job that is resumed finds the
pieces that it had enqueued, and their results.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from dbos import WorkflowStatus
from sqlalchemy.exc import SQLAlchemyError

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobError, JobFailed
from vision_customization.engine.jobs.names import piece_prefix
from vision_customization.engine.jobs.queue import FIRST_PRIORITY, READING_QUEUE, RECOVERY_ATTEMPTS_MAX
from vision_customization.engine.jobs.steps.retrying import PAUSES_SECONDS

AT_ONCE = 128
"""Pieces of a spread that are enqueued or running at once: enough for 64 workers, and few enough to withdraw."""
LOOK_SECONDS = 0.5
"""How often a job that waits for a piece looks whether it has ended, or the job was cancelled, if nothing wakes it before."""

Step = Callable[..., Any]
"""`step(name, function, *arguments)` runs a step of a workflow, or returns its recorded result."""

Item = TypeVar("Item", bound=tuple[Any, ...])


class PieceQueue(Protocol):
    """`JobQueue`."""

    def enqueue_pieces(self, queue: str, priority: int, pieces: Mapping[str, Sequence[Any]]) -> None: ...

    def awakenings(self) -> int: ...

    def wait(self, awakenings: int, seconds: float) -> None: ...

    def ended_piece(self, piece: str) -> WorkflowStatus | None: ...

    def withdraw_pieces(self, job: str) -> None: ...

    def forget_pieces(self, job: str) -> None: ...


class Pieces:
    """The pieces of the job whose workflow runs here.

    Args:
        step: runs a step of the job's own workflow, which is recorded.
        job: the job's id.
        check: raises JobCancelled if the job should stop; called while it waits.
    """

    def __init__(self, step: Step, queue: PieceQueue, job: str, check: Callable[[], None]) -> None:
        self.step = step
        self.priority = FIRST_PRIORITY
        """Of the pieces from now on: the lowest number goes first."""
        self._queue = queue
        self._job = job
        self._check = check

    def run(self, queue: str, name: str, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """Run `function(step, *arguments)` on any worker that takes from `queue`, and return its result. It may have steps of
        its own: `step(name, function, *arguments)`. Raises JobFailed, JobCancelled."""

        def result() -> Any:  # noqa: ANN401
            self._enqueue(queue, {name: arguments}, function, steps=True)
            return self._awaited(name, lambda: f"the step '{name}'")

        return self.step(name, result)

    def spread(
        self,
        name: str,
        function: Callable[..., Any],
        items: Sequence[Item],
        *,
        queue: str = READING_QUEUE,
        enough: Callable[[Item], bool] = lambda _item: False,
        after: Callable[[Item, Any], None] = lambda _item, _result: None,
        told: Callable[[Item], str] | None = None,
    ) -> Iterator[tuple[Item, Any]]:
        """Run `function(*item)` for each item, each as a piece that any worker takes, up to 128 at once. Yields the items with
        their results, in order. Each is one step: an error that may pass is tried again, and nothing is recorded in between.

        Args:
            name: names the pieces, with their items. A job spreads each name once.
            function: a method of the job's object. What it is given and returns is pickled into the queue's database, so it
                should be small: large results belong into objects.
            items: the arguments of each call: numbers and strings.
            enough: asked before each item. If true, the items from here on that have ended, without a gap, are yielded, and
                no others: they are withdrawn. It must depend on results alone.
            after: called with each item and its result before it is recorded: reports the progress.
            told: what an item is, for the message about one that kills its workers.

        Raises JobFailed or JobCancelled of the first item, in order, that raises it.
        """
        sent = 0

        def enqueue(first: int) -> None:
            nonlocal sent
            self._enqueue(queue, {_labelled(name, item): item for item in items[max(sent, first) : first + AT_ONCE]}, function)
            sent = max(sent, first + AT_ONCE)

        def result(position: int, item: Item) -> Any:  # noqa: ANN401
            enqueue(position)
            label = _labelled(name, item)
            found = self._awaited(label, lambda: told(item) if told else f"the step '{label}'")
            after(item, found)
            return found

        for position, item in enumerate(items):
            if enough(item):
                yield from self.step(f"{name} enough", self._ended, name, items[position : position + AT_ONCE], enough)
                return
            yield item, self.step(_labelled(name, item), result, position, item)

    def forget(self) -> None:
        """Withdraw what is unfinished, and delete what the queue's database holds of the rest: the job has their results."""
        self._queue.forget_pieces(self._job)

    def forget_and(self, end: Callable[..., None], *arguments: object) -> None:
        """`forget`, then `end(*arguments)`, which deletes what pieces need: one that began later would find nothing."""
        self.forget()
        end(*arguments)

    def _enqueue(
        self, queue: str, pieces: Mapping[str, Sequence[Any]], function: Callable[..., Any], *, steps: bool = False
    ) -> None:
        if pieces:
            calls = {self._id(name): (self._job, name, function.__name__, steps, of) for name, of in pieces.items()}
            self._queue.enqueue_pieces(queue, self.priority, calls)

    def _awaited(self, name: str, told: Callable[[], str]) -> Any:  # noqa: ANN401
        """The result of a piece, which may take days: what counts is how often in a row the database does not answer."""
        checked = -LOOK_SECONDS
        pauses = iter(PAUSES_SECONDS)
        while True:
            awakenings = self._queue.awakenings()
            try:
                if (ended := self._queue.ended_piece(self._id(name))) is not None:
                    break
                if time.monotonic() - checked > LOOK_SECONDS:
                    self._check()
                    checked = time.monotonic()
            except SQLAlchemyError:
                if (pause := next(pauses, None)) is None:
                    raise
                self._queue.wait(awakenings, pause)
                continue
            pauses = iter(PAUSES_SECONDS)
            self._queue.wait(awakenings, LOOK_SECONDS)
        if ended.status == "SUCCESS":
            if isinstance(ended.output, JobError):
                raise ended.output
            return ended.output
        self._check()
        raise _failure(ended, name, told())

    def _ended(self, name: str, items: Sequence[Item], wanted: Callable[[Item], bool]) -> list[tuple[Item, Any]]:
        """The first of `items` that have ended well, with their results. Withdraws all unfinished pieces."""
        found = []
        for item in items:
            ended = self._queue.ended_piece(self._id(_labelled(name, item))) if wanted(item) else None
            if ended is None or ended.status != "SUCCESS" or isinstance(ended.output, JobError):
                break
            found.append((item, ended.output))
        self._queue.withdraw_pieces(self._job)
        return found

    def _id(self, name: str) -> str:
        return piece_prefix(self._job) + name.replace(" ", "-").replace("/", "-")


def _labelled(name: str, item: tuple[Any, ...]) -> str:
    return f"{name} {'/'.join(map(str, item))}"


def _failure(ended: WorkflowStatus, name: str, told: str) -> JobFailed:
    if ended.status == "ERROR":
        message = f"The engine failed in step '{name}'. See its log for the cause, then start the job again."
    else:
        message = (
            f"The worker died on each of {RECOVERY_ATTEMPTS_MAX} attempts at {told}, most often for lack of memory. "
            "See the engine's log."
        )
    return JobFailed(FailureCode.UNKNOWN, message)
