"""Thumbnails and views of a registered dataset's images, over real HTTP."""

import asyncio
import hashlib
import io
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from PIL import Image
from pydantic import SecretStr

from tests.engine.jobs.blob_server import BlobServer, serving_blobs
from tests.engine.views.pictures import difference, encoded, opened, photo
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind
from vision_customization.engine.blobs.address import BlobErrorKind
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.learning.images import DecodedImage, decode_to_show
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import thumbnail_key
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import BlobRecord, DatasetRecord, Store
from vision_customization.engine.views import image_views
from vision_customization.engine.views.errors import CodecMissing, PictureInvalid, PictureUnreadable, ViewsBusy
from vision_customization.engine.views.image_views import ImageViews
from vision_customization.engine.views.reencoding import Reencoded

PHOTO = encoded(photo(3000, 2000))
DIGEST = hashlib.sha256(PHOTO).hexdigest()
SIGNATURE = "sig=NeverInClear"
SECONDS = 30


@dataclass
class World:
    blobs: BlobServer
    store: Store
    objects: FileObjects
    settings: Settings
    reader: BlobReader
    views: ImageViews
    dataset: DatasetRecord
    """With a SAS token for the container `/account/cats`."""

    def reopened(self, **options: int) -> ImageViews:
        """As another process would: nothing in memory."""
        self.views.close()
        self.views = ImageViews(self.store, self.objects, self.reader, 4, **options)
        return self.views

    def known(self, url: str) -> BlobRecord | None:
        return self.store.known_blobs.at([url]).get(url)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving_blobs() as blobs:
        settings = Settings(data_dir=tmp_path, allowed_hosts=(blobs.netloc,))
        store = Store.open(settings)
        dataset = store.datasets.create(
            "cats",
            AnnotationKind.IMAGE_CLASSIFICATION,
            [f"{blobs.url}/account/cats/train.json"],
            authentication_kind=AuthenticationKind.SAS,
            sas_token=SecretStr(SIGNATURE),
        )
        objects = FileObjects(tmp_path / "objects")
        with BlobReader(settings.allowed_hosts, attempts=2, sleep=lambda _: None) as reader:
            world = World(blobs, store, objects, settings, reader, ImageViews(store, objects, reader, 4), dataset)
            yield world
            world.views.close()
        store.close()


def test_a_thumbnail_is_made_once_and_kept(world: World) -> None:
    url = world.blobs.put("/account/cats/1.jpg", PHOTO)
    thumbnail = world.views.thumbnail(world.dataset, url).result(SECONDS)
    assert (thumbnail.width, thumbnail.height, thumbnail.sha256) == (256, 171, DIGEST)
    assert difference(opened(thumbnail.data), photo(3000, 2000).resize((256, 171))) < 3
    assert world.blobs.requests == [(f"/account/cats/1.jpg?{SIGNATURE}", 200)]
    assert world.objects.get(thumbnail_key(DIGEST)) == thumbnail.data
    assert world.views.thumbnail(world.dataset, url).result(SECONDS) == thumbnail
    assert world.views.thumbnail(world.dataset, url, DIGEST).result(0) is thumbnail  # without a thread
    views = world.reopened()
    assert views.thumbnail(world.dataset, url).result(SECONDS) == thumbnail  # by its URL
    assert world.reopened().thumbnail(world.dataset, url, DIGEST).result(SECONDS) == thumbnail
    assert len(world.blobs.requests) == 1


def test_digest_and_size_of_a_picture_are_remembered(world: World) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    urls = [world.blobs.put(f"/account/cats/{side}.jpg", encoded(photo(side, 2 * side), exif=exif)) for side in (100, 200, 300)]
    for answer in [world.views.view(world.dataset, url) for url in urls]:
        answer.result(SECONDS)
    world.views.close()
    sizes = [(record.width, record.height) for url in urls if (record := world.known(url))]
    assert sizes == [(200, 100), (400, 200), (600, 300)]
    record = world.known(urls[0])
    assert record is not None
    assert record.sha256 == hashlib.sha256(world.blobs.blobs["/account/cats/100.jpg"]).hexdigest()
    assert record.etag


def test_a_view_is_what_the_blob_is_now(world: World) -> None:
    url = world.blobs.put("/account/cats/1.jpg", PHOTO)
    view = world.views.view(world.dataset, url).result(SECONDS)
    assert (view.width, view.height, view.side) == (1600, 1067, 1600)
    world.blobs.put("/account/cats/1.jpg", encoded(photo(50, 40)))
    changed = world.views.view(world.dataset, url).result(SECONDS)
    assert (changed.width, changed.height) == (50, 40)
    assert changed.etag != view.etag
    thumbnail = world.views.thumbnail(world.dataset, url).result(SECONDS)  # the view has told the digest
    assert (thumbnail.width, thumbnail.height) == (50, 40)


def test_a_decoder_rests_after_a_picture_while_models_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: 0.01 * next(ticks), sleep=rests.append)
    monkeypatch.setattr(image_views, "time", clock)
    urls = [world.blobs.put(f"/account/cats/{number}.jpg", encoded(photo(60, 40 + number))) for number in range(4)]
    busy = False
    world.views.give_way_while(lambda: busy)
    for url in urls[:2]:
        world.views.view(world.dataset, url).result(SECONDS)
    assert rests == []
    busy = True
    for url in urls[2:]:
        world.views.view(world.dataset, url).result(SECONDS)
    assert rests == pytest.approx([0.04, 0.04])  # five times the hundredth that the last one took, of which one has passed


def test_equal_pictures_share_a_thumbnail(world: World) -> None:
    here, there = (world.blobs.put(f"/account/cats/{name}.jpg", PHOTO) for name in "ab")
    world.views.thumbnail(world.dataset, here).result(SECONDS)
    world.views.thumbnail(world.dataset, there, DIGEST).result(SECONDS)
    assert world.blobs.served() == [f"/account/cats/a.jpg?{SIGNATURE}"]


def test_who_asks_at_the_same_time_is_answered_by_one_read(world: World) -> None:
    url = world.blobs.put("/account/cats/1.jpg", PHOTO)
    go = threading.Event()
    world.blobs.before_reply = lambda _: go.wait(SECONDS)
    answers = [world.views.view(world.dataset, url) for _ in range(10)]
    go.set()
    assert len({id(answer.result(SECONDS)) for answer in answers}) == 1
    assert len(world.blobs.requests) == 1


def test_more_than_may_wait_are_refused_at_once(world: World) -> None:
    views = world.reopened(waiting_max=4)
    go = threading.Event()
    world.blobs.before_reply = lambda _: go.wait(SECONDS)
    answers: list[Future[Reencoded]] = []
    for number in range(20):
        url = world.blobs.put(f"/account/cats/{number}.jpg", encoded(photo(60 + number, 60)))
        answers.append(views.view(world.dataset, url))
    refused = [answer for answer in answers if answer.done()]
    assert len(refused) == 20 - 4 - 4  # four are read, and four wait
    with pytest.raises(ViewsBusy, match="Try again"):
        refused[0].result(0)
    go.set()
    assert all(answer.result(SECONDS).data for answer in answers if answer not in refused)


@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (4, 1), (7, 1), (8, 2), (64, 2)])
def test_few_images_are_decoded_at_once(threads: int, at_once: int, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    decoding, most = 0, 0
    lock = threading.Lock()

    def decode(data: bytes, side: int) -> DecodedImage:
        nonlocal decoding, most
        with lock:
            decoding += 1
            most = max(most, decoding)
        time.sleep(0.02)  # long enough for others to come
        decoded = decode_to_show(data, side)
        with lock:
            decoding -= 1
        return decoded

    monkeypatch.setattr(image_views, "decode_to_show", decode)
    urls = [world.blobs.put(f"/account/cats/{number}.jpg", encoded(photo(60, 60 + number))) for number in range(12)]
    with ImageViews(world.store, world.objects, world.reader, threads) as views:
        for answer in [views.view(world.dataset, url) for url in urls]:
            answer.result(SECONDS)
    assert most == at_once


@pytest.mark.parametrize(
    ("path", "data", "error", "says"),
    [
        ("/account/cats/none.jpg", None, PictureUnreadable, r"/cats/none\.jpg does not exist"),
        ("/account/cats/busy.jpg", b"", PictureUnreadable, r"/cats/busy\.jpg could not be read"),
        ("/account/cats/a.jpg", b"<svg onload='alert(1)'/>", PictureInvalid, r"/cats/a\.jpg: the data .* is not an image"),
        ("/account/cats/b.jpg", PHOTO[:5000], PictureInvalid, r"/cats/b\.jpg: the image is damaged or truncated"),
        ("/account/cats/c.jpg", b"", PictureInvalid, r"/cats/c\.jpg: the image is empty"),
    ],
)
@pytest.mark.parametrize("way", ["thumbnail", "view"])
def test_what_cannot_be_shown_is_named_without_its_query(
    way: str, path: str, data: bytes | None, error: type[Exception], says: str, world: World
) -> None:
    world.blobs.busy = lambda path: "busy" in path
    url = f"{world.blobs.url}{path}?sv=1&sig=OfTheUrl"
    if data is not None:
        world.blobs.put(path, data)
    with pytest.raises(error, match=says) as raised:
        getattr(world.views, way)(world.dataset, url).result(SECONDS)
    assert "sig=" not in str(raised.value)
    assert not world.objects.names("thumbnails")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://10.0.0.1/a.jpg", "https://[::1]/a.jpg", "a.jpg", "//x", ""])
@pytest.mark.parametrize("way", ["thumbnail", "view"])
def test_only_allowed_hosts_are_read(way: str, url: str, world: World) -> None:
    with pytest.raises(PictureUnreadable) as raised:
        getattr(world.views, way)(world.dataset, url).result(SECONDS)
    assert raised.value.kind is BlobErrorKind.NOT_ALLOWED


def test_the_token_is_sent_to_its_container_alone(world: World) -> None:
    for path in ("/account/cats/1.jpg", "/account/dogs/1.jpg"):
        world.views.view(world.dataset, world.blobs.put(path, PHOTO)).result(SECONDS)
    assert world.blobs.served() == [f"/account/cats/1.jpg?{SIGNATURE}", "/account/dogs/1.jpg"]


def test_a_token_of_another_key_is_explained(world: World) -> None:
    settings = world.settings.model_copy(update={"token_key": SecretStr(Fernet.generate_key().decode())})
    world.store = Store.open(settings)
    url = world.blobs.put("/account/cats/1.jpg", PHOTO)
    with pytest.raises(PictureUnreadable, match=r"cats/1\.jpg: The SAS token of dataset 'cats' cannot be decrypted") as raised:
        world.reopened().view(world.dataset, url).result(SECONDS)
    assert raised.value.kind is BlobErrorKind.DENIED
    world.store.close()


def test_a_digest_that_is_none_is_refused(world: World) -> None:
    url = world.blobs.put("/account/cats/1.jpg", PHOTO)
    with pytest.raises(ValueError, match="is not a SHA-256"):
        world.views.thumbnail(world.dataset, url, "../../keys")


def test_a_damaged_thumbnail_is_made_again(world: World) -> None:
    url = world.blobs.put("/account/cats/1.jpg", PHOTO)
    world.objects.put(thumbnail_key(DIGEST), PHOTO[:1000])
    thumbnail = world.views.thumbnail(world.dataset, url, DIGEST).result(SECONDS)
    assert world.objects.get(thumbnail_key(DIGEST)) == thumbnail.data


def test_a_missing_codec_is_told_from_a_damaged_picture(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    url = world.blobs.put("/account/cats/1.jpg", PHOTO)
    monkeypatch.delattr(Image.core, "jpeg_decoder")
    with pytest.raises(CodecMissing, match=r"cats/1\.jpg: the image can't be decoded here"):
        world.views.view(world.dataset, url).result(SECONDS)


def test_an_event_loop_awaits_pictures_and_gives_them_up(world: World) -> None:
    first, second = (world.blobs.put(f"/account/cats/{name}.jpg", PHOTO + name.encode()) for name in "ab")
    go = threading.Event()

    async def look() -> bytes:
        world.blobs.before_reply = lambda _: go.wait(SECONDS)
        kept = asyncio.wrap_future(world.views.thumbnail(world.dataset, first))
        given_up = asyncio.ensure_future(asyncio.wrap_future(world.views.thumbnail(world.dataset, second)))
        await asyncio.sleep(0)
        given_up.cancel()
        go.set()
        return (await kept).data

    assert Image.open(io.BytesIO(asyncio.run(look()))).size == (256, 171)
