"""Converts the findings of models to the contract's form."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.analysis import BoundingBox, DetectedObject, Tag

if TYPE_CHECKING:
    from vision_customization.engine.learning.boxes import Detections
    from vision_customization.engine.learning.images import DecodedImage


CONFIDENCE_LEAST = 0.2
"""Lowest confidence of the objects in an answer: the hosted service's replies went down to .2198."""


class TagProbability(NamedTuple):
    """A tag of a classifier, its probability for an image and, in a multi-label classifier, its threshold."""

    name: str
    probability: float
    threshold: float | None = None


class Classification(NamedTuple):
    """A classifier's answer for an image: all its tags, most probable first, and the novelty, 0…1, if the model tells it."""

    tags: list[TagProbability]
    novelty: float | None = None


def tag_probabilities(
    tags: Sequence[str], probabilities: NDArray[np.float32], thresholds: Sequence[float] | None
) -> list[TagProbability]:
    """All tags, most probable first."""
    order = np.argsort(-probabilities, kind="stable")
    return [
        TagProbability(tags[index], float(probabilities[index]), None if thresholds is None else thresholds[index])
        for index in order
    ]


def detected_objects(found: "Detections", tags: Sequence[str], image: "DecodedImage") -> list[DetectedObject]:
    """The objects found in an image, in the contract's form: boxes in whole pixels of the submitted image, inside it, and at
    least one pixel wide and high."""
    height, width = image.pixels.shape[:2]
    scale = np.array([image.width / width, image.height / height] * 2)
    limits = np.array([image.width, image.height])
    objects: list[DetectedObject] = []
    for corners, label, score in zip(found.corners * scale, found.labels, found.scores, strict=True):
        if score < CONFIDENCE_LEAST:
            break
        start = np.clip(np.round(corners[:2]), 0, limits - 1).astype(int)
        stop = np.clip(np.round(corners[2:]), start + 1, limits).astype(int)
        box = BoundingBox(x=int(start[0]), y=int(start[1]), w=int(stop[0] - start[0]), h=int(stop[1] - start[1]))
        tag = Tag(name=tags[label], confidence=float(score))
        objects.append(DetectedObject(id=str(len(objects) + 1), bounding_box=box, tags=[tag]))
    return objects
