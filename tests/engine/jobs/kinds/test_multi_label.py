"""Several tags per image, from enqueuing to the model's file: real DBOS, real HTTP, features that cost nothing."""

import io
import json
from collections.abc import Sequence

import numpy as np
import pytest

from tests.engine.jobs.drawn import Engine
from tests.support.two_objects import TAGS, draw_scene, scenes_coco, tags_of
from tests.support.waiting import wait_until
from vision_customization.contract.enums import AnnotationKind, EvaluationStatus, ModelStatus
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.learning import Classifier
from vision_customization.engine.learning.classification.artifact import ClassifierSession
from vision_customization.engine.models.cache import ModelCache
from vision_customization.engine.objects.keys import estimate_key, outcomes_key
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.outcomes.stored import StoredOutcomes
from vision_customization.engine.store import EvaluationRecord, ModelRecord

pytestmark = pytest.mark.usefixtures("worker", "weights_dir")

SEVERAL = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION


def register(engine: Engine, name: str, seeds: Sequence[int]) -> None:
    places = []
    for seed in seeds:
        data = io.BytesIO()
        draw_scene(seed).save(data, "PNG")
        places.append((seed, {"absolute_url": engine.blobs.put(f"/account/{name}/{seed}.png", data.getvalue())}))
    uri = engine.blobs.put(f"/account/{name}/annotations.json", scenes_coco(places))
    engine.register(name, [uri], kind=SEVERAL)


def trained(engine: Engine, queue: JobQueue, model: ModelRecord) -> ModelRecord:
    queue.enqueue_training(model.id)
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "the training ends")
    return engine.store.models.by_id(model.id)


def evaluated(engine: Engine, queue: JobQueue, model: str, name: str, dataset: str) -> EvaluationRecord:
    evaluation = engine.store.evaluations.create(model, name, test_dataset_name=dataset)
    queue.enqueue_evaluation(evaluation.id)
    wait_until(lambda: engine.store.evaluations.by_id(evaluation.id).status.final, "the evaluation ends")
    return engine.store.evaluations.by_id(evaluation.id)


def test_a_model_of_several_tags_is_trained_measured_kept_and_evaluated(engine: Engine, queue: JobQueue) -> None:
    register(engine, "scenes", range(40))
    register(engine, "scenes-test", range(100, 130))
    model = trained(engine, queue, engine.model("scenes", "scenes", test="scenes-test"))
    assert model.status is ModelStatus.SUCCEEDED, model.error
    assert model.performance is not None
    assert model.performance.mean_average_precision is not None
    assert model.performance.mean_average_precision > 0.8
    assert model.performance.accuracy_top1 is None
    thresholds = {tag: metrics["threshold"] for tag, metrics in model.performance.tag_performance.items()}
    assert list(thresholds) == list(TAGS)

    objects = open_objects(engine.settings)
    sidecar = json.loads(objects.get(f"models/{model.id}/model.json"))
    assert (sidecar["kind"], sidecar["labels"], sidecar["thresholds"]) == ("Generic-Classifier", list(TAGS), thresholds)
    assert (sidecar["performance"], sidecar["performanceOn"]) == (model.performance.to_wire(), "scenes-test")
    head = Classifier.from_npz(objects.get(f"models/{model.id}/head.npz"))
    session = ClassifierSession(objects.path(f"models/{model.id}/model.onnx"))
    assert head.thresholds == session.thresholds == tuple(thresholds.values())
    pixels = np.asarray(draw_scene(101))
    answer = ModelCache(engine.settings, objects).classify(model.id, pixels)
    assert {tag.name: (tag.probability, tag.threshold) for tag in answer.tags} == {
        tag: (pytest.approx(probability, abs=1e-5), thresholds[tag])
        for tag, probability in zip(TAGS, session.probabilities(pixels).tolist(), strict=True)
    }
    assert sidecar["novelty"] == {"name": "novelty", "type": "float32", "shape": []}
    assert answer.novelty is not None
    assert answer.novelty == pytest.approx(session.classify(pixels)[1], abs=1e-5)

    again = evaluated(engine, queue, "scenes", "again", "scenes-test")
    assert again.status is EvaluationStatus.SUCCEEDED, again.error
    assert again.performance == model.performance
    kept = [StoredOutcomes.open(objects, outcomes_key(model.id, of)).page(0, 100) for of in (None, again.id)]
    assert kept[0] == kept[1]
    (count, lines) = kept[0]
    labels = {wire["image"]: wire["labels"] for wire in map(json.loads, lines)}
    assert count == len(labels) == 30
    assert sorted(labels.values()) == sorted(sorted(tags_of(seed)) for seed in range(100, 130))


def test_without_a_test_dataset_the_performance_is_estimated_on_all_images(engine: Engine, queue: JobQueue) -> None:
    register(engine, "alone", range(200, 240))
    model = trained(engine, queue, engine.model("alone", "alone"))
    assert model.status is ModelStatus.SUCCEEDED, model.error
    assert model.performance is not None
    assert model.performance.macro_f1 is not None
    assert model.progress is not None
    assert model.progress.images == 40
    assert StoredOutcomes.open(open_objects(engine.settings), estimate_key(model.id)).images == 40


def test_a_model_is_tested_and_evaluated_on_the_kind_that_it_was_trained_on(engine: Engine, queue: JobQueue) -> None:
    register(engine, "several", range(300, 320))
    engine.dataset("one", {"disc": 4, "square": 4}, first_seed=20_000)
    for name, training, other in (("s", "several", "one"), ("o", "one", "several")):
        failed = trained(engine, queue, engine.model(f"{name}-tested", training, test=other))
        model = trained(engine, queue, engine.model(name, training))
        assert model.status is ModelStatus.SUCCEEDED, model.error
        evaluation = evaluated(engine, queue, name, "e", other)
        kinds = (SEVERAL, AnnotationKind.IMAGE_CLASSIFICATION)
        needed, found = kinds if training == "several" else kinds[::-1]
        for error in (failed.error, evaluation.error):
            assert error is not None
            assert (error.code, error.message) == (
                "incorrectModelKind",
                f"This Generic-Classifier needs a dataset of kind {needed}, but dataset '{other}' is of kind {found}.",
            )


def test_a_tag_that_is_on_every_image_cannot_be_learnt(engine: Engine, queue: JobQueue) -> None:
    register(engine, "always", [seed for seed in range(400, 440) if "disc" in tags_of(seed)])
    model = trained(engine, queue, engine.model("always", "always"))
    assert model.error is not None
    assert model.error.code == "datasetCorrupt"
    assert "has 0 images without the tag 'disc', training needs at least 2" in model.error.message
