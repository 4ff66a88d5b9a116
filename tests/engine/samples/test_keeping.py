"""Which novel images are kept, how many and for how long."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.api_world import image_bytes
from vision_customization.contract.limits import NOVEL
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import sample_key, thumbnail_key
from vision_customization.engine.objects.store import ObjectsUnavailable
from vision_customization.engine.samples.keeping import WAITING_MAX, Samples
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({}, data_dir=tmp_path, novel_samples=3, novel_sample_days=7)


@pytest.fixture
def store(settings: Settings, clock: Clock) -> Iterator[Store]:
    Store.open(settings).close()
    with closing(Store(settings, now=clock)) as store:
        yield store


@pytest.fixture
def objects(tmp_path: Path) -> FileObjects:
    return FileObjects(tmp_path / "objects")


def picture(number: int) -> bytes:
    return image_bytes(size=(60 + number, 80))


def kept(store: Store) -> int:
    return store.samples.page(0, 100)[0]


def test_a_novel_image_is_kept_with_its_thumbnail(settings: Settings, store: Store, objects: FileObjects) -> None:
    samples = Samples(settings, store, objects)
    samples.offer(picture(0), "m", NOVEL, "cat")
    samples.offer(picture(1), "m", NOVEL - 0.001, "cat")
    samples.close()
    count, [sample] = store.samples.page(0, 10)
    assert (count, sample.model_name, sample.novelty, sample.tag) == (1, "m", NOVEL, "cat")
    assert samples.data(sample.sha256) == picture(0)
    assert objects.exists(thumbnail_key(sample.sha256))


def test_none_is_kept_unless_it_is_set(tmp_path: Path, store: Store, objects: FileObjects) -> None:
    samples = Samples(Settings.from_environment({}, data_dir=tmp_path), store, objects)
    samples.offer(picture(0), "m", 1.0, "cat")
    samples.close()
    assert kept(store) == 0
    assert objects.names("samples") == []


def test_the_oldest_make_room(settings: Settings, store: Store, objects: FileObjects) -> None:
    samples = Samples(settings, store, objects)
    for number in range(5):
        with_room(samples)
        samples.offer(picture(number), "m", 1.0, str(number))
    samples.close()
    assert [sample.tag for sample in store.samples.page(0, 10)[1]] == ["4", "3", "2"]
    assert len(objects.names("samples")) == 3


def with_room(samples: Samples) -> None:
    """Wait until all that was offered is stored."""
    samples._thread.submit(lambda: None).result()


def test_a_sweep_deletes_what_is_too_old_and_what_no_row_names(
    settings: Settings, store: Store, objects: FileObjects, clock: Clock
) -> None:
    samples = Samples(settings, store, objects)
    samples.offer(picture(0), "m", 1.0, "old")
    with_room(samples)
    clock.now += timedelta(days=8)
    samples.offer(picture(1), "m", 1.0, "new")
    samples.close()
    objects.put(sample_key("0" * 64), b"left by a killed process")
    samples.sweep()
    assert [sample.tag for sample in store.samples.page(0, 10)[1]] == ["new"]
    assert len(objects.names("samples")) == 1


def test_turned_off_again_the_next_sweep_deletes_all(
    settings: Settings, tmp_path: Path, store: Store, objects: FileObjects
) -> None:
    on = Samples(settings, store, objects)
    on.offer(picture(0), "m", 1.0, "cat")
    on.close()
    assert Samples(Settings.from_environment({}, data_dir=tmp_path), store, objects).sweep() == 1
    assert (kept(store), objects.names("samples")) == (0, [])


def test_the_same_image_is_kept_once(settings: Settings, store: Store, objects: FileObjects) -> None:
    samples = Samples(settings, store, objects)
    for model in ("first", "second"):
        samples.offer(picture(0), model, 1.0, "cat")
    samples.close()
    assert [sample.model_name for sample in store.samples.page(0, 10)[1]] == ["first"]


class Slow(FileObjects):
    """Waits before it stores anything."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.may_go_on = threading.Event()

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        assert self.may_go_on.wait(10)
        super().put(key, data, durable=durable)


def test_calls_never_wait_for_a_slow_store(settings: Settings, store: Store, tmp_path: Path) -> None:
    objects = Slow(tmp_path / "slow")
    samples = Samples(settings.model_copy(update={"novel_samples": 100}), store, objects)
    for number in range(3 * WAITING_MAX):
        samples.offer(picture(number), "m", 1.0, "cat")  # returns at once
    objects.may_go_on.set()
    samples.close()
    assert kept(store) == WAITING_MAX


class Refusing(FileObjects):
    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        raise ObjectsUnavailable("The container is full.")


def test_a_store_that_refuses_is_logged(
    settings: Settings, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples = Samples(settings, store, Refusing(tmp_path / "refusing"))
    samples.offer(picture(0), "m", 1.0, "cat")
    samples.offer(b"no image", "m", 1.0, "cat")
    samples.close()
    assert "a novel image of model m is not kept: The container is full." in caplog.text
