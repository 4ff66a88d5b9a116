"""Batch prediction runs from the queue to their rows: real DBOS, the worker in this process, exported models, and images in a
real Azurite or on a server of this machine."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from pydantic import SecretStr

from tests.customization.azurite import ACCOUNT, ACCOUNT_KEY, Azurite, azurite
from tests.engine.jobs.drawn import CheapExtractor, Engine, drawn_image, encoded
from tests.support.exported_model import Exported
from tests.support.waiting import wait_until
from vision_customization.common.blob_container import open_container
from vision_customization.contract.batch_prediction import AzureBlobResult, AzureBlobSource, BatchPredictionProgress
from vision_customization.contract.datasets import Authentication
from vision_customization.contract.enums import AuthenticationKind, BatchPredictionStatus, ModelKind
from vision_customization.contract.models import Artifact
from vision_customization.engine.jobs.kinds import batch_prediction
from vision_customization.engine.jobs.names import batch_prediction_job
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.learning.classification.artifact import ClassifierSession, export_classifier
from vision_customization.engine.learning.detection.artifact import DetectorSession, export_detector
from vision_customization.engine.learning.images import decode_image
from vision_customization.engine.learning.pretrained.nanodet import with_classes
from vision_customization.engine.learning.pretrained.nanodet_weights import read_nanodet
from vision_customization.engine.models.answer_rows import AnswerRows
from vision_customization.engine.objects.keys import artifact_key
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.store import BatchPredictionRecord, TrainingOrder

pytestmark = [pytest.mark.process]

CHUNK = 4
NAMES = ["a/b c.png", "a/dög/1 %.PNG", "a/x.jpeg", "b.png"]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as storage:
        yield storage


@pytest.fixture(scope="module")
def engine(engine: Engine, storage: Azurite) -> Engine:
    hosts = (*engine.settings.allowed_hosts, storage.url.removeprefix("http://"))
    return Engine(engine.settings.model_copy(update={"allowed_hosts": hosts}), engine.store, engine.blobs)


@pytest.fixture(scope="module")
def worker(engine: Engine) -> Iterator[Worker]:
    worker = Worker(engine.settings, CheapExtractor(), pauses_seconds=(0.01,) * 7)
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture(scope="module")
def objects(engine: Engine) -> ObjectStore:
    return open_objects(engine.settings)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch, worker: Worker) -> None:
    monkeypatch.setattr(batch_prediction, "CHUNK_IMAGES", CHUNK)


def model(
    engine: Engine, objects: ObjectStore, name: str, onnx: bytes, kind: ModelKind = ModelKind.GENERIC_CLASSIFIER, tiles: int = 1
) -> None:
    order = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=kind, tiles=tiles)
    record = engine.store.models.create(name, order)
    objects.put(artifact_key(record.id), onnx)
    engine.store.models.finish(record.id, None, 1, Artifact(digest="d", size_bytes=len(onnx)))


@pytest.fixture(scope="module", autouse=True)
def classifier(engine: Engine, objects: ObjectStore, exported: Exported) -> None:
    model(engine, objects, "m", exported.onnx)


def sas(container: str, **permissions: bool) -> SecretStr:
    name = container.rsplit("/", 1)[-1]
    expiry = datetime.now(UTC) + timedelta(hours=1)
    return SecretStr(
        generate_container_sas(ACCOUNT, name, ACCOUNT_KEY, permission=ContainerSasPermissions(**permissions), expiry=expiry)
    )


def filled(container: str, blobs: dict[str, bytes]) -> str:
    with open_container(container, account_key=ACCOUNT_KEY) as client:
        client.create_container()
        for name, data in blobs.items():
            client.upload_blob(name, data)
    return container


def source(container: str, prefix: str = "") -> AzureBlobSource:
    return AzureBlobSource(container_url=container, prefix=prefix, authentication=Authentication(kind=AuthenticationKind.SAS))


def ended(engine: Engine, objects: ObjectStore, run: BatchPredictionRecord) -> BatchPredictionRecord:
    wait_until(lambda: engine.store.batch_predictions.by_id(run.id).status.final, "the run ends", 60)
    wait_until(lambda: batch_prediction_job(run.id) not in objects.names("jobs"), "the job's files are deleted", 5)
    return engine.store.batch_predictions.by_id(run.id)


def rows_of(objects: ObjectStore, run: BatchPredictionRecord) -> list[dict[str, Any]]:
    stored, lines = AnswerRows(objects, run.model_id, run.id), []
    for chunk in range(1000):
        try:
            lines += stored.lines(chunk)
        except ObjectNotFound:
            break
    return [json.loads(line) for line in lines]


def predicted(
    engine: Engine,
    queue: JobQueue,
    objects: ObjectStore,
    name: str,
    model_name: str = "m",
    **order: Any,  # noqa: ANN401 - handed on
) -> tuple[BatchPredictionRecord, list[dict[str, Any]]]:
    run = engine.store.batch_predictions.create(model_name, name, **order)
    queue.enqueue_batch_prediction(run.id)
    done = ended(engine, objects, run)
    return done, rows_of(objects, done)


def dataset(engine: Engine, name: str, images: int, *, sas: SecretStr | None = None) -> list[str]:
    """A dataset of the same picture at many addresses."""
    picture = drawn_image(0, 0)
    urls = [engine.blobs.put(f"/account/{name}/{number:04d}.png", picture) for number in range(images)]
    engine.annotate(name, [(url, "cat") for url in urls], ["cat"], sas=sas)
    return urls


def test_each_image_of_a_container_has_a_row_and_the_blob_has_all(
    engine: Engine, queue: JobQueue, objects: ObjectStore, storage: Azurite, exported: Exported
) -> None:
    pictures = {name: drawn_image(number, number) for number, name in enumerate(NAMES)}
    unreadable = {"a/broken.png": b"no image", "a/small.png": encoded(np.zeros((49, 60, 3), np.uint8)), "a/zero.jpg": b""}
    container = filled(
        storage.container("photos"), {**pictures, **unreadable, "a/labels.json": b"{}", "z.png": drawn_image(0, 0)}
    )
    result = filled(storage.container("results"), {})
    done, rows = predicted(
        engine,
        queue,
        objects,
        "container",
        source=source(container, "a/"),
        source_token=sas(container, read=True, list=True),
        result=AzureBlobResult(blob_url=f"{result}/out/rows.jsonl", authentication=Authentication(kind=AuthenticationKind.SAS)),
        result_token=sas(result, create=True, write=True),
    )
    assert (done.status, done.error) == (BatchPredictionStatus.SUCCEEDED, None)
    assert done.progress == BatchPredictionProgress(images=6, images_answered=3, images_failed=3, other_blobs=1, share=1.0)
    listed = sorted([*(name for name in pictures if name.startswith("a/")), *unreadable])
    assert [row["url"] for row in rows] == [f"{container}/{quote(name)}" for name in listed]
    session = ClassifierSession(exported.onnx, threads=1)
    for name, row in zip(listed, rows, strict=True):
        if name in unreadable:
            code = "InvalidImageSize" if name == "a/small.png" else "InvalidImageFormat"
            assert row.keys() == {"url", "error"}
            assert row["error"]["code"] == code, row
            continue
        probabilities, novelty = session.classify(decode_image(pictures[name]).pixels)
        assert row["metadata"] == {"width": 96, "height": 96}
        assert row["modelVersion"] == "2023-04-01-preview"
        found = {tag["name"]: tag["confidence"] for tag in row["customModelResult"]["tagsResult"]["values"]}
        assert found == pytest.approx(dict(zip(session.tags, map(float, probabilities), strict=True)), abs=1e-6)
        assert row["customModelResult"].get("novelty") == novelty
    with open_container(result, account_key=ACCOUNT_KEY) as client:
        blob = client.get_blob_client("out/rows.jsonl").download_blob()
        assert [json.loads(line) for line in blob.readall().splitlines()] == rows
        assert blob.properties.content_settings.content_type == "application/x-ndjson"


def test_an_empty_container_has_no_rows(engine: Engine, queue: JobQueue, objects: ObjectStore, storage: Azurite) -> None:
    container = filled(storage.container("empty"), {})
    order = {"source": source(container), "source_token": sas(container, read=True, list=True)}
    done, rows = predicted(engine, queue, objects, "empty", **order)
    assert (done.status, rows) == (BatchPredictionStatus.SUCCEEDED, [])
    assert done.progress == BatchPredictionProgress(images=0, share=1.0)


@pytest.mark.parametrize(
    ("name", "permissions", "says"),
    [
        ("unlisted", {"read": True}, "Listing a container needs the permissions read and list"),
        ("missing", {"read": True, "list": True}, "does not exist"),
    ],
)
def test_a_container_that_cannot_be_listed_fails_the_run(
    engine: Engine, queue: JobQueue, objects: ObjectStore, storage: Azurite, name: str, permissions: dict[str, bool], says: str
) -> None:
    container = storage.container(name)
    if name != "missing":
        filled(container, {"a.png": drawn_image(0, 0)})
    order = {"source": source(container), "source_token": sas(container, **permissions)}
    done, _ = predicted(engine, queue, objects, name, **order)
    assert done.status is BatchPredictionStatus.FAILED
    assert done.error is not None
    assert says in done.error.message
    assert "sig=" not in done.error.message


def test_a_dataset_in_the_order_of_its_files_each_image_once(engine: Engine, queue: JobQueue, objects: ObjectStore) -> None:
    urls = [engine.blobs.put(f"/account/order/{name}.png", drawn_image(0, 1)) for name in ("c", "a", "b")]
    missing = f"{engine.blobs.url}/account/order/none.png"
    listed = [*urls, missing, urls[0]]
    engine.annotate("order", [(f"{url}?sv=1&sig=SECRET", "cat") for url in listed], ["cat"])
    done, rows = predicted(engine, queue, objects, "dataset", dataset_name="order")
    assert (done.progress.images, done.progress.images_answered, done.progress.images_failed) == (4, 3, 1)
    assert [row["url"] for row in rows] == [*urls, missing]
    assert rows[3]["error"]["code"] == "InvalidImageUrl"
    assert "SECRET" not in json.dumps(rows)


def test_a_token_that_ends_within_the_run_fails_it(engine: Engine, queue: JobQueue, objects: ObjectStore) -> None:
    sas = SecretStr("sv=1&sig=SECRET")
    urls = dataset(engine, "expiring", 10, sas=sas)
    engine.blobs.denied = lambda path: "expiring/0005.png" in path
    try:
        done, rows = predicted(engine, queue, objects, "expiring", dataset_name="expiring")
    finally:
        engine.blobs.denied = lambda _path: False
    assert (done.status, [row["url"] for row in rows[:CHUNK]]) == (BatchPredictionStatus.FAILED, urls[:CHUNK])
    assert done.error is not None
    assert f"An image: {urls[5]} may not be read (403)" in done.error.message
    assert "unexpired SAS token" in done.error.message
    assert "SECRET" not in done.error.message
    assert all("error" not in row for row in rows)


def test_an_image_elsewhere_that_is_denied_has_a_row(engine: Engine, queue: JobQueue, objects: ObjectStore) -> None:
    urls = [engine.blobs.put(f"/{place}/1.png", drawn_image(0, 1)) for place in ("account/elsewhere", "other/photos")]
    engine.annotate("elsewhere", [(url, "cat") for url in urls], ["cat"], sas=SecretStr("sv=1&sig=SECRET"))
    engine.blobs.denied = lambda path: path.startswith("/other/")
    try:
        done, rows = predicted(engine, queue, objects, "elsewhere", dataset_name="elsewhere")
    finally:
        engine.blobs.denied = lambda _path: False
    assert (done.status, done.progress.images_failed) == (BatchPredictionStatus.SUCCEEDED, 1)
    assert [row.get("error", {}).get("code") for row in rows] == [None, "InvalidImageUrl"]


def test_what_the_run_needs_is_missing(engine: Engine, queue: JobQueue, objects: ObjectStore) -> None:
    done, _ = predicted(engine, queue, objects, "no-dataset", dataset_name="none")
    assert done.error is not None
    assert (done.error.code, "'none' does not exist" in done.error.message) == ("datasetNotFound", True)
    model(engine, objects, "lost", b"")
    objects.delete(artifact_key(engine.store.models.find("lost").id))
    dataset(engine, "few", 2)
    done, _ = predicted(engine, queue, objects, "no-file", "lost", dataset_name="few")
    assert done.error is not None
    assert done.error.code == "modelNotFound"


def test_a_detector_finds_objects_in_pixels_of_the_image(
    engine: Engine, queue: JobQueue, objects: ObjectStore, weights_dir: Path
) -> None:
    weights = with_classes(read_nanodet(weights_dir), ["cola", "tea"], np.random.default_rng(0))
    onnx = export_detector(weights, ["cola", "tea"], 320, "", tiles=2)
    model(engine, objects, "detector", onnx, ModelKind.GENERIC_DETECTOR, 2)
    dataset(engine, "shelves", 3)
    done, rows = predicted(engine, queue, objects, "objects", "detector", dataset_name="shelves")
    assert done.progress.images_answered == 3
    session = DetectorSession(onnx)
    found = session.detect(decode_image(drawn_image(0, 0), detail=2).pixels)
    answered = rows[0]["customModelResult"]["objectsResult"]["values"]
    assert len(answered) == sum(score >= 0.2 for score in found.scores)
    assert {row["url"] for row in rows} == {f"{engine.blobs.url}/account/shelves/{number:04d}.png" for number in range(3)}


def test_a_multi_label_model_has_thresholds(
    engine: Engine, queue: JobQueue, objects: ObjectStore, exported: Exported, weights_dir: Path
) -> None:
    classifier = replace(exported.classifier, thresholds=(0.25, 0.5))
    model(engine, objects, "several", export_classifier(classifier, weights_dir))
    dataset(engine, "scenes", 2)
    _, rows = predicted(engine, queue, objects, "several", "several", dataset_name="scenes")
    tags = rows[1]["customModelResult"]["tagsResult"]["values"]
    assert {tag["name"]: tag["threshold"] for tag in tags} == {"cat": 0.25, "dög": 0.5}


def test_a_cancelled_run_stops_within_two_seconds_and_keeps_its_rows(
    engine: Engine, queue: JobQueue, objects: ObjectStore, held: Callable[[str], None]
) -> None:
    urls = dataset(engine, "long", 40)
    held("0020.png")
    run = engine.store.batch_predictions.create("m", "cancelled", dataset_name="long")
    queue.enqueue_batch_prediction(run.id)
    wait_until(lambda: engine.store.batch_predictions.by_id(run.id).progress.rows >= 16, "some chunks are done", 30)
    started = time.monotonic()
    engine.store.batch_predictions.request_cancellation("m", "cancelled")
    done = ended(engine, objects, run)
    assert time.monotonic() - started < 2
    assert done.status is BatchPredictionStatus.CANCELLED
    assert [row["url"] for row in rows_of(objects, run)] == urls[: done.progress.rows]


def test_a_run_that_waits_is_cancelled_at_once(engine: Engine, queue: JobQueue, objects: ObjectStore) -> None:
    run = engine.store.batch_predictions.create("m", "waiting", dataset_name="none")
    assert engine.store.batch_predictions.request_cancellation("m", "waiting").status is BatchPredictionStatus.CANCELLED
    queue.enqueue_batch_prediction(run.id)
    time.sleep(1)
    assert ended(engine, objects, run).status is BatchPredictionStatus.CANCELLED
    assert rows_of(objects, run) == []


def test_a_run_ends_with_its_model(
    engine: Engine, queue: JobQueue, objects: ObjectStore, exported: Exported, held: Callable[[str], None]
) -> None:
    model(engine, objects, "short-lived", exported.onnx)
    dataset(engine, "gone", 40)
    held("0020.png")
    run = engine.store.batch_predictions.create("short-lived", "r", dataset_name="gone")
    queue.enqueue_batch_prediction(run.id)
    wait_until(lambda: engine.store.batch_predictions.by_id(run.id).progress.rows >= 16, "some chunks are done", 30)
    engine.store.models.delete("short-lived")
    wait_until(lambda: batch_prediction_job(run.id) not in objects.names("jobs"), "the job's files are deleted", 5)


def test_storage_that_is_busy_is_tried_again_and_else_named(engine: Engine, queue: JobQueue, objects: ObjectStore) -> None:
    dataset(engine, "busy", 6)
    engine.blobs.busy = lambda path: path.endswith("0005.png")
    try:
        done, _ = predicted(engine, queue, objects, "busy", dataset_name="busy")
    finally:
        engine.blobs.busy = lambda _path: False
    assert done.status is BatchPredictionStatus.FAILED
    assert done.error is not None
    assert "The engine tried 8 times. Check that 127.0.0.1 answers" in done.error.message
    assert done.progress.rows == 4


@pytest.fixture
def held(engine: Engine) -> Iterator[Callable[[str], None]]:
    """Holds the blob server at a file until the test ends."""
    released = [False]

    def hold(name: str) -> None:
        def before_reply(path: str) -> None:
            while path.endswith(name) and not released[0]:
                time.sleep(0.05)

        engine.blobs.before_reply = before_reply

    yield hold
    released[0] = True
    engine.blobs.before_reply = lambda _path: None
