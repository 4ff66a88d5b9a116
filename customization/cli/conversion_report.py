"""The report at the end of a conversion: what was read, written, left out, changed or doubtful, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.texts import counted
from vision_customization.customization.cli.output import print_table

if TYPE_CHECKING:
    from vision_customization.customization.convert import LabelledImages, Remark

PLACES_SHOWN = 3
_HEADINGS = {"leftOut": "left out", "changed": "changed", "warning": "probably a mistake"}


def report_json(read: LabelledImages, written: Sequence[LabelledImages]) -> dict[str, Any]:
    """`read` and `written` in numbers of images and labels, and every remark with all its places."""
    return {
        "read": {what: counts[0] for what, counts in _counts(read, written).items()},
        "written": {what: counts[1] for what, counts in _counts(read, written).items()},
        "remarks": [
            {
                "effect": remark.effect,
                "what": remark.what,
                "reason": remark.reason,
                "count": len(remark.places),
                "places": list(remark.places),
            }
            for remark in read.remarks
        ],
    }


def print_report(read: LabelledImages, written: Sequence[LabelledImages]) -> None:
    counts = _counts(read, written)
    label = "boxes" if read.kind == AnnotationKind.IMAGE_OBJECT_DETECTION else "tags of images"
    rows = [(name, *counts[what]) for name, what in (("images", "images"), (label, "labels"))]
    print_table(("", "read", "written", "left out"), rows, "nothing")
    for effect, heading in _HEADINGS.items():
        remarks = [remark for remark in read.remarks if remark.effect == effect]
        if remarks:
            print_table((heading, "why", "where"), [_row(remark, label) for remark in remarks], "nothing")


def remark_line(remark: Remark) -> str:
    """A remark as one line, with its first places."""
    what, why, where = _row(remark, "labels")
    return f"{_HEADINGS[remark.effect]}: {what}: {why}: {where}"


def _row(remark: Remark, label: str) -> tuple[str, str, str]:
    singular = {"boxes": "box", "tags of images": "tag of an image", "labels": "label"}[label]
    count = len(remark.places)
    what = counted(count, str(remark.what)) if remark.what != "label" else f"{count:,} {singular if count == 1 else label}"
    where = ", ".join(remark.places[:PLACES_SHOWN])
    more = f" and {count - PLACES_SHOWN:,} more" if count > PLACES_SHOWN else ""
    return what, remark.reason, where + more


def _counts(read: LabelledImages, written: Sequence[LabelledImages]) -> dict[str, tuple[int, int, int]]:
    """What was read, written and left out, in images and labels: the first is the sum of the others."""
    images = sum(len(part.images) for part in written)
    labels = sum(len(image.labels) for part in written for image in part.images)
    return {
        "images": (images + read.left_out("image"), images, read.left_out("image")),
        "labels": (labels + read.left_out("label"), labels, read.left_out("label")),
    }
