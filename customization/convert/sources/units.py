"""Whether the boxes of a file are in pixels or in fractions, where only the numbers tell."""

from __future__ import annotations

from collections.abc import Iterable

from vision_customization.contract.coco.boxes import ROUNDING_TOLERANCE

Numbers = tuple[float, float, float, float]


def in_pixels(boxes: Iterable[tuple[str, Numbers]], problems: list[str]) -> bool:
    """Whether boxes, each with its place, are in pixels: most have a number that a fraction can't be.

    Fractions among them are problems, since they would become specks in a corner. Pixels among fractions are found later, by
    the rules for fractions.
    """
    pixels, fractions = 0, []
    for place, numbers in boxes:
        if not all(-ROUNDING_TOLERANCE <= number <= 1 + ROUNDING_TOLERANCE for number in numbers):
            pixels += 1
        elif not all(number.is_integer() for number in numbers):
            fractions.append((place, numbers))
    if pixels <= len(fractions):
        return False
    for place, numbers in fractions:
        shown = ", ".join(f"{number:g}" for number in numbers)
        problems.append(f"{place}: the box {shown} is in fractions, but others of the file are in pixels")
    return True
