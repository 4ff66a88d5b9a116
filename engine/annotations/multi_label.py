"""Labels for multi-label classification: images with any number of tags."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vision_customization.contract.coco.document import Violation
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.limits import DATASET_LIMITS, DatasetLimits
from vision_customization.engine.annotations.files import (
    DATASET,
    FileImage,
    Findings,
    beyond_limits,
    no_image_with_a_tag,
    read_files,
    shown,
)


@dataclass(frozen=True, slots=True)
class MultiTaggedImage:
    """An image and its tags: positions in `MultiLabelAnnotations.tags`, sorted. An image without tags shows none of them.
    `place` is its first place in the files, for messages, and `file_name` its name there, or empty."""

    url: str
    tags: tuple[int, ...]
    place: str
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class MultiLabelAnnotations:
    """The merged annotation files of a dataset. Tags without images are left out; images without tags are kept. Tags are
    sorted, so that the order of files and entries makes no difference."""

    tags: tuple[str, ...]
    images: tuple[MultiTaggedImage, ...]


def read_multi_label(files: Sequence[tuple[str, bytes]], purpose: Purpose) -> MultiLabelAnnotations:
    """Merge annotation files: categories by their names, images by their URLs. A repeated tag of an image counts once; boxes
    are ignored.

    Args:
        files: name (for messages) and content of each.
        purpose: training or evaluation, which have different limits.

    Raises:
        AnnotationError: names the first violations.
    """
    findings = Findings(DATASET_LIMITS[AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION.value, purpose])
    images_of: dict[str, FileImage] = {}
    tags_of: defaultdict[str, set[str]] = defaultdict(set)
    for file in read_files(files, findings):
        for image in file.images.values():
            images_of.setdefault(image.url, image)
        for annotation in file.annotations():
            tags_of[file.images[annotation.image_id].url].add(annotation.tag)
    tags = sorted(set().union(*tags_of.values()))
    number = {tag: index for index, tag in enumerate(tags)}
    images = (
        MultiTaggedImage(url, tuple(sorted(number[tag] for tag in tags_of[url])), image.place, image.file_name)
        for url, image in images_of.items()
    )
    annotations = MultiLabelAnnotations(tuple(tags), tuple(images))
    findings.conclude(lambda: _beyond_limits(annotations, findings, purpose))
    return annotations


def _beyond_limits(annotations: MultiLabelAnnotations, findings: Findings, purpose: Purpose) -> list[Violation]:
    if not annotations.tags:
        return [no_image_with_a_tag(purpose)]
    counts = Counter(tag for image in annotations.images for tag in image.tags)
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
