"""Whether a dataset has changed since a model was trained from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vision_customization.contract.content_changes import counted_changes
from vision_customization.engine.store import DatasetRecord, ModelRecord, Store, TrainingContent

_NAMED_BY_CONTENT = re.compile(r"/annotations/([0-9a-f]{64})\.json$")
"""An annotation file as `vision` and the Pulumi resources upload it: never changed, and named by its SHA-256."""


@dataclass(frozen=True, slots=True)
class RegisteredContent:
    """What the caller knows of the annotation files that a dataset has now: the SHA-256 of each, in hex, by its URI, and the
    counts of images and labels, as in `TrainingContent`."""

    digests: Mapping[str, str] = field(default_factory=dict)
    images: int | None = None
    tags: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class SinceTraining:
    """The newest model that was trained from a dataset, and whether that has `changed` since; None: it cannot be known.
    `differences` says in words what changed, where the counts of both are known."""

    model: str
    changed: bool | None
    differences: tuple[str, ...] = ()


def changed_since_training(store: Store, dataset_name: str, content: RegisteredContent | None = None) -> SinceTraining | None:
    """Whether the newest succeeded model trained from a dataset was trained from what is registered now. Reads no blob.

    It cannot be known if an older engine trained the model and the dataset was updated meanwhile, or if annotation files are
    not named by their content and `content` has no digest of them: such a file may have been written again in its place.

    Returns:
        None if no model was trained from the dataset on this engine.

    Raises:
        NotFound: the dataset.
    """
    dataset = store.datasets.find(dataset_name)
    model = store.models.newest_trained_from(dataset_name)
    if model is None:
        return None
    content = content or RegisteredContent()
    changed = _changed(dataset, model, content.digests)
    trained = model.training_content
    if not changed or trained is None:
        return SinceTraining(model.name, changed)
    if dataset.annotation_kind is not trained.annotation_kind:
        return SinceTraining(model.name, changed, (f"annotation kind {trained.annotation_kind} → {dataset.annotation_kind}",))
    if content.images is None or content.tags is None:
        return SinceTraining(model.name, changed)
    words = counted_changes(trained.annotation_kind, (trained.images, content.images), trained.tags, content.tags)
    return SinceTraining(model.name, changed, tuple(words))


def _changed(dataset: DatasetRecord, model: ModelRecord, known: Mapping[str, str]) -> bool | None:
    now = {uri: known.get(uri) or _digest_in(uri) for uri in dataset.annotation_file_uris}
    trained = model.training_content
    if trained is None:
        untouched = model.started is not None and dataset.updated <= model.started
        return False if untouched and all(_digest_in(uri) for uri in now) else None
    if dataset.annotation_kind is not trained.annotation_kind:
        return True
    return _files_changed(trained, now)


def _files_changed(trained: TrainingContent, now: Mapping[str, str | None]) -> bool | None:
    if all(now.values()):
        return set(now.values()) != set(trained.files.values())
    if now.keys() != trained.files.keys():
        return True
    differ = any(digest is not None and digest != trained.files[uri] for uri, digest in now.items())
    return True if differ else None


def _digest_in(uri: str) -> str | None:
    named = _NAMED_BY_CONTENT.search(uri)
    return named[1] if named is not None else None
