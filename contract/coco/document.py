"""COCO annotation files: their data types, reading, and violations.

The rules are in `rules`. Nothing here touches an image file.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, overload

from vision_customization.contract.coco.columns import Integers, Texts
from vision_customization.contract.names import printable

if TYPE_CHECKING:
    from pathlib import Path


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that is broken at one place: `train.json: annotations[17] (id 18): bbox …`.

    `section` and `index` point into the file (`annotations`, 17; the first is 0), `id` is the entry's own id, if it has one.
    """

    file: str
    message: str
    section: str | None = None
    index: int | None = None
    id: object = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = self.file
        if self.section is not None:
            place += f": {self.section}" + (f"[{self.index}]" if self.index is not None else "")
        if self.id is not None:
            place += f" (id {self.id})"
        return printable(f"{place}: {self.message}")

    def to_json(self) -> dict[str, Any]:
        return {
            "severity": self.severity.value,
            "file": self.file,
            "section": self.section,
            "index": self.index,
            "id": self.id,
            "message": self.message,
        }


Box = tuple[float, float, float, float]
"""`[left, top, width, height]` as fractions 0…1 of the image's size."""

_NO_BOX = (0.0, 0.0, 0.0, 0.0)


@dataclass(slots=True)
class CocoImage:
    """An entry of `images`. `width` and `height` are pixels, as claimed; `url` is `absolute_url`, or else `coco_url`."""

    index: int
    id: int
    width: float
    height: float
    file_name: str
    url: str | None


@dataclass(slots=True)
class CocoAnnotation:
    """An entry of `annotations`; a classification has no box."""

    index: int
    id: int
    image_id: int
    category_id: int
    box: Box | None


class CocoImages(Sequence[CocoImage]):
    """Images in columns; each is made when it is looked at."""

    __slots__ = ("_file_names", "_heights", "_index", "_sides", "_urls", "_widths", "ids")

    def __init__(self) -> None:
        self._index = array("q")
        self.ids = Integers()
        self._widths: list[float] = []
        self._heights: list[float] = []
        self._sides: dict[tuple[type, float], float] = {}
        """Each side once: datasets have few different ones. 640 and 640.0 are two, since messages show them."""
        self._file_names = Texts()
        self._urls: list[str | None] = []

    def append(self, image: CocoImage) -> None:
        self._index.append(image.index)
        self.ids.append(image.id)
        self._widths.append(self._sides.setdefault((type(image.width), image.width), image.width))
        self._heights.append(self._sides.setdefault((type(image.height), image.height), image.height))
        self._file_names.append(image.file_name)
        self._urls.append(image.url)

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, index: int) -> CocoImage: ...
    @overload
    def __getitem__(self, index: slice) -> list[CocoImage]: ...
    def __getitem__(self, index: int | slice) -> CocoImage | list[CocoImage]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        sides = self._widths[index], self._heights[index]
        return CocoImage(self._index[index], self.ids[index], *sides, self._file_names[index], self._urls[index])


class CocoAnnotations(Sequence[CocoAnnotation]):
    """Annotations in columns; each is made when it is looked at."""

    __slots__ = ("_boxes", "_index", "category_ids", "ids", "image_ids")

    def __init__(self, annotations: Iterable[CocoAnnotation] = ()) -> None:
        self._index = array("q")
        self.ids = Integers()
        self.image_ids = Integers()
        self.category_ids = Integers()
        self._boxes = array("d")
        """Four numbers for each, of width 0 where there is no box; empty if there is none at all."""
        for annotation in annotations:
            self.append(annotation)

    def append(self, annotation: CocoAnnotation) -> None:
        if annotation.box is not None and not self._boxes:
            self._boxes = array("d", bytes(8 * 4 * len(self)))
        self._index.append(annotation.index)
        self.ids.append(annotation.id)
        self.image_ids.append(annotation.image_id)
        self.category_ids.append(annotation.category_id)
        if annotation.box is not None:
            self._boxes.extend(annotation.box)
        elif self._boxes:
            self._boxes.extend(_NO_BOX)

    def entry(self, position: int) -> int:
        """Which entry of the file an annotation is."""
        return self._index[position]

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, index: int) -> CocoAnnotation: ...
    @overload
    def __getitem__(self, index: slice) -> list[CocoAnnotation]: ...
    def __getitem__(self, index: int | slice) -> CocoAnnotation | list[CocoAnnotation]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        box = self._boxes[4 * index : 4 * index + 4]
        return CocoAnnotation(
            self._index[index],
            self.ids[index],
            self.image_ids[index],
            self.category_ids[index],
            (box[0], box[1], box[2], box[3]) if box and box[2] else None,
        )


@dataclass(slots=True)
class CocoFile:
    """An annotation file that satisfies all rules; `categories` is id → name."""

    name: str
    images: CocoImages
    annotations: CocoAnnotations
    categories: dict[int, str]

    def labels(self) -> Iterator[list[CocoAnnotation]]:
        """The annotations of each image, in the order of the images; those of an image in the order of the file."""
        starts = array("Q", [0]) * (len(self.images) + 2)
        for image_id in self.annotations.image_ids:
            starts[image_id + 1] += 1
        for id_ in range(1, len(starts)):
            starts[id_] += starts[id_ - 1]
        ends = starts[:]
        by_image = array("Q", [0]) * len(self.annotations)
        for position, image_id in enumerate(self.annotations.image_ids):
            by_image[ends[image_id]] = position
            ends[image_id] += 1
        for id_ in self.images.ids:
            yield [self.annotations[position] for position in by_image[starts[id_] : ends[id_]]]


def read_json(path: Path, name: str) -> tuple[Any, Violation | None]:
    """The JSON of a file, or why it can't be read: with line and column if the text is not JSON."""
    try:
        return parse_json(path.read_bytes(), name)
    except FileNotFoundError:
        return None, Violation(name, f"no such annotation file: {path}")
    except OSError as error:
        return None, Violation(name, f"can't be read: {error.strerror or error}")


def parse_json(data: bytes, name: str) -> tuple[Any, Violation | None]:
    try:
        return json.loads(data.decode("utf-8-sig")), None
    except UnicodeDecodeError as error:
        return None, Violation(name, f"is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}")
    except json.JSONDecodeError as error:
        return None, Violation(name, f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}")
    except ValueError:
        return None, Violation(name, "is not an annotation file: it has a number with thousands of digits")
    except RecursionError:
        return None, Violation(name, "is not an annotation file: it is nested too deeply")
