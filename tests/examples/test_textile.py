"""The sample dataset: disjoint parts, the same everywhere, valid COCO."""

import json
from pathlib import Path

import pytest
from PIL import Image

from examples import textile
from examples.textile import IMAGES_PER_TAG, TAGS, SamplesError, document, split, write_dataset


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Class folders like the package's, with tiny images and one number that not all of them have."""
    folders = {name: tmp_path / "package" / name for name in TAGS}
    for shade, folder in enumerate(folders.values()):
        folder.mkdir(parents=True)
        for number in range(1, sum(IMAGES_PER_TAG.values()) + 1):
            Image.new("L", (12, 10), shade).save(folder / f"textile_{number:04}.jpg")
    Image.new("L", (12, 10)).save(folders["nominal"] / "textile_9999.jpg")
    return folders


def test_split_is_disjoint_and_does_not_depend_on_order() -> None:
    names = [f"{number}.jpg" for number in range(20)]
    parts = split(names, {"a": 5, "b": 7})
    assert parts == split(names[::-1], {"a": 5, "b": 7})
    assert (len(parts["a"]), len(parts["b"])) == (5, 7)
    assert not set(parts["a"]) & set(parts["b"])
    # Pinned: another split would be another dataset on every user's machine.
    assert parts["a"] == ["0.jpg", "1.jpg", "14.jpg", "19.jpg", "5.jpg"]


def test_split_of_too_few_names() -> None:
    with pytest.raises(SamplesError, match="2 images were found in all classes, but 3 are needed"):
        split(["a", "b"], {"x": 3})


def test_document_is_coco() -> None:
    made = document([("images/nominal/a.jpg", "nominal", (4, 3)), ("images/local-defect/a.jpg", "local-defect", (4, 3))])
    assert made["images"][1] == {"id": 2, "width": 4, "height": 3, "file_name": "images/local-defect/a.jpg"}
    assert made["annotations"] == [{"id": 1, "image_id": 1, "category_id": 1}, {"id": 2, "image_id": 2, "category_id": 2}]
    assert [category["id"] for category in made["categories"]] == [1, 2, 3]


def test_write_dataset(folders: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    assert [file.name for file in write_dataset(folders, target)] == ["train.json", "test.json"]
    documents = {file.name: json.loads(file.read_text()) for file in target.glob("*.json")}
    names = {name: {Path(image["file_name"]).name for image in made["images"]} for name, made in documents.items()}
    assert not names["train.json"] & names["test.json"]
    assert "textile_9999.jpg" not in names["train.json"] | names["test.json"]
    for name, made in documents.items():
        assert len(made["images"]) == IMAGES_PER_TAG[name] * len(TAGS)
        assert all((target / image["file_name"]).is_file() for image in made["images"])
        assert {(image["width"], image["height"]) for image in made["images"]} == {(12, 10)}


def test_what_was_changed_is_left_alone(folders: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    write_dataset(folders, target)
    (target / "train.json").write_text("{}")
    assert write_dataset(folders, target) == []
    assert (target / "train.json").read_text() == "{}"
    assert len(write_dataset(folders, target, overwrite=True)) == 2


def test_main_on_the_installed_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("conformal_clip_data", reason="the extra `samples` is not installed")
    assert textile.main(["--to", str(tmp_path)]) == 0
    assert "100 images for each of nominal, local-defect, global-defect" in capsys.readouterr().out
    first = json.loads((tmp_path / "train.json").read_text())["images"][0]
    assert first == {"id": 1, "width": 250, "height": 250, "file_name": "images/nominal/textile_0008.jpg"}


def test_a_missing_package_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(__import__("sys").modules, "conformal_clip_data", None)
    assert textile.main(["--to", "nowhere"]) == 1
    assert "conformal-clip-data is not installed" in capsys.readouterr().err
