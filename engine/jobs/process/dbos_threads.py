"""DBOS's background threads, which rest while the engine has nothing to do.

DBOS looks into each queue at a fixed interval, whether or not there is work, and its threads cannot be woken. This module is
the only one that knows its internals:

- `queue_thread(stop_event, dbos)` starts a thread per queue, `queue-worker-<queue>`. All of them wait with
  `stop_event.wait(interval)`. Here they get a `Pause` instead, whose `wait` lasts longer while the engine rests, and ends early
  when work arrives: one query tells all threads which queues have work, and the others go on waiting.
- `background_jobs_thread` looks every second for delayed workflows and for workflows past their time limit. The engine has
  neither, so it does not start it.
- `background_thread_stop_events` are set when DBOS is destroyed.
- `SystemDatabase.start_queued_workflows` claims the next workflows of a queue, in a transaction. A worker of one job (`OneJob`)
  claims through a gate.

`tests/engine/jobs/process/test_dbos_threads.py` fails if an upgrade changes this.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from dbos import DBOS, DBOSConfig, _dbos
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

RESTING_SECONDS = 60.0
"""How often DBOS looks into a queue while the engine rests. Work wakes it before; if that is lost, `Worker.look` does."""

GAP_SECONDS = 0.1
"""At least so long DBOS does not look into a queue again, however many jobs are put into queues meanwhile."""

FRESH_SECONDS = 0.2
"""So long the answer to which queues have work serves all threads that no wake-up has reached since."""

NOTHING_SECONDS = 10.0
"""How often DBOS looks for messages and events between workflows, and for schedules: the engine has none."""


def rarely_look(config: DBOSConfig) -> None:
    """Make DBOS look rarely for what the engine does not use: messages, events and schedules."""
    config["notification_listener_polling_interval_sec"] = NOTHING_SECONDS
    config["notification_coalesce_sec"] = NOTHING_SECONDS
    config["scheduler_polling_interval_sec"] = 30 * NOTHING_SECONDS


_THREAD_OF_QUEUE = "queue-worker-"
_INDEXED = text("status IN ('ENQUEUED', 'PENDING')")
"""The condition of DBOS's index of workflows that have not ended, in its words: databases use the index only then."""


class Pause(threading.Event):
    """What DBOS's threads wait for between two looks into a queue; for them, it is the event that stops them.

    `queues_with_work` queries which queues a look may take something from. A thread of another queue goes on waiting.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queues_with_work: Callable[[], Collection[str]] | None = None
        self._asking = threading.Lock()
        self._asked, self._asked_at, self._with_work = -1, 0.0, frozenset[str]()
        self._changed = threading.Condition()
        self._stopped = self._resting = False
        self._awakenings = 0
        self._seen = threading.local()

    @property
    def resting(self) -> bool:
        return self._resting

    def rest(self) -> None:
        """From now on, wait for RESTING_SECONDS instead of DBOS's interval."""
        self._resting = True

    def wake(self) -> None:
        """End the wait of every thread, or its next one, and wait for DBOS's interval again."""
        with self._changed:
            self._resting = False
            self._awakenings += 1
            self._changed.notify_all()

    def is_set(self) -> bool:
        return self._stopped

    def set(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until this is woken or stopped, `timeout` seconds at most, or RESTING_SECONDS more if the engine rests then, and
        until the thread's queue has work. Returns whether it is stopped."""
        thread = threading.current_thread().name
        queue = thread.removeprefix(_THREAD_OF_QUEUE) if thread.startswith(_THREAD_OF_QUEUE) else None
        while True:
            self._wait(timeout)
            if self._stopped or queue is None or self._has_work(queue):
                self._seen.until = time.monotonic() + GAP_SECONDS
                return self._stopped

    def _wait(self, timeout: float | None) -> None:
        with self._changed:
            seen = getattr(self._seen, "awakenings", self._awakenings)
            if (gap := getattr(self._seen, "until", 0.0) - time.monotonic()) > 0:
                self._changed.wait_for(lambda: self._stopped, gap)

            def over() -> bool:
                return self._stopped or self._awakenings != seen

            if not self._changed.wait_for(over, timeout) and self._resting:
                self._changed.wait_for(over, RESTING_SECONDS)
            self._seen.awakenings = self._awakenings

    def _has_work(self, queue: str) -> bool:
        if self.queues_with_work is None:
            return True
        with self._asking:
            asked = time.monotonic()
            if self._asked < self._seen.awakenings or asked - self._asked_at > FRESH_SECONDS:
                awakenings = self._awakenings
                try:
                    self._with_work = frozenset(self.queues_with_work())
                except SQLAlchemyError:
                    return True  # DBOS tells of it
                self._asked, self._asked_at = awakenings, asked
            return queue in self._with_work


Claim = Callable[..., tuple[list[str], str | None]]
"""`start_queued_workflows(queue, executor, version, partition, running, …)`: ids, and the limit that left no room."""


class OneJob:
    """Lets a worker claim one workflow of the queues `jobs` in all, and workflows of other queues until it ends."""

    def __init__(self, jobs: Collection[str]) -> None:
        self.job: str | None = None
        """The id of the job that the worker has taken."""
        self._jobs = frozenset(jobs)
        self._claiming = threading.Lock()
        self._closed = False

    def limited(self, claim: Claim) -> Claim:
        def run(queue: Any, executor: str, version: str, partition: str | None, running: int = 0, **more: Any) -> Any:  # noqa: ANN401
            with self._claiming:
                is_job = queue.name in self._jobs
                if self._closed or (is_job and self.job is not None):
                    return [], "worker_concurrency"
                if is_job:  # as if all but one of the worker's places were taken
                    running = max(running, queue._worker_concurrency - 1)  # noqa: SLF001 - this module is the place for it
                claimed, limit = claim(queue, executor, version, partition, running, **more)
                if is_job and claimed:
                    (self.job,) = claimed
                return claimed, limit

        return run

    def ends(self, running: Callable[[], Collection[str]], *, idle: bool) -> bool:
        """Whether the worker has nothing to do any more: its job has ended, or it has none and is `idle`, and nothing runs.

        From the end of its job on, it claims nothing more. `running` gives the ids of the workflows that the worker has claimed
        and that have not ended. It is called while the worker can claim nothing.
        """
        with self._claiming:
            unfinished = running()
            has_ended = idle and not unfinished if self.job is None else self.job not in unfinished
            self._closed = self._closed or has_ended
            return self._closed and not unfinished


def launch(pause: Pause, one_job: OneJob | None = None) -> None:
    """Launch DBOS with threads that wait for `pause`. With `one_job`, they claim no more than that lets them."""
    with (
        _replaced("queue_thread", lambda threads: _waiting_for(pause, threads, one_job)),
        _replaced("background_jobs_thread", _none),
    ):
        DBOS.launch()


QueueThread = Callable[[threading.Event, DBOS], None]


def _waiting_for(pause: Pause, queue_thread: QueueThread, one_job: OneJob | None) -> QueueThread:
    def run(stop_event: threading.Event, dbos: DBOS) -> None:
        dbos.background_thread_stop_events.append(pause)
        pause.queues_with_work = lambda: _queues_with_work(dbos)
        if one_job is not None:
            claim = one_job.limited(dbos._sys_db.start_queued_workflows)  # noqa: SLF001 - this module is the place for it
            setattr(dbos._sys_db, "start_queued_workflows", claim)  # noqa: B010, SLF001 - a method, of this instance alone
        if not stop_event.is_set():
            queue_thread(pause, dbos)

    return run


def _queues_with_work(dbos: DBOS) -> list[str]:
    database = dbos._sys_db  # noqa: SLF001 - this module is the place for it
    workflows = database.tables.workflow_status.c
    with database.engine.connect() as connection:
        waiting = select(workflows.queue_name).where(_INDEXED, workflows.status == "ENQUEUED").distinct()
        return [queue for queue in connection.execute(waiting).scalars() if queue is not None]


def _none(_thread: QueueThread) -> QueueThread:
    return lambda _stop_event, _dbos: None


@contextmanager
def _replaced(name: str, replacement: Callable[[QueueThread], QueueThread]) -> Iterator[None]:
    """Replace a function of DBOS while it starts its threads."""
    original = getattr(_dbos, name)
    setattr(_dbos, name, replacement(original))
    try:
        yield
    finally:
        setattr(_dbos, name, original)
