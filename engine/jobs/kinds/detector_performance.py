"""A detector's performance on images of a job: on those it has analyzed in steps, or on a few at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vision_customization.contract.models import ModelPerformance
from vision_customization.engine.annotations import BoxedImage
from vision_customization.engine.jobs.images.found_objects import FoundObjects
from vision_customization.engine.jobs.images.pictures import Pictures
from vision_customization.engine.jobs.images.plan import named
from vision_customization.engine.jobs.kinds.held_out import BoxedDigest, boxed
from vision_customization.engine.jobs.kinds.job import Job
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.learning.detection.artifact import DetectorSession
from vision_customization.engine.learning.detection.metrics import detection_performance
from vision_customization.engine.outcomes.detected import detected
from vision_customization.engine.outcomes.outcomes import Outcomes

_CHECKED_EVERY = 256
"""After how many images a job checks whether it should stop."""


@dataclass(frozen=True)
class Measured:
    """What a detector found in images, beside their labels. `sizes` are width and height, in pixels of the boxes."""

    images: Sequence[BoxedDigest]
    sizes: Sequence[tuple[int, int]]
    truths: Sequence[LabelledBoxes]
    found: Sequence[Detections]
    tags: Sequence[str]

    @property
    def performance(self) -> ModelPerformance:
        return detection_performance(self.truths, self.found, self.tags)

    @property
    def outcomes(self) -> Outcomes:
        names = [named(image, digest) for image, digest in self.images]
        return detected(names, self.sizes, self.truths, self.found, self.tags)


def measured(job: Job, found_objects: FoundObjects, part: int, count: int) -> Measured:
    """What was found in the first `count` shards of a part. Raises JobFailed, JobCancelled."""
    images, tags = boxed(job.shards(found_objects), part, count), job.plan.parts[part].tags
    sizes: list[tuple[int, int]] = []
    truths: list[LabelledBoxes] = []
    found: list[Detections] = []
    kept = found_objects.read([digest for _, digest in images])
    for (image, _), ((width, height), detections) in zip(images, kept, strict=True):
        if not len(found) % _CHECKED_EVERY:
            job.check()
        sizes.append((width, height))
        truths.append(in_pixels(image, width, height))
        found.append(detections)
    return Measured(images, sizes, truths, found, tags)


def measured_at_once(
    session: DetectorSession,
    pictures: Pictures,
    images: Sequence[BoxedDigest],
    tags: Sequence[str],
    check: Callable[[], None],
) -> Measured:
    """What is found in a few images, for the tags of their objects only, because they say nothing about other tags. `check`
    raises if the job should stop."""
    present = np.unique([box.label for image, _ in images for box in image.boxes])
    sizes, truths, found = [], [], []
    for image, digest in images:
        check()
        pixels = pictures.read(digest)
        sizes.append((pixels.shape[1], pixels.shape[0]))
        truths.append(in_pixels(image, *sizes[-1]))
        seen = session.detect(pixels)
        counted = np.isin(seen.labels, present)
        found.append(Detections(seen.corners[counted], seen.labels[counted], seen.scores[counted]))
    return Measured(images, sizes, truths, found, tags)


def in_pixels(image: BoxedImage, width: int, height: int) -> LabelledBoxes:
    """The objects of an image of this size in pixels. With width and height 1, their corners are shares of its sides."""
    corners = [(box.left, box.top, box.left + box.width, box.top + box.height) for box in image.boxes]
    scaled = np.array(corners, np.float32).reshape(-1, 4) * np.array([width, height, width, height], np.float32)
    return LabelledBoxes(scaled, np.array([box.label for box in image.boxes], np.int64))
