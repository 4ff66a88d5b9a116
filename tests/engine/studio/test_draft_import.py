"""Pictures that are uploaded into a draft: what is added, what is refused and why, and how much memory that takes."""

import asyncio
import hashlib
import io
import json
import os
import resource
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.engine.studio.test_attacks import BOMB, DEEP, GIF_SCRIPT, HTML, SVG, png_of, zip_of
from tests.support.api_world import World, image_bytes
from tests.support.studio import ORIGIN, Browser
from vision_customization.common.dataset_content.blob_names import image_name
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import IMAGE_BYTES_MAX
from vision_customization.contract.studio import Role
from vision_customization.engine.store import DraftImageRecord
from vision_customization.engine.studio.pages import draft_import, new_dataset

BYTES = {"content-type": "application/octet-stream", "accept": "application/json"}
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as the engine does
JSON = {"content-type": "application/json", "accept": "application/json"}
KINDS = list(AnnotationKind)


@pytest.fixture
def labeler(world: World) -> Browser:
    """Somebody who labels, and the empty draft `d`."""
    world.store.drafts.create("d", AnnotationKind.IMAGE_CLASSIFICATION, "d", world.container.url, "ada")
    return Browser(world).sign_in(Role.LABELER, "ben")


def upload(browser: Browser, content: bytes, name: str = "1.png", draft: str = "d") -> httpx.Response:
    return browser.post(f"drafts/{draft}/pictures?fileName={quote(name, safe='')}", content=content, **BYTES)


def ask(browser: Browser, *digests: str) -> httpx.Response:
    return browser.post("drafts/d/known", content=json.dumps({"digests": digests}).encode(), **JSON)


def images(world: World) -> list[DraftImageRecord]:
    return list(world.store.drafts.all_images(world.store.drafts.find("d").sequence))


def distinct(number: int, size: tuple[int, int] = (20, 20)) -> bytes:
    """A picture that no other number gives."""
    target = io.BytesIO()
    Image.new("RGB", size, (number % 256, number // 256, 7)).save(target, "PNG")
    return target.getvalue()


def test_a_picture_is_added_once(labeler: Browser, world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.audit")
    picture = image_bytes()
    digest = hashlib.sha256(picture).hexdigest()
    first, second = (upload(labeler, picture, f"photos/{number}.png") for number in (1, 2))
    expected = {"number": 0, "digest": digest, "eTag": "1", "width": 60, "height": 80, "labelled": False}
    assert (first.status_code, first.json()) == (201, {"added": True, "image": expected})
    assert (second.status_code, second.json()) == (200, {"added": False, "image": expected})
    assert world.container.blobs[image_name(digest, ".png")] == picture
    [image] = images(world)
    assert (image.file_name, image.changed_by) == ("photos/1.png", "ben")
    [line] = [record for record in caplog.records if record.name == "engine.audit"]
    assert (line.message, line.__dict__["who"], line.__dict__["draft"], line.__dict__["sha256"]) == (
        "added a picture",
        "ben",
        "d",
        digest,
    )


def test_a_removed_picture_is_not_known_and_comes_back(labeler: Browser, world: World) -> None:
    picture = image_bytes()
    digest = hashlib.sha256(picture).hexdigest()
    upload(labeler, picture)
    assert ask(labeler, digest, "0" * 64).json()["images"] == [upload(labeler, picture).json()["image"]]
    world.store.drafts.remove("d", [0], "ada")
    assert ask(labeler, digest).json() == {"images": []}
    back = upload(labeler, picture)
    assert (back.status_code, back.json()["added"], back.json()["image"]["number"]) == (201, True, 0)
    assert len(images(world)) == 1


def noise(kind: str, side: int = 40) -> bytes:
    target = io.BytesIO()
    Image.fromarray(np.random.default_rng(7).integers(0, 256, (side, side, 3), np.uint8)).save(target, kind)
    return target.getvalue()


REFUSED = {
    "a damaged JPEG": (noise("JPEG")[:-300], 400, "damaged or truncated"),
    "a truncated PNG": (noise("PNG")[:200], 400, "damaged or truncated"),
    "an SVG": (SVG, 400, "not an image of a supported type"),
    "an HTML page": (HTML, 400, "not an image of a supported type"),
    "a ZIP archive": (zip_of(b"x"), 400, "not an image of a supported type"),
    "178 megapixels in 12 kB": (BOMB, 400, "10,240"),
    "200 megapixels": (png_of(20_000, 10_000), 400, "bad.jpg: the image"),
    "smaller than the contract allows": (image_bytes(size=(9, 50)), 400, "10"),
    "larger than the contract allows": (GIF_SCRIPT, 400, "10,240"),
    "nothing": (b"", 400, "The file is empty."),
    "a byte too many": (bytes(IMAGE_BYTES_MAX + 1), 413, "longer than 20,971,520 bytes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_a_picture_for_a_dataset_is_refused(labeler: Browser, world: World, case: str) -> None:
    content, status, says = REFUSED[case]
    answer = upload(labeler, content, "bad.jpg")
    assert answer.status_code == status
    assert says in answer.json()["error"]["message"]
    assert not images(world)
    assert not world.container.blobs, "nothing is written for what is refused"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a/b/c.png", "a/b/c.png"),
        ("../../etc/passwd", "etc/passwd"),
        ("/absolute/c.png", "absolute/c.png"),
        ("C:\\photos\\c.png", "C:/photos/c.png"),
        ("", "picture"),
        ("..", "picture"),
        ('"><img src=x onerror=alert(1)>.png', '"><img src=x onerror=alert(1)>.png'),
        ("line\nbreak\x00\u202egnp.png", "line_break__gnp.png"),
        ("é" * 2000, "é" * 1024),
    ],
)
def test_names_lead_nowhere(labeler: Browser, world: World, given: str, kept: str) -> None:
    assert upload(labeler, image_bytes(), given).status_code == 201
    assert [image.file_name for image in images(world)] == [kept]
    assert all(name.split("/")[0] in ("images", "manifests") and ".." not in name for name in world.container.blobs)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"digests": []}',
        b'{"digests": ["../x"]}',
        b'{"digests": ["' + b"A" * 64 + b'"]}',
        b'{"digests": ' + json.dumps(["0" * 64] * 101).encode() + b"}",
        DEEP,
    ],
)
def test_digests_that_are_none(labeler: Browser, body: bytes) -> None:
    assert labeler.post("drafts/d/known", content=body, **JSON).status_code == 400


def test_there_is_no_such_draft(labeler: Browser) -> None:
    assert upload(labeler, image_bytes(), draft="other").status_code == 404
    assert labeler.get("drafts/other/import").status_code == 404


def test_the_container_refuses(labeler: Browser, world: World) -> None:
    world.container.refusing = "the container does not take it"
    answer = upload(labeler, image_bytes())
    assert (answer.status_code, answer.json()["error"]["message"]) == (502, "the container does not take it")
    assert not images(world)


def test_a_draft_of_another_container_takes_nothing(labeler: Browser, world: World) -> None:
    world.store.drafts.create("old", AnnotationKind.IMAGE_CLASSIFICATION, "old", "https://other.example/c", "ada")
    answer = upload(labeler, image_bytes(), draft="old")
    assert answer.status_code == 400
    assert "https://other.example/c" in answer.json()["error"]["message"]
    page = labeler.get("drafts/old/import").text
    assert "https://other.example/c" in page
    assert 'id="drop"' not in page


def test_a_reader_sees_why_nothing_can_be_added(labeler: Browser, world: World) -> None:
    assert 'id="drop"' in labeler.get("drafts/d/import").text
    reader = Browser(world).sign_in(Role.READER)
    for path in ("drafts/d/import", "new"):
        page = reader.get(path).text
        assert "You are signed in as reader." in page
        assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
        assert 'id="drop"' not in page
    assert upload(reader, image_bytes()).status_code == 403


def test_too_many_at_once_are_asked_to_wait(labeler: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_import, "WAITING_MAX", 0)
    answer = upload(labeler, image_bytes())
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    monkeypatch.undo()
    assert upload(labeler, image_bytes()).status_code == 201


@pytest.mark.parametrize("kind", KINDS)
def test_a_dataset_begins_with_its_kind_and_tags(labeler: Browser, world: World, kind: AnnotationKind) -> None:
    page = labeler.get("new").text
    assert all(f'value="{each.value}"' in page for each in KINDS)
    assert {each for each, _, _ in new_dataset.KINDS} == set(KINDS)
    form = {"name": "leaves", "kind": kind.value, "tags": "ash\r\n beech \r\n\r\nash"}
    answer = labeler.post("drafts", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/studio/drafts/leaves/import")
    draft = world.store.drafts.find("leaves")
    assert (draft.annotation_kind, draft.created_by) == (kind, "ben")
    assert [tag.name for tag in world.store.drafts.tags(draft.sequence)] == ["ash", "beech"]
    assert "2 tags" in labeler.get("drafts/leaves/import").text


@pytest.mark.parametrize("form", [{}, {"name": "x"}, {"name": "../x", "kind": KINDS[0].value}, {"name": "x", "kind": "y"}])
def test_what_a_dataset_lacks(labeler: Browser, form: dict[str, str]) -> None:
    assert labeler.post("drafts", form).status_code == 400


async def _upload_all(world: World, browser: Browser, contents: list[bytes]) -> list[httpx.Response]:
    """All of them, as several visitors do: at most as many at once as the engine takes."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {**BYTES, "cookie": cookie, "sec-fetch-site": "same-origin"}
    turns = asyncio.Semaphore(draft_import.WAITING_MAX)
    transport = httpx.ASGITransport(world.call.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, trust_env=False) as client:

        async def send(number: int, content: bytes) -> httpx.Response:
            async with turns:
                path = f"/studio/drafts/d/pictures?fileName={number}.png"
                return await client.post(path, content=content, headers=headers)

        return await asyncio.gather(*(send(number, content) for number, content in enumerate(contents)))


def test_hundreds_of_pictures_are_added_and_refused_in_bounded_memory(labeler: Browser, world: World) -> None:
    large = noise("PNG", 1000)  # 3 MB
    damaged = large[: len(large) // 2] + os.urandom(1000)
    contents: list[bytes] = []
    for number in range(100):
        contents += [distinct(number), damaged, BOMB]
    upload(labeler, noise("JPEG"))  # what is loaded once
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers: list[Any] = asyncio.run(_upload_all(world, labeler, contents))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert [answer.status_code for answer in answers] == [201, 400, 400] * 100
    assert len(images(world)) == 101
    assert grown < 150_000, f"the peak grew by {grown:,} kB, while the damaged files have 150,000 kB together"
