"""Boxes of masks and outlines. Edges are in the unit of the points, or in pixels of the mask; `right` and `bottom` are exclusive.

A mask is a sequence of runs: each a first and a last pixel (exclusive) of the object, counted through the mask's lines. A line
is a column in COCO, and a row in CVAT and Label Studio.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard

Edges = tuple[float, float, float, float]
"""Left, top, right, bottom."""

Run = tuple[int, int]

PIXELS_MAX = 16_000**2
"""A mask has at most as many pixels as an image may have."""


def outline_edges(points: Iterable[tuple[float, float]]) -> Edges:
    """The box around points. Raises ValueError if there are less than two."""
    xs, ys = [], []
    for x, y in points:
        xs.append(x)
        ys.append(y)
    if len(xs) < 2:
        raise ValueError(f"an outline needs points, but this one has {len(xs)}")
    return min(xs), min(ys), max(xs), max(ys)


def turned_edges(edges: Edges, degrees: float, about: tuple[float, float]) -> Edges:
    """The upright box around a rectangle that is turned clockwise, as the screen shows it, about a point."""
    left, top, right, bottom = edges
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((x - about[0], y - about[1]) for x in (left, right) for y in (top, bottom))
    return outline_edges((about[0] + x * cos - y * sin, about[1] + x * sin + y * cos) for x, y in corners)


def ellipse_edges(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0) -> Edges:
    """The upright box around an ellipse that is turned about its centre."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    half_width, half_height = math.hypot(radius_x * cos, radius_y * sin), math.hypot(radius_x * sin, radius_y * cos)
    return x - half_width, y - half_height, x + half_width, y + half_height


def clipped(edges: Edges, width: float, height: float) -> Edges:
    """The part inside an image: of a circle or a turned rectangle, which may reach over the edge."""
    left, top, right, bottom = edges
    return max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)


def runs_edges(runs: Iterable[Run], line_length: int, *, columns: bool = False) -> Edges | None:
    """The box around the pixels of the runs; None if there are none.

    Args:
        line_length: pixels of a line.
        columns: whether lines are columns.
    """
    start, end, first, last = line_length, 0, None, 0
    for begin, stop in runs:
        if stop <= begin:
            continue
        first_line, last_line = begin // line_length, (stop - 1) // line_length
        first = first_line if first is None else min(first, first_line)
        last = max(last, last_line)
        if first_line == last_line:
            start, end = min(start, begin % line_length), max(end, (stop - 1) % line_length + 1)
        else:  # it ends one line, and begins another
            start, end = 0, line_length
    if first is None:
        return None
    return (first, start, last + 1, end) if columns else (start, first, end, last + 1)


def counted_runs(counts: Sequence[int], pixels: int) -> Iterator[Run]:
    """Runs from the lengths of background and object in turn, as COCO and CVAT write them.

    Raises:
        ValueError: a length is negative, or they are not `pixels` together.
    """
    if any(count < 0 for count in counts) or sum(counts) != pixels:
        raise ValueError(f"the run lengths of the mask are {sum(counts):,} pixels together, must be {pixels:,}")
    position = 0
    for index, count in enumerate(counts):
        if index % 2:
            yield position, position + count
        position += count


def coco_counts(text: str) -> list[int]:
    """The run lengths that COCO's compressed RLE writes as text (`rleFrString` of cocoapi's maskApi.c).

    Raises:
        ValueError
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("the mask's `counts` are not COCO's compressed run lengths")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            if len(counts) > 2:
                value += counts[-2]
            counts.append(value)
            value = shift = 0
    if shift:
        raise ValueError("the mask's `counts` end within a number")
    return counts


def coco_edges(segmentation: object) -> Edges | None:
    """The box of a COCO `segmentation`, in its own unit: polygons, or RLE, compressed or not. None if the mask is empty.

    Raises:
        ValueError: what is wrong with it.
    """
    if isinstance(segmentation, list):
        return outline_edges(point for polygon in segmentation for point in flat_points(polygon))
    if not isinstance(segmentation, dict):
        raise ValueError("segmentation must be a list of polygons, or an RLE")  # noqa: TRY004 - a fault of the file
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not _is_integers(size) or len(size) != 2 or min(size) < 1 or size[0] * size[1] > PIXELS_MAX:
        raise ValueError("the RLE's `size` must be [height, width]")
    if isinstance(counts, str):
        counts = coco_counts(counts)
    if not _is_integers(counts):
        raise ValueError("the RLE's `counts` must be text, or a list of integers")
    return runs_edges(counted_runs(counts, size[0] * size[1]), size[0], columns=True)


def flat_points(polygon: object) -> Iterator[tuple[float, float]]:
    """The points of `[x, y, x, y, …]`. Raises ValueError."""
    if not isinstance(polygon, list) or len(polygon) % 2 or not all(_is_number(value) for value in polygon):
        raise ValueError("a polygon must be a list of numbers [x, y, x, y, …]")
    yield from zip(polygon[::2], polygon[1::2], strict=True)


def brush_edges(rle: object, width: int, height: int) -> Edges | None:
    """The box of a Label Studio brush, in pixels; None if it is empty. Its alpha channel is the mask.

    The format is that of https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack: a stream of bits.

    Raises:
        ValueError
    """
    if not _is_integers(rle) or not all(0 <= value < 256 for value in rle):
        raise ValueError("the brush's `rle` must be a list of bytes")
    return runs_edges(_alpha_runs(_Bits(bytes(rle)), width * height * 4), width)


def _alpha_runs(bits: _Bits, values: int) -> Iterator[Run]:
    """The pixels with alpha of a stream of RGBA values."""
    stated, word = bits.read(32), bits.read(5) + 1
    if stated != values:
        raise ValueError(f"the brush has {stated:,} values, must be 4 for each pixel: {values:,}")
    sizes = [bits.read(4) + 1 for _ in range(4)]
    position = 0
    while position < values:
        repeated = bits.read(1)
        stop = position + 1 + bits.read(sizes[bits.read(2)])
        if stop > values:
            raise ValueError("the brush's runs are longer than its image")
        for begin, end in ((position, stop),) if repeated else ((index, index + 1) for index in range(position, stop)):
            value = bits.read(word)
            pixels = begin // 4, end // 4  # each pixel whose fourth value is in the run
            if value and pixels[1] > pixels[0]:
                yield pixels
        position = stop


class _Bits:
    """Numbers from a stream of bits, the highest first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def read(self, count: int) -> int:
        """Raises ValueError at the end of the stream."""
        end = self._position + count
        if end > len(self._data) * 8:
            raise ValueError("the brush's `rle` ends too early")
        part = int.from_bytes(self._data[self._position // 8 : (end + 7) // 8])
        self._position = end
        return part >> (-end % 8) & ((1 << count) - 1)


def png_edges(data: bytes) -> Edges | None:
    """The box of the pixels of a PNG that are not 0; None if all are. Raises ValueError."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            return image.convert("L").point(bool).getbbox()
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"the mask is not a PNG image: {error}") from None


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_integers(values: object) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(value) is int for value in values)
