"""What a caretaker does about workers that die, on DBOS's own tables and without a worker."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.engine.store.indexed import index_content
from vision_customization.contract.enums import AnnotationKind, ContentStatus, ModelKind, ModelStatus
from vision_customization.engine.drafts.vectors import VectorsOrder
from vision_customization.engine.inspection.report import VERSION
from vision_customization.engine.jobs.names import index_job, inspection_job
from vision_customization.engine.jobs.process.caretaker import Caretaker
from vision_customization.engine.jobs.process.liveness import FileLocks
from vision_customization.engine.jobs.queue import (
    INSPECTION_QUEUE,
    INSPECTION_WORKFLOW,
    QUEUES,
    READING_QUEUE,
    RECOVERY_ATTEMPTS_MAX,
    WAITING_ATTEMPTS_MAX,
    JobQueue,
)
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import artifact_key, vectors_key
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import InspectionStatus, Store, TrainingOrder
from vision_customization.engine.store.content_tables import ContentIndexRow
from vision_customization.engine.store.inspections import of_draft
from vision_customization.engine.store.tables import InspectionRow


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def taken(settings: Settings, job: str, worker: str, times: int) -> bool:
    """A worker takes a job from its queue, `times` times, as DBOS notes it down; False where it is not in its queue."""
    with closing(sqlite3.connect(settings.data_dir / "jobs.sqlite")) as connection, connection:
        changed = connection.execute(
            "UPDATE workflow_status SET status = 'PENDING', executor_id = ?, recovery_attempts = recovery_attempts + ?"
            " WHERE workflow_uuid = ? AND status = 'ENQUEUED'",
            (worker, times, job),
        )
        return changed.rowcount == 1


@pytest.mark.parametrize("times", [7, 20])
def test_a_job_that_kills_its_workers_is_given_up_however_many_there_are(
    settings: Settings, store: Store, queue: JobQueue, times: int
) -> None:
    """Each worker takes it `times` times, since it is started again, until another takes its work."""
    model = store.models.create(
        "m", TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    )
    objects = FileObjects(settings.data_dir / "objects")
    caretaker = Caretaker(store, objects, queue, FileLocks(settings.data_dir / "workers"), "survivor")
    queue.enqueue_training(model.id)
    job = f"training-{model.id}"
    begun = 0
    while taken(settings, job, f"worker-{begun}", times):
        begun += times
        assert begun <= WAITING_ATTEMPTS_MAX + times
        caretaker.look()
    caretaker.look()
    assert begun > WAITING_ATTEMPTS_MAX
    record = store.models.by_id(model.id)
    assert record.status is ModelStatus.FAILED
    assert record.error is not None
    assert record.error.code == "unknown"
    assert objects.names("jobs") == []


def test_a_piece_that_kills_its_workers_is_given_up_and_its_job_goes_on_to_say_so(
    settings: Settings, store: Store, queue: JobQueue
) -> None:
    model = store.models.create(
        "m", TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    )
    objects = FileObjects(settings.data_dir / "objects")
    caretaker = Caretaker(store, objects, queue, FileLocks(settings.data_dir / "workers"), "survivor")
    job = f"training-{model.id}"
    queue.enqueue_training(model.id)
    assert taken(settings, job, "survivor", 1)
    shards = [f"{job}.embed-0-{index}" for index in range(2)]
    queue.enqueue_pieces(READING_QUEUE, 7, dict.fromkeys(shards, (job, "embed", "keep_shard", False, (0, 0))))
    begun = 0
    while taken(settings, shards[0], f"worker-{begun}", 1):
        begun += 1
        caretaker.look()
        caretaker.sweep()  # as each worker does that starts
    assert begun == RECOVERY_ATTEMPTS_MAX + 1
    ended = queue.ended_piece(shards[0])
    assert ended is not None
    assert ended.status == "CANCELLED"
    assert queue.ended_piece(shards[1]) is None
    assert {job: status.status for job, status in queue.statuses([job, shards[1]]).items()} == {
        job: "PENDING",
        shards[1]: "ENQUEUED",
    }
    queue.forget_pieces(job)
    assert queue.withdrawn(shards[1])


def test_an_index_that_no_queue_has_is_queued_and_one_that_kills_its_workers_fails(
    settings: Settings, store: Store, queue: JobQueue
) -> None:
    store.datasets.create("d", AnnotationKind.IMAGE_CLASSIFICATION, ["https://a.blob.core.windows.net/c/t.json"])
    index = store.content.look("d").record
    objects = FileObjects(settings.data_dir / "objects")
    caretaker = Caretaker(store, objects, queue, FileLocks(settings.data_dir / "workers"), "survivor")
    caretaker.look()
    begun = 0
    while taken(settings, index_job(index.id), f"worker-{begun}", 1):
        begun += 1
        caretaker.look()
    caretaker.look()
    assert begun > RECOVERY_ATTEMPTS_MAX
    record = store.content.by_id(index.id)
    assert record.status is ContentStatus.FAILED
    assert record.error is not None
    assert "died on every attempt" in record.error.message
    assert objects.names("jobs") == []


def test_an_inspection_that_no_queue_has_is_queued_and_one_that_kills_its_workers_fails(
    settings: Settings, store: Store, queue: JobQueue
) -> None:
    objects = FileObjects(settings.data_dir / "objects")
    caretaker = Caretaker(store, objects, queue, FileLocks(settings.data_dir / "workers"), "survivor")
    inspection, _ = store.inspections.ask("d", {"index": 1, "version": VERSION})
    caretaker.look()
    begun = 0
    while taken(settings, inspection_job(inspection.id), f"worker-{begun}", 1):
        begun += 1
        assert begun <= RECOVERY_ATTEMPTS_MAX + 1
        caretaker.look()
    caretaker.look()
    record = store.inspections.by_id(inspection.id)
    assert begun > RECOVERY_ATTEMPTS_MAX
    assert record.status is InspectionStatus.FAILED
    assert record.error is not None
    assert "The worker died on every attempt" in (record.error.message or "")
    assert objects.names("jobs") == []


def test_the_vectors_of_a_draft_that_no_queue_has_are_queued(settings: Settings, store: Store, queue: JobQueue) -> None:
    objects = FileObjects(settings.data_dir / "objects")
    order = VectorsOrder(
        id="1", draft=1, container="https://a/c", annotation_kind=AnnotationKind.IMAGE_CLASSIFICATION, stop=3
    ).model_dump(mode="json")
    inspection, _ = store.inspections.ask(of_draft("1"), order)
    Caretaker(store, objects, queue, FileLocks(settings.data_dir / "workers"), "survivor").look()
    assert [*queue.statuses([inspection_job(inspection.id)])] == [inspection_job(inspection.id)]


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
def test_an_inspection_of_another_version_is_left_to_its_own_workers(
    settings: Settings, store: Store, queue: JobQueue, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    objects = FileObjects(settings.data_dir / "objects")
    caretaker = Caretaker(store, objects, queue, FileLocks(settings.data_dir / "workers"), "survivor")
    inspection, _ = store.inspections.ask("d", {"index": 1, "version": version})
    caretaker.look()
    assert queue.statuses([inspection_job(inspection.id)]) == {}, "this version queues it for nobody"
    monkeypatch.setitem(QUEUES, INSPECTION_WORKFLOW, f"inspections-{version}")  # by an engine of that version
    queue.enqueue_inspection(inspection.id)
    monkeypatch.undo()
    assert taken(settings, inspection_job(inspection.id), "gone", 1)
    assert caretaker.rescue() == []
    caretaker.look()
    [status] = queue.statuses([inspection_job(inspection.id)]).values()
    assert (status.status, status.executor_id) == ("PENDING", "gone")
    assert store.inspections.by_id(inspection.id).status is InspectionStatus.NOT_STARTED
    # An hour later, its workers are gone, and no autoscaler should keep one for it.
    with store.database.writing() as session:
        session.execute(update(InspectionRow).values(updated=datetime.now(UTC) - timedelta(hours=2)))
    caretaker.look()
    ended = store.inspections.by_id(inspection.id)
    assert ended.status is InspectionStatus.FAILED
    assert ended.error is not None
    assert "asked for this work on the images, and its workers are gone. Try again." in (ended.error.message or "")


@pytest.mark.parametrize(("version", "expected"), [(VERSION, INSPECTION_QUEUE), (VERSION - 1, "inspections")])
def test_an_inspection_that_an_older_engine_gave_back_to_its_own_queue_returns_to_that_of_its_version(
    settings: Settings, store: Store, queue: JobQueue, monkeypatch: pytest.MonkeyPatch, version: int, expected: str
) -> None:
    inspection, _ = store.inspections.ask("d", {"index": 1, "version": version})
    monkeypatch.setitem(QUEUES, INSPECTION_WORKFLOW, "inspections")
    queue.enqueue_inspection(inspection.id)
    monkeypatch.undo()
    objects = FileObjects(settings.data_dir / "objects")
    Caretaker(store, objects, queue, FileLocks(settings.data_dir / "workers"), "survivor").look()
    [status] = queue.statuses([inspection_job(inspection.id)]).values()
    assert (status.status, status.queue_name) == ("ENQUEUED", expected)


def test_the_rows_of_a_deleted_dataset_are_deleted(settings: Settings, store: Store, queue: JobQueue) -> None:
    store.datasets.create("d", AnnotationKind.IMAGE_CLASSIFICATION, ["https://a.blob.core.windows.net/c/t.json"])
    index = index_content(store, "d").index
    store.datasets.delete("d")
    with store.database.writing() as session:
        session.execute(update(ContentIndexRow).values(updated=datetime(2026, 1, 1, tzinfo=UTC)))
    caretaker = Caretaker(
        store, FileObjects(settings.data_dir / "objects"), queue, FileLocks(settings.data_dir / "workers"), "w"
    )
    for _ in range(20):
        caretaker.look()
    assert store.content.page(index, 0, 9).images == ()
    assert store.content.image(index, 0) is None


def test_a_sweep_deletes_the_files_of_deleted_models(settings: Settings, store: Store, queue: JobQueue) -> None:
    """The process that deleted the model could not delete its files."""
    objects = FileObjects(settings.data_dir / "objects")
    order = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    kept, deleted = store.models.create("kept", order), store.models.create("deleted", order)
    for model in (kept, deleted):
        objects.put(artifact_key(model.id), b"onnx")
    store.models.cancel(deleted.id)
    store.models.delete("deleted")
    Caretaker(store, objects, queue, FileLocks(settings.data_dir / "workers"), "w").sweep()
    assert objects.names("models") == [kept.id]


def test_a_sweep_deletes_the_vectors_of_deleted_drafts(settings: Settings, store: Store, queue: JobQueue) -> None:
    objects = FileObjects(settings.data_dir / "objects")
    kind, container = AnnotationKind.IMAGE_CLASSIFICATION, "https://acct.blob.core.windows.net/c"
    kept, deleted = (store.drafts.create(name, kind, name, container, "ada") for name in ("kept", "deleted"))
    for draft in (kept, deleted):
        objects.put(vectors_key(draft.id), b"vectors")
    store.drafts.delete("deleted")
    Caretaker(store, objects, queue, FileLocks(settings.data_dir / "workers"), "w").sweep()
    assert objects.names("drafts") == [kept.id]
