"""Thumbnails, views and crops: what browsers get, what they keep, and what they cannot ask for."""

import asyncio
from concurrent.futures import Future

import pytest

from tests.engine.studio.datasets.pictures import DrawnPictures, drawn_picture
from tests.engine.views.pictures import opened
from tests.support.api_world import World
from tests.support.coco_content import coco, digest_of, read, register, url_of
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.blobs.address import BlobErrorKind
from vision_customization.engine.views.errors import CodecMissing, PictureInvalid, PictureUnreadable, ViewError, ViewsBusy
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, VIEW_SIDE

KEPT = "private, max-age=31536000, immutable"
DIGEST = digest_of("1.jpg")
THUMBNAIL = "datasets/pets/images/0/thumbnail"


@pytest.fixture(autouse=True)
def pets(world: World, pictures: DrawnPictures) -> DrawnPictures:
    document = coco({"1.jpg": [("cat", [0.5, 0.0, 0.5, 1.0])], "2.jpg": []})
    document["images"][1]["absolute_url"] = f"{url_of('2.jpg')}?sig=Secret"
    register(world.store, "pets", document, AnnotationKind.IMAGE_OBJECT_DETECTION)
    return pictures


@pytest.mark.parametrize(
    ("path", "side"),
    [
        (THUMBNAIL, THUMBNAIL_SIDE),
        ("datasets/pets/images/0/view", VIEW_SIDE),
        ("datasets/pets/images/0/crop?box=0.5,0,0.5,1", THUMBNAIL_SIDE),
    ],
)
def test_a_picture_is_a_jpeg_that_nothing_takes_for_another_thing(owner: Browser, path: str, side: int) -> None:
    answer = owner.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert max(opened(answer.content).size) <= side


def test_a_thumbnail_whose_address_names_its_digest_is_kept(owner: Browser, world: World, pictures: DrawnPictures) -> None:
    read(world.store, "1.jpg")
    answer = owner.get(f"{THUMBNAIL}?v={DIGEST}")
    assert (answer.headers["cache-control"], answer.headers["etag"]) == (KEPT, f'W/"{DIGEST}-256"')
    assert pictures.asked == [("pets", url_of("1.jpg"), DIGEST)]
    for version in ("", "?v=", f"?v={'0' * 64}", "?v=../../keys", f"?v={DIGEST.upper()}"):
        assert owner.get(f"{THUMBNAIL}{version}").headers["cache-control"] == "private, no-cache"


def test_a_stored_thumbnail_that_the_address_names_is_sent_at_once(owner: Browser, pictures: DrawnPictures) -> None:
    pictures.kept[DIGEST] = drawn_picture(url_of("1.jpg"), THUMBNAIL_SIDE)
    answer = owner.get(f"{THUMBNAIL}?v={DIGEST}")
    assert (answer.content, answer.headers["cache-control"]) == (pictures.kept[DIGEST].data, KEPT)
    assert owner.get(f"{THUMBNAIL}?v={DIGEST}", **{"if-none-match": f'W/"{DIGEST}-256"'}).status_code == 304
    assert pictures.asked == []


def test_a_browser_that_has_the_picture_gets_it_no_second_time(owner: Browser, world: World, pictures: DrawnPictures) -> None:
    read(world.store, "1.jpg")
    for path, side in ((THUMBNAIL, 256), ("datasets/pets/images/0/view", 1600)):
        answer = owner.get(path, **{"if-none-match": f'"other", W/"{DIGEST}-{side}"'})
        assert (answer.status_code, answer.content) == (304, b"")
    assert pictures.asked == []
    assert owner.get(THUMBNAIL, **{"if-none-match": 'W/"other"'}).status_code == 200


def test_the_engine_reads_with_the_query_that_nobody_sees(owner: Browser, pictures: DrawnPictures) -> None:
    owner.get("datasets/pets/images/1/thumbnail")
    assert pictures.asked == [("pets", f"{url_of('2.jpg')}?sig=Secret", None)]


def test_a_crop_is_cut_from_one_view(owner: Browser, world: World, pictures: DrawnPictures) -> None:
    read(world.store, "1.jpg")
    left, right = (owner.get(f"datasets/pets/images/0/crop?box={box}&v={DIGEST}") for box in ("0,0,.4,1", ".6,0,.4,1"))
    assert left.content != right.content
    assert left.headers["etag"] != right.headers["etag"]
    assert left.headers["cache-control"] == KEPT
    assert len(pictures.asked) == 1


@pytest.mark.parametrize("box", ["", "0,0,1", "0,0,1,1,1", "a,b,c,d", "nan,0,1,1", "0,0,2,1", "-1,0,1,1", "inf,0,1,1"])
def test_a_box_is_four_fractions(owner: Browser, box: str) -> None:
    assert owner.get(f"datasets/pets/images/0/crop?box={box}").status_code == 400


@pytest.mark.parametrize(
    ("refusal", "status", "said"),
    [
        (ViewsBusy(64), 503, "making 64 pictures already"),
        (PictureUnreadable(BlobErrorKind.DENIED, "The SAS token has expired."), 502, "The SAS token has expired."),
        (PictureInvalid("1.jpg: the image is damaged."), 422, "the image is damaged"),
        (CodecMissing("1.jpg: no codec."), 422, "no codec"),
    ],
)
def test_a_picture_that_cannot_be_made_says_why(
    owner: Browser, pictures: DrawnPictures, refusal: ViewError, status: int, said: str
) -> None:
    pictures.refusals = {url_of("1.jpg"): refusal}
    for path in (THUMBNAIL, "datasets/pets/images/0/view", "datasets/pets/images/0/crop?box=0,0,1,1"):
        answer = owner.get(path, accept="application/json")
        assert answer.status_code == status
        assert said in answer.json()["error"]["message"]
        assert answer.headers["cache-control"] == "no-store"
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    "position",
    ["2", "-1", "01x", "%2e%2e", "..%2f0", "%2e%2e%2f%2e%2e%2fkeys", "0%00", "٣", "1e0", "9" * 30],
)
@pytest.mark.parametrize("what", ["", "/thumbnail", "/view", "/crop?box=0,0,1,1", "/answer"])
def test_only_positions_of_images_have_pictures(owner: Browser, pictures: DrawnPictures, position: str, what: str) -> None:
    assert owner.get(f"datasets/pets/images/{position}{what}").status_code == 404
    assert pictures.asked == []


def test_nobody_sees_pictures_without_signing_in(browser: Browser, pictures: DrawnPictures) -> None:
    assert browser.get(THUMBNAIL).status_code == 303
    assert pictures.asked == []


def test_a_picture_that_nobody_waits_for_is_given_up(world: World, owner: Browser, pictures: DrawnPictures) -> None:
    waiting: list[Future[object]] = []
    pictures.waiting = waiting  # type: ignore[assignment]
    cookie = "; ".join(f"{name}={value}" for name, value in owner.cookies.items())

    async def leave_early() -> None:
        messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> dict[str, object]:
            return next(messages, {"type": "http.disconnect"})

        async def send(_message: object) -> None:
            pass

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/studio/{THUMBNAIL}",
            "raw_path": f"/studio/{THUMBNAIL}".encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1:8080"), (b"cookie", cookie.encode())],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8080),
        }
        await asyncio.wait_for(world.call.app(scope, receive, send), 10)

    asyncio.run(leave_early())
    [answer] = waiting
    assert answer.cancelled()


def test_drawn_pictures_are_of_the_sizes_that_pages_get() -> None:
    assert (drawn_picture(url_of("1.jpg"), 256).width, drawn_picture(url_of("1.jpg"), 256).height) == (256, 192)
