"""Reading the content of datasets from blobs, and noticing that these have changed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from tests.engine.jobs.blob_server import BlobServer
from tests.engine.jobs.drawn import coco
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind, ContentStatus, ModelKind, Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.content.current import content_of
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed, SourceUnreachable
from vision_customization.engine.jobs.kinds.content import ContentIndexing, contents_folder, run_indexing
from vision_customization.engine.jobs.process.content_checks import ContentChecks
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import ContentIndexRecord, Store, TrainingOrder
from vision_customization.engine.store.content import CHECK_SECONDS
from vision_customization.engine.store.content_rows import ContentWriter, NewImage

TRAIN = "/account/c/train.json"
TEST = "/account/c/test.json"
IMAGES = [(f"https://h/c/{number}.png", ("red", "green")[number % 2]) for number in range(6)]
FILE = coco(IMAGES, ["red", "green"])


@dataclass
class Queue:
    """Remembers what it was given."""

    ids: list[str]

    def enqueue_index(self, index_id: str) -> None:
        self.ids.append(index_id)


class Engine:
    """An engine without processes: what a worker would do is called."""

    def __init__(self, folder: Path, blobs: BlobServer) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.settings = Settings(data_dir=folder)
        Store.open(self.settings).close()
        self.store = Store(self.settings, now=lambda: self.now)
        self.blobs = blobs
        self.jobs = Queue([])
        self.reader = BlobReader([blobs.netloc], attempts=1)
        self.checks = ContentChecks(self.store, self.reader, self.jobs, self.folder)  # type: ignore[arg-type]

    @property
    def folder(self) -> Path:
        return contents_folder(self.settings)

    def register(self, *files: tuple[str, bytes], sas: SecretStr | None = None) -> None:
        uris = [self.blobs.put(path, data) for path, data in files]
        authentication = None if sas is None else AuthenticationKind.SAS
        kind = AnnotationKind.IMAGE_CLASSIFICATION
        self.store.datasets.create("d", kind, uris, authentication_kind=authentication, sas_token=sas)

    def look(self) -> ContentIndexRecord:
        return content_of(self, "d")

    def work(self) -> ContentIndexRecord:
        """Look, and do the jobs that are queued."""
        self.look()
        while self.jobs.ids:
            indexing = ContentIndexing(self.store, self.reader, self.folder, self.jobs.ids.pop(0))
            run_indexing(indexing, lambda _name, function, *arguments: function(*arguments))
        assert not self.folder.exists() or list(self.folder.iterdir()) == []
        return self.look()

    def check(self) -> ContentIndexRecord:
        """A look that is due for a check, the check, and the jobs that it queues."""
        self.now += timedelta(seconds=CHECK_SECONDS)
        self.look()
        index = self.store.content.take_check()
        assert index is not None
        self.checks.check(index)
        return self.work()

    def urls(self, index: int) -> list[str]:
        return [image.url for image in self.store.content.page(index, 0, 99).images]


@pytest.fixture
def engine(tmp_path: Path, blob_server: BlobServer) -> Iterator[Engine]:
    blob_server.blobs.clear()
    blob_server.requests.clear()
    engine = Engine(tmp_path, blob_server)
    yield engine
    engine.reader.close()
    engine.store.close()


def test_the_files_of_a_dataset_become_its_content(engine: Engine) -> None:
    other = coco([("https://h/c/9.png", "blue"), ("https://h/c/9.png", "red"), IMAGES[0]], ["blue", "red"])
    engine.register((TRAIN, FILE), (TEST, other))
    record = engine.work()
    assert (record.status, record.images, record.labels, record.tags) == (ContentStatus.READY, 7, 8, 3)
    assert engine.urls(record.index) == [url for url, _ in IMAGES] + ["https://h/c/9.png"]
    assert [(tag.name, tag.images) for tag in engine.store.content.tags(record.index)] == [
        ("blue", 1),
        ("green", 3),
        ("red", 4),
    ]
    assert [(problem.kind.value, problem.count, problem.images) for problem in record.problems] == [
        ("fewLabels", 1, 0), ("otherTags", 1, 1),
    ]  # fmt: skip
    assert record.problems[1].first.startswith("test.json: images[1] (id 2): is also test.json: images[0] (id 1), but has")
    assert [file.url for file in record.files] == [engine.blobs.url + TRAIN, engine.blobs.url + TEST]
    assert [file.size_bytes for file in record.files] == [len(FILE), len(other)]
    assert len(engine.blobs.requests) == 2


def test_a_sas_token_is_sent_and_shown_nowhere(engine: Engine) -> None:
    engine.register((TRAIN, b"{"), sas=SecretStr("sv=1&sig=TOPSECRET"))
    record = engine.work()
    assert engine.blobs.served() == [f"{TRAIN}?sv=1&sig=TOPSECRET"]
    assert record.error is not None
    place = "train.json: is not JSON: line 1, column 2"
    assert record.error.message == f"Dataset 'd': {place}: the file ends here, within the JSON text"
    assert "TOPSECRET" not in repr(record)


def overwritten(engine: Engine) -> None:
    engine.blobs.put(TRAIN, b"[]")


def deleted(engine: Engine) -> None:
    engine.blobs.blobs.clear()


def with_another_token_key(engine: Engine) -> None:
    (engine.settings.data_dir / "token.key").write_text(Fernet.generate_key().decode())
    engine.store.close()
    engine.store = Store(engine.settings, now=lambda: engine.now)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (deleted, f"Annotation file: http://NETLOC{TRAIN} does not exist (404)."),
        (overwritten, "Dataset 'd': train.json: must be an object with images"),
        (with_another_token_key, "The SAS token of dataset 'd' cannot be decrypted"),
    ],
)
def test_a_failure_says_what_to_do(engine: Engine, spoil: Callable[[Engine], None], says: str) -> None:
    engine.register((TRAIN, FILE), sas=SecretStr("sig=1"))
    spoil(engine)
    record = engine.work()
    assert record.status is ContentStatus.FAILED
    assert record.error is not None
    assert record.error.code == "datasetCorrupt"
    assert record.error.message.startswith(says.replace("NETLOC", engine.blobs.netloc))


def test_a_host_that_does_not_answer_is_tried_again(engine: Engine) -> None:
    engine.register((TRAIN, FILE))
    engine.blobs.busy = lambda _path: True
    try:
        with pytest.raises(SourceUnreachable):
            ContentIndexing(engine.store, engine.reader, engine.folder, engine.look().id).read()
    finally:
        engine.blobs.busy = lambda _path: False
    assert engine.look().status is ContentStatus.READING
    assert engine.work().status is ContentStatus.READY


def test_a_change_of_the_dataset_alone_reads_no_file_again(engine: Engine) -> None:
    engine.register((TRAIN, FILE), (TEST, FILE))
    first = engine.work()
    engine.store.datasets.update("d", custom_properties={"a": "b"})
    second = engine.work()
    assert (second.index, second.successor, second.images) == (first.index, None, 6)
    assert second.e_tag != first.e_tag
    assert [status for _, status in engine.blobs.requests] == [200, 200, 304, 304]
    assert engine.look() == second


def test_one_changed_file_of_two_reads_both(engine: Engine) -> None:
    engine.register((TRAIN, FILE), (TEST, FILE))
    first = engine.work()
    engine.blobs.put(TEST, coco([("https://h/c/new.png", "red"), *IMAGES], ["red", "green"]))
    engine.store.datasets.update("d", custom_properties={"a": "b"})
    second = engine.work()
    assert (second.images, second.status) == (7, ContentStatus.READY)
    assert second.index != first.index
    assert [status for _, status in engine.blobs.requests] == [200, 200, 304, 200, 200]
    assert second.digest != first.digest


def test_another_kind_reads_the_same_files_again(engine: Engine) -> None:
    engine.register((TRAIN, FILE))
    first = engine.work()
    engine.store.datasets.update("d", annotation_kind=AnnotationKind.IMAGE_OBJECT_DETECTION)
    second = engine.work()
    assert (second.annotation_kind, second.labels) == (AnnotationKind.IMAGE_OBJECT_DETECTION, 0)
    assert second.index != first.index
    assert [problem.kind.value for problem in second.problems] == ["limit", "box", "unusedTag"]


def test_a_dataset_that_was_changed_in_the_queue_is_read_as_it_is_then(engine: Engine) -> None:
    engine.register((TRAIN, FILE))
    index_id = engine.look().id
    e_tag = engine.store.datasets.update("d", annotation_kind=AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION).e_tag
    ContentIndexing(engine.store, engine.reader, engine.folder, index_id).read()
    record = engine.look()
    assert (record.id, record.e_tag, record.status) == (index_id, e_tag, ContentStatus.READY)
    assert record.annotation_kind is AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION


@pytest.mark.parametrize("change", ["delete", "update"])
def test_a_dataset_that_is_deleted_or_changed_while_it_is_read_cancels_the_reading(engine: Engine, change: str) -> None:
    engine.register((TRAIN, FILE))
    indexing = ContentIndexing(engine.store, engine.reader, engine.folder, engine.look().id)

    def before_reply(_path: str) -> None:
        if change == "delete":
            engine.store.datasets.delete("d")
        else:
            engine.store.datasets.update("d", custom_properties={"a": "b"})
            engine.look()

    engine.blobs.before_reply = before_reply
    try:
        with pytest.raises(JobCancelled):
            indexing.read()
    finally:
        engine.blobs.before_reply = lambda _path: None
    with pytest.raises(JobCancelled):
        indexing.check()
    indexing.fail(JobFailed(FailureCode.UNKNOWN, "no"))


def test_a_step_that_is_done_twice_has_no_row_twice(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.register((TRAIN, FILE))
    index_id = engine.look().id
    add_images = ContentWriter.add_images

    def killed(writer: ContentWriter, images: Iterator[NewImage]) -> None:
        add_images(writer, images)
        raise OSError("killed")

    monkeypatch.setattr(ContentWriter, "add_images", killed)
    with pytest.raises(OSError, match="killed"):
        ContentIndexing(engine.store, engine.reader, engine.folder, index_id).read()
    monkeypatch.setattr(ContentWriter, "add_images", add_images)
    assert engine.look().status is ContentStatus.READING
    record = engine.work()
    assert record.id == index_id
    assert len(engine.urls(record.index)) == record.images == 6
    assert sum(tag.images for tag in engine.store.content.tags(record.index)) == 6


def test_progress_is_told_while_it_reads(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision_customization.engine.jobs.kinds.content.REPORT_SECONDS", 0)
    engine.register((TRAIN, coco([(f"https://h/{number}", "red") for number in range(3500)], ["red"])))
    told: list[int | None] = []
    report = engine.store.content.report

    def reported(index_id: str, *, images_read: int | None = None, message: str | None = None) -> None:
        told.append(images_read)
        report(index_id, images_read=images_read, message=message)

    monkeypatch.setattr(engine.store.content, "report", reported)
    engine.work()
    assert told[:5] == [0, 999, 1999, 2999, 3500]


def test_a_file_that_is_overwritten_in_place_is_noticed_at_a_check(engine: Engine) -> None:
    engine.register((TRAIN, FILE))
    first = engine.work()
    assert engine.check() == replace(first, checked=engine.now)
    assert engine.blobs.requests[-1] == (TRAIN, 304)
    engine.blobs.put(TRAIN, coco([*IMAGES, ("https://h/c/new.png", "red")], ["red", "green"]))
    assert engine.look().images == 6
    second = engine.check()
    assert (second.images, second.status) == (7, ContentStatus.READY)
    assert second.index != first.index


def test_a_file_of_another_version_with_the_same_bytes_changes_nothing(engine: Engine) -> None:
    engine.register((TRAIN, FILE))
    first = engine.work()
    engine.store.content.checked(first.id, None, [replace(first.files[0], etag='"older"')])
    record = engine.check()
    assert (record.index, record.files) == (first.index, first.files)


def test_a_file_that_is_gone_leaves_the_content_and_is_told(engine: Engine) -> None:
    engine.register((TRAIN, FILE))
    first = engine.work()
    engine.blobs.blobs.clear()
    record = engine.check()
    assert (record.index, record.status) == (first.index, ContentStatus.READY)
    assert record.message == f"Annotation file: {engine.blobs.url}{TRAIN} does not exist (404)."
    engine.blobs.put(TRAIN, FILE)
    assert engine.check().message is None


def test_another_use_of_the_dataset_has_other_limits(engine: Engine) -> None:
    engine.register((TRAIN, coco(IMAGES[:1], ["red"])))
    first = engine.work()
    assert [problem.kind.value for problem in first.problems] == ["limit", "fewLabels"]
    kind = ModelKind.GENERIC_CLASSIFIER
    order = TrainingOrder(training_dataset_name="other", time_budget_in_hours=1, model_kind=kind, test_dataset_name="d")
    engine.store.models.create("m", order)
    second = engine.check()
    assert (second.purpose, second.problems) == (Purpose.EVALUATION, ())


@pytest.mark.parametrize(
    ("then", "status"), [(b"{", ContentStatus.FAILED), (FILE, ContentStatus.READY)], ids=["the same", "mended"]
)
def test_a_broken_file_is_read_again_once_it_was_mended(engine: Engine, then: bytes, status: ContentStatus) -> None:
    engine.register((TRAIN, b"{"))
    first = engine.work()
    assert first.status is ContentStatus.FAILED
    engine.blobs.put(TRAIN, then)
    record = engine.check()
    assert record.status is status
    assert (record.id == first.id) == (then == b"{")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (FailureCode.UNKNOWN, ContentStatus.READY),
        (FailureCode.DATASET_CORRUPT, ContentStatus.READY),
        (FailureCode.INTERNAL_SERVER_ERROR, ContentStatus.FAILED),
    ],
    ids=["the disk was full", "the file was not there", "it killed its workers"],
)
def test_what_failed_before_the_files_were_read_is_tried_again_unless_it_kills_workers(
    engine: Engine, code: FailureCode, status: ContentStatus
) -> None:
    engine.register((TRAIN, FILE))
    engine.store.content.fail(engine.look().id, JobFailed(code, "No.").details())
    engine.jobs.ids.clear()
    assert engine.look().status is ContentStatus.FAILED
    assert engine.check().status is status


def test_a_check_runs_beside_the_worker(engine: Engine) -> None:
    engine.register((TRAIN, FILE))
    engine.work()
    engine.now += timedelta(seconds=CHECK_SECONDS)
    engine.look()
    engine.blobs.put(TRAIN, json.dumps(json.loads(FILE) | {"info": {}}).encode())
    engine.checks.look()
    thread = engine.checks._thread
    assert thread is not None
    thread.join(30)
    assert len(engine.jobs.ids) == 1
    engine.checks.look()
    assert engine.checks._thread is thread
