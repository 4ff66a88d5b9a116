"""Words of messages: counts, and lists that are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


VIOLATIONS_SHOWN = 20


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`, `10,000 images`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(title: str, lines: Sequence[object]) -> str:
    """A title and the first lines under it, with the number of those left out."""
    shown = [f"  {line}" for line in lines[:VIOLATIONS_SHOWN]]
    if len(lines) > VIOLATIONS_SHOWN:
        shown.append(f"  … and {len(lines) - VIOLATIONS_SHOWN:,} more")
    return "\n".join([title, *shown])
