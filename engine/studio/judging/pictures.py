"""Outcomes as pictures with their labels and answers in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from vision_customization.contract.outcome_texts import DrawnBox, answered, drawn_boxes, labelled, picture_name
from vision_customization.contract.outcomes import Outcome
from vision_customization.engine.studio.judging.sources import Source

PAGE = 60
"""Pictures on a page, and how many "more" adds."""


@dataclass(frozen=True)
class Shot:
    """An outcome's picture. `thumbnail` is None if the picture can't be read any more. `likely` are the labels that the image
    probably should have, if they are probably wrong."""

    page: str
    thumbnail: str | None
    name: str
    labelled: str
    answered: str
    right: bool
    likely: str | None
    boxes: Sequence[DrawnBox]


def shot(source: Source, row: int, outcome: Outcome, *, readable: bool) -> Shot:
    """The picture of the outcome in this row, from the worst on.

    Args:
        readable: whether the dataset of the images is registered.
    """
    path = source.outcomes(str(row))
    likely = outcome.likely_labels
    return Shot(
        path,
        f"{path}/thumbnail?v={outcome.digest}" if readable else None,
        picture_name(outcome).rsplit("/", 1)[-1],
        labelled(outcome),
        answered(outcome),
        outcome.right,
        None if likely is None else ", ".join(likely) or "(no tag)",
        drawn_boxes(outcome),
    )


def shots(source: Source, rows: Sequence[int], lines: Sequence[bytes], *, readable: bool) -> list[Shot]:
    """The pictures of several outcomes, from their lines in the store."""
    pairs = zip(rows, lines, strict=True)
    return [shot(source, row, Outcome.model_validate_json(line), readable=readable) for row, line in pairs]
