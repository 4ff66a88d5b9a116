"""Product recognition: turns a detector's findings in a photograph of a shelf into products and gaps.

The API writes a run's image, and a worker reads it; it is kept until the run has ended.
"""

from collections.abc import Sequence

import numpy as np

from vision_customization.contract.analysis import DetectedObject, ImageMetadata
from vision_customization.contract.products import ProductRecognitionResult
from vision_customization.engine.learning.boxes import overlaps

GAP = "gap"
"""The tag, in any letter case, of empty places on the shelf."""

TAGS_MAX = 5
OVERLAP_MIN = 0.6
"""Intersection over union at which two detections of different tags count as one product that may be either."""


def recognized(detections: Sequence[DetectedObject], width: int, height: int) -> ProductRecognitionResult:
    """Products and gaps of an image of `width` × `height` pixels, each by falling confidence, with consecutive ids.

    Args:
        detections: as a detector gives them, with one tag each.
    """
    gaps = [found for found in detections if _is_gap(found)]
    products = merged([found for found in detections if not _is_gap(found)])
    gaps.sort(key=lambda found: -found.tags[0].confidence)
    numbered = [found.model_copy(update={"id": str(number)}) for number, found in enumerate([*products, *gaps], 1)]
    return ProductRecognitionResult(
        image_metadata=ImageMetadata(width=width, height=height),
        products=numbered[: len(products)],
        gaps=numbered[len(products) :],
    )


def merged(detections: Sequence[DetectedObject]) -> list[DetectedObject]:
    """Merge overlapping detections of different tags: the box of the most confident, and up to TAGS_MAX tags by falling
    confidence. The result is sorted by falling confidence; of equals, the first counts as the more confident.

    A detection joins the more confident product that it overlaps most, by OVERLAP_MIN at least, and that lacks its tag. Two
    detections of the same tag stay separate: the detector has already decided that they are two.
    """
    ordered = sorted(detections, key=lambda found: -found.tags[0].confidence)
    corners = np.array([_corners(found) for found in ordered], np.float32).reshape(-1, 4)
    overlap = overlaps(corners, corners)
    kept: list[int] = []
    products: dict[int, DetectedObject] = {}
    for index, found in enumerate(ordered):
        (tag,) = found.tags
        near = [
            one
            for one in kept
            if overlap[one, index] >= OVERLAP_MIN and tag.name not in (other.name for other in products[one].tags)
        ]
        if not near:
            kept.append(index)
            products[index] = found
            continue
        nearest = max(near, key=lambda one: overlap[one, index])
        tags = products[nearest].tags
        if len(tags) < TAGS_MAX:
            products[nearest] = products[nearest].model_copy(update={"tags": [*tags, tag]})
    return list(products.values())


def _is_gap(found: DetectedObject) -> bool:
    return found.tags[0].name.casefold() == GAP


def _corners(found: DetectedObject) -> tuple[int, int, int, int]:
    box = found.bounding_box
    return box.x, box.y, box.x + box.w, box.y + box.h
