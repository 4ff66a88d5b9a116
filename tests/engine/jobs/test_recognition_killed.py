"""A product recognition run whose worker is killed in the middle of it: real processes, and kill -9."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.jobs.drawn import drawn_image
from tests.support.places import CHECKOUT
from tests.support.waiting import wait_until
from vision_customization.contract.enums import ModelKind, RunStatus
from vision_customization.contract.models import Artifact
from vision_customization.engine.jobs.names import recognition_job
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.objects.keys import image_key
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder

pytestmark = [pytest.mark.alone, pytest.mark.process]

PROGRAM = """
import sys, time
from pathlib import Path
from vision_customization.contract.analysis import BoundingBox, DetectedObject, Tag
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.settings import Settings
from tests.engine.jobs.drawn import CheapExtractor

class Detector:
    def detect(self, model_id, image):
        Path(sys.argv[1]).touch()
        time.sleep(float(sys.argv[2]))
        return [DetectedObject(id="1", bounding_box=BoundingBox(x=1, y=2, w=3, h=4), tags=[Tag(name="cola", confidence=0.5)])]

worker = Worker(Settings.from_environment(), CheapExtractor(), detector=Detector())
worker.start()
while True:
    time.sleep(0.2)
    worker.look()
"""


def test_a_killed_run_is_taken_up_by_the_next_worker(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", threads=1)
    store, objects = Store.open(settings), open_objects(settings)
    model = store.models.create(
        "m", TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.PRODUCT_RECOGNIZER)
    )
    store.models.finish(model.id, None, 1, Artifact(digest="d", size_bytes=1))
    run = store.runs.create("m", "r")
    objects.put(image_key(recognition_job(run.id)), drawn_image(0, 0))
    processes: list[subprocess.Popen[bytes]] = []

    def start(name: str, seconds: float) -> Path:
        sign = tmp_path / name
        environment = {**os.environ, **settings.to_environment(), "PYTHONPATH": f"{CHECKOUT / 'src'}{os.pathsep}{CHECKOUT}"}
        processes.append(subprocess.Popen([sys.executable, "-c", PROGRAM, str(sign), str(seconds)], env=environment))
        return sign

    try:
        with JobQueue(settings) as queue:
            begun = start("first", 600)
            queue.enqueue_recognition(run.id)
            wait_until(begun.exists, "the first worker detects")
            assert store.runs.by_id(run.id).status is RunStatus.RUNNING
            processes[0].kill()
            processes[0].wait()
            start("second", 0)
            wait_until(lambda: store.runs.by_id(run.id).status.final, "the run ends")
        done = store.runs.by_id(run.id)
        assert done.status is RunStatus.SUCCEEDED, done.error
        assert done.result is not None
        assert [product.tags[0].name for product in done.result.products] == ["cola"]
        wait_until(lambda: objects.names("jobs") == [], "the job's files are deleted")
    finally:
        for process in processes:
            process.kill()
            process.wait()
        store.close()
