"""The confusion matrix as a table whose cells lead to their images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from vision_customization.contract.confusion_matrix import Cell as Counted
from vision_customization.contract.confusion_matrix import ConfusionCounts, matrix_of, mistake_text, mistakes, worst_tags
from vision_customization.engine.studio.judging.sources import Source

TAGS = 20
"""Tags that a matrix shows; of more, those with the most mistakes."""

MISTAKES = 8
SHADES = 10
"""Shades of a cell, besides none: by tenths of its row."""


@dataclass(frozen=True)
class Cell:
    """`look` are classes: `right` or `wrong`, and the shade. `text` says what the count is of."""

    count: int
    path: str
    look: str
    text: str


@dataclass(frozen=True)
class Row:
    label: str
    cells: Sequence[Cell]
    total: int


@dataclass(frozen=True)
class Mistake:
    text: str
    path: str


@dataclass(frozen=True)
class MatrixTable:
    """`answers` are the headings of the columns. `left_out` counts the tags that are not shown. `mistakes` are the largest of
    all."""

    answers: Sequence[str]
    rows: Sequence[Row]
    left_out: int
    mistakes: Sequence[Mistake]


def cell_path(source: Source, label: str | None, answer: str | None) -> str:
    """The pictures of a cell. Without a label: those of answers that are not a label; without an answer: those of labels that
    were missed."""
    query = {
        "label": label or "",
        "unlabelled": "1" if label is None else "",
        "answer": answer or "",
        "unanswered": "1" if answer is None else "",
    }
    return f"{source.outcomes()}?{urlencode({name: value for name, value in query.items() if value})}"


def matrix_table(source: Source, confusion: ConfusionCounts, find: str = "") -> MatrixTable:
    """The matrix of the tags whose names contain `find` and of those that they are confused with; without it, of the tags with
    the most mistakes."""
    tags = _found(confusion, find) if find else worst_tags(confusion, TAGS)
    matrix = matrix_of(confusion, tags)
    rows = [
        Row(
            row.label or "(no label)",
            [
                _cell(source, row.label, answer, count, row.total)
                for answer, count in zip(matrix.answers, row.counts, strict=True)
            ],
            row.total,
        )
        for row in matrix.rows
    ]
    largest = [
        Mistake(mistake_text(cell), cell_path(source, cell.label, cell.answer)) for cell in mistakes(confusion)[:MISTAKES]
    ]
    answers = [answer or "(missed)" for answer in matrix.answers]
    return MatrixTable(answers, rows, len(confusion.tags) - len(tags), largest)


def _found(confusion: ConfusionCounts, find: str) -> list[str]:
    wanted = find.casefold()
    chosen = [tag for tag in confusion.tags if wanted in tag.casefold()][:TAGS]
    beside: Counter[str] = Counter()
    for cell in mistakes(confusion):
        if cell.label in chosen and cell.answer is not None:
            beside[cell.answer] += cell.count
        if cell.answer in chosen and cell.label is not None:
            beside[cell.label] += cell.count
    shown = set(list(dict.fromkeys([*chosen, *(tag for tag, _ in beside.most_common())]))[:TAGS])
    return [tag for tag in confusion.tags if tag in shown]


def _cell(source: Source, label: str | None, answer: str | None, count: int, total: int) -> Cell:
    right = label == answer
    shade = max(1, round(SHADES * count / total)) if count else 0
    text = f"{count:,} × {label} found" if right else mistake_text(Counted(label, answer, count))
    return Cell(count, cell_path(source, label, answer) if count else "", f"{'right' if right else 'wrong'} s{shade}", text)
