"""Azure AutoML for images: a JSON object per line. Coordinates are fractions of the image's sides.

https://learn.microsoft.com/azure/machine-learning/reference-automl-images-schema
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vision_customization.customization.convert.labelled import CLIPPED, FoundImage, LabelledImages, Progress
from vision_customization.customization.convert.masks import Edges, flat_points, outline_edges
from vision_customization.customization.convert.readers.annotations import (
    Annotations,
    add_tags,
    count_tags,
    fractions,
    json_lines,
    numbers,
    objects,
    tags_in,
)
from vision_customization.customization.convert.remarks import What
from vision_customization.customization.datasets.digest_cache import DigestCache


def read_automl(
    path: Path, images: Path | None = None, cache: DigestCache | None = None, on_progress: Progress | None = None
) -> LabelledImages:
    """Read images for object detection if a `label` has boxes or polygons, else for classification. Crowds are left out.

    Args:
        images: the folder of the images, by default the file's folder. An image is found by as much of the end of its
            `image_url` as exists there.

    Raises:
        ConversionFailed
    """
    found = Annotations(path, images or path.parent)
    for place, entry in json_lines(path, found.problems):
        found.remarks.sees(What.IMAGE)
        found.remarks.sees(What.LABEL, _count(entry.get("label")))
        address = entry.get("image_url")
        if not isinstance(address, str):
            found.problems.append(f"{place}: has no image_url")
            continue
        item = found.image(address, place)
        if item is not None:
            _read(entry.get("label"), place, item, found)
    return found.finished(cache, on_progress)


def _count(label: object) -> int:
    """How many tags an image has, and how many tags its boxes have."""
    if not isinstance(label, list):
        return int(label is not None)
    return sum(count_tags(entry.get("label")) if isinstance(entry, dict) else 1 for entry in label)


def _read(label: object, place: str, item: FoundImage, found: Annotations) -> None:
    if label is None or label == []:
        return
    if isinstance(label, str) or (isinstance(label, list) and isinstance(label[0], str)):
        try:
            add_tags(item, tags_in(label), place)
        except ValueError as error:
            found.problems.append(f"{place}: label: {error}")
        return
    for where, entry in objects(label, f"{place}: label", found.problems):
        if str(entry.get("isCrowd", 0)).lower() in ("1", "true"):
            for _ in range(count_tags(entry.get("label"))):
                found.remarks.left_out(What.LABEL, "a crowd (isCrowd), not a single object", where)
            continue
        try:
            tags = tags_in(entry.get("label"))
            box, is_clipped = fractions(_edges(entry))
        except ValueError as error:
            found.problems.append(f"{where}: {error}")
            continue
        found.add_box(item, tags, box, where, "a polygon" if "polygon" in entry else None)
        if is_clipped:
            found.remarks.changed(What.LABEL, CLIPPED, where)


def _edges(entry: dict[str, Any]) -> Edges:
    """Raises ValueError."""
    if "polygon" in entry:
        polygons = entry["polygon"]
        if not isinstance(polygons, list):
            raise ValueError("polygon must be a list of polygons [x, y, x, y, …]")
        return outline_edges(point for polygon in polygons for point in flat_points(polygon))
    left, top, right, bottom = numbers(entry, "topX", "topY", "bottomX", "bottomY")
    return left, top, right, bottom
