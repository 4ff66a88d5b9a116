"""Standard COCO: boxes in pixels, ids of any kind."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

from vision_customization.contract.coco.boxes import ROUNDING_TOLERANCE, bbox_problem, cut_to_image
from vision_customization.contract.coco.document import Box, read_json
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import (
    FoundImage,
    LabelledImages,
    PixelBox,
    Progress,
    finish,
    fitted,
    number,
)
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed

Entry = tuple[str, dict[str, Any]]
"""An object of a section, preceded by its place for error messages."""


def read_coco(
    path: Path,
    images: Path | None = None,
    *,
    pixels: bool = True,
    cache: DigestCache | None = None,
    on_progress: Progress | None = None,
) -> LabelledImages:
    """Read images for object detection, or for classification if no annotation has a `bbox`.

    Args:
        path: the COCO file. Crowds (`iscrowd`) are skipped: the contract does not have them.
        images: the folder that `file_name` is relative to; by default the file's folder.
        pixels: whether a `bbox` is in pixels, as COCO has it, or in fractions, as the contract has it.

    Raises:
        ConversionFailed
    """
    document, unreadable = read_json(path, str(path))
    if unreadable is not None:
        raise ConversionFailed([str(unreadable)])
    problems: list[str] = []
    images_of, categories, annotations = (
        _section(document, name, path, problems) for name in ("images", "categories", "annotations")
    )
    tags = dict(_tags(categories, problems))
    found: dict[Any, FoundImage] = {}
    for id_, item in _images(images_of, images or path.parent, problems):
        if id_ in found:
            problems.append(f"{item.place}: id {id_} is already used by {found[id_].place}")
        else:
            found[id_] = item
    remarks = Remarks()
    labels = list(_objects(annotations, remarks))
    boxed = any(entry.get("bbox") is not None for _, entry in labels)
    if pixels and _all_fractions(entry.get("bbox") for _, entry in labels):
        problem = "no bbox has a number over 1, so the boxes are fractions, not pixels. Use `--from coco`"
        raise ConversionFailed([f"{path}: {problem}"])
    for place, entry in _references(labels, found, tags, problems):
        try:
            box = _box(entry.get("bbox"), pixels) if boxed else None
        except ValueError as error:
            problems.append(f"{place}: {error}")
        else:
            found[entry["image_id"]].add(tags[entry["category_id"]], box, place)
    kind = AnnotationKind.IMAGE_OBJECT_DETECTION if boxed else AnnotationKind.IMAGE_CLASSIFICATION
    return finish(kind, list(tags.values()), found.values(), problems, cache, on_progress, remarks)


def _objects(annotations: Iterable[Entry], remarks: Remarks) -> Iterator[Entry]:
    """Each annotation that is not a crowd."""
    for place, entry in annotations:
        if entry.get("iscrowd"):
            remarks.left_out(What.LABEL, "a crowd (iscrowd), not a single object", place)
        else:
            yield place, entry


def _tags(categories: Iterable[Entry], problems: list[str]) -> Iterator[tuple[Any, str]]:
    """Id and name of each category that has both."""
    for place, entry in categories:
        if isinstance(entry.get("name"), str) and entry["name"] and _is_id(entry.get("id")):
            yield entry["id"], entry["name"]
        else:
            problems.append(f"{place}: must have an id and a name")


def _images(entries: Iterable[Entry], folder: Path, problems: list[str]) -> Iterator[tuple[Any, FoundImage]]:
    """Each image that names its file, preceded by its id."""
    for place, entry in entries:
        file_name = entry.get("file_name")
        if isinstance(file_name, str) and file_name and _is_id(entry.get("id")):
            yield entry["id"], FoundImage(folder / file_name, place, claimed=_size(entry))
        else:
            problems.append(f"{place}: must have an id and a file_name")


def _references(
    annotations: Iterable[Entry], images: Container[Any], categories: Container[Any], problems: list[str]
) -> Iterator[Entry]:
    """Each annotation whose image and category exist."""
    for place, entry in annotations:
        image, category = entry.get("image_id"), entry.get("category_id")
        if not _is_id(image) or image not in images:
            problems.append(f"{place}: image_id {image!r} is not the id of an image")
        elif not _is_id(category) or category not in categories:
            problems.append(f"{place}: category_id {category!r} is not the id of a category")
        else:
            yield place, entry


def _section(document: object, name: str, path: Path, problems: list[str]) -> list[Entry]:
    entries = document.get(name) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        problems.append(f"{path}: has no list {name!r}")
        return []
    named = [(f"{path}: {name}[{index}]", entry) for index, entry in enumerate(entries)]
    problems += [f"{place}: must be an object" for place, entry in named if not isinstance(entry, dict)]
    return [(place, entry) for place, entry in named if isinstance(entry, dict)]


def _is_id(value: object) -> bool:
    return isinstance(value, int | str)


def _size(entry: dict[str, Any]) -> tuple[float, float] | None:
    sides = entry.get("width"), entry.get("height")
    return (sides[0], sides[1]) if all(isinstance(side, int | float) and side for side in sides) else None  # type: ignore[return-value]


def _all_fractions(boxes: Iterable[object]) -> bool:
    numbers = [number for bbox in boxes if isinstance(bbox, list) for number in bbox]
    return bool(numbers) and all(isinstance(number, int | float) and number <= 1 + ROUNDING_TOLERANCE for number in numbers)


def _box(bbox: object, pixels: bool) -> PixelBox | Box:
    if not pixels:
        bbox = cut_to_image(bbox)
        problem = bbox_problem(bbox)
        if problem is not None:
            raise ValueError(problem)
        assert isinstance(bbox, list)
        return fitted((bbox[0], bbox[1], bbox[2], bbox[3]))
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError("bbox must be four numbers [left, top, width, height], in pixels")
    left, top, width, height = (number(str(value)) for value in bbox)
    return PixelBox(left, top, left + width, top + height)
