"""Product recognition: from what a detector finds in a photograph of a shelf to products and gaps.

Where a run's image is kept until the run has ended is said here, too: the API writes it, and a worker reads it.
"""

from collections.abc import Sequence

import numpy as np

from vision_customization.contract.analysis import DetectedObject, ImageMetadata
from vision_customization.contract.products import ProductRecognitionResult
from vision_customization.engine.learning.boxes import overlaps

GAP = "gap"
"""The tag, in any letter case, of places where nothing stands."""

TAGS_MAX = 5
OVERLAP_MIN = 0.6
"""Intersection over union from which on two detections of different tags are one product that may be either."""


def recognized(detections: Sequence[DetectedObject], width: int, height: int) -> ProductRecognitionResult:
    """Products and gaps of an image of `width` × `height` pixels, each by falling confidence, with ids counted through.

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
    """Detections of different tags that overlap as one: the box of the most confident, and up to TAGS_MAX tags by falling
    confidence. By falling confidence; of equals the first one counts as the more confident.

    Of the more confident products without its tag, a detection joins the one that it overlaps most, OVERLAP_MIN at least. Two
    of the same tag stay two: it was the detector's to tell whether they are one.
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
