"""YOLO: one text file per image, one line per object: `class centre-x centre-y width height`, in fractions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import (
    FoundImage,
    LabelledImages,
    Progress,
    finish,
    fitted,
    image_files,
    number,
)
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed

NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
YAML_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
OUTSIDE_TOLERANCE = 0.005
"""As a fraction of the image's side: rounding to few digits can push a box over the edge."""


def read_yolo(source: Path, cache: DigestCache | None = None, on_progress: Progress | None = None) -> LabelledImages:
    """Read images for object detection.

    Names come from `data.yaml` (`names`, a list or a map) or `classes.txt` (one name per line). The labels of an image are in
    the text file of its name: beside it, or in `labels` if the image is in `images`. A line of more than five numbers is an
    outline, of which the bounding box is used. An image without a text file has no labels.

    Raises:
        ConversionFailed
    """
    names = _names(source)
    problems: list[str] = []
    found = []
    for path in image_files(source):
        item = FoundImage(path, str(path))
        labels = _label_file(path, source)
        if labels is not None:
            _read(labels, item, names, problems)
        found.append(item)
    if found and not problems and not any(item.labels for item in found):
        problems.append(f"{source}: no image has a label file (images/a.jpg → labels/a.txt, or a.txt beside it)")
    return finish(AnnotationKind.IMAGE_OBJECT_DETECTION, list(names.values()), found, problems, cache, on_progress)


def _read(path: Path, item: FoundImage, names: dict[int, str], problems: list[str]) -> None:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: can't be read: {error}")
        return
    for line_number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{path}:{line_number}"
        try:
            tag, box = _label(line.split(), names)
        except ValueError as error:
            problems.append(f"{place}: {error}")
        else:
            item.add(tag, box, place)


def _label(fields: list[str], names: dict[int, str]) -> tuple[str, Box]:
    if len(fields) != 5 and (len(fields) < 7 or len(fields) % 2 == 0):
        raise ValueError(f"has {len(fields)} fields, expected 5: class, centre x, centre y, width, height")
    if not fields[0].isdecimal():
        raise ValueError(f"class is {fields[0]!r}, must be a number from 0")
    if int(fields[0]) not in names:
        raise ValueError(f"class {fields[0]} has no name: there are names for {len(names)} classes, from 0")
    numbers = [number(field) for field in fields[1:]]
    if len(numbers) == 4:
        x, y, width, height = numbers
        left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    else:
        left, top, right, bottom = min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    if min(left, top) < -OUTSIDE_TOLERANCE or max(right, bottom) > 1 + OUTSIDE_TOLERANCE:
        shown = " ".join(fields[1:5])
        hint = ". These look like pixels" if max(numbers) > 2 else ""
        raise ValueError(f"box {shown} is outside the image: must be fractions from 0 to 1{hint}")
    left, top, right, bottom = max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)
    if right <= left or bottom <= top:
        raise ValueError(f"box {' '.join(fields[1:5])} is empty")
    return names[int(fields[0])], fitted((left, top, right - left, bottom - top))


def _label_file(image: Path, source: Path) -> Path | None:
    inner = image.relative_to(source).with_suffix(".txt")
    candidates = [source / inner]
    for index, part in enumerate(inner.parts):
        if part == "images":
            candidates.append(source.joinpath(*inner.parts[:index], "labels", *inner.parts[index + 1 :]))
    return next((path for path in candidates if path.is_file() and path.name not in NAME_FILES), None)


def _names(source: Path) -> dict[int, str]:
    for name in YAML_FILES:
        if (source / name).is_file():
            return _yaml_names(source / name)
    for name in NAME_FILES:
        if (source / name).is_file():
            lines = (line.strip() for line in (source / name).read_text("utf-8-sig").splitlines())
            return dict(enumerate(line for line in lines if line))
    raise ConversionFailed([f"{source}: has neither data.yaml nor classes.txt. One of them must name the classes"])


def _yaml_names(path: Path) -> dict[int, str]:
    import yaml  # type: ignore[import-untyped]

    try:
        # Only strings: otherwise YAML would turn a class `1.10` into 1.1, and `no` into False.
        document: Any = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - it creates only strings
        names: Any = document["names"]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConversionFailed([f"{path}{line}: is not YAML"]) from None
    except (KeyError, TypeError, UnicodeDecodeError):
        raise ConversionFailed([f"{path}: has no `names`"]) from None
    if isinstance(names, list):
        return {index: str(name) for index, name in enumerate(names)}
    if isinstance(names, dict) and all(str(index).isdecimal() for index in names):
        return {int(index): str(names[index]) for index in sorted(names, key=int)}
    raise ConversionFailed([f"{path}: `names` must be a list of names, or a map from class number to name"])
