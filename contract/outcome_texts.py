"""An outcome in words, and the boxes to draw on its picture: the same in the CLI, in reports and in the Studio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from vision_customization.contract.analysis import Tag
from vision_customization.contract.coco.document import Box
from vision_customization.contract.outcomes import Outcome


class BoxLook(StrEnum):
    """How a box is drawn: an object that was found, a detection that is not an object, an object that was not found."""

    RIGHT = "right"
    FALSE = "false"
    MISSED = "missed"


@dataclass(frozen=True)
class DrawnBox:
    """A box on a picture. `box` is left, top, width and height as fractions of the picture's sides."""

    look: BoxLook
    tag: str
    box: Box
    confidence: float | None = None

    @property
    def text(self) -> str:
        """`right: cup 0.91`."""
        return f"{self.look}: {self.tag}" + ("" if self.confidence is None else f" {self.confidence:.2f}")


def drawn_boxes(outcome: Outcome) -> list[DrawnBox]:
    """The boxes of a detector's outcome, those that lie on top last: the ones that are right."""
    found = [
        DrawnBox(BoxLook.RIGHT if item.right else BoxLook.FALSE, item.tag, item.bbox, item.confidence)
        for item in outcome.objects or []
    ]
    missed = [DrawnBox(BoxLook.MISSED, item.tag, item.bbox) for item in outcome.missed or []]
    return [
        *(box for box in found if box.look is BoxLook.FALSE),
        *missed,
        *(box for box in found if box.look is BoxLook.RIGHT),
    ]


def counted_from(threshold: float) -> str:
    """From which confidence on a detector's objects count."""
    return f"Objects count from a confidence of {threshold:.2f} on, where F1 is highest on these pictures."


def picture_name(outcome: Outcome) -> str:
    """The picture's name in the annotation file, else its URL."""
    return outcome.file_name or outcome.image


def labelled(outcome: Outcome) -> str:
    """`ash, beech`, or `2 × cat, dog` of objects."""
    if outcome.objects is None:
        return ", ".join(outcome.labels or []) or "(no tag)"
    found = [item.match or item.tag for item in outcome.objects if item.right]
    return _counted([*found, *(item.tag for item in outcome.missed or [])]) or "(nothing)"


def answered(outcome: Outcome) -> str:
    """The answer, and what a reader needs to see why it is wrong: the confidence of the own tag, or what is missed and
    false."""
    if outcome.objects is not None:
        return _detected(outcome)
    tags, labels = outcome.tags or [], set(outcome.labels or [])
    if any(tag.threshold is not None for tag in tags):
        present = [tag for tag in tags if tag.confidence >= (tag.threshold or 0)]
        missed = [tag for tag in tags if tag.name in labels and tag not in present]
        return _listed(("", present), ("missed ", missed)) or "(no tag)"
    return _listed(("", tags[:1]), ("", [tag for tag in tags[1:] if tag.name in labels]))


def _detected(outcome: Outcome) -> str:
    false = [item for item in outcome.objects or [] if not item.right]
    parts = [f"missed {missed}"] if (missed := _counted(item.tag for item in outcome.missed or [])) else []
    if false:
        parts.append("false " + ", ".join(f"{item.tag} {item.confidence:.2f}" for item in false))
    return "; ".join(parts) or "all found"


def _listed(*groups: tuple[str, Iterable[Tag]]) -> str:
    return ", ".join(f"{before}{tag.name} {tag.confidence:.2f}" for before, tags in groups for tag in tags)


def _counted(names: Iterable[str]) -> str:
    return ", ".join(name if count == 1 else f"{count} × {name}" for name, count in Counter(names).items())
