"""Labelled images as files of other tools: YOLO, Pascal VOC, COCO with boxes in pixels, CSV, and a folder per tag.

Each is what `vision convert` reads: converted back, it gives the same images and tags, and boxes within half a pixel.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import LabelledImage, LabelledImages
from vision_customization.customization.convert.write import copy_files
from vision_customization.customization.errors import ConversionFailed

Edges = tuple[float, float, float, float]

Named = list[tuple[PurePosixPath, LabelledImage]]
"""Images by the paths that they get: below the folder of images, without two that differ only in letter case or extension. Of a
folder per tag, the first folder is the tag."""


def export(images: LabelledImages, target_format: str, source: Path, folder: Path) -> list[Path]:
    """Write the labels and copies of the images in a format of `EXPORTS`. Images of a split are in folders `train` and `test`.

    Args:
        source: the folder that the images' names are taken relative to.
        folder: where to; it must be empty or absent.

    Returns:
        The files of labels; for a folder per tag, the folders.

    Raises:
        ConversionFailed: the folder has files, or the format can't hold these labels. Nothing was written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConversionFailed([f"{folder}: is not an empty folder. Name another with `--output`"])
    problems = _faults(images, target_format)
    if problems:
        raise ConversionFailed(problems)
    named = list(_named(images, source, by_tag=target_format == "folders"))
    place, texts = EXPORTS[target_format](images, named)
    copies = {folder / place(path, image): image.path for path, image in named}
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8", newline="")
    copy_files(copies)
    return [folder / name for name in texts] or sorted({target.parent for target in copies})


def _faults(images: LabelledImages, target_format: str) -> list[str]:
    """Why a format can't hold the labels."""
    detection = images.kind == AnnotationKind.IMAGE_OBJECT_DETECTION
    if target_format in ("yolo", "voc") and not detection:
        return [f"{target_format} holds boxes, but these are labels for classification. Use folders, csv or coco-pixels"]
    if target_format == "folders" and detection:
        return ["a folder per tag holds labels for classification, but these have boxes. Use yolo, voc, csv or coco-pixels"]
    faults = [
        f"the tag {tag!r} has control characters, or blanks at its ends, which other tools do not keep. Rename it"
        for tag in images.tags
        if tag != tag.strip() or not tag.isprintable()
    ]
    if target_format == "folders":
        faults += [
            f"the tag {tag!r} can't be the name of a folder. Use csv or coco-pixels"
            for tag in images.tags
            if tag.startswith(".") or set(tag) & set('/\\:*?"<>|') or len(tag.encode()) > 255
        ]
        faults += [
            f"{image.path}: has {len(image.labels)} tags, but can be in one folder only. Use csv or coco-pixels"
            for image in images.images
            if len(image.labels) > 1
        ]
        untagged = [image.path for image in images.images if not image.labels]
        faults += [f"{path}: has no tag, so it has no folder. Use csv or coco-pixels" for path in untagged]
    return faults


def _named(images: LabelledImages, source: Path, *, by_tag: bool) -> Iterator[tuple[PurePosixPath, LabelledImage]]:
    root = source.resolve()
    taken = set[str]()
    for image in images.images:
        path = image.path.resolve()
        inner = PurePosixPath(path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name)
        if inner.parts[0] == "images" and len(inner.parts) > 1:
            inner = inner.relative_to("images")
        if by_tag and (len(inner.parts) == 1 or inner.parts[0] != image.labels[0][0]):
            inner = image.labels[0][0] / inner
        if images.is_split:
            inner = PurePosixPath("test" if image.testing else "train") / inner
        if str(inner.with_suffix("")).casefold() in taken:
            inner = inner.with_name(f"{inner.stem}-{image.sha256[:12]}-{len(taken)}{inner.suffix}")
        taken.add(str(inner.with_suffix("")).casefold())
        yield inner, image


Place = Callable[[PurePosixPath, LabelledImage], str]
Export = tuple[Place, dict[str, str]]
"""Where an image goes, and the texts of the files of labels; both relative to the output's folder."""


def _in_images(path: PurePosixPath, _: LabelledImage) -> str:
    return f"images/{path}"


def _yolo(images: LabelledImages, named: Named) -> Export:
    numbers = {tag: number for number, tag in enumerate(images.tags)}
    texts = {"data.yaml": _yolo_yaml(numbers, ("train", "test") if images.is_split else ("", ""))}
    for path, image in named:
        lines = (f"{numbers[tag]} {_yolo_box(box)}\n" for tag, box in image.labels if box is not None)
        texts[f"labels/{path.with_suffix('.txt')}"] = "".join(lines)
    return _in_images, texts


def _yolo_yaml(numbers: Mapping[str, int], folders: tuple[str, str]) -> str:
    train, val = (f"images/{folder}".rstrip("/") for folder in folders)
    # JSON's texts are YAML's, too.
    names = "".join(f"  {number}: {json.dumps(tag, ensure_ascii=False)}\n" for tag, number in numbers.items())
    return f"path: .\ntrain: {train}\nval: {val}\nnames:\n{names}"


def _yolo_box(box: Box) -> str:
    left, top, width, height = box
    return f"{left + width / 2:.9f} {top + height / 2:.9f} {width:.9f} {height:.9f}"


def _voc(_: LabelledImages, named: Named) -> Export:
    texts = {f"Annotations/{path.with_suffix('.xml')}": _voc_xml(path, image) for path, image in named}
    return (lambda path, _: f"JPEGImages/{path}"), texts


def _voc_xml(path: PurePosixPath, image: LabelledImage) -> str:
    root = ET.Element("annotation")
    ET.SubElement(root, "folder").text = path.parent.name or "JPEGImages"
    ET.SubElement(root, "filename").text = path.name
    size = ET.SubElement(root, "size")
    for side, pixels in (("width", image.width), ("height", image.height), ("depth", 3)):
        ET.SubElement(size, side).text = str(pixels)
    ET.SubElement(root, "segmented").text = "0"
    for tag, box in image.labels:
        if box is None:
            continue
        element = ET.SubElement(root, "object")
        for name, value in (("name", tag), ("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
            ET.SubElement(element, name).text = value
        bounds = ET.SubElement(element, "bndbox")
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), _voc_edges(box, image), strict=True):
            ET.SubElement(bounds, name).text = value
    ET.indent(root)
    return ET.tostring(root, "unicode") + "\n"


def _voc_edges(box: Box, image: LabelledImage) -> list[str]:
    """Whole pixels counted from 1, the last one included; decimals where rounding would leave nothing of the box."""
    left, top, right, bottom = _edges(box, image)
    rounded = round(left), round(top), round(right), round(bottom)
    if rounded[2] > rounded[0] and rounded[3] > rounded[1]:
        left, top, right, bottom = rounded
    return [_decimals(left + 1), _decimals(top + 1), _decimals(right), _decimals(bottom)]


def _coco(images: LabelledImages, named: Named) -> Export:
    ids = {tag: number for number, tag in enumerate(images.tags, start=1)}
    entries, annotations = [], list[dict[str, object]]()
    for number, (path, image) in enumerate(named, start=1):
        name = _in_images(path, image)
        entries.append({"id": number, "file_name": name, "width": image.width, "height": image.height})
        for tag, box in image.labels:
            annotation: dict[str, object] = {"id": len(annotations) + 1, "image_id": number, "category_id": ids[tag]}
            if box is not None:
                left, top, right, bottom = _edges(box, image)
                pixels = [round(value, 4) for value in (left, top, right - left, bottom - top)]
                annotation |= {"bbox": pixels, "area": round(pixels[2] * pixels[3], 4), "iscrowd": 0}
            annotations.append(annotation)
    categories = [{"id": number, "name": tag} for tag, number in ids.items()]
    document = {"images": entries, "annotations": annotations, "categories": categories}
    return _in_images, {"annotations.json": json.dumps(document, ensure_ascii=False, indent=1) + "\n"}


def _csv(images: LabelledImages, named: Named) -> Export:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    detection = images.kind == AnnotationKind.IMAGE_OBJECT_DETECTION
    boxes = ["width", "height", "xmin", "ymin", "xmax", "ymax"]
    writer.writerow(["file_name", "tag", *(boxes if detection else [])])
    for path, image in named:
        name = _in_images(path, image)
        size = [str(image.width), str(image.height)]
        for tag, box in image.labels:
            edges = [] if box is None else [*size, *(_decimals(edge) for edge in _edges(box, image))]
            writer.writerow([name, tag, *edges])
        if not image.labels:
            writer.writerow([name, "", *([*size, "", "", "", ""] if detection else [])])
    return _in_images, {"labels.csv": stream.getvalue()}


def _folders(_: LabelledImages, __: Named) -> Export:
    return (lambda path, _: str(path)), {}


def _edges(box: Box, image: LabelledImage) -> Edges:
    """In pixels."""
    left, top, width, height = box
    return left * image.width, top * image.height, (left + width) * image.width, (top + height) * image.height


def _decimals(value: float) -> str:
    """Up to four decimals."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


EXPORTS: dict[str, Callable[[LabelledImages, Named], Export]] = {
    "yolo": _yolo,
    "voc": _voc,
    "coco-pixels": _coco,
    "csv": _csv,
    "folders": _folders,
}
