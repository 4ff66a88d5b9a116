"""`imageanalysis:analyze`: what is accepted, what is refused and how, and what comes back."""

import asyncio
import io
import json
import struct
import threading
import zlib
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support.api_world import BuildWorld, Picture, World
from tests.support.waiting import wait_until
from vision_customization.contract.analysis import ImageAnalysisResult
from vision_customization.engine.api.bodies.multipart import first_file
from vision_customization.engine.api.routes import analyze
from vision_customization.engine.api.routes.analyze import WAITING_MAX
from vision_customization.engine.learning.errors import ArtifactError
from vision_customization.engine.models.answers import Classification, TagProbability
from vision_customization.engine.models.cache import ModelTooSlow

ANALYZE = "imageanalysis:analyze?model-name=m"
TAGS = [
    {"name": "dög", "confidence": 0.625},
    {"name": "cow", "confidence": 0.25},
    {"name": "cat", "confidence": 0.125},
]


@pytest.fixture
def trained(world: World) -> World:
    world.train("m")
    return world


def test_the_result(trained: World, picture: Picture) -> None:
    reply = trained.call("POST", ANALYZE, content=picture(size=(60, 80)), headers={"Content-Type": "image/png"})
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert reply.json() == {
        "customModelResult": {"tagsResult": {"values": TAGS}},
        "modelVersion": "2023-04-01-preview",
        "metadata": {"width": 60, "height": 80},
    }


def test_the_studio_knows_that_a_model_answers(trained: World, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    analyzer = trained.call.app.state.analyzer
    monkeypatch.setattr(analyze, "BUSY_SECONDS", 0.0)
    assert not analyzer.is_busy
    seen, find = [], analyzer._find

    def watched(*of: Any) -> Any:  # noqa: ANN401 - handed on
        seen.append(analyzer.is_busy)
        return find(*of)

    monkeypatch.setattr(analyzer, "_find", watched)
    test_the_result(trained, picture)
    assert seen == [True]
    assert not analyzer.is_busy
    monkeypatch.setattr(analyze, "BUSY_SECONDS", 60.0)  # a client that calls again and again leaves short gaps
    assert analyzer.is_busy


BOX = {"x": 1, "y": 2, "w": 30, "h": 40}


@pytest.mark.parametrize(
    ("model", "found", "classifications", "objects"),
    [
        pytest.param(
            "m",
            {"tagsResult": {"values": TAGS}},
            [{"label": tag["name"], "confidence": tag["confidence"]} for tag in TAGS],
            [],
            id="classifier",
        ),
        pytest.param(
            "several",
            {"tagsResult": {"values": [{"name": "cat", "confidence": 0.75, "threshold": 0.5}]}},
            [{"label": "cat", "confidence": 0.75}],
            [],
            id="several tags per image",
        ),
        pytest.param(
            "r",
            {"objectsResult": {"values": [{"id": "1", "boundingBox": BOX, "tags": TAGS[:1]}]}},
            [],
            [{"id": "1", "boundingBox": BOX, "classifications": [{"label": "dög", "confidence": 0.625}]}],
            id="detector",
        ),
    ],
)
def test_the_first_version_also_has_the_form_of_its_how_to(
    trained: World,
    picture: Picture,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    found: dict[str, Any],
    classifications: list[Any],
    objects: list[Any],
) -> None:
    trained.train_detector("r")
    if model == "several":
        trained.train(model)
        monkeypatch.setattr(trained.models, "classify", lambda *_, **__: Classification([TagProbability("cat", 0.75, 0.5)]))
    size = {"width": 60, "height": 80}
    path = f"imageanalysis:analyze?model-name={model}"
    first, newer = (
        trained.call("POST", path, version=f"2023-{month}-01-preview", content=picture(size=(60, 80))).json()
        for month in ("02", "04")
    )
    assert newer == {"customModelResult": found, "modelVersion": "2023-04-01-preview", "metadata": size}
    assert first == {
        "kind": "imageAnalysisResult",
        "customModelResult": {**found, "classifications": classifications, "objects": objects, "imageMetadata": size},
        "modelVersion": "2023-02-01-preview",
        "metadata": size,
    }
    assert ImageAnalysisResult.model_validate(first).to_wire() == first


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("PNG", {}),
        ("BMP", {}),
        ("GIF", {}),
        ("TIFF", {}),
        ("WEBP", {}),
        ("ICO", {"sizes": [(64, 64)]}),
        ("MPO", {}),
    ],
)
@pytest.mark.parametrize("content_type", ["application/octet-stream", "image/jpeg", None])
def test_every_listed_type_whatever_is_declared(
    trained: World, picture: Picture, kind: str, options: dict[str, Any], content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    reply = trained.call("POST", ANALYZE, content=picture(kind, (64, 64), **options), headers=headers)
    assert reply.status_code == 200, reply.text
    assert reply.json()["metadata"] == {"width": 64, "height": 64}


@pytest.mark.parametrize(("tiles", "looked_at"), [(1, (750, 1000, 3)), (2, (1500, 2000, 3))])
def test_a_detectors_objects_and_how_much_of_the_image_it_is_shown(
    world: World, picture: Picture, tiles: int, looked_at: tuple[int, ...]
) -> None:
    model_id = world.train_detector("m", tiles=tiles)
    reply = world.call("POST", ANALYZE, content=picture("JPEG", (4000, 3000)))
    assert reply.json()["customModelResult"] == {
        "objectsResult": {
            "values": [
                {
                    "id": "1",
                    "boundingBox": {"x": 1, "y": 2, "w": 2000, "h": 1500},
                    "tags": [{"name": "dög", "confidence": 0.625}],
                }
            ]
        }
    }
    assert reply.json()["metadata"] == {"width": 4000, "height": 3000}
    assert world.models.asked == [(model_id, looked_at)]


def test_metadata_are_the_images_own_and_upright(trained: World, picture: Picture) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    reply = trained.call("POST", ANALYZE, content=picture("JPEG", (3000, 2000), exif=exif))
    assert reply.json()["metadata"] == {"width": 2000, "height": 3000}


def test_a_form(trained: World, picture: Picture) -> None:
    image = picture()
    for files in ({"image": ("a.png", image, "image/png")}, [("note", (None, "text")), ("image", ("a.png", image))]):
        assert trained.call("POST", ANALYZE, files=files).json()["metadata"] == {"width": 60, "height": 80}


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"--x\r\nA: b\r\n\r\n\x00\r\n\xff\r\n--x--\r\n", "multipart/form-data; boundary=x", b"\x00\r\n\xff"),
        (
            b'--a b\r\n\r\n1\r\n--a b\r\nContent-Disposition: form-data; filename="f"\r\n\r\n2\r\n--a b--',
            'multipart/form-data; Boundary="a b"',
            b"2",
        ),
        (b"--x--\r\n", "multipart/form-data; boundary=x", None),
        (b"no parts", "multipart/form-data; boundary=x", None),
        (b"--x\r\n\r\n1\r\n--x--", "multipart/form-data", None),
    ],
)
def test_the_first_file_of_a_form(body: bytes, content_type: str, expected: bytes | None) -> None:
    assert first_file(body, content_type) == expected


def test_by_url(trained: World, picture: Picture) -> None:
    url = "https://acct.blob.core.windows.net/c/a.png?sig=Hidden"
    trained.blobs.content[url] = picture()
    for body in (json.dumps({"url": url}), f"{{'URL': '{url}',}}"):
        reply = trained.call("POST", ANALYZE, content=body, headers={"Content-Type": "application/json"})
        assert reply.json()["metadata"] == {"width": 60, "height": 80}
    other = "https://elsewhere/a.png?sig=Hidden"
    reply = trained.call("POST", ANALYZE, json={"url": other})
    assert (reply.status_code, reply.json()["error"]["target"]) == (400, "url")
    assert "https://elsewhere/a.png is not on an allowed host" in reply.json()["error"]["message"]
    assert "Hidden" not in reply.text


def test_slow_servers_of_images_hold_up_nothing_else(trained: World, picture: Picture) -> None:
    url = "https://acct.blob.core.windows.net/c/a.png"
    trained.blobs.content[url] = picture()
    slow = threading.Event()
    trained.blobs.before_reply = lambda: slow.wait(20)

    async def call() -> list[int]:
        transport = httpx.ASGITransport(trained.call.app)
        headers = {"Ocp-Apim-Subscription-Key": trained.settings.keys[0].get_secret_value()}
        async with httpx.AsyncClient(transport=transport, base_url="http://engine.test", headers=headers) as client:
            path = f"/computervision/{ANALYZE}&api-version=2023-04-01-preview"
            slow_ones = [asyncio.create_task(client.post(path, json={"url": url})) for _ in range(60)]
            try:
                others = ("/healthz", "/computervision/models?api-version=2023-04-01-preview")
                statuses = [(await asyncio.wait_for(client.get(other), 5)).status_code for other in others]
                image = await asyncio.wait_for(client.post(path, content=picture()), 5)
            finally:
                slow.set()
            return [*statuses, image.status_code, *{(await task).status_code for task in slow_ones}]

    assert asyncio.run(call()) == [200, 200, 200, 200]


@pytest.mark.parametrize(
    ("query", "status", "code", "inner", "expected"),
    [
        ("", 400, "InvalidRequest", None, "Neither `features` nor `model-name`"),
        ("?model-name=", 400, "InvalidRequest", None, "Neither `features` nor `model-name`"),
        ("?features=", 400, "InvalidRequest", None, "Neither `features` nor `model-name`"),
        ("?features=tags", 400, "InvalidRequest", "NotSupportedVisualFeature", "need an Azure AI Vision resource"),
        ("?features=tags,read&model-name=m", 400, "InvalidRequest", "NotSupportedVisualFeature", "tags, read"),
        ("?model-name=unknown", 404, "404", None, "Resource not found"),
        ("?model-name=early", 400, "InvalidRequest", None, "is 'notStarted'"),
        ("?model-name=early%0a", 404, "404", None, "Resource not found"),
    ],
)
def test_what_is_asked_for(
    trained: World, picture: Picture, query: str, status: int, code: str, inner: str | None, expected: str
) -> None:
    trained.create("early")
    for arguments in ({"content": picture()}, {"json": {"url": "https://acct.blob.core.windows.net/c/none.png"}}):
        reply = trained.call("POST", f"imageanalysis:analyze{query}", **arguments)
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], reply.headers["x-ms-error-code"]) == (status, code, code)
        assert error.get("innererror", {}).get("code") == inner
        assert expected in error["message"]


@pytest.mark.parametrize(
    "query",
    [
        "model-name=m&features=",
        "model-name=m&language=xx&gender-neutral-caption=maybe&smartcrops-aspect-ratios=9",
        "model-name=m&overload=stream",
        "model-name=live",
    ],
)
def test_what_changes_nothing(trained: World, picture: Picture, query: str) -> None:
    trained.call("PUT", "publishedmodels/live", json={"modelName": "m"})
    reply = trained.call("POST", f"imageanalysis:analyze?{query}", content=picture())
    assert reply.status_code == 200
    assert reply.json()["customModelResult"]["tagsResult"]["values"] == TAGS


@pytest.mark.parametrize("version", ["2023-10-01", "2024-02-01"])
def test_versions_without_custom_models(trained: World, picture: Picture, version: str) -> None:
    error = trained.call("POST", ANALYZE, version=version, content=picture()).json()["error"]
    assert error["code"] == "InvalidRequest"
    assert "has no custom models" in error["message"]
    assert "Use api-version=2023-04-01-preview" in error["message"]
    error = trained.call("POST", f"{ANALYZE}&features=tags", version=version, content=picture()).json()["error"]
    assert error["innererror"]["code"] == "NotSupportedVisualFeature"
    assert trained.call("GET", "datasets", version=version).status_code == 400


def test_a_published_name_answers_with_the_model_it_points_to(trained: World, picture: Picture) -> None:
    first, second = trained.store.models.find("m").id, trained.train("n")
    for name in ("m", "n"):
        trained.call("PUT", "publishedmodels/live", json={"modelName": name})
        trained.call("POST", "imageanalysis:analyze?model-name=live", content=picture())
    assert [model_id for model_id, _ in trained.models.asked] == [first, second]
    trained.call("DELETE", "models/n")
    assert trained.call("POST", "imageanalysis:analyze?model-name=live", content=picture()).status_code == 404


def truncated() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(buffer, "PNG")
    return buffer.getvalue()[:500]


@pytest.mark.parametrize(
    ("body", "content_type", "inner", "expected"),
    [
        (b"", "image/png", None, "empty"),
        (b"no image", "image/png", "InvalidImageFormat", "cannot be read"),
        (truncated(), "image/png", "InvalidImageFormat", "cannot be read"),
        (b"%PDF-1.4", "application/octet-stream", "InvalidImageFormat", "cannot be read"),
        (b"<svg/>", "image/svg+xml", "InvalidImageFormat", "cannot be read"),
        (b"a=b", "application/x-www-form-urlencoded", None, "content type is not supported"),
        (b"text", "text/plain", None, "content type is not supported"),
        (b"--x--", "multipart/form-data; boundary=x", None, "contains no image"),
        (b"{}", "application/json", None, "url"),
        (b'{"url": 1}', "application/json", None, "url"),
        (b"", "application/json", None, "The body is empty"),
        (b"\x00" * 20_971_521, "application/octet-stream", None, "longer than 20,971,520 bytes"),
    ],
)
def test_images_that_are_refused(trained: World, body: bytes, content_type: str, inner: str | None, expected: str) -> None:
    reply = trained.call("POST", ANALYZE, content=body, headers={"Content-Type": content_type})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (400, "InvalidRequest")
    assert error.get("innererror", {}).get("code") == inner
    assert expected in error["message"]


def test_an_image_whose_codec_the_engine_lacks_is_refused_by_itself(
    trained: World, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture("JPEG")
    monkeypatch.delattr(Image.core, "jpeg_decoder")
    reply = trained.call("POST", ANALYZE, content=image)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["innererror"]["code"]) == (400, "InvalidRequest", "NotSupportedImage")
    assert "The engine's installation is incomplete: the image can't be decoded here" in error["message"]


@pytest.mark.parametrize(
    ("size", "status"), [((50, 50), 200), ((49, 60), 400), ((60, 49), 400), ((16_000, 50), 200), ((16_001, 50), 400)]
)
def test_sizes(trained: World, picture: Picture, size: tuple[int, int], status: int) -> None:
    reply = trained.call("POST", ANALYZE, content=picture(size=size))
    assert reply.status_code == status
    assert status == 200 or "each side must be 50 to 16,000" in reply.json()["error"]["message"]


def test_more_pixels_than_are_decoded_are_refused(trained: World) -> None:
    # 16,000 pixels on each side are allowed, but a PNG file of both is more than is decoded.
    head = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + struct.pack(">IIBBBBB", 16_000, 16_000, 8, 2, 0, 0, 0)
    data = head + struct.pack(">I", zlib.crc32(head[12:])) + b"\x00\x00\x00\x00IEND\xaeB`\x82"
    error = trained.call("POST", ANALYZE, content=data).json()["error"]
    assert error["innererror"]["code"] == "InvalidImageFormat"
    assert "at most 178,956,970 pixels" in error["message"]


def test_a_body_of_the_greatest_length_is_read(trained: World, picture: Picture) -> None:
    image = picture("BMP")
    padded = image + b"\x00" * (20_971_520 - len(image))
    assert trained.call("POST", ANALYZE, content=padded).status_code == 200


def test_a_model_that_is_too_slow_is_said(trained: World, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_slow(*_: object, **__: object) -> None:
        raise ModelTooSlow("The model took longer than 30 s for an image.")

    monkeypatch.setattr(trained.models, "classify", too_slow)
    reply = trained.call("POST", ANALYZE, content=picture())
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "Timeout")
    assert reply.json()["error"]["message"] == "The model took longer than 30 s for an image."


def test_a_file_that_cannot_be_used_is_said(trained: World, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise ArtifactError("it uses the operator 'Loop'")

    monkeypatch.setattr(trained.models, "classify", refused)
    reply = trained.call("POST", ANALYZE, content=picture())
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "FailedToProcess")
    assert reply.json()["error"]["message"] == "The file of model 'm' cannot be used: it uses the operator 'Loop'."


def test_a_full_queue_is_said(trained: World, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert WAITING_MAX > 32
    monkeypatch.setattr("vision_customization.engine.api.routes.analyze.WAITING_MAX", 0)
    reply = trained.call("POST", ANALYZE, content=picture())
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        # of a parameter that is repeated the last counts
        ("api-version=2023-04-01-preview&model-name=other&model-name=m", 200),
        ("api-version=2023-04-01-preview&model-name=m&model-name=other", 404),
        ("api-version=1999-01-01&api-version=2023-04-01-preview&model-name=m", 200),
        # an empty one is as good as none
        ("api-version=2023-04-01-preview&model-name=", 400),
        ("api-version=2023-04-01-preview&model-name", 400),
        ("api-version=2023-04-01-preview&model-name=m&features=", 200),
        ("api-version=&model-name=m", 400),
        ("model-name=m", 400),
        ("API-VERSION=2023-04-01-preview&model-name=m", 400),
        # what no database has a text for
        ("api-version=2023-04-01-preview&model-name=%00", 404),
        ("api-version=2023-04-01-preview&model-name=%ff", 404),
    ],
)
def test_the_query(trained: World, picture: Picture, query: str, status: int) -> None:
    reply = trained.call("POST", f"imageanalysis:analyze?{query}", version=None, content=picture(size=(60, 80)))
    assert reply.status_code == status, reply.text


def test_a_model_of_several_tags_answers_with_its_thresholds(
    trained: World, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Classification([TagProbability("cat", 0.125, 0.1), TagProbability("dög", 0.75, 0.5)])
    monkeypatch.setattr(trained.models, "classify", lambda *_, **__: found)
    reply = trained.call("POST", ANALYZE, content=picture()).json()
    assert reply["customModelResult"]["tagsResult"]["values"] == [
        {"name": "dög", "confidence": 0.75, "threshold": 0.5},
        {"name": "cat", "confidence": 0.125, "threshold": 0.1},
    ]


def test_a_novel_image_is_kept_if_the_settings_say_so(trained: World, build_world: BuildWorld, picture: Picture) -> None:
    world = build_world(trained.settings.model_copy(update={"novel_samples": 10}))
    for size, novelty in (((60, 61), 0.97), ((60, 62), 0.99)):
        world.models.novelty = novelty
        assert world.call("POST", ANALYZE, content=picture("PNG", size)).status_code == 200
    wait_until(lambda: world.store.samples.page(0, 10)[0] == 1, "the novel image is kept")
    [sample] = world.store.samples.page(0, 10)[1]
    assert (sample.novelty, sample.tag) == (0.99, "dög")
    world.call.app.state.service.samples.close()
    assert world.objects.get(f"samples/{sample.sha256}") == picture("PNG", (60, 62))


def test_novelty_stands_beside_the_tags_and_is_counted(trained: World, picture: Picture) -> None:
    assert "novelty" not in trained.call("POST", ANALYZE, content=picture()).json()["customModelResult"]
    for novelty in (0.25, 0.979, 0.98, 1.0):
        trained.models.novelty = novelty
        assert trained.call("POST", ANALYZE, content=picture()).json()["customModelResult"]["novelty"] == novelty
    text = trained.call("GET", "/metrics", version=None).text
    assert 'vision_engine_classified_images_total{model="m"} 4.0' in text
    assert 'vision_engine_novel_images_total{model="m"} 2.0' in text
