"""What the preview of a local stack refuses, before anything has been deployed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.project import Project
from tests.stacks.shapes import draw, write_dataset

pytestmark = [pytest.mark.stack, pytest.mark.process]


@pytest.fixture(scope="module")
def shared_project(make_project: Callable[..., Project]) -> Project:
    return make_project()


@pytest.fixture
def project(shared_project: Project, config: dict[str, Any]) -> Project:
    """The project as every test finds it: ten images per tag, without a fault."""
    shared_project.configure(config)
    write_dataset(shared_project.folder / "shapes", "train.json", {"circle": range(10), "square": range(10)})
    return shared_project


def spoil_image(folder: Path, coco: dict[str, Any]) -> None:
    (folder / coco["images"][3]["file_name"]).write_bytes(b"not an image")


def spoil_bbox(folder: Path, coco: dict[str, Any]) -> None:
    coco["annotations"][2]["bbox"] = [0.9, 0.1, 0.2, 0.3]


def lose_file(folder: Path, coco: dict[str, Any]) -> None:
    coco["images"][4]["file_name"] = "images/nowhere.png"


def double_id(folder: Path, coco: dict[str, Any]) -> None:
    coco["images"][5]["id"] = 1


def test_each_fault_in_the_data_is_an_error_in_the_preview(project: Project) -> None:
    folder = project.folder / "shapes"
    coco = json.loads((folder / "train.json").read_text())
    for spoil in (spoil_image, lose_file, double_id):
        spoil(folder, coco)
    (folder / "train.json").write_text(json.dumps(coco))
    try:
        output = project.preview().failed().output
        for where, what in ((r"images\[3\] \(id 4\)", "circle-3.png"), (r"images\[4\] \(id 5\)", "nowhere.png")):
            assert re.search(rf"train\.json: {where}.*{what}", output), output
        assert re.search(r"train\.json: images\[5\] \(id 1\)", output), output
    finally:
        draw("circle", 3).save(folder / "images" / "circle-3.png")


def test_a_box_outside_is_an_error_in_the_preview(project: Project, config: dict[str, Any]) -> None:
    folder = project.folder / "shapes"
    coco = json.loads((folder / "train.json").read_text())
    for annotation in coco["annotations"]:
        annotation["bbox"] = [0.1, 0.1, 0.5, 0.5]
    spoil_bbox(folder, coco)
    (folder / "boxes.json").write_text(json.dumps(coco))
    config["datasets"]["boxes"] = {
        "annotationKind": "imageObjectDetection",
        "annotationFiles": ["boxes.json"],
        "source": "shapes",
    }
    project.configure(config)
    assert re.search(r"boxes\.json: annotations\[2\] \(id 3\)", project.preview().failed().output)


def test_an_unknown_key_in_the_stacks_file_is_an_error_in_the_preview(project: Project, config: dict[str, Any]) -> None:
    config["models"]["shapes"]["requires"] = {}
    project.configure(config)
    output = project.preview().failed().output
    assert "stacks/Pulumi.local.yaml: vision-customization:models.shapes.requires: unknown key; valid here: modelKind" in output
    assert "Traceback" not in output


def test_a_model_of_another_kind_than_its_dataset_is_an_error_in_the_preview(project: Project, config: dict[str, Any]) -> None:
    config["datasets"]["shapes-train"]["annotationKind"] = "imageObjectDetection"
    config["models"]["shapes"] = {"modelKind": "Generic-Classifier", "trainingDataset": "shapes-train"}
    project.configure(config)
    output = project.preview().failed().output
    assert "stacks/Pulumi.local.yaml: vision-customization: models.shapes.trainingDataset: dataset " in output
    assert "'shapes-train' is of kind imageObjectDetection, but model 'shapes', a Generic-Classifier, needs" in output
    assert "Traceback" not in output


def test_a_test_image_that_is_a_training_image_is_no_fault_but_both_are_named(project: Project) -> None:
    images = project.folder / "shapes" / "images"
    before = (images / "circle-1003.png").read_bytes()
    (images / "circle-1003.png").write_bytes((images / "circle-3.png").read_bytes())
    printed = project.preview().succeeded().output
    (images / "circle-1003.png").write_bytes(before)
    assert "of dataset 'shapes-test'" in printed
    assert "shapes/images/circle-1003.png is the same picture as shapes/images/circle-3.png" in printed
