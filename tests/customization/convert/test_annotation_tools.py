"""Labels of annotation tools become the same dataset as the other formats, and each fault is named with its place."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.customization.convert.test_masks import packed
from tests.customization.samples import encoded
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert import (
    LabelledImages,
    read_automl,
    read_cvat,
    read_ground_truth,
    read_label_studio,
    read_labelme,
    read_list,
)
from vision_customization.customization.convert.labelled import CLIPPED
from vision_customization.customization.convert.readers.annotations import find_image
from vision_customization.customization.errors import ConversionFailed

SIZE = (200, 100)
FORK: Box = (0.1, 0.2, 0.3, 0.4)
"""Pixels 20, 20 to 80, 60 of an image of 200 × 100."""

Read = Callable[[Path], LabelledImages]


def image(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(seed, SIZE, "JPEG"))
    return path


def labels(images: LabelledImages) -> dict[str, list[tuple[str, Box | None]]]:
    return {item.path.name: list(item.labels) for item in images.images}


def remarks(images: LabelledImages) -> list[tuple[str, str]]:
    return [(str(remark.what), remark.reason) for remark in images.remarks for _ in remark.places]


def drawn(left: int, top: int, right: int, bottom: int, size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, (left, top, right, bottom))
    return mask


# --- Label Studio


def task(*results: dict[str, Any], address: str = "/data/upload/1/8a7bcd12-1.jpg", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"id": 1, "data": {"image": address}, "annotations": [{"id": 2, "result": list(results)}], **fields}


def region(**value: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"type": "rectanglelabels", "original_width": 200, "original_height": 100, "image_rotation": 0, "value": value}


RECTANGLE = region(x=10, y=20, width=30, height=40, rotation=0, rectanglelabels=["fork"])


def label_studio(*tasks: Any) -> Read:  # noqa: ANN401
    def read(root: Path) -> LabelledImages:
        image(root / "1.jpg")
        (root / "export.json").write_text(json.dumps(tasks))
        return read_label_studio(root / "export.json")

    return read


def brush() -> dict[str, Any]:
    alpha = drawn(20, 20, 80, 60, SIZE).tobytes()
    return region(format="rle", rle=packed([value for pixel in alpha for value in (0, 0, 0, pixel)]), brushlabels=["fork"])


# --- CVAT


def cvat(shapes: str, name: str = "1.jpg", size: str = 'width="200" height="100"', root: str = "annotations") -> Read:
    def read(folder: Path) -> LabelledImages:
        image(folder / "images" / "1.jpg")
        element = f'<image id="0" name="{name}" {size}>{shapes}</image>'
        text = f'<?xml version="1.0"?><{root}><version>1.1</version>{element}</{root}>'
        (folder / "annotations.xml").write_text(text)
        return read_cvat(folder / "annotations.xml")

    return read


CVAT_BOX = '<box label="fork" occluded="0" xtl="20.00" ytl="20.00" xbr="80.00" ybr="60.00" z_order="0"></box>'


# --- LabelMe


def labelme(*shapes: dict[str, Any], **fields: Any) -> Read:  # noqa: ANN401
    def read(root: Path) -> LabelledImages:
        image(root / "1.jpg")
        document = {"version": "5.5", "flags": {}, "shapes": shapes, "imagePath": "1.jpg", "imageData": None}
        (root / "1.json").write_text(json.dumps({**document, "imageHeight": 100, "imageWidth": 200, **fields}))
        return read_labelme(root)

    return read


def shape(kind: str, *points: list[float], label: object = "fork", **fields: object) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **fields}


LABELME_BOX = shape("rectangle", [80, 60], [20, 20])


def mask_shape() -> dict[str, Any]:
    stream = io.BytesIO()
    drawn(5, 2, 65, 42, (70, 50)).convert("1").save(stream, "PNG")
    return shape("mask", [15, 18], [84, 67], mask=base64.b64encode(stream.getvalue()).decode())


# --- JSON lines


def automl(*lines: object) -> Read:
    def read(root: Path) -> LabelledImages:
        image(root / "photos" / "1.jpg")
        (root / "train.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return read_automl(root / "train.jsonl")

    return read


URL = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/set/photos/1.jpg"
FRACTIONS = {"label": "fork", "topX": 0.1, "topY": 0.2, "bottomX": 0.4, "bottomY": 0.6, "isCrowd": 0}


def ground_truth(*lines: object) -> Read:
    def read(root: Path) -> LabelledImages:
        image(root / "1.jpg")
        (root / "output.manifest").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return read_ground_truth(root / "output.manifest")

    return read


def manifest_line(**fields: Any) -> dict[str, Any]:  # noqa: ANN401
    box = {"class_id": 0, "left": 20, "top": 20, "width": 60, "height": 40}
    boxes = {"image_size": [{"width": 200, "height": 100, "depth": 3}], "annotations": [box]}
    about = {"class-map": {"0": "fork"}, "type": "groundtruth/object-detection", "human-annotated": "yes"}
    return {"source-ref": "s3://bucket/set/1.jpg", "boxes": boxes, "boxes-metadata": about, **fields}


def image_list(text: str, **files: str) -> Read:
    def read(root: Path) -> LabelledImages:
        image(root / "1.jpg")
        image(root / "b c" / "2.jpg", 2)
        for name, content in files.items():
            (root / f"{name}.txt").write_text(content)
        (root / "train.txt").write_text(text)
        return read_list(root / "train.txt")

    return read


@pytest.mark.parametrize(
    "read",
    [
        label_studio(task(RECTANGLE)),
        label_studio(task(RECTANGLE, address="https://studio.example/data/set/1.jpg?x=y")),
        label_studio(task(RECTANGLE, address="/data/local-files/?d=set/1.jpg")),
        label_studio(task(region(points=[[10, 20], [40, 30], [25, 60]], polygonlabels=["fork"]))),
        label_studio(task(region(x=25, y=40, radiusX=15, radiusY=20, rotation=0, ellipselabels=["fork"]))),
        label_studio(task(region(x=10, y=60, width=20, height=60, rotation=270, rectanglelabels=["fork"]))),
        label_studio(task(brush())),
        label_studio({"id": 1, "image": "1.jpg", "label": [{**RECTANGLE, **RECTANGLE["value"]}], "annotator": 1}),
        cvat(CVAT_BOX),
        cvat('<polygon label="fork" points="20.0,20.0;80.0,30.0;50.0,60.0"/>'),
        cvat('<ellipse label="fork" cx="50" cy="40" rx="30" ry="20"/>'),
        cvat('<box label="fork" xtl="30" ytl="10" xbr="70" ybr="70" rotation="90"/>'),
        cvat('<mask label="fork" left="19" top="20" width="62" height="40" rle="1, 60, ' + "2, 60, " * 39 + '1"/>'),
        cvat(CVAT_BOX, name="task/images/1.jpg"),
        labelme(LABELME_BOX),
        labelme(shape("polygon", [20, 30], [80, 20], [50, 60])),
        labelme(mask_shape()),
        labelme(LABELME_BOX, imagePath="..\\photos\\1.jpg"),
        labelme(LABELME_BOX, imagePath="renamed.jpg"),
        automl({"image_url": URL, "label": [FRACTIONS]}),
        automl({"image_url": URL, "label": [{"label": "fork", "polygon": [[0.1, 0.2, 0.4, 0.3, 0.2, 0.6]]}]}),
        ground_truth(manifest_line()),
    ],
)
def test_every_format_says_the_same(tmp_path: Path, read: Read) -> None:
    found = read(tmp_path)
    assert found.kind == AnnotationKind.IMAGE_OBJECT_DETECTION
    [(tag, box)] = labels(found)["1.jpg"]
    assert tag == "fork"
    assert box == pytest.approx(FORK, abs=1e-9)
    assert all(reason.endswith(", whose bounds are the box") for _, reason in remarks(found))


CLASSIFIED = {"class-name": "fork", "type": "groundtruth/image-classification", "confidence": 0.9}
MULTILABEL = {"class-map": {"1": "fork"}, "type": "groundtruth/image-classification-multilabel"}


@pytest.mark.parametrize(
    "read",
    [
        label_studio(task({"type": "choices", "value": {"choices": ["fork"]}})),
        label_studio({"image": "1.jpg", "choice": "fork"}),
        label_studio({"image": "1.jpg", "kind": {"choices": ["fork"]}}),
        cvat('<tag label="fork" source="manual"></tag>'),
        labelme(flags={"fork": True, "spoon": False}),
        automl({"image_url": URL, "label": "fork"}),
        automl({"image_url": URL, "label": ["fork"]}),
        ground_truth({"source-ref": "s3://b/1.jpg", "kind": 0, "kind-metadata": CLASSIFIED}),
        ground_truth({"source-ref": "s3://b/1.jpg", "kind": [1], "kind-metadata": MULTILABEL}),
        image_list("1.jpg fork\n"),
        image_list("# images\n./1.jpg,fork\n\n"),
        image_list("1.jpg 1\n", labels="spoon\nfork\n"),
    ],
)
def test_tags_of_whole_images(tmp_path: Path, read: Read) -> None:
    found = read(tmp_path)
    assert found.kind == AnnotationKind.IMAGE_CLASSIFICATION
    assert labels(found) == {"1.jpg": [("fork", None)]}


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (
            label_studio(task({**RECTANGLE}, {"type": "keypointlabels", "value": {"x": 1, "y": 1, "keypointlabels": ["eye"]}})),
            [("label", "keypointlabels, which has no box")],
        ),
        (
            label_studio(task(RECTANGLE, {"type": "relation", "from_id": "a", "to_id": "b"})),
            [("label", "a relation of two regions, which has no box")],
        ),
        (
            label_studio(task(RECTANGLE, {"type": "rectangle", "value": {"x": 1, "y": 1, "width": 9, "height": 9}})),
            [("label", "rectangle, which has no tag")],
        ),
        (
            label_studio({**task(RECTANGLE), "predictions": [{"result": [RECTANGLE]}, {"result": []}]}),
            [("label", "a prediction, not an annotation")],
        ),
        (
            label_studio(task(RECTANGLE), task(address="2.jpg", annotations=[])),
            [("image", "not annotated yet")],
        ),
        (
            label_studio(task(RECTANGLE), task(address="2.jpg", annotations=[{"was_cancelled": True}])),
            [("image", "skipped by its annotator")],
        ),
        (
            label_studio(task(annotations=[{"was_cancelled": True, "result": [RECTANGLE] * 2}, {"result": [RECTANGLE]}])),
            [("label", "of an annotation that its annotator skipped")] * 2,
        ),
        (
            label_studio(task({**RECTANGLE, "value": {**RECTANGLE["value"], "rectanglelabels": ["fork", "fork "]}})),
            [("label", "repeats a tag of its box")],
        ),
        (automl({"image_url": URL, "label": ["fork", "fork"]}), [("label", "repeats the tag of its image")]),
        (
            ground_truth(
                manifest_line(
                    **{"more": {"annotations": [{}, {}]}, "more-metadata": {"type": "groundtruth/x", "failure-reason": "y"}}
                )
            ),
            [("label", "its labelling job failed")] * 2,
        ),
        (
            label_studio(task(annotations=[{"result": [RECTANGLE]}, {"result": [RECTANGLE, RECTANGLE]}])),
            [("label", "of another annotator of the same image")] * 2,
        ),
        (
            label_studio(task(annotations=[{"result": [{}]}, {"ground_truth": True, "result": [RECTANGLE]}])),
            [("label", "of another annotator of the same image")],
        ),
        (
            label_studio(task(RECTANGLE, {"type": "choices", "value": {"choices": ["blurred"]}})),
            [("label", "a tag of the whole image, in a dataset with boxes")],
        ),
        (cvat(CVAT_BOX + '<points label="eye" points="1,1"/>'), [("label", "a points, which has no box")]),
        (cvat(CVAT_BOX + '<mask label="x" left="0" top="0" width="2" height="2" rle="4"/>'), [("label", "an empty mask")]),
        (
            labelme(LABELME_BOX, shape("line", [1, 1], [2, 2])),
            [("label", "a line, which has no box")],
        ),
        (
            automl({"image_url": URL, "label": [FRACTIONS, {**FRACTIONS, "isCrowd": "true"}]}),
            [("label", "a crowd (isCrowd), not a single object")],
        ),
        (
            ground_truth(manifest_line(), {"source-ref": "s3://b/2.jpg"}),
            [("image", "no labelling job has labelled it")],
        ),
        (
            ground_truth(manifest_line(**{"masks": "x", "masks-metadata": {"type": "groundtruth/semantic-segmentation"}})),
            [("label", "labels of the type 'semantic-segmentation', which has no box")],
        ),
    ],
)
def test_what_is_left_out_is_counted(tmp_path: Path, read: Read, expected: list[tuple[str, str]]) -> None:
    found = read(tmp_path)
    assert labels(found)["1.jpg"][0][0] == "fork"
    assert remarks(found) == expected


def test_files_that_are_not_of_labelme_are_counted(tmp_path: Path) -> None:
    labelme(LABELME_BOX)(tmp_path)
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "._1.json").write_text("x")
    image(tmp_path / "2.jpg", 2)
    assert remarks(read_labelme(tmp_path)) == [
        ("file", "not a file of LabelMe: it has no `shapes`"),
        ("image", "no .json file of LabelMe is about it"),
    ]


def test_boxes_of_other_shapes_are_counted(tmp_path: Path) -> None:
    polygon = region(points=[[10, 20], [40, 30], [25, 60]], polygonlabels=["fork"])
    turned = {**RECTANGLE, "value": {**RECTANGLE["value"], "rotation": 1}}
    found = label_studio(task(RECTANGLE, polygon, brush(), turned))(tmp_path)
    shapes = ["a polygon", "a brush", "a rotated rectangle"]
    assert remarks(found) == [("label", f"{shape}, whose bounds are the box") for shape in shapes]


def test_a_box_beyond_the_edge_is_clipped_and_counted(tmp_path: Path) -> None:
    found = automl({"image_url": URL, "label": [{**FRACTIONS, "bottomX": 1.004}]})(tmp_path)
    assert labels(found)["1.jpg"] == [("fork", pytest.approx((0.1, 0.2, 0.9, 0.4)))]
    assert [reason for _, reason in remarks(found)] == [CLIPPED]


def test_a_circle_ends_at_the_edge_of_its_image(tmp_path: Path) -> None:
    found = labelme(shape("circle", [20, 50], [20, 100]))(tmp_path)
    assert labels(found)["1.jpg"] == [("fork", pytest.approx((0, 0, 0.35, 1)))]


def test_an_image_annotated_with_nothing_is_background(tmp_path: Path) -> None:
    image(tmp_path / "2.jpg", 2)
    assert labels(label_studio(task(RECTANGLE), task(address="2.jpg"))(tmp_path))["2.jpg"] == []


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (label_studio(7), "export.json[0]: must be an object"),
        (label_studio({"data": {"text": "x"}}), None),
        (
            label_studio(task(address="x.jpg")),
            "export.json[0]: no such image file: 'x.jpg', nor one with the end of this path in ",
        ),
        (
            label_studio(task(RECTANGLE), task(RECTANGLE)),
            "export.json[1]: its image is already labelled by export.json[0]",
        ),
        (
            label_studio(task({"value": {"x": 1, "rectanglelabels": ["a"]}})),
            "result[0]: has no original_width and original_height, the size of the image in pixels",
        ),
        (label_studio(task(region(x=1, rectanglelabels=["a"]))), "result[0]: y is null, must be a number"),
        (label_studio(task(region(x=1, rectanglelabels=[]))), "result[0]: [] is not the name of a tag, or a list of names"),
        (label_studio(task({**RECTANGLE, "image_rotation": 90})), "was labelled on a rotated view of the image"),
        (label_studio(task({**RECTANGLE, "original_width": 400})), "1.jpg is 200 × 100 px, but its labels say 400 × 100"),
        (label_studio(task(RECTANGLE, address="..")), "export.json[0]: no such image file: '..'"),
        (cvat("<box/>"), 'box[0]: "" is not the name of a tag, or a list of names'),
        (cvat('<box label="a" xtl="x"/>'), "box[0]: xtl: 'x' is not a number"),
        (cvat(CVAT_BOX, root="annotation"), "annotations.xml: its root is <annotation>, but CVAT for images has <annotations>"),
        (
            cvat('</image><track/><image id="1">'),
            "is CVAT for video (it has <track>). Export the task as",
        ),
        (cvat("<box>"), "annotations.xml: line 1, column 116: is not XML: mismatched tag"),
        (cvat(CVAT_BOX, size='width="100" height="50"'), "1.jpg is 200 × 100 px, but its labels say 100 × 50"),
        (cvat('<mask label="a" left="0" top="0" width="2" height="2" rle="3"/>'), "are 3 pixels together, must be 4"),
        (labelme(shape("rectangle", [1, 1])), "1.json: shapes[0]: an outline needs points, but this one has 1"),
        (labelme(shape("heart", [1, 1], [2, 2])), "shape_type is 'heart', expected rectangle, polygon, circle or mask"),
        (labelme(shape("rectangle", [1, 1], [2, 2], label=None)), "shapes[0]: null is not the name of a tag"),
        (labelme(shape("mask", [1, 1], [2, 2], mask="x")), "shapes[0]: mask must be a PNG image in base64"),
        (automl({"label": "x"}), "train.jsonl:1: has no image_url"),
        (automl({"image_url": ".", "label": "x"}), "train.jsonl:1"),
        (automl({"image_url": "/", "label": "x"}), "train.jsonl:1"),
        (automl([1]), "train.jsonl:1: must be a JSON object"),
        (
            automl({"image_url": URL, "label": [{**FRACTIONS, "bottomX": 20}]}),
            "is outside the image: must be fractions",
        ),
        (automl({"image_url": URL, "label": [{"label": "x"}]}), "label[0]: topX is null, must be a number"),
        (ground_truth({"source": "x"}), "output.manifest:1: has no source-ref, the S3 address of an image"),
        (
            ground_truth(manifest_line(more={}, **{"more-metadata": {"type": "groundtruth/object-detection"}})),
            "has the boxes of several labelling jobs, boxes and more. Keep those of one",
        ),
        (
            ground_truth(manifest_line(boxes={"annotations": [{"class_id": 7, "left": 0, "top": 0, "width": 1, "height": 1}]})),
            "annotations[0]: class 7 is not in the class-map of its metadata",
        ),
        (
            ground_truth(
                manifest_line(**{"boxes-metadata": {"class-map": {"0": ["a", "a"]}, "type": "groundtruth/object-detection"}})
            ),
            'annotations[0]: ["a", "a"] is not the name of a class',
        ),
        (ground_truth({"source-ref": "s3://b/1.jpg"}), "output.manifest: has no label that can be converted, of 0 images"),
        (image_list("1.jpg\n"), "train.txt:1: must be the name of an image file, a blank, and its tag"),
        (image_list("1.jpg 9\n", classes="a\nb\n"), "train.txt:1: class 9 has no name: there are names for 2 classes, from 0"),
        (image_list("1.jpg a\n1.jpg b\n"), "train.txt:2: its image is already labelled by train.txt:1: 1.jpg"),
    ],
)
def test_faults(tmp_path: Path, read: Read, expected: str | None) -> None:
    with pytest.raises(ConversionFailed) as caught:
        read(tmp_path)
    if expected is not None:
        assert expected in str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("a/1.jpg", "a/1.jpg"),
        ("1.jpg", "1.jpg"),
        (r"C:\photos\a\1.jpg", "a/1.jpg"),
        ("/elsewhere/b/1.jpg", "1.jpg"),
        ("https://host/set/a/1.jpg?sv=2020#x", "a/1.jpg"),
        ("s3://bucket/a/t%C3%BCr%20%231.jpg", "a/tür #1.jpg"),
        ("a/tür #1.jpg", "a/tür #1.jpg"),
        ("s3://bucket/a/tür #1.jpg", "a/tür #1.jpg"),
        ("100%.jpg", "100%.jpg"),
        ("0123abcd-1.jpg", "1.jpg"),
        ("inner.jpg", "images/inner.jpg"),
        ("../outside.jpg", None),
        ("none.jpg", None),
        ("..", None),
        ("", None),
        ("a\0.jpg", None),
        ("\ud800.jpg", None),
        ("http://[/1.jpg", None),
    ],
)
def test_an_image_is_found_by_the_end_of_its_address(tmp_path: Path, address: str, expected: str | None) -> None:
    folder = tmp_path / "folder"
    for name in ("a/1.jpg", "1.jpg", "a/tür #1.jpg", "100%.jpg", "images/inner.jpg", "../outside.jpg"):
        image(folder / name)
    found = find_image(address, folder, folder)
    assert found == (None if expected is None else folder / expected)
