"""Every operation with every status of the contract's table of operations (section 1.2), and its traps."""

import errno
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api_world import World
from vision_customization.contract.models import ModelPerformance
from vision_customization.contract.wire import ErrorDetails

DATASET = {"annotationKind": "imageClassification", "annotationFileUris": ["https://acct.blob.core.windows.net/c/t.json"]}
MODEL = {"trainingParameters": {"trainingDatasetName": "cats", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"}}
CONTAINER = "https://acct.blob.core.windows.net/c"
EVALUATION = {"evaluationParameters": {"testDatasetName": "cats"}}
IMAGE = "https://acct.blob.core.windows.net/c/shelf.png"
PLANOGRAM = {
    "detectedProducts": {"imageMetadata": {"width": 60, "height": 80}, "products": [], "gaps": []},
    "planogram": {"width": 100.0, "height": 50.0, "products": [], "fixtures": [], "positions": []},
}

Prepare = Callable[[World], object]


def nothing(world: World) -> None: ...


def dataset(world: World) -> None:
    world.register("cats")


def model(world: World) -> None:
    world.create("m")


def trained(world: World) -> None:
    world.train("m")


def evaluation(world: World) -> None:
    world.train("m")
    world.call("PUT", "models/m/evaluations/e", json=EVALUATION)


def ended_evaluation(world: World) -> None:
    evaluation(world)
    world.store.evaluations.finish(world.jobs.evaluations[-1], ModelPerformance())


def shelf(world: World) -> None:
    world.train_detector("r")
    world.blobs.content = {IMAGE: world.shelf_image}


def run(world: World) -> None:
    shelf(world)
    world.call("PUT", "productrecognition/r/runs/1", json={"url": IMAGE})


def ended_run(world: World) -> None:
    run(world)
    world.store.runs.fail(world.jobs.recognitions[-1], ErrorDetails(code="c", message="m"))


def published(world: World) -> None:
    world.train("m")
    world.call("PUT", "publishedmodels/live", json={"modelName": "m"})


def stored(world: World) -> None:
    world.blobs.content = {CONTAINER: b"", f"{CONTAINER}/a.png": b"pixels"}


OPERATIONS: list[tuple[Prepare, str, str, Any, dict[str, str], int, str | None]] = [
    # register datasets
    (nothing, "PUT", "datasets/cats", DATASET, {}, 201, None),
    (nothing, "PUT", "datasets/cats", {}, {}, 400, "InvalidRequest"),
    (nothing, "PUT", "datasets/cats", {**DATASET, "annotationFileUris": ["t.json"]}, {}, 400, "DatasetInvalidAnnotationUri"),
    (nothing, "PUT", "datasets/-cats", DATASET, {}, 400, "InvalidRequest"),
    (nothing, "PUT", f"datasets/{'c' * 256}", DATASET, {}, 400, "InvalidRequest"),
    (dataset, "PUT", "datasets/cats", DATASET, {}, 409, "DatasetAlreadyExists"),
    # get datasets
    (dataset, "GET", "datasets/cats", None, {}, 200, None),
    (nothing, "GET", "datasets/c:ats", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "datasets/cats", None, {}, 404, "DatasetNotFound"),
    # list datasets
    (dataset, "GET", "datasets", None, {}, 200, None),
    (dataset, "GET", "datasets?skip=0&top=30", None, {}, 200, None),
    (dataset, "GET", "datasets?skip=2147483647", None, {}, 200, None),
    (nothing, "GET", "datasets?top=31", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "datasets?top=0", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "datasets?skip=-1", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "datasets?skip=2147483648", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "datasets?top=many", None, {}, 400, "InvalidRequest"),
    # update datasets
    (dataset, "PATCH", "datasets/cats", {"customProperties": {"a": "b"}}, {}, 200, None),
    (dataset, "PATCH", "datasets/cats", {}, {"If-Match": "*"}, 200, None),
    (dataset, "PATCH", "datasets/cats", [{"op": "replace"}], {}, 400, "InvalidRequest"),
    (dataset, "PATCH", "datasets/cats", {"annotationKind": "video"}, {}, 400, "InvalidRequest"),
    (dataset, "PATCH", "datasets/cats", {"annotationFileUris": ["ftp://h/t"]}, {}, 400, "DatasetInvalidAnnotationUri"),
    (nothing, "PATCH", "datasets/cats", {}, {}, 404, "DatasetNotFound"),
    (dataset, "PATCH", "datasets/cats", {}, {"If-Match": '"other"'}, 412, "PreconditionFailed"),
    # unregister datasets
    (dataset, "DELETE", "datasets/cats", None, {}, 204, None),
    (nothing, "DELETE", "datasets/_", None, {}, 400, "InvalidRequest"),
    (nothing, "DELETE", "datasets/cats", None, {}, 404, "DatasetNotFound"),
    (dataset, "DELETE", "datasets/cats", None, {"If-Match": "other"}, 412, "PreconditionFailed"),
    # create models
    (nothing, "PUT", "models/m", MODEL, {}, 201, None),
    (nothing, "PUT", "models/m", {}, {}, 400, "InvalidRequest"),
    (nothing, "PUT", "models/m", {"trainingParameters": {}}, {}, 400, "InvalidRequest"),
    (model, "PUT", "models/m", MODEL, {}, 409, "ModelAlreadyExists"),
    (published, "PUT", "models/live", MODEL, {}, 409, "ModelAlreadyExists"),
    # get, list models
    (model, "GET", "models/m", None, {}, 200, None),
    (nothing, "GET", "models/:m", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "models/m", None, {}, 404, "ModelNotFound"),
    (model, "GET", "models", None, {}, 200, None),
    (nothing, "GET", "models?top=31", None, {}, 400, "InvalidRequest"),
    # cancel models
    (model, "POST", "models/m:cancel", None, {}, 202, None),
    (trained, "POST", "models/m:cancel", None, {}, 400, "InvalidRequest"),
    (nothing, "POST", "models/m:cancel", None, {}, 404, "ModelNotFound"),
    # delete models
    (trained, "DELETE", "models/m", None, {}, 204, None),
    (model, "DELETE", "models/m", None, {}, 400, "InvalidRequest"),
    (nothing, "DELETE", "models/m", None, {}, 404, "ModelNotFound"),
    # the owner of a model, an extension
    (model, "PUT", "models/m/owner", {"managedBy": "pulumi:p/s"}, {}, 200, None),
    (model, "PUT", "models/m/owner", {}, {}, 400, "InvalidRequest"),
    (model, "PUT", "models/m/owner", {"managedBy": "jane"}, {}, 400, "InvalidRequest"),
    (nothing, "PUT", "models/m/owner", {"managedBy": "pulumi:p/s"}, {}, 404, "ModelNotFound"),
    (model, "PUT", "models/m/owner", {"managedBy": "pulumi:p/s", "pad": "p" * 1_048_576}, {}, 413, "InvalidRequest"),
    (model, "DELETE", "models/m/owner", None, {}, 204, None),
    (nothing, "DELETE", "models/m/owner", None, {}, 404, "ModelNotFound"),
    (model, "GET", "models/m/owner", None, {}, 405, "InvalidRequest"),
    # create evaluations
    (trained, "PUT", "models/m/evaluations/e", EVALUATION, {}, 201, None),
    (trained, "PUT", "models/m/evaluations/e", {}, {}, 400, "InvalidRequest"),
    (model, "PUT", "models/m/evaluations/e", EVALUATION, {}, 400, "InvalidRequest"),
    (nothing, "PUT", "models/m/evaluations/e", EVALUATION, {}, 404, "ModelNotFound"),
    (evaluation, "PUT", "models/m/evaluations/e", EVALUATION, {}, 409, "ModelEvaluationAlreadyExists"),
    # get, list evaluations
    (evaluation, "GET", "models/m/evaluations/e", None, {}, 200, None),
    (trained, "GET", "models/m/evaluations/-", None, {}, 400, "InvalidRequest"),
    (trained, "GET", "models/m/evaluations/e", None, {}, 404, "ModelEvaluationNotFound"),
    (nothing, "GET", "models/m/evaluations/e", None, {}, 404, "ModelNotFound"),
    (evaluation, "GET", "models/m/evaluations", None, {}, 200, None),
    (trained, "GET", "models/m/evaluations?top=-1", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "models/m/evaluations", None, {}, 404, "ModelNotFound"),
    # delete evaluations
    (ended_evaluation, "DELETE", "models/m/evaluations/e", None, {}, 204, None),
    (evaluation, "DELETE", "models/m/evaluations/e", None, {}, 400, "InvalidRequest"),
    (trained, "DELETE", "models/m/evaluations/e", None, {}, 404, "ModelEvaluationNotFound"),
    # published models, an extension
    (trained, "PUT", "publishedmodels/live", {"modelName": "m"}, {}, 201, None),
    (published, "PUT", "publishedmodels/live", {"modelName": "m"}, {}, 200, None),
    (model, "PUT", "publishedmodels/live", {"modelName": "m"}, {}, 400, "InvalidRequest"),
    (nothing, "PUT", "publishedmodels/live", {"modelName": "m"}, {}, 404, "ModelNotFound"),
    (trained, "PUT", "publishedmodels/m", {"modelName": "m"}, {}, 409, "ModelAlreadyExists"),
    (published, "GET", "publishedmodels/live", None, {}, 200, None),
    (nothing, "GET", "publishedmodels/live", None, {}, 404, "PublishedModelNotFound"),
    (published, "GET", "publishedmodels", None, {}, 200, None),
    (trained, "PUT", "publishedmodels/live", {"modelName": "m", "require": {"accuracyTop1": 0.9}}, {}, 400, "GateMissed"),
    (published, "GET", "publishedmodels/live/history", None, {}, 200, None),
    (published, "GET", "publishedmodels/live/history?top=31", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "publishedmodels/live/history", None, {}, 404, "PublishedModelNotFound"),
    (published, "DELETE", "publishedmodels/live", None, {}, 204, None),
    (nothing, "DELETE", "publishedmodels/live", None, {}, 404, "PublishedModelNotFound"),
    # artifacts, an extension
    (trained, "GET", "models/m/artifact", None, {}, 200, None),
    (model, "GET", "models/m/artifact", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "models/m/artifact", None, {}, 404, "ModelNotFound"),
    (trained, "GET", "models/m/artifact:metadata", None, {}, 200, None),
    (model, "GET", "models/m/artifact:metadata", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "models/m/artifact:metadata", None, {}, 404, "ModelNotFound"),
    # storage, an extension
    (stored, "POST", "storage:check", {"url": f"{CONTAINER}/a.png"}, {}, 200, None),
    (stored, "POST", "storage:check", {"URL": CONTAINER}, {}, 200, None),
    (nothing, "POST", "storage:check", {"url": "https://elsewhere/c"}, {}, 400, "InvalidRequest"),
    (nothing, "POST", "storage:check", {}, {}, 400, "InvalidRequest"),
    (nothing, "POST", "storage:check", {"url": "https://elsewhere/" + "c" * 1_048_576}, {}, 413, "InvalidRequest"),
    (nothing, "GET", "storage:check", None, {}, 405, "InvalidRequest"),
    # the speed of trainings, an extension
    (nothing, "GET", "training:speed", None, {}, 200, None),
    (nothing, "POST", "training:speed", None, {}, 405, "InvalidRequest"),
    # create product recognition runs
    (shelf, "PUT", "productrecognition/r/runs/1", {"url": IMAGE}, {}, 201, None),
    (shelf, "PUT", "productrecognition/r/runs/1", {}, {}, 400, "InvalidRequest"),
    (shelf, "PUT", "productrecognition/r/runs/-1", {"url": IMAGE}, {}, 400, "InvalidRequest"),
    (shelf, "PUT", "productrecognition/r/runs/1", {"url": "https://elsewhere/a.png"}, {}, 400, "InvalidRequest"),
    (trained, "PUT", "productrecognition/m/runs/1", {"url": IMAGE}, {}, 400, "InvalidRequest"),
    (model, "PUT", "productrecognition/m/runs/1", {"url": IMAGE}, {}, 400, "InvalidRequest"),
    (nothing, "PUT", "productrecognition/m/runs/1", {"url": IMAGE}, {}, 404, "ModelNotFound"),
    (run, "PUT", "productrecognition/r/runs/1", {"url": IMAGE}, {}, 409, "ProductRecognitionRunAlreadyExists"),
    # get, list product recognition runs
    (run, "GET", "productrecognition/r/runs/1", None, {}, 200, None),
    (run, "GET", "productrecognition/r/runs/_", None, {}, 400, "InvalidRequest"),
    (shelf, "GET", "productrecognition/r/runs/1", None, {}, 404, "ProductRecognitionRunNotFound"),
    (nothing, "GET", "productrecognition/r/runs/1", None, {}, 404, "ModelNotFound"),
    (run, "GET", "productrecognition/r/runs", None, {}, 200, None),
    (run, "GET", "productrecognition/r/runs?top=31", None, {}, 400, "InvalidRequest"),
    (nothing, "GET", "productrecognition/r/runs", None, {}, 404, "ModelNotFound"),
    # delete product recognition runs
    (ended_run, "DELETE", "productrecognition/r/runs/1", None, {}, 204, None),
    (run, "DELETE", "productrecognition/r/runs/1", None, {}, 400, "InvalidRequest"),
    (shelf, "DELETE", "productrecognition/r/runs/1", None, {}, 404, "ProductRecognitionRunNotFound"),
    # match planograms
    (nothing, "POST", "planogramcompliance:match", PLANOGRAM, {}, 200, None),
    (nothing, "POST", "planogramcompliance:match", {"planogram": PLANOGRAM["planogram"]}, {}, 400, "InvalidRequest"),
    (nothing, "POST", "planogramcompliance:match", {**PLANOGRAM, "pad": "p" * 1_048_576}, {}, 413, "InvalidRequest"),
    (nothing, "GET", "planogramcompliance:match", None, {}, 405, "InvalidRequest"),
    # what is not an operation
    (nothing, "GET", "productrecognition/m", None, {}, 404, "404"),
    (nothing, "GET", "", None, {}, 404, "404"),
    (nothing, "DELETE", "datasets", None, {}, 405, "InvalidRequest"),
    (nothing, "PATCH", "models/m", {}, {}, 405, "InvalidRequest"),
]


@pytest.mark.parametrize(("prepare", "method", "path", "body", "headers", "status", "code"), OPERATIONS)
@pytest.mark.parametrize("version", ["2023-02-01-preview", "2023-04-01-preview"])
def test_operation(
    world: World,
    version: str,
    prepare: Prepare,
    method: str,
    path: str,
    body: object,
    headers: dict[str, str],
    status: int,
    code: str | None,
) -> None:
    prepare(world)
    arguments: dict[str, Any] = {} if body is None else {"json": body}
    reply = world.call(method, path, version=version, headers=headers, **arguments)
    assert reply.status_code == status, reply.text
    assert len(reply.headers["apim-request-id"]) == 36
    assert "operation-location" not in reply.headers
    if code is None:
        assert "x-ms-error-code" not in reply.headers
        if status == 204:
            assert reply.content == b""
        return
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert reply.headers["x-ms-error-code"] == code
    error = reply.json()["error"]
    assert reply.json().keys() == {"error"}
    assert error.keys() <= {"code", "message", "target", "details", "innererror"}
    assert error["code"] == code
    assert len(error["message"]) > 10


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "datasets/d"),
        ("GET", "datasets/d"),
        ("GET", "datasets"),
        ("PATCH", "datasets/d"),
        ("DELETE", "datasets/d"),
        ("PUT", "models/m"),
        ("GET", "models/m"),
        ("GET", "models"),
        ("POST", "models/m:cancel"),
        ("DELETE", "models/m"),
        ("PUT", "models/m/evaluations/e"),
        ("GET", "models/m/evaluations/e"),
        ("GET", "models/m/evaluations"),
        ("DELETE", "models/m/evaluations/e"),
        ("POST", "imageanalysis:analyze"),
        ("PUT", "publishedmodels/p"),
        ("GET", "publishedmodels"),
        ("GET", "models/m/artifact"),
        ("POST", "storage:check"),
        ("GET", "training:speed"),
        ("PUT", "productrecognition/r/runs/1"),
        ("GET", "productrecognition/r/runs/1"),
        ("GET", "productrecognition/r/runs"),
        ("DELETE", "productrecognition/r/runs/1"),
        ("POST", "planogramcompliance:match"),
    ],
)
def test_every_operation_needs_a_key_and_a_version(world: World, method: str, path: str) -> None:
    world.train()
    body: dict[str, Any] = {"json": {}} if method in ("PUT", "PATCH") else {}
    for key in (None, "", "wrong", "first-key-of-this-engin"):
        reply = world.call(method, path, key=key, **body)
        assert (reply.status_code, reply.headers["x-ms-error-code"], reply.json()["error"]["code"]) == (401, "401", "401")
        assert reply.headers["www-authenticate"] == (
            'AzureApiManagementKey realm="http://engine.test:8080/computervision",'
            'name="Ocp-Apim-Subscription-Key",type="header"'
        )
    for version in (None, "", "2099-01-01", "2023-04-01"):
        reply = world.call(method, path, version=version, **body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "InvalidRequest")
    if method in ("GET", "DELETE"):
        error = world.call(method, path, version=None).json()["error"]
        assert error == {
            "code": "InvalidRequest",
            "message": "api-version: the query must have it, for example api-version=2023-04-01-preview",
            "target": "api-version",
        }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "datasets", "GET"),
        ("POST", "datasets/cats", "DELETE, GET, PATCH, PUT"),
        ("PATCH", "models/m", "DELETE, GET, PUT"),
        ("OPTIONS", "models/m/evaluations/e", "DELETE, GET, PUT"),
        ("GET", "imageanalysis:analyze", "POST"),
        ("HEAD", "models", "GET"),
        ("DELETE", "models/m:cancel", "POST"),
        ("PUT", "models/m/artifact:metadata", "GET"),
    ],
)
def test_another_method_is_told_those_there_are(world: World, method: str, path: str, allowed: str) -> None:
    reply = world.call(method, path)
    assert (reply.status_code, reply.headers["allow"]) == (405, allowed)


def test_repeated_slashes_are_one(world: World) -> None:
    world.train()
    assert world.call("PUT", "/computervision//models/m///evaluations/e", json=EVALUATION).status_code == 201
    assert world.call("GET", "http://engine.test:8080//computervision//datasets").status_code == 200
    assert world.call("GET", "http://engine.test:8080//computervision//datasets", key=None).status_code == 401


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{'AnnotationKind':'ImageClassification','AnnotationFileUris':['https://h/c/t.json']}", None),
        (b"{'annotationKind': 'imageClassification', 'annotationFileUris': ['https://h/c/t.json', ], }", "application/json"),
        (
            b'{"AnnotationKind":"imageClassification","AnnotationFileUris":["https://h/c/t.json"]}',
            "application/json-patch+json",
        ),
        (b'\xef\xbb\xbf{"ANNOTATIONKIND":"IMAGECLASSIFICATION","annotationfileuris":["https://h/c/t.json"]}', None),
        (
            b'{"annotation_kind":"imageClassification","annotationFileUris":["https://h/c/t.json"]}',
            "application/json; charset=utf-8",
        ),
    ],
)
def test_bodies_as_clients_and_documents_have_them(world: World, body: bytes, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    reply = world.call("PUT", "datasets/cats", content=body, headers=headers)
    assert reply.status_code == 201, reply.text
    assert reply.json()["annotationFileUris"] == ["https://h/c/t.json"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "The body is empty"),
        (b"  \n", "The body is empty"),
        (b"[1]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"a":', "not JSON"),
        (b"{'a': 'b}", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"n": ' + b"1" * 5000 + b"}", "not JSON"),
        (b'{"customProperties": {"a": "\\ud800"}}', "a NUL character or an unpaired surrogate"),
        (b'{"customProperties": {"a\\u0000": "b"}}', "a NUL character or an unpaired surrogate"),
        (b'{"annotationKind": NaN}', "annotationKind"),
    ],
)
def test_bodies_that_are_refused(world: World, body: bytes, expected: str) -> None:
    reply = world.call("PUT", "datasets/cats", content=body)
    assert reply.status_code == 400
    assert expected in reply.json()["error"]["message"]


def test_a_body_of_another_type_or_too_long(world: World) -> None:
    reply = world.call("PUT", "datasets/cats", content=b"<a/>", headers={"Content-Type": "text/xml"})
    assert (reply.status_code, reply.json()["error"]["target"]) == (400, "Content-Type")
    reply = world.call("PUT", "datasets/cats", content=b"{" + b" " * 1024 * 1024 + b"}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "InvalidRequest")


def test_several_faults_are_said_at_once(world: World) -> None:
    body = {"trainingParameters": {"trainingDatasetName": "-", "timeBudgetInHours": 0, "modelKind": "Nonsense"}}
    error = world.call("PUT", "models/m", json=body).json()["error"]
    assert [detail["target"] for detail in error["details"]] == [
        "trainingParameters.trainingDatasetName",
        "trainingParameters.timeBudgetInHours",
        "trainingParameters.modelKind",
    ]
    assert "(and 2 more: see details)" in error["message"]
    assert "'Generic-Classifier'" in error["details"][2]["message"]


def test_a_full_disk_is_told_as_what_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(world.jobs, "enqueue_training", refuse)
    reply = world.create("m")
    assert (reply.status_code, reply.headers["x-ms-error-code"]) == (507, "InternalServerError")
    assert "The disk of the data folder" in reply.json()["error"]["message"]


def test_a_failure_inside_says_only_where_to_look(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.jobs.broken = True
    reply = world.create("m")
    assert (reply.status_code, reply.headers["x-ms-error-code"]) == (500, "InternalServerError")
    assert reply.headers["apim-request-id"] in reply.json()["error"]["message"]
    assert "Secret" not in reply.text
    assert "request failed" in caplog.text
    world.jobs.broken = False
    assert world.create("m").status_code == 201, "a model that nobody would train is not left behind"
    world.train("n")
    world.jobs.broken = True
    assert world.call("PUT", "models/n/evaluations/e", json=EVALUATION).status_code == 500
    assert world.call("GET", "models/n/evaluations/e").status_code == 404
