"""Labels for classification: images with one tag each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """An image with its tag. `tag` is a position in `Annotations.tags`; `place` is its place in the files, for messages, and
    `file_name` its name there, or empty."""

    url: str
    tag: int
    place: str
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class Annotations:
    """The merged annotation files of a dataset. Tags without images, and images without tags, are left out. Tags are sorted,
    so that the order of files and entries makes no difference."""

    tags: tuple[str, ...]
    images: tuple[TaggedImage, ...]


def read_classification(files: Sequence[tuple[str, bytes]], purpose: Purpose) -> Annotations:
    """Merge annotation files: categories by their names, images by their URLs.

    Args:
        files: name (for messages) and content of each.
        purpose: training or evaluation, which have different limits.

    Raises:
        AnnotationError: names the first violations.
    """
    findings = Findings(DATASET_LIMITS[AnnotationKind.IMAGE_CLASSIFICATION.value, purpose])
    merged = _Merged()
    for file in read_files(files, findings):
        merged.add(file, findings)
    annotations = merged.annotations()
    findings.conclude(lambda: _beyond_limits(annotations, findings, purpose))
    return annotations


@dataclass
class _Merged:
    """The files read so far. Tags are numbered in the order in which they appear."""

    tags: dict[str, int] = field(default_factory=dict)
    images: dict[str, TaggedImage] = field(default_factory=dict)

    def add(self, file: AnnotationFile, findings: Findings) -> None:
        tag_of: dict[int, str] = {}
        for annotation in file.annotations():
            first = tag_of.setdefault(annotation.image_id, annotation.tag)
            if first != annotation.tag:
                message = several_tags(annotation.image_id, first, annotation.tag)
                file.refuse(message, "annotations", annotation.index, annotation.id)
        for image_id, tag in tag_of.items():
            url, place, name = file.images[image_id]
            image = TaggedImage(url, self.tags.setdefault(tag, len(self.tags)), place, name)
            seen = self.images.setdefault(url, image)
            if seen.tag != image.tag:
                findings.violations.append(Violation(place, other_tag(seen.place, tag)))

    def annotations(self) -> Annotations:
        tags = sorted(self.tags)
        number = {self.tags[tag]: index for index, tag in enumerate(tags)}
        return Annotations(tuple(tags), tuple(replace(image, tag=number[image.tag]) for image in self.images.values()))


def several_tags(image_id: int, first: str, other: str) -> str:
    tags = f"{shown(first)} and {shown(other)}"
    exception = f"except in a dataset of kind {AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION}"
    return f"image {image_id} has the tags {tags}: only one tag per image is allowed, {exception}"


def other_tag(place: str, tag: str) -> str:
    """What is wrong with an image of this tag whose URL is also at `place`, with another tag."""
    return f"is also {place}, but has another tag there ({shown(tag)})"


def _beyond_limits(annotations: Annotations, findings: Findings, purpose: Purpose) -> list[Violation]:
    if not annotations.images:
        return [no_image_with_a_tag(purpose)]
    counts = Counter(image.tag for image in annotations.images)
    count_of = {tag: counts[index] for index, tag in enumerate(annotations.tags)}
    return beyond_limits(len(annotations.images), count_of, "image", findings.limits, purpose)
