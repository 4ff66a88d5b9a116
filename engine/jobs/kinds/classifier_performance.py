"""A classifier's performance on images of a job, and its outcomes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.models import Estimate, ModelPerformance, Outlook
from vision_customization.engine.jobs.images.embedding import Embedding, check_networks
from vision_customization.engine.jobs.images.stored_images import StoredImages
from vision_customization.engine.jobs.kinds.job import Job
from vision_customization.engine.learning import Classifier, classification_performance, multi_label_performance
from vision_customization.engine.learning.estimate import HeldOut
from vision_customization.engine.learning.label_issues import likely_labels, likely_present
from vision_customization.engine.outcomes.classified import classified, multi_classified
from vision_customization.engine.outcomes.outcomes import ImageName, Outcomes

Measured = tuple[ModelPerformance, Outcomes]


def measured(job: Job, embedding: Embedding, head: str, part: int, shards: int) -> Measured:
    """Evaluate a stored classifier on the features of a part: gives the numbers of its ONNX file without running it."""
    classifier = Classifier.from_npz(job.resources.objects.get(head))
    check_networks(classifier, job.resources.extractor.dimensions)
    tags: Sequence[str] = classifier.tags
    stored = stored_images(job, embedding, part, shards, len(tags))
    images = stored.names(np.arange(len(stored)))
    probabilities = np.empty((len(stored), len(tags)), np.float32)
    for rows, features in stored.batches(classifier.views):
        job.check()
        probabilities[rows] = classifier.probabilities(features)
    if classifier.thresholds is not None:
        present = stored.tags.toarray()
        performance = multi_label_performance(present, probabilities, classifier.thresholds, tags)
        return performance, multi_classified(images, present, probabilities, classifier.thresholds, tags)
    labels = stored.labels
    return classification_performance(labels, probabilities, tags), classified(images, labels, probabilities, tags)


def stored_images(job: Job, embedding: Embedding, part: int, shards: int, tags: int) -> StoredImages:
    """The images of the first shards of a part, which have `tags` tags in all."""
    kept, images = job.resources.kept, job.plan.parts[part].images
    return StoredImages(kept, job.shards(embedding), images, part, shards, tags)


def estimated(
    images: Sequence[ImageName],
    labels: NDArray[np.int64],
    held_out: HeldOut,
    tags: Sequence[str],
    outlook: Outlook | None = None,
) -> Measured:
    """The estimate from the training images, of which `images` and `labels` are all."""
    performance = classification_performance(held_out.repeated(labels), held_out.flat, tags)
    interval = held_out.interval(performance.accuracy_top1 or 0.0)
    performance.estimate = Estimate(images=len(held_out.rows), groups=held_out.groups, accuracy_top1=interval, outlook=outlook)
    named, labels = [images[row] for row in held_out.rows], labels[held_out.rows]
    likely = likely_labels(labels, held_out.probabilities)
    return performance, classified(named, labels, held_out.probabilities, tags, likely)


def estimated_tags(
    images: Sequence[ImageName],
    present: NDArray[np.bool_],
    held_out: HeldOut,
    thresholds: Sequence[float],
    tags: Sequence[str],
) -> Measured:
    """The same for several tags per image."""
    performance = multi_label_performance(held_out.repeated(present), held_out.flat, thresholds, tags)
    performance.estimate = Estimate(images=len(held_out.rows), groups=held_out.groups)
    named, present = [images[row] for row in held_out.rows], present[held_out.rows]
    likely = likely_present(present, held_out.probabilities)
    return performance, multi_classified(named, present, held_out.probabilities, thresholds, tags, likely)
