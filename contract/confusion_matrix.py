"""What a confusion matrix shows: its rows and columns, and its mistakes. Pure functions for reports and for the Studio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class CellCount(Protocol):
    """How often a label got an answer; `contract.outcomes.ConfusionCell` says what None is."""

    @property
    def label(self) -> str | None: ...

    @property
    def answer(self) -> str | None: ...

    @property
    def count(self) -> int: ...


class ConfusionCounts(Protocol):
    """A `contract.outcomes.Confusion`, or the same without its validation, which takes a second for 50,000 cells."""

    @property
    def tags(self) -> Sequence[str]: ...

    @property
    def cells(self) -> Sequence[CellCount]: ...


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that was counted here."""

    label: str | None
    answer: str | None
    count: int


@dataclass(frozen=True)
class MatrixRow:
    """A label, its cells in the order of the matrix's `answers`, and the sum of all its cells, also of those not shown."""

    label: str | None
    counts: tuple[int, ...]
    total: int


@dataclass(frozen=True)
class Matrix:
    """Labels as rows, answers as columns. A label of None is that of answers without one; an answer of None is that of labels
    that were missed."""

    answers: tuple[str | None, ...]
    rows: tuple[MatrixRow, ...]


def matrix_of(confusion: ConfusionCounts, tags: Sequence[str]) -> Matrix:
    """The matrix of these tags, and of missed labels and of answers without a label if the confusion has any."""
    counts = {(cell.label, cell.answer): cell.count for cell in confusion.cells}
    totals: Counter[str | None] = Counter()
    for (label, _), count in counts.items():
        totals[label] += count
    labels, answers = list[str | None](tags), list[str | None](tags)
    labels += [None] if None in totals else []
    answers += [None] if any(answer is None for _, answer in counts) else []
    rows = [MatrixRow(label, tuple(counts.get((label, answer), 0) for answer in answers), totals[label]) for label in labels]
    return Matrix(tuple(answers), tuple(rows))


def worst_tags(confusion: ConfusionCounts, most: int) -> Sequence[str]:
    """All tags, or the `most` of them with the most mistakes; in their order."""
    if len(confusion.tags) <= most:
        return confusion.tags
    counts: Counter[str] = Counter()
    for cell in mistakes(confusion):
        counts.update({name: cell.count for name in (cell.label, cell.answer) if name is not None})
    worst = {tag for tag, _ in counts.most_common(most)}
    return [tag for tag in confusion.tags if tag in worst]


def mistakes(confusion: ConfusionCounts) -> list[CellCount]:
    """The cells off the diagonal, the largest first."""
    return sorted((cell for cell in confusion.cells if cell.label != cell.answer), key=lambda cell: -cell.count)


def confuses_tags(confusion: ConfusionCounts) -> bool:
    """Whether a matrix says more than how often each tag was found, missed and given falsely. It does not for several tags per
    image, where a label that was missed has no answer in its place."""
    wrong = mistakes(confusion)
    return not wrong or any(cell.label is not None and cell.answer is not None for cell in wrong)


def mistake_text(cell: CellCount) -> str:
    """`8 × ash called beech`."""
    if cell.answer is None:
        return f"{cell.count:,} × {cell.label} missed"
    if cell.label is None:
        return f"{cell.count:,} × {cell.answer} found where there is none"
    return f"{cell.count:,} × {cell.label} called {cell.answer}"
