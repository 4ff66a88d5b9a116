"""A stack with a detector, through the real CLI, on the real engine and Azurite: what `make up EXAMPLE=detection` does."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.engine.jobs.scenes import TAGS, drawn_scene, scenes_coco
from tests.stacks.processes import processes_in
from tests.stacks.project import VENV_BIN, Project
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process, pytest.mark.timeout(1200)]

SIDE = 240
CONFIG = {
    "platform": "local",
    "datasets": {
        f"scenes-{part}": {
            "annotationKind": "imageObjectDetection",
            "annotationFiles": [f"{part}.json"],
            "source": "scenes",
        }
        for part in ("train", "test")
    },
    "models": {
        "scenes": {
            "modelKind": "Generic-Detector",
            "trainingDataset": "scenes-train",
            "evaluationDataset": "scenes-test",
            "require": {"meanAveragePrecision50": 0.8},
            "publish": True,
        }
    },
}


def write_scenes(folder: Path, file_name: str, seeds: range) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images = []
    for seed in seeds:
        data, boxes = drawn_scene(seed, SIDE)
        (folder / "images" / f"{seed}.png").write_bytes(data)
        images.append(({"file_name": f"images/{seed}.png"}, boxes))
    (folder / file_name).write_bytes(scenes_coco(images, SIDE))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    write_scenes(tmp_path / "scenes", "train.json", range(11))
    write_scenes(tmp_path / "scenes", "test.json", range(100, 106))
    project = Project.create(tmp_path, CONFIG)
    yield project
    project.destroy().succeeded()
    assert processes_in(tmp_path) == []


def test_a_detector_is_trained_gated_published_asked_drawn_and_left_alone(project: Project, tmp_path: Path) -> None:
    output = project.up(timeout_seconds=900).succeeded().output
    assert re.search(r"trained in .* on 11 images \(11 read, 78 steps\)", output), output
    outputs = project.outputs()
    model = outputs["models"]["scenes"]
    assert (model["kind"], model["status"], model["publishedName"]) == ("Generic-Detector", "succeeded", "scenes")
    assert model["performance"]["meanAveragePrecision50"] >= 0.8

    photo = tmp_path / "scenes" / "images" / "103.png"
    answer = VisionClient(outputs["endpoint"], outputs["key"]).analyze("scenes", photo.read_bytes())
    assert answer.custom_model_result is not None
    assert answer.custom_model_result.objects_result is not None
    best = {found.tags[0].name: found.bounding_box for found in reversed(answer.custom_model_result.objects_result.values)}
    for tag, box in zip(TAGS, drawn_scene(103, SIDE)[1], strict=True):
        given = (best[tag].x, best[tag].y, best[tag].w, best[tag].h)
        assert given == pytest.approx([side * SIDE for side in box], abs=SIDE / 12)

    drawn = tmp_path / "boxes.png"
    environment = {**os.environ, "VISION_ENDPOINT": outputs["endpoint"], "VISION_KEY": outputs["key"]}
    arguments = [VENV_BIN / "vision", "predict", "scenes", photo, "--draw", drawn]
    subprocess.run(arguments, env=environment, check=True, timeout=60, stdout=subprocess.DEVNULL)
    with Image.open(photo) as before, Image.open(drawn) as after:
        assert after.size == before.size
        assert after.convert("RGB").tobytes() != before.convert("RGB").tobytes()

    project.preview("--expect-no-changes").succeeded()
    tiled = {**CONFIG["models"]["scenes"], "tiles": 2}  # type: ignore[index]
    project.configure({**CONFIG, "models": {"scenes": tiled}})
    assert "retrains: tiles changes from 1 to 2" in project.preview().succeeded().output
    project.configure(CONFIG)
