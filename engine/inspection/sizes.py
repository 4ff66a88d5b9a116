"""How large a dataset's images are: pure functions."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from vision_customization.contract.texts import counted, percent

EDGES = (64, 128, 256, 512, 1024, 2048, 4096)
"""Shorter sides, in pixels, between which images are counted."""

SMALL_SIDE = 128
"""Below it, in pixels, networks that look at 224 see an enlarged image."""


@dataclass(frozen=True)
class SizeBin:
    """How many images have a shorter side of at least `least` pixels, and less than `below`, if that is given."""

    least: int
    below: int | None
    count: int

    @property
    def text(self) -> str:
        if self.below is None:
            return f"{self.least:,} px and more"
        return f"below {self.below:,} px" if not self.least else f"{self.least:,} to {self.below - 1:,} px"


def size_bins(sizes: Mapping[tuple[int, int], int]) -> list[SizeBin]:
    """The bins from the first to the last that has an image, of numbers of images by width and height, in pixels."""
    starts = (0, *EDGES)
    counts = Counter[int]()
    for size, count in sizes.items():
        counts[max(start for start in starts if start <= min(size))] += count
    if not counts:
        return []
    shown = [start for start in starts if min(counts) <= start <= max(counts)]
    following = dict(zip(starts, (*EDGES, None), strict=True))
    return [SizeBin(start, following[start], counts[start]) for start in shown]


def sizes_text(sizes: Counter[tuple[int, int]]) -> str:
    """The most frequent size, and a warning if images are small, in words. Empty without images."""
    total = sizes.total()
    if not total:
        return ""
    (width, height), count = min(sizes.items(), key=lambda item: (-item[1], item[0]))
    if len(sizes) == 1:
        said = [f"All images are {width:,} × {height:,} px."]
    elif 2 * count > total:
        said = [f"Most images ({percent(count / total)}) are {width:,} × {height:,} px."]
    else:
        said = [f"Images have {counted(len(sizes), 'different size')}. The most frequent one is {width:,} × {height:,} px."]
    small = sum(number for size, number in sizes.items() if min(size) < SMALL_SIDE)
    if small:
        are = "is" if small == 1 else "are"
        said.append(f"{counted(small, 'image')} {are} less than {SMALL_SIDE} px wide or high: a model sees little there.")
    return " ".join(said)
