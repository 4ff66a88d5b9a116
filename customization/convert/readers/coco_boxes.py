"""Standard COCO: boxes in pixels, ids of any kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Any

from vision_customization.contract.coco.boxes import ROUNDING_TOLERANCE, bbox_problem, cut_to_image, is_crowd, shown_as_json
from vision_customization.contract.coco.document import Box
from vision_customization.contract.coco.streamed import LIST, open_document
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.names import name_text_fault
from vision_customization.customization.convert.labelled import (
    CLIPPED,
    FoundImage,
    LabelledImages,
    PixelBox,
    Progress,
    finish,
    fitted,
    number,
    remark_on_namesakes,
)
from vision_customization.customization.convert.masks import coco_edges
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.convert.sources.image_folder import ImageFolder
from vision_customization.customization.convert.sources.splits import sides, splits_by_folder
from vision_customization.customization.convert.sources.units import Numbers, in_pixels
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed

Entry = tuple[str, dict[str, Any]]
"""An object of a section, preceded by its place for error messages."""

Id = int | str
ID_DIGITS_MAX = 18
"""A longer number is kept as text, which serves as well."""


def read_coco(
    path: Path,
    images: Path | None = None,
    *,
    pixels: bool = True,
    cache: DigestCache | None = None,
    on_progress: Progress | None = None,
) -> LabelledImages:
    """Read images for object detection, or for classification if no annotation has a `bbox` or a `segmentation`.

    An object without a `bbox` gets the bounds of its `segmentation`. Folders `train`, `valid` and `test` in the names of files
    are the source's own split.

    Args:
        path: the COCO file. Crowds (`iscrowd`) are left out: the contract does not have them. Ids that are whole numbers are
            the same as text and as number: 1, 1.0 and "1".
        images: the folder that `file_name` is relative to; by default the file's folder. If it is given, absolute paths of
            another machine are looked up by their ends.
        pixels: whether a `bbox` is in pixels, as COCO has it, or in fractions, as the contract has it.

    Raises:
        ConversionFailed
    """
    document, unreadable = open_document(path, str(path))
    if unreadable is not None:
        raise ConversionFailed([str(unreadable)])
    problems: list[str] = []
    remarks = Remarks()
    images_of, categories, annotations = (
        _section(document, name, path, problems) for name in ("images", "categories", "annotations")
    )
    remarks.sees(What.IMAGE, len(images_of))
    remarks.sees(What.LABEL, len(annotations))
    tags = _tags(categories, problems)
    remark_on_namesakes(tags.values(), remarks)
    found = _images(images_of, ImageFolder(images or path.parent, anywhere=images is not None), problems, remarks)
    boxed = any(entry.get("bbox") or entry.get("segmentation") for _, entry in annotations)
    objects = _objects(annotations, problems, remarks)
    if len(annotations) and not any(objects) and not problems:
        advice = "If they are single objects, set iscrowd to 0"
        problems.append(f"{path}: {_all_crowds(len(annotations))}, which are left out: nothing remains. {advice}")
    single = compress(annotations, objects)
    labels = list(_labels(single, found, tags, problems, boxed=boxed))
    if boxed:
        _add_boxes(path, labels, problems, remarks, pixels=pixels)
    else:
        for label in labels:
            label.image.add(label.tag, None, label.place)
    kind = AnnotationKind.IMAGE_OBJECT_DETECTION if boxed else AnnotationKind.IMAGE_CLASSIFICATION
    items = {item.path: item for item in found.values() if item is not None}
    for image, testing in sides(splits_by_folder(items, images or path.parent, path), remarks).items():
        items[image].testing = testing
    return finish(kind, list(tags.values()), items.values(), problems, cache, on_progress, remarks)


@dataclass(frozen=True, slots=True)
class _Label:
    """A label with its image. `bbox` is `[left, top, width, height]` in the file's unit, as it is in the file. Of a `mask` it
    is computed, and in pixels if the mask is made of pixels."""

    place: str
    image: FoundImage
    tag: str
    bbox: object = None
    of_mask: bool = False
    in_pixels: bool = False


class _Section:
    """Place and object of each entry of a section, which are read from the file each time."""

    def __init__(self, path: Path, name: str, entries: Iterable[Any]) -> None:
        self._path = path
        self._name = name
        self._entries = entries
        self._objects = sum(1 for entry in entries if isinstance(entry, dict))

    def __len__(self) -> int:
        return self._objects

    def __iter__(self) -> Iterator[Entry]:
        for index, entry in enumerate(self._entries):
            if isinstance(entry, dict):
                yield f"{self._path}: {self._name}[{index}]", entry


def _section(document: object, name: str, path: Path, problems: list[str]) -> _Section:
    entries = document.get(name) if isinstance(document, dict) else None
    if not isinstance(entries, LIST):
        problems.append(f"{path}: has no list {name!r}")
        return _Section(path, name, [])
    section = _Section(path, name, entries)
    if len(section) < len(entries):
        wrong = (index for index, entry in enumerate(entries) if not isinstance(entry, dict))
        problems += [f"{path}: {name}[{index}]: must be an object" for index in wrong]
    return section


def _tags(categories: Iterable[Entry], problems: list[str]) -> dict[Id, str]:
    """Name of each category that has an id and a name."""
    tags: dict[Id, str] = {}
    places: dict[Id, str] = {}
    for place, entry in categories:
        id_, name = _id(entry.get("id")), entry.get("name")
        if id_ is None or not isinstance(name, str) or not name:
            problems.append(f"{place}: must have an id and a name")
        elif id_ in tags:
            problems.append(f"{place}: id {shown_as_json(entry['id'])} is already used by {places[id_]} ({tags[id_]!r})")
        elif fault := name_text_fault(name):
            problems.append(f"{place}: the name {name!r} {fault}")
        else:
            tags[id_], places[id_] = name, place
    return tags


def _images(
    entries: Iterable[Entry], folder: ImageFolder, problems: list[str], remarks: Remarks
) -> dict[Id, FoundImage | None]:
    """Each image by its id; None where its file is not found, which is a problem already. Entries of one file are one image."""
    found: dict[Id, FoundImage | None] = {}
    places: dict[Id, str] = {}
    named: dict[Path, tuple[str, FoundImage]] = {}
    for place, entry in entries:
        id_, file_name = _id(entry.get("id")), entry.get("file_name")
        if id_ is None or not isinstance(file_name, str) or not file_name:
            problems.append(f"{place}: must have an id and a file_name")
            continue
        if id_ in found:
            problems.append(f"{place}: id {shown_as_json(entry['id'])} is already used by {places[id_]}")
            continue
        places[id_] = place
        found[id_] = None
        try:
            path = folder.find(file_name)
        except ValueError as error:
            problems.append(f"{place}: {error}")
            continue
        item = FoundImage(path, place, claimed=_size(entry))
        other, first = named.setdefault(path, (file_name, item))
        found[id_] = first
        if other != file_name:
            problems.append(f"{place}: {file_name} and {other} are both {path}. Name the folder that has both with `--images`")
        elif first.claimed != item.claimed:
            problems.append(f"{place}: {file_name} has another width and height than in {first.place}")
        elif first is not item:
            remarks.left_out(What.IMAGE, "is listed already, under another id: that entry gets its labels", place)
    return found


def _objects(annotations: Iterable[Entry], problems: list[str], remarks: Remarks) -> bytearray:
    """For each annotation, whether it is a single object: 1, or else 0."""
    single = bytearray()
    for place, entry in annotations:
        single.append(0)
        try:
            crowd = is_crowd(entry)
        except ValueError as error:
            problems.append(f"{place}: {error}")
            continue
        if crowd:
            remarks.left_out(What.LABEL, "is a crowd (iscrowd) and not a single object", place)
        else:
            single[-1] = 1
    return single


def _labels(
    objects: Iterable[Entry],
    images: Mapping[Id, FoundImage | None],
    tags: Mapping[Id, str],
    problems: list[str],
    *,
    boxed: bool,
) -> Iterator[_Label]:
    """The label of each annotation whose image and category exist."""
    for place, entry in objects:
        image_id, category_id = _id(entry.get("image_id")), _id(entry.get("category_id"))
        if image_id is None or image_id not in images:
            problems.append(f"{place}: image_id {shown_as_json(entry.get('image_id'))} is not the id of an image")
        elif category_id is None or category_id not in tags:
            problems.append(f"{place}: category_id {shown_as_json(entry.get('category_id'))} is not the id of a category")
        elif (image := images[image_id]) is not None:
            label = _Label(place, image, tags[category_id])
            try:
                yield _with_box(label, entry) if boxed else label
            except ValueError as error:
                problems.append(f"{place}: {error}")


def _with_box(label: _Label, entry: Mapping[str, Any]) -> _Label:
    """The label with the box of its annotation. Raises ValueError."""
    bbox, segmentation = entry.get("bbox"), entry.get("segmentation")
    if bbox or not segmentation:
        return replace(label, bbox=bbox)
    edges = coco_edges(segmentation)
    if edges is None:
        raise ValueError("has no bbox, and its segmentation is empty")
    left, top, right, bottom = edges
    if isinstance(segmentation, dict):
        height, width = segmentation["size"]
        if label.image.claimed not in (None, (width, height)):
            claimed = " × ".join(f"{side:g}" for side in label.image.claimed or ())
            raise ValueError(f"its mask is {width} × {height} px, but its image's width and height say {claimed}")
        label.image.claimed = (width, height)
    return replace(label, bbox=[left, top, right - left, bottom - top], of_mask=True, in_pixels=isinstance(segmentation, dict))


def _add_boxes(path: Path, labels: Sequence[_Label], problems: list[str], remarks: Remarks, *, pixels: bool) -> None:
    """Give each image its boxes."""
    told = [(label.place, numbers) for label in labels if not label.in_pixels and (numbers := _numbers(label.bbox)) is not None]
    mixed: list[str] = []
    if pixels and told and not in_pixels(told, mixed):
        raise ConversionFailed(
            [f"{path}: most boxes have no number over 1, so they are fractions, not pixels. Use `--from coco`"]
        )
    if pixels:
        problems += mixed
    for label in labels:
        try:
            if pixels or label.in_pixels or (label.of_mask and _are_pixels(label.bbox)):
                box, clipped = _pixel_box(label.bbox), False  # clipped later, when the image's size is known
            else:
                box, clipped = _fractions(label.bbox)
        except ValueError as error:
            problems.append(f"{label.place}: {error}")
            continue
        label.image.add(label.tag, box, label.place)
        if label.of_mask:
            remarks.changed(What.LABEL, "has no bbox, so the bounds of its segmentation count", label.place)
        if clipped:
            remarks.changed(What.LABEL, CLIPPED, label.place)


def _pixel_box(bbox: object) -> PixelBox | Box:
    numbers = _numbers(bbox)
    if numbers is None:
        raise ValueError("bbox must be four numbers [left, top, width, height], in pixels")
    left, top, width, height = numbers
    return PixelBox(left, top, left + width, top + height)


def _fractions(bbox: object) -> tuple[PixelBox | Box, bool]:
    cut = cut_to_image(bbox)
    if problem := bbox_problem(cut):
        raise ValueError(problem)
    assert isinstance(cut, list)
    return fitted((cut[0], cut[1], cut[2], cut[3])), cut is not bbox


def _numbers(bbox: object) -> Numbers | None:
    """The four numbers of a bbox, which some tools write as text."""
    if not isinstance(bbox, list) or len(bbox) != 4 or any(isinstance(value, bool) for value in bbox):
        return None
    try:
        left, top, width, height = (number(value if isinstance(value, str) else shown_as_json(value)) for value in bbox)
    except ValueError:
        return None
    return left, top, width, height


def _are_pixels(bbox: object) -> bool:
    numbers = _numbers(bbox)
    return numbers is not None and max(numbers) > 1 + ROUNDING_TOLERANCE


def _all_crowds(count: int) -> str:
    return "the annotation is a crowd (iscrowd)" if count == 1 else f"all {count:,} annotations are crowds (iscrowd)"


def _id(value: object) -> Id | None:
    """An id, the same for 1, 1.0 and "1"; None if the value can't be one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= ID_DIGITS_MAX:
        return int(value) if str(int(value)) == value else value
    return value


def _size(entry: dict[str, Any]) -> tuple[float, float] | None:
    width, height = entry.get("width"), entry.get("height")
    if any(isinstance(side, bool) or not isinstance(side, int | float) or not side for side in (width, height)):
        return None
    return width, height  # type: ignore[return-value]
