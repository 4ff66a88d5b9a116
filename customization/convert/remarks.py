"""How a format's reader took its source: what it left out, what it changed, what is probably a mistake, what was unclear.

No label, box or image of a source disappears or moves without a remark.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Effect(StrEnum):
    LEFT_OUT = "leftOut"
    CHANGED = "changed"
    WARNING = "warning"
    NOTE = "note"


class What(StrEnum):
    """What a remark counts. A label is a tag of an image for classification, or a box; a file is a label file."""

    IMAGE = "image"
    LABEL = "label"
    FILE = "file"
    FOLDER = "folder"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Remark:
    """One reason, and every place that it holds for, in the order of the source: `labels.json: annotations[3]`."""

    effect: Effect
    what: What
    reason: str
    places: tuple[str, ...]


@dataclass
class Remarks:
    """The remarks collected so far, by their reasons; and how many images and labels the source has.

    A reader counts with `sees` where it finds something, before it decides what becomes of it. So what is read is what is
    written and what is left out, or something was lost.
    """

    _places: dict[tuple[Effect, What, str], list[str]] = field(default_factory=dict)
    seen: Counter[What] = field(default_factory=Counter)

    def sees(self, what: What, count: int = 1) -> None:
        """Images or labels that are in the source, whatever becomes of them."""
        self.seen[what] += count

    def left_out(self, what: What, reason: str, place: str) -> None:
        """Something that is in the source and will not be in the result."""
        self.add(Effect.LEFT_OUT, what, reason, place)

    def changed(self, what: What, reason: str, place: str) -> None:
        """Something that is not in the result as it is in the source, such as a box that was clipped to its image's edge."""
        self.add(Effect.CHANGED, what, reason, place)

    def warn(self, what: What, reason: str, place: str) -> None:
        """Something that was taken as it is, but is probably a mistake."""
        self.add(Effect.WARNING, what, reason, place)

    def note(self, what: What, reason: str, place: str) -> None:
        """How the reader understood something that could mean something else."""
        self.add(Effect.NOTE, what, reason, place)

    def add(self, effect: Effect, what: What, reason: str, place: str) -> None:
        self._places.setdefault((effect, what, reason), []).append(place)

    def listed(self) -> tuple[Remark, ...]:
        return tuple(Remark(*key, tuple(places)) for key, places in self._places.items())
