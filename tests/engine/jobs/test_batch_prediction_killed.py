"""A batch prediction run whose worker is killed in the middle of it, twice: real processes, and kill -9."""

import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.engine.jobs.drawn import Engine, Gate, drawn_image
from tests.support.exported_model import Exported
from tests.support.places import CHECKOUT
from tests.support.waiting import wait_until
from vision_customization.contract.enums import BatchPredictionStatus, ModelKind
from vision_customization.contract.models import Artifact
from vision_customization.engine.jobs.queue import PREDICTING_QUEUE, WORKER_CONCURRENCY, JobQueue
from vision_customization.engine.models.answer_rows import CHUNK_IMAGES, AnswerRows
from vision_customization.engine.objects.keys import artifact_key, batch_prediction_key
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.store import TrainingOrder

pytestmark = [pytest.mark.alone, pytest.mark.process]

IMAGES = 4 * CHUNK_IMAGES + 10
HELD = (CHUNK_IMAGES + 100, 3 * CHUNK_IMAGES + 5)
"""The image at which each of the first two workers is killed."""
AT_ONCE = WORKER_CONCURRENCY[PREDICTING_QUEUE]
PROGRAM = """
import time
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.settings import Settings
from tests.engine.jobs.drawn import CheapExtractor

worker = Worker(Settings.from_environment(), CheapExtractor())
worker.start()
while True:
    time.sleep(0.2)
    worker.look()
"""


def test_each_image_has_one_row_and_no_chunk_is_done_twice(engine: Engine, queue: JobQueue, exported: Exported) -> None:
    objects = open_objects(engine.settings)
    order = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    model = engine.store.models.create("m", order)
    objects.put(artifact_key(model.id), exported.onnx)
    engine.store.models.finish(model.id, None, 1, Artifact(digest="d", size_bytes=1))
    picture = drawn_image(0, 0)
    urls = [engine.blobs.put(f"/account/many/{number:04d}.png", picture) for number in range(IMAGES)]
    engine.annotate("many", [(url, "cat") for url in urls], ["cat"])
    run = engine.store.batch_predictions.create("m", "r", dataset_name="many")
    folder = engine.settings.data_dir / "objects" / batch_prediction_key(model.id, run.id)
    environment = {**os.environ, **engine.settings.to_environment(), "PYTHONPATH": f"{CHECKOUT / 'src'}{os.pathsep}{CHECKOUT}"}
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        processes.append(subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment))

    def chunks() -> dict[str, int]:
        return {file.name: file.stat().st_mtime_ns for file in folder.glob("[0-9]*")}

    try:
        queue.enqueue_batch_prediction(run.id)
        done: dict[str, int] = {}
        for held in HELD:
            gate = Gate(60)
            gate.shut()

            def before_reply(path: str, held: int = held, gate: Gate = gate) -> None:
                number = re.search(r"/(\d{4})\.png$", path)
                if number is not None and int(number[1]) >= held:
                    gate.passed()

            engine.blobs.before_reply = before_reply
            start()
            whole = held // CHUNK_IMAGES
            wait_until(lambda whole=whole: len(chunks()) >= whole, "whole chunks are done", 60)
            assert gate.reached.wait(30)
            processes[-1].kill()
            processes[-1].wait()
            assert len(chunks()) == whole, "the rest of a chunk is not there"
            assert done.items() <= chunks().items(), "what was done stays as it is"
            done = chunks()
            gate.open()
        engine.blobs.before_reply = lambda _path: None
        start()
        wait_until(lambda: engine.store.batch_predictions.by_id(run.id).status.final, "the run ends", 60)
        ended = engine.store.batch_predictions.by_id(run.id)
        assert (ended.status, ended.error) == (BatchPredictionStatus.SUCCEEDED, None)
        assert (ended.progress.images, ended.progress.images_answered, ended.progress.images_failed) == (IMAGES, IMAGES, 0)
        assert done.items() <= chunks().items()
        rows = AnswerRows(objects, model.id, run.id)
        lines = [line for chunk in range(-(-IMAGES // CHUNK_IMAGES)) for line in rows.lines(chunk)]
        assert [re.findall(rb'^{"url":"([^"]*)"', line)[0].decode() for line in lines] == urls
        read = Counter(path for path, status in engine.blobs.requests if status == 200 and path.endswith(".png"))
        assert read.total() <= IMAGES + len(HELD) * AT_ONCE * CHUNK_IMAGES, "at most the chunks in hand are read again"
        wait_until(lambda: objects.names("jobs") == [], "the job's files are deleted")
    finally:
        for process in processes:
            process.kill()
            process.wait()
