"""What becomes of the jobs and pieces of an older version of the workflows, on DBOS's own tables and without a worker."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dbos import WorkflowStatus
from sqlalchemy import Connection, Engine, create_engine, text

from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.contract.models import Artifact
from vision_customization.engine.jobs import queue as queues
from vision_customization.engine.jobs.names import recognition_job
from vision_customization.engine.jobs.process import caretaker as caretakers
from vision_customization.engine.jobs.process.caretaker import BEGINNING_AGAIN, Caretaker
from vision_customization.engine.jobs.process.liveness import FileLocks
from vision_customization.engine.jobs.queue import (
    QUEUES,
    READING_QUEUE,
    RECOGNITION_QUEUE,
    TRAINING_WORKFLOW,
    WORKER_CONCURRENCY,
    WORKFLOWS_VERSION,
    JobQueue,
    system_database_url,
)
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import image_key, job_key
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder

ORDER = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
NEWER = str(int(WORKFLOWS_VERSION) + 1)


class Tables:
    """DBOS's tables, changed as workers change them."""

    def __init__(self, settings: Settings) -> None:
        self.engine: Engine = create_engine(system_database_url(settings))
        self.schema = "dbos." if settings.on_postgresql else ""

    def write(self, statement: str, **values: object) -> int:
        with self.engine.begin() as connection:
            return self._execute(connection, statement, values)

    def _execute(self, connection: Connection, statement: str, values: dict[str, Any]) -> int:
        return connection.execute(text(statement.replace("{dbos}", self.schema)), values).rowcount

    def take(self, workflow: str, worker: str) -> None:
        """A worker takes a workflow from its queue."""
        taken = "UPDATE {dbos}workflow_status SET status = 'PENDING', executor_id = :worker WHERE workflow_uuid = :workflow"
        assert self.write(taken, worker=worker, workflow=workflow) == 1

    def end(self, workflow: str, status: str) -> None:
        ended = "UPDATE {dbos}workflow_status SET status = :status WHERE workflow_uuid = :workflow"
        assert self.write(ended, status=status, workflow=workflow) == 1

    def count(self, table: str, prefix: str) -> int:
        with self.engine.connect() as connection:
            counted = f"SELECT count(*) FROM {self.schema}{table} WHERE workflow_uuid LIKE :prefix"
            return int(connection.scalar(text(counted), {"prefix": f"{prefix}%"}) or 0)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path)
    if request.param == "postgresql":
        return settings.model_copy(update={"database_url": request.getfixturevalue("postgresql_database")})
    return Settings.from_environment({}, **settings.model_dump(exclude={"database_url"}))


@pytest.fixture
def tables(settings: Settings, queue: JobQueue) -> Iterator[Tables]:
    tables = Tables(settings)
    yield tables
    tables.engine.dispose()


@pytest.fixture
def objects(settings: Settings) -> FileObjects:
    return FileObjects(settings.data_dir / "objects")


@pytest.fixture
def locks(settings: Settings) -> FileLocks:
    return FileLocks(settings.data_dir / "workers")


@pytest.fixture
def caretaker(store: Store, objects: FileObjects, queue: JobQueue, locks: FileLocks) -> Caretaker:
    return Caretaker(store, objects, queue, locks, "me-1")


@contextmanager
def older_engine() -> Iterator[None]:
    """What is enqueued is of version 1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queues, "WORKFLOWS_VERSION", "1")
        patch.setitem(QUEUES, TRAINING_WORKFLOW, "trainings")
        yield


@contextmanager
def newer_engine() -> Iterator[None]:
    """The version of the workflows is increased."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queues, "WORKFLOWS_VERSION", NEWER)
        patch.setattr(caretakers, "WORKFLOWS_VERSION", NEWER)
        patch.setitem(WORKER_CONCURRENCY, f"trainings-{NEWER}", 16)
        patch.delitem(WORKER_CONCURRENCY, QUEUES[TRAINING_WORKFLOW])
        patch.setitem(QUEUES, TRAINING_WORKFLOW, f"trainings-{NEWER}")
        yield


def older_training(store: Store, queue: JobQueue, name: str = "m") -> str:
    model = store.models.create(name, ORDER)
    with older_engine():
        queue.enqueue_training(model.id)
    return f"training-{model.id}"


def put_pieces(queue: JobQueue, job: str, count: int) -> list[str]:
    pieces = [f"{job}.embed-0-{index}" for index in range(count)]
    queue.enqueue_pieces(READING_QUEUE, 7, dict.fromkeys(pieces, (job, "embed", "keep_shard", False, (0, 0))))
    return pieces


def read(queue: JobQueue, workflow: str) -> WorkflowStatus:
    return queue.statuses([workflow])[workflow]


def facts(status: WorkflowStatus) -> Sequence[str | None]:
    return status.status, status.app_version, status.queue_name


BEGINS = ("ENQUEUED", WORKFLOWS_VERSION, QUEUES[TRAINING_WORKFLOW])


@pytest.mark.parametrize("worker", ["me-1", "gone-1"])
def test_a_job_that_an_older_worker_of_any_name_had_begun_begins_again(
    store: Store, queue: JobQueue, tables: Tables, objects: FileObjects, caretaker: Caretaker, worker: str
) -> None:
    job = older_training(store, queue)
    tables.take(job, worker)
    columns = "workflow_uuid, function_id, function_name, retention_timestamp"
    tables.write(f"INSERT INTO {{dbos}}operation_outputs ({columns}) VALUES (:job, 1, 'read', 0)", job=job)
    objects.put(f"{job_key(job)}/checkpoint", b"weights of other classes")
    caretaker.look()
    assert facts(read(queue, job)) == BEGINS
    assert tables.count("operation_outputs", job) == 0
    assert objects.names(job_key(job)) == []


def test_what_this_worker_runs_in_this_version_is_left_alone(
    store: Store, queue: JobQueue, tables: Tables, caretaker: Caretaker
) -> None:
    model = store.models.create("m", ORDER)
    queue.enqueue_training(model.id)
    tables.take(f"training-{model.id}", "me-1")
    caretaker.look()
    assert read(queue, f"training-{model.id}").status == "PENDING"


def test_a_job_that_an_older_engine_has_just_cancelled_to_begin_it_again_does_not_fail(
    store: Store, queue: JobQueue, caretaker: Caretaker, locks: FileLocks
) -> None:
    job = older_training(store, queue)
    queue.withdraw(job)
    lock = locks.take(BEGINNING_AGAIN)
    assert lock is not None
    caretaker.look()  # another worker begins it again right now
    assert store.models.find("m").status is ModelStatus.NOT_STARTED
    assert read(queue, job).status == "CANCELLED"
    lock.release()
    caretaker.look()
    assert facts(read(queue, job)) == BEGINS
    assert store.models.find("m").status is ModelStatus.NOT_STARTED


def test_a_worker_that_is_killed_while_it_begins_a_job_again_leaves_that_to_the_next(
    store: Store, queue: JobQueue, caretaker: Caretaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = older_training(store, queue)

    def killed(_job: WorkflowStatus) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(queue, "forget", killed)
        with pytest.raises(KeyboardInterrupt):
            caretaker.look()
    with monkeypatch.context() as patch:
        patch.setattr(queue, "enqueue_training", killed)
        with pytest.raises(KeyboardInterrupt):
            caretaker.look()
    assert queue.statuses([job]) == {}
    caretaker.look()
    assert facts(read(queue, job)) == BEGINS


def test_a_worker_that_was_slower_does_not_restart_what_runs_already(
    store: Store, queue: JobQueue, tables: Tables, objects: FileObjects, caretaker: Caretaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = older_training(store, queue)
    stale = queue.statuses([job])
    caretaker.look()
    tables.take(job, "me-1")
    pieces = put_pieces(queue, job, 1)
    objects.put(f"{job_key(job)}/plan", b"of the run of this version")
    assert not queue.forget(stale[job])
    answers = iter([stale])
    statuses = queue.statuses
    monkeypatch.setattr(queue, "statuses", lambda jobs: next(answers, None) or statuses(jobs))
    caretaker.settle()
    assert read(queue, job).status == "PENDING"
    assert read(queue, pieces[0]).status == "ENQUEUED"
    assert objects.names(job_key(job)) == ["plan"]


def test_of_many_workers_at_once_each_job_begins_again_once(
    settings: Settings, store: Store, queue: JobQueue, tables: Tables, objects: FileObjects, locks: FileLocks
) -> None:
    jobs = [older_training(store, queue, f"m{index}") for index in range(9)]
    for job in jobs[:3]:
        tables.take(job, "gone-1")
    for job in jobs[3:6]:
        queue.withdraw(job)
    start = threading.Barrier(4)

    def look(number: int) -> None:
        with JobQueue(settings) as own:
            caretaker = Caretaker(store, objects, own, locks, f"other-{number}")
            start.wait()
            for _ in range(5):
                caretaker.look()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(4)))
    assert {facts(status) for status in queue.statuses(jobs).values()} == {BEGINS}
    assert {store.models.find(f"m{index}").status for index in range(9)} == {ModelStatus.NOT_STARTED}


def test_a_recognition_that_begins_again_still_has_its_image(
    store: Store, queue: JobQueue, tables: Tables, objects: FileObjects, caretaker: Caretaker
) -> None:
    model = store.models.create("m", replace(ORDER, model_kind=ModelKind.PRODUCT_RECOGNIZER))
    store.models.finish(model.id, None, 1, Artifact(digest="0" * 64, size_bytes=1))
    run = store.runs.create("m", "r")
    job = recognition_job(run.id)
    objects.put(image_key(job), b"image")
    with older_engine():
        queue.enqueue_recognition(run.id)
    tables.take(job, "gone-1")
    caretaker.look()
    assert facts(read(queue, job)) == ("ENQUEUED", WORKFLOWS_VERSION, RECOGNITION_QUEUE)
    assert objects.get(image_key(job)) == b"image"


def test_a_newer_version_begins_a_job_again_without_its_pieces(
    store: Store, queue: JobQueue, tables: Tables, caretaker: Caretaker
) -> None:
    model = store.models.create("m", ORDER)
    job = f"training-{model.id}"
    queue.enqueue_training(model.id)
    tables.take(job, "gone-1")
    pieces = put_pieces(queue, job, 5)
    tables.take(pieces[0], "gone-1")
    tables.take(pieces[1], "me-1")
    tables.end(pieces[2], "SUCCESS")
    tables.end(pieces[3], "CANCELLED")
    with newer_engine():
        caretaker.look()  # the pieces of the dead return to their queue
        caretaker.look()
        assert facts(read(queue, job)) == ("ENQUEUED", NEWER, f"trainings-{NEWER}")
        assert queue.jobs_with_pieces() == set()
        assert tables.count("workflow_input", f"{job}.") == 0
        put_pieces(queue, job, 5)
        assert {status.app_version for status in queue.statuses(pieces).values()} == {NEWER}
    assert {status.status for status in queue.statuses(pieces).values()} == {"ENQUEUED"}


def test_a_job_of_which_a_living_older_worker_runs_a_piece_is_left_to_it(
    store: Store, queue: JobQueue, tables: Tables, objects: FileObjects, caretaker: Caretaker, locks: FileLocks
) -> None:
    model = store.models.create("m", ORDER)
    job = f"training-{model.id}"
    queue.enqueue_training(model.id)
    tables.take(job, "gone-1")
    living, orphan = put_pieces(queue, job, 2)
    tables.take(living, "older-1")
    tables.take(orphan, "me-1")
    objects.put(f"{job_key(job)}/plan", b"plan")
    lock = locks.take("older-1")
    assert lock is not None
    with newer_engine():
        caretaker.look()
        assert facts(read(queue, job)) == ("PENDING", WORKFLOWS_VERSION, BEGINS[2])
        assert read(queue, living).status == "PENDING"
        # The living one can take it.
        assert facts(read(queue, orphan)) == ("ENQUEUED", WORKFLOWS_VERSION, READING_QUEUE)
        assert "plan" in objects.names(job_key(job))
        lock.release()
        caretaker.look()
        caretaker.look()
        assert facts(read(queue, job)) == ("ENQUEUED", NEWER, f"trainings-{NEWER}")
        assert queue.jobs_with_pieces() == set()


MANY = {"sqlite": 33_000, "postgresql": 66_000}
"""More than a statement of each database takes variables."""


def test_the_pieces_of_a_job_are_forgotten_however_many_they_are(settings: Settings, queue: JobQueue, tables: Tables) -> None:
    count = MANY["postgresql" if settings.on_postgresql else "sqlite"]
    [piece, other] = put_pieces(queue, "training-1", 1) + put_pieces(queue, "training-10", 1)
    tables.end(piece, "SUCCESS")
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    columns = "status, name, priority, recovery_attempts, created_at, updated_at, application_version"
    tables.write(
        f"INSERT INTO {{dbos}}workflow_status (workflow_uuid, {columns}) {numbers}"
        f" SELECT 'training-1.embed-1-' || i, {columns} FROM n, {{dbos}}workflow_status WHERE workflow_uuid = :piece",
        piece=piece,
    )
    assert tables.count("workflow_status", "training-1.") == count + 1
    queue.forget_pieces("training-1")
    assert tables.count("workflow_status", "training-1.") == 0
    assert read(queue, other).status == "ENQUEUED"


def test_pieces_of_every_status_are_forgotten_once_they_have_stopped(queue: JobQueue, tables: Tables) -> None:
    succeeded, failed, exceeded, queued, running = put_pieces(queue, "training-1", 5)
    tables.end(succeeded, "SUCCESS")
    tables.end(failed, "ERROR")
    tables.end(exceeded, "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
    tables.take(running, "living-1")
    queue.forget_pieces("training-1")
    assert list(queue.statuses([succeeded, failed, exceeded, queued, running])) == [running]
    assert queue.withdrawn(running), "it should stop"
    assert queue.withdrawn(queued), "a worker that has it nevertheless should stop"
    queue.forget_pieces("training-2")
    assert queue.statuses([running])
    tables.write("UPDATE {dbos}workflow_status SET completed_at = completed_at - 3601000 WHERE workflow_uuid = :id", id=running)
    queue.forget_pieces("training-2")  # a later job that ends
    assert queue.statuses([running]) == {}
    assert tables.count("workflow_input", "training-1.") == 0


def test_a_sweep_deletes_the_pieces_of_ended_jobs(store: Store, queue: JobQueue, tables: Tables, caretaker: Caretaker) -> None:
    """The process that ended the job was killed before it could."""
    model = store.models.create("m", ORDER)
    queue.enqueue_training(model.id)
    kept = put_pieces(queue, f"training-{model.id}", 2)
    left = put_pieces(queue, "training-ended", 2)
    tables.end(kept[0], "SUCCESS")
    tables.end(left[0], "SUCCESS")
    caretaker.sweep()
    assert set(queue.statuses(kept + left)) == set(kept)


def test_a_workflow_that_was_forgotten_meanwhile_is_not_given_back(queue: JobQueue, tables: Tables) -> None:
    [piece] = put_pieces(queue, "training-1", 1)
    tables.take(piece, "gone-1")
    status = read(queue, piece)
    tables.end(piece, "SUCCESS")
    queue.forget_pieces("training-1")
    queue.give_back(status)
    assert queue.statuses([piece]) == {}
