"""Custom Vision's prediction calls: the published SDK gets answers from our models."""

import io
import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException
from msrest.authentication import ApiKeyCredentials

from tests.support.api_world import KEYS, BuildWorld, Picture, World
from tests.support.waiting import wait_until
from vision_customization.contract.enums import ModelKind
from vision_customization.engine.models.answers import Classification, TagProbability
from vision_customization.engine.runtime.listening import listening
from vision_customization.engine.settings import Settings

PROJECT = "9f0d8a2e-2f2b-4a53-9b0f-0d6a8f5ad0ac"
ROOT = "/customvision/v3.0/Prediction"
URL = "https://acct.blob.core.windows.net/c/a.png?sig=Hidden"


@pytest.fixture
def front(build_world: BuildWorld, tmp_path: Path) -> World:
    world = build_world(Settings.from_environment({}, data_dir=tmp_path, keys=KEYS, custom_vision=True))
    world.train("leaves")
    world.train_detector("apples", ModelKind.GENERIC_DETECTOR)
    return world


@pytest.fixture
def sdk(front: World) -> Iterator[Any]:
    with listening("127.0.0.1", 0) as listener:
        running = uvicorn.Server(uvicorn.Config(front.call.app, log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_until(lambda: running.started, "the API listens", 10)
        credentials = ApiKeyCredentials(in_headers={"Prediction-key": KEYS[1]})
        with CustomVisionPredictionClient(f"http://127.0.0.1:{listener.getsockname()[1]}", credentials) as client:
            yield client
        running.should_exit = True
        thread.join()


def test_the_published_sdk_classifies(front: World, sdk: Any, picture: Picture) -> None:  # noqa: ANN401
    front.blobs.content[URL] = picture()
    answers = [
        sdk.classify_image(PROJECT, "leaves", io.BytesIO(picture("JPEG"))),
        sdk.classify_image_with_no_store(PROJECT, "leaves", picture("JPEG"), application="shop"),
        sdk.classify_image_url(PROJECT, "leaves", URL),
        sdk.classify_image_url_with_no_store(PROJECT, "leaves", URL),
    ]
    for answer in answers:
        assert (answer.project, answer.iteration) == (PROJECT, front.store.models.find("leaves").id)
        assert answer.created.tzinfo is not None
        found = [(one.tag_name, one.probability, one.tag_type, one.bounding_box) for one in answer.predictions]
        assert found == [("dög", 0.625, "Regular", None), ("cow", 0.25, "Regular", None), ("cat", 0.125, "Regular", None)]
    assert len({answer.id for answer in answers}) == 4
    ids = [tuple(uuid.UUID(one.tag_id) for one in answer.predictions) for answer in answers]
    assert len(set(ids)) == 1
    assert len(set(ids[0])) == 3


def test_the_published_sdk_detects(front: World, sdk: Any, picture: Picture) -> None:  # noqa: ANN401
    front.blobs.content[URL] = picture(size=(60, 80))
    for answer in (sdk.detect_image(PROJECT, "apples", picture(size=(60, 80))), sdk.detect_image_url(PROJECT, "apples", URL)):
        (one,) = answer.predictions
        box = one.bounding_box
        assert (one.tag_name, one.probability) == ("dög", 0.625)
        assert (box.left, box.top, box.width, box.height) == pytest.approx((1 / 60, 2 / 80, 0.5, 0.5))


def test_the_published_sdk_is_refused_in_its_own_shape(front: World, sdk: Any, picture: Picture) -> None:  # noqa: ANN401
    with pytest.raises(CustomVisionErrorException) as refused:
        sdk.classify_image(PROJECT, "unknown", picture())
    assert refused.value.response.status_code == 404
    assert refused.value.error.code == "NotFoundIteration"
    assert "there is no model and no published model 'unknown'" in refused.value.error.message


def post(world: World, path: str, **arguments: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
    headers = {"Prediction-Key": KEYS[0], **arguments.pop("headers", {})}
    reply = world.call("POST", f"{ROOT}{path}", version=None, key=None, headers=headers, **arguments)
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert reply.headers["apim-request-id"]
    return reply.status_code, reply.json()


@pytest.mark.parametrize(
    ("path", "arguments", "status", "code", "expected"),
    [
        ("/p/classify/iterations/leaves/image", {"content": b""}, 400, "BadRequest", "empty"),
        ("/p/classify/iterations/leaves/image", {"content": b"text"}, 400, "BadRequestImageFormat", "cannot be read"),
        ("/p/classify/iterations/leaves/url", {"json": {"Url": "https://x/a"}}, 400, "BadRequestImageUrl", "allowed host"),
        ("/p/classify/iterations/leaves/url", {"json": {}}, 400, "BadRequestImageUrl", "url"),
        ("/p/classify/iterations/early/image", {"content": b"x"}, 400, "BadRequest", "is 'notStarted'"),
        ("/p/classify/iterations/none/image", {"content": b"x"}, 404, "NotFoundIteration", "no published model 'none'"),
        ("/p/classify/iterations/leaves", {"content": b"x"}, 404, "NotFound", "Expected /customvision/v3.0/Prediction/"),
        ("/p/segment/iterations/leaves/image", {"content": b"x"}, 404, "NotFound", "Resource not found"),
        ("/p/classify/iterations/leaves/image", {"headers": {"Prediction-Key": "wrong"}}, 401, "Unauthorized", "not a key"),
    ],
)
def test_refusals(front: World, path: str, arguments: dict[str, Any], status: int, code: str, expected: str) -> None:
    front.create("early")
    told = post(front, path, **arguments)
    assert (told[0], told[1].keys(), told[1]["code"]) == (status, {"code", "message"}, code)
    assert expected in told[1]["message"]


def test_a_model_for_the_other_task_is_refused(front: World, picture: Picture) -> None:
    for task, name, other in (("detect", "leaves", "classify"), ("classify", "apples", "detect")):
        status, body = post(front, f"/p/{task}/iterations/{name}/image", content=picture())
        assert (status, body["code"]) == (400, "BadRequest")
        assert f"call /{other}/iterations/{name}" in body["message"]


@pytest.mark.parametrize(
    "path",
    [
        f"/customvision/v3.0/Prediction/{PROJECT}/classify/iterations/leaves/image",
        f"/customvision/v3.1/prediction/{PROJECT}/Classify/Iterations/leaves/image/nostore",
        f"/customvision/v3.4-preview/PREDICTION/{PROJECT}/classify/iterations/live/image/",
    ],
)
@pytest.mark.parametrize("key_header", ["Prediction-Key", "Ocp-Apim-Subscription-Key"])
def test_paths_and_keys_of_clients_of_several_years(front: World, picture: Picture, path: str, key_header: str) -> None:
    front.call("PUT", "publishedmodels/live", json={"modelName": "leaves"})
    reply = front.call("POST", path, version=None, key=None, headers={key_header: KEYS[0]}, content=picture())
    assert reply.status_code == 200, reply.text
    assert reply.json()["predictions"][0]["tagName"] == "dög"


def test_other_methods_and_failures_of_the_engine(front: World, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{ROOT}/p/classify/iterations/leaves/image"
    reply = front.call("GET", path, version=None, headers={"Prediction-Key": KEYS[0]})
    assert (reply.status_code, reply.headers["allow"], reply.json()["code"]) == (405, "POST", "BadRequest")

    def fail(*_: object) -> None:
        raise RuntimeError("sig=Hidden")

    monkeypatch.setattr(front.models, "classify", fail)
    status, body = post(front, "/p/classify/iterations/leaves/image", content=picture())
    assert (status, body["code"]) == (500, "ErrorUnknown")
    assert "Hidden" not in json.dumps(body)


def test_calls_are_counted_under_one_route(front: World, picture: Picture) -> None:
    post(front, "/p/classify/iterations/leaves/image", content=picture())
    text = front.call("GET", "/metrics", version=None).text
    assert 'route="/customvision/v3.0/Prediction/{project}/{task}/iterations/{name}"' in text


def test_the_negative_tag_is_one_by_its_name(front: World, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Classification([TagProbability("Negative", 0.75), TagProbability("cat", 0.25)])
    monkeypatch.setattr(front.models, "classify", lambda *_, **__: found)
    _, body = post(front, "/p/classify/iterations/leaves/image", content=picture())
    assert [(one["tagName"], one["tagType"]) for one in body["predictions"]] == [("Negative", "Negative"), ("cat", "Regular")]


def test_it_is_off_by_default(world: World, picture: Picture) -> None:
    world.train("leaves")
    reply = world.call("POST", f"{ROOT}/p/classify/iterations/leaves/image", headers={"Prediction-Key": KEYS[0]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "404")
