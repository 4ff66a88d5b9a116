"""Real worker processes, real networks, and kill -9: what was finished is not done again, and one model comes out."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.engine.jobs.blob_server import serving_blobs
from tests.engine.jobs.drawn import Engine, Gate, drawn_image
from tests.engine.jobs.killing import gate_after_a_shard, images_of_first_shard, killed_and_taken_up, whole_shards_embedded
from tests.support.waiting import wait_until
from vision_customization.contract.enums import ModelStatus
from vision_customization.engine.jobs.images.plan import SHARD_IMAGES
from vision_customization.engine.jobs.process.worker_processes import WorkerProcesses
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.learning import decode_image
from vision_customization.engine.models.cache import ModelCache
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

pytestmark = [pytest.mark.alone, pytest.mark.process]


def pids_of(workers: WorkerProcesses) -> list[int]:
    """Process ids of the workers that run."""
    processes = [slot.process for slot in workers._slots]
    return [process.pid for process in processes if process is not None and process.poll() is None]


def restarts(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.getMessage().startswith("a worker ended") for record in caplog.records)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with serving_blobs() as blobs:
        settings = Settings(data_dir=tmp_path / "data", allowed_hosts=(blobs.netloc,), threads=2, workers=1)
        store = Store.open(settings)
        yield Engine(settings, store, blobs)
        store.close()


@pytest.fixture
def queue(engine: Engine) -> Iterator[JobQueue]:
    with JobQueue(engine.settings) as queue:
        yield queue


@pytest.fixture
def gate(engine: Engine) -> Iterator[Gate]:
    gate = gate_after_a_shard(engine)
    yield gate
    gate.open()


@pytest.fixture
def workers(engine: Engine, gate: Gate) -> Iterator[WorkerProcesses]:
    workers = WorkerProcesses(engine.settings)
    workers.start()
    yield workers
    gate.open()
    workers.stop()


def test_a_training_killed_with_minus_9_goes_on_after_its_last_finished_step(
    engine: Engine, queue: JobQueue, workers: WorkerProcesses, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.shut()
    engine.dataset("train", {"red": SHARD_IMAGES, "green": SHARD_IMAGES})
    model = engine.model("m", "train")
    queue.enqueue_training(model.id)
    whole_shards_embedded(engine, gate)
    kept = {path: path.stat().st_mtime_ns for path in (engine.settings.data_dir / "objects").glob("features/*/*/*")}
    (pid,) = pids_of(workers)

    os.kill(pid, signal.SIGKILL)
    gate.open()
    wait_until(lambda: engine.store.models.by_id(model.id).status.final, "the training ends", 120)

    record = engine.store.models.by_id(model.id)
    assert record.status is ModelStatus.SUCCEEDED, record.error
    assert record.progress is not None
    assert pids_of(workers) != [pid]
    assert restarts(caplog) == 1
    # The steps before the kill were not done again: their images were neither asked for nor embedded a second time.
    assert record.progress.images_embedded == 2 * SHARD_IMAGES
    asked = Counter(path for path, _ in engine.blobs.requests)
    assert [asked[path] for path in images_of_first_shard("train")] == [1] * SHARD_IMAGES
    assert asked["/account/train/annotations.json"] == 1
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    # One model came out.
    assert [found.status for found in engine.store.models.page(0, 30)] == [ModelStatus.SUCCEEDED]
    objects = open_objects(engine.settings)
    assert sorted(path.name for path in objects.path(f"models/{model.id}/model.onnx").parent.iterdir()) == [
        "head.npz",
        "model.json",
        "model.onnx",
    ]
    assert len(list((engine.settings.data_dir / "objects" / "models").iterdir())) == 1
    cache = ModelCache(engine.settings, objects)
    for number, tag in enumerate(("red", "green")):
        answer = cache.classify(model.id, decode_image(drawn_image(number, 900)).pixels)
        assert answer.tags[0].name == tag
        assert sum(tag.probability for tag in answer.tags) == pytest.approx(1, abs=1e-5)


def test_the_work_of_a_worker_that_never_comes_back_is_taken_up_by_another(engine: Engine, queue: JobQueue, gate: Gate) -> None:
    killed_and_taken_up(engine, queue, gate)


def test_a_training_outlives_every_end_that_a_worker_can_come_to(
    engine: Engine, queue: JobQueue, gate: Gate, tmp_path: Path
) -> None:
    """Its lock is lost, its look at what is due fails, it is told to stop: each time the next worker goes on."""
    gate.shut()
    engine.dataset("train", {"red": SHARD_IMAGES, "green": SHARD_IMAGES})
    model = engine.model("m", "train")
    queue.enqueue_training(model.id)

    for held, told in (("False", "has lost its lock"), ("1 / 0", "ZeroDivisionError")):
        assert told in _errors_of_a_worker_that_ends(engine, gate, held, tmp_path / told)
        assert engine.store.models.by_id(model.id).status is ModelStatus.TRAINING
        gate.shut()

    told_to_stop = WorkerProcesses(engine.settings)
    told_to_stop.start()
    whole_shards_embedded(engine, gate)
    pids = pids_of(told_to_stop)
    started = time.monotonic()
    told_to_stop.stop()
    assert time.monotonic() - started < 2
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert engine.store.models.by_id(model.id).status is ModelStatus.TRAINING

    gate.open()
    last = WorkerProcesses(engine.settings)
    last.start()
    try:
        wait_until(lambda: engine.store.models.by_id(model.id).status.final, "the training ends", 120)
    finally:
        last.stop()
    record = engine.store.models.by_id(model.id)
    assert record.status is ModelStatus.SUCCEEDED, record.error
    assert record.progress is not None
    assert record.progress.images_embedded == 2 * SHARD_IMAGES


def _errors_of_a_worker_that_ends(engine: Engine, gate: Gate, held: str, sign: Path) -> str:
    """Of one that trains until `sign` is there, and whose lock answers `held` from then on."""
    program = f"""
from pathlib import Path
from vision_customization.engine.jobs.process import liveness, worker
from vision_customization.engine.settings import Settings
liveness.FileLock.held = lambda _: not Path({str(sign)!r}).exists() or {held}
worker.run_worker(Settings.from_environment())
"""
    environment = {**os.environ, **engine.settings.to_environment()}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        whole_shards_embedded(engine, gate)
        sign.touch()
        _, told = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 1
    return told


def test_a_worker_is_in_its_parents_session_at_the_lowest_priority(workers: WorkerProcesses) -> None:
    wait_until(lambda: bool(pids_of(workers)), "a worker runs")
    (pid,) = pids_of(workers)
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, pid) == 19, "the worker gives way", 10)
    assert os.getsid(pid) == os.getsid(0)


def test_no_worker_outlives_its_parent_even_if_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import json, sys, time
from itertools import pairwise
from pathlib import Path
from vision_customization.engine.jobs.process.worker_processes import WorkerProcesses
from vision_customization.engine.settings import Settings
workers = WorkerProcesses(Settings(data_dir=Path({str(tmp_path)!r}), workers=2, threads=1))
workers.start()
while not all(slot.process for slot in workers._slots):
    time.sleep(0.02)
print(json.dumps([slot.process.pid for slot in workers._slots]), flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        pids = json.loads(parent.stdout.readline())
        wait_until(lambda: all(os.getpriority(os.PRIO_PROCESS, pid) == 19 for pid in pids), "the workers give way", 20)
        parent.kill()
        parent.wait()
        wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "the workers end", 5)


def test_a_worker_that_dies_at_once_is_started_again_ever_more_slowly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    starts: list[float] = []

    def command() -> list[str]:
        starts.append(time.monotonic())
        return [sys.executable, "-S", "-c", "raise SystemExit(3)"]

    workers = WorkerProcesses(Settings(data_dir=tmp_path, workers=1), command)
    workers.start()
    wait_until(lambda: len(starts) == 3, "the worker is started three times", 20)
    workers.stop()
    pauses = [after - before for before, after in pairwise(starts)]
    assert 0.5 <= pauses[0] < pauses[1]
    assert len(starts) == 3
    assert restarts(caplog) in (2, 3)  # the third may have ended before the stop, too
