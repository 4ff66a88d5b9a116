"""Answers of outcomes that older engines stored, which have no arrays: read from the rows. Pure functions.

The rows lack what the arrays have below a model's own decision rule, so the lowest threshold is higher. A detector's rows do
not say which object a false detection overlaps. It is found by the boxes, which have four decimals.
"""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vision_customization.contract.judging import OutcomeKind
from vision_customization.engine.outcomes.answers import ABSENT, LOWEST, SCALE, Answers, Cells, Marks
from vision_customization.engine.outcomes.classified import BEST

_OVERLAP = 0.5
_ROUNDING = 0.05
"""How far the overlap of rounded boxes may be from the stored one."""

_STEP = 1 / SCALE


def kind_of_line(line: bytes) -> OutcomeKind:
    """What the model of this outcome answers."""
    wire = json.loads(line)
    if "objects" in wire:
        return OutcomeKind.OBJECTS
    return OutcomeKind.SEVERAL_TAGS if any("threshold" in tag for tag in wire["tags"]) else OutcomeKind.ONE_TAG


def answers_of_lines(kind: OutcomeKind, lines: Iterable[bytes], tags: Sequence[str], threshold: float | None) -> Answers:
    """The answers of outcomes, from their lines in the order of the rows.

    Args:
        tags: the model's.
        threshold: that of a detector.
    """
    reader = _Reader(tags)
    read = {
        OutcomeKind.ONE_TAG: reader.one_tag,
        OutcomeKind.SEVERAL_TAGS: reader.several_tags,
        OutcomeKind.OBJECTS: reader.objects,
    }[kind]
    images = 0
    for line in lines:
        read(images, json.loads(line))
        images += 1
    lowest = {
        OutcomeKind.ONE_TAG: LOWEST[kind],
        OutcomeKind.SEVERAL_TAGS: max(LOWEST[kind], reader.lowest),
        OutcomeKind.OBJECTS: LOWEST[kind] if threshold is None else threshold,
    }[kind]
    cells = Cells.of(*reader.cells) if kind is OutcomeKind.OBJECTS else None
    return Answers(kind, images, Marks.of(*reader.labels), Marks.of(*reader.false), round(lowest, 4), cells)


def _columns() -> tuple["array[int]", ...]:
    """Of rows, tags and confidences."""
    return array("I"), array("H"), array("H")


@dataclass
class _Reader:
    tags: Sequence[str]
    labels: tuple["array[int]", ...] = field(default_factory=_columns)
    false: tuple["array[int]", ...] = field(default_factory=_columns)
    cells: tuple["array[int]", ...] = field(default_factory=lambda: (*_columns(), array("H")))
    lowest: float = 0.0

    def __post_init__(self) -> None:
        self._position = {tag: index for index, tag in enumerate(self.tags)}

    def one_tag(self, row: int, wire: dict[str, Any]) -> None:
        [label], answer = wire["labels"], wire["tags"][0]
        self._mark(self.labels, row, label, answer["confidence"] if wire["right"] else 0)
        if not wire["right"]:
            self._mark(self.false, row, answer["name"], answer["confidence"])

    def several_tags(self, row: int, wire: dict[str, Any]) -> None:
        """A tag that is not shown is less probable than the fifth of those that are."""
        shown = {tag["name"]: tag["confidence"] for tag in wire["tags"]}
        for tag in wire["labels"]:
            self._mark(self.labels, row, tag, shown[tag])
        for tag in shown.keys() - set(wire["labels"]):
            self._mark(self.false, row, tag, shown[tag])
        if len(shown) < len(self.tags):
            self.lowest = max(self.lowest, wire["tags"][BEST - 1]["confidence"] + _STEP)

    def objects(self, row: int, wire: dict[str, Any]) -> None:
        missed = [(item["tag"], item["bbox"]) for item in wire["missed"]]
        cells = Counter((item["tag"], item["tag"]) for item in wire["objects"] if item["right"])
        taken: dict[int, str] = {}
        for item in wire["objects"]:
            self._mark(self.labels if item["right"] else self.false, row, item["tag"], item["confidence"])
            if not item["right"]:
                lost = _taken_for(item, missed)
                if lost is None or lost in taken:
                    cells[None, item["tag"]] += 1
                else:
                    taken[lost] = item["tag"]
        for number, (tag, _) in enumerate(missed):
            self._mark(self.labels, row, tag, 0)
            cells[tag, taken.get(number)] += 1
        for (label, answer), count in cells.items():
            for column, value in zip(self.cells, (row, self._at(label), self._at(answer), count), strict=True):
                column.append(value)

    def _mark(self, marks: tuple["array[int]", ...], row: int, tag: str, confidence: float) -> None:
        for column, value in zip(marks, (row, self._position[tag], round(confidence * SCALE)), strict=True):
            column.append(value)

    def _at(self, tag: str | None) -> int:
        return ABSENT if tag is None else self._position[tag]


def _taken_for(item: dict[str, Any], missed: Sequence[tuple[str, Sequence[float]]]) -> int | None:
    """Which of the missed objects a false detection of another tag overlaps most, if that is the object that it matches."""
    if item.get("match") in (None, item["tag"]) or item["overlap"] < _OVERLAP:
        return None
    distances = [
        (abs(_overlap(item["bbox"], bbox) - item["overlap"]), number)
        for number, (tag, bbox) in enumerate(missed)
        if tag == item["match"]
    ]
    distance, number = min(distances, default=(1.0, 0))
    return number if distance <= _ROUNDING else None


def _overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union of two boxes: left, top, width, height."""
    sides = [
        min(first[axis] + first[axis + 2], second[axis] + second[axis + 2]) - max(first[axis], second[axis]) for axis in (0, 1)
    ]
    intersection = max(0.0, sides[0]) * max(0.0, sides[1])
    union = first[2] * first[3] + second[2] * second[3] - intersection
    return intersection / union if union > 0 else 0.0
