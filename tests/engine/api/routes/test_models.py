"""Models, evaluations and published models as callers see them."""

import pytest

from tests.support.api_world import World
from vision_customization.contract.models import ModelPerformance, TrainingProgress
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.objects.keys import older_curves_key, outcomes_key


def test_a_new_model(world: World) -> None:
    world.register("cats")
    body = {
        "TrainingParameters": {"TrainingDatasetName": "cats", "TimeBudgetInHours": 1, "ModelKind": "Generic-Classifier"},
        "EvaluationParameters": {"TestDatasetName": "cats-test"},
        "status": "succeeded",
        "name": "other",
    }
    reply = world.call("PUT", "models/m", json=body)
    model = reply.json()
    assert model.keys() == {
        "name",
        "createdDateTime",
        "updatedDateTime",
        "status",
        "trainingParameters",
        "evaluationParameters",
    }
    assert (model["name"], model["status"]) == ("m", "notStarted")
    assert model["trainingParameters"] == {
        "trainingDatasetName": "cats",
        "timeBudgetInHours": 1,
        "modelKind": "Generic-Classifier",
    }
    assert model["evaluationParameters"] == {"testDatasetName": "cats-test"}
    assert world.call("GET", "models/m").json() == model
    assert world.jobs.trainings == [world.store.models.find("m").id]


@pytest.mark.parametrize(
    ("annotation_kind", "model_kind", "status", "kind"),
    [
        ("imageClassification", None, 201, "Generic-Classifier"),
        (None, None, 201, "Generic-Classifier"),  # an unknown dataset is found out by the training
        ("imageObjectDetection", "Generic-Classifier", 201, "Generic-Classifier"),  # so is one of another kind
        ("imageClassification", "GenericClassifier", 201, "Generic-Classifier"),
        ("imageClassification", "generic-classifier", 201, "Generic-Classifier"),
        ("imageObjectDetection", None, 201, "Generic-Detector"),
        ("imageObjectDetection", "Generic-Detector", 201, "Generic-Detector"),
        ("imageObjectDetection", "GenericDetector", 201, "Generic-Detector"),
        ("imageObjectDetection", "Product-Recognizer", 201, "Product-Recognizer"),
        ("imageClassification", "Generic-Detector", 201, "Generic-Detector"),
    ],
)
def test_kinds(world: World, annotation_kind: str | None, model_kind: str | None, status: int, kind: str) -> None:
    if annotation_kind:
        world.register("cats", annotationKind=annotation_kind)
    parameters = {"trainingDatasetName": "cats", "timeBudgetInHours": 1, **({"modelKind": model_kind} if model_kind else {})}
    reply = world.call("PUT", "models/m", json={"trainingParameters": parameters})
    assert reply.status_code == status, reply.text
    assert reply.json()["trainingParameters"]["modelKind"] == kind


@pytest.mark.parametrize(
    ("hours", "kind", "status"),
    [
        (1, "Generic-Classifier", 201),
        (336, "Generic-Classifier", 201),
        (336, None, 201),
        (337, "Generic-Classifier", 400),
        (337, None, 400),
        (1345, "Generic-Detector", 400),
        (0, "Generic-Classifier", 400),
        (-1, "Generic-Classifier", 400),
        (0.5, "Generic-Classifier", 400),
        (None, "Generic-Classifier", 400),
        ("long", "Generic-Classifier", 400),
    ],
)
def test_budgets(world: World, hours: object, kind: str | None, status: int) -> None:
    parameters = {"trainingDatasetName": "cats", "timeBudgetInHours": hours, **({"modelKind": kind} if kind else {})}
    reply = world.call("PUT", "models/m", json={"trainingParameters": parameters})
    assert reply.status_code == status
    assert status == 201 or "timeBudgetInHours" in reply.text


@pytest.mark.parametrize(
    ("tiles", "kind", "status"),
    [
        (1, "Generic-Detector", 201),
        (4, "Generic-Detector", 201),
        (2, "Product-Recognizer", 201),
        (2, None, 201),  # the dataset says that it is a detector
        (1, "Generic-Classifier", 201),
        (2, "Generic-Classifier", 400),
        (5, "Generic-Detector", 400),
        (0, "Generic-Detector", 400),
        (1.5, "Generic-Detector", 400),
        (None, "Generic-Detector", 400),
        ("many", "Generic-Detector", 400),
    ],
)
def test_tiles(world: World, tiles: object, kind: str | None, status: int) -> None:
    world.register("shelves", annotationKind="imageObjectDetection")
    parameters = {
        "trainingDatasetName": "shelves",
        "timeBudgetInHours": 1,
        "tiles": tiles,
        **({"modelKind": kind} if kind else {}),
    }
    reply = world.call("PUT", "models/m", json={"trainingParameters": parameters})
    assert reply.status_code == status, reply.text
    if status == 400:
        error = reply.json()["error"]
        assert (error["code"], error["target"]) == ("InvalidRequest", "trainingParameters.tiles")
        return
    assert world.store.models.find("m").tiles == tiles
    assert world.call("GET", "models/m").json() == reply.json()
    assert reply.json()["trainingParameters"].get("tiles") == (tiles if tiles > 1 else None)


@pytest.mark.parametrize("kind", ["Generic-Classifier", None])
def test_a_classifier_has_no_tiles(world: World, kind: str | None) -> None:
    world.register("cats")
    parameters = {"trainingDatasetName": "cats", "timeBudgetInHours": 1, "tiles": 2, **({"modelKind": kind} if kind else {})}
    reply = world.call("PUT", "models/m", json={"trainingParameters": parameters})
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["code"], error["target"]) == ("InvalidRequest", "trainingParameters.tiles")
    assert error["message"].startswith("trainingParameters.tiles: must be 1 for a Generic-Classifier, which analyzes each ")
    assert "a Generic-Detector or a Product-Recognizer allows up to 4" in error["message"]
    assert world.call("GET", "models/m").status_code == 404


def test_a_model_that_trains_and_succeeds(world: World) -> None:
    world.create("m")
    model_id = world.store.models.find("m").id
    world.store.models.begin(model_id)
    world.store.models.report_progress(model_id, TrainingProgress(stage="features", share=0.25, images=4, images_read=4))
    model = world.call("GET", "models/m").json()
    assert model["status"] == "training"
    assert model["trainingProgress"]["stage"] == "features"
    assert model["trainingProgress"]["imagesRead"] == 4
    world.train("n")
    model = world.call("GET", "models/n").json()
    assert model["status"] == "succeeded"
    assert model["trainingCostInMinutes"] == 1
    assert model["modelPerformance"] == {"accuracyTop1": 0.5, "tagPerformance": {"cat": {"accuracy": 1.0}}}
    assert model["artifact"] == {"digest": "ab" * 32, "sizeBytes": 4}
    assert "error" not in model


def test_a_failed_model_has_an_error_of_four_keys_at_most(world: World) -> None:
    world.create("m")
    details = [ErrorDetails(code="image", message="image 3 is corrupt", target="3.jpg")]
    world.store.models.fail(
        world.store.models.find("m").id, ErrorDetails(code="datasetCorrupt", message="1 image is corrupt", details=details)
    )
    error = world.call("GET", "models/m").json()["error"]
    assert error == {
        "code": "datasetCorrupt",
        "message": "1 image is corrupt",
        "details": [{"code": "image", "message": "image 3 is corrupt", "target": "3.jpg"}],
    }


def test_a_cancelled_model(world: World) -> None:
    world.create("waiting")
    reply = world.call("POST", "models/waiting:cancel")
    assert (reply.status_code, reply.json()["status"], reply.json()["name"]) == (202, "cancelling", "waiting")
    assert world.call("GET", "models/waiting").json()["status"] == "cancelled", "nobody trains it, so nobody is waited for"
    world.create("busy")
    world.store.models.begin(world.store.models.find("busy").id)
    for _ in range(2):
        assert world.call("POST", "models/busy:cancel").json()["status"] == "cancelling"
    assert world.call("GET", "models/busy").json()["status"] == "cancelling"
    assert world.call("DELETE", "models/busy").status_code == 400
    world.store.models.cancel(world.store.models.find("busy").id)
    assert world.call("POST", "models/busy:cancel").status_code == 400
    assert world.call("DELETE", "models/busy").status_code == 204


def test_a_deleted_model_takes_everything_along(world: World) -> None:
    model_id = world.train("m")
    world.call("PUT", "models/m/evaluations/e", json={"evaluationParameters": {"testDatasetName": "t"}})
    assert world.call("DELETE", "models/m").status_code == 204
    assert world.models.forgotten == [model_id]
    assert not world.objects.exists(f"models/{model_id}/model.onnx")
    assert world.call("GET", "models/m/evaluations/e").status_code == 404


def test_the_trained_model_is_handed_out(world: World) -> None:
    world.train("m")
    reply = world.call("GET", "models/m/artifact")
    assert (reply.content, reply.headers["content-type"]) == (b"onnx", "application/octet-stream")
    assert reply.headers["x-ms-artifact-digest"] == "ab" * 32
    assert reply.headers["content-disposition"] == 'attachment; filename="m.onnx"'
    reply = world.call("GET", "models/m/artifact:metadata")
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert reply.json() == {
        "labels": ["cat"],
        "trainingParameters": {"trainingDatasetName": "cats", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"},
        "trainingCostInMinutes": 1,
    }


@pytest.mark.parametrize("operation", ["artifact", "artifact:metadata"])
def test_a_file_that_is_gone(world: World, operation: str) -> None:
    world.objects.delete(f"models/{world.train('m')}")
    reply = world.call("GET", f"models/m/{operation}")
    assert (reply.status_code, reply.json()["error"]["target"]) == (404, "m")
    assert "is missing" in reply.json()["error"]["message"]


def test_an_evaluation_from_order_to_success(world: World) -> None:
    world.train("m")
    reply = world.call("PUT", "models/m/evaluations/e", json={"EvaluationParameters": {"TestDatasetName": "cats"}})
    evaluation = reply.json()
    assert evaluation.keys() == {
        "name",
        "modelName",
        "createdDateTime",
        "updatedDateTime",
        "status",
        "evaluationParameters",
    }
    assert (evaluation["name"], evaluation["modelName"], evaluation["status"]) == ("e", "m", "notStarted")
    assert evaluation["evaluationParameters"] == {"testDatasetName": "cats"}
    (evaluation_id,) = world.jobs.evaluations
    world.store.evaluations.begin(evaluation_id)
    assert world.call("GET", "models/m/evaluations/e").json()["status"] == "running"
    world.store.evaluations.finish(evaluation_id, ModelPerformance(calibration_ece=0.25))
    done = world.call("GET", "models/m/evaluations/e").json()
    assert (done["status"], done["modelPerformance"]) == ("succeeded", {"calibrationECE": 0.25, "tagPerformance": {}})
    assert world.call("GET", "models/m/evaluations").json() == {"value": [done]}


def test_the_outcomes_of_an_evaluation_go_with_it(world: World) -> None:
    model_id = world.train("m")
    world.call("PUT", "models/m/evaluations/e", json={"EvaluationParameters": {"TestDatasetName": "cats"}})
    (evaluation_id,) = world.jobs.evaluations
    kept = (f"{outcomes_key(model_id, evaluation_id)}/rows", older_curves_key(model_id, evaluation_id))
    for key in kept:
        world.objects.put(key, b"{}")
    assert world.call("DELETE", "models/m/evaluations/e").status_code == 400  # it may be at work
    assert all(world.objects.exists(key) for key in kept)
    world.store.evaluations.begin(evaluation_id)
    world.store.evaluations.finish(evaluation_id, ModelPerformance(calibration_ece=0.25))
    assert world.call("DELETE", "models/m/evaluations/e").status_code == 204
    assert not any(world.objects.exists(key) for key in kept)


def test_an_evaluation_without_a_dataset_is_taken(world: World) -> None:
    world.train("m")
    assert world.call("PUT", "models/m/evaluations/e", json={"evaluationParameters": {}}).status_code == 201


def test_pages_of_models_and_evaluations(world: World) -> None:
    for name in ("m", "n"):
        world.train(name)
        world.call("PUT", f"models/m/evaluations/{name}", json={"evaluationParameters": {}})
    for path in ("models", "models/m/evaluations"):
        page = world.call("GET", f"{path}?top=1").json()
        assert page["nextLink"] == (
            f"http://engine.test:8080/computervision/{path}?skip=1&top=1&api-version=2023-04-01-preview"
        )
        rest = world.call("GET", page["nextLink"], version=None).json()
        assert [item["name"] for item in page["value"] + rest["value"]] == ["m", "n"]


def test_a_published_name_moves(world: World) -> None:
    world.train("m")
    world.train("n")
    first = world.call("PUT", "publishedmodels/live", json={"modelName": "m"})
    assert (first.status_code, first.json()["modelName"]) == (201, "m")
    second = world.call("PUT", "publishedmodels/live", json={"ModelName": "n"})
    assert (second.status_code, second.json()["modelName"]) == (200, "n")
    assert second.json()["createdDateTime"] == first.json()["createdDateTime"]
    assert world.call("GET", "publishedmodels").json() == {"value": [second.json()]}
    assert world.call("DELETE", "publishedmodels/live").status_code == 204
    assert world.call("GET", "models/n").status_code == 200


def test_a_model_says_who_manages_it(world: World) -> None:
    body = {"trainingParameters": {"trainingDatasetName": "cats", "timeBudgetInHours": 1}, "managedBy": "pulumi:photos/dev"}
    created = world.call("PUT", "models/m", json=body).json()
    assert created["managedBy"] == "pulumi:photos/dev"
    assert world.call("GET", "models/m").json() == created
    world.succeed(world.store.models.find("m").id)
    assert "managedBy" not in world.call("GET", "models/m/artifact:metadata").json(), "an import elsewhere has another owner"


def test_a_model_that_exists_gets_another_owner_and_none(world: World) -> None:
    world.train("m")
    before = world.call("GET", "models/m").json()
    reply = world.call("PUT", "models/m/owner", json={"managedBy": "pulumi:photos/dev"})
    assert (reply.status_code, reply.json()) == (200, {**before, "managedBy": "pulumi:photos/dev"})
    assert world.call("GET", "models/m").json() == reply.json()
    assert world.call("DELETE", "models/m/owner").status_code == 204
    assert world.call("GET", "models/m").json() == before
