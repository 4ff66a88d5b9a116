"""A detector on a real engine: `vision-engine serve` is killed in the middle of a training, and started again. Its file alone
then answers as it does."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from tests.engine.jobs.blob_server import serving_blobs
from tests.engine.jobs.drawn import Engine
from tests.engine.jobs.scenes import drawn_scene, register_scenes
from tests.support.places import DOCS
from tests.support.waiting import wait_until
from vision_customization.contract.enums import ModelKind, ModelStatus, RunStatus
from vision_customization.contract.models import Model
from vision_customization.customization.client.client import VisionClient
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

pytestmark = [
    pytest.mark.ci,
    pytest.mark.alone,
    pytest.mark.process,
    pytest.mark.usefixtures("weights_dir"),
    pytest.mark.timeout(900),
]

KEY = "the-key-of-this-engine"
LOST_SECONDS_MAX = 60.0
DOCUMENTATION = DOCS / "learning.md"


@dataclass(frozen=True)
class Killed:
    """A training that was killed: its model at its end, where it stood at the last checkpoint, when it was killed, and when it
    was first told of again, and the seconds between one checkpoint and the next."""

    client: VisionClient
    model: Model
    checkpoint_step: int
    killed_step: int
    lost_seconds: float
    resumed_step: int
    checkpoint_gaps: list[float]


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], VisionClient]]:
    announcement = settings.data_dir / "serve.json"
    announcement.unlink(missing_ok=True)
    command = [sys.executable, "-c", "from vision_customization.engine.cli import main; main()", "serve", "--port", "0"]
    with (settings.data_dir / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **settings.to_environment()}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_until(announcement.exists, "the engine serves", 60)
        with VisionClient(f"http://127.0.0.1:{json.loads(announcement.read_text())['port']}", KEY) as client:
            yield process, client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def steps_done(client: VisionClient) -> int:
    progress = client.get_model("scenes").training_progress
    return (progress.steps_done or 0) if progress is not None else 0


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    with serving_blobs() as blobs:
        data_dir = tmp_path_factory.mktemp("killed")
        settings = Settings.from_environment({}, data_dir=data_dir, allowed_hosts=blobs.netloc, keys=KEY, workers=1)
        store = Store.open(settings)
        engine = Engine(settings, store, blobs)
        register_scenes(engine, "scenes", range(17))
        register_scenes(engine, "tests", range(100, 104))
        store.close()
        objects = data_dir / "objects"
        with serving(settings) as (process, client):
            client.create_model(
                "scenes", training_dataset_name="scenes", model_kind=ModelKind.PRODUCT_RECOGNIZER, test_dataset_name="tests"
            )
            wait_until(lambda: any(objects.glob("jobs/*/checkpoint-0")), "the first checkpoint is written", 400)
            (checkpoint,) = objects.glob("jobs/*/checkpoint-0")
            at_checkpoint = steps_done(client)
            if at_checkpoint == client.get_model("scenes").training_progress.steps:  # type: ignore[union-attr]
                pytest.skip("this machine takes all steps before the first checkpoint")
            wait_until(lambda: steps_done(client) >= at_checkpoint + 3, "three more steps are told", 60)
            before = steps_done(client)
            lost = time.time() - checkpoint.stat().st_mtime
            process.kill()
            process.wait()
        with serving(settings) as (_, client):
            wait_until(lambda: steps_done(client) != before, "the training is taken up", 240)
            after = steps_done(client)
            kept: list[float] = []

            def look(_: Model) -> None:
                with suppress(FileNotFoundError):  # the last is deleted with the job
                    if (at := checkpoint.stat().st_mtime) not in kept:
                        kept.append(at)

            client.wait_for_model("scenes", timeout_seconds=600, on_progress=look)
            gaps = [later - earlier for earlier, later in pairwise(kept)]
            yield Killed(client, client.get_model("scenes"), at_checkpoint, before, lost, after, gaps)


def test_a_training_goes_on_from_its_last_checkpoint_after_kill_9(killed: Killed) -> None:
    progress = killed.model.training_progress
    assert killed.model.status is ModelStatus.SUCCEEDED
    assert progress is not None
    assert progress.steps == progress.steps_done == 105
    # The first step after the kill is the next one after the checkpoint, or a little later where the polling missed it.
    assert killed.checkpoint_step < killed.resumed_step <= killed.killed_step
    assert killed.lost_seconds <= LOST_SECONDS_MAX
    assert max(killed.checkpoint_gaps, default=0.0) <= LOST_SECONDS_MAX


def test_the_file_alone_answers_as_the_engine_does(killed: Killed, tmp_path: Path) -> None:
    picture = tmp_path / "photo.jpg"
    data, _ = drawn_scene(500, 480)
    Image.open(io.BytesIO(data)).save(picture, "JPEG", quality=92)
    killed.client.download_artifact("scenes", tmp_path / "model.onnx")
    answer = killed.client.analyze("scenes", picture.read_bytes())
    programs = re.findall(r"^```python\n(.*?)^```", DOCUMENTATION.read_text(), re.MULTILINE | re.DOTALL)
    (program,) = (program for program in programs if "boxes" in program)
    assert len([line for line in program.splitlines() if line]) == 10
    printed = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert answer.custom_model_result is not None
    assert answer.custom_model_result.objects_result is not None
    objects = answer.custom_model_result.objects_result.values
    assert len(objects) >= 2
    expected = [
        f"{found.tags[0].name} {found.tags[0].confidence:.3f}"
        f" {[found.bounding_box.x, found.bounding_box.y, found.bounding_box.w, found.bounding_box.h]}"
        for found in objects
    ]
    assert printed.splitlines() == expected


def test_products_are_recognized_by_it(killed: Killed) -> None:
    data, boxes = drawn_scene(501)
    killed.client.recognize_products("scenes", "shelf", data)
    run = killed.client.wait_for_run("scenes", "shelf", 60)
    assert run.status is RunStatus.SUCCEEDED
    assert run.result is not None
    best = {product.tags[0].name: product.bounding_box for product in reversed(run.result.products)}
    for tag, (left, top, _, _) in zip(("disc", "square"), boxes, strict=True):
        assert best[tag].x == pytest.approx(120 * left, abs=12)
        assert best[tag].y == pytest.approx(120 * top, abs=12)
