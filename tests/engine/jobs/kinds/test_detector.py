"""Detectors from enqueuing to the model's file: real DBOS, real HTTP, the real network, in few and small steps."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

import vision_customization.engine.jobs.kinds.detector as jobs
from tests.engine.jobs.drawn import Engine
from tests.engine.jobs.scenes import TAGS, drawn_scene, register_scenes, scenes_coco
from tests.support.waiting import wait_until
from vision_customization.contract.enums import AnnotationKind, EvaluationStatus, ModelKind, ModelStatus
from vision_customization.contract.training_time import ASSUMED_SPEED
from vision_customization.engine.annotations import Box, BoxedImage
from vision_customization.engine.jobs.kinds.held_out import groups_of, held_out
from vision_customization.engine.jobs.kinds.training import TrainingJob
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.learning.detection.artifact import DetectorSession
from vision_customization.engine.learning.detection.recipe import DetectorRecipe
from vision_customization.engine.learning.images import decode_image
from vision_customization.engine.models.answers import CONFIDENCE_LEAST
from vision_customization.engine.models.cache import ModelCache
from vision_customization.engine.objects.keys import estimate_key, outcomes_key
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.outcomes.stored import StoredOutcomes
from vision_customization.engine.store import ModelRecord

pytestmark = pytest.mark.usefixtures("worker", "weights_dir")


@pytest.fixture(autouse=True)
def small_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        jobs, "choose_recipe", lambda _images, _tags, tiles: DetectorRecipe(side=96, steps=4, batch=2, tiles=tiles)
    )


def trained(engine: Engine, queue: JobQueue, model: ModelRecord) -> ModelRecord:
    queue.enqueue_training(model.id)
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "the training ends", 180)
    return engine.store.models.by_id(model.id)


def test_a_detector_is_trained_measured_kept_and_evaluated(engine: Engine, queue: JobQueue) -> None:
    register_scenes(engine, "scenes", range(5), empty=1)
    register_scenes(engine, "tests", range(100, 104))
    model = trained(engine, queue, engine.model("scenes", "scenes", test="tests", kind=ModelKind.GENERIC_DETECTOR))
    assert model.status is ModelStatus.SUCCEEDED, model.error
    assert model.performance is not None
    assert model.performance.mean_average_precision50 is not None
    assert set(model.performance.tag_performance) == set(TAGS)
    assert model.progress is not None
    assert (model.progress.steps, model.progress.steps_done) == (4, 4)
    assert (model.progress.images, model.progress.images_read, model.progress.images_embedded) == (9, 9, 9)
    assert model.progress.loss is not None
    assert np.isfinite(model.progress.loss)
    assert model.progress.mean_average_precision50 is not None
    measured, assumed = asdict(engine.store.speeds.get()), asdict(ASSUMED_SPEED)
    assert {name for name in assumed if measured[name] != assumed[name]} >= {
        "read_image_seconds",
        "step_seconds",
        "start_seconds",
    }

    objects = open_objects(engine.settings)
    sidecar = json.loads(objects.get(f"models/{model.id}/model.json"))
    assert (sidecar["kind"], sidecar["labels"], sidecar["performanceOn"]) == ("Generic-Detector", list(TAGS), "tests")
    assert sidecar["performance"] == model.performance.to_wire()
    assert set(sidecar["precisionRecall50"]) == set(TAGS)
    assert (sidecar["dataset"]["images"], sidecar["recipe"]["steps"]) == (5, 4)
    image = decode_image(drawn_scene(7)[0])
    found = DetectorSession(objects.path(f"models/{model.id}/model.onnx")).detect(image.pixels)
    assert found.corners.min(initial=0) >= 0
    assert found.corners.max(initial=0) <= 120
    answer = ModelCache(engine.settings, objects).detect(model.id, image)
    assert len(answer) == sum(found.scores >= CONFIDENCE_LEAST)
    wait_until(
        lambda: not (engine.settings.data_dir / "objects" / "jobs" / f"training-{model.id}").exists(),
        "the job's files are deleted",
        2,
    )

    evaluation = engine.store.evaluations.create("scenes", "again", test_dataset_name="tests")
    queue.enqueue_evaluation(evaluation.id)
    wait_until(lambda: engine.store.evaluations.by_id(evaluation.id).status.final, "the evaluation ends")
    record = engine.store.evaluations.by_id(evaluation.id)
    assert record.status is EvaluationStatus.SUCCEEDED, record.error
    assert record.performance == model.performance
    curves = json.loads(objects.get(f"{outcomes_key(model.id, evaluation.id)}/curves.json"))
    assert curves["tags"] == sidecar["precisionRecall50"]
    for key in (outcomes_key(model.id), outcomes_key(model.id, evaluation.id)):
        outcomes = StoredOutcomes.open(objects, key)
        assert outcomes.images == 4
        for line in outcomes.page(0, 10)[1]:
            wire = json.loads(line)
            assert wire["image"].startswith("http")
            assert wire["missed"] or any(found["right"] for found in wire["objects"])


def test_a_detector_of_two_tiles_learns_from_larger_pictures_and_looks_at_images_enlarged(
    engine: Engine, queue: JobQueue
) -> None:
    register_scenes(engine, "tiled", range(500, 503))
    register_scenes(engine, "tiled-tests", range(600, 602))
    model = trained(engine, queue, engine.model("tiled", "tiled", test="tiled-tests", kind=ModelKind.GENERIC_DETECTOR, tiles=2))
    assert model.status is ModelStatus.SUCCEEDED, model.error
    objects = open_objects(engine.settings)
    assert json.loads(objects.get(f"models/{model.id}/model.json"))["recipe"]["tiles"] == 2
    assert DetectorSession(objects.path(f"models/{model.id}/model.onnx")).detail == 2
    assert objects.names("pictures/1280")


def test_without_a_test_dataset_a_part_is_held_out_and_learnt_from_afterwards(engine: Engine, queue: JobQueue) -> None:
    register_scenes(engine, "alone", range(200, 214))
    model = trained(engine, queue, engine.model("alone", "alone", kind=ModelKind.PRODUCT_RECOGNIZER))
    assert model.status is ModelStatus.SUCCEEDED, model.error
    assert model.performance is not None
    assert model.performance.mean_average_precision50 is not None
    assert model.progress is not None
    assert (model.progress.steps, model.progress.steps_done) == (5, 5)  # four, and a quarter of them on all images
    assert StoredOutcomes.open(open_objects(engine.settings), estimate_key(model.id)).images == 2


def test_a_training_that_is_disturbed_goes_on_from_its_checkpoint(
    engine: Engine, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_scenes(engine, "disturbed", range(300, 304))
    register_scenes(engine, "disturbed-tests", range(400, 402))
    monkeypatch.setattr(jobs, "STRETCH_SECONDS", 0.0)  # each stretch is one step
    steps: list[tuple[int, bool]] = []
    failures = [OSError("no space left on device")]
    learnt = jobs.learnt

    class Opened(jobs.CheckpointedLearner):
        def __init__(self, *arguments: Any) -> None:  # noqa: ANN401
            super().__init__(*arguments)
            steps.append((self.step, bool(failures)))

    def failing(before: object, begun: jobs.Begun, stretch: jobs.Stretch) -> object:
        if stretch["step"] == 3 and failures:
            raise failures.pop()
        return learnt(before, begun, stretch)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "CheckpointedLearner", Opened)
    monkeypatch.setattr(jobs, "learnt", failing)
    kind = ModelKind.GENERIC_DETECTOR
    model = trained(engine, queue, engine.model("disturbed", "disturbed", test="disturbed-tests", kind=kind))
    assert model.status is ModelStatus.SUCCEEDED, model.error
    assert steps == [(0, True), (2, False)]
    assert model.progress is not None
    assert model.progress.steps_done == 4


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Each step takes eleven seconds. The phase and step of each checkpoint."""
    seconds = 0.0

    class Clock:
        def monotonic(self) -> float:
            return seconds

    class Slow(jobs.CheckpointedLearner):
        def run(self, after: Callable[[int], bool]) -> float | None:
            def later(step: int) -> bool:
                nonlocal seconds
                seconds += 11
                return after(step)

            return super().run(later)

        def save(self) -> None:
            super().save()
            kept.append((self.phase, self.step))

    kept: list[tuple[int, int]] = []
    monkeypatch.setattr(jobs, "time", Clock())
    monkeypatch.setattr(jobs, "CheckpointedLearner", Slow)
    return kept


def test_a_checkpoint_is_kept_after_the_first_step_that_ends_past_half_a_minute(
    engine: Engine, queue: JobQueue, kept: list[tuple[int, int]]
) -> None:
    register_scenes(engine, "timed", range(320, 324))
    register_scenes(engine, "timed-tests", range(420, 422))
    kind = ModelKind.GENERIC_DETECTOR
    model = trained(engine, queue, engine.model("timed", "timed", test="timed-tests", kind=kind))
    assert model.status is ModelStatus.SUCCEEDED, model.error
    assert kept == [(0, 3), (0, 4)]


def test_a_budget_too_short_for_all_steps_gets_fewer_in_both_phases(
    engine: Engine, queue: JobQueue, kept: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        jobs, "choose_recipe", lambda _images, _tags, tiles: DetectorRecipe(side=96, steps=40, batch=2, tiles=tiles)
    )
    monkeypatch.setattr(TrainingJob, "budget_seconds", 300.0)  # 270 of them to learn in: 24 steps of eleven seconds
    register_scenes(engine, "hurried", range(700, 714))
    model = trained(engine, queue, engine.model("hurried", "hurried", kind=ModelKind.GENERIC_DETECTOR))
    assert model.status is ModelStatus.SUCCEEDED, model.error
    assert model.performance is not None
    (first, last), (second, tail) = max(at for at in kept if at[0] == 0), max(kept)
    assert (first, second) == (0, 1)
    assert 17 <= last <= 20
    assert 3 <= tail <= 5
    assert model.progress is not None
    assert model.progress.steps == model.progress.steps_done == last + tail
    sidecar = json.loads(open_objects(engine.settings).get(f"models/{model.id}/model.json"))
    assert sidecar["recipe"]["steps"] == last + tail


@pytest.mark.parametrize(
    ("kind", "annotations", "said"),
    [
        (ModelKind.GENERIC_CLASSIFIER, AnnotationKind.IMAGE_OBJECT_DETECTION, "needs a dataset of kind imageClassification"),
        (ModelKind.GENERIC_DETECTOR, AnnotationKind.IMAGE_CLASSIFICATION, "needs a dataset of kind imageObjectDetection"),
        (ModelKind.PRODUCT_RECOGNIZER, AnnotationKind.IMAGE_CLASSIFICATION, "needs a dataset of kind imageObjectDetection"),
    ],
)
def test_a_dataset_of_the_other_kind_fails_the_training(
    engine: Engine, queue: JobQueue, kind: ModelKind, annotations: AnnotationKind, said: str
) -> None:
    name = f"mismatch-{kind.value}"
    if annotations is AnnotationKind.IMAGE_OBJECT_DETECTION:
        register_scenes(engine, name, range(2))
    else:
        engine.dataset(name, {"red": 2, "green": 2})
    model = trained(engine, queue, engine.model(name, name, kind=kind))
    assert model.status is ModelStatus.FAILED
    assert model.error is not None
    assert model.error.code == "incorrectModelKind"
    assert said in model.error.message


def test_an_hour_is_enough_for_a_detector_on_160_images(engine: Engine, queue: JobQueue) -> None:
    boxes = [[0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2]]
    images = [({"absolute_url": f"{engine.blobs.url}/account/many/{number}.png"}, boxes) for number in range(160)]
    uri = engine.blobs.put("/account/many/annotations.json", scenes_coco(images, 96))
    engine.register("many", [uri], kind=AnnotationKind.IMAGE_OBJECT_DETECTION)
    model = trained(engine, queue, engine.model("many", "many", kind=ModelKind.GENERIC_DETECTOR))
    assert model.error is not None
    # The budget is accepted, and then the first image is not there.
    assert (model.error.code, "does not exist" in model.error.message) == ("datasetCorrupt", True), model.error


def test_what_is_held_out_has_objects_and_leaves_each_tag_most_of_its_boxes() -> None:
    def image(number: int, *labels: int) -> tuple[BoxedImage, str]:
        boxes = tuple(Box(label, 0.1, 0.1, 0.2, 0.2) for label in labels)
        return BoxedImage(f"https://host/{number}.png", boxes, ""), f"{number:03}"

    def held(images: list[tuple[BoxedImage, str]], together: int = 1) -> frozenset[int]:
        groups = [list(range(start, start + together)) for start in range(0, len(images), together)]
        return held_out(images, groups)

    # Nothing could be said of tags that are too rare to be held out, whatever else is there.
    assert held([image(number) for number in range(20)] + [image(20 + number, number % 6) for number in range(12)]) == set()
    assert held([image(number, 0) for number in range(11)]) == set()
    found = held([image(number) for number in range(12)] + [image(12 + number, 0, 1) for number in range(24)])
    assert len(found) == 6
    assert sum(index < 12 for index in found) == 2
    # Near-duplicates stay together, and a group that is too large is not held out.
    assert held([image(number, 0) for number in range(24)], together=3) == {0, 1, 2}
    assert held([image(number, 0) for number in range(24)], together=12) == set()


def test_near_duplicates_are_found_by_their_miniatures() -> None:
    random = np.random.default_rng(0)
    scenes = [random.integers(0, 256, 1024).astype(np.uint8) for _ in range(6)]
    near = [np.clip(scene.astype(int) + random.integers(-5, 6, 1024), 0, 255).astype(np.uint8) for scene in scenes]
    miniatures = {f"{place:02}": picture.tobytes() for place, picture in enumerate([*scenes, *near[:2]])}
    digests = ["00", "01", "02", "03", "04", "05", "06", "07", "03"]
    assert groups_of(digests, miniatures.__getitem__) == [[0, 6], [1, 7], [2], [3, 8], [4], [5]]


def test_a_budget_that_ends_before_the_first_step_is_said(
    engine: Engine, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_scenes(engine, "late", range(600, 604))
    monkeypatch.setattr(jobs, "_BUDGET_SHARE", 0.0)
    model = trained(engine, queue, engine.model("late", "late", kind=ModelKind.GENERIC_DETECTOR))
    assert model.status is ModelStatus.FAILED
    assert model.error is not None
    assert "The time budget ran out before the training could begin. Increase timeBudgetInHours." in str(model.error)


def test_a_budget_that_ends_while_it_is_learnt_still_gives_an_estimate(
    engine: Engine, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_scenes(engine, "short", range(620, 634))
    monkeypatch.setattr(jobs, "STRETCH_SECONDS", 0.0)  # each stretch is one step
    train = jobs.DetectorTraining.train

    def for_an_hour(training: jobs.DetectorTraining, *arguments: Any) -> jobs.Stretch:  # noqa: ANN401
        return {**train(training, *arguments), "seconds": 3600.0}

    monkeypatch.setattr(jobs.DetectorTraining, "train", for_an_hour)
    model = trained(engine, queue, engine.model("short", "short", kind=ModelKind.GENERIC_DETECTOR))
    assert model.status is ModelStatus.SUCCEEDED, model.error
    assert model.progress is not None
    assert model.progress.steps_done == 1
    assert model.performance is not None
    assert model.performance.mean_average_precision50 is not None
