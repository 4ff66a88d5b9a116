"""Turns a registered dataset into a part of a plan: reads and checks its annotation files."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from vision_customization.contract.enums import AnnotationKind, ModelKind, Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.contract.limits import DATASET_LIMITS
from vision_customization.engine.annotations import (
    AnnotationError,
    read_classification,
    read_detection,
    read_multi_label,
    shown,
)
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.annotation_files import access_of, file_name, spool_annotations
from vision_customization.engine.jobs.images.plan import Part, interleaved, labels_of, renumbered, shuffled
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
    folder: Path | None = None,
) -> Part:
    """A dataset's images and labels, for a model of this kind.

    Args:
        folder: where the annotation files are while they are read, in files without a name; None for the system's folder.
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
    limits = DATASET_LIMITS[dataset.annotation_kind.value, purpose]
    sides = (limits.side_min, limits.side_max)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files, digests = [], {}
        for uri in dict.fromkeys(dataset.annotation_file_uris):
            check()
            target = cast("BinaryIO", stack.enter_context(TemporaryFile(dir=folder)))
            file = awaited(in_thread(partial(spool_annotations, reader, uri, access, target, None, on_wait)), check)
            assert file is not None  # without a known version, a file is always read
            files.append((file_name(uri), target))
            digests[uri] = file.sha256
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
    if part.boxed:
        kind = AnnotationKind.IMAGE_OBJECT_DETECTION
    elif part.multi_label:
        kind = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    else:
        kind = AnnotationKind.IMAGE_CLASSIFICATION
    counts = Counter(chain.from_iterable(labels_of(part.images)))
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
    return replace(part, tags=tags, images=renumbered(part.images, numbers))


def _needed(kind: ModelKind, multi_label: bool | None) -> tuple[AnnotationKind, ...]:
    several = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    return tuple(each for each in kind.annotation_kinds if multi_label is None or (each is several) == multi_label)


def _mismatch(dataset: DatasetRecord, kind: ModelKind, needed: Sequence[AnnotationKind]) -> str:
    which = "This" if len(needed) < len(kind.annotation_kinds) else "A"
    kinds, found = " or ".join(needed), dataset.annotation_kind
    return f"{which} {kind} needs a dataset of kind {kinds}, but dataset '{dataset.name}' is of kind {found}."
