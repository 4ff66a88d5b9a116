"""Label files as people have them: every label is read right, and what is not is named in a remark."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.customization.convert.label_samples import (
    CSV_ROW,
    FORK,
    NFC,
    NFD,
    RLE,
    SIZE,
    YOLO_LINE,
    Read,
    coco,
    coco_fractions,
    coco_of_photos,
    coco_text,
    csv,
    csv_of_photos,
    image_named,
    voc,
    write,
)
from tests.customization.samples import encoded
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert import (
    Effect,
    LabelledImages,
    read_coco,
    read_cvat,
    read_folders,
    read_labelme,
    read_voc,
    read_yolo,
)
from vision_customization.customization.convert.detect_format import detect_format
from vision_customization.customization.errors import ConversionFailed


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
    Case(
        "an image without objects",
        csv,
        {"l.csv": f"file,tag,x1,y1,x2,y2\n{CSV_ROW}\n2.jpg,,,,,\n"},
        "1.jpg 2.jpg",
        {"1.jpg": FORK, "2.jpg": None},
    ),
    Case("sep=;", csv, {"l.csv": f"sep=;\r\nfile;tag;x1;y1;x2;y2\r\n{CSV_ROW.replace(',', ';')}\r\n"}, "1.jpg"),
    Case("UTF-16", csv, {"l.csv": f"file\ttag\tx1\ty1\tx2\ty2\n{CSV_ROW}\n".replace(",", "\t").encode("utf-16")}, "1.jpg"),
    Case(
        "a path of Windows",
        csv_of_photos,
        {"l.csv": "file,tag,x1,y1,x2,y2\nC:\\data\\a\\1.jpg,fork,20,20,80,60\n"},
        "photos/a/1.jpg photos/1.jpg",
        {"1.jpg": FORK},
    ),
    Case(
        "one file by two spellings of its path",
        csv,
        {"l.csv": "file,tag\na/1.jpg,fork\n./a\\1.jpg,fork\n"},
        "a/1.jpg",
        {"1.jpg": ["fork"]},
        ((Effect.LEFT_OUT, "repeats the tag", 1),),
    ),
    Case(
        "a box over the edge",
        csv,
        {"l.csv": "file,tag,x1,y1,x2,y2\n1.jpg,fork,-1,20,80,60\n"},
        "1.jpg",
        {"1.jpg": (0, 0.2, 0.4, 0.4)},
        ((Effect.CHANGED, "clipped", 1),),
    ),
    # Pascal VOC: which image
    Case(
        "images in subfolders with equal names",
        read_voc,
        {"Annotations/a/001.xml": voc(name="001.jpg")},
        "JPEGImages/001.jpg JPEGImages/a/001.jpg",
        {"a/001.jpg": FORK},
        ((Effect.LEFT_OUT, "no .xml", 1),),
    ),
    Case(
        "several years",
        read_voc,
        {f"{year}/Annotations/1.xml": voc() for year in ("a", "b")},
        "a/JPEGImages/1.jpg b/JPEGImages/1.jpg",
        {"a/JPEGImages/1.jpg": FORK, "b/JPEGImages/1.jpg": FORK},
    ),
    Case(
        "the folder in filename",
        read_voc,
        {"Annotations/1.xml": voc(name="a/1.jpg")},
        "JPEGImages/a/1.jpg JPEGImages/1.jpg",
        {"a/1.jpg": FORK},
        ((Effect.LEFT_OUT, "no .xml", 1),),
    ),
    Case("an extension in capitals", read_voc, {"1.xml": voc(name="1")}, "1.JPG", {"1.JPG": FORK}),
    Case(
        "gb2312",
        read_voc,
        {"1.xml": b'<?xml version="1.0" encoding="gb2312"?>' + voc(tag="叉").encode("gb2312")},
        "1.jpg",
        {"1.jpg": ["叉"]},
    ),
    Case(
        "UTF-16 with a declaration",
        read_voc,
        {"1.xml": ('<?xml version="1.0" encoding="utf-16"?>' + voc()).encode("utf-16")},
        "1.jpg",
    ),
    Case(
        "leftovers of archives",
        read_voc,
        {"1.xml": voc(), "._1.xml": b"\0", "__MACOSX/._1.xml": b"\0", "__MACOSX/2.xml": "x"},
        "1.jpg",
    ),
    Case(
        "an XML file of another kind",
        read_voc,
        {"1.xml": voc(), "2.xml": "<meta/>"},
        "1.jpg",
        remarks=((Effect.LEFT_OUT, "not an <annotation>", 1),),
    ),
    Case(
        "parts of objects",
        read_voc,
        {"1.xml": voc(more="<part><name>tine</name></part>")},
        "1.jpg",
        remarks=((Effect.LEFT_OUT, "<part>", 1),),
    ),
    Case(
        "another name in filename",
        read_voc,
        {"1.xml": voc(name="a.jpg")},
        "1.jpg",
        remarks=((Effect.CHANGED, "does not exist", 1),),
    ),
    Case("names in other Unicode forms", read_voc, {f"{NFC}.xml": voc(name=f"{NFC}.jpg")}, f"{NFD}.jpg", {f"{NFD}.jpg": FORK}),
    # YOLO
    Case("a byte order mark", read_yolo, {"classes.txt": "fork\n", "1.txt": f"\ufeff{YOLO_LINE}\n"}, "1.jpg"),
    Case(
        "a class in scientific notation",
        read_yolo,
        {"classes.txt": "fork\n", "1.txt": "0.000000e+00 2.5e-1 4e-1 3e-1 4e-1\n"},
        "1.jpg",
    ),
    Case(
        "a label file without its image",
        read_yolo,
        {
            "classes.txt": "fork\n",
            "1.txt": YOLO_LINE,
            "a_1.txt": f"{YOLO_LINE}\n{YOLO_LINE}\n",
            "README.txt": "About 5 photos.",
        },
        "1.jpg a#1.jpg",
        {"1.jpg": FORK, "a#1.jpg": None},
        ((Effect.LEFT_OUT, "without an image", 2), (Effect.WARNING, "background", 1)),
    ),
    Case(
        "an empty label file without its image",
        read_yolo,
        {"classes.txt": "fork\n", "labels/1.txt": YOLO_LINE, "labels/2.txt": ""},
        "images/1.jpg",
        remarks=((Effect.LEFT_OUT, "no image", 1),),
    ),
    Case(
        "keypoints",
        read_yolo,
        {"data.yaml": "names: [fork]\nkpt_shape: [2, 3]\n", "1.txt": f"{YOLO_LINE} 0.9 0.9 2 0.1 0.9 1\n"},
        "1.jpg",
    ),
    Case(
        "outlines of three points among others",
        read_yolo,
        {"classes.txt": "fork", "1.txt": "0 0.1 0.2 0.4 0.2 0.4 0.6", "2.txt": "0 0.1 0.2 0.4 0.2 0.4 0.6 0.1 0.6"},
        "1.jpg 2.jpg",
        {"1.jpg": FORK, "2.jpg": FORK},
    ),
    Case(
        "classes as lines are numbered",
        read_yolo,
        {"classes.txt": "knife\n\nfork\n", "1.txt": f"2{YOLO_LINE[1:]}"},
        "1.jpg",
        remarks=((Effect.LEFT_OUT, "no label", 1),),
    ),
    Case(
        "names as they are written",
        read_yolo,
        {"data.yaml": "names: [yes, no, 007, 2020-01-01]", "1.txt": "\n".join(f"{index}{YOLO_LINE[1:]}" for index in range(4))},
        "1.jpg",
        {"1.jpg": ["yes", "no", "007", "2020-01-01"]},
    ),
    Case("names beside the labels", read_yolo, {"labels/classes.txt": "fork", "labels/1.txt": YOLO_LINE}, "images/1.jpg"),
    Case(
        "a name of several classes",
        read_yolo,
        {"classes.txt": "fork\nfork\n", "1.txt": f"1{YOLO_LINE[1:]}"},
        "1.jpg",
        remarks=((Effect.WARNING, "several classes", 1),),
    ),
    Case(
        "a split without labels",
        read_yolo,
        {"classes.txt": "fork", "train/labels/1.txt": YOLO_LINE},
        "train/images/1.jpg test/images/2.jpg",
        remarks=((Effect.LEFT_OUT, "no image has a label file", 1),),
    ),
    # COCO
    Case("ids of several types", coco, {"l.json": coco_text({"image_id": "1", "category_id": 1.0})}, "1.jpg"),
    Case("ids that are text", coco, {"l.json": coco_text({"image_id": "01"}, images=image_named("1.jpg", "01"))}, "1.jpg"),
    Case("an object that says it is not a crowd", coco, {"l.json": coco_text({"iscrowd": "0"})}, "1.jpg"),
    Case(
        "an outline",
        coco,
        {"l.json": coco_text({"bbox": None, "segmentation": [[20, 20, 80, 20, 80, 60]]})},
        "1.jpg",
        remarks=((Effect.CHANGED, "segmentation", 1),),
    ),
    Case(
        "a mask",
        coco,
        {"l.json": coco_text({"bbox": [], "segmentation": RLE})},
        "1.jpg",
        remarks=((Effect.CHANGED, "segmentation", 1),),
    ),
    Case(
        "a mask among fractions",
        coco_fractions,
        {"l.json": coco_text({"bbox": None, "segmentation": RLE})},
        "1.jpg",
        remarks=((Effect.CHANGED, "segmentation", 1),),
    ),
    Case(
        "an outline in fractions",
        coco_fractions,
        {"l.json": coco_text({"bbox": None, "segmentation": [[0.1, 0.2, 0.4, 0.6]]})},
        "1.jpg",
        remarks=((Effect.CHANGED, "segmentation", 1),),
    ),
    Case("backslashes", coco, {"l.json": coco_text(images=image_named("a\\1.jpg"))}, "a/1.jpg"),
    Case(
        "file names in other Unicode forms",
        coco,
        {"l.json": coco_text(images=image_named(f"{NFC}/{NFD}.jpg"))},
        f"{NFD}/{NFC}.jpg",
        {f"{NFC}.jpg": FORK},
    ),
    Case(
        "a path of another machine",
        coco_of_photos,
        {"l.json": coco_text(images=image_named("/mnt/photos/a/1.jpg"))},
        "photos/a/1.jpg",
    ),
    Case(
        "a tag without labels",
        coco,
        {"l.json": coco_text(categories=[{"id": 1, "name": "fork"}, {"id": 2, "name": "knife"}])},
        "1.jpg",
        remarks=((Effect.LEFT_OUT, "no label", 1),),
    ),
    Case(
        "tags that are nearly the same",
        csv,
        {"l.csv": "file,tag\n1.jpg,Fork\n2.jpg,fork\n"},
        "1.jpg 2.jpg",
        {"1.jpg": ["Fork"], "2.jpg": ["fork"]},
        ((Effect.WARNING, "letter case", 1),),
    ),
    Case(
        "a tag in two Unicode forms",
        csv,
        {"l.csv": f"file,tag\n1.jpg,{NFC}\n2.jpg,{NFD}\n"},
        "1.jpg 2.jpg",
        {"1.jpg": [NFC], "2.jpg": [NFD]},
        ((Effect.WARNING, "Unicode form", 1),),
    ),
    Case(
        "a tag that steers the terminal",
        csv,
        {"l.csv": "file,tag\n1.jpg,\x1b[31mfork\n"},
        "1.jpg",
        {"1.jpg": ["\x1b[31mfork"]},
        ((Effect.WARNING, "control characters", 1),),
    ),
    # folders
    Case(
        "a tag called test",
        read_folders,
        {},
        "test/1.jpg car/2.jpg",
        {"1.jpg": ["test"], "2.jpg": ["car"]},
        ((Effect.WARNING, "split", 1),),
    ),
]


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


LABELME = '{"imagePath": "1.jpg", "shapes": [{"label": "fork", "shape_type": "rectangle", "points": [[20, 20], [80, 60]]}]}'
VOC_IN_IMAGES = {f"Annotations/{split}/1.xml": voc() for split in ("train", "val")}
YOLO_FILES = {f"{split}/labels/1.txt": YOLO_LINE for split in ("train", "valid", "test")}


@pytest.mark.parametrize(
    ("read", "images", "files", "testing"),
    [
        (read_yolo, "{}/images/1.jpg", {"data.yaml": "names: [fork]", **YOLO_FILES}, "test/images/1.jpg"),
        (read_voc, "{}/1.jpg", {f"{split}/1.xml": voc() for split in ("train", "valid", "test")}, "test/1.jpg"),
        (read_voc, "JPEGImages/{}/1.jpg", VOC_IN_IMAGES, "JPEGImages/val/1.jpg"),
        (read_labelme, "{}/1.jpg", {f"{split}/1.json": LABELME for split in ("train", "test")}, "test/1.jpg"),
    ],
)
def test_folders_of_labels_keep_their_split(tmp_path: Path, read: Read, images: str, files: Any, testing: str) -> None:  # noqa: ANN401
    splits = dict.fromkeys(split for name in files for split in name.split("/") if split in ("train", "val", "valid", "test"))
    write(tmp_path, " ".join(images.format(split) for split in splits), files)
    # The same folder by another spelling: names are compared as they are on disk.
    found = read(tmp_path / "train" / ".." if (tmp_path / "train").exists() else tmp_path)
    assert [image.path.resolve() for image in found.images if image.testing] == [tmp_path.resolve() / testing]
    assert {remark.effect for remark in found.remarks} == {Effect.NOTE}


@pytest.mark.parametrize("name", ["classes", "labels"])
@pytest.mark.parametrize("folder", ["", "labels/"])
def test_the_labels_of_an_image_are_not_the_names_of_classes(tmp_path: Path, name: str, folder: str) -> None:
    where = "images/" if folder else ""
    files = {"data.yaml": "names: [fork]", f"{folder}{name}.txt": YOLO_LINE, f"{folder}1.txt": ""}
    write(tmp_path, f"{where}{name}.jpg {where}1.jpg", files)
    assert {image.path.stem: image.labels for image in read_yolo(tmp_path).images} == {
        name: (("fork", pytest.approx(FORK)),), "1": (),
    }  # fmt: skip
    assert detect_format(tmp_path).format == "yolo"


IMAGES = "1.jpg 2.jpg 3.jpg 4.jpg"
VOC_YEAR = {f"Annotations/{number}.xml": voc(name=f"{number}.jpg") for number in range(1, 5)}
COCO_FOLDERS = coco_text(
    images=[{"id": n, "file_name": f"{folder}/{n}.jpg"} for n, folder in enumerate(("train", "train", "val", "more"), 1)]
)


def csv_splits(*splits: str, column: str = "split") -> dict[str, str]:
    return {"l.csv": f"file,tag,{column}\n" + "".join(f"{n}.jpg,fork,{split}\n" for n, split in enumerate(splits, 1))}


def lists(**names: str) -> dict[str, str]:
    return VOC_YEAR | {f"ImageSets/Main/{split}.txt": "\n".join(listed.split()) for split, listed in names.items()}


def cvat_splits(*splits: str) -> dict[str, str]:
    box = '<box label="fork" xtl="20" ytl="20" xbr="80" ybr="60"/>'
    images = (f'<image name="{n}.jpg" subset="{split}">{box}</image>' for n, split in enumerate(splits, 1))
    return {"l.xml": f"<annotations>{''.join(images)}</annotations>"}


def cvat(root: Path) -> LabelledImages:
    return read_cvat(root / "l.xml")


NO_SPLIT = "is in no split"


@pytest.mark.parametrize(
    ("read", "images", "files", "testing", "warned"),
    [
        (csv, IMAGES, csv_splits("train", "Train", "val", "TEST"), "4", []),
        (csv, IMAGES, csv_splits("TRAINING", "VALIDATION", "VALIDATION", "TRAINING", column="Set"), "23", []),
        (csv, IMAGES, csv_splits("train", "test", "", "extra", column="subset"), "2", [NO_SPLIT]),
        (csv, IMAGES, csv_splits("a", "b", "b", "a"), "", ["none of them is called"]),
        (csv, "1.jpg", {"l.csv": "file,tag,set\n1.jpg,fork,a\n1.jpg,fork,b\n"}, "", ["none of them is called"]),
        (csv, "train/1.jpg val/2.jpg", {"l.csv": "file,tag\ntrain/1.jpg,fork\nval\\2.jpg,fork\n"}, "2", []),
        (coco, "train/1.jpg train/2.jpg val/3.jpg more/4.jpg", {"l.json": COCO_FOLDERS}, "3", [NO_SPLIT]),
        (read_voc, IMAGES, lists(train="1 2", val="3 4"), "34", []),
        (read_voc, IMAGES, lists(trainval="1 2 3", train="1", val="2 3", test="4", fork_test="3"), "4", []),
        (read_voc, IMAGES, lists(trainval="1 2 3", test="4"), "4", []),
        (read_voc, IMAGES, lists(train="1 2", test="2 3"), "3", ["is in the lists of two splits", NO_SPLIT]),
        (cvat, IMAGES, cvat_splits("Train", "Train", "Validation", "Test"), "4", []),
        (cvat, IMAGES, cvat_splits("default", "default", "default", "default"), "", []),
        (cvat, IMAGES, cvat_splits("Train", "Test", "default", "Train"), "2", [NO_SPLIT]),
    ],
)
def test_a_split_that_label_files_state_is_kept(
    tmp_path: Path,
    read: Read,
    images: str,
    files: Any,  # noqa: ANN401
    testing: str,
    warned: list[str],
) -> None:
    write(tmp_path, images, files)
    found = read(tmp_path)
    assert {image.path.stem for image in found.images if image.testing} == set(testing)
    reasons = [remark.reason for remark in found.remarks if remark.effect is Effect.WARNING]
    assert len(reasons) == len(warned)
    assert all(word in reason for reason, word in zip(reasons, warned, strict=True))


def test_a_file_of_one_split_is_not_split_again(tmp_path: Path) -> None:
    write(tmp_path, "train/1.jpg train/2.jpg val/3.jpg more/4.jpg", {"train.json": COCO_FOLDERS})
    found = read_coco(tmp_path / "train.json")
    assert [image.testing for image in found.images] == [None] * 4
    assert not found.remarks


def test_an_image_in_two_splits_of_a_table_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "1.jpg", {"l.csv": "file,tag,split\n1.jpg,fork,train\n1.jpg,fork,test\n"})
    with pytest.raises(ConversionFailed, match=r"split is 'test', but 'train' in the rows of 1\.jpg above"):
        csv(tmp_path)


def test_the_label_that_repeats_another_is_named(tmp_path: Path) -> None:
    write(tmp_path, "1.jpg", {"l.csv": "file,tag\n1.jpg,fork\n1.jpg,fork\n1.jpg,spoon\n"})
    [remark] = csv(tmp_path).remarks
    assert remark.places == (f"{tmp_path}/l.csv:3 (fork)",)


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
    folder = tmp_path / b"\xe9t\xe9".decode("utf-8", "surrogateescape")
    folder.mkdir()
    (folder / "1.jpg").write_bytes(encoded(0, SIZE, "JPEG"))
    with pytest.raises(
        ConversionFailed, match=r"t\\udce9/1.jpg': the name is not UTF-8 text, which a COCO file needs. Rename it"
    ):
        read_folders(tmp_path)
