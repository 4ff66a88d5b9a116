from pathlib import Path

import pytest
import yaml

from tests.support.places import CHECKOUT
from vision_customization.customization.program.stack_entry import StackEntry, stack_entry
from vision_customization.customization.program.stack_file import (
    Declared,
    Project,
    StackFileInvalid,
    check_entry,
    check_use,
    declare,
)


def leaves(source: str = "my-photos", images: int = 10) -> StackEntry:
    train, test = ({"annotationFiles": [f"{part}.json"], "source": source} for part in ("train", "test"))
    return stack_entry("leaves", "imageClassification", images, 2, train, test, {"accuracyTop1": 0.8})


def ours(file: Path) -> Project:
    return Project(file.parent, "ours", file.parent)


FILE = """\
# Ours.
config:
  ours:platform: local   # this machine

  ours:models:
    # the first one
    screws: {trainingDataset: screws-train, require: {accuracyTop1: 0.95}}
  ours:token:
    secure: v1:abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "Pulumi.local.yaml"
    file.write_text(FILE)
    return file


def test_a_model_is_added_and_all_else_stays(file: Path) -> None:
    assert declare(file, "ours", leaves()) is Declared.ADDED
    text = file.read_text()
    assert [line for line in FILE.splitlines() if line not in text.splitlines()] == []
    config = yaml.safe_load(text)["config"]
    assert config["ours:datasets"] == {
        f"leaves-{part}": {
            "annotationKind": "imageClassification",
            "annotationFiles": [f"{part}.json"],
            "source": "my-photos",
        }
        for part in ("train", "test")
    }
    assert config["ours:models"]["leaves"] == {
        "modelKind": "Generic-Classifier",
        "trainingDataset": "leaves-train",
        "evaluationDataset": "leaves-test",
        "timeBudgetInHours": 1,
        "require": {"accuracyTop1": 0.8},
        "publish": True,
    }


def test_a_second_time_changes_nothing_but_the_place_of_the_labels(file: Path) -> None:
    declare(file, "ours", leaves())
    file.write_text(file.read_text().replace("accuracyTop1: 0.8", "accuracyTop1: 0.97 # ours, too"))
    former = file.read_text()
    assert declare(file, "ours", leaves()) is Declared.UNCHANGED
    assert declare(file, "ours", leaves("elsewhere")) is Declared.CHANGED
    assert file.read_text() == former.replace("source: my-photos", "source: elsewhere")


def test_the_budget_of_a_model_that_is_there_stays(file: Path) -> None:
    def budget(images: int) -> object:
        declare(file, "ours", leaves(images=images))
        return yaml.safe_load(file.read_text())["config"]["ours:models"]["leaves"]["timeBudgetInHours"]

    assert [budget(images) for images in (30_000, 100_000, 10)] == [2, 2, 2]


def test_a_new_file_runs_on_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "stacks" / "Pulumi.leaves.yaml"
    assert declare(
        file, "ours", stack_entry("leaves", "imageObjectDetection", 160, 1, {"annotationFiles": ["a.json"], "source": "s"})
    )
    config = yaml.safe_load(file.read_text())["config"]
    assert config["ours:platform"] == "local"
    assert config["ours:models"]["leaves"] == {
        "modelKind": "Generic-Detector",
        "trainingDataset": "leaves-train",
        "timeBudgetInHours": 1,
        "publish": True,
    }
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name]


@pytest.mark.parametrize("name", ["007", "yes", "1e3", "1.10", "null", "2020-01-01", "a-b"])
def test_names_are_read_back_as_they_were(name: str, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.local.yaml"
    entry = stack_entry(name, "imageClassification", 10, 2, {"annotationFiles": ["a.json"], "source": name})
    declare(file, "ours", entry)
    config = yaml.safe_load(file.read_text())["config"]
    assert list(config["ours:models"]) == [name]
    assert config["ours:datasets"][f"{name}-train"]["source"] == name
    assert declare(file, "ours", entry) is Declared.UNCHANGED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config: [\n", r"Pulumi\.local\.yaml:2: is not YAML"),
        ("- a\n", "must be a map of keys and values"),
        ("config: 1\n", "config: must be a map"),
        ("config: {ours:models: []}\n", "ours:models: must be a map"),
        ("config: {ours:models: {leaves: {trainingDataset: trees}}}\n", "is trained on 'trees', not on 'leaves-train'"),
        (
            "config: {ours:models: {leaves: {trainingDataset: leaves-train, modelKind: Generic-Detector}}}\n",
            "is a Generic-Detector, but these labels are those of a Generic-Classifier",
        ),
    ],
)
def test_a_file_of_another_form_is_refused_and_stays(text: str, said: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(StackFileInvalid, match=said):
        check_entry(file, "ours", leaves())
    with pytest.raises(StackFileInvalid, match=said):
        declare(file, "ours", leaves())
    assert file.read_text() == text


def test_a_file_that_is_not_text_is_named(file: Path) -> None:
    file.write_bytes("# Café\n".encode("cp1252"))
    for use in (lambda: check_use(ours(file), "local", "leaves", "", ""), lambda: declare(file, "ours", leaves())):
        with pytest.raises(StackFileInvalid, match=r"is not UTF-8 text: byte 5 is 0xe9"):
            use()


def test_a_recognizer_learns_from_boxes_too(file: Path) -> None:
    place = {"annotationFiles": ["train.json"], "source": "elsewhere"}
    boxes = stack_entry("leaves", "imageObjectDetection", 10, 1, place)
    file.write_text("config: {ours:models: {leaves: {trainingDataset: leaves-train, modelKind: Product-Recognizer}}}\n")
    assert declare(file, "ours", boxes) is Declared.CHANGED


def test_images_that_are_held_out_later_are_evaluated_on(file: Path) -> None:
    place = {"annotationFiles": ["train.json"], "source": "my-photos"}
    declare(file, "ours", stack_entry("leaves", "imageClassification", 10, 2, place))
    declare(file, "ours", leaves())
    model = yaml.safe_load(file.read_text())["config"]["ours:models"]["leaves"]
    assert (model["evaluationDataset"], model["require"]) == ("leaves-test", {"accuracyTop1": 0.8})
    without = file.read_text().replace("evaluationDataset: leaves-test", "").replace("require:\n        accuracyTop1: 0.8", "")
    file.write_text(without)
    assert declare(file, "ours", leaves("elsewhere")) is Declared.CHANGED
    assert "evaluationDataset" not in file.read_text()


def test_a_project(tmp_path: Path) -> None:
    ours = Project.read(CHECKOUT)
    assert (ours.name, ours.stack_file("local")) == ("vision-customization", CHECKOUT / "stacks" / "Pulumi.local.yaml")
    assert ours.source_of(CHECKOUT / "examples" / "textile") == "examples/textile"
    assert ours.source_of(tmp_path) == str(tmp_path.resolve())
    (tmp_path / "Pulumi.yaml").write_text("name: theirs\n")
    assert Project.read(tmp_path).stack_file("dev") == tmp_path / "Pulumi.dev.yaml"
    (tmp_path / "Pulumi.yaml").write_text("runtime: python\n")
    with pytest.raises(StackFileInvalid, match="has no `name`"):
        Project.read(tmp_path)


def test_a_folder_of_another_models_labels_is_not_taken_for_another_kind(file: Path) -> None:
    declare(file, "ours", leaves())
    project = ours(file)
    for name, kind in (("leaves", "imageObjectDetection"), ("trees", "imageClassification")):
        check_use(project, "local", name, "my-photos", kind)
    check_use(project, "local", "trees", "elsewhere", "imageObjectDetection")
    # In another stack, the same model would replace the labels, too.
    for stack, name in (("local", "trees"), ("dev", "trees"), ("dev", "leaves")):
        with pytest.raises(StackFileInvalid, match="leaves-train has its labels in my-photos, for imageClassification"):
            check_use(project, stack, name, "my-photos", "imageObjectDetection")
    file.write_text("config: [1]\n")
    check_use(project, "local", "trees", "my-photos", "imageObjectDetection")


def test_files_of_this_checkout_take_the_place_of_a_version(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.local.yaml"
    declare(file, "ours", stack_entry("leaves", "imageClassification", 10, 2, {"content": f"sha256:{'a' * 64}"}))
    declared = yaml.safe_load(file.read_text())["config"]["ours:datasets"]["leaves-train"]
    assert declared == {"annotationKind": "imageClassification", "content": f"sha256:{'a' * 64}"}
    declare(file, "ours", leaves())
    declared = yaml.safe_load(file.read_text())["config"]["ours:datasets"]["leaves-train"]
    assert declared == {"annotationKind": "imageClassification", "annotationFiles": ["train.json"], "source": "my-photos"}
