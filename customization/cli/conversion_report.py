"""The report at the end of a conversion: what was read, written and left out, and every remark with its first places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.cli.output import print_table

if TYPE_CHECKING:
    from vision_customization.customization.convert import LabelledImages, Remark

PLACES_SHOWN = 3

HEADINGS = {"leftOut": "left out", "changed": "changed", "warning": "probably a mistake", "note": "understood"}
PLURALS = {"image": "images", "file": "files", "folder": "folders", "tag": "tags"}
SINGULARS = {"image": "image", "file": "file", "folder": "folder", "tag": "tag"}


def report_json(written: Sequence[LabelledImages]) -> dict[str, Any]:
    """What was read and written in numbers of images and labels, and every remark with all its places.

    Args:
        written: the parts of a conversion, which all have its remarks.
    """
    counts = _counts(written)
    return {
        "read": {what: read for what, (read, _, _) in counts.items()},
        "written": {what: there for what, (_, there, _) in counts.items()},
        "remarks": [
            {
                "effect": remark.effect,
                "what": remark.what,
                "reason": remark.reason,
                "count": len(remark.places),
                "places": list(remark.places),
            }
            for remark in written[0].remarks
        ],
    }


def print_report(written: Sequence[LabelledImages]) -> None:
    """Print the same as tables."""
    counts = _counts(written)
    boxed = written[0].kind == AnnotationKind.IMAGE_OBJECT_DETECTION
    labels = ("box", "boxes") if boxed else ("label", "labels")
    rows = [("images", *counts["images"]), (labels[1], *counts["labels"])]
    click.echo()
    print_table(("", "read", "written", "left out"), rows, "nothing")
    for what, read, there, left_out in rows:
        if read != there + left_out:
            click.echo(f"warning: {read} {what} were read, but {there} written and {left_out} left out. Please report this")
    for effect, heading in HEADINGS.items():
        remarks = [_row(remark, labels) for remark in written[0].remarks if remark.effect == effect]
        if remarks:
            click.echo()
            print_table((heading, "why" if effect != "note" else "as", "where"), remarks, "nothing")


def remark_line(remark: Remark) -> str:
    """A remark as one line, with its first places."""
    what, why, where = _row(remark, ("label", "labels"))
    return f"{HEADINGS[remark.effect]}: {what}: {why}: {where}"


def _row(remark: Remark, labels: tuple[str, str]) -> tuple[str, str, str]:
    count = len(remark.places)
    one, several = labels if remark.what == "label" else (SINGULARS[remark.what], PLURALS[remark.what])
    more = f" and {count - PLACES_SHOWN:,} more" if count > PLACES_SHOWN else ""
    return f"{count:,} {one if count == 1 else several}", remark.reason, ", ".join(remark.places[:PLACES_SHOWN]) + more


def _counts(written: Sequence[LabelledImages]) -> dict[str, tuple[int, int, int]]:
    """Images and labels that were read, written and left out. The readers count the first number on their own."""
    read = written[0]
    images = sum(len(part.images) for part in written)
    labels = sum(len(image.labels) for part in written for image in part.images)
    return {
        "images": (read.images_read, images, read.left_out("image")),
        "labels": (read.labels_read, labels, read.left_out("label")),
    }
