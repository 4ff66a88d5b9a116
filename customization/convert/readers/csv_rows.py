"""CSV: one row per label."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vision_customization.contract.coco.boxes import bbox_problem, cut_to_image
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import (
    CLIPPED,
    FoundImage,
    LabelledImages,
    PixelBox,
    Progress,
    finish,
    fitted,
    number,
)
from vision_customization.customization.convert.readers.csv_columns import Columns, Shape, read_columns
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.convert.sources.image_folder import ImageFolder
from vision_customization.customization.convert.sources.label_text import read_text
from vision_customization.customization.convert.sources.splits import sides, split_of, splits_by_folder
from vision_customization.customization.convert.sources.units import Numbers, in_pixels
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

SPLITS_SHOWN = 3

_SEPARATOR_LINE = re.compile(r"sep=([,;|\t])\r?\n", re.IGNORECASE)
"""What Excel writes before the header, or reads there."""


def read_csv(
    path: Path, images: Path | None = None, cache: DigestCache | None = None, on_progress: Progress | None = None
) -> LabelledImages:
    """Read images for object detection if there are box columns, else for classification.

    The first row names the columns, in any order, case-insensitive; `csv_columns` has their names. Other columns are ignored,
    unless they look like parts of a box. Boxes are in pixels or in fractions, which the numbers tell. A column such as `split`,
    or folders `train`, `valid` and `test`, are the source's own split.

    Args:
        path: the CSV file, in UTF-8, or in UTF-16 with a byte order mark; separated by commas, semicolons or tabs.
        images: the folder that file names are relative to; by default the CSV file's folder. If it is given, absolute paths
            of another machine are looked up by their ends.

    Raises:
        ConversionFailed
    """
    rows = _reader(read_text(path))
    problems: list[str] = []
    labels: list[_Label] = []
    reader = _Rows(path, ImageFolder(images or path.parent, anywhere=images is not None), problems)
    kind = AnnotationKind.IMAGE_CLASSIFICATION
    try:
        names = [name.strip() for name in next(rows, [])]
        try:
            columns = read_columns(names)
        except ValueError as error:
            raise ConversionFailed([f"{path}:{max(rows.line_num, 1)}: {error}"]) from None
        if columns.box is not None:
            kind = AnnotationKind.IMAGE_OBJECT_DETECTION
        labels = [label for row in rows if (label := reader.label(row, rows.line_num, names, columns)) is not None]
    except csv.Error as error:
        problems.append(f"{path}:{rows.line_num}: not valid CSV: {error}")
    remarks = Remarks()
    pixels = in_pixels(((label.place, label.numbers) for label in labels if label.numbers is not None), problems)
    for label in labels:
        try:
            box, clipped = _box(label, columns.box.shape, pixels) if columns.box is not None else (None, False)
        except ValueError as error:
            problems.append(f"{label.place}: {error}")
            continue
        label.image.add(label.tag, box, f"{label.place} ({label.tag})")
        if clipped:
            remarks.changed(What.LABEL, CLIPPED, label.place)
    for image, testing in reader.sides(remarks).items():
        reader.found[image].testing = testing
    remarks.sees(What.IMAGE, len(reader.names))
    remarks.sees(What.LABEL, reader.tagged)
    tags = sorted({label.tag for label in labels})
    return finish(kind, tags, reader.found.values(), problems, cache, on_progress, remarks)


@dataclass(frozen=True, slots=True)
class _Label:
    image: FoundImage
    tag: str
    place: str
    numbers: Numbers | None


class _Rows:
    """Reads one row at a time. `found` has the images of the rows so far. `names` are those that the rows have for images, and
    `tagged` is the number of rows with a tag."""

    def __init__(self, path: Path, folder: ImageFolder, problems: list[str]) -> None:
        self.found: dict[Path, FoundImage] = {}
        self.names = set[Path]()
        self.tagged = 0
        self._path = path
        self._folder = folder
        self._problems = problems
        self._splits: dict[Path, str] = {}
        self._paths: dict[str, Path | None] = {}
        self._names: dict[Path, str] = {}

    def label(self, row: Sequence[str], line: int, names: Sequence[str], columns: Columns) -> _Label | None:
        """The label of a row; None if it has none, or is wrong."""
        if not any(field.strip() for field in row):
            return None
        place = f"{self._path}:{line}"
        try:
            fields = _fields(row, names)
            self.names.add(_path(fields[columns.file]))
            self.tagged += bool(fields[columns.tag])
            item = self._image(fields[columns.file], columns.file, place)
            if item is None:
                return None
            item.claimed = _claimed(item, fields, columns) or item.claimed
            self._add_split(item, fields, columns)
            return self._label_of(item, fields, columns, place)
        except ValueError as error:
            self._problems.append(f"{place}: {error}")
            return None

    def _label_of(self, item: FoundImage, fields: dict[str, str], columns: Columns, place: str) -> _Label | None:
        tag = fields[columns.tag]
        numbers = columns.box.numbers(fields) if columns.box is not None else None
        if not tag:
            if numbers is not None and any(numbers):
                raise ValueError(f"has a box, but {columns.tag} is empty")
            return None
        if columns.box is not None and numbers is None:
            raise ValueError(f"has the tag {tag!r}, but {', '.join(columns.box.columns)} are empty")
        return _Label(item, tag, place, numbers)

    def sides(self, remarks: Remarks) -> dict[Path, bool | None]:
        """Whether each image is for testing, as the source itself says."""
        splits = {path: split_of(self._splits.get(path, "")) for path in self.found}
        if any(splits.values()):
            return sides(splits, remarks, str(self._path))
        if any(self._splits.values()):
            names = ", ".join(sorted({repr(name) for name in self._splits.values() if name})[:SPLITS_SHOWN])
            reason = "has a column for splits, but none of them is called train, valid or test"
            remarks.warn(What.FILE, reason, f"{self._path}: {names}")
        return sides(splits_by_folder(self.found, self._folder.root, self._path), remarks)

    def _add_split(self, item: FoundImage, fields: dict[str, str], columns: Columns) -> None:
        """Raises ValueError if other rows have the image in another split."""
        if columns.split is not None:
            split, former = fields[columns.split], self._splits.get(item.path, "")
            if split_of(former) is None:
                self._splits[item.path] = split or former
            elif split_of(split) not in (None, split_of(former)):
                raise ValueError(f"{columns.split} is {split!r}, but {former!r} in the rows of {fields[columns.file]} above")

    def _image(self, name: str, column: str, place: str) -> FoundImage | None:
        if not name:
            raise ValueError(f"{column} is empty")
        if name not in self._paths:
            self._paths[name] = None
            path = self._paths[name] = self._folder.find(name)
            if (other := self._names.setdefault(path, name)) != name and _path(other) != _path(name):
                raise ValueError(f"{name} and {other} are both {path}. Name the folder that has both with `--images`")
        found = self._paths[name]
        return None if found is None else self.found.setdefault(found, FoundImage(found, place))


def _fields(row: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    if len(row) != len(names):
        raise ValueError(f"has {len(row)} fields, expected {len(names)}: {', '.join(names)}")
    return {name: field.strip() for name, field in zip(names, row, strict=True)}


def _claimed(item: FoundImage, fields: dict[str, str], columns: Columns) -> tuple[float, float] | None:
    size = _size(fields, columns)
    if size is not None and item.claimed not in (None, size):
        raise ValueError(f"width and height differ from those in the rows of {fields[columns.file]} above")
    return size


def _path(name: str) -> Path:
    return Path(name.replace("\\", "/"))


def _reader(text: str) -> CsvReader:
    separator = _SEPARATOR_LINE.match(text)
    header = text.partition("\n")[0]
    delimiter = separator[1] if separator else max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    if separator:
        next(rows)
    return rows


def _size(fields: dict[str, str], columns: Columns) -> tuple[float, float] | None:
    if columns.image_size is None or columns.box is None:
        return None
    width, height = columns.image_size
    try:
        size = number(fields[width]), number(fields[height])
    except ValueError:
        return None
    # As in Pascal VOC, zeros mean that the tool does not know the size.
    return size if all(size) else None


def _box(label: _Label, shape: Shape, pixels: bool) -> tuple[PixelBox | Box, bool]:
    """The box of a label, and whether it was clipped. Raises ValueError."""
    assert label.numbers is not None
    left, top, width, height = label.numbers
    if shape is Shape.CORNERS:
        width, height = width - left, height - top
    elif shape is Shape.CENTRE_AND_SIZE:
        left, top = left - width / 2, top - height / 2
    if pixels:
        return PixelBox(left, top, left + width, top + height), False
    box = [left, top, width, height]
    cut = cut_to_image(box)
    if problem := bbox_problem(cut):
        problem = problem.partition(" (`")[0]
        if shape is not Shape.START_AND_SIZE:
            stated = ", ".join(f"{number:g}" for number in label.numbers)
            names = "left, top, right, bottom" if shape is Shape.CORNERS else "centre x, centre y, width, height"
            problem = f"the box {stated} ({names}): {problem.partition(']: ')[2]}"
        raise ValueError(problem)
    assert isinstance(cut, list)
    return fitted((cut[0], cut[1], cut[2], cut[3])), cut is not box
