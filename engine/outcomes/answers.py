"""A model's answers for all images as arrays, which thresholds, calibration and cells of the confusion are counted from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vision_customization.contract.judging import OutcomeKind
from vision_customization.engine.models.answers import CONFIDENCE_LEAST

SCALE = 10_000
"""Confidences are stored as integers, in ten-thousandths: with the four decimals of outcomes and curves."""

ABSENT = 65_535
"""The tag of a cell without a label or without an answer."""

LOWEST = {OutcomeKind.ONE_TAG: 0.0, OutcomeKind.SEVERAL_TAGS: 0.01, OutcomeKind.OBJECTS: CONFIDENCE_LEAST}
"""The lowest confidence of the answers that are stored. Of several tags per image, most tags of most images are below it."""

Arrays = dict[str, NDArray[np.generic]]


def ten_thousandths(confidences: ArrayLike) -> NDArray[np.uint16]:
    """Rounded as the thresholds of `precision_recall_curve` are."""
    scaled: NDArray[np.uint16] = np.rint(np.asarray(confidences, np.float64) * SCALE).astype(np.uint16)
    return scaled


@dataclass(frozen=True, eq=False)
class Marks:
    """Labels, or answers, of all images: of each the row of its image in the outcomes, uint32 [n], its tag, uint16 [n], and its
    confidence in ten-thousandths, uint16 [n]."""

    rows: NDArray[np.uint32]
    tags: NDArray[np.uint16]
    confidences: NDArray[np.uint16]

    @classmethod
    def of(cls, rows: ArrayLike, tags: ArrayLike, confidences: ArrayLike) -> Self:
        return cls(np.asarray(rows, np.uint32), np.asarray(tags, np.uint16), np.asarray(confidences, np.uint16))

    @classmethod
    def together(cls, parts: Sequence["Marks"]) -> Self:
        columns = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls.of(*(np.concatenate(column) if column else [] for column in columns))

    def where(self, chosen: NDArray[np.bool_]) -> "Marks":
        return Marks(self.rows[chosen], self.tags[chosen], self.confidences[chosen])


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of the confusion by image: the row of the image, uint32 [n], label and answer, uint16 [n] or ABSENT, and how often,
    uint16 [n]."""

    rows: NDArray[np.uint32]
    labels: NDArray[np.uint16]
    answers: NDArray[np.uint16]
    counts: NDArray[np.uint16]

    @classmethod
    def of(cls, rows: ArrayLike, labels: ArrayLike, answers: ArrayLike, counts: ArrayLike) -> Self:
        narrow = (np.asarray(values, np.uint16) for values in (labels, answers, counts))
        return cls(np.asarray(rows, np.uint32), *narrow)

    @classmethod
    def counted(cls, rows: NDArray[np.int64], labels: NDArray[np.int64], answers: NDArray[np.int64]) -> Self:
        """From one entry, of three int64 [m], for each label or answer."""
        together = np.stack([rows, labels, answers], axis=1).reshape(-1, 3)
        cells, counts = np.unique(together, axis=0, return_counts=True)
        return cls.of(cells[:, 0], cells[:, 1], cells[:, 2], counts)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model answered.

    `labels` are all labels, each with the confidence of the answer that found it, or 0 if none from `lowest` on did. `false`
    are the answers from `lowest` on that are not a label. For one tag per image, the only answer is the most probable tag.
    `cells` are those of a detector; a classifier's follow from the verdicts of the index.
    """

    kind: OutcomeKind
    images: int
    labels: Marks
    false: Marks
    lowest: float
    cells: Cells | None = None

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.to_arrays().values())

    def to_arrays(self) -> Arrays:
        facts = json.dumps({"kind": self.kind.value, "images": self.images, "lowest": self.lowest})
        parts: dict[str, Marks | Cells] = {"labels": self.labels, "false": self.false}
        if self.cells is not None:
            parts["cells"] = self.cells
        arrays = {f"{name}_{field.name}": getattr(part, field.name) for name, part in parts.items() for field in fields(part)}
        return {"facts": np.frombuffer(facts.encode(), np.uint8), **arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """Read what `to_arrays` returned."""
        facts = json.loads(arrays["facts"].tobytes())

        def part(name: str, kind: type[Marks] | type[Cells]) -> Sequence[NDArray[np.generic]]:
            return [arrays[f"{name}_{field.name}"] for field in fields(kind)]

        cells = Cells.of(*part("cells", Cells)) if "cells_rows" in arrays else None
        labels, false = (Marks.of(*part(name, Marks)) for name in ("labels", "false"))
        return cls(OutcomeKind(facts["kind"]), facts["images"], labels, false, facts["lowest"], cells)
