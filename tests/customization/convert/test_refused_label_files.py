"""Label files that would be read wrong, or in part: they are refused, and the first problem says where and why."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.customization.convert.label_samples import (
    RLE,
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
from vision_customization.customization.convert import read_coco, read_folders, read_voc, read_yolo
from vision_customization.customization.errors import ConversionFailed


@dataclass(frozen=True)
class Refused:
    """A source that is not converted; `problem` is the first one, without the folder."""

    name: str
    read: Read
    files: dict[str, str | bytes]
    problem: str
    images: str = "1.jpg"


REFUSED = [
    Refused(
        "columns that look like a box",
        csv,
        {"l.csv": "file,tag,x,y,breadth\n1.jpg,a,1,2,3\n"},
        "l.csv:1: it is unclear what 'x', 'y' stands for: that looks like part of a box.",
    ),
    Refused("an outline", csv, {"l.csv": "file,tag,polygon\n1.jpg,a,x\n"}, "l.csv:1: it is unclear what 'polygon' stands for"),
    Refused(
        "an angle",
        csv,
        {"l.csv": "file,tag,x,y,w,h,angle\n1.jpg,a,1,2,30,4,45\n"},
        "l.csv:1: it is unclear what 'angle' stands for, besides x, y, w, h",
    ),
    Refused(
        "two file columns",
        csv,
        {"l.csv": "filename,path,tag\n1.jpg,2.jpg,a\n"},
        "l.csv:1: the columns 'filename' and 'path' could each be the file_name.",
    ),
    Refused(
        "two tag columns",
        csv,
        {"l.csv": "image,label,class\n1.jpg,a,b\n"},
        "l.csv:1: the columns 'label' and 'class' could each be the tag.",
    ),
    Refused(
        "a column twice",
        csv,
        {"l.csv": "image,Label,label\n1.jpg,a,b\n"},
        "l.csv:1: has the columns 'Label' and 'label'. Rename or delete one of them",
    ),
    Refused(
        "two boxes",
        csv,
        {"l.csv": "file,tag,x1,y1,x2,y2,x,y\n1.jpg,a,1,2,3,4,5,6\n"},
        "l.csv:1: it is unclear what 'x', 'y' stands for, besides x1, y1, x2, y2",
    ),
    Refused(
        "a box without a tag",
        csv,
        {"l.csv": "file,tag,x1,y1,x2,y2\n1.jpg,,1,2,30,40\n"},
        "l.csv:2: has a box, but tag is empty",
    ),
    Refused(
        "a tag without a box",
        csv,
        {"l.csv": "file,tag,x1,y1,x2,y2\n1.jpg,a,,,,\n"},
        "l.csv:2: has the tag 'a', but x1, y1, x2, y2 are empty",
    ),
    Refused(
        "fractions among pixels",
        csv,
        {"l.csv": "file,tag,x1,y1,x2,y2\n1.jpg,a,1,2,30,40\n1.jpg,a,2,2,30,40\n1.jpg,a,0.1,0.2,0.3,0.4\n"},
        "l.csv:4: the box 0.1, 0.2, 0.3, 0.4 is in fractions, but others of the file are in pixels",
    ),
    Refused(
        "decimal commas",
        csv,
        {"l.csv": "file;tag;x1;y1;x2;y2\n1.jpg;a;0,1;0,2;0,3;0,4\n"},
        "l.csv:2: x1: '0,1' is not a number: write it with a point, 0.1",
    ),
    Refused(
        "cp1252",
        csv,
        {"l.csv": "file,tag\n1.jpg,Löffel\n".encode("cp1252")},
        "l.csv:2: is not UTF-8 text: byte 16 is 0xf6. Save it as UTF-8 (in Excel: `CSV UTF-8`)",
    ),
    Refused(
        "UTF-16 without a mark",
        csv,
        {"l.csv": "file,tag\n1.jpg,a\n".encode("utf-16-le")},
        "l.csv:1: has a NUL character. If the file is UTF-16, save it as UTF-8",
    ),
    Refused(
        "a list of three",
        csv,
        {"l.csv": 'file,tag,bbox\n1.jpg,a,"[1, 2, 3]"\n'},
        "l.csv:2: bbox: '[1, 2, 3]' must be four numbers: left, top, width, height",
    ),
    Refused(
        "two files of another machine that are one here",
        csv_of_photos,
        {"l.csv": "file,tag\nC:/a/1.jpg,x\nC:/b/1.jpg,x\n"},
        "l.csv:3: C:/b/1.jpg and C:/a/1.jpg are both photos/1.jpg. Name the folder that has both with `--images`",
        "photos/1.jpg",
    ),
    Refused(
        "a file outside",
        csv,
        {"photos/l.csv": "", "l.csv": "file,tag\n/etc/passwd,x\n"},
        "l.csv:2: the file name '/etc/passwd' is not below ",
    ),
    Refused(
        "two XML files of an image",
        read_voc,
        {"Annotations/a/1.xml": voc(), "Annotations/b/1.xml": voc()},
        "Annotations/b/1.xml: labels the image JPEGImages/1.jpg, as Annotations/a/1.xml does. An image has one .xml file",
        "JPEGImages/1.jpg",
    ),
    Refused(
        "two images of an XML file",
        read_voc,
        {"1.xml": voc(name="")},
        "1.xml: could be of 1.jpg or 1.png: remove one of them, or name the image in <filename>",
        "1.jpg 1.png",
    ),
    Refused(
        "an image of the folder above",
        read_voc,
        {"Annotations/a/1.xml": voc()},
        "Annotations/a/1.xml: no such image file: Annotations/a/1.jpg",
        "JPEGImages/1.jpg JPEGImages/a/2.jpg",
    ),
    Refused(
        "an encoding that does not exist",
        read_voc,
        {"1.xml": '<?xml version="1.0" encoding="x-mac"?><annotation/>'},
        "1.xml: unknown encoding: x-mac. Save it as UTF-8",
    ),
    Refused(
        "bytes of another encoding",
        read_voc,
        {"1.xml": b'<?xml version="1.0" encoding="utf-8"?><a>' + b"\xe4</a>"},
        "1.xml: is not text of the encoding that it declares",
    ),
    Refused(
        "a document type in UTF-16",
        read_voc,
        {"1.xml": "<!DOCTYPE a [<!ENTITY x 'y'>]><annotation/>".encode("utf-16")},
        "1.xml: has a document type declaration",
    ),
    Refused(
        "objects deeper down",
        read_voc,
        {"1.xml": voc().replace("<object>", "<objects><object>").replace("</object>", "</object></objects>")},
        "1.xml: 1 <object> not directly below <annotation>",
    ),
    Refused(
        "two boxes of an object",
        read_voc,
        {"1.xml": voc(more="<bndbox/>")},
        "1.xml: object[0] (fork): has 2 bndbox, must have one",
    ),
    Refused(
        "another letter case",
        read_voc,
        {"2.xml": voc(name="a.JPG")},
        "2.xml: no such image file: a.JPG. Is 'a.jpg' meant?",
        "a.jpg",
    ),
    Refused(
        "two images of a label file",
        read_yolo,
        {"classes.txt": "fork", "1.txt": YOLO_LINE},
        "1.txt: could be of 1.jpg or of 1.png. Rename or remove one of these images",
        "1.jpg 1.png",
    ),
    Refused(
        "two label files of an image",
        read_yolo,
        {"classes.txt": "fork", "labels/1.txt": YOLO_LINE, "images/1.txt": YOLO_LINE},
        "images/1.jpg: has two label files, images/1.txt and labels/1.txt. Remove one",
        "images/1.jpg",
    ),
    Refused(
        "a track",
        read_yolo,
        {"classes.txt": "fork", "1.txt": "0 0.2 0.2 0.1 0.1 0.88 1"},
        "1.txt:1: has 7 fields, expected 5: class, centre x, centre y, width, height. If the last two are",
    ),
    Refused(
        "keypoints of another number",
        read_yolo,
        {"data.yaml": "names: [fork]\nkpt_shape: [2, 2]", "1.txt": f"{YOLO_LINE} 0.5 0.5"},
        "1.txt:1: has 7 fields, expected 5: class, centre x, centre y, width, height, and 4 for the keypoints (kpt_shape)",
    ),
    Refused(
        "a number of two names",
        read_yolo,
        {"data.yaml": "names:\n  0: fork\n  0: knife\n", "1.txt": YOLO_LINE},
        "data.yaml:3: class 0 already has the name 'fork'",
    ),
    Refused(
        "a class of an empty line",
        read_yolo,
        {"classes.txt": "knife\n\nfork\n", "1.txt": f"1{YOLO_LINE[1:]}"},
        "1.txt:1: class 1 has no name",
    ),
    Refused(
        "two lists of names",
        read_yolo,
        {"data.yaml": "names: [fork]", "classes.txt": "knife", "1.txt": YOLO_LINE},
        "data.yaml and classes.txt name the classes differently.",
    ),
    Refused(
        "another count of names",
        read_yolo,
        {"data.yaml": "nc: 2\nnames: [fork]", "1.txt": YOLO_LINE},
        "data.yaml:1: nc is 2, but there are 1 `names`",
    ),
    Refused(
        "a comma",
        read_yolo,
        {"classes.txt": "fork", "1.txt": "0 0,25 0,4 0,3 0,4"},
        "1.txt:1: '0,25' is not a number: write it with a point, 0.25",
    ),
    Refused(
        "a category id twice",
        coco,
        {"l.json": coco_text(categories=[{"id": 1, "name": "fork"}, {"id": "1", "name": "knife"}])},
        "l.json: categories[1]: id \"1\" is already used by l.json: categories[0] ('fork')",
    ),
    Refused(
        "two names of one image",
        lambda folder: read_coco(folder / "l.json", folder),
        {"l.json": coco_text(images=[*image_named("/x/1.jpg"), *image_named("/y/1.jpg", 2)])},
        "l.json: images[1]: /y/1.jpg and /x/1.jpg are both",
    ),
    Refused(
        "two sizes of one image",
        coco,
        {"l.json": coco_text(images=[*image_named("1.jpg"), {"id": 2, "file_name": "1.jpg", "width": 400, "height": 200}])},
        "l.json: images[1]: 1.jpg has another width and height than in",
    ),
    Refused(
        "crowds only",
        coco,
        {"l.json": coco_text({"iscrowd": 1})},
        "l.json: the annotation is a crowd (iscrowd), which are left out: nothing remains.",
    ),
    Refused(
        "a crowd of unclear meaning",
        coco,
        {"l.json": coco_text({"iscrowd": "maybe"})},
        'l.json: annotations[0]: iscrowd is "maybe", must be 0 or 1',
    ),
    Refused(
        "a name with NUL",
        coco,
        {"l.json": coco_text(categories=[{"id": 1, "name": "a\0"}])},
        "l.json: categories[0]: the name 'a\\x00' has a NUL character",
    ),
    Refused(
        "half of a surrogate pair",
        coco,
        {"l.json": coco_text(categories=[{"id": 1, "name": "a\ud800"}])},
        "l.json: categories[0]: the name 'a\\ud800' has half of a surrogate pair",
    ),
    Refused(
        "a file name with NUL",
        coco,
        {"l.json": coco_text(images=image_named("1\0.jpg"))},
        "l.json: images[0]: the file name '1\\x00.jpg' has a NUL character",
    ),
    Refused(
        "a file name that leads out",
        coco_fractions,
        {"l.json": coco_text(images=image_named("../x.jpg"))},
        "l.json: images[0]: the file name '../x.jpg' leads out of ",
    ),
    Refused(
        "a file name that leads out through a folder",
        coco,
        {"l.json": coco_text(images=image_named("a/../../x.jpg"))},
        "l.json: images[0]: the file name 'a/../../x.jpg' leads out of ",
    ),
    Refused(
        "an absolute file name",
        coco_of_photos,
        {"photos/x": "", "l.json": coco_text(images=image_named("/etc/passwd"))},
        "l.json: images[0]: no such image file: /etc/passwd, nor a file with the end of this path below photos",
    ),
    Refused(
        "capitals",
        coco,
        {"l.json": coco_text(images=image_named("1.JPG"))},
        "l.json: images[0]: no such image file: 1.JPG. Is '1.jpg' meant?",
    ),
    Refused(
        "an id of another type",
        coco,
        {"l.json": coco_text({"image_id": 1.5})},
        "l.json: annotations[0]: image_id 1.5 is not the id of an image",
    ),
    Refused(
        "a mask of another size",
        coco,
        {"l.json": coco_text({"bbox": None, "segmentation": {**RLE, "size": [200, 100]}})},
        "l.json: annotations[0]: its mask is 100 × 200 px, but its image's width and height say 200 × 100",
    ),
    Refused(
        "splits without tags",
        read_folders,
        {},
        "test/2.jpg: 'test', 'train' look like splits of a dataset, but this image is in none of the folders of tags",
        "train/1.jpg test/2.jpg",
    ),
    Refused(
        "splits beside a tag",
        read_folders,
        {},
        ": the folders 'test', 'train' look like splits of a dataset, but 'car' is beside them.",
        "train/a/1.jpg test/a/2.jpg car/3.jpg",
    ),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.read.__name__}: {case.name}") for case in REFUSED])
def test_what_would_be_read_wrong_is_refused_with_its_place(tmp_path: Path, case: Refused) -> None:
    write(tmp_path, case.images, case.files)
    with pytest.raises(ConversionFailed) as caught:
        case.read(tmp_path)
    first = caught.value.problems[0].replace(f"{tmp_path}/", "").replace(str(tmp_path), "")
    assert first.startswith(case.problem), first
