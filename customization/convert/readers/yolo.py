"""YOLO: one text file per image, one line per object: `class centre-x centre-y width height`, in fractions."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import (
    CLIPPED,
    FoundImage,
    LabelledImages,
    Progress,
    finish,
    fitted,
    number,
    remark_on_namesakes,
)
from vision_customization.customization.convert.readers.yolo_names import Classes, is_label_line, lists_classes, read_classes
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.convert.sources.label_text import read_lines
from vision_customization.customization.convert.sources.source_files import images_among, source_files
from vision_customization.customization.convert.sources.splits import sides, splits_by_folder
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed

LABEL_SUFFIXES = frozenset({".txt", ".yaml", ".yml", ".names", ".labels", ".data", ".cache"})
"""Of the files that belong to a YOLO dataset beside its images."""

OUTSIDE_TOLERANCE = 0.005
"""As a fraction of the image's side: rounding to few digits can push a box over the edge."""

ROUNDING = 1e-6
"""A box that is farther outside than this was not put there by floating point."""


def read_yolo(source: Path, cache: DigestCache | None = None, on_progress: Progress | None = None) -> LabelledImages:
    """Read images for object detection.

    Names come from `data.yaml` (`names`, a list or a map) or `classes.txt` (one name per line). The labels of an image are in
    the text file of its name: beside it, or in `labels` if the image is in `images`. A line of more than five numbers is an
    outline, of which the bounding box is used; if `data.yaml` has a `kpt_shape`, it is a box with keypoints. An image without
    a text file has no labels. Folders `train`, `valid` and `test` are the source's own split.

    Raises:
        ConversionFailed
    """
    remarks = Remarks()
    problems: list[str] = []
    files = source_files(source, remarks)
    images = images_among(files, remarks, labels=LABEL_SUFFIXES)
    stems = {path.stem for path in images}
    texts = {path for path in files if path.suffix.lower() == ".txt" and not lists_classes(path, stems)}
    remarks.sees(What.IMAGE, len(images))
    classes = read_classes(source, stems)
    labels = _LabelFiles(source, texts, problems)
    lines = {path: _lines(text, problems) for path in images if (text := labels.of(path)) is not None}
    found = _found(source, images, lines, remarks)
    outlines = any(len(line.fields) > OUTLINE_FIELDS_MIN for listed in lines.values() for line in listed)
    for item in found:
        for line in lines.get(item.path, ()):
            try:
                tag, box, clipped = _label(line.fields, classes, outlines)
            except ValueError as error:
                problems.append(f"{line.place}: {error}")
                continue
            item.add(tag, box, line.place)
            if clipped:
                remarks.changed(What.LABEL, CLIPPED, line.place)
    remarks.sees(What.LABEL, sum(len(_lines(path, [])) for path in labels.used))
    _remark_on_the_rest(source, sorted(texts - labels.used), remarks)
    if found and not problems and not any(item.labels for item in found):
        problems.append(f"{source}: no image has a label file (images/a.jpg → labels/a.txt, or a.txt beside it)")
    tags = list(classes.names.values())
    remark_on_namesakes(tags, remarks)
    return finish(AnnotationKind.IMAGE_OBJECT_DETECTION, tags, found, problems, cache, on_progress, remarks)


def _found(source: Path, images: Sequence[Path], labelled: Container[Path], remarks: Remarks) -> list[FoundImage]:
    """The images, each with the side of the source's own split that it is on. A split of which no image is labelled, as tests
    of competitions are, is left out."""
    splits = splits_by_folder(images, source)
    used = {split for path, split in splits.items() if path in labelled}
    without = {path: split for path, split in splits.items() if split is not None and used and split not in used}
    for path, split in without.items():
        remarks.left_out(What.IMAGE, f"is in the split {split!r}, in which no image has a label file", str(path))
    found = []
    for path, testing in sides({path: split for path, split in splits.items() if path not in without}, remarks).items():
        if path not in labelled:
            remarks.warn(What.IMAGE, "has no label file, so it counts as background", str(path))
        found.append(FoundImage(path, str(path), testing=testing))
    return found


@dataclass(frozen=True, slots=True)
class _Line:
    place: str
    fields: list[str]


def _lines(path: Path, problems: list[str]) -> list[_Line]:
    """The lines of a label file that are not empty."""
    try:
        lines = enumerate(read_lines(path), start=1)
    except ConversionFailed as error:
        problems += error.problems
        return []
    return [_Line(f"{path}:{line_number}", line.split()) for line_number, line in lines if line.strip()]


class _LabelFiles:
    """Finds the label file of each image. One of several images, and several of one image, are problems."""

    def __init__(self, source: Path, texts: set[Path], problems: list[str]) -> None:
        self._source = source
        self._texts = texts
        self._problems = problems
        self._images: dict[Path, Path] = {}

    @property
    def used(self) -> set[Path]:
        return set(self._images)

    def of(self, image: Path) -> Path | None:
        inner = image.relative_to(self._source).with_suffix(".txt")
        parts = inner.parts
        candidates = [self._source / inner]
        candidates += [
            self._source.joinpath(*parts[:index], "labels", *parts[index + 1 :])
            for index, part in enumerate(parts[:-1])
            if part.lower() == "images"
        ]
        existing = [path for path in candidates if path in self._texts]
        for path in existing:
            if (other := self._images.setdefault(path, image)) != image:
                self._problems.append(f"{path}: could be of {other} or of {image.name}. Rename or remove one of these images")
        if len(existing) > 1:
            which = " and ".join(map(str, existing))
            self._problems.append(f"{image}: has two label files, {which}. Remove one")
        return existing[0] if existing else None


OUTLINE_FIELDS_MIN = 7
"""A class and three points. Trackers also write as many: a box, its confidence, and the number of its track."""


def _label(fields: list[str], classes: Classes, outlines: bool) -> tuple[str, Box, bool]:
    """The tag and the box of a line, and whether the box was clipped. Raises ValueError.

    Args:
        outlines: whether the dataset has outlines of more than three points.
    """
    tag = _tag(fields[0], classes.names)
    _check_fields(fields, classes.keypoint_numbers, outlines)
    numbers = [number(field) for field in fields[1:]]
    if len(numbers) == 4 or classes.keypoint_numbers:
        x, y, width, height = numbers[:4]
        left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    else:
        left, top, right, bottom = min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    outside = max(-left, -top, right - 1, bottom - 1)
    if outside > OUTSIDE_TOLERANCE:
        shown = " ".join(fields[1:5])
        hint = ". These look like pixels" if max(numbers) > 2 else ""
        raise ValueError(f"box {shown} is outside the image: must be fractions from 0 to 1{hint}")
    left, top, right, bottom = max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)
    if right <= left or bottom <= top:
        raise ValueError(f"box {' '.join(fields[1:5])} is empty")
    return tag, fitted((left, top, right - left, bottom - top)), outside > ROUNDING


def _tag(field: str, names: Mapping[int, str]) -> str:
    try:
        value = number(field)
    except ValueError:
        value = -1.0
    if value < 0 or not value.is_integer():
        raise ValueError(f"class is {field!r}, must be a number from 0")
    if int(value) not in names:
        raise ValueError(f"class {field} has no name: there are names for {len(names)} classes, from 0")
    return names[int(value)]


def _check_fields(fields: Sequence[str], keypoint_numbers: int, outlines: bool) -> None:
    expected = "expected 5: class, centre x, centre y, width, height"
    count = len(fields)
    if keypoint_numbers:
        if count not in (5, 5 + keypoint_numbers):
            raise ValueError(f"has {count} fields, {expected}, and {keypoint_numbers} for the keypoints (kpt_shape)")
    elif count == OUTLINE_FIELDS_MIN and not outlines:
        raise ValueError(
            f"has {count} fields, {expected}. If the last two are a confidence and a track, remove them; if this is an outline "
            "of three points, repeat the last one"
        )
    elif count == 6:
        raise ValueError(f"has 6 fields, {expected}. If the last is a confidence, remove it")
    elif count != 5 and (count < OUTLINE_FIELDS_MIN or count % 2 == 0):
        raise ValueError(f"has {count} fields, {expected}")


def _remark_on_the_rest(source: Path, texts: Iterable[Path], remarks: Remarks) -> None:
    """Remark on the label files without an image; a text file of another kind is not one."""
    for path in texts:
        lines = _lines(path, [])
        if "labels" not in path.relative_to(source).parts[:-1] and not any(is_label_line(line.fields) for line in lines):
            continue
        remarks.sees(What.LABEL, len(lines))
        for line in lines:
            remarks.left_out(What.LABEL, "is in a label file without an image", line.place)
        if not lines:
            remarks.left_out(What.FILE, "has no labels, and no image", str(path))
