"""Label Studio: a JSON file of tasks, as exported by "JSON" or "JSON-MIN". Coordinates are percentages of the image's sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vision_customization.common.dataset_content.image_formats import EXTENSIONS
from vision_customization.customization.convert.labelled import FoundImage, LabelledImages, Progress
from vision_customization.customization.convert.masks import (
    Edges,
    brush_edges,
    clipped,
    ellipse_edges,
    outline_edges,
    turned_edges,
)
from vision_customization.customization.convert.readers.annotations import (
    Annotations,
    add_tags,
    as_number,
    count_tags,
    json_of,
    numbers,
    objects,
    pixel_box,
    size_in,
    tags_in,
)
from vision_customization.customization.convert.remarks import What
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed

SHAPES = ("rectanglelabels", "polygonlabels", "ellipselabels", "brushlabels", "labels")
OTHER_SHAPES = ("keypointlabels", "videorectangle", "bitmasklabels", "vectorlabels")
UNTAGGED_SHAPES = ("rectangle", "polygon", "ellipse", "brush")
IMAGE_KEYS = ("image", "img", "image_url", "url", "picture", "photo")

Region = tuple[str, dict[str, Any]]
"""A labelled region, preceded by its place. Its `value` has its shape and tags."""


def read_label_studio(
    path: Path, images: Path | None = None, cache: DigestCache | None = None, on_progress: Progress | None = None
) -> LabelledImages:
    """Read images for object detection if any task has a rectangle, polygon, ellipse or brush; else by their choices.

    Of several annotators of a task, the one that is marked as ground truth counts, else the first. Tasks that are skipped or
    not annotated yet are left out; one that is annotated with nothing is an image without objects.

    Args:
        images: the folder of the images, by default the file's folder. An image is found by as much of its path's end as
            exists there, with or without the prefix that Label Studio gives to uploads.

    Raises:
        ConversionFailed
    """
    found = Annotations(path, images or path.parent)
    tasks = json_of(path)
    if not isinstance(tasks, list):
        raise ConversionFailed([f"{path}: must be a list of tasks, as Label Studio exports by JSON or JSON-MIN"])
    for place, task in objects(tasks, str(path), found.problems):
        found.remarks.sees(What.IMAGE)
        regions = _regions(place, task, found)
        if regions is None:
            continue
        address = _address(task)
        if address is None:
            found.problems.append(f"{place}: names no image file: expected a path or URL as `image`")
            continue
        size = next((size for _, region in regions if (size := size_in(region, "original_width", "original_height"))), None)
        item = found.image(address, place, size)
        for where, region in regions if item is not None else ():
            try:
                _read(region, where, item, found)  # type: ignore[arg-type]
            except ValueError as error:
                found.problems.append(f"{where}: {error}")
    return found.finished(cache, on_progress)


def _address(task: dict[str, Any]) -> str | None:
    data = task.get("data")
    fields = data if isinstance(data, dict) else task
    for key in (*IMAGE_KEYS, *fields):
        value = fields.get(key)
        if isinstance(value, str) and (key in IMAGE_KEYS or value.lower().partition("?")[0].endswith(tuple(EXTENSIONS))):
            return value
    return None


def _regions(place: str, task: dict[str, Any], found: Annotations) -> list[Region] | None:
    """The regions and choices of a task; None if it does not count."""
    entries = task.get("annotations", task.get("completions"))
    if entries is None and isinstance(task.get("data"), dict):
        entries = []
    if entries is None:
        least = list(_least_regions(place, task, found))
        found.remarks.sees(What.LABEL, sum(_count(region) for _, region in least))
        return least
    predictions = task.get("predictions")
    for where, entry in objects(predictions if isinstance(predictions, list) else None, f"{place}: predictions", []):
        found.remarks.sees(What.LABEL, _count_in(entry))
        _leave_out(entry, where, "a prediction, not an annotation", found)
    annotations = list(objects(entries, f"{place}: annotations", found.problems))
    found.remarks.sees(What.LABEL, sum(_count_in(entry) for _, entry in annotations))
    for where, entry in annotations:
        if entry.get("was_cancelled"):
            _leave_out(entry, where, "of an annotation that its annotator skipped", found)
    kept = [(where, entry) for where, entry in annotations if not entry.get("was_cancelled")]
    if not kept:
        found.remarks.left_out(What.IMAGE, "skipped by its annotator" if annotations else "not annotated yet", place)
        return None
    chosen = next((number for number, (_, entry) in enumerate(kept) if entry.get("ground_truth") is True), 0)
    for number, (where, entry) in enumerate(kept):
        if number != chosen:
            _leave_out(entry, where, "of another annotator of the same image", found)
    where, entry = kept[chosen]
    return list(objects(entry.get("result"), f"{where}: result", found.problems))


def _count_in(annotation: dict[str, Any]) -> int:
    """How many labels an annotation or prediction has."""
    result = annotation.get("result")
    return sum(_count(region) for region in result) if isinstance(result, list) else 0


def _count(region: object) -> int:
    """How many labels a region is: one for each of its tags."""
    value = region.get("value") if isinstance(region, dict) else None
    if not isinstance(value, dict):
        return 1
    return next((count_tags(value[kind]) for kind in ("choices", *SHAPES) if kind in value), 1)


def _leave_out(annotation: dict[str, Any], place: str, reason: str, found: Annotations) -> None:
    for where, region in objects(annotation.get("result"), f"{place}: result", []):
        for _ in range(_count(region)):
            found.remarks.left_out(What.LABEL, reason, where)


def _least_regions(place: str, task: dict[str, Any], found: Annotations) -> Iterator[Region]:
    """The regions of a task of JSON-MIN, which has them in lists by the names of the labelling tags, and choices as text."""
    for key, value in task.items():
        if isinstance(value, list):
            for where, entry in objects(value, f"{place}: {key}", found.problems):
                yield where, {"value": entry, **entry}
        elif isinstance(value, dict) and "choices" in value:
            yield f"{place}: {key}", {"value": value}
        elif key in ("choice", "choices") and isinstance(value, str):
            yield f"{place}: {key}", {"value": {"choices": [value]}}


def _read(region: dict[str, Any], place: str, item: FoundImage, found: Annotations) -> None:
    """Add the label of a region. Raises ValueError."""
    value = region.get("value")
    if value is None and region.get("type") == "relation":
        found.remarks.left_out(What.LABEL, "a relation of two regions, which has no box", place)
        return
    if not isinstance(value, dict):
        raise ValueError("has no `value`")  # noqa: TRY004 - a fault of the file
    if "choices" in value:
        add_tags(item, tags_in(value["choices"]), place)
        return
    kind = next((kind for kind in SHAPES if kind in value), None)
    if kind is None:
        other = next((kind for kind in OTHER_SHAPES if kind in value), region.get("type"))
        missing = "tag" if other in UNTAGGED_SHAPES else "box"
        found.remarks.left_out(What.LABEL, f"{other if isinstance(other, str) else 'a shape'}, which has no {missing}", place)
        return
    tags = tags_in(value[kind])
    size = size_in(region, "original_width", "original_height")
    if size is None:
        raise ValueError("has no original_width and original_height, the size of the image in pixels")
    if region.get("image_rotation"):
        raise ValueError("was labelled on a rotated view of the image (image_rotation). Rotate it back, and label it again")
    edges = _edges(value, *size)
    if edges is None:
        for _ in tags:
            found.remarks.left_out(What.LABEL, "an empty brush", place)
    else:
        found.add_box(item, tags, pixel_box(edges), place, _shape(value))


def _shape(value: dict[str, Any]) -> str | None:
    """What a box is the bounds of; None of an upright rectangle."""
    shapes = {"rle": "a brush", "points": "a polygon", "radiusX": "an ellipse"}
    return next(
        (shape for key, shape in shapes.items() if key in value), "a rotated rectangle" if value.get("rotation") else None
    )


def _edges(value: dict[str, Any], width: float, height: float) -> Edges | None:
    """The box of a shape in pixels; None of an empty brush. Raises ValueError."""
    if "rle" in value:
        if value.get("format", "rle") != "rle":
            raise ValueError(f"format is {value['format']!r}, expected 'rle'")
        return brush_edges(value["rle"], round(width), round(height))
    across, down = width / 100, height / 100
    if "points" in value:
        points = value["points"]
        if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
            raise ValueError("points must be a list of pairs [x, y], in percent")
        return outline_edges((as_number(x, "x") * across, as_number(y, "y") * down) for x, y in points)
    turned = as_number(value.get("rotation") or 0, "rotation")
    if "radiusX" in value:
        x, y, radius_x, radius_y = numbers(value, "x", "y", "radiusX", "radiusY")
        ellipse = ellipse_edges(x * across, y * down, radius_x * across, radius_y * down, turned)
        return clipped(ellipse, width, height)
    left, top, box_width, box_height = numbers(value, "x", "y", "width", "height")
    edges = left * across, top * down, (left + box_width) * across, (top + box_height) * down
    return clipped(turned_edges(edges, turned, edges[:2]), width, height) if turned else edges
