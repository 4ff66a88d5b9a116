import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pulumi.output import UNKNOWN, Unknown

from tests.customization.samples import DatasetFolder, MakeFolder
from tests.stacks.shapes import draw, write_dataset
from vision_customization.customization.resources.dataset import DatasetProvider, content_change
from vision_customization.customization.resources.model import ModelProvider

Properties = dict[str, Any]


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Properties:
    """A dataset of four circles and three squares, declared by a program that stands in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "shapes", "train.json", {"circle": range(4), "square": range(3)})
    return {
        "endpoint": "http://127.0.0.1:1",
        "key": "k",
        "container_url": UNKNOWN,
        "account_key": UNKNOWN,
        "dataset_name": "shapes",
        "annotation_kind": "imageClassification",
        "annotation_files": ["train.json"],
        "source": "shapes",
        "purpose": "training",
        "row_urn": "urn",
    }


def checked(declared: Properties) -> Properties:
    result = DatasetProvider().check({}, declared)
    assert result.failures == []
    return dict(result.inputs)


def test_check_tells_what_the_dataset_holds(declared: Properties) -> None:
    inputs = checked(declared)
    assert inputs["images"] == 7
    assert inputs["tags"] == {"circle": 4, "square": 3}
    assert len(inputs["digest"]) == 64


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        (
            {"annotation_kind": "classification"},
            "annotation_kind",
            (
                "'classification' is not a valid annotation_kind; choose from imageClassification, imageObjectDetection, "
                "imageMultiLabelClassification"
            ),
        ),
        ({"purpose": "eval"}, "purpose", "'eval' is not a valid purpose; choose from training, evaluation"),
        ({"annotation_files": "train.json"}, "annotation_files", "expected a list of texts, not a text. Write ['train.json']"),
        ({"uris": "https://a/c/train.json"}, "uris", "expected a list of texts, not a text. Write ['https://a/c/train.json']"),
    ],
)
def test_an_argument_that_no_dataset_can_have_is_refused(
    declared: Properties, changes: Properties, name: str, said: str
) -> None:
    [failure] = DatasetProvider().check({}, {**declared, **changes}).failures
    assert (failure.property, failure.reason) == (name, said)


def test_check_leaves_what_a_preview_does_not_know(declared: Properties) -> None:
    assert "digest" not in checked({**declared, "source": UNKNOWN})


@pytest.mark.parametrize(("uris", "digest"), [(["https://a/c/1.json"], "d"), (["https://a/c/2.json"], None)])
def test_uris_that_a_preview_cannot_look_at_are_as_they_were(uris: list[str], digest: str | None) -> None:
    """So that a key that is not known yet does not show as a dataset that changes, and as a model that retrains."""
    news = {"uris": uris, "container_url": "https://a/c", "account_key": Unknown(), "annotation_kind": "imageClassification"}
    result = DatasetProvider().check({"uris": ["https://a/c/1.json"], "digest": "d"}, news)
    assert (result.failures, result.inputs.get("digest")) == ([], digest)


def test_all_faults_are_failures_of_the_source(declared: Properties, tmp_path: Path) -> None:
    coco = json.loads((tmp_path / "shapes" / "train.json").read_text())
    coco["images"][2]["file_name"] = "images/nowhere.png"
    coco["annotations"][4]["category_id"] = 9
    (tmp_path / "shapes" / "train.json").write_text(json.dumps(coco))
    failures = DatasetProvider().check({}, declared).failures
    assert {failure.property for failure in failures} == {"source"}
    reasons = "\n".join(failure.reason for failure in failures)
    assert "images[2] (id 3)" in reasons
    assert "annotations[4] (id 5)" in reasons


def test_a_folder_that_is_not_there_is_a_failure(declared: Properties) -> None:
    [failure] = DatasetProvider().check({}, {**declared, "source": "nowhere"}).failures
    assert "nowhere" in failure.reason


def test_nothing_changed_is_no_difference(declared: Properties) -> None:
    inputs = checked(declared)
    assert not DatasetProvider().diff("id", {**inputs, "annotation_file_uris": ["u"]}, checked(declared)).changes


def test_what_changed_is_told_from_the_manifest_that_was_kept(declared: Properties, tmp_path: Path) -> None:
    olds = checked(declared)
    write_dataset(tmp_path / "shapes", "train.json", {"circle": range(9), "square": range(3)})
    news = checked(declared)
    assert DatasetProvider().diff("id", olds, news).changes
    assert content_change(olds, news) == ["5 images added to 'circle' (4 → 9)"]


def test_without_a_manifest_the_counts_tell(declared: Properties, tmp_path: Path) -> None:
    olds = {**checked(declared), "digest": "0" * 64}
    write_dataset(tmp_path / "shapes", "train.json", {"circle": range(9), "square": range(3)})
    assert content_change(olds, checked(declared)) == ["tag 'circle': 4 → 9"]


def test_annotation_files_of_somebody_else_are_told(declared: Properties) -> None:
    inputs = checked(declared)
    [line] = content_change({**inputs, "digest": "changed outside Pulumi"}, inputs)
    assert line.startswith("its annotation files were changed outside Pulumi")


@pytest.fixture
def boxed(declared: Properties, dataset_folder: MakeFolder) -> tuple[Properties, DatasetFolder]:
    """A dataset for object detection, declared, and its folder: three images with a fork, one with a spoon."""
    folder = dataset_folder({"fork": 3, "spoon": 1}, "cutlery", box=[0, 0, 0.5, 0.5])
    return {**declared, "annotation_kind": "imageObjectDetection", "source": "cutlery"}, folder


def move_a_box(document: dict[str, Any]) -> None:
    document["annotations"][0]["bbox"] = [0, 0, 0.5, 0.6]


def draw_a_box(document: dict[str, Any]) -> None:
    document["annotations"].append({"id": 5, "image_id": 1, "category_id": 2, "bbox": [0.5, 0.5, 0.5, 0.5]})


def relabel_a_box(document: dict[str, Any]) -> None:
    document["annotations"][0]["category_id"] = 2


def remove_an_image(document: dict[str, Any]) -> None:
    document["images"].pop(0)
    document["annotations"].pop(0)
    for section, key in (("images", "id"), ("annotations", "id"), ("annotations", "image_id")):
        for entry in document[section]:
            entry[key] -= 1


def empty_an_image(document: dict[str, Any]) -> None:
    document["annotations"].pop()
    document["annotations"][2]["category_id"] = 2


@pytest.mark.parametrize(
    ("change", "told", "counted"),
    [
        (move_a_box, ["boxes moved in 1 image"], ["different images or boxes, but the same number as before"]),
        (draw_a_box, ["boxes of 'spoon': 1 → 2", "1 image with more boxes"], ["boxes of 'spoon': 1 → 2"]),
        (
            relabel_a_box,
            ["boxes of 'fork': 3 → 2", "boxes of 'spoon': 1 → 2", "1 image relabelled 'fork' → 'spoon'"],
            ["boxes of 'fork': 3 → 2", "boxes of 'spoon': 1 → 2"],
        ),
        (
            remove_an_image,
            ["1 image removed (4 → 3)", "boxes of 'fork': 3 → 2"],
            ["images: 4 → 3", "boxes of 'fork': 3 → 2"],
        ),
        (
            empty_an_image,
            ["boxes of 'fork': 3 → 2", "1 image relabelled 'fork' → 'spoon'", "1 image with fewer boxes"],
            ["boxes of 'fork': 3 → 2"],
        ),
    ],
)
def test_a_changed_box_is_told_and_trains_the_model_anew(
    boxed: tuple[Properties, DatasetFolder], change: Callable[[dict[str, Any]], None], told: list[str], counted: list[str]
) -> None:
    declared, folder = boxed
    olds = checked(declared)
    change(folder.document)
    folder.write()
    news = checked(declared)
    assert content_change(olds, news) == told
    assert content_change({**olds, "digest": "0" * 64}, news) == counted
    assert DatasetProvider().diff("id", olds, news).changes
    model = {
        "logical_name": "m",
        "model_kind": "Generic-Detector",
        "time_budget_in_hours": 1.0,
        "row_urn": "urn",
        "endpoint": "http://127.0.0.1:1",
    }
    before, after = (
        ModelProvider().check({}, {**model, "training_digest": inputs["digest"], "annotation_kind": inputs["annotation_kind"]})
        for inputs in (olds, news)
    )
    assert ModelProvider().diff("id", before.inputs, after.inputs).replaces == ["model_name", "training_digest"]


def test_a_changed_tag_of_several_is_told_with_the_images(declared: Properties, dataset_folder: MakeFolder) -> None:
    folder = dataset_folder({"fork": 3, "spoon": 3}, "cutlery")
    declared = {**declared, "annotation_kind": "imageMultiLabelClassification", "source": "cutlery"}
    olds = checked(declared)
    folder.document["annotations"].append({"id": 7, "image_id": 1, "category_id": 2})
    folder.write()
    news = checked(declared)
    assert content_change(olds, news) == ["images with 'spoon': 3 → 4", "1 image retagged 'fork' → 'fork', 'spoon'"]
    assert content_change({**olds, "digest": "0" * 64}, news) == ["images with 'spoon': 3 → 4"]


def test_another_kind_is_another_dataset_and_the_name_is_freed_first(declared: Properties) -> None:
    inputs = checked(declared)
    result = DatasetProvider().diff("id", inputs, {**inputs, "annotation_kind": "imageObjectDetection"})
    assert result.replaces == ["annotation_kind"]
    assert result.delete_before_replace


def test_a_touched_file_changes_nothing(declared: Properties, tmp_path: Path) -> None:
    before = checked(declared)["digest"]
    draw("circle", 0).save(tmp_path / "shapes" / "images" / "circle-0.png")
    assert checked(declared)["digest"] == before
