"""A source with a label file for each of its splits is read as one, with its own split."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.customization.cli.ran import Vision
from tests.customization.convert.label_samples import write
from vision_customization.customization.convert import split_as_given
from vision_customization.customization.convert.detect_format import Detected, detect_format
from vision_customization.customization.convert.formats import read_labels
from vision_customization.customization.convert.labelled import LabelledImages
from vision_customization.customization.convert.sources.splits import split_of_file
from vision_customization.customization.convert.split_files import join_splits
from vision_customization.customization.errors import ConversionFailed


def coco(*names: str, box: list[float] | None = None, tag: str = "fork", **more: Any) -> str:  # noqa: ANN401 - JSON
    numbers = range(1, len(names) + 1)
    annotations = [{"id": n, "image_id": n, "category_id": 1, **({} if box is None else {"bbox": box})} for n in numbers]
    images = [{"id": n, "file_name": name} for n, name in zip(numbers, names, strict=True)]
    return json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": tag}], **more})


def read(detected: Detected) -> LabelledImages:
    files = detected.splits.items()
    return join_splits({split: (file.source, read_labels(file.format, file.source, file.images)) for split, file in files})


PIXELS = [20.0, 20.0, 60.0, 40.0]
CSV = "filename,width,height,class,xmin,ymin,xmax,ymax\n{},200,100,fork,20,20,80,60\n"


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train.json", "train"),
        ("val.json", "valid"),
        ("annotations/instances_train2017.json", "train"),
        ("instances_val2017.json", "valid"),
        ("test_labels.csv", "test"),
        ("train/_annotations.coco.json", "train"),
        ("data/valid/labels.json", "valid"),
        ("train_and_test.json", None),
        ("train/test.json", "test"),
        ("training-2.csv", "train"),
        ("constraint.json", None),
        ("labels.json", None),
    ],
)
def test_the_name_of_a_file_says_its_split(path: str, split: str | None) -> None:
    assert split_of_file(Path(path)) == split


@pytest.mark.parametrize(
    ("files", "testing"),
    [
        (
            {
                "train/_annotations.coco.json": coco("1.jpg", box=PIXELS),
                "valid/_annotations.coco.json": coco("2.jpg", box=PIXELS),
            },
            1,
        ),
        (
            {
                "train/_annotations.coco.json": coco("1.jpg", box=PIXELS),
                "valid/_annotations.coco.json": coco("2.jpg", box=PIXELS),
                "test/_annotations.coco.json": coco("3.jpg", box=PIXELS),
            },
            1,
        ),
        (
            {
                "annotations/instances_train2017.json": coco("1.jpg", box=PIXELS),
                "annotations/instances_val2017.json": coco("2.jpg", "3.jpg", box=PIXELS),
            },
            2,
        ),
        ({"train.json": coco("train/1.jpg"), "val.json": coco("valid/2.jpg"), "test.json": coco("test/3.jpg")}, 1),
        ({"train_labels.csv": CSV.format("1.jpg"), "test_labels.csv": CSV.format("2.jpg")}, 1),
        ({"val.json": coco("1.jpg"), "test.json": coco("2.jpg")}, 0),
    ],
    ids=["two folders", "three folders", "COCO 2017", "three files", "CSV", "nothing to train from"],
)
def test_a_file_for_each_split(files: dict[str, str], testing: int, tmp_path: Path) -> None:
    folders = {
        "train/_annotations.coco.json": "train/1.jpg valid/2.jpg test/3.jpg",
        "annotations/instances_train2017.json": "train2017/1.jpg val2017/2.jpg val2017/3.jpg",
        "train.json": "train/1.jpg valid/2.jpg test/3.jpg",
    }
    write(tmp_path, folders.get(next(iter(files)), "1.jpg 2.jpg 3.jpg"), files)  # type: ignore[arg-type]
    found = read(detect_format(tmp_path))
    assert len(found.images) == sum(text.count("jpg") for text in files.values())
    assert sum(bool(image.testing) for image in found.images) == testing
    assert {remark.reason for remark in found.remarks} <= {
        "is a split of the source, for training",
        "is a split of the source, for testing",
    }


def test_an_image_in_two_files_counts_once(tmp_path: Path) -> None:
    write(tmp_path, "1.jpg 2.jpg 3.jpg", {"train.json": coco("1.jpg", "2.jpg"), "test.json": coco("2.jpg", "3.jpg")})
    found = read(detect_format(tmp_path))
    assert [image.path.name for image in found.images if not image.testing] == ["1.jpg", "2.jpg"]
    assert [image.path.name for image in found.images if image.testing] == ["3.jpg"]
    assert (found.left_out("image"), found.left_out("label")) == (1, 1)
    assert f"{tmp_path}/test.json: 2.jpg" in [place for remark in found.remarks for place in remark.places]


def test_an_image_that_one_file_lists_twice_keeps_all_labels(tmp_path: Path) -> None:
    labels = [{"id": n, "image_id": n, "category_id": 1, "bbox": [20.0 * n, 20.0, 10.0, 10.0]} for n in (1, 2)]
    files = {"train.json": coco("1.jpg", "1.jpg", annotations=labels), "test.json": coco("2.jpg", box=PIXELS)}
    write(tmp_path, "1.jpg 2.jpg", files)  # type: ignore[arg-type]
    found = read(detect_format(tmp_path))
    assert [[box and box[0] for _, box in image.labels] for image in found.images] == [[0.1, 0.2], [0.1]]
    assert found.left_out("image") == 1


@pytest.mark.parametrize(
    ("images", "files", "unlisted"),
    [
        ("1.jpg 2.jpg 3.jpg", {"labels.csv": "file,tag\n1.jpg,a\n2.jpg,b\n"}, ["3.jpg"]),
        ("train/1.jpg valid/2.jpg test/3.jpg", {"train/l.json": coco("1.jpg"), "valid/l.json": coco("2.jpg")}, ["test/3.jpg"]),
        ("1.jpg 2.jpg", {"labels.json": coco("1.jpg", "2.jpg")}, []),
    ],
)
def test_an_image_that_no_file_lists_is_counted(
    images: str, files: dict[str, str], unlisted: list[str], vision: Vision, tmp_path: Path
) -> None:
    write(tmp_path, images, files)  # type: ignore[arg-type]
    report = vision("convert", str(tmp_path), "--json").json
    assert (report["read"]["images"], report["written"]["images"]) == (len(images.split()), 2)
    places = [place for remark in report["remarks"] if remark["effect"] == "leftOut" for place in remark["places"]]
    assert places == [str(tmp_path / name) for name in unlisted]


def test_a_copy_of_a_training_image_is_for_training(tmp_path: Path) -> None:
    write(tmp_path, "1.jpg 2.jpg", {"train.json": coco("1.jpg"), "test.json": coco("1-copy.jpg", "2.jpg")})
    (tmp_path / "1-copy.jpg").write_bytes((tmp_path / "1.jpg").read_bytes())
    training, testing = split_as_given(read(detect_format(tmp_path)))
    assert sorted(image.path.name for image in training.images) == ["1-copy.jpg", "1.jpg"]
    assert [image.path.name for image in testing.images] == ["2.jpg"]


def test_a_tag_that_only_one_file_uses(tmp_path: Path) -> None:
    both = [{"id": 1, "name": "fork"}, {"id": 2, "name": "spoon"}, {"id": 3, "name": "unused"}]
    spoon = [{"id": 1, "image_id": 1, "category_id": 2}]
    files = {"train.json": coco("1.jpg", categories=both), "test.json": coco("2.jpg", categories=both, annotations=spoon)}
    write(tmp_path, "1.jpg 2.jpg", files)  # type: ignore[arg-type]
    found = read(detect_format(tmp_path))
    assert found.tags == ("fork", "spoon")
    assert [remark.places for remark in found.remarks if remark.what == "tag"] == [("'unused'",)]


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (coco("1.jpg"), coco("1.jpg", tag="spoon"), "label it differently"),
        (coco("1.jpg", box=PIXELS), coco("2.jpg"), "the files are of different kinds"),
    ],
)
def test_files_that_contradict_each_other(train: str, test: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, "1.jpg 2.jpg", {"train.json": train, "test.json": test})
    with pytest.raises(ConversionFailed, match=message):
        read(detect_format(tmp_path))


def test_two_files_of_one_split_are_unclear(tmp_path: Path) -> None:
    write(tmp_path, "1.jpg 2.jpg", {"train-a.json": coco("1.jpg"), "train-b.json": coco("2.jpg"), "test.json": coco("2.jpg")})
    with pytest.raises(ConversionFailed, match=r"unclear which labels count.*train-a\.json.*train-b\.json"):
        detect_format(tmp_path)


@pytest.mark.parametrize("sources", [("train.json", "test.json"), ("train/labels.json", "valid/labels.json")])
def test_new_again_and_again(sources: tuple[str, str], vision: Vision, tmp_path: Path) -> None:
    """The labels that are read stay as they are, and what was written is not taken for a source."""
    (tmp_path / "Pulumi.yaml").write_text("name: program\nruntime: python\n")
    tags = {"categories": [{"id": 1, "name": "fork"}, {"id": 2, "name": "spoon"}]}
    train = [{"id": n, "image_id": n, "category_id": 1 + n % 2} for n in range(1, 9)]
    test = [{"id": n, "image_id": n, "category_id": 1 + n % 2} for n in range(1, 3)]
    files = {
        sources[0]: coco(*(f"{n}.jpg" for n in range(8)), annotations=train, **tags),
        sources[1]: coco(*(f"{n}.jpg" for n in range(8, 10)), annotations=test, **tags),
    }
    write(tmp_path / "photos", " ".join(f"{n}.jpg" for n in range(10)), files)  # type: ignore[arg-type]
    for _ in range(2):
        ran = vision("new", "forks", "--images", "photos")
        assert ran.code == 0, ran.err
        assert "8 images" in ran.out
        assert "2 images" in ran.out
    assert {name: (tmp_path / "photos" / name).read_text() for name in files} == files
