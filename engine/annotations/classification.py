"""Labels for classification: images with one tag each."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import BinaryIO

import numpy as np

from vision_customization.contract.coco.document import Violation
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.limits import DATASET_LIMITS
from vision_customization.engine.annotations.files import (
    AnnotationFile,
    Findings,
    beyond_limits,
    no_image_with_a_tag,
    read_files,
    shown,
)
from vision_customization.engine.annotations.images import FirstOfUrl, ImageEntries, TaggedImages


@dataclass(frozen=True, slots=True)
class Annotations:
    """The merged annotation files of a dataset. Tags without images, and images without tags, are left out. Tags are sorted,
    so that the order of files and entries makes no difference."""

    tags: tuple[str, ...]
    images: TaggedImages


def read_classification(files: Sequence[tuple[str, BinaryIO]], purpose: Purpose) -> Annotations:
    """Merge annotation files: categories by their names, images by their URLs.

    Args:
        files: name (for messages) and content of each, which is read several times.
        purpose: training or evaluation, which have different limits.

    Raises:
        AnnotationError: names the first violations.
    """
    findings = Findings(DATASET_LIMITS[AnnotationKind.IMAGE_CLASSIFICATION.value, purpose])
    merged = _Merged()
    for file in read_files(files, findings, merged.entries):
        merged.add(file, findings)
    annotations = merged.annotations()
    findings.conclude(lambda: _beyond_limits(annotations, findings, purpose))
    return annotations


class _Merged:
    """The files read so far. Tags are numbered in the order in which they appear."""

    def __init__(self) -> None:
        self.entries = ImageEntries()
        self._first_of_url = FirstOfUrl(self.entries)
        self._tags: dict[str, int] = {}
        self._tag_of = array("i")
        """Of each entry; −1 if it has none."""
        self._images = array("I")

    def add(self, file: AnnotationFile, findings: Findings) -> None:
        tag_of, tags = self._tag_of, list(self._tags)
        tag_of.extend(repeat(-1, len(file.images)))
        tagged = array("I")
        for annotation in file.annotations():
            first = tag_of[annotation.image]
            if first < 0:
                number = tag_of[annotation.image] = self._tags.setdefault(annotation.tag, len(self._tags))
                if number == len(tags):
                    tags.append(annotation.tag)
                tagged.append(annotation.image)
            elif tags[first] != annotation.tag:
                message = several_tags(annotation.image_id, tags[first], annotation.tag)
                file.refuse(message, "annotations", annotation.index, annotation.id)
        for image in tagged:
            seen = self._first_of_url.setdefault(image)
            if seen == image:
                self._images.append(image)
            elif tag_of[seen] != tag_of[image]:
                place = self.entries.place(image)
                findings.violations.append(Violation(place, other_tag(self.entries.place(seen), tags[tag_of[image]])))

    def annotations(self) -> Annotations:
        names = sorted(self._tags)
        numbers = np.full(len(names), -1, np.int32)
        numbers[[self._tags[name] for name in names]] = np.arange(len(names))
        images = TaggedImages(self.entries, np.array(self._images, np.uint32), np.array(self._tag_of, np.int32))
        return Annotations(tuple(names), images.renumbered(numbers.tolist()))


def several_tags(image_id: object, first: str, other: str) -> str:
    tags = f"{shown(first)} and {shown(other)}"
    exception = f"except in a dataset of kind {AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION}"
    return f"image {image_id} has the tags {tags}: only one tag per image is allowed, {exception}"


def other_tag(place: str, tag: str) -> str:
    """What is wrong with an image of this tag whose URL is also at `place`, with another tag."""
    return f"is also {place}, but has another tag there ({shown(tag)})"


def _beyond_limits(annotations: Annotations, findings: Findings, purpose: Purpose) -> list[Violation]:
    if not annotations.images:
        return [no_image_with_a_tag(purpose)]
    counts = Counter(chain.from_iterable(annotations.images.labels()))
    count_of = {tag: counts[index] for index, tag in enumerate(annotations.tags)}
    return beyond_limits(len(annotations.images), count_of, "image", findings.limits, purpose)
