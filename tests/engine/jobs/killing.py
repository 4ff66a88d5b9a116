"""What the tests with real worker processes share: holding a training at a known point, and killing who does it."""

import os
import re
import subprocess
import sys
import time
from contextlib import closing

import psutil

from tests.engine.jobs.drawn import Engine, Gate
from tests.support.waiting import wait_until
from vision_customization.contract.enums import ModelStatus
from vision_customization.engine.jobs.images.plan import SHARD_IMAGES
from vision_customization.engine.jobs.names import training_job
from vision_customization.engine.jobs.process.liveness import open_locks
from vision_customization.engine.jobs.queue import JobQueue


def gate_after_a_shard(engine: Engine) -> Gate:
    """Holds, when it is shut, the blob server at images of the second shard: those are read by turns of two tags."""
    gate = Gate()

    def before_reply(path: str) -> None:
        number = re.search(r"-(\d+)\.png$", path)
        if number is not None and int(number[1]) >= SHARD_IMAGES // 2 + 4:
            gate.passed()

    engine.blobs.before_reply = before_reply
    return gate


def images_of_first_shard(dataset: str) -> list[str]:
    return [f"/account/{dataset}/{tag}-{number}.png" for number in range(SHARD_IMAGES // 2) for tag in ("green", "red")]


def whole_shards_embedded(engine: Engine, gate: Gate, seconds: float = 120) -> None:
    """Wait until the first shard is done, and the reading of the next is held."""
    assert gate.reached.wait(seconds)
    # The step is over once its progress is told.
    wait_until(
        lambda: any((model.progress and model.progress.images_embedded) for model in engine.store.models.page(0, 9)),
        "the progress is told",
        seconds,
    )
    time.sleep(0.3)


def killed_and_taken_up(engine: Engine, queue: JobQueue, gate: Gate) -> None:
    """Of two workers the one that trains is killed for good; the other goes on after the last finished step."""
    gate.shut()
    engine.dataset("train", {"red": SHARD_IMAGES, "green": SHARD_IMAGES})
    model = engine.model("m", "train")
    command = [sys.executable, "-m", "vision_customization.engine.jobs.process.worker_child", str(os.getpid())]
    environment = {**os.environ, **engine.settings.to_environment()}
    processes = [subprocess.Popen(command, env=environment) for _ in range(2)]
    try:
        queue.enqueue_training(model.id)
        whole_shards_embedded(engine, gate)
        busy = max(processes, key=lambda process: psutil.Process(process.pid).cpu_times().user)
        busy.kill()
        gate.open()
        wait_until(lambda: engine.store.models.by_id(model.id).status.final, "the training ends", 120)
        record = engine.store.models.by_id(model.id)
        assert record.status is ModelStatus.SUCCEEDED, record.error
        assert record.progress is not None
        assert record.progress.images_embedded == 2 * SHARD_IMAGES
        wait_until(lambda: queue.running() == [], "its workflow ends, too", 10)
        (status,) = queue.statuses([training_job(model.id)]).values()
        assert status.executor_id is not None
        with closing(open_locks(engine.settings)) as locks:
            assert locks.take(status.executor_id) is None, "the job was ended by a worker that lives"
    finally:
        for process in processes:
            process.kill()
            process.wait()
