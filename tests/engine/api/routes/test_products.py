"""Product recognition runs, from the image that is sent to what is told of them; and planograms."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api_world import Picture, World
from vision_customization.contract.analysis import BoundingBox, DetectedObject, ImageMetadata, Tag
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.products import ProductRecognitionResult
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.jobs.names import recognition_job
from vision_customization.engine.objects.keys import image_key

RUN = "productrecognition/r/runs/1"
URL = "https://acct.blob.core.windows.net/c/shelf.png?sig=Secret"
RESULT = ProductRecognitionResult(
    image_metadata=ImageMetadata(width=60, height=80),
    products=[
        DetectedObject(
            id="1",
            bounding_box=BoundingBox(x=1, y=2, w=3, h=4),
            tags=[Tag(name="cöla", confidence=0.5), Tag(name="tea", confidence=0.25)],
        )
    ],
)


@pytest.fixture
def shelf(world: World) -> World:
    world.train_detector("r")
    return world


def test_a_run_from_the_image_to_its_result(shelf: World, picture: Picture) -> None:
    created = shelf.call("PUT", RUN, content=picture("JPEG"), headers={"Content-Type": "image/jpeg"})
    assert created.status_code == 201
    body = created.json()
    assert body.keys() == {"runName", "modelName", "createdDateTime", "updatedDateTime", "status"}
    assert (body["runName"], body["modelName"], body["status"]) == ("1", "r", "notStarted")
    (run_id,) = shelf.jobs.recognitions
    assert shelf.objects.get(image_key(recognition_job(run_id))) == picture("JPEG")
    shelf.store.runs.begin(run_id)
    assert shelf.call("GET", RUN).json()["status"] == "running"
    shelf.store.runs.finish(run_id, RESULT)
    ended = shelf.call("GET", RUN).json()
    assert (ended["status"], ended["result"]) == (
        "succeeded",
        {
            "imageMetadata": {"width": 60, "height": 80},
            "products": [
                {
                    "id": "1",
                    "boundingBox": {"x": 1, "y": 2, "w": 3, "h": 4},
                    "tags": [{"name": "cöla", "confidence": 0.5}, {"name": "tea", "confidence": 0.25}],
                }
            ],
            "gaps": [],
        },
    )


def test_a_run_that_failed_says_why_with_the_four_keys(shelf: World, picture: Picture) -> None:
    shelf.call("PUT", RUN, content=picture())
    shelf.store.runs.fail(shelf.jobs.recognitions[-1], ErrorDetails(code="modelNotFound", message="gone"))
    body = shelf.call("GET", RUN).json()
    assert (body["status"], body["error"]) == ("failed", {"code": "modelNotFound", "message": "gone"})
    assert "result" not in body


def test_an_image_by_its_url(shelf: World, picture: Picture) -> None:
    shelf.blobs.content[URL] = picture()
    assert shelf.call("PUT", RUN, json={"URL": URL}).status_code == 201
    assert shelf.objects.get(image_key(recognition_job(shelf.jobs.recognitions[-1]))) == picture()


def test_a_form(shelf: World, picture: Picture) -> None:
    assert shelf.call("PUT", RUN, files={"image": ("a.png", picture(), "image/png")}).status_code == 201


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"content": b""}, "The image is empty"),
        ({"content": b"no image"}, "The image cannot be read"),
        ({"content": b"<a/>", "headers": {"Content-Type": "text/xml"}}, "content type is not supported"),
        ({"json": {"url": "https://elsewhere/a.png"}}, "could not be read from its URL"),
        ({"content": lambda picture: picture(size=(49, 80))}, "each side must be 50"),
    ],
)
def test_what_is_no_image_is_refused_at_once(shelf: World, picture: Picture, arguments: dict[str, Any], says: str) -> None:
    arguments = {key: value(picture) if isinstance(value, Callable) else value for key, value in arguments.items()}  # type: ignore[arg-type]
    reply = shelf.call("PUT", RUN, **arguments)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "InvalidRequest")
    assert says in reply.json()["error"]["message"]
    assert shelf.call("GET", RUN).status_code == 404
    assert shelf.objects.names("jobs") == []


def test_a_name_is_used_once_and_again_after_its_run_was_deleted(shelf: World, picture: Picture) -> None:
    assert shelf.call("PUT", RUN, content=picture()).status_code == 201
    assert shelf.call("PUT", RUN, content=picture()).status_code == 409
    assert len(shelf.jobs.recognitions) == 1
    assert shelf.call("DELETE", RUN).status_code == 400
    shelf.store.runs.finish(shelf.jobs.recognitions[-1], RESULT)
    assert shelf.call("DELETE", RUN).status_code == 204
    assert shelf.call("PUT", RUN, content=picture()).status_code == 201


def test_runs_are_listed_page_by_page(shelf: World, picture: Picture) -> None:
    for name in "abc":
        shelf.call("PUT", f"productrecognition/r/runs/{name}", content=picture())
    page = shelf.call("GET", "productrecognition/r/runs?top=2").json()
    assert [run["runName"] for run in page["value"]] == ["a", "b"]
    following = shelf.call("GET", page["nextLink"], version=None).json()
    assert [run["runName"] for run in following["value"]] == ["c"]
    assert "nextLink" not in following


def test_a_published_name_is_as_good_and_a_detector_too(world: World, picture: Picture) -> None:
    world.train_detector("r", ModelKind.GENERIC_DETECTOR)
    world.call("PUT", "publishedmodels/live", json={"modelName": "r"})
    body = world.call("PUT", "productrecognition/live/runs/1", content=picture()).json()
    assert body["modelName"] == "r"
    assert world.call("GET", RUN).json() == world.call("GET", "productrecognition/live/runs/1").json() == body


def test_a_classifier_is_refused_before_its_image_is_read(world: World) -> None:
    world.train("m")
    world.blobs.before_reply = lambda: pytest.fail("it was read")
    error = world.call("PUT", "productrecognition/m/runs/1", json={"url": URL}).json()["error"]
    assert error["message"] == (
        "The model 'm' is 'Generic-Classifier': only a Product-Recognizer or Generic-Detector recognizes products."
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "ms-pretrained-product-detection/runs/1"),
        ("GET", "ms-pretrained-product-detection/runs/1"),
        ("GET", "ms-pretrained-product-detection/runs"),
        ("DELETE", "ms-pretrained-product-detection/runs/1"),
    ],
)
def test_the_prebuilt_model_is_not_offered(shelf: World, picture: Picture, method: str, path: str) -> None:
    arguments = {"content": picture()} if method == "PUT" else {}
    reply = shelf.call(method, f"productrecognition/{path}", **arguments)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "ModelNotFound")
    message = reply.json()["error"]["message"]
    assert "exists only in the hosted service" in message
    assert "Train a model of kind Product-Recognizer" in message


def test_the_prebuilt_models_name_may_be_published(shelf: World, picture: Picture) -> None:
    shelf.call("PUT", "publishedmodels/ms-pretrained-product-detection", json={"modelName": "r"})
    reply = shelf.call("PUT", "productrecognition/ms-pretrained-product-detection/runs/1", content=picture())
    assert (reply.status_code, reply.json()["modelName"]) == (201, "r")


def test_a_run_that_nobody_would_take_is_not_left_behind(shelf: World, picture: Picture) -> None:
    shelf.jobs.broken = True
    assert shelf.call("PUT", RUN, content=picture()).status_code == 500
    assert shelf.call("GET", RUN).status_code == 404
    assert all(shelf.objects.names(f"jobs/{job}") == [] for job in shelf.objects.names("jobs"))


def test_a_full_room_is_said(shelf: World, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision_customization.engine.api.routes.products.WAITING_MAX", 0)
    reply = shelf.call("PUT", RUN, content=picture())
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")


def test_runs_go_with_their_model_and_are_counted(shelf: World, picture: Picture) -> None:
    shelf.call("PUT", RUN, content=picture())
    metrics = shelf.call("GET", "/metrics", version=None).text
    assert 'vision_engine_product_recognition_runs{status="notStarted"} 1.0' in metrics
    assert "vision_engine_queue_length 1.0" in metrics
    assert shelf.call("DELETE", "models/r").status_code == 204
    assert shelf.call("GET", RUN).json()["error"]["code"] == "ModelNotFound"


DETECTED = {
    "imageMetadata": {"width": 1000, "height": 500},
    "products": [
        {"id": "7", "boundingBox": {"x": 100, "y": 50, "w": 60, "h": 200}, "tags": [{"name": "cola", "confidence": 0.9}]},
        {"id": "8", "boundingBox": {"x": 300, "y": 50, "w": 60, "h": 200}, "tags": [{"name": "tea", "confidence": 0.9}]},
    ],
}


def planogram(**changes: object) -> dict[str, Any]:
    """As the published client has it, in Pascal case."""
    position = {"Id": "p1", "ProductId": "1", "FixtureId": "f", "X": 10.0, "Y": 5.0}
    return {
        "Width": 100.0,
        "Height": 50.0,
        "Products": [{"Id": "1", "Name": "cola", "W": 6, "H": 20}],
        "Fixtures": [{"Id": "f", "W": 100, "H": 2, "X": 0, "Y": 25}],
        "Positions": [position, {**position, "Id": "p2", "X": 50.0}],
        **changes,
    }


def test_a_planogram(world: World) -> None:
    body = {"detectedProducts": DETECTED, "planogram": planogram()}
    reply = world.call("POST", "planogramcompliance:match", json=body)
    assert reply.status_code == 200, reply.text
    assert reply.json() == {
        "matchingResultPerPosition": [{"positionId": "p1", "detectedObject": DETECTED["products"][0]}]  # type: ignore[index]
    }


@pytest.mark.parametrize(
    ("changes", "target", "says"),
    [
        ({"Products": []}, "planogram.positions[0].productId", "planogram.products has no product '1'"),
        ({"Fixtures": []}, "planogram.positions[0].fixtureId", "planogram.fixtures has no fixture 'f'"),
        ({"Width": 0}, "planogram.width", "greater than 0"),
        ({"Products": [{"Id": "1", "Name": "cola", "W": -6, "H": 20}]}, "planogram.products.0.w", "greater than 0"),
    ],
)
def test_a_planogram_that_is_refused(world: World, changes: dict[str, Any], target: str, says: str) -> None:
    body = {"detectedProducts": DETECTED, "planogram": planogram(**changes)}
    reply = world.call("POST", "planogramcompliance:match", json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["target"]) == (400, target)
    assert says in error["message"]


def test_a_planogram_in_which_a_number_is_none(world: World) -> None:
    text = b'{"detectedProducts": {"imageMetadata": {"width": 9, "height": 9}, "products": []}, "planogram": {"width": NaN}}'
    assert world.call("POST", "planogramcompliance:match", content=text).status_code == 400
