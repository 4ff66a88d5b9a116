"""Analyze with prebuilt features: passed on to a resource, alone or beside a custom model."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.support.api_world import BuildWorld, Picture, World
from vision_customization.contract.analysis import ImageAnalysisResult
from vision_customization.engine.models.prebuilt import PrebuiltReply, ResourceUnavailable

STANDARD = {
    "captionResult": {"text": "a cät", "confidence": 0.5},
    "modelVersion": "2023-10-01",
    "metadata": {"width": 60, "height": 80},
}
TAGS = [{"name": "dög", "confidence": 0.625}, {"name": "cow", "confidence": 0.25}, {"name": "cat", "confidence": 0.125}]


@dataclass
class FixedResource:
    reply: PrebuiltReply | ResourceUnavailable = field(
        default_factory=lambda: PrebuiltReply(200, json.dumps(STANDARD).encode(), {})
    )
    asked: list[tuple[dict[str, str], str | None, bytes]] = field(default_factory=list)

    def analyze(self, query: Mapping[str, str], url: str | None, image: bytes) -> PrebuiltReply:
        self.asked.append((dict(query), url, image))
        if isinstance(self.reply, ResourceUnavailable):
            raise self.reply
        return self.reply


@pytest.fixture
def resource() -> FixedResource:
    return FixedResource()


@pytest.fixture
def featured(world: World, build_world: BuildWorld, resource: FixedResource) -> World:
    """A world with a resource and a trained model `m`."""
    featured = build_world(world.settings, prebuilt=resource)
    featured.train("m")
    return featured


@pytest.mark.parametrize("version", ["2023-02-01-preview", "2023-04-01-preview", "2023-10-01", "2024-02-01"])
def test_features_alone_are_passed_on(featured: World, resource: FixedResource, picture: Picture, version: str) -> None:
    image = picture()
    reply = featured.call("POST", "imageanalysis:analyze?features=caption&language=en", version=version, content=image)
    assert (reply.status_code, reply.json()) == (200, STANDARD)
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert resource.asked == [({"features": "caption", "language": "en", "api-version": version}, None, image)]
    assert featured.models.asked == []


def test_an_address_is_passed_on_as_it_is_and_not_read_here(featured: World, resource: FixedResource) -> None:
    reply = featured.call("POST", "imageanalysis:analyze?features=caption", json={"url": "https://elsewhere/a.png?sig=x"})
    assert reply.status_code == 200
    assert resource.asked[0][1:] == ("https://elsewhere/a.png?sig=x", b"")


def test_a_form_is_passed_on_as_its_image(featured: World, resource: FixedResource, picture: Picture) -> None:
    image = picture()
    featured.call("POST", "imageanalysis:analyze?features=caption", files={"image": ("a.png", image, "image/png")})
    assert resource.asked[0][2] == image


@pytest.mark.parametrize("by_url", [False, True])
def test_both_together(featured: World, resource: FixedResource, picture: Picture, by_url: bool) -> None:
    url = "https://acct.blob.core.windows.net/c/a.png"
    featured.blobs.content[url] = picture()
    body = {"json": {"url": url}} if by_url else {"content": picture()}
    reply = featured.call("POST", "imageanalysis:analyze?features=caption&model-name=m", **body)
    assert reply.status_code == 200
    assert reply.json() == {"customModelResult": {"tagsResult": {"values": TAGS}}, **STANDARD}
    assert len(resource.asked) == len(featured.models.asked) == 1


def test_both_are_at_work_at_once(
    featured: World, resource: FixedResource, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = threading.Barrier(2, timeout=30)
    classify, analyze = featured.models.classify, resource.analyze
    monkeypatch.setattr(featured.models, "classify", lambda *given, **named: met.wait() < 2 and classify(*given, **named))
    monkeypatch.setattr(resource, "analyze", lambda *given: met.wait() < 2 and analyze(*given))
    reply = featured.call("POST", "imageanalysis:analyze?features=caption&model-name=m", content=picture())
    assert reply.status_code == 200


@pytest.mark.parametrize("version", ["2023-10-01", "2024-02-01"])
def test_a_version_without_custom_models_ignores_the_name(featured: World, picture: Picture, version: str) -> None:
    path = "imageanalysis:analyze?features=caption&model-name=unknown"
    assert featured.call("POST", path, version=version, content=picture()).json() == STANDARD
    path = "imageanalysis:analyze?model-name=m"
    assert featured.call("POST", path, version=version, content=picture()).status_code == 400


ERROR = {"code": "InvalidRequest", "message": "why", "innererror": {"code": "NotSupportedLanguage", "message": "w"}}
CUSTOM = {
    "customModelResult": {"tagsResult": {"values": TAGS}},
    "modelVersion": "2023-04-01-preview",
    "metadata": {"width": 60, "height": 80},
}


def test_an_error_of_the_resource_is_the_answer(featured: World, resource: FixedResource, picture: Picture) -> None:
    headers = {"x-ms-error-code": "InvalidRequest", "retry-after": "7"}
    resource.reply = PrebuiltReply(429, json.dumps({"error": ERROR}).encode(), headers)
    reply = featured.call("POST", "imageanalysis:analyze?features=caption", content=picture())
    assert (reply.status_code, reply.json()) == (429, {"error": ERROR})
    assert (reply.headers["x-ms-error-code"], reply.headers["retry-after"]) == ("InvalidRequest", "7")


UNREACHABLE = "The Vision resource v.example cannot be reached."


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (PrebuiltReply(429, json.dumps({"error": ERROR}).encode(), {"x-ms-error-code": "InvalidRequest"}), ERROR),
        (
            ResourceUnavailable(UNREACHABLE),
            {"code": "FailedToProcess", "message": UNREACHABLE, "target": "features"},
        ),
    ],
    ids=["refuses", "is-away"],
)
def test_the_custom_models_answer_survives_the_resources_error(
    featured: World,
    resource: FixedResource,
    picture: Picture,
    failure: PrebuiltReply | ResourceUnavailable,
    expected: dict[str, object],
) -> None:
    resource.reply = failure
    reply = featured.call("POST", "imageanalysis:analyze?features=caption&model-name=m", content=picture())
    assert (reply.status_code, reply.json()) == (200, {**CUSTOM, "featuresError": expected})
    assert "x-ms-error-code" not in reply.headers
    assert ImageAnalysisResult.model_validate(reply.json()).to_wire() == reply.json()


def test_a_resource_that_cannot_be_reached(featured: World, resource: FixedResource, picture: Picture) -> None:
    resource.reply = ResourceUnavailable(UNREACHABLE)
    reply = featured.call("POST", "imageanalysis:analyze?features=caption", content=picture())
    assert (reply.status_code, reply.headers["x-ms-error-code"]) == (502, "FailedToProcess")
    error = reply.json()["error"]
    assert (error["code"], error["target"]) == ("FailedToProcess", "features")
    assert "cannot be reached" in error["message"]


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("features=caption&model-name=unknown", None, 404),
        ("features=caption&model-name=early", None, 400),
        ("features=caption", b"", 400),
        ("features=caption", b"\x00" * 20_971_521, 400),
    ],
)
def test_what_is_refused_before_the_resource_is_asked(
    featured: World, resource: FixedResource, picture: Picture, query: str, body: bytes | None, status: int
) -> None:
    featured.create("early")
    reply = featured.call("POST", f"imageanalysis:analyze?{query}", content=picture() if body is None else body)
    assert reply.status_code == status
    assert resource.asked == []


def test_an_image_that_the_custom_model_cannot_read_is_its_error(featured: World, picture: Picture) -> None:
    reply = featured.call("POST", "imageanalysis:analyze?features=caption&model-name=m", content=b"no image")
    assert reply.json()["error"]["innererror"]["code"] == "InvalidImageFormat"


def test_without_features_the_resource_is_not_asked(featured: World, resource: FixedResource, picture: Picture) -> None:
    assert featured.call("POST", "imageanalysis:analyze?features=&model-name=m", content=picture()).status_code == 200
    assert featured.call("POST", "imageanalysis:analyze?features=,", content=picture()).status_code == 400
    assert resource.asked == []
