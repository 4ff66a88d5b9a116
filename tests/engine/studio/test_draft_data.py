"""What the scripts of a draft's pages ask for."""

import json
from typing import Any

import pytest

from tests.support.api_world import World, image_bytes
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.store.draft_records import NewDraftImage

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
