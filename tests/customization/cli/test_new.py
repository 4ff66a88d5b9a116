"""`vision init` and `vision new`: from a folder of images to a program that declares a model."""

import io
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.customization.cli.ran import Vision
from tests.customization.samples import coco, encoded


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "my photos"
    for index, tag in enumerate(("oak", "beech")):
        (folder / tag).mkdir(parents=True)
        for number in range(10):
            (folder / tag / f"{tag}{number}.png").write_bytes(encoded(index * 100 + number, (64, 64)))
    return folder


def test_from_an_empty_folder_to_a_declared_model(vision: Vision, photos: Path, tmp_path: Path) -> None:
    made = vision("init", "trees")
    assert made.code == 0
    assert "pulumi stack init local && pulumi up" in made.out
    ran = vision("new", "trees", "--images", photos, "--output", tmp_path / "trees" / "data")
    assert (ran.code, "no Pulumi.yaml here or above" in ran.err) == (2, True)


def test_a_model_is_declared(vision: Vision, photos: Path, tmp_path: Path) -> None:
    vision("init")
    ran = vision("new", "trees", "--images", photos)
    assert ran.code == 0, ran.err
    assert "Next: pulumi up --stack local" in ran.out
    assert (photos / "contact-sheet.html").as_uri() in ran.out
    config = yaml.safe_load((tmp_path / "Pulumi.local.yaml").read_text())["config"]
    [datasets, models] = config.values()
    assert datasets["trees-train"] == {
        "annotationKind": "imageClassification", "annotationFiles": ["train.json"], "source": "my photos",
    }  # fmt: skip
    assert models["trees"]["require"] == {"accuracyTop1": 0.8}
    for file, images in (("train.json", 16), ("test.json", 4)):
        assert len(yaml.safe_load((photos / file).read_text())["images"]) == images
    again = vision("new", "trees", "--images", photos, "--no-next")
    assert "Next:" not in again.out
    assert f"{tmp_path / 'Pulumi.local.yaml'}: unchanged" in again.out


def test_a_detector_is_declared_in_a_new_stacks_file(vision: Vision, tmp_path: Path) -> None:
    vision("init")
    document = coco({"nut": 6, "bolt": 6}, size=(64, 64), box=[0.1, 0.1, 0.5, 0.5])
    (tmp_path / "images").mkdir()
    for index, image in enumerate(document["images"]):
        (tmp_path / image["file_name"]).write_bytes(encoded(index, (64, 64)))
    (tmp_path / "labels.json").write_text(json.dumps(document))
    ran = vision("new", "screws", "--images", "labels.json", "--stack", "screws")
    assert ran.code == 0, ran.err
    config = yaml.safe_load((tmp_path / "Pulumi.screws.yaml").read_text())["config"]
    [model] = [value for key, value in config.items() if key.endswith(":models")]
    assert model["screws"]["modelKind"] == "Generic-Detector"
    assert model["screws"]["require"] == {"meanAveragePrecision50": 0.5}


def test_images_that_break_a_rule_declare_nothing(vision: Vision, photos: Path, tmp_path: Path) -> None:
    vision("init")
    former = (tmp_path / "Pulumi.local.yaml").read_text()
    (photos / "oak" / "tiny.png").write_bytes(encoded(7, (8, 8)))
    ran = vision("new", "trees", "--images", photos)
    assert ran.code == 1
    assert "8 × 8 px" in ran.err
    assert (tmp_path / "Pulumi.local.yaml").read_text() == former


@pytest.mark.parametrize("name", ["", "a b", "ä", "-x"])
def test_a_name_that_the_service_refuses(name: str, vision: Vision, photos: Path) -> None:
    vision("init")
    ran = vision("new", "--images", photos, "--", name)
    assert (ran.code, "is not a valid name" in ran.err) == (2, True)


def test_images_with_several_tags(vision: Vision, photos: Path, tmp_path: Path) -> None:
    vision("init")
    for number in range(6):  # they are in the folders of both tags
        (photos / "beech" / f"both{number}.png").write_bytes((photos / "oak" / f"oak{number}.png").read_bytes())
    ran = vision("new", "trees", "--images", photos, "--multi-label")
    assert ran.code == 0, ran.err
    assert "is a copy of another image, which gets its tags" in ran.out
    config = yaml.safe_load((tmp_path / "Pulumi.local.yaml").read_text())["config"]
    [datasets, models] = config.values()
    assert datasets["trees-train"]["annotationKind"] == "imageMultiLabelClassification"
    assert models["trees"]["require"] == {"meanAveragePrecision": 0.5}


def test_photos_of_phones_get_copies_in_a_folder_of_their_own(vision: Vision, photos: Path, tmp_path: Path) -> None:
    vision("init")
    with Image.open(photos / "oak" / "oak1.png") as image:
        image.save(photos / "oak" / "phone.avif")
    former = sorted(photos.rglob("*"))
    ran = vision("new", "trees", "--images", photos)
    assert ran.code == 0, ran.err
    assert "AVIF image, which the service does not accept: its JPEG copy is used" in ran.out
    assert sorted(photos.rglob("*")) == former
    files = [tmp_path / "datasets" / "trees" / name for name in ("train.json", "test.json")]
    names = [image["file_name"] for file in files for image in json.loads(file.read_text())["images"]]
    assert len(names) == 21
    assert all((files[0].parent / name).is_file() and name.startswith("images/") for name in names)


def test_a_source_with_a_split_keeps_it(vision: Vision, photos: Path, tmp_path: Path) -> None:
    vision("init")
    split = tmp_path / "split"
    for part, numbers in (("train", range(7)), ("test", range(7, 10))):
        for tag in ("oak", "beech"):
            (split / part / tag).mkdir(parents=True)
            for number in numbers:
                (split / part / tag / f"{number}.png").write_bytes((photos / tag / f"{tag}{number}.png").read_bytes())
    ran = vision("new", "trees", "--images", split)
    assert ran.code == 0, ran.err
    assert [len(json.loads((split / f"{part}.json").read_text())["images"]) for part in ("train", "test")] == [14, 6]


def test_a_format_that_is_unclear_is_asked_for(
    vision: Vision, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vision("init")
    (photos / "labels.csv").write_text("file,tag\noak/oak1.png,oak\n")
    (photos / "more.csv").write_text("file,tag\noak/oak2.png,oak\n")
    ran = vision("new", "trees", "--images", photos)
    assert ran.code == 1
    monkeypatch.setattr("sys.stdin", terminal := io.StringIO("folders\n"))
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    ran = vision("new", "trees", "--images", photos)
    assert ran.code == 0, ran.err
    assert "Its format" in ran.err


def test_a_second_conversion_puts_no_test_image_into_the_training(vision: Vision, photos: Path) -> None:
    vision("init")
    vision("new", "trees", "--images", photos)
    (photos / "oak" / "new.png").write_bytes(encoded(77, (64, 64)))
    assert vision("convert", photos).code == 0

    def images(name: str) -> set[str]:
        return {image["file_name"] for image in json.loads((photos / name).read_text())["images"]}

    assert (len(images("train.json")), len(images("test.json"))) == (17, 4)
    assert not images("train.json") & images("test.json")


def test_no_image_is_in_both_files_if_one_was_deleted(vision: Vision, photos: Path) -> None:
    assert vision("convert", photos, "--test-share", 0.2).code == 0
    tested = (photos / "test.json").read_bytes()
    (photos / "train.json").unlink()
    assert vision("convert", photos).code == 0
    assert (len(contents(photos / "train.json")), (photos / "test.json").read_bytes()) == (16, tested)
    assert not contents(photos / "train.json") & contents(photos / "test.json")


def test_test_images_of_a_renamed_folder_stay_test_images(vision: Vision, photos: Path) -> None:
    share = ("--test-share", 0.2)
    assert vision("convert", photos, *share).code == 0
    tested = contents(photos / "test.json")
    (photos / "oak").rename(photos / "quercus")
    for number in range(20):
        (photos / "quercus" / f"new{number}.png").write_bytes(encoded(500 + number, (64, 64)))
    assert vision("convert", photos, *share).code == 0
    assert tested < contents(photos / "test.json")


def contents(file: Path) -> set[bytes]:
    """The image files that a COCO file lists."""
    return {(file.parent / image["file_name"]).read_bytes() for image in json.loads(file.read_text("utf-8"))["images"]}


def test_a_deleted_or_edited_image_takes_its_copy_out_of_the_files(vision: Vision, photos: Path, tmp_path: Path) -> None:
    vision("init")
    with Image.open(photos / "oak" / "oak1.png") as image:
        image.save(photos / "oak" / "phone.avif")
    assert vision("new", "trees", "--images", photos).code == 0
    (photos / "oak" / "phone.avif").unlink()
    (photos / "oak" / "oak3.png").unlink()
    (photos / "beech" / "beech4.png").write_bytes(encoded(321, (64, 64)))
    folder = tmp_path / "datasets" / "trees"
    there = sorted((folder / "images").rglob("*.*"))
    ran = vision("new", "trees", "--images", photos)
    assert ran.code == 0, ran.err
    assert re.search("3 images +is a copy of an image that was deleted or changed in the source, so it is no longer", ran.out)
    assert len(contents(folder / "train.json") | contents(folder / "test.json")) == 19
    assert set(there) < set((folder / "images").rglob("*.*"))


def test_copies_of_another_source_are_not_dropped(vision: Vision, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(photos / "oak", other / "oak")
    (other / "oak" / "more.png").write_bytes(encoded(321, (64, 64)))
    assert vision("convert", other, "--output", "data", "--copy-images").code == 0
    shutil.rmtree(other)
    ran = vision("convert", photos, "--output", "data", "--copy-images")
    assert (ran.code, "would lose the labels of images that the source does not have" in ran.err) == (1, True)


def test_what_an_earlier_run_wrote_is_not_left_out(vision: Vision, photos: Path) -> None:
    vision("init")
    vision("new", "trees", "--images", photos)
    assert "left out, " not in (again := vision("new", "trees", "--images", photos)).out
    assert "contact-sheet.html  " not in again.out
    assert ".html)" not in again.out


def test_images_of_another_place_are_told(vision: Vision, photos: Path, tmp_path: Path) -> None:
    vision("init")
    vision("new", "trees", "--images", photos)
    shutil.copytree(photos, tmp_path / "other")
    assert "the model trees now has these images" in vision("new", "trees", "--images", tmp_path / "other").out


def test_a_table_without_known_columns_says_which_it_has(vision: Vision, photos: Path) -> None:
    vision("init")
    (photos / "l.csv").write_text("photo,what,colour\na,b,c\n")
    ran = vision("new", "trees", "--images", photos / "l.csv")
    assert (ran.code, "Its columns: photo, what, colour" in ran.err) == (1, True)


def test_a_page_of_the_user_is_not_overwritten(vision: Vision, photos: Path) -> None:
    vision("init")
    page = photos / "contact-sheet.html"
    page.write_text("<p>ours")
    ran = vision("new", "leaves", "--images", photos)
    assert ran.code == 2
    assert "contact-sheet.html is not a contact sheet of `vision new`: move it away" in ran.err
    assert (page.read_text(), (photos / "train.json").exists()) == ("<p>ours", False)
    page.unlink()
    for _ in range(2):
        assert vision("new", "leaves", "--images", photos).code == 0
