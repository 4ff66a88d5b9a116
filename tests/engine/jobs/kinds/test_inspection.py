"""An inspection, from digests that the engine knows and thumbnails that it keeps."""

import io
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from dbos import DBOS
from PIL import Image

from tests.engine.jobs.drawn import Engine
from tests.support.coco_content import coco, digest_of, read, register
from tests.support.waiting import wait_until
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.inspection.report import VERSION, Found, Report
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.kinds import inspection as module
from vision_customization.engine.jobs.kinds.inspection import Inspection, inputs_of, run_inspection
from vision_customization.engine.jobs.names import inspection_job
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.jobs.queue import INSPECTION_WORKFLOW, QUEUES, JobQueue
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder
from vision_customization.engine.store.inspections import InspectionStatus
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(Settings.from_environment({}, data_dir=tmp_path))) as store:
        yield store


@pytest.fixture
def thumbnails(tmp_path: Path) -> KeptThumbnails:
    return KeptThumbnails(FileObjects(tmp_path / "objects"))


def drawn(seed: int, quality: int = 90) -> bytes:
    """A thumbnail of an own picture; one of another quality is a near-duplicate."""
    blocks = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    target = io.BytesIO()
    Image.fromarray(blocks).save(target, "JPEG", quality=quality)
    return target.getvalue()


def inspected(store: Store, thumbnails: KeptThumbnails, dataset: str) -> Report:
    """The report of a dataset as it is now."""
    inputs = inputs_of(store, dataset)
    assert inputs is not None
    record, created = store.inspections.ask(dataset, inputs)
    assert created
    run_inspection(Inspection(store, thumbnails, record.id), lambda _, step, *arguments: step(*arguments))
    record = store.inspections.by_id(record.id)
    assert record.status is InspectionStatus.SUCCEEDED
    assert record.report is not None
    report = Report.from_json(record.report.encode())
    assert report is not None
    return report


def positions(found: Found) -> list[list[int]]:
    return [group.positions for group in found.groups]


@pytest.fixture
def datasets(store: Store, thumbnails: KeptThumbnails) -> None:
    """`train`: 0 and 2 look alike, 4 was not read, 3 has no thumbnail. `test`: 1.jpg is in `train`, near.jpg looks like 0."""
    register(store, "train", coco({f"{number}.jpg": ["cat"] for number in range(5)}))
    register(store, "test", coco({"1.jpg": ["cat"], "near.jpg": ["dog"], "other.jpg": ["dog"]}))
    read(store, "0.jpg", "1.jpg", "2.jpg", "3.jpg", "near.jpg", "other.jpg")
    made = {"0.jpg": drawn(1), "2.jpg": drawn(1, 40), "1.jpg": drawn(2), "near.jpg": drawn(1, 70), "other.jpg": drawn(3)}
    thumbnails.put({digest_of(name): data for name, data in made.items()})
    order = TrainingOrder(
        training_dataset_name="train",
        time_budget_in_hours=1,
        model_kind=ModelKind.GENERIC_CLASSIFIER,
        test_dataset_name="test",
    )
    store.models.create("m", order)


@pytest.mark.usefixtures("datasets")
def test_it_compares_within_a_dataset_and_with_what_judges_its_models(store: Store, thumbnails: KeptThumbnails) -> None:
    report = inspected(store, thumbnails, "train")
    assert (report.images, report.read) == (5, 4)
    assert positions(report.near) == [[0, 2]]
    assert positions(report.copies) == []
    [side] = report.sides
    assert side.dataset == "test"
    assert positions(side.same) == [[1, 0]]
    assert positions(side.near) == [[0, 1], [2, 1]]
    assert report.sizes.text == "All images are 640 × 480 px."
    unread, without = report.not_compared
    assert "1 image was not compared" in unread
    assert "1 image was compared only by content" in without


@pytest.mark.usefixtures("datasets")
def test_the_other_side_sees_the_same_pairs(store: Store, thumbnails: KeptThumbnails) -> None:
    [side] = inspected(store, thumbnails, "test").sides
    assert side.dataset == "train"
    assert positions(side.same) == [[0, 1]]
    assert [here for here, _ in positions(side.near)] == [1]


@pytest.mark.usefixtures("datasets")
def test_it_says_what_it_left_out(store: Store, thumbnails: KeptThumbnails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IMAGES_MAX", 2)
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    report = inspected(store, thumbnails, "train")
    assert report.images == 2
    assert report.not_compared[-2:] == [
        "Of the 5 images of dataset 'train', only the first 2 were compared.",
        "Of the 3 images of dataset 'test', only the first 2 were compared.",
    ]


@pytest.mark.usefixtures("datasets")
def test_a_dataset_on_the_other_side_whose_content_is_not_known(store: Store, thumbnails: KeptThumbnails) -> None:
    store.datasets.delete("test")
    store.datasets.create("test", AnnotationKind.IMAGE_CLASSIFICATION, ["https://acct.blob.core.windows.net/c/t.json"])
    [side] = inspected(store, thumbnails, "train").sides
    assert side.same.count == side.near.count == 0
    assert "The engine has not read the annotation files of dataset 'test' yet" in side.not_compared[0]


@pytest.mark.usefixtures("datasets")
def test_inputs_change_with_whatever_changes_the_result(store: Store) -> None:
    before = inputs_of(store, "train")
    assert before == inputs_of(store, "train")
    store.models.begin(store.models.find("m").id)
    assert before == inputs_of(store, "train")
    store.models.request_cancellation("m")
    store.models.cancel(store.models.find("m").id)
    assert before != inputs_of(store, "train"), "a training that has ended has read images"


def test_there_is_nothing_to_compare_before_the_content_is_known(store: Store) -> None:
    store.datasets.create("new", AnnotationKind.IMAGE_CLASSIFICATION, ["https://acct.blob.core.windows.net/c/t.json"])
    assert inputs_of(store, "new") is None


@pytest.mark.usefixtures("datasets")
def test_one_that_was_replaced_or_deleted_ends(store: Store, thumbnails: KeptThumbnails) -> None:
    record, _ = store.inspections.ask("train", {"index": 1})
    old = Inspection(store, thumbnails, record.id)
    store.inspections.ask("train", {"index": 2})
    with pytest.raises(JobCancelled):
        old.inspect()
    with pytest.raises(JobCancelled):
        old.check()
    old.fail(JobFailed(FailureCode.UNKNOWN, "too late"))


@pytest.mark.usefixtures("datasets")
def test_a_failure_is_stored_in_words(store: Store, thumbnails: KeptThumbnails, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = inputs_of(store, "train")
    assert inputs is not None
    record, _ = store.inspections.ask("train", inputs)

    def step(name: str, run: object, *arguments: object) -> None:
        if name == "inspect":
            raise JobFailed(FailureCode.UNKNOWN, "The objects do not answer.")
        assert callable(run)
        run(*arguments)

    run_inspection(Inspection(store, thumbnails, record.id), step)
    failed = store.inspections.by_id(record.id)
    assert failed.error is not None
    assert failed.error.message == "The objects do not answer."


def asked(engine: Engine, dataset: str, version: int = VERSION) -> str:
    """The id of an inspection that an engine of a version asked for."""
    register(engine.store, dataset, coco({"1.jpg": ["cat"], "2.jpg": ["cat"]}))
    inputs = inputs_of(engine.store, dataset)
    assert inputs is not None
    return engine.store.inspections.ask(dataset, {**inputs, "version": version})[0].id


def test_a_worker_leaves_those_of_another_version_to_its_workers(
    engine: Engine, queue: JobQueue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While engines of two versions share a database: the queue of the other one is in it, too."""
    assert worker.name
    others = asked(engine, "others", VERSION + 1)
    with monkeypatch.context() as newer:
        newer.setitem(QUEUES, INSPECTION_WORKFLOW, f"inspections-{VERSION + 1}")
        DBOS.register_queue(QUEUES[INSPECTION_WORKFLOW], worker_concurrency=1, polling_interval_sec=0.1)
        queue.enqueue_inspection(others)
    own = asked(engine, "own")
    queue.enqueue_inspection(own)
    wait_until(lambda: engine.store.inspections.by_id(own).status.final, "its own inspection ends", 30)
    time.sleep(2.5)  # longer than a worker takes to see a new queue, and to look into it
    [status] = queue.statuses([inspection_job(others)]).values()
    assert status.status == "ENQUEUED"
    record = engine.store.inspections.by_id(others)
    assert (record.status, record.report) == (InspectionStatus.NOT_STARTED, None)
    # Its page's engine goes on as if nothing had happened, and so does this one.
    assert inspection_is_current(engine.store, "own")
    assert not inspection_is_current(engine.store, "others")


def inspection_is_current(store: Store, dataset: str) -> bool:
    """Whether an engine of this version would show the dataset's inspection."""
    inputs = inputs_of(store, dataset)
    assert inputs is not None
    record, created = store.inspections.ask(dataset, inputs)
    assert not created
    return record.version == VERSION


@pytest.mark.usefixtures("datasets")
@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
def test_code_of_another_version_stores_no_report(store: Store, thumbnails: KeptThumbnails, version: int) -> None:
    inputs = inputs_of(store, "train")
    assert inputs is not None
    record, _ = store.inspections.ask("train", {**inputs, "version": version})
    run_inspection(Inspection(store, thumbnails, record.id), lambda _, step, *arguments: step(*arguments))
    ended = store.inspections.by_id(record.id)
    assert (ended.status, ended.report) == (InspectionStatus.FAILED, None)
    assert ended.error is not None
    assert "A worker of another version of the engine took this work. Try again when all" in (ended.error.message or "")


def test_a_worker_takes_it_from_its_queue(engine: Engine, queue: JobQueue, worker: Worker) -> None:
    assert worker.name
    register(engine.store, "queued", coco({"1.jpg": ["cat"], "2.jpg": ["cat"]}))
    read(engine.store, "1.jpg")
    inputs = inputs_of(engine.store, "queued")
    assert inputs is not None
    record, _ = engine.store.inspections.ask("queued", inputs)
    queue.enqueue_inspection(record.id)
    wait_until(lambda: engine.store.inspections.by_id(record.id).status.final, "the inspection ends", 30)
    ended = engine.store.inspections.by_id(record.id)
    assert ended.status is InspectionStatus.SUCCEEDED
    assert '"read":1' in (ended.report or "")
