"""What the API and the pages ask of stored outcomes. Every method takes the key of the outcomes in the store, and raises
ObjectNotFound if they do not exist, or InvalidQuestion if they can't answer."""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.judging import (
    AtThreshold,
    Calibration,
    Comparison,
    ComparisonFilter,
    OutcomeKind,
    TagOutcomes,
)
from vision_customization.contract.outcomes import Curves, OutcomeFilter
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.outcomes.answers import Answers, Cells
from vision_customization.engine.outcomes.by_tag import by_tag
from vision_customization.engine.outcomes.calibration import calibration
from vision_customization.engine.outcomes.cells import CellFilter, CountedCells, chosen_cells, counted
from vision_customization.engine.outcomes.comparison import Pairs, Side, paired, side
from vision_customization.engine.outcomes.questions import InvalidQuestion
from vision_customization.engine.outcomes.recent import Recent
from vision_customization.engine.outcomes.stored import StoredOutcomes
from vision_customization.engine.outcomes.threshold import ThresholdOutcomes, at_threshold, objects_at

MEMORY_BYTES = 64 * 1024 * 1024
"""For what was asked lately, of all models together. The answers for 100,000 images take 1 MB for one tag per image, and 13 MB
for five objects per image. To compare them takes 6 MB for each model and 2 MB for each pair."""

Lines = list[bytes]
"""Outcomes (or compared images) as JSON."""


@dataclass(frozen=True, slots=True)
class Listed:
    """`lines` of the `count` images that the filters select. `threshold` is a detector's. `cell_count` counts labels and
    answers for several tags per image, objects for a detector; it is None without a cell."""

    count: int
    lines: Lines
    threshold: float | None
    cell_count: int | None = None


class Judge:
    """Answers questions about outcomes, and keeps in memory what the next one probably needs, too."""

    def __init__(self, objects: ObjectStore, memory_bytes: int = MEMORY_BYTES) -> None:
        self._objects = objects
        self._recent = Recent(memory_bytes)

    def open(self, key: str) -> StoredOutcomes:
        return StoredOutcomes.open(self._objects, key)

    def page(
        self,
        key: str,
        skip: int,
        top: int,
        only: OutcomeFilter | None = None,
        tag: str | None = None,
        cell: CellFilter | None = None,
    ) -> Listed:
        """`top` images, after the first `skip`, of those that all filters select, the worst first."""
        outcomes = self.open(key)
        rows, cell_count = self._rows(key, outcomes, only, tag, cell)
        return Listed(len(rows), outcomes.read(rows[skip : skip + top].tolist()), outcomes.threshold, cell_count)

    def rows(
        self, key: str, only: OutcomeFilter | None = None, tag: str | None = None, cell: CellFilter | None = None
    ) -> tuple[NDArray[np.int64], int | None]:
        """The rows of all these images, int64 [n], rising, and the cell's count."""
        return self._rows(key, self.open(key), only, tag, cell)

    def answers(self, key: str) -> Answers:
        """All answers as arrays."""
        return self._answers(key, self.open(key))

    def at(self, key: str, threshold: float, tag: str | None = None) -> ThresholdOutcomes:
        """What counts from this confidence on, and on which images."""
        return self._at(key, self.open(key), threshold, tag)

    def of_image(self, key: str, sha256: str) -> bytes | None:
        """The outcome of an image, by the SHA-256 of its file: of one that was listed several times, the worst. None if no
        image has it."""
        outcomes = self.open(key)
        own, digest = self._side(key, outcomes), np.frombuffer(bytes.fromhex(sha256), "S32")
        [place] = np.searchsorted(own.digests, digest).tolist()
        if place == len(own.digests) or own.digests[place] != digest[0]:
            return None
        return outcomes.read([int(own.rows[place])])[0]

    def at_threshold(self, key: str, threshold: float, tag: str | None = None) -> AtThreshold:
        """What the model is worth if only answers of this confidence or a higher one count."""
        return self._at(key, self.open(key), threshold, tag).numbers

    def threshold_page(
        self, key: str, threshold: float, tag: str | None, only: OutcomeFilter | None, skip: int, top: int
    ) -> tuple[AtThreshold, int, Lines]:
        """The same, how many images the filter selects at this threshold, and `top` of them after the first `skip`."""
        outcomes = self.open(key)
        at = self._at(key, outcomes, threshold, tag)
        rows = at.rows(only)
        lines = outcomes.read(rows[skip : skip + top].tolist())
        if outcomes.kind is OutcomeKind.OBJECTS:
            lines = [objects_at(line, threshold) for line in lines]
        return at.numbers, len(rows), lines

    def calibration(self, key: str) -> Calibration:
        return calibration(self._answers(key, self.open(key)))

    def tags(self, key: str) -> TagOutcomes:
        """Every tag's numbers at the model's own decision rule."""
        curves = json.loads(self._objects.get(f"{key}/curves.json"))
        return by_tag(self.confusion(key), Curves.model_validate(curves))

    def confusion(self, key: str) -> CountedCells:
        """How often each label got each answer, counted from the arrays: to read the JSON of 50,000 cells takes longer."""
        outcomes = self.open(key)
        cells = counted(self._cells(key, outcomes), outcomes.tags)
        return CountedCells(outcomes.images, outcomes.tags, outcomes.threshold, cells)

    def compare(self, first: str, second: str) -> Comparison:
        """Two models, or two evaluations, on the images that both have answered."""
        return self._pairs(first, second, self.open(first), self.open(second)).numbers

    def comparison_page(
        self, first: str, second: str, only: ComparisonFilter | None, skip: int, top: int
    ) -> tuple[Comparison, int, Lines]:
        """The same, how many images the filter selects, and `top` of them after the first `skip`, each a
        `contract.judging.ComparedImage`."""
        opened = self.open(first), self.open(second)
        pairs = self._pairs(first, second, *opened)
        rows = pairs.selected(only)
        page = rows[skip : skip + top].T.tolist()
        sides = [_read(outcomes, column) for outcomes, column in zip(opened, page, strict=True)]
        lines = [_compared(*lines) for lines in zip(*sides, strict=True)]
        return pairs.numbers, len(rows), lines

    def pairs(self, first: str, second: str) -> Pairs:
        """The same, with the rows of the images."""
        return self._pairs(first, second, self.open(first), self.open(second))

    def _rows(
        self, key: str, outcomes: StoredOutcomes, only: OutcomeFilter | None, tag: str | None, cell: CellFilter | None
    ) -> tuple[NDArray[np.int64], int | None]:
        if not cell:
            return outcomes.selected(only, tag), None
        label, answer = cell.positions(outcomes.tags)
        rows, cell_count = chosen_cells(self._cells(key, outcomes), label, answer)
        selected = np.unique(rows).astype(np.int64)
        if only is not None or tag is not None:
            selected = np.intersect1d(selected, outcomes.selected(only, tag), assume_unique=True)
        return selected, cell_count

    def _cells(self, key: str, outcomes: StoredOutcomes) -> Cells:
        cells = self._answers(key, outcomes).cells if outcomes.kind is OutcomeKind.OBJECTS else outcomes.cells()
        assert cells is not None
        return cells

    def _at(self, key: str, outcomes: StoredOutcomes, threshold: float, tag: str | None) -> ThresholdOutcomes:
        return at_threshold(self._answers(key, outcomes), outcomes.tags, threshold, tag)

    def _answers(self, key: str, outcomes: StoredOutcomes) -> Answers:
        return self._recent.get(("answers", key), Answers, outcomes.answers)

    def _side(self, key: str, outcomes: StoredOutcomes) -> Side:
        def build() -> Side:
            return side(outcomes.kind, outcomes.digests(), outcomes.right(), *outcomes.labels(), outcomes.tags)

        return self._recent.get(("side", key), Side, build)

    def _pairs(self, first: str, second: str, ours: StoredOutcomes, theirs: StoredOutcomes) -> Pairs:
        if ours.kind is not theirs.kind:
            kinds = {
                OutcomeKind.ONE_TAG: "one tag per image",
                OutcomeKind.SEVERAL_TAGS: "several tags per image",
                OutcomeKind.OBJECTS: "objects",
            }
            said = f"The first model answers {kinds[ours.kind]}, the second {kinds[theirs.kind]}. Compare models of one kind."
            raise InvalidQuestion("with-model", said)

        def build() -> Pairs:
            return paired(self._side(first, ours), self._side(second, theirs))

        return self._recent.get(("pairs", first, second), Pairs, build)


def _read(outcomes: StoredOutcomes, rows: list[int]) -> list[bytes | None]:
    """The lines of these rows; None for −1."""
    wanted = sorted({row for row in rows if row >= 0})
    lines = dict(zip(wanted, outcomes.read(wanted), strict=True))
    return [lines.get(row) for row in rows]


def _compared(first: bytes | None, second: bytes | None) -> bytes:
    members = [b'"%s":%s' % (name, line) for name, line in ((b"first", first), (b"second", second)) if line is not None]
    return b"{" + b",".join(members) + b"}"
