"""Batch prediction runs as callers see them: orders, states, rows."""

import json
from typing import Any

import pytest

from tests.support.api_world import World
from vision_customization.contract.batch_prediction import BatchPredictionProgress
from vision_customization.contract.errors import ImageErrorCode
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.models.answer_rows import CHUNK_IMAGES, AnswerRows, refused
from vision_customization.engine.objects.keys import batch_prediction_key

RUN = "batchprediction/m/runs/1"
CONTAINER = "https://acct.blob.core.windows.net/photos"
TOKEN = {"kind": "sas", "sasToken": "?sv=1&sp=rl&sig=Secret"}
ORDER = {
    "azureBlobSource": {"containerUrl": CONTAINER, "prefix": "märz/", "authentication": TOKEN},
    "azureBlobResult": {"blobUrl": "https://acct.blob.core.windows.net/out/rows.jsonl", "authentication": TOKEN},
}
ROWS = 2 * CHUNK_IMAGES + 10


@pytest.fixture
def trained(world: World) -> World:
    world.train("m")
    return world


def put(world: World, body: Any = None, path: str = RUN) -> Any:  # noqa: ANN401 - JSON, a reply
    return world.call("PUT", path, json=ORDER if body is None else body)


def answered(world: World, rows: int = ROWS) -> AnswerRows:
    """The run has so many rows."""
    (run_id,) = world.jobs.batch_predictions
    record = world.store.batch_predictions.begin(run_id)
    stored = AnswerRows(world.objects, record.model_id, run_id)
    lines = [refused(f"{CONTAINER}/{row}.png", ImageErrorCode.INVALID_IMAGE_FORMAT, "no") for row in range(rows)]
    for chunk in range(-(-rows // CHUNK_IMAGES)):
        stored.put(chunk, lines[chunk * CHUNK_IMAGES : (chunk + 1) * CHUNK_IMAGES])
    progress = BatchPredictionProgress(images=rows, images_failed=rows, share=1.0)
    world.store.batch_predictions.report_progress(run_id, progress)
    return stored


def test_a_run_from_its_order_to_its_rows(trained: World) -> None:
    reply = put(trained)
    assert reply.status_code == 201, reply.text
    body = reply.json()
    assert (body["runName"], body["modelName"], body["status"]) == ("1", "m", "notStarted")
    assert body["azureBlobSource"] == {"containerUrl": CONTAINER, "prefix": "märz/", "authentication": {"kind": "sas"}}
    assert body["progress"] == {"imagesAnswered": 0, "imagesFailed": 0, "otherBlobs": 0}
    assert "Secret" not in reply.text
    (run_id,) = trained.jobs.batch_predictions
    record = trained.store.batch_predictions.by_id(run_id)
    access = trained.store.batch_predictions.source_access(record)
    assert access.sas is not None
    assert (access.sas.get_secret_value(), access.scopes) == ("sv=1&sp=rl&sig=Secret", (CONTAINER,))
    assert trained.store.batch_predictions.result_access(record).scopes == ("https://acct.blob.core.windows.net/out",)
    answered(trained)
    assert trained.call("GET", RUN).json()["status"] == "running"
    trained.store.batch_predictions.finish(run_id, BatchPredictionProgress(images=ROWS, images_failed=ROWS, share=1.0))
    ended = trained.call("GET", RUN).json()
    assert ended["status"] == "succeeded"
    assert ended["progress"] == {"images": ROWS, "imagesAnswered": 0, "imagesFailed": ROWS, "otherBlobs": 0, "share": 1.0}
    assert trained.call("GET", "batchprediction/m/runs").json() == {"value": [ended]}


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", range(ROWS)),
        ("?skip=3&top=2", range(3, 5)),
        (f"?skip={CHUNK_IMAGES - 1}&top=2", range(CHUNK_IMAGES - 1, CHUNK_IMAGES + 1)),
        (f"?skip={CHUNK_IMAGES}", range(CHUNK_IMAGES, ROWS)),
        (f"?skip={ROWS - 1}&top=9", range(ROWS - 1, ROWS)),
        (f"?skip={ROWS}", range(0)),
        ("?skip=2147483647&top=2147483647", range(0)),
    ],
)
def test_rows_in_their_order(trained: World, query: str, numbers: range) -> None:
    put(trained)
    answered(trained)
    reply = trained.call("GET", f"{RUN}/results{query}")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-ndjson")
    rows = [json.loads(line) for line in reply.content.splitlines()]
    assert [row["url"] for row in rows] == [f"{CONTAINER}/{number}.png" for number in numbers]


def test_a_run_that_has_not_begun_has_no_rows(trained: World) -> None:
    put(trained)
    assert trained.call("GET", f"{RUN}/results").content == b""


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({}, "azureBlobSource and datasetName"),
        ({**ORDER, "datasetName": "d"}, "azureBlobSource and datasetName"),
        ({"datasetName": ""}, "datasetName: expected the name of a dataset"),
        ({"azureBlobSource": {"containerUrl": f"{CONTAINER}/folder"}}, "not the URL of a container"),
        ({"azureBlobSource": {"containerUrl": "photos"}}, "azureBlobSource.containerUrl: the URI is not absolute"),
        ({"azureBlobSource": {"containerUrl": f"{CONTAINER}?sig=Secret"}}, "contains a SAS token"),
        ({"azureBlobSource": {"containerUrl": f"{CONTAINER}?a=b"}}, "has a query"),
        ({"azureBlobSource": {"containerUrl": CONTAINER, "authentication": {"kind": "sas"}}}, "needs a SAS token"),
        ({"azureBlobSource": {"containerUrl": CONTAINER, "prefix": "p" * 1025}}, "azureBlobSource.prefix"),
        ({"datasetName": "d", "azureBlobResult": {"blobUrl": CONTAINER}}, "append the name of the blob"),
    ],
)
def test_what_is_no_order_is_refused(trained: World, body: dict[str, Any], target: str) -> None:
    reply = put(trained, body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "InvalidRequest")
    assert target in reply.json()["error"]["message"]
    assert "Secret" not in reply.text
    assert trained.call("GET", RUN).json()["error"]["code"] == "BatchPredictionRunNotFound"


def test_only_a_model_that_has_succeeded_predicts(world: World) -> None:
    assert put(world).json()["error"]["code"] == "ModelNotFound"
    world.create("m")
    error = put(world).json()["error"]
    assert error["message"] == "The model 'm' is 'notStarted': only a model that has succeeded can predict."


def test_a_published_name_is_resolved_once(trained: World) -> None:
    trained.call("PUT", "publishedmodels/live", json={"modelName": "m"})
    assert put(trained, path="batchprediction/live/runs/1").json()["modelName"] == "m"
    trained.train("newer")
    trained.call("PUT", "publishedmodels/live", json={"modelName": "newer"})
    assert trained.call("GET", RUN).json()["modelName"] == "m"


def test_a_name_is_used_once_until_its_run_is_deleted(trained: World) -> None:
    put(trained)
    reply = put(trained)
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "BatchPredictionRunAlreadyExists")
    answered(trained)
    assert "cancel it first" in trained.call("DELETE", RUN).json()["error"]["message"]
    (run_id,) = trained.jobs.batch_predictions
    record = trained.store.batch_predictions.fail(run_id, ErrorDetails(code="unknown", message="no"))
    assert trained.call("GET", RUN).json()["error"] == {"code": "unknown", "message": "no"}
    assert trained.call("GET", RUN).json()["progress"]["imagesFailed"] == ROWS
    assert trained.objects.names(batch_prediction_key(record.model_id, run_id))
    assert trained.call("DELETE", RUN).status_code == 204
    assert trained.objects.names(batch_prediction_key(record.model_id, run_id)) == []
    assert put(trained).status_code == 201


def test_cancelling(trained: World) -> None:
    put(trained)
    answered(trained)
    assert trained.call("POST", f"{RUN}:cancel").json()["status"] == "cancelling"
    assert trained.call("POST", f"{RUN}:cancel").status_code == 202
    (run_id,) = trained.jobs.batch_predictions
    trained.store.batch_predictions.cancel(run_id)
    assert trained.call("GET", RUN).json()["status"] == "cancelled"
    assert trained.call("GET", f"{RUN}/results?top=1").content.count(b"\n") == 1, "its rows stay"
    assert trained.call("POST", f"{RUN}:cancel").status_code == 400


def test_a_run_that_has_not_begun_is_cancelled_at_once(trained: World) -> None:
    put(trained)
    assert trained.call("POST", f"{RUN}:cancel").json()["status"] == "cancelled"


def test_a_run_that_nobody_would_take_is_not_left_behind(trained: World) -> None:
    trained.jobs.broken = True
    assert put(trained).status_code == 500
    assert trained.call("GET", RUN).status_code == 404


def test_runs_go_with_their_model_and_are_counted(trained: World) -> None:
    put(trained)
    metrics = trained.call("GET", "/metrics", version=None).text
    assert 'vision_engine_batch_prediction_runs{status="notStarted"} 1.0' in metrics
    assert "vision_engine_queue_length 1.0" in metrics
    assert trained.call("DELETE", "models/m").status_code == 204
    assert trained.call("GET", RUN).json()["error"]["code"] == "ModelNotFound"
