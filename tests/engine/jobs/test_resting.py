"""A worker without work rests: neither it nor DBOS looks into the database, and a job starts nevertheless at once."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.engine.jobs.blob_server import BlobServer
from tests.engine.jobs.drawn import CheapExtractor, Engine, Gate
from tests.support.waiting import wait_until
from vision_customization.contract.enums import ModelStatus
from vision_customization.engine.jobs.process import worker as workers
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.jobs.queue import QUEUES, JobQueue, system_database_url
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import ModelRecord, Store

AT_ONCE_SECONDS = 10.0
"""Less than a worker in these tests polls, and long enough for a busy machine."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def engine(request: pytest.FixtureRequest, tmp_path: Path, blob_server: BlobServer) -> Iterator[Engine]:
    settings = Settings(data_dir=tmp_path / "data", allowed_hosts=(blob_server.netloc,), threads=1, workers=1)
    if request.param == "postgresql":
        settings = settings.model_copy(update={"database_url": request.getfixturevalue("postgresql_database")})
    else:
        settings = Settings.from_environment({}, **settings.model_dump(exclude={"database_url"}))
    store = Store.open(settings)
    yield Engine(settings, store, blob_server)
    store.close()


@pytest.fixture
def api(engine: Engine) -> Iterator[JobQueue]:
    """Enqueues as another process does."""
    with JobQueue(engine.settings) as queue:
        yield queue


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def resting(engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker whose queues are polled only every 30 seconds even with work, and which has none."""
    monkeypatch.setattr(workers, "_QUEUE_POLLING_SECONDS", 30.0)
    worker = Worker(engine.settings, CheapExtractor(before=lambda _images: gate.passed()), pauses_seconds=(0.01,) * 7)
    worker.start()
    serving = {f"queue-worker-{queue}" for queue in QUEUES.values()}
    wait_until(lambda: serving <= {thread.name for thread in threading.enumerate()}, "DBOS serves all queues", 5)
    time.sleep(0.5)  # a connection to listen with
    assert not worker.look()
    yield worker
    gate.open()
    worker.stop()


def has_started(engine: Engine, model_id: str) -> bool:
    return engine.store.models.by_id(model_id).started is not None


def enqueued_without_a_wake_up(engine: Engine, api: JobQueue, monkeypatch: pytest.MonkeyPatch) -> ModelRecord:
    engine.dataset("train", {"red": 3, "green": 3})
    model = engine.model("m", "train")
    with monkeypatch.context() as patch:
        patch.setattr(api.wakeups, "wake", lambda: None)
        api.enqueue_training(model.id)
    return model


@pytest.mark.usefixtures("resting")
def test_a_job_starts_at_once(engine: Engine, api: JobQueue) -> None:
    engine.dataset("train", {"red": 3, "green": 3})
    model = engine.model("m", "train")
    api.enqueue_training(model.id)
    wait_until(lambda: has_started(engine, model.id), "the training starts", AT_ONCE_SECONDS)
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "it ends", 60)
    assert engine.store.models.by_id(model.id).status is ModelStatus.SUCCEEDED


def test_a_job_whose_wake_up_is_lost_starts_with_the_next_look(
    engine: Engine, api: JobQueue, resting: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = enqueued_without_a_wake_up(engine, api, monkeypatch)
    time.sleep(1)
    assert not has_started(engine, model.id), "nobody told it"
    assert resting.look(), "it finds the job"
    wait_until(lambda: has_started(engine, model.id), "the training starts", AT_ONCE_SECONDS)
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "it ends", 60)
    assert not resting.look()


def test_a_job_of_a_dead_worker_starts_with_the_next_look(
    engine: Engine, api: JobQueue, resting: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`test_processes.py` kills a process. Here nobody tells the other worker, which rests meanwhile."""
    model = enqueued_without_a_wake_up(engine, api, monkeypatch)
    database = create_engine(system_database_url(engine.settings))
    table = "dbos.workflow_status" if engine.settings.on_postgresql else "workflow_status"
    with database.begin() as connection:
        taken = text(f"UPDATE {table} SET status = 'PENDING', executor_id = 'dead-1' WHERE workflow_uuid = :job")
        assert connection.execute(taken, {"job": f"training-{model.id}"}).rowcount == 1
    database.dispose()
    assert resting.look(), "it rescues the job"
    wait_until(lambda: has_started(engine, model.id), "the training starts", AT_ONCE_SECONDS)
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "it ends", 60)


def test_a_cancelled_job_that_waits_ends_with_the_next_look(
    engine: Engine, api: JobQueue, resting: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = enqueued_without_a_wake_up(engine, api, monkeypatch)
    engine.store.models.request_cancellation("m")
    assert resting.look()
    assert engine.store.models.by_id(model.id).status is ModelStatus.CANCELLED
    assert not resting.look()
    time.sleep(0.5)
    assert not has_started(engine, model.id)


def test_a_worker_rests_again_when_all_has_ended(engine: Engine, api: JobQueue, resting: Worker, gate: Gate) -> None:
    engine.dataset("train", {"red": 3, "green": 3})
    gate.shut()
    model = engine.model("m", "train")
    api.enqueue_training(model.id)
    wait_until(lambda: has_started(engine, model.id), "the training starts", AT_ONCE_SECONDS)
    assert resting.look()
    assert not resting._pause.resting
    gate.open()
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "it ends", 60)
    assert not resting.look()
    assert resting._pause.resting
