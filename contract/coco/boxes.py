"""The `bbox` of an annotation: its rules, and clipping a box that rounding has pushed over the image's edge."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeGuard

ROUNDING_TOLERANCE = 1e-4
"""As a fraction of the image's side: tools that write four digits may put a box this far beyond the edge."""

SHOWN_CHARACTERS = 60


def bbox_problem(bbox: object) -> str | None:
    """What is wrong with a detection's `bbox`, which is `[left, top, width, height]` in fractions 0…1; None if nothing is."""
    if bbox is None:
        return "bbox is missing: an annotation for object detection needs [left, top, width, height]"
    told = f"bbox {shown_as_json(bbox)}"
    if not _is_four_numbers(bbox):
        return f"{told}: must be four numbers [left, top, width, height]"
    left, top, width, height = bbox
    if _in_pixels(bbox):
        advice = "must be fractions 0 to 1 of the image's size (`vision convert --from coco-pixels` converts them)"
        return f"{told}: these look like pixels, but {advice}"
    problems = [
        f"{side} is {_figure(number)}, must be at least 0 and less than 1"
        for side, number in (("left", left), ("top", top))
        if not 0 <= number < 1
    ]
    problems += [
        f"{side} is {_figure(number)}, must be more than 0 and at most 1"
        for side, number in (("width", width), ("height", height))
        if not 0 < number <= 1
    ]
    if not problems:
        problems = [
            f"{sides} is {number!r}, must be at most 1"
            for sides, number in (("left + width", left + width), ("top + height", top + height))
            if not number <= 1
        ]
    if not problems:
        return None
    cut = cut_to_image(bbox)
    by_rounding = cut is not bbox and bbox_problem(cut) is None
    advice = " (`vision convert --from coco` clips such rounding errors)" if by_rounding else ""
    return f"{told}: {'; '.join(problems)}{advice}"


def no_bbox_problem(annotations: int) -> str:
    """The message for a detection file without any `bbox`: most likely its dataset has the wrong kind."""
    which = "the annotation has no bbox" if annotations == 1 else f"none of the {annotations:,} annotations has a bbox"
    return (
        f"{which}, so these are labels for classification. Set the dataset's kind to imageClassification, or add to each "
        "object its bbox "
        "[left, top, width, height] in fractions 0 to 1 of the image's size"
    )


def is_crowd(entry: Mapping[str, Any]) -> bool:
    """Whether an annotation is a crowd (`iscrowd`) and not a single object. Tools write 0 and 1 as numbers, as text, or as true
    and false.

    Raises:
        ValueError: it is neither.
    """
    flag = entry.get("iscrowd")
    value = flag.strip().lower() if isinstance(flag, str) else flag
    if value in (None, 0, "", "0", "false"):
        return False
    if value in (1, "1", "true"):
        return True
    raise ValueError(f"iscrowd is {shown_as_json(flag)}, must be 0 or 1")


def cut_to_image(bbox: object) -> object:
    """Clip a `bbox` that exceeds its image by at most `ROUNDING_TOLERANCE` to the edge; return any other unchanged."""
    if not _is_four_numbers(bbox):
        return bbox
    left, top, width, height = bbox
    if any(abs(number) > 2 for number in bbox):
        return bbox
    far = 1 + ROUNDING_TOLERANCE
    if min(left, top) < -ROUNDING_TOLERANCE or not (left + width <= far and top + height <= far):
        return bbox
    if left >= 0 and top >= 0 and left + width <= 1 and top + height <= 1:
        return bbox
    right, bottom = min(1.0, left + width), min(1.0, top + height)
    left, top = max(0.0, left), max(0.0, top)
    return [left, top, up_to_edge(left, right - left), up_to_edge(top, bottom - top)]


def up_to_edge(start: float, length: float) -> float:
    """The length, or the greatest smaller one for which `start + length` is at most 1 in floating point, too."""
    if start + length <= 1:
        return length
    length = 1 - start
    while start + length > 1:
        length = math.nextafter(length, 0)
    return length


def shown_as_json(value: object) -> str:
    """A value of a JSON file for a message, shortened if it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "…"
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _is_four_numbers(bbox: object) -> TypeGuard[list[int | float]]:
    return isinstance(bbox, list) and len(bbox) == 4 and all(type(number) in (int, float) for number in bbox)


def _in_pixels(bbox: list[int | float]) -> bool:
    """Whether these numbers can't be fractions: one is far over 1, or all are integers and one is over 1."""
    return max(bbox) > 2 or (max(bbox) > 1 and min(bbox) >= 0 and all(float(number).is_integer() for number in bbox))


def _figure(number: float) -> str:
    # An integer may be too large for a float.
    return shown_as_json(number) if isinstance(number, int) else f"{number:.12g}"
