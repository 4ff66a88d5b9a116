"""Labels of each format become the same dataset, and each fault is named with its file and line or index."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.customization.samples import encoded
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert import (
    Effect,
    LabelledImages,
    as_multi_label,
    check_one_tag_each,
    read_coco,
    read_csv,
    read_folders,
    read_voc,
    read_yolo,
)
from vision_customization.customization.errors import ConversionFailed

SIZE = (200, 100)
EXPECTED = "expected 5: class, centre x, centre y, width, height"
OTHER_FILE_COLUMNS = "(or filename, file, image, path, image_name, image_path, image_file)"
FORK: Box = (0.1, 0.2, 0.3, 0.4)
"""Pixels 20, 20 to 80, 60 of an image of 200 × 100."""


def image(path: Path, seed: int = 0, orientation: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(seed, SIZE, "JPEG", orientation))
    return path


def labels(images: LabelledImages) -> dict[str, list[tuple[str, Box | None]]]:
    return {item.path.name: list(item.labels) for item in images.images}


def voc_xml(objects: str, file_name: str = "1.jpg", size: tuple[int, int] = SIZE) -> str:
    return (
        f"<annotation><filename>{file_name}</filename><size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
        f"{objects}</annotation>"
    )


def voc_object(name: str = "fork", box: tuple[object, ...] = (21, 21, 80, 60)) -> str:
    edges = "".join(f"<{edge}>{value}</{edge}>" for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object><name>{name}</name><bndbox>{edges}</bndbox></object>"


def voc(root: Path) -> LabelledImages:
    image(root / "JPEGImages" / "1.jpg")
    (root / "Annotations").mkdir()
    (root / "Annotations" / "1.xml").write_text(voc_xml(voc_object(), r"C:\photos\1.jpg"))
    return read_voc(root)


def yolo(root: Path) -> LabelledImages:
    image(root / "images" / "train" / "1.jpg")
    (root / "data.yaml").write_text("names: [knife, fork]\n")
    (root / "labels" / "train").mkdir(parents=True)
    (root / "labels" / "train" / "1.txt").write_text("1 0.25 0.4 0.3 0.4\n\n")
    return read_yolo(root)


def yolo_outline(root: Path) -> LabelledImages:
    image(root / "1.jpg")
    (root / "classes.txt").write_text("fork\n")
    (root / "1.txt").write_text("0 0.1 0.2 0.4 0.2 0.4 0.6 0.2 0.5\n")
    return read_yolo(root)


def csv_fractions(root: Path) -> LabelledImages:
    image(root / "1.jpg")
    (root / "labels.csv").write_text("\ufefffile_name,tag,left,top,width,height,note\n1.jpg,fork,0.1,0.2,0.3,0.4,x\n", "utf-8")
    return read_csv(root / "labels.csv")


def csv_pixels(root: Path) -> LabelledImages:
    image(root / "photos" / "1.jpg")
    (root / "labels.csv").write_text("Image;Label;xmin;ymin;xmax;ymax\r\n1.jpg;fork;20;20;80;60\r\n")
    return read_csv(root / "labels.csv", root / "photos")


def coco_document(**annotation: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "images": [{"id": 397133, "file_name": "1.jpg", "width": 200, "height": 100}],
        "categories": [{"id": 90, "name": "spoon"}, {"id": 48, "name": "fork"}],
        "annotations": [{"id": 5, "image_id": 397133, "category_id": 48, "bbox": [20, 20, 60, 40], **annotation}],
    }


def coco_pixels(root: Path) -> LabelledImages:
    image(root / "1.jpg")
    document = coco_document()
    document["annotations"].append({"id": 6, "image_id": 397133, "category_id": 90, "iscrowd": 1, "bbox": [0, 0, 9, 9]})
    (root / "instances.json").write_text(json.dumps(document))
    return read_coco(root / "instances.json")


def coco_fractions(root: Path) -> LabelledImages:
    image(root / "1.jpg")
    (root / "instances.json").write_text(json.dumps(coco_document(bbox=list(FORK))))
    return read_coco(root / "instances.json", pixels=False)


@pytest.mark.parametrize("read", [voc, yolo, yolo_outline, csv_fractions, csv_pixels, coco_pixels, coco_fractions])
def test_every_format_says_the_same(tmp_path: Path, read: Callable[[Path], LabelledImages]) -> None:
    found = read(tmp_path)
    assert found.kind == AnnotationKind.IMAGE_OBJECT_DETECTION
    assert found.tags == ("fork",)
    [(tag, box)] = labels(found)["1.jpg"]
    assert tag == "fork"
    assert box == pytest.approx(FORK, abs=1e-9)
    assert (found.images[0].width, found.images[0].height) == SIZE


def test_a_folder_is_a_tag(tmp_path: Path) -> None:
    for index, name in enumerate(["cherry/1.jpg", "cherry/deep/2.JPEG", "hemlock/3.jpg"]):
        image(tmp_path / name, index)
    (tmp_path / "hemlock" / "notes.txt").write_text("x")
    image(tmp_path / ".thumbnails" / "4.jpg")
    found = read_folders(tmp_path)
    assert found.kind == AnnotationKind.IMAGE_CLASSIFICATION
    assert found.tags == ("cherry", "hemlock")
    assert labels(found) == {"1.jpg": [("cherry", None)], "2.JPEG": [("cherry", None)], "3.jpg": [("hemlock", None)]}


def test_csv_without_boxes_is_for_classification(tmp_path: Path) -> None:
    for index in range(3):
        image(tmp_path / f"{index}.jpg", index)
    (tmp_path / "l.csv").write_text("path\tclass\n0.jpg\ta\n1.jpg\t\n2.jpg\tb\n2.jpg\tb\n")
    found = read_csv(tmp_path / "l.csv")
    assert found.kind == AnnotationKind.IMAGE_CLASSIFICATION
    assert labels(found) == {"0.jpg": [("a", None)], "1.jpg": [], "2.jpg": [("b", None)]}


def test_an_image_without_labels_is_kept(tmp_path: Path) -> None:
    yolo(tmp_path)
    image(tmp_path / "images" / "train" / "2.jpg", 2)
    assert labels(read_yolo(tmp_path))["2.jpg"] == []


def problems(call: Callable[[], object], root: Path) -> list[str]:
    with pytest.raises(ConversionFailed) as caught:
        call()
    return [problem.replace(f"{root}/", "") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<annotation><object>", "1.xml: line 1, column 21: is not XML: no element found"),
        (
            "<!DOCTYPE a [<!ENTITY x 'y'>]><annotation/>",
            "1.xml: has a document type declaration, which label files must not have",
        ),
        (voc_xml(voc_object("")), "1.xml: object[0]: has no name"),
        (
            voc_xml("<object><name>a</name></object>"),
            "1.xml: object[0] (a): bndbox must have xmin, ymin, xmax and ymax: '' is not a number",
        ),
        (
            voc_xml(voc_object(box=(1, "x", 3, 4))),
            "1.xml: object[0] (fork): bndbox must have xmin, ymin, xmax and ymax: 'x' is not a number",
        ),
        (
            voc_xml(voc_object() + voc_object(box=(1, 1, 210, 50))),
            "1.xml: object[1] (fork): box from (0, 0) to (210, 50): is 10 px outside the image, which is 200 × 100 px",
        ),
        (voc_xml(voc_object(box=(50, 50, 40, 60))), "1.xml: object[0] (fork): box from (49, 49) to (40, 60): is empty"),
        (voc_xml(voc_object(), size=(300, 100)), "1.xml: 1.jpg is 200 × 100 px, but its labels say 300 × 100"),
        (voc_xml(voc_object(), "other.jpg").replace("1.jpg", "x"), None),
    ],
)
def test_voc_faults(tmp_path: Path, xml: str, expected: str | None) -> None:
    image(tmp_path / "1.jpg")
    (tmp_path / "1.xml").write_text(xml)
    if expected is None:
        assert len(read_voc(tmp_path).images) == 1, "an image of the XML file's name will do"
    else:
        assert problems(lambda: read_voc(tmp_path), tmp_path) == [expected]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0.5 0.5", "1.txt:2: has 3 fields, expected 5: class, centre x, centre y, width, height"),
        (
            "0 0.5 0.5 0.1 0.1 0.9",
            f"1.txt:2: has 6 fields, {EXPECTED}. If the last is a confidence, remove it",
        ),
        ("x 0.5 0.5 0.1 0.1", "1.txt:2: class is 'x', must be a number from 0"),
        ("7 0.5 0.5 0.1 0.1", "1.txt:2: class 7 has no name: there are names for 1 classes, from 0"),
        ("0 0.5 nan 0.1 0.1", "1.txt:2: 'nan' is not a number"),
        ("0 0.99 0.5 0.1 0.1", "1.txt:2: box 0.99 0.5 0.1 0.1 is outside the image: must be fractions from 0 to 1"),
        (
            "0 50 40 60 40",
            "1.txt:2: box 50 40 60 40 is outside the image: must be fractions from 0 to 1. These look like pixels",
        ),
        ("0 0.5 0.5 0 0.1", "1.txt:2: box 0.5 0.5 0 0.1 is empty"),
    ],
)
def test_yolo_faults(tmp_path: Path, line: str, expected: str) -> None:
    image(tmp_path / "1.jpg")
    (tmp_path / "classes.txt").write_text("fork\n")
    (tmp_path / "1.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    assert problems(lambda: read_yolo(tmp_path), tmp_path) == [expected]


@pytest.mark.parametrize(
    "yaml",
    [
        "names: [1.10, no, 007]",
        "names: {0: 1.10, 2: 007, 1: no}",
        'names: ["1.10", "no", "007"]',
        "names:\n- 1.10\n- no\n- 007",
    ],
)
def test_yolo_classes_are_called_what_is_written(tmp_path: Path, yaml: str) -> None:
    image(tmp_path / "1.jpg")
    (tmp_path / "data.yaml").write_text(yaml)
    (tmp_path / "1.txt").write_text("".join(f"{index} 0.5 0.5 0.1 0.1\n" for index in range(3)))
    assert read_yolo(tmp_path).tags == ("1.10", "no", "007")


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        (None, "has neither data.yaml nor classes.txt. One file must name the classes"),
        ("names: [a", "data.yaml:1: is not YAML"),
        ("train: x", "data.yaml has no `names`. One file must name the classes"),
        ("names: fork", "data.yaml: `names` must be a list of names, or a map from class number to name"),
    ],
)
def test_yolo_without_names(tmp_path: Path, yaml: str | None, expected: str) -> None:
    image(tmp_path / "1.jpg")
    if yaml is not None:
        (tmp_path / "data.yaml").write_text(yaml)
    [problem] = problems(lambda: read_yolo(tmp_path), tmp_path)
    assert problem.endswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name,tag\n1.jpg,a\n", f"l.csv:1: has no column 'file_name' {OTHER_FILE_COLUMNS}. Its columns: name, tag"),
        ("", f"l.csv:1: has no column 'file_name' {OTHER_FILE_COLUMNS}. Its columns: none"),
        ("file,tag\n1.jpg\n", "l.csv:2: has 1 fields, expected 2: file, tag"),
        ("file,tag\n,a\n", "l.csv:2: file is empty"),
        ("file,tag\n1.jpg,a\nno.jpg,a\n", "l.csv:3: no such image file: no.jpg"),
        ("file,tag,left,top,width,height\n1.jpg,a,0,0,x,1\n", "l.csv:2: width: 'x' is not a number"),
        (
            "file,tag,left,top,width,height\n1.jpg,a,0.9,0,0.2,1\n",
            "l.csv:2: bbox [0.9, 0.0, 0.2, 1.0]: left + width is 1.1, must be at most 1",
        ),
        (
            "file,tag,xmin,ymin,xmax,ymax\n1.jpg,a,0.5,0,0.25,1\n",
            "l.csv:2: the box 0.5, 0, 0.25, 1 (left, top, right, bottom): width is -0.25, must be more than 0 and at most 1",
        ),
        (
            "file,tag,cx,cy,w,h\n1.jpg,a,0,.5,0,1\n1.jpg,a,.25,.5,.5,.5\n",
            "l.csv:2: the box 0, 0.5, 0, 1 (centre x, centre y, width, height): width is 0, must be more than 0 and at most 1",
        ),
        (
            "file,tag,xmin,ymin,xmax,ymax\n1.jpg,a,0,0,999,9\n",
            "l.csv:2 (a): box from (0, 0) to (999, 9): is 799 px outside the image, which is 200 × 100 px",
        ),
        (
            "file,width,height,tag,xmin,ymin,xmax,ymax\n1.jpg,100,50,a,0,0,9,9\n",
            "l.csv:2: 1.jpg is 200 × 100 px, but its labels say 100 × 50",
        ),
        (
            "file,width,height,tag,xmin,ymin,xmax,ymax\n1.jpg,200,100,a,0,0,9,9\n1.jpg,100,50,a,0,0,9,9\n",
            "l.csv:3: width and height differ from those in the rows of 1.jpg above",
        ),
        ('file,tag\n"1.jpg,a\n', "l.csv:2: not valid CSV: unexpected end of data"),
    ],
)
def test_csv_faults(tmp_path: Path, text: str, expected: str) -> None:
    image(tmp_path / "1.jpg")
    (tmp_path / "l.csv").write_text(text)
    assert problems(lambda: read_csv(tmp_path / "l.csv"), tmp_path)[0] == expected


def without_image(document: dict[str, Any]) -> None:
    document["annotations"][0]["image_id"] = 1


def without_category(document: dict[str, Any]) -> None:
    document["annotations"][0]["category_id"] = 1


def short_box(document: dict[str, Any]) -> None:
    document["annotations"][0]["bbox"] = [1, 2]


def outside_box(document: dict[str, Any]) -> None:
    document["annotations"][0]["bbox"] = [150, 0, 100, 10]


def twice_the_id(document: dict[str, Any]) -> None:
    document["images"] *= 2


def fractions(document: dict[str, Any]) -> None:
    document["annotations"][0]["bbox"] = [0, 0.2, 1, 0.4]


def no_categories(document: dict[str, Any]) -> None:
    del document["categories"]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (without_image, "i.json: annotations[0]: image_id 1 is not the id of an image"),
        (without_category, "i.json: annotations[0]: category_id 1 is not the id of a category"),
        (short_box, "i.json: annotations[0]: bbox must be four numbers [left, top, width, height], in pixels"),
        (
            outside_box,
            "i.json: annotations[0]: box from (150, 0) to (250, 10): is 50 px outside the image, which is 200 × 100 px",
        ),
        (
            fractions,
            "i.json: most boxes have no number over 1, so they are fractions, not pixels. Use `--from coco`",
        ),
        (twice_the_id, "i.json: images[1]: id 397133 is already used by i.json: images[0]"),
        (no_categories, "i.json: has no list 'categories'"),
    ],
)
def test_coco_faults(tmp_path: Path, spoil: Callable[[dict[str, Any]], None], expected: str) -> None:
    image(tmp_path / "1.jpg")
    document = coco_document()
    spoil(document)
    (tmp_path / "i.json").write_text(json.dumps(document))
    assert problems(lambda: read_coco(tmp_path / "i.json"), tmp_path)[0] == expected


def test_folders_faults(tmp_path: Path) -> None:
    assert problems(lambda: read_folders(tmp_path), tmp_path) == ["no images found"]
    image(tmp_path / "loose.jpg")
    (tmp_path / "tag").mkdir()
    (tmp_path / "tag" / "1.jpg").write_text("no image")
    assert problems(lambda: read_folders(tmp_path), tmp_path) == [
        "loose.jpg: is not in a tag's folder",
        "tag/1.jpg: is not an image of a supported type (JPEG, MPO, PNG, BMP, GIF, TIFF, WEBP, ICO)",
    ]


def turned_voc(root: Path) -> LabelledImages:
    (root / "l.xml").write_text(voc_xml(voc_object()))
    return read_voc(root)


def turned_csv(root: Path) -> LabelledImages:
    (root / "l.csv").write_text("file,width,height,tag,xmin,ymin,xmax,ymax\n1.jpg,200,100,fork,20,20,80,60\n")
    return read_csv(root / "l.csv")


def turned_coco(root: Path) -> LabelledImages:
    (root / "l.json").write_text(json.dumps(coco_document()))
    return read_coco(root / "l.json")


@pytest.mark.parametrize("read", [turned_voc, turned_csv, turned_coco])
def test_pixels_of_an_image_that_is_stored_turned_are_refused(tmp_path: Path, read: Callable[[Path], LabelledImages]) -> None:
    image(tmp_path / "1.jpg", orientation=6)
    [problem] = problems(lambda: read(tmp_path), tmp_path)
    assert "1.jpg is stored rotated (EXIF orientation), but was labelled without the rotation" in problem


def test_fractions_do_not_depend_on_the_size_that_is_stated(tmp_path: Path) -> None:
    image(tmp_path / "1.jpg", orientation=6)
    (tmp_path / "l.json").write_text(json.dumps(coco_document(bbox=list(FORK))))
    found = read_coco(tmp_path / "l.json", pixels=False)
    assert labels(found) == {"1.jpg": [("fork", FORK)]}
    assert (found.images[0].width, found.images[0].height) == (100, 200)


@pytest.mark.parametrize("size", ["200,100", "0,0", ","])
def test_a_csv_may_state_the_size_or_leave_it_out(tmp_path: Path, size: str) -> None:
    image(tmp_path / "1.jpg")
    (tmp_path / "l.csv").write_text(f"file,width,height,tag,xmin,ymin,xmax,ymax\n1.jpg,{size},fork,20,20,80,60\n")
    [(tag, box)] = labels(read_csv(tmp_path / "l.csv"))["1.jpg"]
    assert tag == "fork"
    assert box == pytest.approx(FORK)


def test_several_tags_are_found_out(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        image(tmp_path / f"{name}.jpg", 7 * int(name))
    (tmp_path / "l.csv").write_text("file,tag\n1.jpg,a\n1.jpg,b\n2.jpg,b\n2.jpg,b\n3.jpg,\n")
    found = read_csv(tmp_path / "l.csv")
    assert found.kind == AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    assert labels(found) == {"1.jpg": [("a", None), ("b", None)], "2.jpg": [("b", None)], "3.jpg": []}
    assert as_multi_label(found).images == found.images
    with pytest.raises(ConversionFailed) as refused:
        check_one_tag_each(found)
    assert list(refused.value.problems) == [
        (
            f"{tmp_path / '1.jpg'}: has the tags 'a', 'b', but an image for classification has one tag. If images may have "
            "several tags, pass `--multi-label`"
        )
    ]


def test_identical_files_and_boxes_become_tags(tmp_path: Path) -> None:
    for path, seed in (("a/1.jpg", 1), ("b/1.jpg", 1), ("b/2.jpg", 2)):
        image(tmp_path / "folders" / path, seed)
    merged = as_multi_label(read_folders(tmp_path / "folders"))
    assert merged.kind == AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    assert labels(merged) == {"1.jpg": [("a", None), ("b", None)], "2.jpg": [("b", None)]}
    for path, seed in (("test/b/1.jpg", 1), ("train/a/2.jpg", 1), ("train/b/3.jpg", 90), ("test/a/4.jpg", 180)):
        image(tmp_path / "split" / path, seed)
    merged = as_multi_label(read_folders(tmp_path / "split"))
    assert {item.path.name: item.testing for item in merged.images} == {"4.jpg": True, "1.jpg": False, "3.jpg": False}
    assert [remark.reason for remark in merged.remarks if remark.effect is Effect.CHANGED] == [
        "is for testing in the source, but now for training, as a copy of it is"
    ]
    (tmp_path / "yolo").mkdir()
    assert labels(as_multi_label(yolo(tmp_path / "yolo"))) == {"1.jpg": [("fork", None)]}
