"""What the scripts of a draft's pages ask for."""

import json
from time import sleep
from typing import Any

import httpx
import pytest

from tests.support.api_world import World, image_bytes
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage

JSON = {"accept": "application/json", "content-type": "application/json"}


@pytest.fixture
def labeler(world: World) -> Browser:
    """Somebody who labels, and a draft `d` with two pictures in the Studio's container."""
    world.store.drafts.create("d", AnnotationKind.IMAGE_CLASSIFICATION, "d", world.container.url, "ada", tags=["cat", "dog"])
    images = [NewDraftImage(f"{number:064x}", ".png", f"{number}.png", 60, 80) for number in range(2)]
    world.store.drafts.add("d", images, "ada")
    return Browser(world).sign_in(Role.LABELER, "ben")


def post(browser: Browser, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
    reply = browser.post(path, content=json.dumps(body).encode(), **JSON)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_images_with_their_pictures(labeler: Browser) -> None:
    page = labeler.get("drafts/d/images?start=1&count=1", **JSON).json()
    [image] = page["images"]
    assert (page["count"], image["number"], image["fileName"], image["labels"]) == (2, 1, "1.png", [])
    assert image["thumbnail"] == f"/studio/drafts/d/images/1/thumbnail?v={1:064x}"
    assert labeler.get("drafts/d/images?only=new", **JSON).json()["count"] == 2
    assert labeler.get("drafts/d/images?tag=cat", **JSON).json()["count"] == 0
    assert labeler.get("drafts/d/images?only=nothing", **JSON).status_code == 400


def test_labels_are_saved_by_name(labeler: Browser, world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.audit")
    [result] = post(labeler, "drafts/d/labels", {"images": [{"number": 0, "eTag": "1", "labels": [{"tag": "cat"}]}]})["value"]
    assert (result["saved"], result["image"]["changedBy"]) == (True, "ben")
    assert [record.message for record in caplog.records if record.name == "engine.audit"] == ["labelled"]
    counts = labeler.get("drafts/d/counts", **JSON).json()
    assert (counts["images"], counts["unlabelled"], counts["tags"][0]) == (2, 1, {"name": "cat", "images": 1, "labels": 1})
    assert post(labeler, "drafts/d/remove", {"numbers": [0]}) == {"images": 1}
    assert post(labeler, "drafts/d/restore", {"numbers": [0]}) == {"images": 1}
    [image] = labeler.get("drafts/d/images?only=new&count=1", **JSON).json()["images"]
    assert image["labels"] == [{"tag": "cat"}]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("drafts/d/labels", b"{", 400),
        ("drafts/d/labels", b'{"images": [{"number": 0, "labels": [{"tag": "cat"}, {"tag": "dog"}]}]}', 400),
        ("drafts/no/labels", b'{"images": [{"number": 0, "labels": []}]}', 404),
        ("drafts/d/labels", b"[" * 10_000, 400),
        ("drafts/d/remove", b'{"numbers": []}', 400),
    ],
)
def test_what_is_refused_changes_nothing(labeler: Browser, path: str, body: bytes, status: int) -> None:
    reply = labeler.post(path, content=body, **JSON)
    assert (reply.status_code, "error" in reply.json()) == (status, True)
    assert labeler.get("drafts/d/counts", **JSON).json()["changed"] == 2


def test_a_session_that_has_ended_is_told_to_scripts(labeler: Browser) -> None:
    labeler.post("sign-out")
    assert labeler.post("drafts/d/labels", content=b"{}", **JSON).status_code == 401


LINES = {**JSON, "accept": "application/x-ndjson, application/json"}


def lines(reply: httpx.Response) -> list[dict[str, Any]]:
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in reply.text.splitlines()]


def test_all_images_of_a_filter_change_at_once(labeler: Browser, world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.audit")
    seen = labeler.get("drafts/d/images", **JSON).json()["edit"]
    world.store.drafts.label("d", [LabelChange(0, (DraftLabel("dog"),))], "eve")
    order = {"action": "give", "tag": "cat", "seen": seen}
    expected = {"changed": 1, "already": 0, "left": 0, "others": 1, "names": ["0.png"]}
    caplog.clear()
    assert post(labeler, "drafts/d/change", {**order, "preview": True}) == expected
    assert not [record for record in caplog.records if record.name == "engine.audit"]
    reply = labeler.post("drafts/d/change", content=json.dumps(order).encode(), **LINES)
    assert lines(reply)[-1] == {"result": expected}
    assert [record.message for record in caplog.records if record.name == "engine.audit"] == ["labelled"]
    images = labeler.get("drafts/d/images", **JSON).json()["images"]
    assert [image["labels"] for image in images] == [[{"tag": "dog"}], [{"tag": "cat"}]]


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b'{"action": "give"}', 400, "tag: is missing"),
        (b'{"action": "give", "tag": "cat", "only": "no"}', 400, "only"),
        (b'{"action": "take", "tag": "cow"}', 404, "cow"),
        (b'{"action": "sell"}', 400, "action"),
    ],
)
def test_a_change_of_all_that_cannot_be(labeler: Browser, body: bytes, status: int, text: str) -> None:
    for headers in (JSON, LINES):
        reply = labeler.post("drafts/d/change", content=body, **headers)
        assert reply.status_code == status
        assert text in reply.json()["error"]["message"]


def test_boxes_are_not_given_to_all(labeler: Browser, world: World) -> None:
    world.store.drafts.create("b", AnnotationKind.IMAGE_OBJECT_DETECTION, "b", world.container.url, "ada")
    reply = labeler.post("drafts/b/change", content=b'{"action": "give", "tag": "cat"}', **JSON)
    assert (reply.status_code, "image by image" in reply.json()["error"]["message"]) == (400, True)


def test_long_work_says_how_far_it_is_and_what_went_wrong(
    labeler: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that is saved slowly, and one that the container refuses."""
    written = world.container.write

    def slowly(*blob: Any) -> bool:  # noqa: ANN401
        sleep(0.5)
        return written(*blob)

    monkeypatch.setattr(type(world.container), "write", lambda _, *blob: slowly(*blob))
    form = {"accept": LINES["accept"]}
    said = lines(labeler.post("drafts/d/save", {}, **form))
    assert said[0] == {"doing": "Writing the version's files", "done": 0, "of": 0}
    assert said[-1]["result"]["location"].startswith("/studio/datasets/d/versions/")
    world.container.refusing = "annotations/1.json was not written: the container refuses it."
    assert lines(labeler.post("drafts/d/save", {}, **form))[-1] == {"error": {"message": world.container.refusing}}


@pytest.mark.parametrize("number", ["7", "-1", "x", "99999999999999999999"])
def test_an_image_that_is_not_there(labeler: Browser, number: str) -> None:
    for path in (f"drafts/d/images/{number}", f"drafts/d/images/{number}/thumbnail", f"drafts/d/images/{number}/view"):
        assert labeler.get(path, **JSON).status_code in (400, 404)


def test_a_picture_is_read_with_the_containers_token(world: World, labeler: Browser) -> None:
    url = f"{world.container.url}/images/{0:064x}.png"
    world.blobs.content[url] = image_bytes()
    reply = labeler.get(f"drafts/d/images/0/view?v={0:064x}")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "image/jpeg"
    assert labeler.get("drafts/d/images/1/view").status_code == 502, "the container has no such blob"
