"""What the columns of a CSV file mean. Their names are compared in lower case, without blanks, `_`, `-` and `.`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from vision_customization.customization.convert.labelled import number

FILE_COLUMNS = ("file_name", "filename", "file", "image", "path", "image_name", "image_path", "image_file")
TAG_COLUMNS = ("tag", "label", "class", "category", "tag_name", "label_name", "class_name", "category_name")

SPLIT_COLUMNS = ("split", "set", "subset", "partition")

CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
    ("xtl", "ytl", "xbr", "ybr"),
)
STARTS = (("left", "top"), ("x", "y"), ("xmin", "ymin"), ("x1", "y1"))
CENTRES = (("xcenter", "ycenter"), ("xcentre", "ycentre"), ("centerx", "centery"), ("centrex", "centrey"), ("cx", "cy"))
SIZES = (("w", "h"), ("width", "height"))
BOX_PREFIXES = ("bbox", "bndbox", "box", "")
LIST_COLUMNS = ("bbox", "box", "boundingbox")
IMAGE_SIZES = (
    ("imagewidth", "imageheight"),
    ("imgwidth", "imgheight"),
    ("imagew", "imageh"),
    ("imgw", "imgh"),
    *reversed(SIZES),
)

EXPECTED = "xmin, ymin, xmax, ymax; or left, top, width, height; or x, y, width, height; or x_center, y_center, width, height"

_PART_OF_BOX = re.compile(
    r"[xy]\d*|[xy](min|max|cent(er|re)|tl|br)|c[xy]|cent(er|re)[xy]|left|top|right|bottom"
    r"|(bbox|bndbox|boundingbox)\w*|box(x|y|w|h|width|height|left|top|right|bottom)?|rect(angle)?"
    r"|polygons?|segmentations?|points|rle|encodedpixels|regionshapeattributes"
)
_ANGLES = frozenset({"angle", "rotation", "theta"})
_SIZE_NAMES = frozenset({"w", "h", "width", "height"})


class Shape(Enum):
    """What the four numbers of a box are."""

    CORNERS = auto()
    START_AND_SIZE = auto()
    CENTRE_AND_SIZE = auto()


@dataclass(frozen=True, slots=True)
class BoxColumns:
    """The columns of a box: four, or one with a list of four numbers."""

    shape: Shape
    columns: tuple[str, ...]

    def numbers(self, fields: Mapping[str, str]) -> tuple[float, float, float, float] | None:
        """The four numbers of a row; None if all its fields are empty.

        Raises:
            ValueError
        """
        if not any(fields[column] for column in self.columns):
            return None
        if len(self.columns) == 1:
            return _listed(self.columns[0], fields[self.columns[0]])
        numbers = []
        for column in self.columns:
            try:
                numbers.append(number(fields[column]))
            except ValueError as error:
                raise ValueError(f"{column}: {error}") from None
        return numbers[0], numbers[1], numbers[2], numbers[3]


@dataclass(frozen=True, slots=True)
class Columns:
    """The names, as they stand in the file, of the columns that are read."""

    file: str
    tag: str
    box: BoxColumns | None
    image_size: tuple[str, str] | None
    split: str | None


def read_columns(names: Sequence[str]) -> Columns:
    """Find out what the columns mean.

    Raises:
        ValueError: one is missing, two mean the same, or some look like parts of a box and are not understood.
    """
    by_key: dict[str, str] = {}
    for name in names:
        key = column_key(name)
        if key in by_key and _has_meaning(key):
            twice = f"{by_key[key]!r} and {name!r}" if by_key[key] != name else f"{name!r} twice"
            raise ValueError(f"has the columns {twice}. Rename or delete one of them")
        by_key.setdefault(key, name)
    file, tag = _only(by_key, FILE_COLUMNS, names), _only(by_key, TAG_COLUMNS, names)
    box = _box(by_key)
    used = {column_key(column) for column in (file, tag, *(box.columns if box else ()))}
    size = _image_size({key: name for key, name in by_key.items() if key not in used})
    used |= {column_key(column) for column in size or ()}
    odd = [
        name
        for key, name in by_key.items()
        if key not in used and (_PART_OF_BOX.fullmatch(key) or (box is not None and (key in _ANGLES or key in _SIZE_NAMES)))
    ]
    if odd:
        advice = f"A box is {EXPECTED}; or one column bbox with a list of left, top, width and height"
        besides = f", besides {', '.join(box.columns)}" if box else ""
        listed = ", ".join(map(repr, odd))
        raise ValueError(
            f"it is unclear what {listed} stands for{besides}: that looks like part of a box. {advice}. "
            "Rename or delete the others"
        )
    split = next((by_key[key] for key in SPLIT_COLUMNS if key in by_key), None)
    return Columns(file, tag, box, size, split)


def column_key(name: str) -> str:
    """The name as it is compared: without letter case and separators."""
    return re.sub(r"[\s_.\-]", "", name.lower())


def _has_meaning(key: str) -> bool:
    known = {column_key(name) for name in (*FILE_COLUMNS, *TAG_COLUMNS)} | _SIZE_NAMES
    return key in known or _PART_OF_BOX.fullmatch(key) is not None


def _only(by_key: Mapping[str, str], accepted: Sequence[str], names: Sequence[str]) -> str:
    found = [by_key[key] for key in dict.fromkeys(map(column_key, accepted)) if key in by_key]
    if not found:
        others = ", ".join(accepted[1:])
        raise ValueError(f"has no column {accepted[0]!r} (or {others}). Its columns: {', '.join(names) or 'none'}")
    if len(found) > 1:
        listed = " and ".join(map(repr, found))
        raise ValueError(f"the columns {listed} could each be the {accepted[0]}. Rename or delete all but one of them")
    return found[0]


def _box(by_key: Mapping[str, str]) -> BoxColumns | None:
    for prefix in BOX_PREFIXES:
        for shape, keys in _layouts():
            prefixed = [prefix + key for key in keys]
            if all(key in by_key for key in prefixed):
                return BoxColumns(shape, tuple(by_key[key] for key in prefixed))
    column = next((by_key[key] for key in LIST_COLUMNS if key in by_key), None)
    return BoxColumns(Shape.START_AND_SIZE, (column,)) if column is not None else None


def _layouts() -> Iterator[tuple[Shape, tuple[str, ...]]]:
    for corners in CORNERS:
        yield Shape.CORNERS, corners
    for shape, starts in ((Shape.START_AND_SIZE, STARTS), (Shape.CENTRE_AND_SIZE, CENTRES)):
        for size in SIZES:
            for start in starts:
                yield shape, (*start, *size)


def _image_size(by_key: Mapping[str, str]) -> tuple[str, str] | None:
    return next(
        ((by_key[width], by_key[height]) for width, height in IMAGE_SIZES if width in by_key and height in by_key), None
    )


def _listed(column: str, text: str) -> tuple[float, float, float, float]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = re.split(r"[\s,;]+", text.strip("[](){} \t"))
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError(f"{column}: {text!r} must be four numbers: left, top, width, height")
    try:
        left, top, width, height = (number(value if isinstance(value, str) else json.dumps(value)) for value in values)
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None
    return left, top, width, height
