"""Labelled images, between the format they are read from and COCO."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vision_customization.contract.coco.boxes import up_to_edge
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import EXTENSIONS, ImageFacts
from vision_customization.customization.datasets.image_reading import read_images
from vision_customization.customization.errors import ConversionFailed, ImageUnreadable

OUTSIDE_TOLERANCE_PX = 2.0
"""Tools count pixels from 0 or from 1, and round: a box this far outside its image is silently clipped to the edge."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image file and its labels. `width` and `height` are pixels; a classification's labels have no box."""

    path: Path
    sha256: str
    width: int
    height: int
    labels: tuple[tuple[str, Box | None], ...]


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """`kind` is an `AnnotationKind`; `tags` keeps the order of the source."""

    kind: str
    tags: tuple[str, ...]
    images: tuple[LabelledImage, ...]


@dataclass(frozen=True, slots=True)
class PixelBox:
    """Edges in pixels from the upper left corner; `right` and `bottom` are exclusive."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(slots=True)
class FoundImage:
    """What a format's reader knows about an image before the image file itself is read.

    `place` is its place for error messages. `claimed` is the size that the format states, in pixels. A label's box is in
    pixels, in fractions, or None.
    """

    path: Path
    place: str
    labels: list[tuple[str, PixelBox | Box | None, str]] = field(default_factory=list)
    claimed: tuple[float, float] | None = None

    def add(self, tag: str, box: PixelBox | Box | None, place: str) -> None:
        self.labels.append((tag, box, place))


def finish(
    kind: str,
    tags: Sequence[str],
    found: Iterable[FoundImage],
    problems: list[str],
    cache: DigestCache | None,
    on_progress: Progress | None,
) -> LabelledImages:
    """Read the image files, and convert every box to fractions. Labels for classification with several tags on an image are of
    the kind for several tags per image.

    Raises:
        ConversionFailed: with the reader's `problems` and those found here.
    """
    ordered = list(found)
    statuses: dict[str, os.stat_result] = {}
    for item in ordered:
        try:
            statuses[str(item.path)] = item.path.stat()
        except OSError:
            problems.append(f"{item.place}: no such image file: {item.path}")
    facts = read_images(statuses, cache, on_progress)
    images = []
    for item in ordered:
        known = facts.get(str(item.path))
        if isinstance(known, ImageUnreadable):
            problems.append(f"{item.path}: {known}")
        elif known is not None:
            images.append(_labelled(kind, item, known, problems))
    if not ordered and not problems:
        problems.append("no images found")
    if problems:
        raise ConversionFailed(problems)
    if kind == AnnotationKind.IMAGE_CLASSIFICATION and any(len(image.labels) > 1 for image in images):
        kind = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    used = {tag for image in images for tag, _ in image.labels}
    return LabelledImages(kind, tuple(tag for tag in dict.fromkeys(tags) if tag in used), tuple(images))


def _labelled(kind: str, item: FoundImage, facts: ImageFacts, problems: list[str]) -> LabelledImage:
    size = facts.width, facts.height
    # Fractions are the same at any size, and always refer to the upright image.
    in_pixels = any(isinstance(box, PixelBox) for _, box, _ in item.labels)
    if in_pixels and item.claimed is not None and item.claimed != size:
        if facts.has_size(*item.claimed):
            problems.append(
                f"{item.place}: {item.path.name} is stored rotated (EXIF orientation), but was labelled without the "
                "rotation. Save it upright, "
                "and label it again"
            )
        else:
            claimed = " × ".join(f"{side:g}" for side in item.claimed)
            problems.append(f"{item.place}: {item.path.name} is {size[0]} × {size[1]} px, but its labels say {claimed}")
        return LabelledImage(item.path, facts.sha256, *size, ())
    labels: list[tuple[str, Box | None]] = []
    for tag, box, place in item.labels:
        if isinstance(box, PixelBox):
            try:
                labels.append((tag, pixels_to_fractions(box, *size)))
            except ValueError as error:
                problems.append(f"{place}: {error}")
        else:
            labels.append((tag, box))
    if kind == AnnotationKind.IMAGE_CLASSIFICATION:
        labels = list(dict.fromkeys(labels))
    return LabelledImage(item.path, facts.sha256, *size, tuple(labels))


def pixels_to_fractions(box: PixelBox, width: int, height: int) -> Box:
    """Convert a box in pixels to the contract's fractions.

    Raises:
        ValueError: it is empty, not finite, or more than two pixels outside the image.
    """
    edges = box.left, box.top, box.right, box.bottom
    shown = f"box from ({box.left:g}, {box.top:g}) to ({box.right:g}, {box.bottom:g})"
    if not all(math.isfinite(edge) for edge in edges):
        raise ValueError(f"{shown}: must be finite numbers")
    outside = max(-box.left, -box.top, box.right - width, box.bottom - height)
    if outside > OUTSIDE_TOLERANCE_PX:
        raise ValueError(f"{shown}: is {outside:g} px outside the image, which is {width} × {height} px")
    left, top = max(0.0, box.left), max(0.0, box.top)
    right, bottom = min(float(width), box.right), min(float(height), box.bottom)
    if right <= left or bottom <= top:
        raise ValueError(f"{shown}: is empty")
    return fitted((left / width, top / height, (right - left) / width, (bottom - top) / height))


def fitted(box: Box) -> Box:
    """Rounded to nine digits, with `left + width` and `top + height` at most 1 also in floating point."""
    left, top, width, height = (round(number, 9) for number in box)
    return left, top, up_to_edge(left, width), up_to_edge(top, height)


def image_files(folder: Path) -> list[Path]:
    """Every file below `folder` with an image's extension, except hidden files, sorted by path."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in EXTENSIONS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def number(text: str | None) -> float:
    """A finite number from text. Raises ValueError with the text in its message."""
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text or ''!r} is not a number")
    return value
