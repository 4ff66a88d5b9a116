"""Labelled images, between the format they are read from and COCO."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vision_customization.contract.coco.boxes import up_to_edge
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.names import has_control_characters, name_text_fault, near_twins, shown_twins
from vision_customization.customization.convert.images.photos import is_photo, read_images_and_photos
from vision_customization.customization.convert.remarks import Effect, Remark, Remarks, What
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import ImageFacts
from vision_customization.customization.errors import ConversionFailed, ImageUnreadable

OUTSIDE_TOLERANCE_PX = 2.0
"""Tools count pixels from 0 or from 1, and round: a box this far outside its image is silently clipped to the edge."""

CLIPPED = "reaches a little beyond its image, so it is clipped to the edge"

Progress = Callable[[int, int], None]

_DECIMAL_COMMA = re.compile(r"([+-]?\d*),(\d+)")


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image file and its labels. `width` and `height` are pixels; a classification's labels have no box.

    `testing` is whether the source itself has the image for testing; None if the source is not split. `photo` says that the
    service does not accept the file, so that it gets a JPEG copy (`photo_copies`); the `sha256` of the copy is its photo's.
    `copy_of` names the original of a copy that a conversion made: by its path relative to the output folder, or as
    `customvision:<project>/<image>`.
    """

    path: Path
    sha256: str
    width: int
    height: int
    labels: tuple[tuple[str, Box | None], ...]
    testing: bool | None = None
    photo: bool = False
    copy_of: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """`kind` is an `AnnotationKind`; `tags` keeps the order of the source. `remarks` says what of the source is not here, or is
    here in another way. `images_read` and `labels_read` are how many the source has, counted before anything was left out.
    """

    kind: str
    tags: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    remarks: tuple[Remark, ...] = ()
    images_read: int = 0
    labels_read: int = 0

    @property
    def is_split(self) -> bool:
        """Whether the source itself has images for testing."""
        return any(image.testing for image in self.images)

    def left_out(self, what: str) -> int:
        """How many images, or labels, of the source are not here."""
        return sum(len(remark.places) for remark in self.remarks if remark.effect is Effect.LEFT_OUT and remark.what == what)


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
    testing: bool | None = None

    def add(self, tag: str, box: PixelBox | Box | None, place: str) -> None:
        self.labels.append((tag, box, place))


def finish(
    kind: str,
    tags: Sequence[str],
    found: Iterable[FoundImage],
    problems: list[str],
    cache: DigestCache | None,
    on_progress: Progress | None,
    remarks: Remarks | None = None,
) -> LabelledImages:
    """Read the image files, and convert every box to fractions. Labels for classification with several tags on an image are of
    the kind for several tags per image.

    Args:
        remarks: the reader's; those found here are added.

    Raises:
        ConversionFailed: with the reader's `problems` and those found here.
    """
    ordered = list(found)
    remarks = remarks or Remarks()
    statuses: dict[str, os.stat_result] = {}
    for item in ordered:
        try:
            statuses[str(item.path)] = item.path.stat()
        except (OSError, ValueError):
            problems.append(f"{item.place}: no such image file: {item.path}")
    facts = read_images_and_photos(statuses, cache, on_progress)
    images = []
    for item in ordered:
        known = facts.get(str(item.path))
        if isinstance(known, ImageUnreadable):
            problems.append(f"{item.path}: {known}")
        elif known is not None:
            images.append(_labelled(kind, item, known, problems, remarks))
            if is_photo(known):
                reason = f"{known.format} image, which the service does not accept: its JPEG copy is used"
                remarks.changed(What.IMAGE, reason, str(item.path))
    problems += _unusable_tags(ordered)
    if not ordered and not problems:
        problems.append("no images found")
        problems += [f"{place}: {remark.reason}" for remark in remarks.listed() for place in remark.places]
    if problems:
        raise ConversionFailed(problems)
    if kind == AnnotationKind.IMAGE_CLASSIFICATION and any(len(image.labels) > 1 for image in images):
        kind = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    used = {tag for image in images for tag, _ in image.labels}
    _remark_on_tags(list(dict.fromkeys(tags)), used, remarks)
    return LabelledImages(
        kind,
        tuple(tag for tag in dict.fromkeys(tags) if tag in used),
        tuple(images),
        remarks.listed(),
        remarks.seen[What.IMAGE],
        remarks.seen[What.LABEL],
    )


def remark_on_namesakes(tags: Iterable[str], remarks: Remarks) -> None:
    """Warn of names that several classes of a source have."""
    for tag, count in Counter(tags).items():
        if count > 1:
            remarks.warn(What.TAG, "is the name of several classes, which count as one tag", f"{tag!r} ({count} classes)")


def _unusable_tags(found: Iterable[FoundImage]) -> list[str]:
    places: dict[str, str] = {}
    for item in found:
        for tag, _, place in item.labels:
            places.setdefault(tag, place)
    return [f"{place}: the tag {tag!r} {fault}" for tag, place in places.items() if (fault := name_text_fault(tag))]


def _remark_on_tags(tags: Sequence[str], used: Container[str], remarks: Remarks) -> None:
    for tag in tags:
        if tag not in used:
            remarks.left_out(What.TAG, "has no label", repr(tag))
        elif has_control_characters(tag):
            remarks.warn(What.TAG, "has control characters", repr(tag))
    for one, other in near_twins(tag for tag in tags if tag in used):
        remarks.warn(What.TAG, "differs from another tag only by letter case, blanks or Unicode form", shown_twins(one, other))


def _labelled(kind: str, item: FoundImage, facts: ImageFacts, problems: list[str], remarks: Remarks) -> LabelledImage:
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
        return LabelledImage(item.path, facts.sha256, *size, (), item.testing)
    labels: list[tuple[str, Box | None]] = []
    for tag, box, place in item.labels:
        if isinstance(box, PixelBox):
            try:
                labels.append((tag, pixels_to_fractions(box, *size)))
            except ValueError as error:
                problems.append(f"{place}: {error}")
                continue
            if min(box.left, box.top) < 0 or box.right > size[0] or box.bottom > size[1]:
                remarks.changed(What.LABEL, CLIPPED, place)
        else:
            labels.append((tag, box))
    if kind == AnnotationKind.IMAGE_CLASSIFICATION:
        for index, (tag, _, place) in enumerate(item.labels):
            if any(tag == earlier for earlier, _, _ in item.labels[:index]):
                remarks.left_out(What.LABEL, "repeats the tag of its image", place)
        labels = list(dict.fromkeys(labels))
    return LabelledImage(item.path, facts.sha256, *size, tuple(labels), item.testing, is_photo(facts))


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
    """Rounded to nine digits, with `left + width` and `top + height` at most 1 also in floating point.

    Raises ValueError if nothing is left of the box.
    """
    left, top, width, height = (round(number, 9) for number in box)
    width, height = up_to_edge(left, width), up_to_edge(top, height)
    if width <= 0 or height <= 0:
        raise ValueError(f"box {' '.join(f'{number:g}' for number in box)} is empty")
    return left, top, width, height


def number(text: str | None) -> float:
    """A finite number from text. Raises ValueError with the text in its message."""
    text = text or ""
    try:
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        comma = _DECIMAL_COMMA.fullmatch(text.strip())
        raise ValueError(f"{text!r} is not a number" + (f": write it with a point, {comma[1]}.{comma[2]}" if comma else ""))
    return value
