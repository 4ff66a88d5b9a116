"""The client against a service on a loopback port: what it sends, what it makes of the answers, what it sends again."""

import base64
import email
import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.customization.fake_service import KEY, Answer, FakeService, Received
from vision_customization.common.errors import VisionError
from vision_customization.contract.datasets import Authentication
from vision_customization.contract.enums import AnnotationKind, EvaluationStatus, ModelKind, ModelStatus
from vision_customization.contract.judging import ComparisonFilter
from vision_customization.contract.outcomes import OutcomeFilter
from vision_customization.contract.products import Planogram, ProductRecognitionResult
from vision_customization.customization.client import transport
from vision_customization.customization.client.client import RetryPolicy, VisionClient
from vision_customization.customization.errors import (
    AlreadyExists,
    BadRequest,
    BatchPredictionFailed,
    EvaluationFailed,
    NotAuthorized,
    NotFound,
    PreconditionFailed,
    RecognitionFailed,
    RequestError,
    ServiceFault,
    TilesIgnored,
    TooManyRequests,
    TrainingCancelled,
    TrainingFailed,
    Unreachable,
    WaitTimedOut,
)

WHEN = "2026-01-13T20:46:20.189Z"
STAMPS = {"createdDateTime": WHEN, "updatedDateTime": WHEN}
URIS = ["https://x.blob.core.windows.net/c/train.json"]
DATASET = {"name": "cats", "annotationKind": "imageClassification", "annotationFileUris": URIS, "eTag": "abc", **STAMPS}
SIGNATURE = "c2lnbmF0dXJl"
SAS = Authentication.model_validate({"kind": "sas", "sasToken": f"sv=1&sig={SIGNATURE}"})


def model(status: str = "notStarted", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    parameters = {"trainingDatasetName": "cats", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"}
    return {"name": "m", "status": status, "trainingParameters": parameters, **STAMPS, **fields}


SPEED = {"embeddedImageSeconds": 0.2, "readImageSeconds": 0.1, "stepSeconds": 2, "startSeconds": 60}
TILED = {"trainingDatasetName": "d", "timeBudgetInHours": 1, "modelKind": "Generic-Detector", "tiles": 3}


def evaluation(status: str = "notStarted", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    parameters = {"testDatasetName": "cats-test"}
    return {"name": "e", "modelName": "m", "status": status, "evaluationParameters": parameters, **STAMPS, **fields}


def run(status: str = "notStarted", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"runName": "r", "modelName": "m", "status": status, **STAMPS, **fields}


def batch_run(status: str = "notStarted") -> dict[str, Any]:
    progress = {"images": 2, "imagesAnswered": 1, "imagesFailed": 1, "otherBlobs": 0, "share": 1.0}
    return {**run(status), "datasetName": "d", "progress": progress}


COLA = {"id": "1", "boundingBox": {"x": 1, "y": 2, "w": 3, "h": 4}, "tags": [{"name": "cola", "confidence": 0.9}]}
RESULT = {"imageMetadata": {"width": 60, "height": 80}, "products": [COLA], "gaps": []}
PLANOGRAM = {
    "width": 100.0,
    "height": 50.0,
    "products": [{"id": "1", "name": "cola", "w": 6.0, "h": 20.0}],
    "fixtures": [{"id": "f", "w": 100.0, "h": 2.0, "x": 0.0, "y": 48.0}],
    "positions": [{"id": "p", "productId": "1", "fixtureId": "f", "x": 10.0, "y": 5.0}],
}
MATCHED = {"matchingResultPerPosition": [{"positionId": "p", "detectedObject": COLA}, {"positionId": "q"}]}
PUBLISHED = {"name": "live", "modelName": "m", **STAMPS}
ANALYSIS = {
    "customModelResult": {"tagsResult": {"values": [{"name": "cat", "confidence": 0.9}]}},
    "modelVersion": "2023-04-01-preview",
    "metadata": {"width": 4, "height": 3},
}


@dataclass
class Operation:
    call: Callable[[VisionClient], Any]
    method: str
    path: str
    status: int
    answer: Any
    body: Any = None


OUTCOMES = {"value": [{"image": "https://x/c/a.jpg", "digest": "ab", "right": True}], "count": 1}
AT = {
    "kind": "oneTag", "threshold": 0.5, "lowest": 0, "images": 1, "labels": 1, "right": 1, "false": 0, "missed": 0,
    "unanswered": 0,
}  # fmt: skip
COMPARISON = {
    "kind": "oneTag", "images": 1, "bothRight": 1, "onlyFirst": 0, "onlySecond": 0, "bothWrong": 0, "onlyInFirst": 0,
    "onlyInSecond": 0, "labelsDiffer": 0, "pValue": 1.0,
}  # fmt: skip
CONFUSION = {"images": 1, "tags": ["cat"], "cells": [{"label": "cat", "answer": "cat", "count": 1}]}

OPERATIONS = [
    Operation(
        lambda c: c.register_dataset(
            "cats",
            annotation_kind=AnnotationKind.IMAGE_CLASSIFICATION,
            annotation_file_uris=URIS,
            authentication=SAS,
            custom_properties={"k": "v"},
        ),
        "PUT", "/datasets/cats", 201, DATASET,
        {
            "annotationKind": "imageClassification",
            "annotationFileUris": URIS,
            "authentication": {"kind": "sas", "sasToken": f"sv=1&sig={SIGNATURE}"},
            "customProperties": {"k": "v"},
        },
    ),
    Operation(lambda c: c.get_dataset("cats"), "GET", "/datasets/cats", 200, DATASET),
    Operation(
        lambda c: c.update_dataset("cats", annotation_file_uris=URIS), "PATCH", "/datasets/cats", 200, DATASET,
        {"annotationFileUris": URIS},
    ),
    Operation(lambda c: c.delete_dataset("cats"), "DELETE", "/datasets/cats", 204, b""),
    Operation(
        lambda c: c.create_model("m", training_dataset_name="cats", test_dataset_name="t"), "PUT", "/models/m", 201, model(),
        {
            "trainingParameters": {
                "trainingDatasetName": "cats", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier",
            },
            "evaluationParameters": {"testDatasetName": "t"},
        },
    ),
    Operation(
        lambda c: c.create_model("m", training_dataset_name="d", model_kind=ModelKind.GENERIC_DETECTOR, tiles=3), "PUT",
        "/models/m", 201, model(trainingParameters=TILED), {"trainingParameters": TILED},
    ),
    Operation(lambda c: c.get_model("m"), "GET", "/models/m", 200, model("succeeded")),
    Operation(
        lambda c: c.create_model("m", training_dataset_name="d", managed_by="pulumi:p/s"), "PUT", "/models/m", 201,
        model(managedBy="pulumi:p/s"),
        {
            "trainingParameters": {"trainingDatasetName": "d", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"},
            "managedBy": "pulumi:p/s",
        },
    ),
    Operation(
        lambda c: c.set_model_owner("m", "pulumi:p/s"), "PUT", "/models/m/owner", 200, model(managedBy="pulumi:p/s"),
        {"managedBy": "pulumi:p/s"},
    ),
    Operation(lambda c: c.set_model_owner("m", None), "DELETE", "/models/m/owner", 204, b""),
    Operation(lambda c: c.cancel_model("m"), "POST", "/models/m:cancel", 202, b""),
    Operation(lambda c: c.delete_model("m"), "DELETE", "/models/m", 204, b""),
    Operation(
        lambda c: c.create_evaluation("m", "e", test_dataset_name="cats-test"), "PUT", "/models/m/evaluations/e", 201,
        evaluation(), {"evaluationParameters": {"testDatasetName": "cats-test"}},
    ),
    Operation(lambda c: c.get_evaluation("m", "e"), "GET", "/models/m/evaluations/e", 200, evaluation()),
    Operation(lambda c: c.delete_evaluation("m", "e"), "DELETE", "/models/m/evaluations/e", 204, b""),
    Operation(lambda c: c.get_outcomes("m"), "GET", "/models/m/outcomes", 200, OUTCOMES),
    Operation(lambda c: c.get_outcomes("m", "e"), "GET", "/models/m/evaluations/e/outcomes", 200, OUTCOMES),
    Operation(lambda c: c.get_confusion("m", "e"), "GET", "/models/m/evaluations/e/outcomes:confusion", 200, CONFUSION),
    Operation(lambda c: c.get_curves("m"), "GET", "/models/m/outcomes:curves", 200, {"tags": {}}),
    Operation(lambda c: c.get_threshold("m", 0.5), "GET", "/models/m/outcomes:threshold", 200, {**OUTCOMES, **AT}),
    Operation(
        lambda c: c.get_threshold("m", 0.5, "e"), "GET", "/models/m/evaluations/e/outcomes:threshold", 200,
        {**OUTCOMES, **AT},
    ),
    Operation(
        lambda c: c.get_calibration("m", "e"), "GET", "/models/m/evaluations/e/outcomes:calibration", 200,
        {"kind": "oneTag", "answers": 0, "lowest": 0, "bins": []},
    ),
    Operation(lambda c: c.get_tag_outcomes("m"), "GET", "/models/m/outcomes:tags", 200, {"images": 0, "tags": []}),
    Operation(
        lambda c: c.compare_models("m", "n"), "GET", "/models/m/outcomes:compare", 200,
        {**COMPARISON, "value": [{"first": OUTCOMES["value"][0]}], "count": 1},
    ),
    Operation(
        lambda c: c.get_label_issues("cats"), "GET", "/datasets/cats/labelissues", 200,
        {**OUTCOMES, "modelName": "m", "likely": 0},
    ),
    Operation(lambda c: c.publish_model("live", "m"), "PUT", "/publishedmodels/live", 200, PUBLISHED, {"modelName": "m"}),
    Operation(
        lambda c: c.publish_model("live", "m", require={"accuracyTop1": 0.9}, evaluation="e", managed_by="pulumi:p/s"), "PUT",
        "/publishedmodels/live", 200, {**PUBLISHED, "require": {"accuracyTop1": 0.9}, "managedBy": "pulumi:p/s"},
        {"modelName": "m", "require": {"accuracyTop1": 0.9}, "evaluation": "e", "managedBy": "pulumi:p/s"},
    ),
    Operation(
        lambda c: c.publish_model("live", "m", require={}), "PUT", "/publishedmodels/live", 200, PUBLISHED,
        {"modelName": "m", "require": {}},
    ),
    Operation(lambda c: c.get_published_model("live"), "GET", "/publishedmodels/live", 200, PUBLISHED),
    Operation(lambda c: c.unpublish_model("live"), "DELETE", "/publishedmodels/live", 204, b""),
    Operation(lambda c: c.artifact_metadata("m"), "GET", "/models/m/artifact:metadata", 200, {"labels": ["cat"]}),
    Operation(
        lambda c: c.check_storage("https://x/c"), "POST", "/storage:check", 200, {"readable": True}, {"url": "https://x/c"}
    ),
    Operation(lambda c: c.training_speed(), "GET", "/training:speed", 200, SPEED),
    Operation(
        lambda c: c.recognize_products("m", "r", "https://x/a.jpg"), "PUT", "/productrecognition/m/runs/r", 201, run(),
        {"url": "https://x/a.jpg"},
    ),
    Operation(
        lambda c: c.predict_batch("m", "r", dataset_name="d"), "PUT", "/batchprediction/m/runs/r", 201, batch_run(),
        {"datasetName": "d"},
    ),
    Operation(lambda c: c.get_batch_prediction("m", "r"), "GET", "/batchprediction/m/runs/r", 200, batch_run("running")),
    Operation(
        lambda c: c.cancel_batch_prediction("m", "r"), "POST", "/batchprediction/m/runs/r:cancel", 202, batch_run("cancelling")
    ),
    Operation(lambda c: c.delete_batch_prediction("m", "r"), "DELETE", "/batchprediction/m/runs/r", 204, b""),
    Operation(lambda c: c.get_run("m", "r"), "GET", "/productrecognition/m/runs/r", 200, run("succeeded", result=RESULT)),
    Operation(lambda c: c.delete_run("m", "r"), "DELETE", "/productrecognition/m/runs/r", 204, b""),
    Operation(
        lambda c: c.match_planogram(
            ProductRecognitionResult.model_validate(RESULT), Planogram.model_validate(PLANOGRAM)
        ),
        "POST", "/planogramcompliance:match", 200, MATCHED, {"detectedProducts": RESULT, "planogram": PLANOGRAM},
    ),
    Operation(
        lambda c: c.analyze("m", "https://x/a.jpg"), "POST", "/imageanalysis:analyze", 200, ANALYSIS,
        {"url": "https://x/a.jpg"},
    ),
]  # fmt: skip


def test_storage_that_cannot_be_read_is_an_answer(service: FakeService) -> None:
    service.answers = [Answer(200, {"readable": False, "reason": "why", "identity": None})]
    access = service.client().check_storage("https://x/c")
    assert (access.readable, access.reason, access.identity) == (False, "why", None)


def test_outcomes_and_label_issues_are_filtered_by_the_service(service: FakeService) -> None:
    compared = {**COMPARISON, "value": [], "count": 0}
    service.answers = [
        *[Answer(200, OUTCOMES)] * 2,
        Answer(200, {**OUTCOMES, "modelName": "n", "likely": 0}),
        Answer(200, {**OUTCOMES, **AT}),
        Answer(200, compared),
    ]
    service.client().get_outcomes("m", only=OutcomeFilter.MISSED, tag="a&b", skip=20, top=5)
    service.client().get_outcomes("m", label="a&b", unanswered=True)
    service.client().get_label_issues("cats", model_name="n")
    service.client().get_threshold("m", 0.7, tag="a&b", only=OutcomeFilter.FALSE, skip=20, top=5)
    service.client().compare_models(
        "m", "n", evaluation_name="e", with_evaluation_name="f", only=ComparisonFilter.DIFFERING, top=5
    )
    assert [
        {name: value for name, value in request.query.items() if name != "api-version"} for request in service.received
    ] == [
        {"only": "missed", "tag": "a&b", "skip": "20", "top": "5"},
        {"label": "a&b", "unanswered": "true", "skip": "0", "top": "100"},
        {"model-name": "n", "skip": "0", "top": "100"},
        {"threshold": "0.7", "tag": "a&b", "only": "false", "skip": "20", "top": "5"},
        {"with-model": "n", "evaluation": "e", "with-evaluation": "f", "only": "differing", "skip": "0", "top": "5"},
    ]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_each_operation_is_the_contracts(service: FakeService, operation: Operation) -> None:
    service.answers = [Answer(operation.status, operation.answer)]
    operation.call(service.client())
    [request] = service.received
    assert (request.method, request.path) == (operation.method, f"/computervision{operation.path}")
    assert request.query["api-version"] == "2023-04-01-preview"
    assert request.headers["Ocp-Apim-Subscription-Key"] == KEY
    if operation.body is not None:
        assert request.json == operation.body
        assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, NotAuthorized),
        (403, NotAuthorized),
        (404, NotFound),
        (409, AlreadyExists),
        (412, PreconditionFailed),
        (418, RequestError),
        (429, TooManyRequests),
        (500, ServiceFault),
        (503, ServiceFault),
    ],
)
def test_each_refusal_is_an_error_of_its_own(
    service: FakeService, operation: Operation, status: int, kind: type[RequestError]
) -> None:
    service.handler = lambda _: Answer(status, {"error": {"code": "SomeCode", "message": "for a reason"}})
    with pytest.raises(kind) as caught:
        operation.call(service.client())
    assert type(caught.value) is kind
    assert str(caught.value) == f"{operation.method} {operation.path}: {status} SomeCode: for a reason"


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"<html>gateway</html>", {}, "GET /models/m: 400: Bad Request"),
        (b"", {"x-ms-error-code": "FromHeader"}, "GET /models/m: 400 FromHeader: Bad Request"),
        ([], {}, "GET /models/m: 400: Bad Request"),
        ({"error": "text"}, {}, "GET /models/m: 400: Bad Request"),
        (
            {
                "error": {
                    "code": "InvalidRequest",
                    "message": "no",
                    "innererror": {"code": "InvalidImageFormat", "message": "not a picture"},
                }
            },
            {},
            "GET /models/m: 400 InvalidRequest: no (InvalidImageFormat: not a picture)",
        ),
        (
            {
                "error": {
                    "code": "InvalidRequest",
                    "message": "no",
                    "details": [{"code": "x", "message": "first"}, {"code": "y", "message": "second"}],
                }
            },
            {},
            "GET /models/m: 400 InvalidRequest: no: first; second",
        ),
    ],
)
def test_a_refusal_of_any_shape_is_told(service: FakeService, body: object, headers: dict[str, str], expected: str) -> None:
    service.answers = [Answer(400, body, headers)]
    with pytest.raises(BadRequest) as caught:
        service.client().get_model("m")
    assert str(caught.value) == expected


@pytest.mark.parametrize("answers", [[429, 200], [503, 200], [500, 502, 200], [408, 200]])
def test_what_may_pass_is_tried_again(service: FakeService, answers: list[int]) -> None:
    service.answers = [Answer(status, model() if status == 200 else {}) for status in answers]
    assert service.client().get_model("m").name == "m"
    assert len(service.slept) == len(answers) - 1


def test_a_broken_connection_is_tried_again(service: FakeService) -> None:
    service.answers = [Answer(cut=True), Answer(200, model())]
    assert service.client().get_model("m").name == "m"


def test_there_is_an_end_to_trying(service: FakeService) -> None:
    service.handler = lambda _: Answer(cut=True)
    with pytest.raises(Unreachable, match=r"GET /models/m: the connection to http://127\.0\.0\.1:\d+ broke"):
        service.client().get_model("m")
    assert len(service.received) == 3
    assert len(service.slept) == 2


@pytest.fixture
def hung() -> Iterator[str]:
    """The address of a service that takes connections and does nothing: stopped by SIGSTOP, for instance."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_service_that_hangs_is_said_and_given_up(hung: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SILENCE_SECONDS", 0.1)
    said: list[str] = []
    client = VisionClient(hung, KEY, timeout_seconds=(5, 0.4), on_silence=said.append, sleep=lambda _: None)
    begun = time.monotonic()
    with pytest.raises(Unreachable) as error:
        list(client.list_models())
    assert 0.8 <= time.monotonic() - begun < 2, "asked twice, and not five times"
    assert said == [f"no answer from {hung} yet; waiting for up to 0 s"] * 2
    advice = "If it is the local engine, it hangs: see its log, and restart it with `pulumi up`"
    assert str(error.value) == f"GET /models: no answer from {hung} within 0 s. {advice}"


def test_a_service_of_this_machine_is_waited_for_less_long() -> None:
    for endpoint, expected in (("http://127.0.0.1:1", (5, 20)), ("http://[::1]:1", (5, 20)), ("https://x.example", (10, 60))):
        assert VisionClient(endpoint, KEY)._transport._timeout_seconds == expected
    assert VisionClient("http://localhost:1", KEY, timeout_seconds=(1, 2))._transport._timeout_seconds == (1, 2)


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"])
def test_no_proxy_is_asked_for_a_service_of_this_machine(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    service.answers = [Answer(200, {"value": []})]
    assert list(service.client().list_models()) == []


def test_nobody_there() -> None:
    client = VisionClient("http://127.0.0.1:9", KEY, retry=RetryPolicy(attempts=2), sleep=lambda _: None)
    with pytest.raises(Unreachable) as caught:
        client.get_model("m")
    said = "GET /models/m: http://127.0.0.1:9 refused the connection: is it running? `pulumi up` starts a local engine"
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("7", 7, 7), ("100000", 60, 60), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0.1), ("soon", 0, 0.1), (None, 0.05, 0.1)],
)
def test_retry_after_is_honoured(service: FakeService, header: str | None, least: float, most: float) -> None:
    service.answers = [Answer(429, {}, {"Retry-After": header} if header else {}), Answer(200, model())]
    service.client().get_model("m")
    assert least <= service.slept[0] <= most


def test_waits_between_attempts_grow_and_differ() -> None:
    policy = RetryPolicy(base_seconds=1, longest_seconds=8)
    for attempt, most in enumerate([1, 2, 4, 8, 8]):
        waits = {policy.wait_seconds(attempt, None) for _ in range(50)}
        assert len(waits) > 1
        assert all(most / 2 <= wait <= most for wait in waits)


# What the service has when our second attempt is answered 409, and whether it is what we asked for.
@pytest.mark.parametrize(
    ("found", "ours"),
    [
        (DATASET, True),
        ({**DATASET, "annotationFileUris": ["https://other"]}, False),
        ({**DATASET, "annotationKind": "imageObjectDetection"}, False),
        ({**DATASET, "customProperties": {"k": "v"}}, False),
    ],
)
@pytest.mark.parametrize("lost", [Answer(cut=True), Answer(502, {})])
def test_a_create_whose_answer_was_lost_is_recognised(
    service: FakeService, lost: Answer, found: dict[str, Any], ours: bool
) -> None:
    taken = Answer(409, {"error": {"code": "DatasetAlreadyExists", "message": "taken"}})
    service.answers = [lost, taken, Answer(200, found)]
    client = service.client()
    if ours:
        assert register(client).name == "cats"
    else:
        with pytest.raises(AlreadyExists):
            register(client)


@pytest.mark.parametrize("first", [[], [Answer(429, {})]])
def test_a_name_that_was_taken_before_us_is_taken(service: FakeService, first: list[Answer]) -> None:
    service.answers = [*first, Answer(409, {"error": {"code": "DatasetAlreadyExists", "message": "taken"}})]
    with pytest.raises(AlreadyExists):
        register(service.client())


def register(client: VisionClient) -> Any:  # noqa: ANN401
    return client.register_dataset("cats", annotation_kind=AnnotationKind.IMAGE_CLASSIFICATION, annotation_file_uris=URIS)


def test_a_training_whose_answer_was_lost_is_not_started_twice(service: FakeService) -> None:
    trainings: list[str] = []

    def handle(request: Received) -> Answer:
        if request.method == "GET":
            return Answer(200, model("training"))
        if trainings:
            return Answer(409, {"error": {"code": "ModelAlreadyExists", "message": "taken"}})
        trainings.append(request.path)
        return Answer(cut=True)

    service.handler = handle
    started = service.client().create_model("m", training_dataset_name="cats", model_kind=ModelKind.GENERIC_CLASSIFIER)
    assert started.status is ModelStatus.TRAINING


def test_a_service_that_trains_without_the_tiles_is_told_of(service: FakeService) -> None:
    service.answers = [Answer(201, model(trainingParameters={**TILED, "tiles": 1}))]
    with pytest.raises(
        TilesIgnored, match="model 'm' is trained with tiles 1, not 3: this version of the service does not support tiles"
    ):
        service.client().create_model("m", training_dataset_name="d", model_kind=ModelKind.GENERIC_DETECTOR, tiles=3)


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    path = tmp_path / "trees.onnx"
    path.write_bytes(b"onnx" * 600_000)
    return path


def test_a_model_is_imported_as_a_form(service: FakeService, onnx: Path) -> None:
    service.answers = [Answer(201, model("succeeded"))]
    assert service.client().import_artifact("m", onnx, {"labels": ["dög"]}).status is ModelStatus.SUCCEEDED
    [request] = service.received
    assert (request.method, request.path) == ("PUT", "/computervision/models/m/artifact")
    assert request.headers["x-ms-artifact-digest"] == f"sha256:{hashlib.sha256(onnx.read_bytes()).hexdigest()}"
    assert int(request.headers["Content-Length"]) == len(request.body)
    message = email.message_from_bytes(f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode() + request.body)
    parts = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in message.walk()}
    assert parts["model"] == onnx.read_bytes()
    assert json.loads(parts["metadata"]) == {"labels": ["dög"]}


@pytest.mark.parametrize("ours", [True, False])
def test_an_import_whose_answer_was_lost_is_recognised(service: FakeService, onnx: Path, ours: bool) -> None:
    digest = hashlib.sha256(onnx.read_bytes()).hexdigest() if ours else "0" * 64
    taken = Answer(409, {"error": {"code": "ModelAlreadyExists", "message": "taken"}})
    found = model("succeeded", artifact={"digest": digest, "sizeBytes": 1})
    service.answers = [Answer(cut=True), taken, Answer(200, found)]
    if ours:
        assert service.client().import_artifact("m", onnx, {}).name == "m"
        assert service.received[1].body == service.received[0].body
    else:
        with pytest.raises(AlreadyExists):
            service.client().import_artifact("m", onnx, {})


def test_a_delete_whose_answer_was_lost_is_done(service: FakeService) -> None:
    service.answers = [Answer(cut=True), Answer(404, {})]
    service.client().delete_dataset("cats")


@pytest.mark.parametrize("name", ["delete", "update"])
def test_if_match_is_sent(service: FakeService, name: str) -> None:
    service.answers = [Answer(200, DATASET)]
    if name == "delete":
        service.client().delete_dataset("cats", if_match="abc")
    else:
        service.client().update_dataset("cats", custom_properties={}, if_match="abc")
    assert service.received[0].headers["If-Match"] == "abc"


def test_lists_follow_their_pages_but_never_to_another_host(service: FakeService) -> None:
    def handle(request: Received) -> Answer:
        skip = int(request.query.get("skip", 0))
        following = f"http://attacker.example/computervision/models?skip={skip + 2}&top=2&api-version=x"
        items = [{**model(), "name": f"m{index}"} for index in range(skip, min(5, skip + 2))]
        return Answer(200, {"value": items, **({"nextLink": following} if skip + 2 < 5 else {})})

    service.handler = handle
    assert [found.name for found in service.client().list_models()] == ["m0", "m1", "m2", "m3", "m4"]
    assert [request.query.get("skip") for request in service.received] == [None, "2", "4"]


@pytest.mark.parametrize("name", ["a/b", "../models", "a?b", "ü"])
def test_a_name_stays_in_its_segment(service: FakeService, name: str) -> None:
    service.answers = [Answer(404, {})]
    with pytest.raises(NotFound):
        service.client().get_dataset(name)
    assert service.received[0].path.count("/") == 3


def test_waiting_reports_progress_until_the_end(service: FakeService) -> None:
    states = ["notStarted", "training", "training", "succeeded"]
    service.answers = [Answer(200, model(status)) for status in states]
    seen: list[str] = []
    done = service.client().wait_for_model("m", on_progress=lambda found: seen.append(found.status.value))
    assert done.status is ModelStatus.SUCCEEDED
    assert seen == states
    assert service.slept == sorted(service.slept)


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        ("failed", TrainingFailed, "model 'm': training failed: diverged: too little data"),
        ("cancelled", TrainingCancelled, "model 'm': training cancelled: diverged: too little data"),
    ],
)
def test_a_training_that_ends_badly(service: FakeService, status: str, error: type[TrainingFailed], text: str) -> None:
    body = model(status, error={"code": "diverged", "message": "too little data"})
    service.answers = [Answer(200, body)] * 2
    with pytest.raises(error) as caught:
        service.client().wait_for_model("m")
    assert type(caught.value) is error
    assert str(caught.value) == text
    assert service.client().wait_for_model("m", raise_on_failure=False).status == status


def test_waiting_outlives_a_restart_of_the_service(service: FakeService) -> None:
    gone = [Answer(cut=True)] * 3 + [Answer(503, {})] * 3
    service.answers = [Answer(200, model("training")), *gone, Answer(200, model("succeeded"))]
    assert service.client().wait_for_model("m").status is ModelStatus.SUCCEEDED


def test_waiting_has_an_end(service: FakeService) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    service.handler = lambda _: Answer(200, model("training"))
    client = service.client(sleep=sleep, clock=lambda: now[0])
    with pytest.raises(WaitTimedOut, match=r"model 'm': not finished after 30 s\. It continues"):
        client.wait_for_model("m", timeout_seconds=30)
    assert 15 < now[0] <= 30


def test_waiting_for_a_service_that_never_returns_ends(service: FakeService) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    service.handler = lambda _: Answer(cut=True)
    with pytest.raises(Unreachable):
        service.client(sleep=sleep, clock=lambda: now[0]).wait_for_model("m")


def test_waiting_for_an_evaluation(service: FakeService) -> None:
    performance = {"accuracyTop1": 0.75, "tagPerformance": {"cat": {"accuracy": 1.0}}}
    service.answers = [Answer(200, evaluation("running")), Answer(200, evaluation("succeeded", modelPerformance=performance))]
    done = service.client().wait_for_evaluation("m", "e", timeout_seconds=60)
    assert done.status is EvaluationStatus.SUCCEEDED
    assert done.model_performance is not None
    assert done.model_performance.accuracy_top1 == 0.75


def test_an_evaluation_that_fails(service: FakeService) -> None:
    service.answers = [Answer(200, evaluation("failed", error={"code": "datasetEmpty", "message": "nothing"}))]
    with pytest.raises(EvaluationFailed, match="evaluation 'e' of model 'm': failed: datasetEmpty: nothing"):
        service.client().wait_for_evaluation("m", "e")


def test_waiting_for_a_run(service: FakeService) -> None:
    service.answers = [Answer(200, run("running")), Answer(200, run("succeeded", result=RESULT))]
    done = service.client().wait_for_run("live", "r", timeout_seconds=60)
    assert done.result == ProductRecognitionResult.model_validate(RESULT)
    service.answers = [Answer(200, run("failed", error={"code": "modelNotFound", "message": "gone"}))]
    with pytest.raises(RecognitionFailed, match="run 'r' of model 'm': failed: modelNotFound: gone"):
        service.client().wait_for_run("m", "r")


def test_waiting_for_a_batch_prediction_run_and_its_rows(service: FakeService) -> None:
    service.answers = [Answer(200, batch_run("running")), Answer(200, batch_run("succeeded"))]
    client = service.client()
    assert client.wait_for_batch_prediction("live", "r", timeout_seconds=60).progress.images == 2
    rows = [
        {"url": "https://x/a.jpg", "customModelResult": {"tagsResult": {"values": []}}, "modelVersion": "x",
         "metadata": {"width": 1, "height": 1}},
        {"url": "https://x/b.jpg", "error": {"code": "InvalidImageFormat", "message": "no"}},
    ]  # fmt: skip
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    service.answers = [Answer(200, lines)]
    assert [row.to_wire() for row in client.batch_prediction_rows("m", "r")] == rows
    service.answers = [Answer(200, batch_run("cancelled"))]
    with pytest.raises(BatchPredictionFailed, match="batch prediction run 'r' of model 'm': cancelled"):
        client.wait_for_batch_prediction("m", "r")


def test_a_broken_download_of_rows_goes_on_where_it_stopped(service: FakeService) -> None:
    lines = [json.dumps({"url": f"https://x/{number}.jpg", "error": {"code": "c", "message": "m"}}) for number in range(5000)]

    def answer(request: Received) -> Answer:
        body = "".join(f"{line}\n" for line in lines[int(request.query["skip"]) :]).encode()
        if len(service.received) > 1:
            return Answer(200, body)
        return Answer(200, body[:200_000], {"Content-Length": str(len(body)), "Connection": "close"})

    service.handler = answer
    assert [line.decode() for line in service.client().batch_prediction_lines("m", "r")] == lines
    first, second = (int(request.query["skip"]) for request in service.received)
    assert first == 0 < second < 5000


def test_an_image_of_a_shelf_is_sent_as_it_is_and_once(service: FakeService) -> None:
    service.answers = [Answer(201, run())]
    assert service.client().recognize_products("live", "r", b"picture").model_name == "m"
    assert service.received[0].body == b"picture"
    assert service.received[0].headers["Content-Type"] == "application/octet-stream"
    taken = Answer(409, {"error": {"code": "ProductRecognitionRunAlreadyExists", "message": "taken"}})
    service.answers = [Answer(503), taken]
    with pytest.raises(AlreadyExists) as caught:
        service.client().recognize_products("live", "r", b"picture")
    assert caught.value.retried


def test_runs_are_listed_to_the_last_page(service: FakeService) -> None:
    link = f"{service.url}/computervision/productrecognition/m/runs?skip=1&top=1"
    service.answers = [Answer(200, {"value": [run()], "nextLink": link}), Answer(200, {"value": [run("succeeded")]})]
    assert [found.status.value for found in service.client().list_runs("m")] == ["notStarted", "succeeded"]


def test_bytes_are_analyzed_as_they_are(service: FakeService) -> None:
    service.answers = [Answer(200, ANALYSIS)]
    result = service.client().analyze("live", b"\xff\xd8picture")
    request = service.received[0]
    assert request.body == b"\xff\xd8picture"
    assert request.headers["Content-Type"] == "application/octet-stream"
    assert request.query["model-name"] == "live"
    assert result.custom_model_result is not None
    assert result.custom_model_result.tags_result is not None
    assert result.custom_model_result.tags_result.values[0].name == "cat"


DATA = bytes(range(256)) * 20_000


@pytest.mark.parametrize("headers", [{}, {"x-ms-artifact-digest": hashlib.sha256(DATA).hexdigest()}])
def test_an_artifact_is_written_whole(service: FakeService, tmp_path: Path, headers: dict[str, str]) -> None:
    service.answers = [Answer(200, DATA, headers)]
    seen: list[tuple[int, int | None]] = []
    artifact = service.client().download_artifact("m", tmp_path / "m.onnx", lambda *progress: seen.append(progress))
    assert (tmp_path / "m.onnx").read_bytes() == DATA
    assert (artifact.digest, artifact.size_bytes) == (hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"x-ms-artifact-digest": "0" * 64}, "damaged on the way"),
        ({"Content-Length": str(len(DATA) + 5)}, "the connection broke"),
    ],
)
def test_a_damaged_artifact_leaves_the_old_one(
    service: FakeService, tmp_path: Path, headers: dict[str, str], error: str
) -> None:
    (tmp_path / "m.onnx").write_text("old")
    service.answers = [Answer(200, DATA, {**headers, "Connection": "close"})]
    with pytest.raises(VisionError, match=error):
        service.client(retry=RetryPolicy(attempts=1)).download_artifact("m", tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    assert (tmp_path / "m.onnx").read_text() == "old"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "c", "message": f"the key {KEY} is wrong"}},
        {"error": {"code": "c", "message": f"https://x/c?sv=1&sig={SIGNATURE}&se=2 is denied"}},
        {"error": {"code": "c", "message": "m", "innererror": {"code": "i", "message": f"sig={SIGNATURE}"}}},
    ],
)
def test_no_secret_is_in_an_error(service: FakeService, body: object) -> None:
    service.answers = [Answer(400, body)]
    with pytest.raises(BadRequest) as caught:
        service.client().register_dataset(
            "cats", annotation_kind=AnnotationKind.IMAGE_CLASSIFICATION, annotation_file_uris=URIS, authentication=SAS
        )
    for text in (str(caught.value), repr(caught.value), caught.value.message):
        assert KEY not in text
        assert SIGNATURE not in text


def test_no_secret_is_in_a_repr(service: FakeService) -> None:
    client = service.client()
    assert repr(client) == f"VisionClient('{service.url}')"
    assert SIGNATURE not in repr(SAS)


def test_a_redirect_does_not_get_the_key(service: FakeService) -> None:
    service.answers = [Answer(302, b"", {"Location": f"{service.url}/elsewhere"})]
    with pytest.raises(RequestError, match="302"):
        service.client().get_model("m")
    assert len(service.received) == 1


def test_an_answer_that_is_not_the_contracts(service: FakeService) -> None:
    service.answers = [Answer(200, b"<html>"), Answer(200, {"hello": 1})]
    for _ in range(2):
        with pytest.raises(Unreachable, match="Is the endpoint right"):
            service.client().get_model("m")


@dataclass
class Token:
    token: str
    expires_on: int


class Credential:
    def __init__(self, lifetime_seconds: int) -> None:
        self.scopes: list[tuple[str, ...]] = []
        self.lifetime_seconds = lifetime_seconds

    def get_token(self, *scopes: str) -> Token:
        self.scopes.append(scopes)
        return Token(f"token-{len(self.scopes)}", int(time.time()) + self.lifetime_seconds)


@pytest.mark.parametrize(("lifetime_seconds", "asked"), [(3600, 1), (60, 2)])
def test_an_entra_token_is_sent_and_renewed(service: FakeService, lifetime_seconds: int, asked: int) -> None:
    credential = Credential(lifetime_seconds)
    service.answers = [Answer(200, model())] * 2
    client = VisionClient(service.url, credential)
    client.get_model("m")
    client.get_model("m")
    assert credential.scopes == [("https://cognitiveservices.azure.com/.default",)] * asked
    assert service.received[-1].headers["Authorization"] == f"Bearer token-{asked}"
    assert "Ocp-Apim-Subscription-Key" not in service.received[-1].headers


@pytest.mark.parametrize("suffix", ["", "/", "/computervision", "/computervision/"])
def test_an_endpoint_in_any_usual_form(service: FakeService, suffix: str) -> None:
    service.answers = [Answer(200, model())]
    VisionClient(service.url + suffix, KEY).get_model("m")
    assert service.received[0].path == "/computervision/models/m"


@pytest.mark.parametrize(
    ("endpoint", "key"),
    [("", KEY), ("localhost:8080", KEY), ("ftp://x", KEY), (f"https://user:{KEY}@x", KEY), (f"https://x?key={KEY}", KEY),
     ("https://x", ""), ("https://x", "two\nlines")],
)  # fmt: skip
def test_an_endpoint_or_key_that_can_not_be_one(endpoint: str, key: str) -> None:
    with pytest.raises(VisionError) as caught:
        VisionClient(endpoint, key)
    assert KEY not in str(caught.value)


def test_a_key_in_any_alphabet_is_sent_as_it_is(service: FakeService) -> None:
    key = base64.b64encode(bytes(range(64))).decode()
    service.answers = [Answer(200, model())]
    VisionClient(service.url, key).get_model("m")
    assert service.received[0].headers["Ocp-Apim-Subscription-Key"] == key
