"""Real boxes, and photos as a phone stores them, from pixels to what the engine reads."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.support.places import LABELLED_DATA
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.customization.convert import (
    LabelledImages,
    copy_files,
    plan_copies,
    read_coco,
    read_csv,
    read_voc,
    write_coco,
)
from vision_customization.customization.datasets.content import Content, check_dataset
from vision_customization.customization.datasets.source import DatasetSource, read_dataset
from vision_customization.engine.annotations import read_detection

SIZE = (400, 300)
"""Width and height of the photo as one sees it."""
PIXELS = (40, 30, 140, 180)
FRACTIONS: Box = (0.1, 0.1, 0.25, 0.5)

STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera stores an upright picture under each EXIF orientation."""


def store(picture: Image.Image, path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.transpose(STORED_AS[orientation]).save(path, exif=exif)


def voc(folder: Path) -> LabelledImages:
    left, top, right, bottom = PIXELS
    box = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
    (folder / "1.xml").write_text(
        f"<annotation><filename>1.jpg</filename><size><width>{SIZE[0]}</width><height>{SIZE[1]}</height></size>"
        f"<object><name>fork</name><bndbox>{box}</bndbox></object></annotation>"
    )
    return read_voc(folder)


def csv(folder: Path) -> LabelledImages:
    (folder / "l.csv").write_text(f"file,tag,xmin,ymin,xmax,ymax\n1.jpg,fork,{','.join(map(str, PIXELS))}\n")
    return read_csv(folder / "l.csv")


def coco(folder: Path) -> LabelledImages:
    left, top, right, bottom = PIXELS
    document = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": SIZE[0], "height": SIZE[1]}],
        "categories": [{"id": 1, "name": "fork"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [left, top, right - left, bottom - top]}],
    }
    (folder / "i.json").write_text(json.dumps(document))
    return read_coco(folder / "i.json")


def content_of(folder: Path) -> Content:
    source = DatasetSource(folder, ("train.json",), AnnotationKind.IMAGE_OBJECT_DETECTION)
    return check_dataset(read_dataset(source)).valid()


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("read", [voc, csv, coco])
def test_boxes_of_a_phones_photo_are_those_of_the_upright_image(
    tmp_path: Path, read: Callable[[Path], LabelledImages], orientation: int
) -> None:
    store(Image.new("RGB", SIZE), tmp_path / "1.jpg", orientation)
    images = read(tmp_path)
    [image] = images.images
    assert (image.width, image.height) == SIZE
    assert image.labels[0][1] == pytest.approx(FRACTIONS)
    write_coco(images, tmp_path / "train.json")
    content = content_of(tmp_path)
    assert content.warnings == ()
    assert (content.entries[0].width, content.entries[0].height) == SIZE


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [([0.5, 0, 0.50005, 1], (0.5, 0, 0.5, 1)), ([-0.0001, 0.25, 0.5, 0.25], (0, 0.25, 0.4999, 0.25))],
)
def test_what_rounding_put_over_the_edge_is_cut_off(tmp_path: Path, bbox: list[float], expected: Box) -> None:
    Image.new("RGB", SIZE).save(tmp_path / "1.jpg")
    coco(tmp_path)
    document = json.loads((tmp_path / "i.json").read_text())
    document["annotations"][0]["bbox"] = bbox
    (tmp_path / "i.json").write_text(json.dumps(document))
    (tmp_path / "l.csv").write_text(f"file,tag,left,top,width,height\n1.jpg,fork,{','.join(map(str, bbox))}\n")
    for images in (read_coco(tmp_path / "i.json", pixels=False), read_csv(tmp_path / "l.csv")):
        assert images.images[0].labels[0][1] == pytest.approx(expected)


@pytest.mark.data
@pytest.mark.skipif(not LABELLED_DATA.is_dir(), reason="../shared/data is not here")
@pytest.mark.parametrize(("name", "turned"), [("bccd", False), ("fork-scissors", True)])
def test_real_boxes_come_back_from_pixels(tmp_path: Path, name: str, turned: bool) -> None:
    original = json.loads((LABELLED_DATA / name / "train.json").read_text())
    sizes = {image["id"]: (image["width"], image["height"]) for image in original["images"]}
    pixels = json.loads(json.dumps(original))
    for annotation in pixels["annotations"]:
        width, height = sizes[annotation["image_id"]]
        annotation["bbox"] = [round(side * of) for side, of in zip(annotation["bbox"], (width, height) * 2, strict=True)]
    (tmp_path / "pixels.json").write_text(json.dumps(pixels))
    source = LABELLED_DATA / name
    if turned:
        source = tmp_path / "photos"
        (source / "images").mkdir(parents=True)
        for index, image in enumerate(original["images"]):
            with Image.open(LABELLED_DATA / name / image["file_name"]) as picture:
                store(picture, source / image["file_name"], (6, 8, 3)[index % 3])
    images, copies = plan_copies(read_coco(tmp_path / "pixels.json", source), source, tmp_path)
    copy_files(copies)
    write_coco(images, tmp_path / "train.json")

    content = content_of(tmp_path)
    assert content.warnings == ()
    document = json.loads("".join(content.files[0].coco_text("https://h/c")))
    annotations = read_detection([("train.json", BytesIO(json.dumps(document).encode()))], Purpose.TRAINING)
    assert annotations.tags == tuple(content.tags)
    for image, size in zip(annotations.images, sizes.values(), strict=True):
        assert all(box.width * size[0] >= 1 and box.height * size[1] >= 1 for box in image.boxes)
    boxes = {(entry["image_id"], *(round(number, 2) for number in entry["bbox"])) for entry in document["annotations"]}
    for annotation in original["annotations"]:
        width, height = sizes[annotation["image_id"]]
        nearest = min(
            max(abs(a - b) for a, b in zip(annotation["bbox"], box[1:], strict=True))
            for box in boxes
            if box[0] == annotation["image_id"]
        )
        assert nearest < 0.006 + 1 / min(width, height)
