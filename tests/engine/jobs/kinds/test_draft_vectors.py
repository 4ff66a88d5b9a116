"""The vectors of a draft's images, computed by a worker from blobs on the loopback interface."""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pydantic import SecretStr

from tests.engine.jobs.drawn import CheapExtractor, Engine, drawn_image, encoded
from tests.support.waiting import wait_until
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.drafts.vectors import DraftVectors, VectorsOrder, VectorsReport
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.kinds import draft_vectors as module
from vision_customization.engine.jobs.kinds.draft_vectors import DraftVectorsMaking
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import vectors_key
from vision_customization.engine.store import InspectionStatus
from vision_customization.engine.store.draft_records import NewDraftImage
from vision_customization.engine.store.inspections import of_draft

KIND = AnnotationKind.IMAGE_CLASSIFICATION


class Drawn:
    """A draft of drawn images, and what computes their vectors."""

    def __init__(self, engine: Engine, reader: BlobReader, objects: FileObjects, name: str) -> None:
        self.engine, self.objects, self.name = engine, objects, name
        self.container = f"{engine.blobs.url}/account/{name}"
        self.extractor = CheapExtractor()
        kept = KeptFeatures(objects, self.extractor.key, self.extractor.dimensions)
        self.resources = Resources(engine.store, objects, reader, self.extractor, kept, decoders=2)
        engine.store.drafts.create(name, KIND, name, self.container, "ada")

    @property
    def order(self) -> VectorsOrder:
        draft = self.engine.store.drafts.find(self.name)
        stop = self.engine.store.draft_numbers.stop(draft.sequence)
        return VectorsOrder(
            id=draft.id, draft=draft.sequence, container=self.container, annotation_kind=draft.annotation_kind, stop=stop
        )

    def add(self, *files: bytes) -> None:
        images = []
        for data in files:
            sha256 = hashlib.sha256(data).hexdigest()
            self.engine.blobs.put(f"/account/{self.name}/images/{sha256}.png", data)
            images.append(NewDraftImage(sha256, ".png", f"{sha256[:6]}.png", 96, 96))
        self.engine.store.drafts.add(self.name, images, "ada")

    def make(self, token: SecretStr | None = None, check: Callable[[], None] = lambda: None) -> VectorsReport:
        return DraftVectorsMaking(self.resources, token).make(self.order.model_dump(mode="json"), check)

    @property
    def stored(self) -> DraftVectors:
        return DraftVectors.from_npz(self.objects.get(vectors_key(self.order.id)))


@pytest.fixture
def drawn(engine: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Drawn]:
    reader = BlobReader(engine.settings.allowed_hosts)
    name = f"d{abs(hash(request.node.name))}"
    yield Drawn(engine, reader, FileObjects(tmp_path_factory.mktemp("objects")), name)
    reader.close()


def plain(kind: int, seed: int) -> bytes:
    """A picture of one colour, or of two halves, with a little noise."""
    pixels = np.random.default_rng(seed).integers(0, 20, (32, 32, 3)) + np.array([180, 60, 40])
    if kind:
        pixels[16:] = 20
    return encoded(pixels.astype(np.uint8))


def kinds(vectors: DraftVectors) -> np.ndarray:
    """The number of each image's nearest other one."""
    x = vectors.vectors.astype(np.float32)
    distances = np.square(x[:, None] - x[None]).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest: np.ndarray = vectors.numbers[distances.argmin(axis=1)]
    return nearest


def test_images_that_look_alike_are_near_each_other(drawn: Drawn) -> None:
    drawn.add(*(plain(number % 2, number) for number in range(12)))
    assert drawn.make() == VectorsReport(until=12, images=12)
    assert drawn.stored.numbers.tolist() == list(range(12))
    assert (kinds(drawn.stored) % 2 == np.arange(12) % 2).all()


def test_no_image_is_embedded_or_read_twice(drawn: Drawn) -> None:
    drawn.add(*(drawn_image(0, number) for number in range(6)))
    drawn.make()
    read = len(drawn.engine.blobs.requests)
    assert drawn.make() == VectorsReport(until=6, images=6)
    drawn.add(drawn_image(1, 99))
    assert drawn.make() == VectorsReport(until=7, images=7)
    assert drawn.extractor.extracted == 7
    assert len(drawn.engine.blobs.requests) == read + 1


def test_the_projection_is_fitted_again_when_there_are_twice_as_many_images(drawn: Drawn) -> None:
    drawn.add(*(drawn_image(0, number) for number in range(4)))
    drawn.make()
    drawn.add(*(drawn_image(1, number) for number in range(3)))
    drawn.make()
    assert drawn.stored.projection.images == 4
    drawn.add(drawn_image(2, 0))
    drawn.make()
    assert drawn.stored.projection.images == 8
    assert drawn.stored.vectors.shape == (8, 7)


@pytest.mark.parametrize("seconds", [20, -1])
def test_images_whose_features_were_deleted_keep_a_vector(
    drawn: Drawn, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """The projection is fitted again, also if the time is up before all images are embedded again."""
    drawn.add(*(drawn_image(0, number) for number in range(3)), b"no picture")
    assert drawn.make() == VectorsReport(until=4, images=3, unread=1)
    drawn.objects.delete("features")
    drawn.add(*(drawn_image(1, number) for number in range(5)))
    monkeypatch.setattr(module, "SECONDS_MAX", seconds)
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    for _ in range(5):
        if (made := drawn.make()).until == drawn.order.stop:
            break
    assert made == VectorsReport(until=9, images=8, unread=1)
    assert drawn.stored.numbers.tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert drawn.stored.projection.images == 9, "of the draft, with the one that cannot be read"


def test_an_image_that_cannot_be_read_is_counted_and_the_others_get_theirs(drawn: Drawn) -> None:
    drawn.add(drawn_image(0, 1), b"no picture", drawn_image(0, 2))
    assert drawn.make() == VectorsReport(until=3, images=2, unread=1)
    drawn.add(drawn_image(0, 3), b"none either")
    assert drawn.make() == VectorsReport(until=5, images=3, unread=2)
    assert drawn.stored.numbers.tolist() == [0, 2, 3]


def test_if_none_can_be_read_it_says_why(drawn: Drawn) -> None:
    drawn.add(b"no picture")
    with pytest.raises(JobFailed, match=r"None of the 1 images tried can be read\. image 0, http.*\. Check that the container"):
        drawn.make()


def test_after_some_seconds_it_says_how_far_it_came(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_MAX", -1)
    monkeypatch.setattr(module, "_AT_ONCE", 4)
    drawn.add(*(drawn_image(0, number) for number in range(10)))
    assert [drawn.make().until for _ in range(3)] == [4, 8, 10]
    assert drawn.stored.numbers.tolist() == list(range(10))


def test_vectors_of_other_networks_or_damaged_ones_are_computed_again(drawn: Drawn) -> None:
    drawn.add(*(drawn_image(0, number) for number in range(3)))
    drawn.make()
    key = vectors_key(drawn.order.id)
    drawn.objects.put(key, b"damaged")
    assert drawn.make().images == 3
    drawn.extractor.key = "newer"
    assert drawn.make().images == 3
    assert drawn.stored.key == "newer"


def test_one_that_is_cancelled_stores_nothing(drawn: Drawn) -> None:
    drawn.add(drawn_image(0, 1))

    def cancelled() -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        drawn.make(check=cancelled)
    assert not drawn.objects.exists(vectors_key(drawn.order.id))


@pytest.mark.parametrize(("container", "sent"), [("", True), ("/other", False)])
def test_the_token_of_the_setting_is_for_its_container_alone(drawn: Drawn, container: str, sent: bool) -> None:
    drawn.add(drawn_image(0, 1))
    drawn.engine.blobs.requests.clear()
    drawn.make(SecretStr(f"{drawn.container}{container}?sv=1&sig=secret"))
    assert ["sig=secret" in path for path, _ in drawn.engine.blobs.requests] == [sent]


def test_a_worker_takes_it_from_the_queue_of_inspections(engine: Engine, queue: JobQueue, worker: Worker, drawn: Drawn) -> None:
    assert worker.name
    drawn.add(*(drawn_image(0, number) for number in range(3)))
    record, _ = engine.store.inspections.ask(of_draft(drawn.order.id), drawn.order.model_dump(mode="json"))
    queue.enqueue_inspection(record.id)
    wait_until(lambda: engine.store.inspections.by_id(record.id).status.final, "the inspection ends", 30)
    ended = engine.store.inspections.by_id(record.id)
    assert ended.status is InspectionStatus.SUCCEEDED
    assert VectorsReport.model_validate_json(ended.report or "") == VectorsReport(until=3, images=3)
