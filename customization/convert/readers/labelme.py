"""LabelMe: a folder with one JSON file per image. Coordinates are pixels from 0."""

from __future__ import annotations

import base64
import binascii
import math
import os
from pathlib import Path
from typing import Any

from vision_customization.contract.coco.document import read_json
from vision_customization.customization.convert.labelled import FoundImage, LabelledImages, Progress
from vision_customization.customization.convert.masks import Edges, clipped, outline_edges, png_edges
from vision_customization.customization.convert.readers.annotations import (
    Annotations,
    as_number,
    find_image,
    objects,
    pixel_box,
    size_in,
    tags_in,
)
from vision_customization.customization.convert.remarks import What
from vision_customization.customization.convert.sources.source_files import OUTPUTS, images_among, source_files
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed

WITHOUT_BOX = ("point", "points", "line", "linestrip")


def read_labelme(source: Path, cache: DigestCache | None = None, on_progress: Progress | None = None) -> LabelledImages:
    """Read images for object detection if any file has a shape with a box; else for classification, by the flags that are set.

    An image is found by `imagePath`, relative to its JSON file, else by its name or the JSON file's name in that folder.
    Folders `train`, `valid` and `test` are the source's own split.

    Raises:
        ConversionFailed
    """
    found = Annotations(source, source)
    files = source_files(source, found.remarks)
    labelled = list[Path]()
    for path in files:
        if path.suffix.lower() != ".json" or path.name in OUTPUTS:
            continue
        document, unreadable = read_json(path, str(path))
        if unreadable is not None:
            found.problems.append(str(unreadable))
        elif not is_labelme(document):
            found.remarks.left_out(What.FILE, "not a file of LabelMe: it has no `shapes`", str(path))
        elif item := found.image(_address(document, path, source), str(path), _size(document), path.parent):
            labelled.append(item.path)
            _read(document, item, found)
    if not labelled and not found.problems:
        raise ConversionFailed([f"{source}: has no .json file of LabelMe"])
    there = {os.path.abspath(path) for path in labelled}  # noqa: PTH100 - links stay links
    images = images_among(files, found.remarks, labels={".json"})
    found.remarks.sees(What.IMAGE, len(there.union(map(os.path.abspath, images))))
    for image in images:
        if os.path.abspath(image) not in there and not found.problems:  # noqa: PTH100
            found.remarks.left_out(What.IMAGE, "no .json file of LabelMe is about it", str(image))
    return found.finished(cache, on_progress)


def is_labelme(document: object) -> bool:
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and "imagePath" in document


def _address(document: dict[str, Any], path: Path, source: Path) -> str:
    """`imagePath`, or the name of the JSON file with an image's extension if only that exists."""
    address = document["imagePath"]
    address = address if isinstance(address, str) else ""
    if find_image(address, source, path.parent) is not None:
        return address
    beside = [other.name for other in sorted(path.parent.glob("*")) if other.stem == path.stem and other != path]
    return next((name for name in beside if Path(name).suffix.lower() not in (".json", ".txt", ".xml")), address)


def _size(document: dict[str, Any]) -> tuple[float, float] | None:
    return size_in(document, "imageWidth", "imageHeight")


def _read(document: dict[str, Any], item: FoundImage, found: Annotations) -> None:
    place = item.place
    flags = document.get("flags")
    set_flags = sum(value is True for value in flags.values()) if isinstance(flags, dict) else 0
    found.remarks.sees(What.LABEL, set_flags + len(document["shapes"]))
    for name, value in flags.items() if isinstance(flags, dict) else ():
        if value is True:
            try:
                item.add(tags_in(name)[0], None, f"{place}: flags")
            except ValueError as error:
                found.problems.append(f"{place}: flags: {error}")
    for where, shape in objects(document["shapes"], f"{place}: shapes", found.problems):
        kind = shape.get("shape_type") or "polygon"
        if kind in WITHOUT_BOX:
            found.remarks.left_out(What.LABEL, f"a {kind}, which has no box", where)
            continue
        try:
            tag = tags_in(shape.get("label"))[0]
            edges = _edges(kind, shape, item.claimed)
        except ValueError as error:
            found.problems.append(f"{where}: {error}")
            continue
        if edges is None:
            found.remarks.left_out(What.LABEL, "an empty mask", where)
        else:
            found.add_box(item, [tag], pixel_box(edges), f"{where} ({tag})", f"a {kind}" if kind != "rectangle" else None)


def _edges(kind: object, shape: dict[str, Any], size: tuple[float, float] | None) -> Edges | None:
    """The box of a shape in pixels; None of an empty mask. Raises ValueError."""
    points = shape.get("points")
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise ValueError("points must be a list of pairs [x, y]")
    pairs = [(as_number(x, "x"), as_number(y, "y")) for x, y in points]
    if kind in ("rectangle", "polygon", "oriented_rectangle"):
        return outline_edges(pairs)
    if kind == "circle":
        if len(pairs) != 2:
            raise ValueError("a circle has two points: its centre, and one on it")
        (x, y), on_it = pairs
        radius = math.dist((x, y), on_it)
        circle = x - radius, y - radius, x + radius, y + radius
        return clipped(circle, *size) if size else circle
    if kind == "mask":
        outer = outline_edges(pairs)
        inner = png_edges(_bytes(shape.get("mask")))
        return inner and (outer[0] + inner[0], outer[1] + inner[1], outer[0] + inner[2], outer[1] + inner[3])
    raise ValueError(f"shape_type is {kind!r}, expected rectangle, polygon, circle or mask")


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "", validate=False)
    except (binascii.Error, ValueError):
        raise ValueError("mask must be a PNG image in base64") from None
