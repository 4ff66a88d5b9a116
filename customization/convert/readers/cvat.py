"""CVAT for images 1.1: one XML file, with an `<image>` for each image. Coordinates are pixels from 0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from vision_customization.customization.convert.labelled import FoundImage, LabelledImages, Progress, number
from vision_customization.customization.convert.masks import (
    PIXELS_MAX,
    Edges,
    clipped,
    counted_runs,
    ellipse_edges,
    outline_edges,
    runs_edges,
    turned_edges,
)
from vision_customization.customization.convert.readers.annotations import Annotations, pixel_box, tags_in
from vision_customization.customization.convert.remarks import What
from vision_customization.customization.convert.sources.label_xml import xml_root
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed

WITHOUT_BOX = ("polyline", "points", "cuboid", "skeleton")


def read_cvat(
    path: Path, images: Path | None = None, cache: DigestCache | None = None, on_progress: Progress | None = None
) -> LabelledImages:
    """Read images for object detection if any has a box, polygon, ellipse or mask; else for classification, by their tags.
    Subsets called train, validation and test, or alike, are the source's own split.

    Args:
        images: the folder of the images, by default the file's folder or its `images`.

    Raises:
        ConversionFailed
    """
    found = Annotations(path, images or path.parent)
    root = xml_root(path, found.problems)
    if root is None:
        raise ConversionFailed(found.problems)
    if root.tag != "annotations":
        raise ConversionFailed([f"{path}: its root is <{root.tag[:40]}>, but CVAT for images has <annotations>"])
    if root.find("track") is not None:
        raise ConversionFailed([f"{path}: is CVAT for video (it has <track>). Export the task as `CVAT for images 1.1`"])
    for index, element in enumerate(root.iterfind("image")):
        place = f"{path}: image[{index}]"
        found.remarks.sees(What.IMAGE)
        found.remarks.sees(What.LABEL, len(element))
        name = element.get("name", "")
        item = found.image(name, place, _size(element), split=element.get("subset", ""))
        for where, shape in _shapes(element, f"{place} ({name})") if item is not None else ():
            try:
                _read(shape, where, item, found)  # type: ignore[arg-type]
            except ValueError as error:
                found.problems.append(f"{where}: {error}")
    return found.finished(cache, on_progress)


def _shapes(image: ET.Element, place: str) -> Iterator[tuple[str, ET.Element]]:
    for index, shape in enumerate(image):
        yield f"{place}: {shape.tag}[{index}]", shape


def _size(element: ET.Element) -> tuple[float, float] | None:
    try:
        size = number(element.get("width")), number(element.get("height"))
    except ValueError:
        return None
    return size if min(size) > 0 else None


def _read(shape: ET.Element, place: str, item: FoundImage, found: Annotations) -> None:
    """Add the label of a shape. Raises ValueError."""
    if shape.tag in WITHOUT_BOX:
        found.remarks.left_out(What.LABEL, f"a {shape.tag}, which has no box", place)
        return
    if shape.tag not in ("tag", "box", "polygon", "ellipse", "mask"):
        found.remarks.left_out(What.LABEL, f"<{shape.tag}>, which is not a shape of CVAT for images 1.1", place)
        return
    [tag] = tags_in(shape.get("label", ""))
    if shape.tag == "tag":
        item.add(tag, None, place)
        return
    edges = _edges(shape)
    if edges is None:
        found.remarks.left_out(What.LABEL, "an empty mask", place)
        return
    bounded = shape.tag if shape.tag != "box" else "rotated rectangle" if number(shape.get("rotation", "0")) else None
    if item.claimed and bounded in ("rotated rectangle", "ellipse"):
        edges = clipped(edges, *item.claimed)
    found.add_box(item, [tag], pixel_box(edges), place, bounded and f"{'an' if bounded == 'ellipse' else 'a'} {bounded}")


def _edges(shape: ET.Element) -> Edges | None:
    """The box of a shape in pixels; None of an empty mask. Raises ValueError."""
    turned = number(shape.get("rotation", "0"))
    if shape.tag == "box":
        left, top, right, bottom = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
        edges = left, top, right, bottom
        return turned_edges(edges, turned, ((left + right) / 2, (top + bottom) / 2)) if turned else edges
    if shape.tag == "polygon":
        pairs = [pair.split(",") for pair in shape.get("points", "").split(";") if pair.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError("points must be pairs `x,y`, separated by semicolons")
        return outline_edges((number(x), number(y)) for x, y in pairs)
    if shape.tag == "ellipse":
        x, y, radius_x, radius_y = _numbers(shape, "cx", "cy", "rx", "ry")
        return ellipse_edges(x, y, radius_x, radius_y, turned)
    left, top, width, height = _numbers(shape, "left", "top", "width", "height")
    if min(width, height) < 1 or width * height > PIXELS_MAX:
        raise ValueError(f"the mask is {width:g} × {height:g} px")
    counts = [int(number(count)) for count in shape.get("rle", "").split(",")]
    inner = runs_edges(counted_runs(counts, int(width) * int(height)), int(width))
    return inner and (left + inner[0], top + inner[1], left + inner[2], top + inner[3])


def _numbers(shape: ET.Element, *names: str) -> list[float]:
    values = []
    for name in names:
        try:
            values.append(number(shape.get(name)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return values
