"""What is kept of an evaluation, for each kind of model."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vision_customization.engine.learning.precision_recall import Curve
from vision_customization.engine.outcomes.answers import Answers

HIT, MISSED, FALSE = 1, 2, 4
"""A model's verdicts on a tag of an image: a label that it found, a label that it missed, an answer that is not a label. An
image of several objects can have all three."""


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image of a dataset: its URL without query, its name in the annotation file (or empty), and the SHA-256 of its file."""

    url: str
    file_name: str
    sha256: str

    def to_wire(self) -> dict[str, Any]:
        named = {"fileName": self.file_name} if self.file_name else {}
        return {"image": self.url, **named, "digest": self.sha256}


@dataclass(frozen=True, slots=True)
class ImageOutcome:
    """`wire` is a `contract.outcomes.Outcome` as JSON values. `verdicts` are the sums of HIT, MISSED and FALSE by tag."""

    wire: Mapping[str, Any]
    verdicts: Mapping[int, int]

    @property
    def line(self) -> bytes:
        return json.dumps(self.wire, ensure_ascii=False, separators=(",", ":")).encode()


ConfusionCounts = Mapping[tuple[int | None, int | None], int]
"""How often a label got an answer. A label of None is an answer without one; an answer of None is a label that was missed."""


@dataclass(frozen=True)
class Outcomes:
    """Of a whole evaluation. `images` are ordered from the worst to the best, and `answers` say the same as arrays; `curves`
    are a `contract.outcomes.Curves` as JSON values; `threshold` is the confidence from which on a detector's objects count."""

    tags: Sequence[str]
    images: Iterable[ImageOutcome]
    confusion: ConfusionCounts
    curves: Mapping[str, Curve | Mapping[str, Curve]]
    answers: Answers
    threshold: float | None = None


def rounded(probability: float) -> float:
    """As it is stored: with four decimals."""
    return round(float(probability), 4)


def right(verdicts: Mapping[int, int]) -> bool:
    """Whether nothing is missed or false."""
    return not any(flags & (MISSED | FALSE) for flags in verdicts.values())
