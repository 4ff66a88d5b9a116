"""The format of what people have is found out, or the message says what is unclear."""

import json
from pathlib import Path

import pytest

from tests.customization.cli.ran import Vision
from tests.customization.samples import encoded
from vision_customization.customization.cli.conversion import FORMATS
from vision_customization.customization.convert.detect_format import TITLES, UNLABELLED, detect_format
from vision_customization.customization.convert.formats import FILE_READERS, FOLDER_READERS
from vision_customization.customization.errors import ConversionFailed

VOC = "<annotation><filename>1.jpg</filename></annotation>"
CVAT = "<?xml version='1.0'?>\n<!-- exported --><annotations><image/></annotations>"


def coco(*box: float, name: str = "1.jpg", tag: str = "fork") -> str:
    annotation = {"image_id": 1, "category_id": 1, **({"bbox": box} if box else {})}
    images = [{"id": 1, "file_name": name}]
    return json.dumps({"info": {}, "images": images, "annotations": [annotation], "categories": [{"id": 1, "name": tag}]})


LABELME = json.dumps({"version": "5", "flags": {}, "shapes": [], "imagePath": "1.jpg"})
STUDIO = json.dumps([{"id": 1, "data": {"image": "1.jpg"}, "annotations": []}])
STUDIO_MIN = json.dumps([{"image": "1.jpg", "id": 1, "choice": "a", "annotator": 1}])
AUTOML = '{"image_url": "azureml://x/1.jpg", "label": "a"}\n'
MANIFEST = '{"source-ref": "s3://b/1.jpg"}\n'


def fill(folder: Path, files: dict[str, str]) -> Path:
    for number, (name, text) in enumerate(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if text else encoded(number))
    return folder


@pytest.mark.parametrize(
    ("files", "expected", "source", "evidence"),
    [
        ({"fork/1.jpg": "", "spoon/2.jpg": ""}, "folders", "", "a folder per tag: 2 tags (fork, spoon), 2 images"),
        ({"fork/deep/1": "", "fork/a.mp4": "x"}, "folders", "", "a folder per tag: 1 tag (fork), 1 image"),
        ({"train/fork/1.jpg": "", "test/fork/2.jpg": ""}, "folders", "", "a folder per tag: 1 tag (fork), 2 images"),
        ({"1.jpg": "", "2.png": "", "notes.md": "x"}, UNLABELLED, "", "2 images without labels, and 1 file .md"),
        ({"train/1.jpg": "", "test/2.jpg": ""}, UNLABELLED, "", "2 images without labels"),
        ({"A/1.xml": VOC, "JPEGImages/1.jpg": ""}, "voc", "", "Pascal VOC: 1 XML file in A/"),
        ({"1.xml": VOC, "1.jpg": "", "._1.xml": "x", "__MACOSX/1.xml": CVAT}, "voc", "", None),
        ({"images/1.jpg": "", "labels/1.txt": "0 .5 .5 .1 .1\n", "data.yaml": "names: [a]"}, "yolo", "", None),
        ({"1.jpg": "", "1.txt": "0 0.5 0.5 1e-1 1\n", "classes.txt": "a"}, "yolo", "", None),
        ({"1.jpg": "", "1.txt": "\n", "labels.txt": "a"}, "yolo", "", None),
        ({"1.jpg": "", "labels.txt": "fork\nspoon\n"}, UNLABELLED, "", "1 image without labels, and 1 file .txt"),
        ({"labels.csv": "\ufefffilename,label\n1.jpg,a\n", "1.jpg": ""}, "csv", "labels.csv", "CSV: labels.csv"),
        ({"labels.csv": "sep=;\nimage;label\n1.jpg;a\n", "1.jpg": ""}, "csv", "labels.csv", None),
        ({"_annotations.coco.json": coco(1, 2, 30, 40), "1.jpg": ""}, "coco-pixels", "_annotations.coco.json", None),
        ({"a.json": coco(0.1, 0.2, 0.3, 0.4), "1.jpg": ""}, "coco", "a.json", None),
        ({"a.json": coco(), "1.jpg": ""}, "coco", "a.json", "COCO: a.json"),
        ({"fork/1.jpg": "", "train.json": coco(name="fork/1.jpg")}, "folders", "", None),
        ({"images/1.jpg": "", "train.json": coco(name="images/1.jpg")}, "coco", "train.json", None),
        ({"a.xml": VOC, "1.jpg": "", "train.json": coco(0, 0, 1, 1), "test.json": coco(0, 0, 1, 1)}, "voc", "", None),
        ({"1.json": LABELME, "1.jpg": ""}, "labelme", "", "LabelMe: 1 JSON file in {}"),
        ({"p.json": STUDIO, "1.jpg": ""}, "label-studio", "p.json", None),
        ({"p.json": STUDIO_MIN, "1.jpg": ""}, "label-studio", "p.json", None),
        ({"annotations.xml": CVAT, "images/1.jpg": ""}, "cvat", "annotations.xml", "CVAT for images: annotations.xml"),
        ({"t/train.jsonl": AUTOML, "1.jpg": ""}, "automl", "t/train.jsonl", None),
        ({"o.manifest": MANIFEST, "1.jpg": ""}, "ground-truth", "o.manifest", None),
        ({"labels.txt": "1.jpg fork\n", "1.jpg": ""}, "list", "labels.txt", "a list of images and tags: labels.txt"),
    ],
)
def test_formats(tmp_path: Path, files: dict[str, str], expected: str, source: str, evidence: str | None) -> None:
    found = detect_format(fill(tmp_path, files))
    assert (found.format, found.source) == (expected, tmp_path / source)
    if evidence is not None:
        assert found.evidence == evidence.format(tmp_path)
    if source:
        assert detect_format(tmp_path / source).format == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "has no images"),
        ({"a.txt": "x", "b.txt": "y"}, "has no images, but 2 files .txt"),
        ({"fork/1.jpg": "", "2.jpg": ""}, "1 image in 1 folder, and 1 image in no tag's folder: 2.jpg. Move each image"),
        (
            {"1.xml": VOC, "1.txt": "0 .5 .5 .1 .1", "1.jpg": ""},
            "which labels count: Pascal VOC: 1 XML file in {0}; YOLO: 1 label file in {0}. Say which format it is",
        ),
        (
            {"a/_.json": coco(1, 2, 3, 4), "b/_.json": coco(1, 2, 3, 4), "1.jpg": ""},
            "COCO with boxes in pixels: a/_.json; COCO with boxes in pixels: b/_.json. Name one of them",
        ),
    ],
)
def test_what_is_unclear(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    with pytest.raises(ConversionFailed) as caught:
        detect_format(fill(tmp_path, files))
    assert expected.format(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("set.zip", "PK", "set.zip: is an archive. Unpack it, and name the folder"),
        ("1.jpg", "", "1.jpg: is an image, not a file of labels"),
        (
            "a.json",
            "{}",
            "a.json: is in no format of label files that is known here. Say which format it is by --from: automl,",
        ),
        ("1.xml", VOC, "1.xml: is one file of many (Pascal VOC). Name its folder"),
    ],
)
def test_a_file_that_is_no_source(tmp_path: Path, name: str, text: str, expected: str) -> None:
    fill(tmp_path, {name: text})
    with pytest.raises(ConversionFailed) as caught:
        detect_format(tmp_path / name)
    assert expected in str(caught.value)
    assert ("Say which format" in str(caught.value)) == (name == "a.json")


@pytest.mark.parametrize("place", ["photos", "labels/photos", ".", "deep/er"])
def test_the_folder_of_the_images_is_found(tmp_path: Path, place: str) -> None:
    fill(tmp_path, {"labels/a.json": coco(1, 2, 3, 4, name="set\\1.jpg"), f"{place}/set/1.jpg": ""})
    assert detect_format(tmp_path).images == tmp_path / place


def test_every_format_has_a_title_and_a_name_for_the_command() -> None:
    assert set(FORMATS) == {*FILE_READERS, *FOLDER_READERS}
    assert set(TITLES) == {*FORMATS, UNLABELLED}


def test_convert_says_what_it_read(vision: Vision, tmp_path: Path) -> None:
    fill(tmp_path, {"set/annotations/a.json": coco(1, 2, 30, 40), "set/images/1.jpg": ""})
    ran = vision("convert", "set")
    assert ran.code == 0
    assert ran.err.splitlines()[0] == "Read as COCO with boxes in pixels: annotations/a.json"
    assert json.loads((tmp_path / "set" / "train.json").read_text())["images"][0]["file_name"] == "images/1.jpg"


def test_convert_refuses_images_without_labels(vision: Vision, tmp_path: Path) -> None:
    fill(tmp_path / "set", {"1.jpg": ""})
    ran = vision("convert", "set")
    assert ran.code == 1
    assert "set: 1 image without labels. Put the images of each tag in a folder of their own" in ran.err
