"""Product recognition runs from the queue to their result: real DBOS, the worker in this process, a detector that is told what
it finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.engine.jobs.drawn import CheapExtractor, Engine, drawn_image, encoded
from tests.support.waiting import wait_until
from vision_customization.contract.analysis import BoundingBox, DetectedObject, Tag
from vision_customization.contract.enums import ModelKind, RunStatus
from vision_customization.contract.models import Artifact
from vision_customization.engine.jobs.errors import JobCancelled
from vision_customization.engine.jobs.kinds.recognition import IMAGE_ARRIVES_SECONDS, Recognition
from vision_customization.engine.jobs.names import recognition_job
from vision_customization.engine.jobs.process.caretaker import Caretaker
from vision_customization.engine.jobs.process.liveness import FileLocks
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.learning.images import DecodedImage
from vision_customization.engine.models.cache import ModelGone
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import image_key
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.store import NotFound, RunRecord, Store, TrainingOrder

FOUND = [
    DetectedObject(id="1", bounding_box=BoundingBox(x=1, y=2, w=30, h=40), tags=[Tag(name="cola", confidence=0.9)]),
    DetectedObject(id="2", bounding_box=BoundingBox(x=1, y=2, w=30, h=41), tags=[Tag(name="tea", confidence=0.5)]),
    DetectedObject(id="3", bounding_box=BoundingBox(x=50, y=2, w=30, h=40), tags=[Tag(name="Gap", confidence=0.4)]),
]


@dataclass
class FixedDetector:
    """Finds the same in every image. `before` is called first, and may raise."""

    before: Callable[[], object] = lambda: None
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    looked_at: list[tuple[int, ...]] = field(default_factory=list)

    def detect(self, model_id: str, image: DecodedImage) -> list[DetectedObject]:
        self.asked.append((model_id, image.width, image.height))
        self.looked_at.append(image.pixels.shape)
        self.before()
        return FOUND


@pytest.fixture(scope="module")
def detector() -> FixedDetector:
    return FixedDetector()


@pytest.fixture(autouse=True)
def detector_is_as_new(detector: FixedDetector) -> Iterator[None]:
    yield
    detector.__init__()  # type: ignore[misc]


@pytest.fixture(scope="module")
def worker(engine: Engine, detector: FixedDetector) -> Iterator[Worker]:
    worker = Worker(engine.settings, CheapExtractor(), pauses_seconds=(0.01,) * 7, detector=detector)
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture(scope="module")
def objects(engine: Engine) -> ObjectStore:
    return open_objects(engine.settings)


def trained(store: Store, name: str, tiles: int = 1) -> str:
    kind = ModelKind.PRODUCT_RECOGNIZER
    record = store.models.create(
        name, TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=kind, tiles=tiles)
    )
    store.models.finish(record.id, None, 1, Artifact(digest="d", size_bytes=1))
    return record.id


def sent(engine: Engine, objects: ObjectStore, model: str, image: bytes | None = None, tiles: int = 1) -> RunRecord:
    """A run of a model of that name, and its image."""
    trained(engine.store, model, tiles)
    run = engine.store.runs.create(model, "r")
    objects.put(image_key(recognition_job(run.id)), drawn_image(0, 0) if image is None else image)
    return run


def ended(engine: Engine, objects: ObjectStore, run: RunRecord) -> RunRecord:
    wait_until(lambda: engine.store.runs.by_id(run.id).status.final, "the run ends")
    wait_until(lambda: recognition_job(run.id) not in objects.names("jobs"), "the job's files are deleted", 10)
    return engine.store.runs.by_id(run.id)


@pytest.mark.usefixtures("worker")
def test_a_run_ends_with_products_and_gaps_and_without_its_image(
    engine: Engine, queue: JobQueue, objects: ObjectStore, detector: FixedDetector
) -> None:
    run = sent(engine, objects, "shelf")
    queue.enqueue_recognition(run.id)
    done = ended(engine, objects, run)
    assert (done.status, done.error) == (RunStatus.SUCCEEDED, None)
    assert done.result is not None
    assert done.result.to_wire() == {
        "imageMetadata": {"width": 96, "height": 96},
        "products": [
            {
                "id": "1",
                "boundingBox": {"x": 1, "y": 2, "w": 30, "h": 40},
                "tags": [{"name": "cola", "confidence": 0.9}, {"name": "tea", "confidence": 0.5}],
            }
        ],
        "gaps": [{"id": "2", "boundingBox": {"x": 50, "y": 2, "w": 30, "h": 40}, "tags": [{"name": "Gap", "confidence": 0.4}]}],
    }
    assert detector.asked == [(run.model_id, 96, 96)]


@pytest.mark.usefixtures("worker")
def test_what_goes_wrong_once_is_tried_again(
    engine: Engine, queue: JobQueue, objects: ObjectStore, detector: FixedDetector
) -> None:
    run = sent(engine, objects, "once")
    detector.before = lambda: 1 / 0 if len(detector.asked) < 3 else None
    queue.enqueue_recognition(run.id)
    assert ended(engine, objects, run).status is RunStatus.SUCCEEDED
    assert len(detector.asked) == 3


def gone() -> None:
    raise ModelGone("The model's file is not there.")


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("before", "image", "code", "says"),
    [
        (gone, None, "modelNotFound", "The files of model 'gone' are missing. Train it again."),
        (lambda: 1 / 0, None, "unknown", "The engine failed in step 'recognize'"),
        (lambda: None, b"damaged", "datasetCorrupt", "is not an image of a supported type"),
    ],
    ids=["gone", "broken", "damaged"],
)
def test_a_run_that_fails_says_why(
    engine: Engine,
    queue: JobQueue,
    objects: ObjectStore,
    detector: FixedDetector,
    before: Callable[[], object],
    image: bytes | None,
    code: str,
    says: str,
    request: pytest.FixtureRequest,
) -> None:
    run = sent(engine, objects, request.node.callspec.id, image)
    detector.before = before
    queue.enqueue_recognition(run.id)
    done = ended(engine, objects, run)
    assert done.error is not None
    assert (done.status, done.error.code) == (RunStatus.FAILED, code)
    assert says in done.error.message


@pytest.mark.usefixtures("worker")
def test_a_run_whose_model_is_deleted_meanwhile_ends_quietly(
    engine: Engine, queue: JobQueue, objects: ObjectStore, detector: FixedDetector
) -> None:
    run = sent(engine, objects, "deleted")
    detector.before = lambda: engine.store.models.delete("deleted")
    queue.enqueue_recognition(run.id)
    wait_until(lambda: recognition_job(run.id) not in objects.names("jobs"), "the job's files are deleted")
    with pytest.raises(NotFound):
        engine.store.runs.by_id(run.id)


@pytest.mark.usefixtures("worker")
def test_a_run_that_was_not_queued_is(engine: Engine, objects: ObjectStore, worker: Worker) -> None:
    """The API was killed between the image and the queue."""
    run = sent(engine, objects, "unqueued")
    worker.look()
    assert ended(engine, objects, run).status is RunStatus.SUCCEEDED


@pytest.mark.usefixtures("worker")
def test_a_run_without_its_image_is_waited_for_and_then_failed(engine: Engine, queue: JobQueue, objects: ObjectStore) -> None:
    """The API was killed between the run and the image."""
    trained(engine.store, "imageless")
    young = engine.store.runs.create("imageless", "young")
    long_ago = datetime.now(UTC) - timedelta(seconds=IMAGE_ARRIVES_SECONDS + 1)
    store = Store(engine.settings, now=lambda: long_ago)
    old = store.runs.create("imageless", "old")
    store.close()
    caretaker = Caretaker(engine.store, objects, queue, FileLocks(engine.settings.data_dir / "workers"), "w")
    caretaker.settle()
    assert engine.store.runs.by_id(young.id) == young
    failed = engine.store.runs.by_id(old.id)
    assert failed.error is not None
    assert (failed.status, failed.error.code) == (RunStatus.FAILED, "internalServerError")
    assert "send it again" in failed.error.message
    assert queue.statuses([recognition_job(one.id) for one in (young, old)]) == {}
    engine.store.runs.fail(young.id, failed.error)


@pytest.mark.parametrize(("tiles", "looked_at"), [(1, (750, 1000, 3)), (2, (1500, 2000, 3))])
def test_a_detector_is_shown_as_much_of_a_large_image_as_it_looks_at(
    engine: Engine, objects: ObjectStore, tiles: int, looked_at: tuple[int, ...]
) -> None:
    run = sent(engine, objects, f"tiles-{tiles}", encoded(np.zeros((3000, 4000, 3), np.uint8), "JPEG"), tiles)
    detector = FixedDetector()
    Recognition(engine.store, objects, detector, run.id).recognize()
    assert detector.asked == [(run.model_id, 4000, 3000)]
    assert detector.looked_at == [looked_at]


def test_a_run_that_is_done_twice_keeps_its_first_result(engine: Engine, objects: ObjectStore) -> None:
    run = sent(engine, objects, "twice")
    detector = FixedDetector()
    Recognition(engine.store, objects, detector, run.id).recognize()
    first = engine.store.runs.by_id(run.id)
    with pytest.raises(JobCancelled):
        Recognition(engine.store, objects, detector, run.id).recognize()
    assert engine.store.runs.by_id(run.id) == first
    assert len(detector.asked) == 1


def test_the_image_of_a_run_that_goes_on_is_no_leftover(engine: Engine, queue: JobQueue, objects: ObjectStore) -> None:
    assert isinstance(objects, FileObjects)
    run = sent(engine, objects, "going-on")
    objects.put(image_key(recognition_job("of-a-deleted-run")), b"x")
    Caretaker(engine.store, objects, queue, FileLocks(engine.settings.data_dir / "workers"), "w").sweep()
    assert objects.exists(image_key(recognition_job(run.id)))
    assert not objects.exists(image_key(recognition_job("of-a-deleted-run")))
    engine.store.models.delete("going-on")
