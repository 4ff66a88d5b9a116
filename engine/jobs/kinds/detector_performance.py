"""A detector's performance on images of a job: on those it has analyzed in steps, or on a few at once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vision_customization.contract.models import ModelPerformance
from vision_customization.engine.annotations import BoxedImage
from vision_customization.engine.jobs.images.found_objects import FoundObjects
from vision_customization.engine.jobs.images.pictures import Pictures
from vision_customization.engine.jobs.kinds.held_out import BoxedDigest, boxed
from vision_customization.engine.jobs.kinds.job import Job
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.learning.detection.artifact import DetectorSession
from vision_customization.engine.learning.detection.metrics import detection_performance, precision_recall_curves

_CHECKED_EVERY = 256
"""After how many images a job checks whether it should stop."""

Measured = tuple[ModelPerformance, dict[str, Any]]
"""The performance, and the precision-recall curves of each tag."""


def measured(job: Job, found_objects: FoundObjects, part: int, count: int) -> Measured:
    """The performance on the first `count` shards of a part. Raises JobFailed, JobCancelled."""
    images, tags = boxed(job.shards(found_objects), part, count), job.plan.parts[part].tags
    truths: list[LabelledBoxes] = []
    found: list[Detections] = []
    kept = found_objects.read([digest for _, digest in images])
    for (image, _), ((width, height), detections) in zip(images, kept, strict=True):
        if not len(found) % _CHECKED_EVERY:
            job.check()
        truths.append(in_pixels(image, width, height))
        found.append(detections)
    return detection_performance(truths, found, tags), dict(precision_recall_curves(truths, found, tags))


def measured_at_once(
    session: DetectorSession,
    pictures: Pictures,
    images: Sequence[BoxedDigest],
    tags: Sequence[str],
    check: Callable[[], None],
) -> Measured:
    """The performance on a few images, for the tags of their objects only, because they say nothing about other tags. `check`
    raises if the job should stop."""
    present = np.unique([box.label for image, _ in images for box in image.boxes])
    truths, found = [], []
    for image, digest in images:
        check()
        pixels = pictures.read(digest)
        truths.append(in_pixels(image, pixels.shape[1], pixels.shape[0]))
        seen = session.detect(pixels)
        counted = np.isin(seen.labels, present)
        found.append(Detections(seen.corners[counted], seen.labels[counted], seen.scores[counted]))
    return detection_performance(truths, found, tags), dict(precision_recall_curves(truths, found, tags))


def in_pixels(image: BoxedImage, width: int, height: int) -> LabelledBoxes:
    """The objects of an image of this size in pixels. With width and height 1, their corners are shares of its sides."""
    corners = [(box.left, box.top, box.left + box.width, box.top + box.height) for box in image.boxes]
    scaled = np.array(corners, np.float32).reshape(-1, 4) * np.array([width, height, width, height], np.float32)
    return LabelledBoxes(scaled, np.array([box.label for box in image.boxes], np.int64))
