"""Outcomes as pictures with their labels and answers in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from vision_customization.contract.outcome_texts import BoxLook, DrawnBox, answered, drawn_boxes, labelled, picture_name
from vision_customization.contract.outcomes import Outcome
from vision_customization.engine.studio.judging.sources import Source

PAGE = 60
"""Pictures on a page, and how many "more" adds."""

OUTLINES_MAX = 16
"""Boxes that a picture of a list has, of all looks alike. With all boxes of crowded pictures, a list would be megabytes."""

TEXT_MAX = 120
"""Characters of the labels and of the answer under a picture of a list."""


@dataclass(frozen=True)
class Shot:
    """An outcome's picture. `thumbnail` is None if the picture can't be read any more. `likely` are the labels that the image
    probably should have, if they are probably wrong. `outlines` are some of the boxes: a path of SVG for each look."""

    page: str
    thumbnail: str | None
    name: str
    labelled: str
    answered: str
    right: bool
    likely: str | None
    boxes: Sequence[DrawnBox]
    outlines: Sequence[tuple[BoxLook, str]] = ()


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
    """The pictures of several outcomes, from their lines in the store, with as many boxes and words as a list has room for."""
    pairs = zip(rows, lines, strict=True)
    return [_brief(shot(source, row, Outcome.model_validate_json(line), readable=readable)) for row, line in pairs]


def outlines(boxes: Sequence[DrawnBox], most: int = OUTLINES_MAX) -> list[tuple[BoxLook, str]]:
    """Boxes as a path for each look, in a square of side 1. Of more than `most`, the first of each look in turn."""
    groups = {look: [box for box in boxes if box.look is look] for look in (BoxLook.FALSE, BoxLook.MISSED, BoxLook.RIGHT)}
    in_turn = [box for each in zip_longest(*groups.values()) for box in each if box is not None][:most]
    paths = {look: "".join(_outline(box) for box in in_turn if box.look is look) for look in groups}
    return [(look, path) for look, path in paths.items() if path]


def _outline(box: DrawnBox) -> str:
    left, top, width, height = (f"{side:.3f}".rstrip("0").rstrip(".") for side in box.box)
    return f"M{left} {top}h{width}v{height}h-{width}z"


def _brief(whole: Shot) -> Shot:
    return replace(
        whole,
        labelled=_shortened(whole.labelled),
        answered=_shortened(whole.answered),
        boxes=(),
        outlines=outlines(whole.boxes),
    )


def _shortened(text: str) -> str:
    """At most TEXT_MAX characters, with an ellipsis for what is left out."""
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1].rstrip(' ,;')}…"
