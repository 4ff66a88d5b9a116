"""Label files as people have them: every label is read right, or named in a remark or a problem."""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.customization.samples import encoded
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert import (
    Effect,
    LabelledImages,
    read_coco,
    read_csv,
    read_folders,
    read_voc,
    read_yolo,
)
from vision_customization.customization.errors import ConversionFailed

SIZE = (200, 100)
FORK: Box = (0.1, 0.2, 0.3, 0.4)
"""Pixels 20, 20 to 80, 60 of an image of 200 × 100."""
NFC, NFD = (unicodedata.normalize(form, "Löffel") for form in ("NFC", "NFD"))

Read = Callable[[Path], LabelledImages]


def csv(root: Path) -> LabelledImages:
    return read_csv(root / "l.csv")


def csv_of_photos(root: Path) -> LabelledImages:
    return read_csv(root / "l.csv", root / "photos")


def coco(root: Path) -> LabelledImages:
    return read_coco(root / "l.json")


def coco_of_photos(root: Path) -> LabelledImages:
    return read_coco(root / "l.json", root / "photos")


def coco_fractions(root: Path) -> LabelledImages:
    return read_coco(root / "l.json", pixels=False)


@dataclass(frozen=True)
class Case:
    """Text files by name; a name without text is an image. `labels` are the tags of each image, or its one box of `fork`."""

    name: str
    read: Read
    files: dict[str, str | bytes]
    images: str
    labels: dict[str, Box | list[str] | None] = field(default_factory=lambda: {"1.jpg": FORK})
    remarks: tuple[tuple[Effect, str, int], ...] = ()
    """Effect, a word of the reason, and how many places."""


def write(root: Path, images: str, files: dict[str, str | bytes]) -> None:
    for seed, name in enumerate(images.split()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(seed, SIZE, "JPEG"))
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode() if isinstance(text, str) else text)


def voc(box: str = "21 21 80 60", name: str = "1.jpg", tag: str = "fork", more: str = "") -> str:
    edges = "".join(
        f"<{edge}>{value}</{edge}>" for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True)
    )
    return (
        f"<annotation><filename>{name}</filename><object><name>{tag}</name><bndbox>{edges}</bndbox>{more}</object></annotation>"
    )


def coco_text(annotation: dict[str, Any] | None = None, **sections: Any) -> str:  # noqa: ANN401
    """One image, one annotation. A value of `annotation` replaces that of the example; None removes it."""
    example = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 20, 60, 40], **(annotation or {})}
    document: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 200, "height": 100}],
        "categories": [{"id": 1, "name": "fork"}],
        "annotations": [{key: value for key, value in example.items() if value is not None}],
        **sections,
    }
    return json.dumps(document)


def image_named(name: str, id_: object = 1) -> list[dict[str, object]]:
    return [{"id": id_, "file_name": name}]


RLE = {"size": [100, 200], "counts": [2020, *[40, 60] * 59, 40, 12000 - 20 - 60 + 60 - 40]}
"""A rectangle of columns 20 to 80, rows 20 to 60."""
RLE["counts"][-1] = 20_000 - sum(RLE["counts"][:-1])

YOLO_LINE = "0 0.25 0.4 0.3 0.4"
CSV_ROW = "1.jpg,fork,20,20,80,60"

READ = [
    # CSV: names of columns, units, encodings
    Case("start and size in pixels", csv, {"l.csv": "filename,label,x,y,width,height\n1.jpg,fork,20,20,60,40\n"}, "1.jpg"),
    Case("left, top in pixels", csv, {"l.csv": "file,tag,left,top,width,height\n1.jpg,fork,20,20,60,40\n"}, "1.jpg"),
    Case("x1 to y2", csv, {"l.csv": f"filename,label,x1,y1,x2,y2\n{CSV_ROW}\n"}, "1.jpg"),
    Case("x0 to y1", csv, {"l.csv": f"filename,label,x0,y0,x1,y1\n{CSV_ROW}\n"}, "1.jpg"),
    Case("x_min to y_max", csv, {"l.csv": f"filename,label,x_min,y_min,x_max,y_max\n{CSV_ROW}\n"}, "1.jpg"),
    Case("edges by name", csv, {"l.csv": f"filename,label,Left,Top,Right,Bottom\n{CSV_ROW}\n"}, "1.jpg"),
    Case("corners in fractions", csv, {"l.csv": "filename,label,XMin,YMin,XMax,YMax\n1.jpg,fork,0.1,0.2,0.4,0.6\n"}, "1.jpg"),
    Case("centres", csv, {"l.csv": "filename,label,x_center,y_center,w,h\n1.jpg,fork,50,40,60,40\n"}, "1.jpg"),
    Case(
        "the size of the image beside that of the box",
        csv,
        {"l.csv": "filename,width,height,label,bbox_x,bbox_y,bbox_width,bbox_height\n1.jpg,200,100,fork,20,20,60,40\n"},
        "1.jpg",
    ),
    Case("a list", csv, {"l.csv": 'filename,label,bbox\n1.jpg,fork,"[20.0, 20.0, 60.0, 40.0]"\n'}, "1.jpg"),
    Case("a list without brackets", csv, {"l.csv": "filename,label,bbox\n1.jpg,fork,20 20 60 40\n"}, "1.jpg"),
    Case("an image without objects", csv, {"l.csv": f"file,tag,x1,y1,x2,y2\n{CSV_ROW}\n2.jpg,,,,,\n"}, "1.jpg 2.jpg", {"1.jpg": FORK, "2.jpg": None}),
    Case("sep=;", csv, {"l.csv": f"sep=;\r\nfile;tag;x1;y1;x2;y2\r\n{CSV_ROW.replace(',', ';')}\r\n"}, "1.jpg"),
    Case("UTF-16", csv, {"l.csv": f"file\ttag\tx1\ty1\tx2\ty2\n{CSV_ROW}\n".replace(",", "\t").encode("utf-16")}, "1.jpg"),
    Case("a path of Windows", csv_of_photos, {"l.csv": "file,tag,x1,y1,x2,y2\nC:\\data\\a\\1.jpg,fork,20,20,80,60\n"}, "photos/a/1.jpg photos/1.jpg", {"1.jpg": FORK}),
    Case("one file by two spellings of its path", csv, {"l.csv": "file,tag\na/1.jpg,fork\n./a\\1.jpg,fork\n"}, "a/1.jpg", {"1.jpg": ["fork"]}, ((Effect.LEFT_OUT, "repeats the tag", 1),)),
    Case("a box over the edge", csv, {"l.csv": "file,tag,x1,y1,x2,y2\n1.jpg,fork,-1,20,80,60\n"}, "1.jpg", {"1.jpg": (0, 0.2, 0.4, 0.4)}, ((Effect.CHANGED, "clipped", 1),)),
    # Pascal VOC: which image
    Case(
        "images in subfolders with equal names",
        read_voc,
        {"Annotations/a/001.xml": voc(name="001.jpg")},
        "JPEGImages/001.jpg JPEGImages/a/001.jpg",
        {"a/001.jpg": FORK},
        ((Effect.LEFT_OUT, "no .xml", 1),),
    ),
    Case("several years", read_voc, {f"{year}/Annotations/1.xml": voc() for year in ("a", "b")}, "a/JPEGImages/1.jpg b/JPEGImages/1.jpg", {"a/JPEGImages/1.jpg": FORK, "b/JPEGImages/1.jpg": FORK}),
    Case("the folder in filename", read_voc, {"Annotations/1.xml": voc(name="a/1.jpg")}, "JPEGImages/a/1.jpg JPEGImages/1.jpg", {"a/1.jpg": FORK}, ((Effect.LEFT_OUT, "no .xml", 1),)),
    Case("an extension in capitals", read_voc, {"1.xml": voc(name="1")}, "1.JPG", {"1.JPG": FORK}),
    Case("gb2312", read_voc, {"1.xml": '<?xml version="1.0" encoding="gb2312"?>'.encode() + voc(tag="叉").encode("gb2312")}, "1.jpg", {"1.jpg": ["叉"]}),
    Case("UTF-16 with a declaration", read_voc, {"1.xml": ('<?xml version="1.0" encoding="utf-16"?>' + voc()).encode("utf-16")}, "1.jpg"),
    Case("leftovers of archives", read_voc, {"1.xml": voc(), "._1.xml": b"\0", "__MACOSX/._1.xml": b"\0", "__MACOSX/2.xml": "x"}, "1.jpg"),
    Case("an XML file of another kind", read_voc, {"1.xml": voc(), "2.xml": "<meta/>"}, "1.jpg", remarks=((Effect.LEFT_OUT, "not an <annotation>", 1),)),
    Case("parts of objects", read_voc, {"1.xml": voc(more="<part><name>tine</name></part>")}, "1.jpg", remarks=((Effect.LEFT_OUT, "<part>", 1),)),
    Case("another name in filename", read_voc, {"1.xml": voc(name="a.jpg")}, "1.jpg", remarks=((Effect.CHANGED, "does not exist", 1),)),
    Case("names in other Unicode forms", read_voc, {f"{NFC}.xml": voc(name=f"{NFC}.jpg")}, f"{NFD}.jpg", {f"{NFD}.jpg": FORK}),
    # YOLO
    Case("a byte order mark", read_yolo, {"classes.txt": "fork\n", "1.txt": f"\ufeff{YOLO_LINE}\n"}, "1.jpg"),
    Case("a class in scientific notation", read_yolo, {"classes.txt": "fork\n", "1.txt": "0.000000e+00 2.5e-1 4e-1 3e-1 4e-1\n"}, "1.jpg"),
    Case("a label file without its image", read_yolo, {"classes.txt": "fork\n", "1.txt": YOLO_LINE, "a_1.txt": f"{YOLO_LINE}\n{YOLO_LINE}\n", "README.txt": "About 5 photos."}, "1.jpg a#1.jpg", {"1.jpg": FORK, "a#1.jpg": None}, ((Effect.LEFT_OUT, "without an image", 2), (Effect.WARNING, "background", 1))),
    Case("an empty label file without its image", read_yolo, {"classes.txt": "fork\n", "labels/1.txt": YOLO_LINE, "labels/2.txt": ""}, "images/1.jpg", remarks=((Effect.LEFT_OUT, "no image", 1),)),
    Case("keypoints", read_yolo, {"data.yaml": "names: [fork]\nkpt_shape: [2, 3]\n", "1.txt": f"{YOLO_LINE} 0.9 0.9 2 0.1 0.9 1\n"}, "1.jpg"),
    Case("outlines of three points among others", read_yolo, {"classes.txt": "fork", "1.txt": "0 0.1 0.2 0.4 0.2 0.4 0.6", "2.txt": "0 0.1 0.2 0.4 0.2 0.4 0.6 0.1 0.6"}, "1.jpg 2.jpg", {"1.jpg": FORK, "2.jpg": FORK}),
    Case("classes as lines are numbered", read_yolo, {"classes.txt": "knife\n\nfork\n", "1.txt": f"2{YOLO_LINE[1:]}"}, "1.jpg", remarks=((Effect.LEFT_OUT, "no label", 1),)),
    Case("names as they are written", read_yolo, {"data.yaml": "names: [yes, no, 007, 2020-01-01]", "1.txt": "\n".join(f"{index}{YOLO_LINE[1:]}" for index in range(4))}, "1.jpg", {"1.jpg": ["yes", "no", "007", "2020-01-01"]}),
    Case("names beside the labels", read_yolo, {"labels/classes.txt": "fork", "labels/1.txt": YOLO_LINE}, "images/1.jpg"),
    Case("a name of several classes", read_yolo, {"classes.txt": "fork\nfork\n", "1.txt": f"1{YOLO_LINE[1:]}"}, "1.jpg", remarks=((Effect.WARNING, "several classes", 1),)),
    Case("a split without labels", read_yolo, {"classes.txt": "fork", "train/labels/1.txt": YOLO_LINE}, "train/images/1.jpg test/images/2.jpg", remarks=((Effect.LEFT_OUT, "no image has a label file", 1),)),
    # COCO
    Case("ids of several types", coco, {"l.json": coco_text({"image_id": "1", "category_id": 1.0})}, "1.jpg"),
    Case("ids that are text", coco, {"l.json": coco_text({"image_id": "01"}, images=image_named("1.jpg", "01"))}, "1.jpg"),
    Case("an object that says it is no crowd", coco, {"l.json": coco_text({"iscrowd": "0"})}, "1.jpg"),
    Case("an outline", coco, {"l.json": coco_text({"bbox": None, "segmentation": [[20, 20, 80, 20, 80, 60]]})}, "1.jpg", remarks=((Effect.CHANGED, "segmentation", 1),)),
    Case("a mask", coco, {"l.json": coco_text({"bbox": [], "segmentation": RLE})}, "1.jpg", remarks=((Effect.CHANGED, "segmentation", 1),)),
    Case("a mask among fractions", coco_fractions, {"l.json": coco_text({"bbox": None, "segmentation": RLE})}, "1.jpg", remarks=((Effect.CHANGED, "segmentation", 1),)),
    Case("an outline in fractions", coco_fractions, {"l.json": coco_text({"bbox": None, "segmentation": [[0.1, 0.2, 0.4, 0.6]]})}, "1.jpg", remarks=((Effect.CHANGED, "segmentation", 1),)),
    Case("backslashes", coco, {"l.json": coco_text(images=image_named("a\\1.jpg"))}, "a/1.jpg"),
    Case("file names in other Unicode forms", coco, {"l.json": coco_text(images=image_named(f"{NFC}/{NFD}.jpg"))}, f"{NFD}/{NFC}.jpg", {f"{NFC}.jpg": FORK}),
    Case("a path of another machine", coco_of_photos, {"l.json": coco_text(images=image_named("/mnt/photos/a/1.jpg"))}, "photos/a/1.jpg"),
    Case("a tag without labels", coco, {"l.json": coco_text(categories=[{"id": 1, "name": "fork"}, {"id": 2, "name": "knife"}])}, "1.jpg", remarks=((Effect.LEFT_OUT, "no label", 1),)),
    Case("tags that are nearly the same", csv, {"l.csv": "file,tag\n1.jpg,Fork\n2.jpg,fork\n"}, "1.jpg 2.jpg", {"1.jpg": ["Fork"], "2.jpg": ["fork"]}, ((Effect.WARNING, "letter case", 1),)),
    Case("a tag in two Unicode forms", csv, {"l.csv": f"file,tag\n1.jpg,{NFC}\n2.jpg,{NFD}\n"}, "1.jpg 2.jpg", {"1.jpg": [NFC], "2.jpg": [NFD]}, ((Effect.WARNING, "Unicode form", 1),)),
    Case("a tag that steers the terminal", csv, {"l.csv": "file,tag\n1.jpg,\x1b[31mfork\n"}, "1.jpg", {"1.jpg": ["\x1b[31mfork"]}, ((Effect.WARNING, "control characters", 1),)),
    # folders
    Case("a tag called test", read_folders, {}, "test/1.jpg car/2.jpg", {"1.jpg": ["test"], "2.jpg": ["car"]}, ((Effect.WARNING, "split", 1),)),
]  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in READ])
def test_every_label_is_read_right_or_named(tmp_path: Path, case: Case) -> None:
    write(tmp_path, case.images, case.files)
    found = case.read(tmp_path)
    by_path = {str(image.path.relative_to(tmp_path)): list(image.labels) for image in found.images}
    for name, expected in case.labels.items():
        [labels] = [labels for path, labels in by_path.items() if f"/{path}".endswith(f"/{name}")]
        if isinstance(expected, tuple):
            [(tag, box)] = labels
            assert tag == "fork"
            assert box == pytest.approx(expected, abs=1e-6)
        else:
            assert [tag for tag, _ in labels] == (expected or [])
    assert len(by_path) == len(case.labels)
    boxed = any(isinstance(expected, tuple) for expected in case.labels.values())
    if boxed:
        assert found.kind == AnnotationKind.IMAGE_OBJECT_DETECTION
    for effect, word, count in case.remarks:
        assert [len(remark.places) for remark in found.remarks if remark.effect is effect and word in remark.reason] == [count]
    assert {remark.effect for remark in found.remarks} == {effect for effect, _, _ in case.remarks}, found.remarks


@dataclass(frozen=True)
class Refused:
    """A source that is not converted; `problem` is the first one, without the folder."""

    name: str
    read: Read
    files: dict[str, str | bytes]
    problem: str
    images: str = "1.jpg"


REFUSED = [
    Refused("columns that look like a box", csv, {"l.csv": "file,tag,x,y,breadth\n1.jpg,a,1,2,3\n"}, "l.csv:1: what 'x', 'y' mean is unclear: they look like parts of a box."),
    Refused("an outline", csv, {"l.csv": "file,tag,polygon\n1.jpg,a,x\n"}, "l.csv:1: what 'polygon' mean is unclear"),
    Refused("an angle", csv, {"l.csv": "file,tag,x,y,w,h,angle\n1.jpg,a,1,2,30,4,45\n"}, "l.csv:1: what 'angle' mean is unclear, besides x, y, w, h"),
    Refused("two file columns", csv, {"l.csv": "filename,path,tag\n1.jpg,2.jpg,a\n"}, "l.csv:1: the columns 'filename' and 'path' could each be the file_name."),
    Refused("two tag columns", csv, {"l.csv": "image,label,class\n1.jpg,a,b\n"}, "l.csv:1: the columns 'label' and 'class' could each be the tag."),
    Refused("a column twice", csv, {"l.csv": "image,Label,label\n1.jpg,a,b\n"}, "l.csv:1: has the columns 'Label' and 'label'. Rename or delete one of them"),
    Refused("two boxes", csv, {"l.csv": "file,tag,x1,y1,x2,y2,x,y\n1.jpg,a,1,2,3,4,5,6\n"}, "l.csv:1: what 'x', 'y' mean is unclear, besides x1, y1, x2, y2"),
    Refused("a box without a tag", csv, {"l.csv": "file,tag,x1,y1,x2,y2\n1.jpg,,1,2,30,40\n"}, "l.csv:2: has a box, but tag is empty"),
    Refused("a tag without a box", csv, {"l.csv": "file,tag,x1,y1,x2,y2\n1.jpg,a,,,,\n"}, "l.csv:2: has the tag 'a', but x1, y1, x2, y2 are empty"),
    Refused("fractions among pixels", csv, {"l.csv": "file,tag,x1,y1,x2,y2\n1.jpg,a,1,2,30,40\n1.jpg,a,2,2,30,40\n1.jpg,a,0.1,0.2,0.3,0.4\n"}, "l.csv:4: the box 0.1, 0.2, 0.3, 0.4 is in fractions, but others of the file are in pixels"),
    Refused("decimal commas", csv, {"l.csv": "file;tag;x1;y1;x2;y2\n1.jpg;a;0,1;0,2;0,3;0,4\n"}, "l.csv:2: x1: '0,1' is not a number: write it with a point, 0.1"),
    Refused("cp1252", csv, {"l.csv": "file,tag\n1.jpg,Löffel\n".encode("cp1252")}, "l.csv:2: is not UTF-8 text: byte 16 is 0xf6. Save it as UTF-8 (in Excel: `CSV UTF-8`)"),
    Refused("UTF-16 without a mark", csv, {"l.csv": "file,tag\n1.jpg,a\n".encode("utf-16-le")}, "l.csv:1: has a NUL character. If the file is UTF-16, save it as UTF-8"),
    Refused("a list of three", csv, {"l.csv": 'file,tag,bbox\n1.jpg,a,"[1, 2, 3]"\n'}, "l.csv:2: bbox: '[1, 2, 3]' must be four numbers: left, top, width, height"),
    Refused("two files of another machine that are one here", csv_of_photos, {"l.csv": "file,tag\nC:/a/1.jpg,x\nC:/b/1.jpg,x\n"}, "l.csv:3: C:/b/1.jpg and C:/a/1.jpg are both photos/1.jpg. Name the folder that has both with `--images`", "photos/1.jpg"),
    Refused("a file outside", csv, {"photos/l.csv": "", "l.csv": "file,tag\n/etc/passwd,x\n"}, "l.csv:2: the file name '/etc/passwd' is not below "),
    Refused("two XML files of an image", read_voc, {"Annotations/a/1.xml": voc(), "Annotations/b/1.xml": voc()}, "Annotations/b/1.xml: labels the image JPEGImages/1.jpg, as Annotations/a/1.xml does. An image has one .xml file", "JPEGImages/1.jpg"),
    Refused("two images of an XML file", read_voc, {"1.xml": voc(name="")}, "1.xml: could be of 1.jpg or 1.png: remove one of them, or name the image in <filename>", "1.jpg 1.png"),
    Refused("an image of the folder above", read_voc, {"Annotations/a/1.xml": voc()}, "Annotations/a/1.xml: no such image file: Annotations/a/1.jpg", "JPEGImages/1.jpg JPEGImages/a/2.jpg"),
    Refused("an encoding that does not exist", read_voc, {"1.xml": '<?xml version="1.0" encoding="x-mac"?><annotation/>'}, "1.xml: unknown encoding: x-mac. Save it as UTF-8"),
    Refused("bytes of another encoding", read_voc, {"1.xml": '<?xml version="1.0" encoding="utf-8"?><a>'.encode() + b"\xe4</a>"}, "1.xml: is not text of the encoding that it declares"),
    Refused("a document type in UTF-16", read_voc, {"1.xml": "<!DOCTYPE a [<!ENTITY x 'y'>]><annotation/>".encode("utf-16")}, "1.xml: has a document type declaration"),
    Refused("objects deeper down", read_voc, {"1.xml": voc().replace("<object>", "<objects><object>").replace("</object>", "</object></objects>")}, "1.xml: 1 <object> not directly below <annotation>"),
    Refused("two boxes of an object", read_voc, {"1.xml": voc(more="<bndbox/>")}, "1.xml: object[0] (fork): has 2 bndbox, must have one"),
    Refused("another letter case", read_voc, {"2.xml": voc(name="a.JPG")}, "2.xml: no such image file: a.JPG. Is 'a.jpg' meant?", "a.jpg"),
    Refused("two images of a label file", read_yolo, {"classes.txt": "fork", "1.txt": YOLO_LINE}, "1.txt: could be of 1.jpg or of 1.png. Rename or remove one of these images", "1.jpg 1.png"),
    Refused("two label files of an image", read_yolo, {"classes.txt": "fork", "labels/1.txt": YOLO_LINE, "images/1.txt": YOLO_LINE}, "images/1.jpg: has two label files, images/1.txt and labels/1.txt. Remove one", "images/1.jpg"),
    Refused("a track", read_yolo, {"classes.txt": "fork", "1.txt": "0 0.2 0.2 0.1 0.1 0.88 1"}, "1.txt:1: has 7 fields, expected 5: class, centre x, centre y, width, height. If the last two are a confidence and a track"),
    Refused("keypoints of another number", read_yolo, {"data.yaml": "names: [fork]\nkpt_shape: [2, 2]", "1.txt": f"{YOLO_LINE} 0.5 0.5"}, "1.txt:1: has 7 fields, expected 5: class, centre x, centre y, width, height, and 4 for the keypoints (kpt_shape)"),
    Refused("a number of two names", read_yolo, {"data.yaml": "names:\n  0: fork\n  0: knife\n", "1.txt": YOLO_LINE}, "data.yaml:3: class 0 already has the name 'fork'"),
    Refused("a class of an empty line", read_yolo, {"classes.txt": "knife\n\nfork\n", "1.txt": f"1{YOLO_LINE[1:]}"}, "1.txt:1: class 1 has no name"),
    Refused("two lists of names", read_yolo, {"data.yaml": "names: [fork]", "classes.txt": "knife", "1.txt": YOLO_LINE}, "data.yaml and classes.txt name the classes differently."),
    Refused("another count of names", read_yolo, {"data.yaml": "nc: 2\nnames: [fork]", "1.txt": YOLO_LINE}, "data.yaml:1: nc is 2, but there are 1 `names`"),
    Refused("a comma", read_yolo, {"classes.txt": "fork", "1.txt": "0 0,25 0,4 0,3 0,4"}, "1.txt:1: '0,25' is not a number: write it with a point, 0.25"),
    Refused("a category id twice", coco, {"l.json": coco_text(categories=[{"id": 1, "name": "fork"}, {"id": "1", "name": "knife"}])}, "l.json: categories[1]: id \"1\" is already used by l.json: categories[0] ('fork')"),
    Refused("crowds only", coco, {"l.json": coco_text({"iscrowd": 1})}, "l.json: the annotation is a crowd (iscrowd), which are left out: nothing remains."),
    Refused("a crowd of unclear meaning", coco, {"l.json": coco_text({"iscrowd": "maybe"})}, 'l.json: annotations[0]: iscrowd is "maybe", must be 0 or 1'),
    Refused("a name with NUL", coco, {"l.json": coco_text(categories=[{"id": 1, "name": "a\0"}])}, "l.json: categories[0]: the name 'a\\x00' has a NUL character"),
    Refused("half of a surrogate pair", coco, {"l.json": coco_text(categories=[{"id": 1, "name": "a\ud800"}])}, "l.json: categories[0]: the name 'a\\ud800' has half of a surrogate pair"),
    Refused("a file name with NUL", coco, {"l.json": coco_text(images=image_named("1\0.jpg"))}, "l.json: images[0]: the file name '1\\x00.jpg' has a NUL character"),
    Refused("a file name that leads out", coco_fractions, {"l.json": coco_text(images=image_named("../x.jpg"))}, "l.json: images[0]: the file name '../x.jpg' leads out of "),
    Refused("a file name that leads out through a folder", coco, {"l.json": coco_text(images=image_named("a/../../x.jpg"))}, "l.json: images[0]: the file name 'a/../../x.jpg' leads out of "),
    Refused("an absolute file name", coco_of_photos, {"photos/x": "", "l.json": coco_text(images=image_named("/etc/passwd"))}, "l.json: images[0]: no such image file: /etc/passwd, nor a file with the end of this path below photos"),
    Refused("capitals", coco, {"l.json": coco_text(images=image_named("1.JPG"))}, "l.json: images[0]: no such image file: 1.JPG. Is '1.jpg' meant?"),
    Refused("an id of another type", coco, {"l.json": coco_text({"image_id": 1.5})}, "l.json: annotations[0]: image_id 1.5 is not the id of an image"),
    Refused("a mask of another size", coco, {"l.json": coco_text({"bbox": None, "segmentation": {**RLE, "size": [200, 100]}})}, "l.json: annotations[0]: its mask is 100 × 200 px, but its image's width and height say 200 × 100"),
    Refused("splits without tags", read_folders, {}, "test/2.jpg: 'test', 'train' look like splits of a dataset, but this image is in none of the folders of tags", "train/1.jpg test/2.jpg"),
    Refused("splits beside a tag", read_folders, {}, ": the folders 'test', 'train' look like splits of a dataset, but 'car' is beside them.", "train/a/1.jpg test/a/2.jpg car/3.jpg"),
]  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.read.__name__}: {case.name}") for case in REFUSED])
def test_what_would_be_read_wrong_is_refused_with_its_place(tmp_path: Path, case: Refused) -> None:
    write(tmp_path, case.images, case.files)
    with pytest.raises(ConversionFailed) as caught:
        case.read(tmp_path)
    first = caught.value.problems[0].replace(f"{tmp_path}/", "").replace(str(tmp_path), "")
    assert first.startswith(case.problem), first


@pytest.mark.parametrize(
    ("images", "testing", "remarks"),
    [
        ("train/a/1.jpg valid/a/2.jpg test/b/3.jpg", {"3.jpg"}, 2),
        ("Train/a/1.jpg val/b/2.jpg", {"2.jpg"}, 2),
        ("test/a/1.jpg test/b/2.jpg", set(), 1),
    ],
)
def test_folders_of_splits_are_recognised(tmp_path: Path, images: str, testing: set[str], remarks: int) -> None:
    write(tmp_path, images, {})
    (tmp_path / images.split("/", maxsplit=1)[0] / "empty").mkdir()
    found = read_folders(tmp_path)
    assert set(found.tags) <= {"a", "b"}
    assert {image.path.name for image in found.images if image.testing} == testing
    assert [remark.reason for remark in found.remarks if remark.effect is Effect.LEFT_OUT] == ["has no image"]
    assert sum(remark.effect is Effect.NOTE for remark in found.remarks) == min(remarks, 2)


def test_yolo_keeps_the_split_of_its_folders(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"{split}/labels/1.txt": YOLO_LINE for split in ("train", "valid", "test")}
    write(tmp_path, "train/images/1.jpg valid/images/1.jpg test/images/1.jpg", {"data.yaml": "names: [fork]", **files})
    assert [str(image.path.relative_to(tmp_path)) for image in read_yolo(tmp_path).images if image.testing] == [
        "test/images/1.jpg"
    ]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path, "disk2/spoon/1.jpg photos/fork/2.jpg", {})
    (tmp_path / "photos" / "spoon").symlink_to("../disk2/spoon")
    (tmp_path / "photos" / "fork" / "round").symlink_to("..")
    (tmp_path / "photos" / "also").symlink_to("fork")
    (tmp_path / "photos" / "fork" / "gone.jpg").symlink_to("nothing.jpg")
    found = read_folders(tmp_path / "photos")
    assert {image.path.relative_to(tmp_path / "photos").as_posix() for image in found.images} == {"fork/2.jpg", "spoon/1.jpg"}
    left_out = {place.removeprefix(f"{tmp_path}/photos/") for remark in found.remarks for place in remark.places}
    assert left_out == {"also", "fork/round", "fork/gone.jpg"}


def test_a_name_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    folder = tmp_path / b"caf\xe9".decode("utf-8", "surrogateescape")
    folder.mkdir()
    (folder / "1.jpg").write_bytes(encoded(0, SIZE, "JPEG"))
    with pytest.raises(
        ConversionFailed, match=r"caf\\udce9/1.jpg': the name is not UTF-8 text, which a COCO file needs. Rename it"
    ):
        read_folders(tmp_path)
