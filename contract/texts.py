"""Building blocks of messages: counts, shortened lists, and the rules for names and image sizes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vision_customization.contract.limits import IMAGE_PIXELS_MAX, NAME_MAX_LENGTH, NAME_PATTERN, WEBP_PIXELS_MAX
from vision_customization.contract.names import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


VIOLATIONS_SHOWN = 20
_SIDE_CHARACTERS = 20
NAME_RULE = "a name starts with a letter or digit, followed by letters, digits, '.', '_' and '-'"


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`, `10,000 images`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def sentence(text: str) -> str:
    """With a capital at its start."""
    return text[:1].upper() + text[1:]


def percent(share: float) -> str:
    """`93 %` of a share from 0 to 1. Never rounded to nothing or to all: `< 1 %`, `> 99 %`."""
    if 0 < share < 0.01:
        return "< 1 %"
    return "> 99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def listed(title: str, lines: Sequence[object]) -> str:
    """A title and the first lines under it, with the number of those left out."""
    shown = [f"  {printable(str(line))}" for line in lines[:VIOLATIONS_SHOWN]]
    if len(lines) > VIOLATIONS_SHOWN:
        shown.append(f"  … and {len(lines) - VIOLATIONS_SHOWN:,} more")
    return "\n".join([title, *shown])


def name_fault(name: str, longest: int = NAME_MAX_LENGTH) -> str | None:
    """Why the service refuses a name; None if it accepts it."""
    if not re.fullmatch(NAME_PATTERN, name):
        return f"{name!r} is not a valid name: {NAME_RULE}"
    if len(name) > longest:
        return f"the name has {len(name)} characters, but at most {longest} are allowed"
    return None


def size_fault(least: int, greatest: int, *sides: float) -> str | None:
    """Why an image of these sides, in pixels, is refused: `is 9 × 48 px, each side must be 10 to 10,240`; None if it is not.

    A file may claim a side of any length, so the message shortens it.
    """
    if all(least <= side <= greatest for side in sides):
        return None
    shown = (str(side) for side in sides)
    cut = (side if len(side) <= _SIDE_CHARACTERS else f"{side[: _SIDE_CHARACTERS - 1]}…" for side in shown)
    return f"is {' × '.join(cut)} px, each side must be {least} to {greatest:,}"


def pixels_fault(width: int, height: int, file_format: str) -> str | None:
    """Why an image with this many pixels can't be decoded: `has 9,000 × 8,000 px, …`; None if it can.

    Args:
        file_format: Pillow's name of it, such as `WEBP`.
    """
    most = WEBP_PIXELS_MAX if file_format == "WEBP" else IMAGE_PIXELS_MAX
    if width * height <= most:
        return None
    return f"is {width} × {height} px, but a {file_format} file may have at most {most:,} pixels"
