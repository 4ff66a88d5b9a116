"""A preview warns of test images that the model is trained on."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from pulumi.output import UNKNOWN

from tests.stacks.shapes import write_dataset
from tests.support.near_copies import drawn, near_copies
from vision_customization.customization.datasets import shared_pictures
from vision_customization.customization.resources import evaluation, training_overlap
from vision_customization.customization.resources.dataset import DatasetProvider
from vision_customization.customization.resources.evaluation import EvaluationProvider
from vision_customization.customization.resources.row import Row


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the evaluation's row warns of. The program stands in a folder with two datasets that share no picture."""
    monkeypatch.chdir(tmp_path)
    training_overlap._READ.clear()
    evaluation._WARNED.clear()
    warnings: list[str] = []
    monkeypatch.setattr(Row, "warn", lambda _, message: warnings.append(message))
    for name, first in (("training", 0), ("test", 20)):
        write_dataset(tmp_path / name, "labels.json", {"circle": range(first, first + 2), "square": range(first, first + 2)})
        for number, path in enumerate(sorted((tmp_path / name / "images").iterdir())):
            drawn(first + number, (160, 160)).save(path)
    return warnings


def checked(name: str, purpose: str) -> str:
    declared = {
        "annotation_kind": "imageClassification",
        "annotation_files": ["labels.json"],
        "source": name,
        "purpose": purpose,
        "dataset_name": name,
        "row_urn": "urn",
    }
    result = DatasetProvider().check({}, declared)
    assert result.failures == []
    return str(result.inputs["digest"])


def preview(**changes: object) -> None:
    digests = {"training_digest": checked("training", "training"), "dataset_digest": checked("test", "evaluation")}
    news = {"dataset_name": "test", "model_name": "m", "row_urn": "urn", **digests, **changes}
    assert EvaluationProvider().check({}, news).failures == []


def spoil(tmp_path: Path) -> None:
    """Put a training image among the test images, and a near copy of another one."""
    shutil.copy(tmp_path / "training" / "images" / "circle-0.png", tmp_path / "test" / "images" / "circle-20.png")
    path = tmp_path / "test" / "images" / "square-21.png"
    path.write_bytes(near_copies(drawn(3, (184, 184)), 3, crop=0.0)[0])
    with Image.open(path) as image:
        image.resize((160, 160)).save(path, "PNG")


def test_no_picture_on_both_sides_is_no_warning(said: list[str]) -> None:
    preview()
    assert said == []


def test_both_names_are_shown(said: list[str], tmp_path: Path) -> None:
    spoil(tmp_path)
    preview()
    assert "\n".join(said) == (
        "2 images of dataset 'test' are in the training dataset, too, so the metrics will be too good: "
        "test/images/circle-20.png is the same picture as training/images/circle-0.png; "
        "test/images/square-21.png is nearly the same picture as training/images/square-1.png. "
        "`vision check` with the annotation files of both datasets lists all"
    )


def test_unchanged_datasets_are_not_compared_again(said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(tmp_path)
    preview()
    monkeypatch.setattr(shared_pictures, "read_miniatures", lambda *_: pytest.fail("compared again"))
    evaluation._WARNED.clear()
    preview()
    assert len(said) == 2
    assert said[0] == said[1]


def test_a_replacement_which_pulumi_checks_twice_warns_once(said: list[str], tmp_path: Path) -> None:
    spoil(tmp_path)
    preview()
    preview()
    assert len(said) == 1
    preview(row_urn="other")
    assert len(said) == 2


@pytest.mark.parametrize("changes", [{"training_digest": UNKNOWN}, {"training_digest": None}, {"training_digest": "0" * 64}])
def test_a_dataset_that_was_not_read_here_is_not_compared(said: list[str], tmp_path: Path, changes: dict[str, object]) -> None:
    spoil(tmp_path)
    preview(**changes)
    assert said == []


def test_a_model_judged_on_its_own_training_images_is_named_too(said: list[str]) -> None:
    preview(dataset_digest=checked("training", "training"), dataset_name="training")
    assert said[0].startswith("4 images of dataset 'training' are in the training dataset, too")
    assert said[0].count("is the same picture as") == training_overlap.SHOWN
    assert "; and 1 more. " in said[0]
    assert evaluation.STATE_FOLDER.is_dir()
