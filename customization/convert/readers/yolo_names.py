"""The names of a YOLO dataset's classes, and whether its labels have keypoints."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vision_customization.customization.convert.labelled import number as as_number
from vision_customization.customization.convert.sources.label_text import read_lines, read_text
from vision_customization.customization.errors import ConversionFailed

if TYPE_CHECKING:
    from yaml.nodes import Node  # type: ignore[import-untyped]

NAME_FILES = ("classes.txt", "labels.txt", "obj.names", "_darknet.labels")
YAML_SUFFIXES = (".yaml", ".yml")
LABEL_FIELDS_MIN = 5
"""A class and a box."""

DIGITS_MAX = 9
"""Of a class number: more are a mistake."""


@dataclass(frozen=True, slots=True)
class Classes:
    """`names` by class number. `keypoint_numbers` is how many numbers the keypoints of an object have; 0 without keypoints."""

    file: Path
    names: dict[int, str]
    keypoint_numbers: int = 0


def is_label_line(fields: Sequence[str]) -> bool:
    """Whether the fields of a line are a class and a box, or more numbers."""
    try:
        return len(fields) >= LABEL_FIELDS_MIN and all(as_number(field) is not None for field in fields)
    except ValueError:
        return False


def lists_classes(path: Path, stems: Container[str]) -> bool:
    """Whether a file lists the names of classes. That of an image called `classes.jpg` has its labels.

    Args:
        stems: the names of the images, without extension.
    """
    if path.name not in NAME_FILES or path.stem not in stems:
        return path.name in NAME_FILES
    return not all(is_label_line(line.split()) for line in read_lines(path) if line.strip())


def read_classes(source: Path, stems: Container[str] = ()) -> Classes:
    """Read the class names of `data.yaml` (`names`, a list or a map), or of `classes.txt` (one name per line).

    Args:
        stems: the names of the images, without extension.

    Raises:
        ConversionFailed: no file names the classes, or two do so differently.
    """
    yaml_files = sorted(path for path in source.iterdir() if path.suffix.lower() in YAML_SUFFIXES and path.is_file())
    candidates = [read for path in yaml_files if (read := _yaml_classes(path)) is not None]
    for folder in (source, source / "labels"):
        named = [folder / name for name in NAME_FILES if (folder / name).is_file()]
        candidates += [_line_classes(path) for path in named if lists_classes(path, stems)]
    if not candidates:
        listed = ", ".join(path.name for path in yaml_files)
        unnamed = f"{listed} has no `names`" if yaml_files else "has neither data.yaml nor classes.txt"
        raise ConversionFailed([f"{source}: {unnamed}. One file must name the classes"])
    first, *others = candidates
    for other in others:
        if other.names != first.names:
            advice = "Remove the one that does not belong to the labels"
            raise ConversionFailed([f"{first.file} and {other.file} name the classes differently. {advice}"])
    return first


def _line_classes(path: Path) -> Classes:
    """A class's number is that of its line, so an empty line is a class without a name."""
    lines = (line.strip() for line in read_lines(path))
    return Classes(path, {number: name for number, name in enumerate(lines) if name})


def _yaml_classes(path: Path) -> Classes | None:
    """None if the file has no `names`: it may be of something else."""
    import yaml  # type: ignore[import-untyped]

    try:
        # Nodes and not values: these would turn a class `1.10` into 1.1, and `no` into False, and drop a number's first name.
        root = yaml.compose(read_text(path), Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConversionFailed([f"{path}{line}: is not YAML"]) from None
    except RecursionError:
        raise ConversionFailed([f"{path}: is nested too deeply"]) from None
    if not isinstance(root, yaml.MappingNode):
        return None
    entries: dict[str, Node] = {}
    for key, value in root.value:
        if (
            entries.setdefault(key.value if isinstance(key, yaml.ScalarNode) else "", value) is not value
            and key.value == "names"
        ):
            raise ConversionFailed([f"{path}:{key.start_mark.line + 1}: has `names` twice"])
    if "names" not in entries:
        return None
    names = _names(path, entries["names"])
    count = entries.get("nc")
    if isinstance(count, yaml.ScalarNode) and _is_number(count.value) and int(count.value) != len(names):
        line = count.start_mark.line + 1
        raise ConversionFailed([f"{path}:{line}: nc is {count.value}, but there are {len(names)} `names`"])
    return Classes(path, names, _keypoint_numbers(path, entries.get("kpt_shape")))


def _names(path: Path, node: Node) -> dict[int, str]:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        numbered = [(str(number), value) for number, value in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        numbered = [(key.value, value) for key, value in node.value]
    else:
        numbered = [("", node)]
    if not all(_is_number(number) for number, _ in numbered):
        raise ConversionFailed([f"{path}: `names` must be a list of names, or a map from class number to name"])
    names: dict[int, str] = {}
    for number, value in numbered:
        place = f"{path}:{value.start_mark.line + 1}"
        if not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            raise ConversionFailed([f"{place}: the name of class {number} must be text"])
        if int(number) in names:
            raise ConversionFailed([f"{place}: class {number} already has the name {names[int(number)]!r}"])
        names[int(number)] = value.value
    return dict(sorted(names.items()))


def _keypoint_numbers(path: Path, node: Node | None) -> int:
    import yaml

    if node is None:
        return 0
    numbers = [item.value for item in node.value] if isinstance(node, yaml.SequenceNode) else []
    if len(numbers) != 2 or not all(_is_number(number) for number in numbers):
        line = node.start_mark.line + 1
        raise ConversionFailed([f"{path}:{line}: kpt_shape must be [number of keypoints, numbers of each]"])
    return int(numbers[0]) * int(numbers[1])


def _is_number(text: object) -> bool:
    return isinstance(text, str) and text.isdecimal() and len(text) <= DIGITS_MAX
