"""Labels for multi-label classification: images with any number of tags."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import numpy as np

from vision_customization.contract.coco.document import Violation
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.limits import DATASET_LIMITS, DatasetLimits
from vision_customization.engine.annotations.files import (
    DATASET,
    Findings,
    beyond_limits,
    no_image_with_a_tag,
    read_files,
    shown,
)
from vision_customization.engine.annotations.images import FirstOfUrl, ImageEntries, MultiTaggedImages


@dataclass(frozen=True, slots=True)
class MultiLabelAnnotations:
    """The merged annotation files of a dataset. Tags without images are left out; images without tags are kept. Tags are
    sorted, so that the order of files and entries makes no difference."""

    tags: tuple[str, ...]
    images: MultiTaggedImages


def read_multi_label(files: Sequence[tuple[str, BinaryIO]], purpose: Purpose) -> MultiLabelAnnotations:
    """Merge annotation files: categories by their names, images by their URLs. A repeated tag of an image counts once; boxes
    are ignored.

    Args:
        files: name (for messages) and content of each, which is read several times.
        purpose: training or evaluation, which have different limits.

    Raises:
        AnnotationError: names the first violations.
    """
    findings = Findings(DATASET_LIMITS[AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION.value, purpose])
    entries = ImageEntries()
    first_of_url = FirstOfUrl(entries)
    first_of = array("I")
    numbers: dict[str, int] = {}
    labelled, labels = array("I"), array("i")
    for file in read_files(files, findings, entries):
        first_of.extend(map(first_of_url.setdefault, file.images))
        for annotation in file.annotations():
            labelled.append(first_of[annotation.image])
            labels.append(numbers.setdefault(annotation.tag, len(numbers)))
    tags = sorted(numbers)
    position_of = np.zeros(len(tags), np.int64)
    position_of[[numbers[tag] for tag in tags]] = np.arange(len(tags))
    # An entry and a tag in one number, so that each pair remains once, sorted.
    pairs = np.unique(np.array(labelled, np.int64) * max(1, len(tags)) + position_of[np.array(labels, np.int64)])
    owners, found = np.divmod(pairs, max(1, len(tags)))
    first = np.array(first_of, np.uint32)
    images = MultiTaggedImages(
        entries,
        np.flatnonzero(first == np.arange(len(first), dtype=np.uint32)).astype(np.uint32),
        np.searchsorted(owners, np.arange(len(entries) + 1)),
        found.astype(np.int32),
    )
    annotations = MultiLabelAnnotations(tuple(tags), images)
    findings.conclude(lambda: _beyond_limits(annotations, findings, purpose))
    return annotations


def _beyond_limits(annotations: MultiLabelAnnotations, findings: Findings, purpose: Purpose) -> list[Violation]:
    if not annotations.tags:
        return [no_image_with_a_tag(purpose)]
    counts = Counter(chain.from_iterable(annotations.images.labels()))
    count_of = {tag: counts[index] for index, tag in enumerate(annotations.tags)}
    return [
        *beyond_limits(len(annotations.images), count_of, "image", findings.limits, purpose),
        *on_every_image(len(annotations.images), count_of.items(), findings.limits, purpose),
    ]


def on_every_image(
    images: int, count_of: Iterable[tuple[str, int]], limits: DatasetLimits, purpose: Purpose
) -> Iterator[Violation]:
    """A violation for each tag that too few of the images lack; `count_of` is a tag and how many images have it."""
    least = limits.images_without_tag_min
    for tag, count in count_of:
        if images - count < least:
            yield Violation(
                DATASET,
                f"has {images - count} images without the tag {shown(tag)}, {purpose} needs at least {least}: a model can't "
                "tell when it is absent",
            )
