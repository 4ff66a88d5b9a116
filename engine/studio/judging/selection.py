"""Which outcomes a page lists, as its query says it: a verdict, a tag, cells of the confusion matrix, or a threshold."""

import math
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.judging import OutcomeKind
from vision_customization.contract.outcomes import OutcomeFilter
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.outcomes.cells import CellFilter
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.outcomes.stored import StoredOutcomes
from vision_customization.engine.outcomes.threshold import objects_at
from vision_customization.engine.studio.visit import Visit

VERDICTS = {
    OutcomeFilter.WRONG: "Wrong",
    OutcomeFilter.MISSED: "Missed labels",
    OutcomeFilter.FALSE: "False answers",
    OutcomeFilter.RIGHT: "Right",
}


@dataclass(frozen=True, eq=False)
class Found:
    """The rows of the outcomes that were selected, rising. `cell_count` is the sum of the chosen cells, if there are any."""

    outcomes: StoredOutcomes
    rows: NDArray[np.int64]
    cell_count: int | None
    threshold: float | None

    @property
    def has_empty_cells(self) -> bool:
        """Whether labels can be missed without another answer, and answers can be without a label."""
        return self.outcomes.kind is not OutcomeKind.ONE_TAG

    def lines(self, rows: list[int]) -> list[bytes]:
        """The outcomes of these rows as JSON; objects as they are at the threshold."""
        return lines_at(self.outcomes, rows, self.threshold)


def lines_at(outcomes: StoredOutcomes, rows: list[int], threshold: float | None) -> list[bytes]:
    """The outcomes of these rows as JSON. A detector's have the objects that count at the threshold, if there is one."""
    lines = outcomes.read(rows)
    if threshold is None or outcomes.kind is not OutcomeKind.OBJECTS:
        return lines
    return [objects_at(line, threshold) for line in lines]


@dataclass(frozen=True)
class Selection:
    """The query of a list. A threshold goes with a verdict and a tag, but not with cells, which are those of the model's own
    decision."""

    only: OutcomeFilter | None = None
    tag: str | None = None
    cell: CellFilter = field(default_factory=CellFilter)
    threshold: float | None = None

    @classmethod
    def of(cls, visit: Visit) -> Self:
        """Raises ApiError 400 for a verdict or a threshold that does not exist."""
        only, threshold = visit.query("only"), visit.query("threshold")
        try:
            chosen = OutcomeFilter(only) if only else None
        except ValueError:
            raise invalid(f"only: must be one of {', '.join(OutcomeFilter)}, not {only!r}.") from None
        cell = CellFilter(
            visit.query("label") or None,
            visit.query("answer") or None,
            visit.query("unlabelled") == "1",
            visit.query("unanswered") == "1",
        )
        return cls(chosen, visit.query("tag") or None, cell, _threshold(threshold) if threshold and not cell else None)

    def query(self) -> dict[str, str]:
        """What `of` reads."""
        cell = self.cell
        members = {
            "only": "" if self.only is None else self.only.value,
            "tag": self.tag or "",
            "label": cell.label or "",
            "answer": cell.answer or "",
            "unlabelled": "1" if cell.unlabelled else "",
            "unanswered": "1" if cell.unanswered else "",
            "threshold": "" if self.threshold is None else f"{self.threshold:g}",
        }
        return {name: value for name, value in members.items() if value}

    def found(self, asked: Judge, key: str) -> Found:
        """The outcomes. Raises InvalidQuestion and ObjectNotFound."""
        outcomes = asked.open(key)
        if self.threshold is not None:
            at = asked.at(key, self.threshold, self.tag)
            return Found(outcomes, at.rows(self.only), None, self.threshold)
        rows, count = asked.rows(key, self.only, self.tag, self.cell)
        return Found(outcomes, rows, count, None)

    def text(self) -> str:
        """`Ash called beech`, `Missed labels, at a threshold of 0.70`."""
        parts = [_cell_text(self.cell)] if self.cell else []
        if self.only is not None:
            parts.append(VERDICTS[self.only])
        if self.tag is not None:
            parts.append(f"tag {self.tag}")
        if self.threshold is not None:
            parts.append(f"at a threshold of {self.threshold:.2f}")
        return ", ".join(parts) or "All pictures"


def _cell_text(cell: CellFilter) -> str:
    if cell.label is not None and cell.answer is not None:
        return f"{cell.label} found" if cell.label == cell.answer else f"{cell.label} called {cell.answer}"
    if cell.unanswered:
        return f"{cell.label or 'labels'} missed"
    if cell.unlabelled:
        return f"{cell.answer or 'answers'} where there is none"
    return f"labelled {cell.label}" if cell.label is not None else f"answered {cell.answer}"


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise invalid(f"threshold: must be a number from 0 to 1, not {text!r}.")
    return value
