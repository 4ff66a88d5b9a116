"""Which images stand in a cell of the confusion: pure functions. A cell has the definition by which the confusion counts it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.confusion_matrix import Cell
from vision_customization.contract.judging import OutcomeKind
from vision_customization.engine.outcomes.answers import ABSENT, Cells
from vision_customization.engine.outcomes.outcomes import FALSE, HIT, MISSED
from vision_customization.engine.outcomes.questions import InvalidQuestion, position

_BITS = 16
"""Of a tag's position, and of ABSENT."""


@dataclass(frozen=True)
class CountedCells:
    """A `contract.outcomes.Confusion` that is counted from the cells of all images."""

    images: int
    tags: Sequence[str]
    threshold: float | None
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class CellFilter:
    """Cells of the confusion: one row of it (`label`), one column (`answer`), or where both meet. `unlabelled` is the row of
    answers without a label, `unanswered` the column of labels that were missed."""

    label: str | None = None
    answer: str | None = None
    unlabelled: bool = False
    unanswered: bool = False

    def __bool__(self) -> bool:
        return self.label is not None or self.answer is not None or self.unlabelled or self.unanswered

    def positions(self, tags: Sequence[str]) -> tuple[int | None, int | None]:
        """Label and answer as positions in the tags, ABSENT, or None for any. Raises InvalidQuestion."""
        for tag, absent, other in ((self.label, self.unlabelled, "label"), (self.answer, self.unanswered, "answer")):
            if tag is not None and absent:
                raise InvalidQuestion(other, f"A cell either has no {other} or the {other} '{tag}'. Leave out one of them.")
        if self.unlabelled and self.unanswered:
            raise InvalidQuestion("unlabelled", "No cell is without a label and without an answer. Leave out one of them.")
        label = ABSENT if self.unlabelled else None if self.label is None else position(tags, self.label, "label")
        answer = ABSENT if self.unanswered else None if self.answer is None else position(tags, self.answer, "answer")
        return label, answer


def chosen_cells(cells: Cells, label: int | None, answer: int | None) -> tuple[NDArray[np.uint32], int]:
    """The rows of the images that stand in these cells, and the sum of the cells' counts.

    Args:
        label: a position in the tags, ABSENT, or None for any.
        answer: the same.
    """
    chosen = np.ones(len(cells.rows), np.bool_)
    for wanted, values in ((label, cells.labels), (answer, cells.answers)):
        if wanted is not None:
            chosen &= values == wanted
    return cells.rows[chosen], int(cells.counts[chosen].sum())


def cells_of_verdicts(
    kind: OutcomeKind, images: int, rows: NDArray[np.integer], tags: NDArray[np.integer], verdicts: NDArray[np.uint8]
) -> Cells:
    """The cells of a classifier, from the verdicts on its images.

    Args:
        rows: int [n], the image of each verdict.
        tags: int [n], positions in the model's tags.
        verdicts: uint8 [n], sums of HIT, MISSED and FALSE.
    """
    found, missed, false = ((verdicts & flag) > 0 for flag in (HIT, MISSED, FALSE))
    if kind is OutcomeKind.ONE_TAG:
        labels, answers = np.full(images, ABSENT, np.uint16), np.full(images, ABSENT, np.uint16)
        labels[rows[found | missed]] = tags[found | missed]
        answers[rows[found | false]] = tags[found | false]
        return Cells.of(np.arange(images), labels, answers, np.ones(images))
    labels, answers = np.where(false, ABSENT, tags), np.where(missed, ABSENT, tags)
    return Cells.of(rows, labels, answers, np.ones(len(rows)))


def counted(cells: Cells, tags: Sequence[str]) -> list[Cell]:
    """The cells with their counts on all images, by label and answer, those without last."""
    places = cells.labels.astype(np.int64) << _BITS | cells.answers
    unique, images = np.unique(places, return_inverse=True)
    counts = np.bincount(images, cells.counts, len(unique)).astype(np.int64)
    names = {**dict(enumerate(tags)), ABSENT: None}
    pairs = zip((unique >> _BITS).tolist(), (unique & ABSENT).tolist(), counts.tolist(), strict=True)
    return [Cell(names[label], names[answer], count) for label, answer, count in pairs]
