"""What is asked of a Vision resource, with which credentials, and what becomes of its answers."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from tests.engine.blobs.identities import CLIENT_ID, FixedIdentity
from tests.engine.blobs.site import Reply, Site, serving, write_certificate
from vision_customization.engine.models.prebuilt import ResourceUnavailable, VisionResource
from vision_customization.engine.models.preview_form import in_preview_form
from vision_customization.engine.settings import Settings

VERSION = "2024-02-01"
PATH = "/computervision/imageanalysis:analyze"
RESULT = {
    "captionResult": {"text": "a cat", "confidence": 0.5},
    "modelVersion": "2023-10-01",
    "metadata": {"width": 9, "height": 8},
}
QUERY = {
    "api-version": "2024-02-01",
    "features": "caption,read",
    "language": "de",
    "gender-neutral-caption": "true",
    "smartcrops-aspect-ratios": "0.9,1.33",
    "model-version": "latest",
    "model-name": "mine",
    "overload": "stream",
}


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def resource(site: Site) -> Iterator[VisionResource]:
    with VisionResource(site.url, SecretStr("TOPSECRET"), api_version=VERSION, seconds_max=5) as resource:
        yield resource


def refusal(resource: VisionResource) -> str:
    with resource, pytest.raises(ResourceUnavailable) as caught:
        resource.analyze({**QUERY, "api-version": "2023-04-01-preview"}, None, b"image")
    assert "TOPSECRET" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "image", "content_type", "body"),
    [
        (None, b"\x89PNG", "application/octet-stream", b"\x89PNG"),
        ("https://x/ü.png", b"", "application/json", json.dumps({"url": "https://x/ü.png"}).encode()),
    ],
)
def test_what_belongs_to_the_features_is_passed_on(
    site: Site, resource: VisionResource, url: str | None, image: bytes, content_type: str, body: bytes
) -> None:
    site.on(PATH, Reply(body=json.dumps(RESULT).encode()))
    reply = resource.analyze(QUERY, url, image)
    assert (reply.status, json.loads(reply.body), reply.headers) == (200, RESULT, {})
    ((asked, headers),) = site.requests
    assert asked == (
        f"{PATH}?features=caption%2Cread&language=de&gender-neutral-caption=true"
        "&smartcrops-aspect-ratios=0.9%2C1.33&model-version=latest&api-version=2024-02-01"
    )
    assert (headers["ocp-apim-subscription-key"], headers["content-type"]) == ("TOPSECRET", content_type)
    assert "authorization" not in headers
    assert site.bodies == [body]


def test_without_a_key_the_engines_identity_asks(site: Site) -> None:
    site.on(PATH, Reply(body=json.dumps(RESULT).encode()))
    identity = FixedIdentity()
    with VisionResource(site.url, None, identity, api_version=VERSION) as resource:
        resource.analyze(QUERY, None, b"image")
    headers = site.requests[0][1]
    assert headers["authorization"] == "Bearer TOPSECRET"
    assert "ocp-apim-subscription-key" not in headers
    assert identity.scopes == ["https://cognitiveservices.azure.com/.default"]


def test_with_neither_key_nor_identity_nothing_is_asked(site: Site) -> None:
    assert "VISION_ENGINE_VISION_KEY" in refusal(VisionResource(site.url, None, FixedIdentity(None), api_version=VERSION))
    assert site.requests == []


def test_over_tls_the_certificates_of_the_environment_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = write_certificate(tmp_path / "site.pem")
    with serving(certificate) as site:
        site.on(PATH, Reply(body=json.dumps(RESULT).encode()))
        assert "cannot be reached" in refusal(VisionResource(site.url, SecretStr("TOPSECRET"), api_version=VERSION))
        assert site.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with VisionResource(site.url, SecretStr("TOPSECRET"), api_version=VERSION) as resource:
            assert resource.analyze(QUERY, None, b"image").status == 200


READ = {
    "blocks": [
        {
            "lines": [
                {
                    "text": "FÜR 🐈",
                    "boundingPolygon": [{"x": 10, "y": 20}, {"x": 70, "y": 20}, {"x": 70, "y": 40}, {"x": 10, "y": 40}],
                    "words": [
                        {
                            "text": "FÜR",
                            "boundingPolygon": [{"x": 10, "y": 20}, {"x": 40, "y": 20}, {"x": 40, "y": 40}, {"x": 10, "y": 40}],
                            "confidence": 0.99,
                        },
                        {
                            "text": "🐈",
                            "boundingPolygon": [{"x": 50, "y": 20}, {"x": 70, "y": 20}, {"x": 70, "y": 40}, {"x": 50, "y": 40}],
                            "confidence": 0.5,
                        },
                    ],
                },
                {
                    "text": "FÜR",
                    "boundingPolygon": [{"x": 10, "y": 50}, {"x": 40, "y": 50}, {"x": 40, "y": 70}, {"x": 10, "y": 70}],
                    "words": [
                        {
                            "text": "FÜR",
                            "boundingPolygon": [{"x": 10, "y": 50}, {"x": 40, "y": 50}, {"x": 40, "y": 70}, {"x": 10, "y": 70}],
                            "confidence": 0.75,
                        }
                    ],
                },
            ]
        }
    ]
}
"""What the version 2024-02-01 answers for `read`: `ReadResult` of azure-rest-api-specs, specification/ai/ImageAnalysis."""

READ_OF_THE_PREVIEWS = {
    "stringIndexType": "unicodeCodePoint",
    "content": "FÜR 🐈\nFÜR",
    "pages": [
        {
            "height": 8,
            "width": 9,
            "angle": 0.0,
            "pageNumber": 1,
            "words": [
                {
                    "content": "FÜR",
                    "boundingBox": [10, 20, 40, 20, 40, 40, 10, 40],
                    "confidence": 0.99,
                    "span": {"offset": 0, "length": 3},
                },
                {
                    "content": "🐈",
                    "boundingBox": [50, 20, 70, 20, 70, 40, 50, 40],
                    "confidence": 0.5,
                    "span": {"offset": 4, "length": 1},
                },
                {
                    "content": "FÜR",
                    "boundingBox": [10, 50, 40, 50, 40, 70, 10, 70],
                    "confidence": 0.75,
                    "span": {"offset": 6, "length": 3},
                },
            ],
            "spans": [{"offset": 0, "length": 9}],
            "lines": [
                {"content": "FÜR 🐈", "boundingBox": [10, 20, 70, 20, 70, 40, 10, 40], "spans": [{"offset": 0, "length": 5}]},
                {"content": "FÜR", "boundingBox": [10, 50, 40, 50, 40, 70, 10, 70], "spans": [{"offset": 6, "length": 3}]},
            ],
        }
    ],
    "styles": [],
    "modelVersion": "2023-10-01",
}


@pytest.fixture
def azure(site: Site) -> Site:
    """It refuses the preview versions as Azure does since 2025-03-31 (Azure-Samples/azure-search-openai-demo#2514)."""

    def answer(target: str) -> Reply:
        version = parse_qs(urlsplit(target).query)["api-version"][0]
        if version.endswith("-preview"):
            message = f"Computer Vision {version} has been deprecated. Please upgrade to the latest Computer Vision GA service"
            return Reply(410, body=json.dumps({"error": {"code": "Gone", "message": message}}).encode())
        return Reply(body=json.dumps({**RESULT, "readResult": READ}).encode())

    site.answers[PATH] = answer
    return site


@pytest.mark.parametrize(
    ("version", "read"),
    [
        ("2023-02-01-preview", READ_OF_THE_PREVIEWS),
        ("2023-04-01-preview", READ_OF_THE_PREVIEWS),
        ("2023-10-01", READ),
        ("2024-02-01", READ),
    ],
)
def test_callers_of_every_version_are_answered_since_the_previews_are_off(
    azure: Site, resource: VisionResource, version: str, read: dict[str, object]
) -> None:
    reply = resource.analyze({**QUERY, "api-version": version}, None, b"image")
    assert (reply.status, json.loads(reply.body)) == (200, {**RESULT, "readResult": read})
    assert azure.requests[0][0].endswith("&api-version=2024-02-01")


@pytest.mark.parametrize(
    ("top", "angle"),
    [((0, 0, 10, 0), 0.0), ((0, 0, 10, 10), 45.0), ((10, 0, 10, 20), 90.0), ((20, 0, 0, 0), 180.0), ((5, 10, 5, 0), -90.0)],
)
def test_the_angle_of_a_page_is_that_of_its_lines(top: tuple[int, int, int, int], angle: float) -> None:
    left, upper, right, lower = top
    polygon = [{"x": left, "y": upper}, {"x": right, "y": lower}, {"x": 0, "y": 0}, {"x": 0, "y": 0}]
    read = {"blocks": [{"lines": [{"text": "a", "boundingPolygon": polygon, "words": []}]}]}
    found = in_preview_form({**RESULT, "readResult": read})
    assert found["readResult"]["pages"][0]["angle"] == angle


def test_an_image_without_text_is_an_empty_page() -> None:
    read = in_preview_form({**RESULT, "readResult": {"blocks": []}})["readResult"]
    assert (read["content"], read["pages"][0]["words"], read["pages"][0]["lines"]) == ("", [], [])


@pytest.mark.parametrize(
    ("status", "code", "headers"),
    [
        (400, "InvalidRequest", {"x-ms-error-code": "InvalidRequest"}),
        (404, "404", {}),
        (429, "429", {"retry-after": "7"}),
        (503, "InternalServerError", {}),
    ],
)
def test_an_error_of_the_resource_stays_what_it_is(
    site: Site, resource: VisionResource, status: int, code: str, headers: dict[str, str]
) -> None:
    body = json.dumps({"error": {"code": code, "message": "why", "innererror": {"code": "x", "message": "y"}}}).encode()
    site.on(PATH, Reply(status, {**headers, "Set-Cookie": "a=b"}, body))
    reply = resource.analyze(QUERY, None, b"image")
    assert (reply.status, reply.body, reply.headers) == (status, body, headers)
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            Reply(401, body=b'{"error":{"code":"401","message":"TOPSECRET"}}'),
            "refuses the engine (401). Check VISION_ENGINE_VISION_KEY",
        ),
        (Reply(302, {"Location": "http://127.0.0.1:1/x"}, b"{}"), "gave an unexpected answer (302)"),
        (Reply(200, body=b"<html>"), "gave an unexpected answer (200)"),
        (Reply(200, body=b"[]"), "gave an unexpected answer (200)"),
        (Reply(502, body=b"<html>TOPSECRET"), "gave an unexpected answer (502)"),
        (Reply(500, body=b'{"error": "TOPSECRET"}'), "gave an unexpected answer (500)"),
        (Reply(200, body=b"x" * (16 * 1024 * 1024 + 1)), "longer than 16,777,216 bytes"),
        (Reply(0), "cannot be reached"),
        (Reply(200, body=json.dumps({**RESULT, "readResult": {"pages": []}}).encode()), "VISION_ENGINE_VISION_API_VERSION"),
    ],
    ids=["refused", "redirect", "html", "list", "gateway", "error", "large", "hang-up", "other-form"],
)
def test_what_is_no_answer_is_said(site: Site, resource: VisionResource, reply: Reply, expected: str) -> None:
    site.on(PATH, reply)
    assert expected in refusal(resource)
    assert len(site.requests) == 1


def test_a_refused_identity_is_named_with_the_role_it_needs(site: Site) -> None:
    site.on(PATH, Reply(403, body=b"{}"))
    message = refusal(VisionResource(site.url, None, FixedIdentity(), api_version=VERSION))
    assert f"Give the engine's identity {CLIENT_ID} the role Cognitive Services User" in message


def test_a_resource_that_says_nothing_is_left_in_time() -> None:
    accepted = threading.Event()

    def accept() -> None:
        connection, _ = listening.accept()
        with connection:
            accepted.set()
            ended.wait(30)

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert "did not answer within 0.3 seconds" in refusal(
            VisionResource(url, SecretStr("TOPSECRET"), api_version=VERSION, seconds_max=0.3)
        )
        ended.set()
        thread.join(30)
    assert accepted.is_set()
    assert "cannot be reached" in refusal(VisionResource(url, SecretStr("TOPSECRET"), api_version=VERSION))


def test_the_version_is_that_of_the_settings(azure: Site) -> None:
    settings = Settings(vision_endpoint=azure.url, vision_key=SecretStr("TOPSECRET"), vision_api_version="2025-01-01")
    resource = VisionResource.open(settings)
    assert resource is not None
    with resource:
        assert resource.analyze({**QUERY, "api-version": "2023-04-01-preview"}, None, b"image").status == 200
    assert azure.requests[0][0].endswith("&api-version=2025-01-01")


def test_the_settings_name_it() -> None:
    assert VisionResource.open(Settings()) is None
    resource = VisionResource.open(Settings(vision_endpoint="https://V.cognitiveservices.azure.com/computervision/"))
    assert resource is not None
    assert resource._url == "https://v.cognitiveservices.azure.com/computervision/imageanalysis:analyze"
