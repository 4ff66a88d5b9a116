"""From a registered dataset to a part of a plan: its annotation files, read and checked."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from customization.coco import Purpose
from customization.coco_check import LIMITS
from customization.contract import AnnotationKind, AuthenticationKind, FailureCode, ModelKind
from engine.annotations import AnnotationError, read_classification, shown
from engine.blob_address import without_query
from engine.blobs import Blob, BlobError, BlobReader
from engine.errors import SettingsError
from engine.jobs.errors import JobFailed, unreadable
from engine.jobs.plan import Access, Part, interleaved
from engine.jobs.steps import awaited, in_thread
from engine.store import DatasetRecord, NotFound, Store

ANNOTATION_BYTES_MAX = 512 * 1024 * 1024
"""A million images take about 300 MB."""

_SUGGESTED_BUDGET_FACTOR = 5  # the service's advice is 5 to 10 times the minimum


def read_dataset(
    store: Store, reader: BlobReader, name: str | None, purpose: Purpose, kind: ModelKind, check: Callable[[], None]
) -> Part:
    """Raises JobFailed (datasetNotFound, incorrectModelKind or datasetCorrupt), SourceUnreachable, and `check`'s."""
    try:
        dataset = store.dataset(name or "")
    except NotFound:
        named = f"There is no dataset '{name}'" if name else "No test dataset is named"
        raise JobFailed(FailureCode.DATASET_NOT_FOUND, f"{named}: register it, and start again.") from None
    if dataset.annotation_kind is not kind.annotation_kind or kind is not ModelKind.GENERIC_CLASSIFIER:
        raise JobFailed(FailureCode.INCORRECT_MODEL_KIND, _mismatch(dataset, kind))
    access = _access(store, dataset)
    files = []
    for uri in dict.fromkeys(dataset.annotation_file_uris):
        check()
        data = awaited(in_thread(partial(_read, reader, uri, access)), check)
        files.append((without_query(uri).rsplit("/", 1)[-1], data))
    try:
        annotations = read_classification(files, purpose)
    except AnnotationError as error:
        raise JobFailed(FailureCode.DATASET_CORRUPT, f"Dataset '{dataset.name}': {error}") from None
    limits = LIMITS[AnnotationKind.IMAGE_CLASSIFICATION.value, purpose]
    sides = (limits.side_min, limits.side_max)
    return Part(dataset.name, annotations.tags, interleaved(annotations.images), access, sides)


def with_tags(part: Part, tags: tuple[str, ...], model_name: str) -> Part:
    """A test dataset with its tags numbered as the model numbers them. Raises JobFailed where the model lacks one."""
    unknown = [tag for tag in part.tags if tag not in tags]
    if unknown:
        named = ", ".join(shown(tag) for tag in unknown[:5])
        message = (
            f"Dataset '{part.dataset}' has images of {len(unknown)} tags that '{model_name}' was not trained on: {named}. "
            "Tags are compared by name, letter by letter."
        )
        raise JobFailed(FailureCode.DATASET_CORRUPT, message)
    number = {tag: index for index, tag in enumerate(tags)}
    images = tuple(replace(image, tag=number[part.tags[image.tag]]) for image in part.images)
    return replace(part, tags=tags, images=images)


def check_budget(kind: ModelKind, images: int, budget_hours: int) -> None:
    """Raises JobFailed (notEnoughBudget) where the contract asks for more compute time for so many images."""
    least = kind.minimum_budget_hours(images)
    if budget_hours < least:
        suggested = max(1, -int(-least * _SUGGESTED_BUDGET_FACTOR // 1))
        message = (
            f"A budget of {budget_hours} h is not enough for {images:,} images: the minimum is {least:.1f} h, "
            f"{min(suggested, kind.time_budget_max_hours)} h are suggested."
        )
        raise JobFailed(FailureCode.NOT_ENOUGH_BUDGET, message)


def _access(store: Store, dataset: DatasetRecord) -> Access:
    try:
        token = store.sas_token(dataset)
    except SettingsError:
        message = (
            f"The SAS token of dataset '{dataset.name}' cannot be decrypted: the engine has another token key than the one it "
            "was kept with. Set the token again (PATCH the dataset's authentication), and start again."
        )
        raise JobFailed(FailureCode.DATASET_CORRUPT, message) from None
    identity = dataset.authentication_kind in (None, AuthenticationKind.MANAGED_IDENTITY)
    return Access(token, identity, dataset.sas_scopes)


def _read(reader: BlobReader, uri: str, access: Access) -> bytes:
    scope = access.scope_of(uri)
    try:
        blob = reader.read(
            uri,
            sas=access.sas if scope is not None else None,
            sas_scope=scope,
            identity=access.identity,
            max_bytes=ANNOTATION_BYTES_MAX,
        )
    except BlobError as error:
        raise unreadable("Annotation file", uri, error) from None
    assert isinstance(blob, Blob)
    return blob.data


def _mismatch(dataset: DatasetRecord, kind: ModelKind) -> str:
    if dataset.annotation_kind is not kind.annotation_kind:
        return (
            f"A {kind} needs a dataset of kind {kind.annotation_kind}; dataset '{dataset.name}' is of kind "
            f"{dataset.annotation_kind}."
        )
    return f"This engine cannot work with a {kind} yet: it can with a {ModelKind.GENERIC_CLASSIFIER}."
