"""Turns a registered dataset into a part of a plan: reads and checks its annotation files."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from vision_customization.contract.enums import AnnotationKind, ModelKind, Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.contract.limits import DATASET_LIMITS
from vision_customization.engine.annotations import (
    AnnotationError,
    BoxedImage,
    MultiTaggedImage,
    TaggedImage,
    read_classification,
    read_detection,
    read_multi_label,
    shown,
)
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.annotation_files import access_of, file_name, read_annotations
from vision_customization.engine.jobs.images.plan import AnnotatedImage, Part, interleaved, shuffled
from vision_customization.engine.jobs.steps.waiting import awaited, in_thread
from vision_customization.engine.store import DatasetRecord, NotFound, Store, TrainingContent


def read_dataset(
    store: Store,
    reader: BlobReader,
    name: str | None,
    purpose: Purpose,
    kind: ModelKind,
    check: Callable[[], None],
    on_wait: Callable[[str], None] | None = None,
    *,
    multi_label: bool | None = None,
) -> Part:
    """A dataset's images and labels, for a model of this kind.

    Args:
        multi_label: whether the model gives an image several tags; None while only this dataset decides that.

    Raises:
        JobFailed: datasetNotFound, incorrectModelKind or datasetCorrupt.
        SourceUnreachable: the storage does not answer. Also what `check` raises.
    """
    try:
        dataset = store.datasets.find(name or "")
    except NotFound:
        missing = f"Dataset '{name}' does not exist. Register it" if name else "The test dataset is missing. Name one"
        raise JobFailed(FailureCode.DATASET_NOT_FOUND, f"{missing} and start again.") from None
    needed = _needed(kind, multi_label)
    if dataset.annotation_kind not in needed:
        raise JobFailed(FailureCode.INCORRECT_MODEL_KIND, _mismatch(dataset, kind, needed))
    access = access_of(store, dataset)
    files, digests = [], {}
    for uri in dict.fromkeys(dataset.annotation_file_uris):
        check()
        data = awaited(in_thread(partial(read_annotations, reader, uri, access, on_wait)), check)
        files.append((file_name(uri), data))
        digests[uri] = hashlib.sha256(data).hexdigest()
    limits = DATASET_LIMITS[dataset.annotation_kind.value, purpose]
    sides = (limits.side_min, limits.side_max)
    try:
        if dataset.annotation_kind is AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION:
            multi_tagged = read_multi_label(files, purpose)
            return Part(dataset.name, multi_tagged.tags, interleaved(multi_tagged.images), access, sides, digests)
        if dataset.annotation_kind is AnnotationKind.IMAGE_CLASSIFICATION:
            tagged = read_classification(files, purpose)
            return Part(dataset.name, tagged.tags, interleaved(tagged.images), access, sides, digests)
        boxed = read_detection(files, purpose)
        return Part(dataset.name, boxed.tags, shuffled(boxed.images), access, sides, digests)
    except AnnotationError as error:
        raise JobFailed(FailureCode.DATASET_CORRUPT, f"Dataset '{dataset.name}': {error}") from None


def content_of(part: Part) -> TrainingContent:
    """What a training from these images is said to have been trained from."""
    labels: Iterator[int]
    if part.boxed:
        kind = AnnotationKind.IMAGE_OBJECT_DETECTION
        labels = (box.label for image in part.images if isinstance(image, BoxedImage) for box in image.boxes)
    elif part.multi_label:
        kind = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
        labels = (tag for image in part.images if isinstance(image, MultiTaggedImage) for tag in image.tags)
    else:
        kind = AnnotationKind.IMAGE_CLASSIFICATION
        labels = (image.tag for image in part.images if isinstance(image, TaggedImage))
    counts = Counter(labels)
    return TrainingContent(kind, part.files, len(part.images), {tag: counts[label] for label, tag in enumerate(part.tags)})


def with_tags(part: Part, tags: tuple[str, ...], model_name: str) -> Part:
    """A test dataset whose tags have the model's numbers. Raises JobFailed if the model lacks one of them."""
    unknown = [tag for tag in part.tags if tag not in tags]
    if unknown:
        named = ", ".join(shown(tag) for tag in unknown[:5])
        message = (
            f"Dataset '{part.dataset}' has images of {len(unknown)} tags that '{model_name}' was not trained on: {named}. "
            "Tag names must match exactly."
        )
        raise JobFailed(FailureCode.DATASET_CORRUPT, message)
    number = {tag: index for index, tag in enumerate(tags)}
    numbers = [number[tag] for tag in part.tags]
    return replace(part, tags=tags, images=tuple(_renumbered(image, numbers) for image in part.images))


def _renumbered(image: AnnotatedImage, numbers: Sequence[int]) -> AnnotatedImage:
    if isinstance(image, TaggedImage):
        return replace(image, tag=numbers[image.tag])
    if isinstance(image, MultiTaggedImage):
        return replace(image, tags=tuple(sorted(numbers[tag] for tag in image.tags)))
    return replace(image, boxes=tuple(replace(box, label=numbers[box.label]) for box in image.boxes))


def _needed(kind: ModelKind, multi_label: bool | None) -> tuple[AnnotationKind, ...]:
    several = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    return tuple(each for each in kind.annotation_kinds if multi_label is None or (each is several) == multi_label)


def _mismatch(dataset: DatasetRecord, kind: ModelKind, needed: Sequence[AnnotationKind]) -> str:
    which = "This" if len(needed) < len(kind.annotation_kinds) else "A"
    kinds, found = " or ".join(needed), dataset.annotation_kind
    return f"{which} {kind} needs a dataset of kind {kinds}, but dataset '{dataset.name}' is of kind {found}."
