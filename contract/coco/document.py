"""COCO annotation files: their data types, reading, and violations.

The rules are in `rules`. Nothing here touches an image file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

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


@dataclass(slots=True)
class CocoFile:
    """An annotation file that satisfies all rules; `categories` is id → name."""

    name: str
    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: dict[int, str]


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
