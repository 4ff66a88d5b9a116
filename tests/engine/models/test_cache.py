"""Models in memory: the bound, one loading for many callers, what was deleted, and what has just been trained."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sqlalchemy.exc import OperationalError

from tests.support.exported_model import Exported
from tests.support.waiting import wait_until
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import Artifact
from vision_customization.engine.learning import Classifier
from vision_customization.engine.learning.classification.artifact import ClassifierSession
from vision_customization.engine.learning.classification.serving import SharedClassifier
from vision_customization.engine.learning.npz import from_npz, to_npz
from vision_customization.engine.learning.onnx_files.sessions import open_session
from vision_customization.engine.models import cache as serving
from vision_customization.engine.models import warming
from vision_customization.engine.models.cache import ModelCache, ModelGone, ModelTooSlow
from vision_customization.engine.models.warming import Warming, warm_networks
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import artifact_key, head_key, own_networks_key
from vision_customization.engine.runtime.wakeups import PipeWakeups, Wakeups
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder, Unfinished

PIXELS = np.zeros((50, 50, 3), np.uint8)


class Sessions:
    """Opens sessions that know their model's file, and counts."""

    def __init__(self, pause_seconds: float = 0.0) -> None:
        self.opened: list[str] = []
        self.running = self.most_running = 0
        self.pause_seconds = pause_seconds

    def __call__(self, path: Path, threads: int) -> "Session":
        time.sleep(self.pause_seconds)
        self.opened.append(path.parent.name)
        return Session(self, path.read_bytes().decode())


class Session:
    thresholds = None

    def __init__(self, sessions: Sessions, tags: str) -> None:
        self._sessions = sessions
        self.tags = tuple(tags.split(","))

    def classify(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float | None]:
        self._sessions.running += 1
        self._sessions.most_running = max(self._sessions.running, self._sessions.most_running)
        time.sleep(self._sessions.pause_seconds)
        self._sessions.running -= 1
        return np.array([0.2, 0.7, 0.1], np.float32)[: len(self.tags)], 0.25

    def stop(self) -> None:
        """Nothing: its calls end by themselves."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", cache_models=2, threads=2)


@pytest.fixture
def objects(tmp_path: Path) -> FileObjects:
    objects = FileObjects(tmp_path / "objects")
    for model in ("one", "two", "three"):
        objects.put(artifact_key(model), b"a,b,c")
    return objects


class Heads(NamedTuple):
    """Objects of three models that have heads, and settings that have the networks."""

    objects: FileObjects
    settings: Settings


def of_another_layout(classifier: Classifier) -> bytes:
    """The head as an engine with other networks writes it."""
    arrays = from_npz(classifier.to_npz())
    facts = json.loads(arrays["facts"].tobytes()) | {"layout": "0123456789abcdef"}
    return to_npz(arrays | {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)})


def together(count: int, call: Callable[[], object]) -> list[object]:
    results: list[object] = []

    def run() -> None:
        try:
            results.append(call())
        except ModelGone as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_the_most_probable_tag_comes_first(settings: Settings, objects: FileObjects) -> None:
    cache = ModelCache(settings, objects, Sessions())
    found = cache.classify("one", PIXELS)
    assert [tag.name for tag in found.tags] == ["b", "a", "c"]
    assert sum(tag.probability for tag in found.tags) == pytest.approx(1)
    assert found.novelty == 0.25


def test_the_model_used_longest_ago_makes_room(settings: Settings, objects: FileObjects) -> None:
    sessions = Sessions()
    cache = ModelCache(settings, objects, sessions)
    for model in ("one", "two", "one", "three", "one", "two"):
        cache.classify(model, PIXELS)
    assert sessions.opened == ["one", "two", "three", "two"]


def test_a_model_is_loaded_once_however_many_ask(settings: Settings, objects: FileObjects) -> None:
    sessions = Sessions(pause_seconds=0.02)
    cache = ModelCache(settings, objects, sessions)
    assert len(together(16, lambda: cache.classify("one", PIXELS))) == 16
    assert sessions.opened == ["one"]
    assert sessions.most_running <= 2


def test_calls_are_served_in_the_order_they_came(settings: Settings, objects: FileObjects) -> None:
    cache = ModelCache(settings, objects, Sessions(pause_seconds=0.01))
    cache.load("one")
    served: Counter[int] = Counter()
    until = time.monotonic() + 0.5

    def client(number: int) -> None:
        while time.monotonic() < until:
            cache.classify("one", PIXELS)
            served[number] += 1

    threads = [threading.Thread(target=client, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served) == 8
    # Without an order one client takes most turns, and others none. A busy machine keeps a client from asking now and then.
    assert max(served.values()) <= 2 * min(served.values())


class Stuck(Session):
    """Never answers, and does not listen when it is asked to stop."""

    release = threading.Event()

    def classify(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float | None]:
        self.release.wait(30)
        return super().classify(pixels)


def test_a_model_that_never_answers_blocks_no_other(
    settings: Settings, objects: FileObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "REST_SECONDS", 0.2)
    monkeypatch.setattr(Stuck, "release", threading.Event())
    sessions = Sessions()

    def opened(path: Path, threads: int) -> Session:
        return (Stuck if path.parent.name == "one" else Session)(sessions, "a,b,c")

    cache = ModelCache(settings, objects, opened, seconds_max=0.2)

    def call() -> None:
        with pytest.raises(ModelTooSlow):
            cache.classify("one", PIXELS)

    stuck = [threading.Thread(target=call) for _ in range(6)]
    for thread in stuck:
        thread.start()
    begun = time.monotonic()
    assert cache.classify("two", PIXELS).tags[0].name == "b"
    for thread in stuck:
        thread.join()
    assert time.monotonic() - begun < 10, "two of its calls have waited for an answer, and the others were refused"
    time.sleep(0.3)
    begun = time.monotonic()
    with pytest.raises(ModelTooSlow, match=r"took longer than 0.2 s for an image"):
        cache.classify("one", PIXELS)
    assert time.monotonic() - begun < 0.2, "it has rested, but its calls still run"
    Stuck.release.set()

    def answer() -> str:
        with suppress(ModelTooSlow):
            return cache.classify("one", PIXELS).tags[0].name
        return ""

    assert wait_until(answer, "the model answers again", 10) == "b"


class Stopped(Session):
    """Computes until it is stopped, and then fails, whichever call it is."""

    def __init__(self, sessions: Sessions, tags: str) -> None:
        super().__init__(sessions, tags)
        self.stopped = threading.Event()

    def classify(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float | None]:
        self.stopped.wait(30)
        raise RuntimeError("Exiting due to terminate flag being set to true.")

    def stop(self) -> None:
        self.stopped.set()


def test_a_call_that_is_stopped_beside_the_slow_one_is_told_the_same(settings: Settings, objects: FileObjects) -> None:
    cache = ModelCache(settings, objects, lambda *_: Stopped(Sessions(), "a"), seconds_max=0.3)
    cache.load("one")
    errors: list[Exception] = []

    def call() -> None:
        with pytest.raises(ModelTooSlow) as error:
            cache.classify("one", PIXELS)
        errors.append(error.value)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.15)
    for thread in threads:
        thread.join()
    assert len(errors) == 2


def test_a_model_that_loops_for_ever_is_ended(settings: Settings, objects: FileObjects) -> None:
    """No such file is accepted any more. This one is opened behind the check's back."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["goes_on"], ["still"]), helper.make_node("Identity", ["carried"], ["on"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("on", TensorProto.FLOAT, [1]),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["first"], value_floats=[1.0]),
            helper.make_node("Loop", ["", "yes", "first"], ["probabilities"], body=body),
        ],
        "endless",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["h", "w", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(np.array(True), "yes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    model.metadata_props.add(key="labels", value='["a"]')
    session = ClassifierSession(open_session(model.SerializeToString(), 1))
    cache = ModelCache(settings, objects, lambda *_: session, seconds_max=0.2)
    with pytest.raises(ModelTooSlow):
        cache.classify("one", PIXELS)
    wait_until(lambda: all(thread.name != "within" for thread in threading.enumerate()), "its thread ends", 10)


@pytest.fixture
def heads(exported: Exported, weights_dir: Path, tmp_path: Path) -> Heads:
    objects = FileObjects(tmp_path / "heads")
    for model in ("one", "two", "three"):
        objects.put(head_key(model), exported.classifier.to_npz())
        objects.put(artifact_key(model), b"a,b,c")
    return Heads(objects, Settings(data_dir=tmp_path / "data", weights_dir=weights_dir, cache_models=1, threads=2))


def test_heads_take_no_room_from_models_with_networks_of_their_own(heads: Heads) -> None:
    heads.objects.delete(head_key("three"))
    sessions = Sessions()
    cache = ModelCache(heads.settings, heads.objects, sessions)
    loaded = {model: cache.load(model) for model in ("one", "two", "three")}
    assert [type(session) for session in loaded.values()] == [SharedClassifier, SharedClassifier, Session]
    heads.objects.put(artifact_key("four"), b"a")
    cache.load("four")
    assert cache.load("one") is loaded["one"]
    assert cache.load("two") is loaded["two"]
    assert cache.load("three") is not loaded["three"]
    assert sessions.opened == ["three", "four", "three"]


def test_the_heads_have_a_bound_in_bytes(heads: Heads, exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEADS_BYTES_MAX", 2 * exported.classifier.size_bytes)
    cache = ModelCache(heads.settings, heads.objects)
    one, two = cache.load("one"), cache.load("two")
    assert cache.load("one") is one
    cache.load("three")
    assert cache.load("one") is one
    assert cache.load("two") is not two, "it was used longest ago"
    monkeypatch.setattr(serving, "HEADS_BYTES_MAX", 1)
    cache.forget("three")
    three = cache.load("three")
    assert cache.load("three") is three, "the model that was just loaded stays, however large it is"


@pytest.mark.parametrize("fault", ["older", "damaged", "own networks", "missing weights"])
def test_a_classifier_that_cannot_share_is_served_from_its_file(
    heads: Heads, exported: Exported, fault: str, tmp_path: Path
) -> None:
    settings = heads.settings
    if fault == "older":
        heads.objects.put(head_key("one"), of_another_layout(exported.classifier))
    elif fault == "damaged":
        heads.objects.put(head_key("one"), exported.classifier.to_npz()[:500])
    elif fault == "own networks":
        heads.objects.put(own_networks_key("one"), b"")
    else:
        settings = settings.model_copy(update={"weights_dir": tmp_path})
    cache = ModelCache(settings, heads.objects, Sessions())
    assert [tag.name for tag in cache.classify("one", PIXELS).tags] == ["b", "a", "c"]


def test_a_head_computes_on_one_thread_beside_other_calls(
    heads: Heads, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[bool] = []

    def classify(head: SharedClassifier, *_: object, **named: bool) -> tuple[NDArray[np.float32], None]:
        alone.append(named["alone"])
        return np.zeros(len(head.tags), np.float32), None

    monkeypatch.setattr(SharedClassifier, "classify", classify)
    for threads in (1, 2, 8):
        cache = ModelCache(heads.settings.model_copy(update={"threads": threads}), heads.objects)
        for calls in (1, 2, 4, 5):
            cache.classify("one", PIXELS, calls=calls)
    assert alone == [True, False, False, False] * 2 + [True, True, True, False]


def test_loading_a_large_model_holds_up_no_other(heads: Heads) -> None:
    heads.objects.delete(head_key("three"))
    loading, go_on = threading.Event(), threading.Event()

    def slowly(path: Path, _: int) -> Session:
        loading.set()
        assert go_on.wait(30)
        return Session(Sessions(), path.read_bytes().decode())

    cache = ModelCache(heads.settings, heads.objects, slowly)
    cache.load("one")
    thread = threading.Thread(target=cache.load, args=["three"])
    thread.start()
    assert loading.wait(30)
    assert {tag.name for tag in cache.classify("one", PIXELS).tags} == {"cat", "dög"}
    assert {tag.name for tag in cache.classify("two", PIXELS).tags} == {"cat", "dög"}, "not even another load waits"
    go_on.set()
    thread.join()


def test_the_newest_classifier_opens_the_networks_when_the_engine_starts(
    heads: Heads, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(heads.settings)
    cache = ModelCache(heads.settings, heads.objects, Sessions())
    loaded: list[str] = []
    monkeypatch.setattr(cache, "load", loaded.append)
    order = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    warm_networks(store, cache).join(30)
    assert loaded == [], "an engine without a classifier opens nothing"
    trained = [store.models.create(name, order).id for name in ("older", "newer", "unfinished")]
    for model in trained[:2]:
        store.models.finish(model, None, 1, Artifact(digest="", size_bytes=3))
    detector = store.models.create("detector", replace(order, model_kind=ModelKind.GENERIC_DETECTOR))
    store.models.finish(detector.id, None, 1, Artifact(digest="", size_bytes=3))
    warm_networks(store, cache).join(30)
    assert loaded == [trained[1]]
    monkeypatch.setattr(cache, "load", None)
    warm_networks(store, cache).join(30)
    assert "the networks of classifiers are not opened" in caplog.text
    store.close()


def test_a_model_without_a_file_is_gone_until_there_is_one(settings: Settings, objects: FileObjects) -> None:
    cache = ModelCache(settings, objects, Sessions())
    assert all(isinstance(result, ModelGone) for result in together(4, lambda: cache.classify("four", PIXELS)))
    objects.put(artifact_key("four"), b"a")
    assert cache.classify("four", PIXELS).tags == [("a", pytest.approx(0.2), None)]


def test_a_broken_file_is_tried_again(settings: Settings, objects: FileObjects) -> None:
    attempts = []

    def broken(path: Path, threads: int) -> Session:
        attempts.append(path)
        raise ValueError("no model")

    cache = ModelCache(settings, objects, broken)
    for _ in range(2):
        with pytest.raises(ValueError, match="no model"):
            cache.load("one")
    assert len(attempts) == 2


def test_a_deleted_model_is_dropped(settings: Settings, objects: FileObjects) -> None:
    cache = ModelCache(settings, objects, Sessions())
    cache.load("one")
    objects.delete("models/one")
    cache.forget("one")
    cache.forget("never-there")
    with pytest.raises(ModelGone):
        cache.classify("one", PIXELS)


@pytest.fixture
def wakeups(settings: Settings) -> Iterator[Wakeups]:
    wakeups = PipeWakeups(settings.data_dir / "wakeups")
    yield wakeups
    wakeups.close()


def test_what_has_been_trained_is_loaded_before_the_first_call(
    settings: Settings, objects: FileObjects, wakeups: Wakeups
) -> None:
    store = Store.open(settings)
    sessions = Sessions()
    cache = ModelCache(settings, objects, sessions)
    loads = Warming(store, cache, wakeups)

    def model(name: str) -> str:
        return store.models.create(
            name, TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
        ).id

    good, cancelled, deleted = model("good"), model("cancelled"), model("deleted")
    loads.look()
    store.models.request_cancellation("cancelled")
    store.models.cancel(cancelled)
    store.models.cancel(deleted)
    store.models.delete("deleted")
    objects.put(artifact_key(good), b"a,b")
    store.models.finish(good, None, 1, Artifact(digest="", size_bytes=3))
    loads.look()
    loads.look()
    assert sessions.opened == [good]
    loads.start()
    loads.stop()
    store.close()


def test_a_wake_up_makes_the_warming_look_at_a_training(
    settings: Settings, objects: FileObjects, wakeups: Wakeups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "REST_SECONDS", 60.0)
    store = Store.open(settings)
    sessions = Sessions()
    resting = Warming(store, ModelCache(settings, objects, sessions), wakeups, interval_seconds=0.05)
    resting.start()
    time.sleep(0.2)  # it rests
    order = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    model = store.models.create("m", order).id
    PipeWakeups(settings.data_dir / "wakeups").wake()  # as another process
    wait_until(lambda: resting._trained, "it knows of the training", 10)
    objects.put(artifact_key(model), b"a,b")
    store.models.finish(model, None, 1, Artifact(digest="", size_bytes=3))
    wait_until(lambda: sessions.opened == [model], "the model is in memory", 10)
    begun = time.monotonic()
    resting.stop()
    assert time.monotonic() - begun < 5
    store.close()


def test_neither_a_busy_database_nor_a_broken_model_ends_the_warming(
    settings: Settings,
    objects: FileObjects,
    wakeups: Wakeups,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store.open(settings)
    names = ("broken", "good")
    models = [
        store.models.create(
            name, TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
        ).id
        for name in names
    ]
    sessions = Sessions()

    def opened(path: Path, threads: int) -> Session:
        if path.parent.name == models[0]:
            raise RuntimeError("no model")
        return sessions(path, threads)

    loads = Warming(store, ModelCache(settings, objects, opened), wakeups, interval_seconds=0.005)
    loads.start()
    unfinished, busy = store.unfinished, [OperationalError("SELECT", {}, Exception("database is locked"))] * 3

    def sometimes_busy() -> Unfinished:
        if busy:
            raise busy.pop()
        return unfinished()

    monkeypatch.setattr(store, "unfinished", sometimes_busy)
    for model in models:
        objects.put(artifact_key(model), b"a,b")
        store.models.finish(model, None, 1, Artifact(digest="", size_bytes=3))
    wait_until(lambda: sessions.opened, "a model is loaded", 5)
    loads.stop()
    store.close()
    assert sessions.opened == [models[1]]
    told = [record.getMessage() for record in caplog.records if record.name == "vision_customization.engine.models.warming"]
    assert sorted(told) == [
        f"model {models[0]} cannot be loaded",
        "the list of trained models cannot be read; it is tried again",
    ]
