"""Try it out: the same answers as the API's, and nothing kept of a picture."""

import json
import re
import threading
from html import unescape
from typing import Any

import pytest

from tests.support.api_world import KEYS, World, image_bytes
from tests.support.studio import Browser
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.judging import OutcomeKind
from vision_customization.contract.studio import Role
from vision_customization.engine.objects.keys import estimate_key
from vision_customization.engine.outcomes.answers import Answers, Cells, Marks
from vision_customization.engine.outcomes.outcomes import Outcomes
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.studio.pages import try_out

HOSTILE = "</script><img src=x onerror=alert(1)>"
URL = "https://acct.blob.core.windows.net/c/photo.jpg?sig=secret"
BYTES = "application/octet-stream"
AS_JSON = {"accept": "application/json", "content_type": BYTES}


@pytest.fixture
def reader(world: World) -> Browser:
    world.register()
    world.train("m")
    world.store.published.publish("textile", "m")
    world.train_detector("d", ModelKind.GENERIC_DETECTOR)
    world.train_detector("shelves")
    world.blobs.content = {URL: image_bytes()}
    world.models.novelty = None
    return Browser(world).sign_in(Role.READER)


def tried(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="tried">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    value: dict[str, Any] = json.loads(found[1])
    return value


def refusal(answer: Any) -> tuple[int, str]:  # noqa: ANN401 - a response
    return answer.status_code, answer.json()["error"]["message"]


def test_without_a_model_the_page_says_what_to_do(owner: Browser) -> None:
    answer = owner.get("try")
    assert answer.status_code == 200
    assert "No model can answer yet" in answer.text
    assert 'id="drop"' not in answer.text


def test_the_first_published_name_is_tried(reader: Browser) -> None:
    page = reader.get("try").text
    assert tried(page)["name"] == "textile"
    assert (tried(page)["model"], tried(page)["kind"], tried(page)["threshold"]) == ("m", "Generic-Classifier", None)
    options = re.findall(r"<option(?: selected)?>(.*?)</option>", page)
    assert options == ["textile", "shelves", "d", "m"], "published names, then models, the newest first"
    assert "Pictures are analyzed and not kept" in page
    assert "Accuracy 0.500" in page


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("m", 200, "Generic-Classifier"),
        ("nothing", 404, "there is no model and no published model 'nothing'"),
        (HOSTILE, 404, "there is no model and no published model"),
        ("waiting", 400, "The model 'waiting' is 'notStarted': only a model that has succeeded can analyze."),
    ],
)
def test_a_link_names_the_model(reader: Browser, name: str, status: int, says: str) -> None:
    assert reader.world.create("waiting").status_code == 201
    answer = reader.world.call("GET", "/healthz", version=None)  # the world is up
    answer = reader._send("GET", f"/studio/try?model={name}", {})
    assert answer.status_code == status
    assert says in unescape(answer.text)
    assert HOSTILE not in answer.text


def test_a_model_that_is_not_listed_can_be_tried(reader: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(try_out, "LISTED_MAX", 1)
    page = reader.get("try?model=m").text
    assert tried(page)["name"] == "m"
    assert re.findall(r"<option(?: selected)?>(.*?)</option>", page) == ["textile", "shelves", "m"]


@pytest.mark.parametrize(("own", "shown"), [(None, (0.5, False)), (0.43, (0.43, True))])
def test_a_detectors_threshold_is_its_own_or_a_half(reader: Browser, own: float | None, shown: tuple[float, bool]) -> None:
    record = reader.world.store.models.find("d")
    if own is not None:
        nothing = Marks.of([], [], [])
        answers = Answers(OutcomeKind.OBJECTS, 0, nothing, nothing, 0.2, Cells.of([], [], [], []))
        put_outcomes(reader.world.objects, estimate_key(record.id), Outcomes(("dög",), (), {}, {}, answers, own))
    facts = reader.get("try/model?model=d").json()
    assert (facts["threshold"], facts["own_threshold"]) == shown


@pytest.mark.parametrize("model", ["m", "textile", "d", "shelves"])
@pytest.mark.parametrize("by", ["bytes", "url", "form"])
def test_the_answer_is_the_apis(reader: Browser, model: str, by: str) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + image_bytes() + b"\r\n--x--\r\n"
    content, kind = {
        "bytes": (image_bytes(), "application/octet-stream"),
        "url": (json.dumps({"url": URL}).encode(), "application/json"),
        "form": (form, "multipart/form-data; boundary=x"),
    }[by]
    reader.world.models.novelty = 0.987
    answer = reader.post(f"try?model={model}", content=content, content_type=kind)
    expected = reader.world.call(
        "POST", f"imageanalysis:analyze?model-name={model}", content=content, headers={"content-type": kind}
    )
    assert answer.status_code == expected.status_code == 200
    assert answer.content == expected.content
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "content", "kind", "status", "says"),
    [
        ("", b"x", BYTES, 400, "`model` is missing"),
        ("?model=", b"x", BYTES, 400, "`model` is missing"),
        ("?model=m", b"", BYTES, 400, "The image is empty."),
        ("?model=m", b"GIF not", BYTES, 400, "The image cannot be read"),
        ("?model=m", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 400, "The image cannot be read"),
        ("?model=m", image_bytes(size=(40, 60)), BYTES, 400, "each side must be 50 to 16,000"),
        ("?model=m", b"x" * (20 * 1024 * 1024 + 1), BYTES, 400, "The image is longer than 20,971,520 bytes."),
        ("?model=m", b"x", "text/plain", 400, "The content type is not supported"),
        ("?model=m", b'{"url": "http://169.254.169.254/"}', "application/json", 400, "is not on an allowed host"),
        ("?model=m", b'{"url"', "application/json", 400, "The body is not JSON"),
        ("?model=a%00b", image_bytes(), BYTES, 404, "there is no model and no published model"),
        ("?model=nothing", image_bytes(), BYTES, 404, "there is no model and no published model 'nothing'"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else value,
)  # fmt: skip
def test_refusals_are_in_the_apis_words(reader: Browser, query: str, content: bytes, kind: str, status: int, says: str) -> None:
    answer = reader.post(f"try{query}", content=content, content_type=kind, accept="application/json")
    assert answer.status_code == status
    assert says in refusal(answer)[1]


def test_nothing_of_a_picture_is_kept(reader: Browser) -> None:
    folder = reader.world.settings.data_dir / "objects"
    before = sorted(folder.rglob("*"))
    for path in ("try?model=m", "try/products?model=shelves"):
        assert reader.post(path, content=image_bytes(), **AS_JSON).status_code == 200
    assert sorted(folder.rglob("*")) == before
    assert reader.world.jobs.recognitions == []
    assert reader.world.store.runs.page("shelves", 0, 10) == []


@pytest.mark.parametrize("path", ["try?model=m", "try/products?model=shelves", "try/planogram", "try/code"])
def test_who_is_not_signed_in_tries_nothing(reader: Browser, path: str) -> None:
    anonymous = Browser(reader.world)
    status, message = refusal(anonymous.post(path, content=image_bytes(), **AS_JSON))
    assert (status, message) == (401, "You are not signed in. Sign in, and try again.")
    assert reader.post(path, content=image_bytes(), **AS_JSON, **{"sec-fetch-site": "cross-site"}).status_code == 403
    key = {"ocp-apim-subscription-key": KEYS[0]}
    assert anonymous.post(path, content=image_bytes(), **AS_JSON, **key).status_code == 401, "keys are for the API"


def test_the_waiting_room_is_the_apis(reader: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = reader.world.call.app.state.analyzer.waiting
    with waiting.seat(10**6):
        monkeypatch.setattr(try_out, "WAITING_MAX", 1)
        for path in ("try?model=m", "try/products?model=shelves"):
            answer = reader.post(path, content=image_bytes(), **AS_JSON)
            assert refusal(answer) == (429, "Too many requests are waiting already (1). Try again in a second.")
            assert answer.headers["retry-after"] == "1"


def test_products_are_the_result_of_a_run(reader: Browser) -> None:
    result = reader.post("try/products?model=shelves", content=image_bytes(), **AS_JSON).json()
    box = {"x": 1, "y": 2, "w": 30, "h": 40}
    assert result == {
        "imageMetadata": {"width": 60, "height": 80},
        "products": [{"id": "1", "boundingBox": box, "tags": [{"name": "dög", "confidence": 0.625}]}],
        "gaps": [],
    }


def test_a_name_that_a_database_refuses(reader: Browser) -> None:
    assert reader.post("try/products?model=a%00b", content=image_bytes(), **AS_JSON).status_code == 404


def test_a_classifier_recognizes_no_products(reader: Browser) -> None:
    answer = reader.post("try/products?model=m", content=image_bytes(), **AS_JSON)
    assert answer.status_code == 400
    assert "only a Product-Recognizer or Generic-Detector recognizes products" in refusal(answer)[1]


def planogram(*positions: tuple[str, str, float]) -> dict[str, Any]:
    names = sorted({name for _, name, _ in positions})
    return {
        "width": 100,
        "height": 20,
        "products": [{"id": name, "name": name, "w": 6, "h": 20} for name in names],
        "fixtures": [{"id": "f", "w": 100, "h": 2, "x": 0, "y": 0}],
        "positions": [{"id": id_, "productId": name, "fixtureId": "f", "x": x, "y": 0} for id_, name, x in positions],
    }


def detected(*products: tuple[str, str, int]) -> dict[str, Any]:
    return {
        "imageMetadata": {"width": 1000, "height": 200},
        "products": [
            {"id": id_, "boundingBox": {"x": x, "y": 0, "w": 60, "h": 200}, "tags": [{"name": name, "confidence": 0.9}]}
            for id_, name, x in products
        ],
    }


PLAN = planogram(("a", "cola", 10), ("b", "cola", 20), ("c", HOSTILE, 30), ("d", "tea", 40))
SEEN = detected(("1", "cola", 100), ("2", "tea", 300), ("3", "tea", 400), ("4", "cola", 900))


def test_a_planogram_is_matched_as_by_the_api_with_every_position(reader: Browser) -> None:
    body = json.dumps({"detectedProducts": SEEN, "planogram": PLAN}).encode()
    answer = reader.post("try/planogram", content=body, content_type="application/json").json()
    expected = reader.world.call(
        "POST", "planogramcompliance:match", content=body, headers={"content-type": "application/json"}
    )
    assert answer["matchingResultPerPosition"] == expected.json()["matchingResultPerPosition"]
    assert [(one["id"], one["name"], one["found"], one["instead"]) for one in answer["positions"]] == [
        ("a", "cola", "1", None),
        ("b", "cola", None, None),
        ("c", HOSTILE, None, "2"),
        ("d", "tea", "3", None),
    ]
    assert answer["positions"][1]["place"] == {"x": 200, "y": 0, "w": 60, "h": 200}
    assert answer["extra"] == ["4"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"detectedProducts": SEEN}, "planogram: Field required"),
        ({"detectedProducts": SEEN, "planogram": {**PLAN, "width": 0}}, "planogram.width: Input should be greater than 0"),
        (
            {"detectedProducts": SEEN, "planogram": {**PLAN, "fixtures": []}},
            "planogram.positions[0].fixtureId: planogram.fixtures has no fixture 'f'",
        ),
        (
            {"detectedProducts": SEEN, "planogram": {**PLAN, "positions": PLAN["positions"] * 2}},
            "is the id of an earlier entry",
        ),
        ([], "The body is not a JSON object"),
    ],
)
def test_what_is_wrong_with_a_planogram(reader: Browser, body: object, says: str) -> None:
    answer = reader.post(
        "try/planogram", content=json.dumps(body).encode(), content_type="application/json", accept="application/json"
    )
    assert answer.status_code == 400
    assert says in refusal(answer)[1]


@pytest.mark.parametrize(
    ("content", "status"), [(b"[" * 100_000, 400), (b" " * (1024 * 1024 + 1), 413), (b"", 400), (b"\xff", 400)]
)
def test_a_planogram_that_is_none(reader: Browser, content: bytes, status: int) -> None:
    answer = reader.post("try/planogram", content=content, content_type="application/json", accept="application/json")
    assert answer.status_code == status


def test_positions_far_outside_of_the_photo(reader: Browser) -> None:
    body = {"detectedProducts": SEEN, "planogram": planogram(("a", "cola", 10), ("far", "tea", 1e9))}
    answer = reader.post("try/planogram", content=json.dumps(body).encode(), content_type="application/json")
    assert answer.status_code == 200
    assert answer.json()["positions"][1]["place"]["x"] > 1e9


def test_one_planogram_at_a_time(reader: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = threading.Event(), threading.Event()
    matched = try_out._matched_text

    def slow(body: bytes | None) -> str:
        entered.set()
        assert leave.wait(10)
        return matched(body)

    monkeypatch.setattr(try_out, "_matched_text", slow)
    body = json.dumps({"detectedProducts": SEEN, "planogram": PLAN}).encode()
    answers = []

    def send() -> None:
        answers.append(reader.post("try/planogram", content=body, content_type="application/json"))

    first = threading.Thread(target=send)
    first.start()
    assert entered.wait(10)
    busy = reader.post("try/planogram", content=body, content_type="application/json", accept="application/json")
    leave.set()
    first.join()
    assert busy.status_code == 429
    assert busy.headers["retry-after"] == "1"
    assert answers[0].status_code == 200


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"model": "m"}, "@photo.jpg"),
        ({"model": "m", "file": "my cat.png"}, "'@my cat.png'"),
        ({"model": "m", "url": "https://pictures.example/a.jpg"}, '{"url": "https://pictures.example/a.jpg"}'),
        ({"model": "m", "url": URL}, "$IMAGE_URL"),
        ({"model": "d", "threshold": "0.43"}, "@photo.jpg"),
        ({"model": "d", "threshold": "nan"}, "@photo.jpg"),
        ({"model": "shelves"}, "productrecognition/shelves/runs/$RUN"),
    ],
)
def test_the_code_of_a_result(reader: Browser, form: dict[str, str], says: str) -> None:
    snippets = dict(reader.post("try/code", form).json()["snippets"])
    assert says in snippets["curl"]
    assert "http://127.0.0.1:8080/computervision/" in snippets["curl"]
    assert ("--threshold 0.43" in snippets["CLI"]) == (form.get("threshold") == "0.43")
    assert "secret" not in str(snippets)
    assert not any(key in str(snippets) for key in KEYS)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 404),
        ({"model": "nothing"}, 404),
        ({"model": "m", "url": "javascript:alert(1)"}, 400),
        ({"model": "m", "url": "file:///etc/passwd"}, 400),
        ({"model": "m", "url": "https://a.example/" + "x" * 5000}, 400),
    ],
)
def test_code_that_is_refused(reader: Browser, form: dict[str, str], status: int) -> None:
    assert reader.post("try/code", form, accept="application/json").status_code == status


def test_the_page_has_the_code_of_a_photo(reader: Browser) -> None:
    page = unescape(reader.get("try?model=shelves").text)
    assert "vision products run shelves photo.jpg --json > found.json" in page
    assert 'with VisionClient("http://127.0.0.1:8080", os.environ["VISION_KEY"]) as client:' in page
