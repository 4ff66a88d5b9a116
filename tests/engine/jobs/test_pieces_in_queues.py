"""What DBOS's queues do with the pieces of trainings, with a worker in this process."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from dbos._error import DBOSException

from tests.engine.jobs.drawn import Engine, Gate
from tests.support.waiting import wait_until
from vision_customization.contract.enums import EvaluationStatus, ModelStatus
from vision_customization.engine.jobs import queue as queues
from vision_customization.engine.jobs.images.plan import SHARD_IMAGES
from vision_customization.engine.jobs.process.liveness import FileLocks
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.jobs.queue import QUEUES, TRAINING_WORKFLOW, WORKFLOWS_VERSION, JobQueue

pytestmark = pytest.mark.usefixtures("worker")
AT_ONCE = 2


def pieces(engine: Engine, model_id: str) -> dict[str, str]:
    """The pieces of a training that the queues know, with their statuses."""
    with closing(sqlite3.connect(engine.settings.data_dir / "jobs.sqlite")) as connection:
        found = connection.execute(
            "SELECT workflow_uuid, status FROM workflow_status WHERE workflow_uuid LIKE ?", (f"training-{model_id}.%",)
        ).fetchall()
    return {name.partition(".")[2]: status for name, status in found}


@pytest.fixture
def shut(gate: Gate) -> Iterator[Gate]:
    """Holds what embeds, until the test opens it."""
    gate.shut()
    yield gate
    gate.open()


def test_a_small_training_and_an_evaluation_go_before_the_rest_of_a_large_one(
    engine: Engine, queue: JobQueue, shut: Gate
) -> None:
    engine.dataset("large", {"red": 4 * SHARD_IMAGES, "green": 4 * SHARD_IMAGES})
    engine.dataset("small", {"red": SHARD_IMAGES, "green": SHARD_IMAGES}, first_seed=1000)
    engine.dataset("judged", {"red": 3, "green": 3}, first_seed=2000)
    large, small = engine.model("large", "large"), engine.model("small", "small")
    queue.enqueue_training(large.id)
    assert shut.reached.wait(20)
    queue.enqueue_training(small.id)
    wait_until(lambda: "embed-0-1" in pieces(engine, small.id), "the small training has shards in the queue")
    shut.open()
    wait_until(lambda: engine.store.models.by_id(small.id).status is ModelStatus.SUCCEEDED, "the small training ends")
    evaluation = engine.store.evaluations.create("small", "e", test_dataset_name="judged")
    queue.enqueue_evaluation(evaluation.id)
    wait_until(lambda: engine.store.models.by_id(large.id).status is ModelStatus.SUCCEEDED, "the large training ends")
    assert engine.store.evaluations.by_id(evaluation.id).status is EvaluationStatus.SUCCEEDED

    asked = [path.split("/")[2] for path, _ in engine.blobs.requests if path.endswith(".png")]
    last_small = len(asked) - 1 - asked[::-1].index("small")
    before = asked[:last_small].count("large")
    # Those that ran when the small one came, and one that was begun while the other slot had the last small shard.
    assert before <= (AT_ONCE + 1) * SHARD_IMAGES
    assert asked.count("large") == 8 * SHARD_IMAGES
    wait_until(lambda: pieces(engine, large.id) == {}, "the queues forget the pieces", 5)


def test_a_training_of_many_shards_that_is_cancelled_leaves_none_in_the_queue(
    engine: Engine, queue: JobQueue, shut: Gate
) -> None:
    engine.dataset("many", {"red": 4 * SHARD_IMAGES, "green": 4 * SHARD_IMAGES}, first_seed=3000)
    model = engine.model("many", "many")
    queue.enqueue_training(model.id)
    assert shut.reached.wait(20)
    wait_until(lambda: "embed-0-7" in pieces(engine, model.id), "all shards are in the queue")
    engine.store.models.request_cancellation("many")
    wait_until(lambda: engine.store.models.by_id(model.id).status is ModelStatus.CANCELLED, "the training is cancelled", 10)
    wait_until(lambda: not {"ENQUEUED", "PENDING"} & set(pieces(engine, model.id).values()), "its pieces are withdrawn", 10)
    shut.open()
    requests = len(engine.blobs.requests)
    time.sleep(1)
    # A piece that ran may have been about to ask for an image.
    assert len(engine.blobs.requests) <= requests + AT_ONCE


def test_a_damaged_image_ends_the_training_and_withdraws_the_shards_after_it(
    engine: Engine, queue: JobQueue, gate: Gate
) -> None:
    gate.open()
    engine.dataset("damaged", {"red": 4 * SHARD_IMAGES, "green": 4 * SHARD_IMAGES}, first_seed=4000)
    engine.blobs.put("/account/damaged/red-20.png", b"no picture")
    model = engine.model("damaged", "damaged")
    queue.enqueue_training(model.id)
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "the training ends")
    failed = engine.store.models.by_id(model.id)
    assert failed.error is not None
    assert failed.error.code == "datasetCorrupt"
    assert "red-20.png" in (failed.error.message or "")
    wait_until(lambda: not {"ENQUEUED", "PENDING"} & set(pieces(engine, model.id).values()), "its pieces are withdrawn", 10)


@pytest.mark.parametrize("begun_by", [None, "gone", "the worker under its old name"])
def test_a_job_that_an_older_version_had_queued_or_begun_begins_again(
    engine: Engine, queue: JobQueue, worker: Worker, gate: Gate, begun_by: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.open()
    name = "older" if begun_by is None else f"older-{begun_by.split()[0]}"
    engine.dataset(name, {"red": 3, "green": 3}, first_seed=5000)
    model = engine.model(name, name)
    job = f"training-{model.id}"
    with monkeypatch.context() as older:
        older.setattr(queues, "WORKFLOWS_VERSION", "1")
        older.setitem(QUEUES, TRAINING_WORKFLOW, "trainings")
        queue.enqueue_training(model.id)
    if begun_by is not None:  # a worker that has ended since, after a step that this version has elsewhere
        executor = "gone-1" if begun_by == "gone" else worker.name
        with closing(sqlite3.connect(engine.settings.data_dir / "jobs.sqlite")) as connection, connection:
            taken = "UPDATE workflow_status SET status = 'PENDING', executor_id = ? WHERE workflow_uuid = ?"
            assert connection.execute(taken, (executor, job)).rowcount == 1
            columns = "workflow_uuid, function_id, function_name, retention_timestamp"
            connection.execute(f"INSERT INTO operation_outputs ({columns}) VALUES (?, 1, 'read', 0)", (job,))
    assert queue.statuses([job])[job].app_version == "1"
    worker.look()
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "the training ends")
    assert engine.store.models.by_id(model.id).status is ModelStatus.SUCCEEDED, engine.store.models.by_id(model.id).error
    assert queue.statuses([job])[job].app_version == WORKFLOWS_VERSION


def test_a_job_that_an_older_worker_runs_is_left_to_it(
    engine: Engine, queue: JobQueue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.dataset("left", {"red": 3, "green": 3}, first_seed=5000)
    model = engine.model("left", "left")
    job = f"training-{model.id}"
    with monkeypatch.context() as older:
        older.setattr(queues, "WORKFLOWS_VERSION", "1")
        older.setitem(QUEUES, TRAINING_WORKFLOW, "trainings")
        queue.enqueue_training(model.id)
    with closing(sqlite3.connect(engine.settings.data_dir / "jobs.sqlite")) as connection, connection:
        taken = "UPDATE workflow_status SET status = 'PENDING', executor_id = 'older-1' WHERE workflow_uuid = ?"
        connection.execute(taken, (job,))
    lock = FileLocks(engine.settings.data_dir / "workers").take("older-1")
    assert lock is not None
    worker.look()
    assert (queue.statuses([job])[job].status, queue.statuses([job])[job].app_version) == ("PENDING", "1")
    lock.release()
    worker.look()
    wait_until(lambda: engine.store.models.by_id(model.id).status is ModelStatus.SUCCEEDED, "the training ends")


def test_a_worker_that_is_slower_than_another_goes_on(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def slower() -> bool:
        raise DBOSException("Workflow training-1 changed status while being rewound; retry the rewind")

    monkeypatch.setattr(worker.caretaker, "look", slower)
    assert worker.look(), "it tries again soon"
