"""CSV: one row per label."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vision_customization.contract.coco.boxes import bbox_problem, cut_to_image
from vision_customization.contract.coco.document import Box
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
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

FILE_COLUMNS = ("file_name", "filename", "file", "image", "path")
TAG_COLUMNS = ("tag", "label", "class", "category")
FRACTION_COLUMNS = ("left", "top", "width", "height")
PIXEL_COLUMNS = ("xmin", "ymin", "xmax", "ymax")


def read_csv(
    path: Path, images: Path | None = None, cache: DigestCache | None = None, on_progress: Progress | None = None
) -> LabelledImages:
    """Read images for object detection if there are box columns, else for classification.

    The first row names the columns, in any order, case-insensitive. Other columns are ignored:

    - `file_name` (or `filename`, `file`, `image`, `path`): relative to `images`, by default the CSV file's folder;
    - `tag` (or `label`, `class`, `category`): empty for an image without labels;
    - `left`, `top`, `width`, `height`: fractions 0…1 of the image's size; or `xmin`, `ymin`, `xmax`, `ymax`: pixels from 0;
    - `width`, `height` beside pixels: the size in pixels of the image that was labelled; empty if unknown.

    Fields are separated by commas, semicolons or tabs.

    Raises:
        ConversionFailed
    """
    folder = images or path.parent
    text = _text(path)
    header = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    problems: list[str] = []
    found: dict[str, FoundImage] = {}
    tags = set[str]()
    kind = AnnotationKind.IMAGE_CLASSIFICATION
    try:
        columns = [name.strip().lower() for name in next(rows, [])]
        file_column = _column(path, columns, FILE_COLUMNS)
        tag_column = _column(path, columns, TAG_COLUMNS)
        boxes = next((names for names in (FRACTION_COLUMNS, PIXEL_COLUMNS) if set(names) <= set(columns)), None)
        kind = AnnotationKind.IMAGE_OBJECT_DETECTION if boxes else AnnotationKind.IMAGE_CLASSIFICATION
        for place, name, fields in _rows(path, rows, columns, file_column, problems):
            item = found.setdefault(name, FoundImage(folder / name, place))
            size = _size(fields) if boxes is PIXEL_COLUMNS else None
            if size is not None and item.claimed not in (None, size):
                problems.append(f"{place}: width and height differ from those in the rows of {name} above")
                continue
            item.claimed = size or item.claimed
            if tag := fields[tag_column]:
                tags.add(tag)
                try:
                    item.add(tag, _box(fields, boxes), f"{place} ({tag})")
                except ValueError as error:
                    problems.append(f"{place}: {error}")
    except csv.Error as error:
        problems.append(f"{path}:{rows.line_num}: not valid CSV: {error}")
    return finish(kind, sorted(tags), found.values(), problems, cache, on_progress)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise ConversionFailed([f"{path}: can't be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConversionFailed([f"{path}: is not UTF-8 text"]) from None


def _rows(
    path: Path, rows: CsvReader, columns: Sequence[str], file_column: str, problems: list[str]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Place, image file and fields (by column) of each complete row; empty rows are skipped. Raises csv.Error."""
    for row in rows:
        if not any(field.strip() for field in row):
            continue
        place = f"{path}:{rows.line_num}"
        if len(row) != len(columns):
            problems.append(f"{place}: has {len(row)} fields, expected {len(columns)}: {', '.join(columns)}")
            continue
        fields = {name: field.strip() for name, field in zip(columns, row, strict=True)}
        if name := fields[file_column].replace("\\", "/"):
            yield place, name, fields
        else:
            problems.append(f"{place}: {file_column} is empty")


def _column(path: Path, columns: Sequence[str], names: Sequence[str]) -> str:
    for name in names:
        if name in columns:
            return name
    raise ConversionFailed(
        [f"{path}:1: has no column {names[0]!r} (or {', '.join(names[1:])}). Its columns: {', '.join(columns) or 'none'}"]
    )


def _size(fields: Mapping[str, str]) -> tuple[float, float] | None:
    try:
        size = number(fields.get("width")), number(fields.get("height"))
    except ValueError:
        return None
    # As in Pascal VOC, zeros mean that the tool does not know the size.
    return size if all(size) else None


def _box(fields: Mapping[str, str], names: Sequence[str] | None) -> PixelBox | Box | None:
    if names is None:
        return None
    numbers = []
    for name in names:
        try:
            numbers.append(number(fields[name]))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if names is PIXEL_COLUMNS:
        return PixelBox(*numbers)
    box = cut_to_image(numbers)
    problem = bbox_problem(box)
    if problem is not None:
        hint = f"; for pixels, name the columns {', '.join(PIXEL_COLUMNS)}" if max(numbers) > 2 else ""
        raise ValueError(problem.partition(" (`")[0] + hint)
    assert isinstance(box, list)
    return fitted((box[0], box[1], box[2], box[3]))
