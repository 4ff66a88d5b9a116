"""A stack whose model gives an image several tags, through the real CLI, on the real engine and Azurite."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from tests.stacks.processes import processes_in
from tests.stacks.project import Project
from tests.support.places import CHECKOUT
from tests.support.two_objects import TAGS, draw_scene, scenes_coco, tags_of
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process]

DOCUMENTATION = CHECKOUT / "docs" / "learning.md"
KIND = "imageMultiLabelClassification"


def config(**require: float) -> dict[str, Any]:
    parts = ("train", "test")
    datasets = {
        f"scenes-{part}": {"annotationKind": KIND, "annotationFiles": [f"{part}.json"], "source": "scenes"} for part in parts
    }
    model = {"trainingDataset": "scenes-train", "evaluationDataset": "scenes-test", "require": require, "publish": True}
    return {"platform": "local", "datasets": datasets, "models": {"scenes": model}}


def write_scenes(folder: Path, file_name: str, seeds: range) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        draw_scene(seed).save(folder / "images" / f"{seed}.png")
    (folder / file_name).write_bytes(scenes_coco([(seed, {"file_name": f"images/{seed}.png"}) for seed in seeds]))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    write_scenes(tmp_path / "scenes", "train.json", range(24))
    write_scenes(tmp_path / "scenes", "test.json", range(100, 120))
    # One image shows another scene than its labels say: no model is perfect, so a gate can be just out of reach.
    draw_scene(118).save(tmp_path / "scenes" / "images" / "119.png")
    project = Project.create(tmp_path, config(meanAveragePrecision=0.8, macroF1=0.6))
    yield project
    project.destroy(previewed=True).succeeded()
    assert processes_in(tmp_path) == []


def test_several_tags_are_trained_gated_published_asked_and_exported(project: Project, tmp_path: Path) -> None:
    assert re.search(r"on 'scenes-test': .*meanAveragePrecision \d", project.up().succeeded().output)
    outputs = project.outputs()
    model = outputs["models"]["scenes"]
    assert (model["kind"], model["status"], model["publishedName"]) == ("Generic-Classifier", "succeeded", "scenes")
    assert set(model["performance"]) == {"meanAveragePrecision", "macroF1", "calibrationECE", "tagPerformance"}

    client = VisionClient(outputs["endpoint"], outputs["key"])
    client.download_artifact(model["name"], tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    labels, thresholds = json.loads(metadata["labels"]), json.loads(metadata["thresholds"])
    assert labels == list(TAGS)
    right = 0
    for seed in range(100, 120):
        picture = tmp_path / "scenes" / "images" / f"{seed}.png"
        answer = client.analyze("scenes", picture.read_bytes()).custom_model_result
        assert answer is not None
        assert answer.tags_result is not None
        (probabilities,) = session.run(["probabilities"], {"image": np.asarray(Image.open(picture).convert("RGB"))})
        assert {tag.name: (tag.confidence, tag.threshold) for tag in answer.tags_result.values} == {
            tag: (pytest.approx(float(probability), abs=1e-5), threshold)
            for tag, probability, threshold in zip(labels, probabilities, thresholds, strict=True)
        }
        found = {tag.name for tag in answer.tags_result.values if tag.confidence >= (tag.threshold or 0)}
        right += found == set(tags_of(seed))
    assert right >= 10

    photo = tmp_path / "photo.jpg"
    draw_scene(201).save(photo, quality=92)
    answer = client.analyze("scenes", photo.read_bytes()).custom_model_result
    assert answer is not None
    assert answer.tags_result is not None
    programs = re.findall(r"^```python\n(.*?)^```", DOCUMENTATION.read_text(), re.MULTILINE | re.DOTALL)
    (program,) = (program for program in programs if "thresholds" in program)
    printed = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    present = [tag for tag in answer.tags_result.values if tag.confidence >= (tag.threshold or 0)]
    assert sorted(printed.splitlines()) == sorted(f"{tag.name} {tag.confidence:.3f}" for tag in present)

    project.preview("--expect-no-changes").succeeded()
    write_scenes(tmp_path / "scenes", "train.json", range(26))
    preview = project.preview().succeeded().output
    assert "2 images added (24 → 26)" in preview
    assert "retrains because dataset 'scenes-train' changes" in preview
    write_scenes(tmp_path / "scenes", "train.json", range(24))
    project.configure(config(meanAveragePrecision=1.0, macroF1=1.0))
    preview = project.preview()
    assert "the update will stop at this gate: macroF1 is " in preview.output
