"""Pascal VOC: one XML file per image, boxes in pixels counted from 1, both ends inclusive."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import FoundImage, LabelledImages, PixelBox, Progress, finish, number
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import EXTENSIONS
from vision_customization.customization.errors import ConversionFailed

IMAGE_FOLDERS = ("JPEGImages", "images", "Images", "")


def read_voc(source: Path, cache: DigestCache | None = None, on_progress: Progress | None = None) -> LabelledImages:
    """Read images for object detection from every `.xml` below `source` that is an `<annotation>`.

    Each image is found by its `<filename>`, else by the name of its XML file: in `JPEGImages`, `images` or `source` itself,
    or beside the XML file.

    Raises:
        ConversionFailed
    """
    files = sorted(source.rglob("*.xml"))
    if not files:
        raise ConversionFailed([f"{source}: has no .xml file"])
    problems: list[str] = []
    found = [item for path in files if (item := _read(path, source, problems)) is not None]
    tags = sorted({tag for item in found for tag, _, _ in item.labels})
    return finish(AnnotationKind.IMAGE_OBJECT_DETECTION, tags, found, problems, cache, on_progress)


def _read(path: Path, source: Path, problems: list[str]) -> FoundImage | None:
    try:
        data = path.read_bytes()
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            problems.append(f"{path}: has a document type declaration, which label files must not have")
            return None
        root = ET.fromstring(data)  # noqa: S314 - without a document type there is no entity to expand
    except ET.ParseError as error:
        line, column = error.position
        problems.append(f"{path}: line {line}, column {column + 1}: is not XML: {error.msg.partition(':')[0]}")
        return None
    except OSError as error:
        problems.append(f"{path}: can't be read: {error.strerror}")
        return None
    if root.tag != "annotation":
        return None
    item = FoundImage(_image(path, source, root.findtext("filename", "").strip()), str(path), claimed=_size(root))
    for index, element in enumerate(root.iterfind("object")):
        place = f"{path}: object[{index}]"
        tag = element.findtext("name", "").strip()
        if not tag:
            problems.append(f"{place}: has no name")
            continue
        try:
            edges = [number(element.findtext(f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")]
        except ValueError as error:
            problems.append(f"{place} ({tag}): bndbox must have xmin, ymin, xmax and ymax: {error}")
            continue
        # Pixels are counted from 1: the first starts at 0, the last ends at its own number.
        item.add(tag, PixelBox(edges[0] - 1, edges[1] - 1, edges[2], edges[3]), f"{place} ({tag})")
    return item


def _size(root: ET.Element) -> tuple[float, float] | None:
    try:
        size = number(root.findtext("size/width")), number(root.findtext("size/height"))
    except ValueError:
        return None
    # Some tools write zeros for an unknown size.
    return size if all(size) else None


def _image(xml: Path, source: Path, file_name: str) -> Path:
    # Windows tools write full paths.
    name = file_name.replace("\\", "/").rpartition("/")[2]
    folders = [source / folder for folder in IMAGE_FOLDERS] + [
        xml.parent,
        xml.parent.parent / "JPEGImages",
        xml.parent.parent / "images",
    ]
    candidates = [folder / name for folder in folders if name]
    candidates += [folder / f"{xml.stem}{extension}" for folder in folders for extension in sorted(EXTENSIONS)]
    return next((path for path in candidates if path.is_file()), xml.parent / (name or xml.stem))
