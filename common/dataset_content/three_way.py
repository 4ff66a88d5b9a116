"""The rule of a three-way merge of one image: what becomes of it if two sides have changed what both began with.

The engine merges a draft with its dataset by it, and `vision datasets pull` a file with a version.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

Label = TypeVar("Label")


class Outcome(StrEnum):
    """What becomes of an image."""

    MINE = "mine"
    """As my side has it, also if that is nowhere."""
    THEIRS = "theirs"
    """As their side has it, also if that is nowhere."""
    KEPT = "kept"
    """As my side has it, although their side has removed it: mine had changed it."""
    CONFLICT = "conflict"
    """Both sides changed it, differently: somebody must choose."""


def outcome(base: Sequence[Label] | None, mine: Sequence[Label] | None, theirs: Sequence[Label] | None) -> Outcome:
    """Decide for one image.

    Args:
        base: the labels that both sides began with, in any order that is the same for all three; None if the image was not
            there.
        mine: the labels that my side has now; None if it does not have the image.
        theirs: those of their side.
    """
    if theirs == base or mine == theirs:
        return Outcome.MINE
    if mine == base:
        return Outcome.THEIRS
    if theirs is None:
        return Outcome.KEPT
    if base is None and mine is not None and not mine:  # an image that both sides added, labelled only by theirs
        return Outcome.THEIRS
    return Outcome.CONFLICT
