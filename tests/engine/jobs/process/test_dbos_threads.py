"""What the engine changes of DBOS's threads. If an upgrade of DBOS fails these tests, read its `_queue.py` again."""

import inspect
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from dbos import DBOS, DBOSConfig, _dbos, _queue
from dbos._sys_db import SystemDatabase
from sqlalchemy.exc import OperationalError

from tests.support.waiting import wait_until
from vision_customization.engine.jobs.process import dbos_threads
from vision_customization.engine.jobs.process.dbos_threads import OneJob, Pause, launch, rarely_look


def waiting(pause: Pause, timeout: float) -> tuple[threading.Thread, list[bool]]:
    """A thread that waits for the pause, and what it got once it has ended."""
    got: list[bool] = []
    thread = threading.Thread(target=lambda: got.append(pause.wait(timeout)), daemon=True)
    thread.start()
    return thread, got


def test_a_pause_lasts_as_long_as_asked_until_the_engine_rests() -> None:
    pause = Pause()
    assert not pause.wait(0.01)
    assert not pause.is_set()
    pause.rest()
    thread, got = waiting(pause, 0.01)
    thread.join(0.3)
    assert thread.is_alive(), "it rests"
    pause.wake()
    thread.join(2)
    assert got == [False]
    assert not pause.resting


def test_a_pause_ends_for_every_thread_that_waits() -> None:
    pause = Pause()
    threads = [waiting(pause, 30) for _ in range(7)]
    time.sleep(0.1)
    pause.wake()
    for thread, got in threads:
        thread.join(2)
        assert got == [False]


def test_a_wake_up_while_a_thread_does_not_wait_ends_its_next_wait() -> None:
    pause = Pause()
    pause.wait(0)
    pause.wake()
    pause.rest()
    begun = time.monotonic()
    assert not pause.wait(30)
    assert time.monotonic() - begun < 5


def test_many_wake_ups_at_once_are_few() -> None:
    pause, ended, ends = Pause(), threading.Event(), 0

    def wake() -> None:
        while not ended.wait(0.001):
            pause.wake()

    thread = threading.Thread(target=wake, daemon=True)
    thread.start()
    begun = time.monotonic()
    while time.monotonic() - begun < 0.5:
        pause.wait(30)
        ends += 1
    ended.set()
    thread.join()
    assert 2 <= ends <= 7


def test_stopping_ends_a_rest() -> None:
    pause = Pause()
    pause.rest()
    thread, got = waiting(pause, 0.01)
    time.sleep(0.1)
    pause.set()
    thread.join(2)
    assert got == [True]
    assert pause.wait() is True
    assert pause.is_set()


def test_a_rest_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbos_threads, "RESTING_SECONDS", 0.2)
    pause = Pause()
    pause.rest()
    begun = time.monotonic()
    assert not pause.wait(0.01)
    assert 0.2 <= time.monotonic() - begun < 5


def test_dbos_only_uses_what_a_pause_has() -> None:
    """Its threads take the pause for the event that stops them."""
    assert list(inspect.signature(_queue.queue_thread).parameters) == ["stop_event", "dbos"]
    used = inspect.getsource(_queue.queue_thread) + inspect.getsource(_queue.queue_worker_thread)
    methods = {word.partition("(")[0] for word in used.split("stop_event.")[1:]}
    assert methods == {"is_set", "wait"}
    assert _dbos.queue_thread is _queue.queue_thread
    assert "background_jobs_thread" in vars(_dbos)
    assert 'name=f"queue-worker-{queue_name}"' in inspect.getsource(_queue.queue_thread), (
        "a pause knows queues by their threads"
    )


@contextmanager
def waiting_for_queue(pause: Pause, queue: str) -> Iterator[list[float]]:
    """A thread as DBOS's for a queue, and when each of its waits ended."""
    ended: list[float] = []

    def look() -> None:
        while not pause.wait(0.05):
            ended.append(time.monotonic())

    thread = threading.Thread(target=look, name=f"queue-worker-{queue}", daemon=True)
    thread.start()
    yield ended
    pause.set()
    thread.join(5)
    assert not thread.is_alive()


def test_only_threads_of_queues_with_work_look() -> None:
    pause, asked = Pause(), 0
    with_work = {"reading"}

    def queues_with_work() -> set[str]:
        nonlocal asked
        asked += 1
        return set(with_work)

    pause.queues_with_work = queues_with_work
    with waiting_for_queue(pause, "reading") as reading, waiting_for_queue(pause, "fitting") as fitting:
        wait_until(lambda: len(reading) > 5, "the one with work looks again and again", 10)
        assert not fitting
        assert asked <= 2 + len(reading), "an answer serves all threads"
        with_work.add("fitting")
        pause.wake()
        wait_until(lambda: len(fitting) > 0, "a wake-up is not missed", 5)


def test_a_thread_looks_itself_if_nobody_knows_which_queues_have_work() -> None:
    pause = Pause()

    def unknown() -> list[str]:
        raise OperationalError("SELECT", {}, Exception("the database is gone"))

    pause.queues_with_work = unknown
    with waiting_for_queue(pause, "reading") as reading:
        wait_until(lambda: len(reading) > 1, "DBOS looks, and says what is wrong", 5)


@dataclass
class Claims:
    """DBOS's claims from queues of workflows, of which a worker runs sixteen per queue."""

    waiting: dict[str, list[str]]
    name: str = ""
    _worker_concurrency: int = 16

    def claim(
        self, queue: "Claims", _executor: str, _version: str, _partition: None, running: int = 0
    ) -> tuple[list[str], None]:
        count = queue._worker_concurrency - running
        claimed, self.waiting[queue.name] = self.waiting[queue.name][:count], self.waiting[queue.name][count:]
        return claimed, None


def test_a_worker_of_one_job_claims_one_of_all_queues_of_jobs_and_pieces_until_it_has_ended() -> None:
    waiting = {"trainings": ["a", "b"], "evaluations": ["c"], "reading": ["p", "q", "r"]}
    claims, one = Claims(waiting), OneJob({"trainings", "evaluations"})
    limited = one.limited(claims.claim)

    def claim(queue: str, running: int = 0) -> list[str]:
        return limited(Claims({}, queue), "worker-1", "2", None, running)[0]

    assert not one.ends(list, idle=False)
    assert claim("reading", 15) == ["p"], "it helps others before it has a job"
    assert claim("trainings") == ["a"]
    assert one.job == "a"
    assert (claim("trainings"), claim("evaluations")) == ([], [])
    assert claim("reading", 15) == ["q"]
    assert not one.ends(lambda: ["a", "q"], idle=True)
    assert not one.ends(lambda: ["q"], idle=False), "it ends what it has begun"
    assert claim("reading") == []
    assert one.ends(list, idle=False)
    assert waiting == {"trainings": ["b"], "evaluations": ["c"], "reading": ["r"]}


def test_a_worker_of_one_job_that_finds_none_ends_when_it_has_been_idle() -> None:
    one = OneJob({"trainings"})
    assert not one.ends(lambda: ["p"], idle=True)
    assert one.ends(list, idle=True)
    assert one.limited(Claims({"trainings": ["a"]}).claim)(Claims({}, "trainings"), "worker-1", "2", None)[0] == []


def test_a_claim_is_as_a_worker_of_one_job_expects_it() -> None:
    parameters = list(inspect.signature(SystemDatabase.start_queued_workflows).parameters)
    assert parameters[1:6] == ["queue", "executor_id", "app_version", "queue_partition_key", "local_running_count"]
    assert "_worker_concurrency - local_running_count" in inspect.getsource(SystemDatabase.start_queued_workflows)
    assert "dbos._sys_db.start_queued_workflows(" in inspect.getsource(_queue.queue_worker_thread)


class WatchedPause(Pause):
    """It knows the names of the threads that wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: set[str] = set()

    def wait(self, timeout: float | None = None) -> bool:
        name = threading.current_thread().name
        self.waiting.add(name)
        try:
            return super().wait(timeout)
        finally:
            self.waiting.discard(name)


def test_dbos_rests_is_woken_and_stops(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    DBOS.migrate(url)
    config: DBOSConfig = {"name": "resting", "system_database_url": url, "run_migrations": False, "log_level": "ERROR"}
    rarely_look(config)
    DBOS(config=config)
    done: list[int] = []

    @DBOS.workflow(name="count")
    def count(number: int) -> None:
        done.append(number)

    pause = WatchedPause()
    DBOS.listen_queues(["numbers"])
    launch(pause)
    try:
        assert not [thread for thread in threading.enumerate() if thread.name == "dbos-background-jobs" and thread.is_alive()]
        DBOS.register_queue("numbers", polling_interval_sec=30.0)
        pause.wake()  # for DBOS's thread to find the queue
        # A thread that has only begun has still to look for the first time.
        wait_until(lambda: "queue-worker-numbers" in pause.waiting, "it serves the queue", 10)
        pause.rest()
        for number in range(3):
            DBOS.enqueue_workflow("numbers", count, number)
            time.sleep(0.3)
            assert len(done) == number, "DBOS looked by itself"
            pause.wake()
            wait_until(lambda number=number: len(done) == number + 1, "DBOS looks", 10)
            pause.rest()
    finally:
        begun = time.monotonic()
        DBOS.destroy(destroy_registry=True)
    assert time.monotonic() - begun < 5
    assert pause.is_set()
