"""Trainings and evaluations from enqueuing to the model's file: real DBOS, real HTTP, the worker in this process, features
that cost nothing."""

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import asdict, dataclass
from unittest.mock import Mock

import numpy as np
import pytest
from dbos import DBOS, WorkflowStatus
from pydantic import SecretStr
from sqlalchemy import Connection, event
from sqlalchemy import Engine as SqlEngine

from tests.customization.fake_service import KEY, Answer, fake_service
from tests.engine.jobs.drawn import CheapExtractor, Engine, Gate, coco, drawn_image, encoded
from tests.engine.jobs.scenes import TAGS, register_scenes
from tests.support.waiting import wait_until
from vision_customization.contract.enums import AnnotationKind, EvaluationStatus, ModelKind, ModelStatus
from vision_customization.contract.training_speed import TrainingSpeed
from vision_customization.contract.training_time import Speed
from vision_customization.customization.resources.model import ModelProvider
from vision_customization.engine.jobs.images import packs
from vision_customization.engine.jobs.images.memory import FEATURES_SHARE
from vision_customization.engine.jobs.images.plan import SHARD_IMAGES, Shard
from vision_customization.engine.jobs.images.shards import ShardDone, Shards
from vision_customization.engine.jobs.process.caretaker import Caretaker
from vision_customization.engine.jobs.process.liveness import FileLocks
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.learning.classification.views import VIEWS
from vision_customization.engine.models.since_training import RegisteredContent, SinceTraining, changed_since_training
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import estimate_key, outcomes_key
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.outcomes.stored import StoredOutcomes
from vision_customization.engine.store import EvaluationRecord, ModelRecord
from vision_customization.engine.store.speeds import SpeedStore

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture(autouse=True)
def gate_is_opened_again(gate: Gate) -> Iterator[None]:
    yield
    gate.open()


def trained(engine: Engine, queue: JobQueue, model: ModelRecord) -> ModelRecord:
    queue.enqueue_training(model.id)
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "the training ends")
    return engine.store.models.by_id(model.id)


def evaluated(engine: Engine, queue: JobQueue, model: str, name: str, dataset: str | None) -> EvaluationRecord:
    evaluation = engine.store.evaluations.create(model, name, test_dataset_name=dataset)
    queue.enqueue_evaluation(evaluation.id)
    wait_until(lambda: engine.store.evaluations.by_id(evaluation.id).status.final, "the evaluation ends")
    return engine.store.evaluations.by_id(evaluation.id)


def succeeded(model: ModelRecord) -> ModelRecord:
    assert model.status is ModelStatus.SUCCEEDED, model.error
    return model


def test_a_training_ends_with_a_model_and_its_numbers_on_the_test_dataset(engine: Engine, queue: JobQueue) -> None:
    engine.dataset("train", {"red": 20, "green": 20})
    engine.dataset("test", {"green": 6, "red": 0}, first_seed=100)
    model = succeeded(trained(engine, queue, engine.model("m", "train", test="test")))

    assert model.performance is not None
    assert model.performance.accuracy_top1 is not None
    assert set(model.performance.tag_performance) == {"red", "green"}
    assert model.cost_minutes == 1
    assert model.progress is not None
    assert (model.progress.images, model.progress.images_read, model.progress.images_embedded) == (46, 46, 46)
    assert len(list((engine.settings.data_dir / "objects" / "thumbnails").glob("*/*"))) == 46
    assert (model.progress.stage, model.progress.share) == ("trained", 1.0)
    assert 0 < model.progress.seconds < 60

    assert model.training_content is not None
    assert (model.training_content.images, model.training_content.tags) == (40, {"green": 20, "red": 20})
    assert changed_since_training(engine.store, "train", RegisteredContent(model.training_content.files)) == SinceTraining(
        "m", changed=False
    )

    objects = open_objects(engine.settings)
    onnx = objects.get(f"models/{model.id}/model.onnx")
    assert model.artifact is not None
    assert (model.artifact.digest, model.artifact.size_bytes) == (hashlib.sha256(onnx).hexdigest(), len(onnx))
    sidecar = json.loads(objects.get(f"models/{model.id}/model.json"))
    assert sidecar["labels"] == ["green", "red"]
    assert sidecar["performance"] == model.performance.to_wire()
    assert sidecar["performanceOn"] == "test"
    assert sidecar["dataset"]["images"] == 40
    assert objects.exists(f"models/{model.id}/head.npz")
    wait_until(
        lambda: not (engine.settings.data_dir / "objects" / "jobs" / f"training-{model.id}").exists(),
        "the job's files are deleted",
        2,
    )


@pytest.fixture
def locked_at_first() -> Iterator[set[str]]:
    """The store is locked when a workflow asks it for a model the first time: the workflows that did."""
    asked: set[str] = set()

    def lock(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        workflow = DBOS.workflow_id
        if workflow is not None and workflow not in asked and "models" in statement:
            asked.add(workflow)
            raise sqlite3.OperationalError("database is locked")

    event.listen(SqlEngine, "before_cursor_execute", lock)
    yield asked
    event.remove(SqlEngine, "before_cursor_execute", lock)


def test_no_workflow_reads_the_database_without_trying_again(
    engine: Engine, queue: JobQueue, locked_at_first: set[str]
) -> None:
    engine.dataset("inside", {"red": 4, "green": 4}, first_seed=18_000)
    model = succeeded(trained(engine, queue, engine.model("inside", "inside")))
    job = f"training-{model.id}"
    assert locked_at_first == {job, f"{job}.read-annotations", f"{job}.embed-0-0", f"{job}.fit"}
    engine.dataset("inside-tests", {"red": 2, "green": 2}, first_seed=18_100)
    assert evaluated(engine, queue, "inside", "e", "inside-tests").status is EvaluationStatus.SUCCEEDED
    assert len(locked_at_first) > 4


def test_without_a_test_dataset_the_performance_is_estimated(engine: Engine, queue: JobQueue) -> None:
    engine.dataset("alone", {"red": 10, "green": 10})
    model = succeeded(trained(engine, queue, engine.model("alone", "alone")))
    assert model.performance is not None
    assert model.performance.accuracy_top1 is not None
    estimate = model.performance.estimate
    assert estimate is not None
    assert estimate.images == 20
    assert estimate.outlook is not None
    assert estimate.outlook.images == 40
    objects = open_objects(engine.settings)
    sidecar = json.loads(objects.get(f"models/{model.id}/model.json"))
    assert sidecar["performance"]["estimate"]["outlook"] == estimate.outlook.to_wire()
    assert len(sidecar["recipe"]["learningCurve"]) == 3
    assert StoredOutcomes.open(objects, estimate_key(model.id)).images == 20
    assert not objects.names(outcomes_key(model.id))


def test_a_retraining_pays_for_what_is_new(engine: Engine, queue: JobQueue, extractor: CheapExtractor) -> None:
    urls = engine.dataset("first", {"red": 30, "green": 30}, first_seed=1000)
    succeeded(trained(engine, queue, engine.model("first", "first")))
    engine.blobs.requests.clear()
    extracted = extractor.extracted

    changed = engine.blobs.put("/account/first/red-3.png", drawn_image(0, 2000))
    new = engine.blobs.put("/account/first/new.png", drawn_image(1, 2001))
    engine.annotate("second", [(url, "red" if "red" in url else "green") for url in [*urls, new]], ["red", "green"])
    model = succeeded(trained(engine, queue, engine.model("second", "second")))

    assert model.progress is not None
    assert (model.progress.images, model.progress.images_read, model.progress.images_embedded) == (61, 2, 2)
    assert extractor.extracted - extracted == 2
    served = [engine.blobs.url + path for path in engine.blobs.served() if path.endswith(".png")]
    assert sorted(served) == sorted([changed, new])
    assert len(engine.blobs.served(304)) == 59


def pack_of(engine: Engine, url: str) -> tuple[str, int]:
    """The key of the pack that has an image's features, and where these begin."""
    digest = hashlib.sha256(engine.blobs.blobs[url.removeprefix(engine.blobs.url)]).digest()
    objects = open_objects(engine.settings)
    for name in objects.names("features/cheap/packs"):
        key, images = f"features/cheap/packs/{name}", int(name.partition("-")[0])
        digests = objects.get(key)[: 32 * images]
        if digest in digests:
            return key, 32 * images + 4 + digests.index(digest) // 32 * (2 * VIEWS[0].dimensions + 4)
    raise AssertionError(url)


def test_kept_features_that_were_damaged_are_computed_anew(engine: Engine, queue: JobQueue) -> None:
    urls = engine.dataset("damaged", {"red": 4, "green": 4}, first_seed=2500)
    before = succeeded(trained(engine, queue, engine.model("damaged-before", "damaged")))
    objects, (key, start) = open_objects(engine.settings), pack_of(engine, urls[3])
    whole = objects.get(key)
    objects.put(key, whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])

    engine.blobs.requests.clear()
    after = succeeded(trained(engine, queue, engine.model("damaged-after", "damaged")))
    assert [path for path in engine.blobs.served() if path.endswith(".png")] == [urls[3].removeprefix(engine.blobs.url)]
    assert after.artifact == before.artifact
    assert pack_of(engine, urls[3])[0] != key
    assert not objects.exists(key)


def test_features_of_other_networks_are_computed_anew_and_that_is_said(
    engine: Engine, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "_REFRESH_SECONDS", 0.0)
    urls = engine.dataset("outdated", {"red": 4, "green": 4}, first_seed=2700)
    before = succeeded(trained(engine, queue, engine.model("outdated-before", "outdated")))
    assert before.progress is not None
    assert (before.progress.images_outdated, before.progress.message) == (None, None)
    objects, (key, _) = open_objects(engine.settings), pack_of(engine, urls[0])
    objects.put(key.replace("cheap", "older"), objects.get(key)[:1000])
    objects.delete(key)

    after = succeeded(trained(engine, queue, engine.model("outdated-after", "outdated")))
    assert after.progress is not None
    assert (after.progress.images_embedded, after.progress.images_outdated) == (8, 8)
    assert after.progress.message == "8 images embedded again: the engine's networks have changed"
    assert after.artifact == before.artifact


def test_an_image_that_is_known_by_content_is_not_embedded_again(engine: Engine, queue: JobQueue) -> None:
    engine.dataset("here", {"red": 4, "green": 4}, first_seed=3000)
    engine.dataset("there", {"red": 4, "green": 4}, first_seed=3000)
    succeeded(trained(engine, queue, engine.model("here", "here")))
    model = succeeded(trained(engine, queue, engine.model("there", "there")))
    assert model.progress is not None
    assert (model.progress.images_read, model.progress.images_embedded) == (8, 0)


def test_the_same_images_give_the_same_bytes_in_whatever_order_they_come(engine: Engine, queue: JobQueue) -> None:
    urls = engine.dataset("sorted", {"red": 8, "green": 8}, first_seed=4000)
    tagged = [(url, "red" if "red" in url else "green") for url in urls]
    engine.annotate("mixed", tagged[::-1][3:] + tagged[::-1][:3], ["red", "green"])
    one, other = (succeeded(trained(engine, queue, engine.model(f"same-{name}", name))) for name in ("sorted", "mixed"))
    assert one.artifact == other.artifact
    assert one.performance == other.performance


def test_several_annotation_files_are_merged_by_the_tags_names(engine: Engine, queue: JobQueue) -> None:
    urls = engine.dataset("whole", {"red": 6, "green": 6}, first_seed=5000)
    red = engine.blobs.put("/account/merged/red.json", coco([(url, "red") for url in urls[:6]], ["red"]))
    green = engine.blobs.put("/account/merged/green.json", coco([(url, "green") for url in urls[6:]], ["green"]))
    engine.register("merged", [red, green, red])
    model = succeeded(trained(engine, queue, engine.model("merged", "merged")))
    assert model.progress is not None
    assert model.progress.images == 12


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("room", [40, 80])  # for fewer than half of the images, and for nearly all
def test_a_dataset_beyond_the_memory_is_learnt_from_a_sample_and_all_its_images(
    engine: Engine, queue: JobQueue, monkeypatch: pytest.MonkeyPatch, several: bool, room: int
) -> None:
    name = f"huge-{several}-{room}"
    kind = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION if several else AnnotationKind.IMAGE_CLASSIFICATION
    engine.dataset(name, {"red": 30, "green": 30, "blue": 30}, first_seed=5600, kind=kind)
    whole = succeeded(trained(engine, queue, engine.model(f"{name}-whole", name)))
    memory = int(room * 4 * CheapExtractor.dimensions / FEATURES_SHARE)
    monkeypatch.setattr("vision_customization.engine.jobs.images.memory.memory_bytes", lambda: memory)
    first, second = (succeeded(trained(engine, queue, engine.model(f"{name}-{number}", name))) for number in (1, 2))
    assert first.artifact == second.artifact
    assert first.artifact != whole.artifact
    sidecar = json.loads(open_objects(engine.settings).get(f"models/{first.id}/model.json"))
    assert sidecar["dataset"]["images"] == 90
    assert room - 2 <= sidecar["recipe"]["sampledImages"] <= room + 2
    assert first.performance is not None
    assert first.performance.estimate is not None
    assert first.performance.estimate.images == sidecar["recipe"]["sampledImages"]
    outcomes = StoredOutcomes.open(open_objects(engine.settings), estimate_key(first.id))
    assert outcomes.images == sidecar["recipe"]["sampledImages"]


def test_a_model_tells_how_many_images_it_was_trained_on_when_the_budget_ended_the_reading(
    engine: Engine, queue: JobQueue, extractor: CheapExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.dataset("too-many", {"red": 40, "green": 40}, first_seed=5500)
    monkeypatch.setattr("vision_customization.engine.jobs.kinds.classifier._READING_BUDGET_SHARE", 1 / 3600)
    monkeypatch.setattr(extractor, "before", lambda _images: time.sleep(0.6))
    model = succeeded(trained(engine, queue, engine.model("too-many", "too-many")))
    sidecar = json.loads(open_objects(engine.settings).get(f"models/{model.id}/model.json"))
    # The second shard ran beside the first, and may have ended with it.
    assert sidecar["dataset"]["images"] in (SHARD_IMAGES, 2 * SHARD_IMAGES)


def png_of_side(side: int) -> bytes:
    return encoded(np.full((side, side, 3), 99, np.uint8))


def broken_dataset(engine: Engine, name: str, replace: Callable[[list[tuple[str, str]]], list[tuple[str, str]]]) -> None:
    urls = engine.dataset(f"{name}-whole", {"red": 3, "green": 3}, first_seed=6000)
    engine.annotate(name, replace([(url, "red" if "red" in url else "green") for url in urls]), ["red", "green"])


def with_image(engine: Engine, data: bytes | None) -> Callable[[list[tuple[str, str]]], list[tuple[str, str]]]:
    def replace(images: list[tuple[str, str]]) -> list[tuple[str, str]]:
        path = f"/account/c/{hashlib.sha256(data or b'').hexdigest()[:8]}.png"
        url = engine.blobs.url + path if data is None else engine.blobs.put(path, data)
        return [*images, (url + "?sig=TOPSECRET", "red")]

    return replace


FAILURES: dict[str, tuple[Callable[[Engine, str], object], str, str]] = {
    "no-dataset": (lambda _engine, _name: None, "datasetNotFound", "Dataset 'no-dataset' does not exist. Register it"),
    "no-annotation-file": (
        lambda engine, name: engine.register(name, [engine.blobs.url + "/account/c/none.json?sig=TOPSECRET"]),
        "datasetCorrupt",
        "/account/c/none.json does not exist (404)",
    ),
    "host-not-allowed": (
        lambda engine, name: engine.register(name, ["http://127.0.0.2:1/account/c/none.json"]),
        "datasetCorrupt",
        "add it to VISION_ENGINE_ALLOWED_HOSTS",
    ),
    "no-json": (
        lambda engine, name: engine.register(name, [engine.blobs.put("/account/c/no.json", b"{'images': []}")]),
        "datasetCorrupt",
        "no.json: is not JSON: line 1, column 2",
    ),
    "no-images": (
        lambda engine, name: engine.annotate(name, [], ["red", "green"]),
        "datasetCorrupt",
        "has no image with a tag",
    ),
    "one-image-of-a-tag": (
        lambda engine, name: broken_dataset(engine, name, lambda images: images[:4]),
        "datasetCorrupt",
        "has 1 image of tag 'green', training needs at least 2",
    ),
    "one-tag": (
        lambda engine, name: broken_dataset(engine, name, lambda images: images[:3]),
        "datasetCorrupt",
        "has images of 1 tags, must be 2 to",
    ),
    "two-tags": (
        lambda engine, name: broken_dataset(engine, name, lambda images: [*images, (images[0][0], "green")]),
        "datasetCorrupt",
        "annotations.json: images[6] (id 7): is also annotations.json: images[0] (id 1), but has another tag there ('green')",
    ),
    "image-not-found": (
        lambda engine, name: broken_dataset(engine, name, with_image(engine, None)),
        "datasetCorrupt",
        "annotations.json: images[6] (id 7): http://127.0.0.1:",
    ),
    "image-damaged": (
        lambda engine, name: broken_dataset(engine, name, with_image(engine, drawn_image(0, 0)[:900])),
        "datasetCorrupt",
        "annotations.json: images[6] (id 7), http://127.0.0.1:",
    ),
    "no-image-at-all": (
        lambda engine, name: broken_dataset(engine, name, with_image(engine, b"<html>")),
        "datasetCorrupt",
        "annotations.json: images[6] (id 7), http://127.0.0.1:",
    ),
    "image-too-small": (
        lambda engine, name: broken_dataset(engine, name, with_image(engine, png_of_side(9))),
        "datasetCorrupt",
        "the image is 9 × 9 px, each side must be 10 to 10,240",
    ),
    "image-of-too-many-bytes": (
        lambda engine, name: broken_dataset(engine, name, with_image(engine, bytes(20 * 1024 * 1024 + 1))),
        "datasetCorrupt",
        "is larger than the maximum of 20,971,520 bytes",
    ),
    "detection-dataset": (
        lambda engine, name: engine.annotate(name, [], ["red"], kind=AnnotationKind.IMAGE_OBJECT_DETECTION),
        "incorrectModelKind",
        "A Generic-Classifier needs a dataset of kind imageClassification or imageMultiLabelClassification, but dataset ",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failed_training_says_what_is_wrong_and_where(
    engine: Engine, queue: JobQueue, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, code, says = FAILURES[name]
    make(engine, name)
    model = trained(engine, queue, engine.model(f"failed-{list(FAILURES).index(name)}", name))
    assert model.status is ModelStatus.FAILED
    assert model.error is not None
    assert model.error.code == code, model.error
    assert says in model.error.message
    assert "TOPSECRET" not in model.error.message
    assert model.artifact is None
    (logged,) = [record for record in caplog.records if record.message == "training failed"]
    assert vars(logged)["code"] == code
    assert "TOPSECRET" not in vars(logged)["reason"]
    wait_until(lambda: not list((engine.settings.data_dir / "objects").glob(f"*/*{model.id}*")), "the files are deleted", 10)


def test_an_unexpected_error_ends_as_unknown_and_tells_nothing_of_itself(
    engine: Engine, queue: JobQueue, extractor: CheapExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.dataset("unlucky", {"red": 3, "green": 3}, first_seed=7000)
    attempts = []

    def fail(images: int) -> None:
        attempts.append(images)
        raise RuntimeError("sig=Unforeseen")

    monkeypatch.setattr(extractor, "before", fail)
    model = trained(engine, queue, engine.model("unlucky", "unlucky"))
    assert model.error is not None
    assert model.error.code == "unknown"
    assert model.error.message == "The engine failed in step 'embed 0/0'. See its log for the cause, then start the job again."
    assert len(attempts) == 8
    assert not [path for path in engine.settings.data_dir.glob("*.sqlite*") if b"Unforeseen" in path.read_bytes()]


@pytest.mark.parametrize("what", ["annotations.json", "red-1.png"])
def test_a_storage_server_that_is_gone_for_a_while_is_asked_again(
    engine: Engine, queue: JobQueue, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    name = f"gone-for-a-while-{what[:3]}"
    engine.dataset(name, {"red": 3, "green": 3}, first_seed=7600)
    left = [503] * 6  # of which a reader asks for four
    monkeypatch.setattr(engine.blobs, "busy", lambda path: path.endswith(f"{name}/{what}") and bool(left) and bool(left.pop()))
    succeeded(trained(engine, queue, engine.model(name, name)))
    assert not left


@pytest.mark.parametrize("what", ["annotations.json", "red-1.png"])
def test_a_storage_server_that_stays_away_is_no_fault_of_the_dataset(
    engine: Engine, queue: JobQueue, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    name = f"stays-away-{what[:3]}"
    engine.dataset(name, {"red": 3, "green": 3}, first_seed=7700)
    monkeypatch.setattr(engine.blobs, "busy", lambda path: path.endswith(f"{name}/{what}"))
    monkeypatch.setattr("vision_customization.engine.blobs.reader._Busy.wait_seconds", lambda _busy, _attempt: 0.0)
    model = trained(engine, queue, engine.model(name, name))
    assert model.error is not None
    assert model.error.code == "unknown"
    place = "Annotation file" if what.endswith("json") else "annotations.json: images["
    assert model.error.message.startswith(place)
    assert "answers 503" in model.error.message
    assert "The engine tried 8 times. Check that 127.0.0.1 answers" in model.error.message


@pytest.mark.parametrize("what", ["annotations.json", "red-1.png"])
def test_a_training_that_waits_for_a_silent_server_is_cancelled_soon(
    engine: Engine, queue: JobQueue, gate: Gate, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    name = f"silent-{what[:3]}"
    engine.dataset(name, {"red": 3, "green": 3}, first_seed=7800)
    monkeypatch.setattr(engine.blobs, "before_reply", lambda path: gate.passed() if path.endswith(f"{name}/{what}") else None)
    model = engine.model(name, name)
    gate.shut()
    queue.enqueue_training(model.id)
    assert gate.reached.wait(10)
    engine.store.models.request_cancellation(name)
    wait_until(lambda: engine.store.models.by_id(model.id).status is ModelStatus.CANCELLED, "the training is cancelled", 3)


def test_a_model_that_has_succeeded_keeps_its_files_whatever_goes_wrong_after_that(
    engine: Engine, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.dataset("untidy", {"red": 3, "green": 3}, first_seed=7500)
    model = engine.model("untidy", "untidy")
    attempts = []

    def refused(self: FileObjects, prefix: str) -> None:
        attempts.append(prefix)
        if prefix.startswith("jobs/"):
            raise PermissionError(prefix)

    monkeypatch.setattr(FileObjects, "delete", refused)
    record = succeeded(trained(engine, queue, model))
    wait_until(lambda: queue.statuses([f"training-{model.id}"])[f"training-{model.id}"].status != "PENDING", "the job ends")
    assert record.artifact is not None
    assert set(attempts) == {f"jobs/training-{model.id}"}


def test_a_training_is_cancelled_soon_and_leaves_nothing(engine: Engine, queue: JobQueue, gate: Gate) -> None:
    engine.dataset("long", {"red": 40, "green": 40}, first_seed=8000)
    model = engine.model("long", "long")
    gate.shut()
    queue.enqueue_training(model.id)
    assert gate.reached.wait(10)
    assert engine.store.models.by_id(model.id).status is ModelStatus.TRAINING
    engine.store.models.request_cancellation("long")
    gate.open()
    wait_until(lambda: engine.store.models.by_id(model.id).status is ModelStatus.CANCELLED, "the training is cancelled", 10)
    wait_until(lambda: not list((engine.settings.data_dir / "objects").glob(f"*/*{model.id}*")), "the files are deleted", 10)


def test_what_waits_in_the_queue_is_cancelled_without_being_started(
    engine: Engine, queue: JobQueue, gate: Gate, worker: Worker
) -> None:
    engine.dataset("busy", {"red": 3, "green": 3}, first_seed=9000)
    first, second = engine.model("busy", "busy"), engine.model("waiting", "busy")
    gate.shut()
    queue.enqueue_training(first.id)
    assert gate.reached.wait(10)
    engine.store.models.request_cancellation("waiting")
    queue.enqueue_training(second.id)
    worker.look()
    wait_until(lambda: engine.store.models.by_id(second.id).status is ModelStatus.CANCELLED, "it is cancelled", 10)
    assert engine.store.models.by_id(second.id).started is None
    gate.open()
    wait_until(lambda: engine.store.models.by_id(first.id).status is ModelStatus.SUCCEEDED, "the first training succeeds")


def test_a_training_outlives_its_dataset(engine: Engine, queue: JobQueue, gate: Gate) -> None:
    engine.dataset("short-lived", {"red": 20, "green": 20}, first_seed=10_000)
    model = engine.model("orphan", "short-lived")
    gate.shut()
    queue.enqueue_training(model.id)
    assert gate.reached.wait(10)
    engine.store.datasets.delete("short-lived")
    del engine.blobs.blobs["/account/short-lived/annotations.json"]
    gate.open()
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "the training ends")
    succeeded(engine.store.models.by_id(model.id))


def test_a_sas_token_goes_to_its_container_alone_and_is_kept_nowhere_in_clear(
    engine: Engine, queue: JobQueue, gate: Gate
) -> None:
    urls = engine.dataset("elsewhere", {"red": 6, "green": 6}, first_seed=11_000)
    inside = engine.blobs.put("/account/private/inside.png", drawn_image(0, 11_100))
    images = [(url, "red" if "red" in url else "green") for url in urls]
    engine.annotate("private", [*images, (inside, "red")], ["red", "green"], sas=SecretStr("sv=1&sig=0nlyHere"))
    engine.blobs.requests.clear()
    model = engine.model("private", "private")
    gate.shut()
    queue.enqueue_training(model.id)
    assert gate.reached.wait(10)
    kept = [path for path in engine.settings.data_dir.rglob("*") if path.is_file()]
    assert any(path.name == "plan" for path in kept)
    assert not [path for path in kept if b"0nlyHere" in path.read_bytes()]
    gate.open()
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "the training ends")
    succeeded(engine.store.models.by_id(model.id))
    with_token = {path for path, _ in engine.blobs.requests if "0nlyHere" in path}
    assert with_token == {
        "/account/private/annotations.json?sv=1&sig=0nlyHere",
        "/account/private/inside.png?sv=1&sig=0nlyHere",
    }


def test_an_evaluation_gives_the_numbers_of_the_training_and_reads_nothing_anew(engine: Engine, queue: JobQueue) -> None:
    engine.dataset("e-train", {"red": 10, "green": 10}, first_seed=12_000)
    engine.dataset("e-test", {"green": 5, "red": 5}, first_seed=12_100)
    model = succeeded(trained(engine, queue, engine.model("e", "e-train", test="e-test")))
    engine.blobs.requests.clear()
    evaluation = evaluated(engine, queue, "e", "again", "e-test")
    assert evaluation.status is EvaluationStatus.SUCCEEDED, evaluation.error
    assert evaluation.performance == model.performance
    assert engine.blobs.served() == ["/account/e-test/annotations.json"]
    objects = open_objects(engine.settings)
    of_training, of_evaluation = (StoredOutcomes.open(objects, outcomes_key(model.id, of)) for of in (None, evaluation.id))
    assert StoredOutcomes.open(objects, estimate_key(model.id)).images == 20
    count, lines = of_evaluation.page(0, 100)
    assert (count, lines) == of_training.page(0, 100)
    wires = {wire["image"]: wire for wire in map(json.loads, lines)}
    assert count == len(wires) == 10
    for url, wire in wires.items():
        assert wire["digest"] == hashlib.sha256(engine.blobs.blobs[url.removeprefix(engine.blobs.url)]).hexdigest()
        assert wire["labels"] == ["red" if "red" in url else "green"]
        assert wire["fileName"].endswith(".png")
    wait_until(
        lambda: not (engine.settings.data_dir / "objects" / "jobs" / f"evaluation-{evaluation.id}").exists(),
        "the job's files are deleted",
        2,
    )


@pytest.mark.parametrize(
    ("dataset", "code", "says"),
    [
        ("none", "datasetNotFound", "Dataset 'none' does not exist"),
        (None, "datasetNotFound", "The test dataset is missing"),
        ("blue", "datasetCorrupt", "has images of 1 tags that 'f' was not trained on: 'blue'"),
        ("boxes", "incorrectModelKind", "needs a dataset of kind imageClassification"),
    ],
)
def test_a_failed_evaluation_says_what_is_wrong(
    engine: Engine, queue: JobQueue, dataset: str | None, code: str, says: str
) -> None:
    if not any(model.name == "f" for model in engine.store.models.page(0, 1000)):
        engine.dataset("f-train", {"red": 5, "green": 5}, first_seed=13_000)
        engine.dataset("blue", {"red": 1, "blue": 1}, first_seed=13_100)
        engine.annotate("boxes", [], ["red"], kind=AnnotationKind.IMAGE_OBJECT_DETECTION)
        succeeded(trained(engine, queue, engine.model("f", "f-train")))
    evaluation = evaluated(engine, queue, "f", f"on-{dataset}", dataset)
    assert evaluation.status is EvaluationStatus.FAILED
    assert evaluation.error is not None
    assert evaluation.error.code == code
    assert says in evaluation.error.message


def test_an_image_of_the_test_dataset_may_be_smaller_than_the_service_allows_only_above_its_own_limit(
    engine: Engine, queue: JobQueue
) -> None:
    engine.dataset("g-train", {"red": 5, "green": 5}, first_seed=14_000)
    small = engine.blobs.put("/account/g-test/small.png", png_of_side(49))
    engine.annotate("g-test", [(small, "red")], ["red"])
    model = trained(engine, queue, engine.model("g", "g-train", test="g-test"))
    assert model.error is not None
    assert "49 × 49 px, each side must be 50 to 16,000" in model.error.message


def test_a_row_without_a_workflow_is_enqueued_by_whoever_looks(engine: Engine, worker: Worker) -> None:
    engine.dataset("forgotten", {"red": 3, "green": 3}, first_seed=15_000)
    model = engine.model("forgotten", "forgotten")
    worker.look()
    wait_until(lambda: engine.store.models.by_id(model.id).status is ModelStatus.SUCCEEDED, "the training succeeds")


def test_a_row_whose_workflow_died_fails_with_a_word_on_why(
    engine: Engine, queue: JobQueue, worker: Worker, gate: Gate
) -> None:
    engine.dataset("dead", {"red": 3, "green": 3}, first_seed=16_000)
    model = engine.model("dead", "dead")
    gate.shut()
    queue.enqueue_training(model.id)
    assert gate.reached.wait(10)
    queue.withdraw(f"training-{model.id}")
    worker.look()
    gate.open()
    record = engine.store.models.by_id(model.id)
    assert record.error is not None
    assert (record.status, record.error.code) == (ModelStatus.FAILED, "unknown")
    assert not objects_of(engine, model.id)


def objects_of(engine: Engine, id_: str) -> list[str]:
    """The objects of a model or an evaluation, and of its job."""
    root = engine.settings.data_dir / "objects"
    return [str(path.relative_to(root)) for path in root.glob(f"*/*{id_}/*")]


def test_nothing_is_left_of_jobs_that_their_caretaker_ends(engine: Engine, queue: JobQueue, worker: Worker) -> None:
    engine.dataset("ended", {"red": 3, "green": 3}, first_seed=16_500)
    good = succeeded(trained(engine, queue, engine.model("ended", "ended")))
    failed, cancelled = engine.model("ended-failed", "ended"), engine.model("ended-cancelled", "ended")
    evaluation = engine.store.evaluations.create("ended", "ended", test_dataset_name="ended")
    objects = open_objects(engine.settings)
    for model in (failed, cancelled):
        objects.put(f"jobs/training-{model.id}/plan", b"x")
        objects.put(f"models/{model.id}/head.npz", b"x")
    for job in (f"evaluation-{evaluation.id}", f"training-{good.id}", "training-of-a-deleted-model"):
        objects.put(f"jobs/{job}/plan", b"x")
    engine.store.models.request_cancellation("ended-cancelled")
    workflows = {f"training-{failed.id}": "ERROR", f"evaluation-{evaluation.id}": "ERROR"}
    status = queue.statuses([f"training-{good.id}"])[f"training-{good.id}"]
    told = Mock(wraps=queue, statuses=Told(status, workflows).statuses)
    caretaker = Caretaker(engine.store, objects, told, FileLocks(engine.settings.data_dir), "w")
    caretaker.settle()
    caretaker.sweep()
    assert engine.store.models.by_id(failed.id).status is ModelStatus.FAILED
    assert engine.store.models.by_id(cancelled.id).status is ModelStatus.CANCELLED
    assert engine.store.evaluations.by_id(evaluation.id).status is EvaluationStatus.FAILED
    for id_ in (failed.id, cancelled.id, evaluation.id):
        assert not objects_of(engine, id_)
    assert len(objects_of(engine, good.id)) == 4  # with the folder of its outcomes
    assert not objects.exists("jobs/training-of-a-deleted-model/plan")


@dataclass
class Told:
    """The statuses of workflows, as it is told."""

    example: WorkflowStatus
    workflows: dict[str, str]

    def statuses(self, jobs: list[str]) -> dict[str, WorkflowStatus]:
        found = {}
        for job in set(jobs) & self.workflows.keys():
            found[job] = copy(self.example)
            found[job].status = self.workflows[job]
        return found


def test_enqueuing_twice_is_once(engine: Engine, queue: JobQueue) -> None:
    engine.dataset("twice", {"red": 3, "green": 3}, first_seed=17_000)
    model = engine.model("twice", "twice")
    threads = [threading.Thread(target=queue.enqueue_training, args=[model.id]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: engine.store.models.by_id(model.id).status is ModelStatus.SUCCEEDED, "the training succeeds")
    assert engine.blobs.served().count("/account/twice/annotations.json") == 1


def test_a_training_measures_how_fast_images_are_embedded(engine: Engine, queue: JobQueue) -> None:
    engine.dataset("measured", {"red": 20, "green": 20}, first_seed=7000)
    before = engine.store.speeds.get()
    succeeded(trained(engine, queue, engine.model("measured", "measured")))
    measured = engine.store.speeds.get()
    assert 0 < measured.embedded_image_seconds != before.embedded_image_seconds
    # Kept images say nothing of it.
    succeeded(trained(engine, queue, engine.model("measured-again", "measured")))
    assert engine.store.speeds.get() == measured


def test_a_shard_that_waited_for_its_storage_says_nothing_of_the_machine(
    engine: Engine, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.dataset("waited", {"red": 10, "green": 10}, first_seed=7100)
    before = engine.store.speeds.get()
    keep = Shards.keep

    def keep_late(shards: Shards, shard: Shard) -> ShardDone:
        assert shards._on_wait is not None
        shards._on_wait("a role is new")
        return keep(shards, shard)

    monkeypatch.setattr(Shards, "keep", keep_late)
    succeeded(trained(engine, queue, engine.model("waited", "waited")))
    assert engine.store.speeds.get() == before


SLOW = Speed(embedded_image_seconds=1200.0, read_image_seconds=1200.0, step_seconds=36.0, start_seconds=60.0)


@pytest.mark.parametrize(
    ("kind", "annotation_kind"),
    [
        (ModelKind.GENERIC_CLASSIFIER, AnnotationKind.IMAGE_CLASSIFICATION),
        (ModelKind.GENERIC_DETECTOR, AnnotationKind.IMAGE_OBJECT_DETECTION),
    ],
)
def test_engine_and_preview_refuse_a_budget_in_the_same_words(
    engine: Engine, queue: JobQueue, monkeypatch: pytest.MonkeyPatch, kind: ModelKind, annotation_kind: AnnotationKind
) -> None:
    monkeypatch.setattr(SpeedStore, "get", lambda _store: SLOW)
    name = f"slow-{kind.value.lower()}"
    if kind is ModelKind.GENERIC_DETECTOR:
        register_scenes(engine, name, range(700, 708))
        tags = dict.fromkeys(TAGS, 8.0)
    else:
        engine.dataset(name, {"red": 4, "green": 4}, first_seed=7200)
        tags = {"red": 4.0, "green": 4.0}
    model = trained(engine, queue, engine.model(name, name, kind=kind))
    assert model.error is not None
    assert model.error.code == "notEnoughBudget"

    with fake_service() as service:
        service.handler = lambda _request: Answer(200, TrainingSpeed(**asdict(engine.store.speeds.get())).to_wire())
        declared = {
            "endpoint": service.url, "key": KEY, "logical_name": "m", "model_kind": kind.value, "training_dataset": name,
            "training_digest": "a" * 64, "training_tags": tags, "training_images": 8.0, "time_budget_in_hours": 1.0,
            "annotation_kind": annotation_kind.value, "row_urn": "urn",
        }  # fmt: skip
        [failure] = ModelProvider().check({}, declared).failures
    assert failure.reason == model.error.message
    assert failure.reason.startswith("A budget of 1 h is not enough for 8 images: the shortest training from them is ")
