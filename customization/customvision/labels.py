"""The images and labels of a project, as labelled images of this service."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import OUTSIDE_TOLERANCE_PX, LabelledImage, LabelledImages, fitted
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.customvision.wire import NEGATIVE, Image, Region
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import ImageFacts
from vision_customization.customization.datasets.image_reading import read_images
from vision_customization.customization.errors import ConversionFailed, ImageUnreadable

_PROPORTION_TOLERANCE = 0.02
"""The project's size of an image may be that of a smaller copy: rounding changes its proportions by this share at most."""


@dataclass(frozen=True, slots=True)
class ProjectTag:
    name: str
    negative: bool = False


@dataclass(frozen=True, slots=True)
class ProjectContent:
    """A project's images and labels.

    Attributes:
        kind: `imageClassification`, `imageObjectDetection` or `imageMultiLabelClassification`.
        tags: by their ids, also those without images.
        untagged: the ids of images without labels, which are not among `images`.
    """

    name: str
    kind: str
    images: tuple[Image, ...]
    tags: Mapping[str, ProjectTag]
    untagged: tuple[str, ...] = ()


def labelled_images(
    content: ProjectContent,
    files: Mapping[str, Path],
    failed: Mapping[str, str],
    cache: DigestCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> LabelledImages:
    """The images with their labels; its remarks name whatever of the project is not in it.

    Args:
        files: the image files, by the images' ids.
        failed: why an image has no file, by its id.

    Raises:
        ConversionFailed: no image is left.
    """
    remarks = Remarks()
    for id_ in content.untagged:
        remarks.left_out(What.IMAGE, "untagged", id_)
    statuses: dict[str, os.stat_result] = {}
    for image in content.images:
        if image.id in files and (status := _status(files[image.id])) is not None:
            statuses[str(files[image.id])] = status
    facts = read_images(statuses, cache, on_progress)
    labelled: list[LabelledImage] = []
    for image in content.images:
        known = _usable(image, facts.get(str(files.get(image.id))), failed)
        labels = known if isinstance(known, str) else _labels(image, content, known, remarks)
        if isinstance(known, ImageFacts) and not isinstance(labels, str):
            labelled.append(LabelledImage(files[image.id], known.sha256, known.width, known.height, labels))
            continue
        remarks.left_out(What.IMAGE, str(labels), image.id)
        for name in _labels_in(image, content):
            remarks.left_out(What.LABEL, "its image is left out", f"{image.id}: {name}")
    used = {tag for image in labelled for tag, _ in image.labels}
    for tag in content.tags.values():
        if tag.negative and tag.name in used:
            remarks.changed(What.TAG, "the negative tag becomes a tag like the others: models answer with it", tag.name)
        elif not tag.negative and tag.name not in used:
            remarks.left_out(What.TAG, "has no label", tag.name)
    names = dict.fromkeys([tag.name for tag in content.tags.values()] + [tag for image in labelled for tag, _ in image.labels])
    if not labelled:
        reasons = [f"{len(remark.places):,} left out: {remark.reason}" for remark in remarks.listed()]
        raise ConversionFailed([f"{content.name}: no image is left", *reasons])
    return LabelledImages(
        content.kind,
        tuple(name for name in names if name in used),
        tuple(labelled),
        remarks.listed(),
        len(content.images) + len(content.untagged),
        sum(len(_labels_in(image, content)) for image in content.images),
    )


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _usable(image: Image, facts: ImageFacts | ImageUnreadable | None, failed: Mapping[str, str]) -> ImageFacts | str:
    """The facts about an image's file, or why the image can't be used, whatever its labels are."""
    if facts is None:
        return f"cannot be loaded: {failed[image.id]}" if image.id in failed else "its file is missing"
    if isinstance(facts, ImageUnreadable):
        return f"its file {facts}"
    if image.regions and image.width and image.height:
        claimed, actual = image.width / image.height, facts.width / facts.height
        if abs(claimed / actual - 1) > _PROPORTION_TOLERANCE:
            return "its regions belong to another size or orientation than its file has"
    return facts


def _labels_in(image: Image, content: ProjectContent) -> list[str]:
    """The tags of an image's regions, and its other tags. A negative tag alone says that the image has none."""
    tags = [content.tags.get(tag.tag_id or "", ProjectTag(tag.tag_name or "")) for tag in image.tags]
    if content.kind != AnnotationKind.IMAGE_CLASSIFICATION and not image.regions and all(tag.negative for tag in tags):
        return []
    regions = [content.tags.get(region.tag_id or "", ProjectTag(region.tag_name or "")).name for region in image.regions]
    return regions + [name for name in dict.fromkeys(tag.name for tag in tags) if name not in regions]


Labels = tuple[tuple[str, Box | None], ...]


def _labels(image: Image, content: ProjectContent, facts: ImageFacts, remarks: Remarks) -> Labels | str:
    """The labels of an image, or why it is left out."""
    tags = [content.tags.get(tag.tag_id or "", ProjectTag(tag.tag_name or "")) for tag in image.tags]
    regular = list(dict.fromkeys(tag.name for tag in tags if not tag.negative))
    negative = [tag.name for tag in tags if tag.negative]
    if content.kind == AnnotationKind.IMAGE_OBJECT_DETECTION:
        return _boxes(image, content, regular, negative, facts, remarks)
    if negative and regular:
        remarks.left_out(What.LABEL, "the negative tag, on an image that has other tags", f"{image.id}: {negative[0]}")
    if content.kind == AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION:
        if negative and not regular:
            remarks.changed(What.IMAGE, "the negative tag becomes an image that has none of the tags", image.id)
        return tuple((name, None) for name in regular) if regular or negative else "it has no tag"
    if len(regular) > 1:
        return "it has several tags, in a project for one tag per image"
    return tuple((name, None) for name in regular or negative[:1]) or "it has no tag"


def _boxes(
    image: Image,
    content: ProjectContent,
    regular: list[str],
    negative: list[str],
    facts: ImageFacts,
    remarks: Remarks,
) -> Labels | str:
    if not image.regions:
        if regular:
            return "it has a tag, but no region"
        if not negative:
            return "it has no tag"
        remarks.changed(What.IMAGE, "the negative tag becomes an image without objects", image.id)
        return ()
    found = [
        (content.tags.get(region.tag_id or "", ProjectTag(region.tag_name or "")).name, *_clipped(region, facts))
        for region in image.regions
    ]
    boxes = tuple((tag, box) for tag, box, _ in found if box is not None)
    if not boxes:
        return "none of its regions is in the image"
    if negative:
        remarks.left_out(What.LABEL, "the negative tag, on an image with regions", f"{image.id}: {negative[0]}")
    for tag, box, outside_px in found:
        if box is None:
            remarks.left_out(What.LABEL, "its region is empty, or outside of its image", f"{image.id}: {tag}")
        elif outside_px > OUTSIDE_TOLERANCE_PX:
            remarks.changed(What.LABEL, "its region reaches out of its image: clipped", f"{image.id}: {tag}")
    for name in sorted(set(regular) - {tag for tag, _, _ in found}):
        remarks.left_out(What.LABEL, "a tag of an image that has regions, but none of this tag", f"{image.id}: {name}")
    return boxes


def _clipped(region: Region, facts: ImageFacts) -> tuple[Box | None, float]:
    """The part of a region that is in its image, None if it is empty, and by how many pixels it reached out."""
    right, bottom = region.left + region.width, region.top + region.height
    left, top = max(0.0, region.left), max(0.0, region.top)
    width, height = min(1.0, right) - left, min(1.0, bottom) - top
    outside = max((left - region.left) * facts.width, (right - 1) * facts.width, (top - region.top) * facts.height)
    outside = max(outside, (bottom - 1) * facts.height)
    return (fitted((left, top, width, height)) if round(min(width, height), 9) > 0 else None), outside


def negative_tag(name: str, type_: str | None) -> bool:
    """Whether a tag is the negative one. Without a list of tags, its type is unknown, and the portal's name for it counts."""
    return type_ == NEGATIVE if type_ is not None else name == NEGATIVE
