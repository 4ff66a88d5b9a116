"""What is asked of a Vision resource, with which credentials, and what becomes of its answers."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.engine.blobs.identities import CLIENT_ID, FixedIdentity
from tests.engine.blobs.site import Reply, Site, serving, write_certificate
from vision_customization.engine.models.prebuilt import ResourceUnavailable, VisionResource
from vision_customization.engine.settings import Settings

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
    with VisionResource(site.url, SecretStr("TOPSECRET"), seconds_max=5) as resource:
        yield resource


def refusal(resource: VisionResource) -> str:
    with resource, pytest.raises(ResourceUnavailable) as caught:
        resource.analyze(QUERY, None, b"image")
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
    with VisionResource(site.url, None, identity) as resource:
        resource.analyze(QUERY, None, b"image")
    headers = site.requests[0][1]
    assert headers["authorization"] == "Bearer TOPSECRET"
    assert "ocp-apim-subscription-key" not in headers
    assert identity.scopes == ["https://cognitiveservices.azure.com/.default"]


def test_with_neither_key_nor_identity_nothing_is_asked(site: Site) -> None:
    assert "VISION_ENGINE_VISION_KEY" in refusal(VisionResource(site.url, None, FixedIdentity(None)))
    assert site.requests == []


def test_over_tls_the_certificates_of_the_environment_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = write_certificate(tmp_path / "site.pem")
    with serving(certificate) as site:
        site.on(PATH, Reply(body=json.dumps(RESULT).encode()))
        assert "cannot be reached" in refusal(VisionResource(site.url, SecretStr("TOPSECRET")))
        assert site.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with VisionResource(site.url, SecretStr("TOPSECRET")) as resource:
            assert resource.analyze(QUERY, None, b"image").status == 200


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
    ],
    ids=["refused", "redirect", "html", "list", "gateway", "error", "large", "hang-up"],
)
def test_what_is_no_answer_is_said(site: Site, resource: VisionResource, reply: Reply, expected: str) -> None:
    site.on(PATH, reply)
    assert expected in refusal(resource)
    assert len(site.requests) == 1


def test_a_refused_identity_is_named_with_the_role_it_needs(site: Site) -> None:
    site.on(PATH, Reply(403, body=b"{}"))
    message = refusal(VisionResource(site.url, None, FixedIdentity()))
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
        assert "did not answer within 0.3 seconds" in refusal(VisionResource(url, SecretStr("TOPSECRET"), seconds_max=0.3))
        ended.set()
        thread.join(30)
    assert accepted.is_set()
    assert "cannot be reached" in refusal(VisionResource(url, SecretStr("TOPSECRET")))


def test_the_settings_name_it() -> None:
    assert VisionResource.open(Settings()) is None
    resource = VisionResource.open(Settings(vision_endpoint="https://V.cognitiveservices.azure.com/computervision/"))
    assert resource is not None
    assert resource._url == "https://v.cognitiveservices.azure.com/computervision/imageanalysis:analyze"
