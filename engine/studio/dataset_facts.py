"""What pages say of a dataset: its kind in words, its owner, who uses it, and whether it can be looked at yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vision_customization.contract.enums import AnnotationKind, ContentStatus
from vision_customization.contract.owners import MANAGED_BY, owner_of
from vision_customization.contract.texts import name_fault
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.content.current import content_of
from vision_customization.engine.models.since_training import RegisteredContent, SinceTraining, changed_since_training
from vision_customization.engine.orders.versions import STUDIO
from vision_customization.engine.store import ContentIndexRecord, DatasetRecord, DatasetUse, NotFound
from vision_customization.engine.studio.snippets import Snippet
from vision_customization.engine.studio.snippets.datasets import dataset_snippets
from vision_customization.engine.studio.snippets.stacks import stack_of_dataset
from vision_customization.engine.studio.version_training import with_versions
from vision_customization.engine.studio.visit import Visit

KINDS = {
    AnnotationKind.IMAGE_CLASSIFICATION: "Classification, one tag per image",
    AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION: "Classification, several tags per image",
    AnnotationKind.IMAGE_OBJECT_DETECTION: "Detection, objects in boxes",
}

TAGS_COMPARED_MAX = 5000
"""Tags up to which all of a dataset are read for a page. The contract allows 2,500; a file may have any number."""

THE_API = "the API"
THE_STUDIO = "the Studio"
_DRAFTS_SHOWN = 5


@dataclass(frozen=True)
class DatasetFacts:
    """A dataset as all its pages show it.

    `state` is `ready`, `reading` or `failed`; `images_read` tells how far a reading is. `errors` are those of the `problems`
    that a training refuses. `message` says what is wrong: why the reading failed, or why the newest state of the files could
    not be read. `notes` are other things to know. `drafts` are the newest drafts of the dataset, and `writes` says that new
    ones can be begun.
    """

    name: str
    kind: str
    detection: bool
    owner: str
    declared: bool
    updated: datetime
    state: str
    images: int | None
    tags: int | None
    problems: int
    errors: int
    images_read: int
    message: str | None
    notes: tuple[str, ...]
    changed: bool
    drafts: tuple[str, ...]
    writes: bool


@dataclass(frozen=True)
class Looked:
    """A dataset that a page shows. `content` is its index; it can be asked if `ready`."""

    record: DatasetRecord
    content: ContentIndexRecord
    since: SinceTraining | None
    facts: DatasetFacts

    @property
    def ready(self) -> bool:
        return self.content.status is ContentStatus.READY

    @property
    def detection(self) -> bool:
        return self.record.annotation_kind is AnnotationKind.IMAGE_OBJECT_DETECTION


def owner_text(record: DatasetRecord) -> str:
    """Who owns a dataset: ``the Pulumi stack `photos/dev` ``, the Studio, or the API."""
    owner = owner_of((record.custom_properties or {}).get(MANAGED_BY))
    if owner is None:
        return THE_API
    return THE_STUDIO if owner.tool == STUDIO else str(owner).replace("`", "")


def registered(service: Service, name: str) -> DatasetRecord | None:
    """The dataset, if it is registered. A name may come from a form, and be one that a database refuses to look for."""
    if name_fault(name) is not None:
        return None
    try:
        return service.store.datasets.find(name)
    except NotFound:
        return None


def look_at(visit: Visit) -> Looked:
    """The dataset that the path names. If a worker has not read its annotation files yet, or they may have changed, it reads
    them. Raises NotFound."""
    record = visit.service.store.datasets.find(visit.path("name"))
    content = content_of(visit.service, record.name)
    since = _since(visit, record, content)
    return Looked(record, content, since, _facts(visit.service, record, content, since))


def _since(visit: Visit, record: DatasetRecord, content: ContentIndexRecord) -> SinceTraining | None:
    store = visit.service.store
    known = RegisteredContent()
    if content.status is ContentStatus.READY and content.e_tag == record.e_tag and content.tags <= TAGS_COMPARED_MAX:
        uris = dict.fromkeys(record.annotation_file_uris)
        digests = {uri: file.sha256 for uri, file in zip(uris, content.files, strict=False)}
        tags = {tag.name: tag.labels for tag in store.content.tags(content.index)}
        known = RegisteredContent(digests, content.images, tags)
    return changed_since_training(store, record.name, known)


def _facts(service: Service, record: DatasetRecord, content: ContentIndexRecord, since: SinceTraining | None) -> DatasetFacts:
    ready = content.status is ContentStatus.READY
    failed = content.status is ContentStatus.FAILED
    reading = content.successor if ready else content
    notes = []
    if ready and content.successor is not None and not content.successor.status.final:
        read = content.successor.images_read
        so_far = f" ({read:,} images so far)" if read else ""
        notes.append(f"The annotation files have changed, and a worker reads them{so_far}. Until then you see how they were.")
    message = None
    if failed:
        message = content.error.message if content.error is not None else "The reason is not known. See the engine's log."
    elif ready and content.successor is not None and content.successor.status is ContentStatus.FAILED:
        message = content.successor.error.message if content.successor.error is not None else None
    elif content.message is not None:
        message = content.message
    return DatasetFacts(
        name=record.name,
        kind=KINDS[record.annotation_kind],
        detection=record.annotation_kind is AnnotationKind.IMAGE_OBJECT_DETECTION,
        owner=owner_text(record),
        declared=owner_text(record) not in (THE_API, THE_STUDIO),
        updated=record.updated,
        state="ready" if ready else "failed" if failed else "reading",
        images=content.images if ready else None,
        tags=content.tags if ready else None,
        problems=sum(problem.count for problem in content.problems) if ready else 0,
        errors=sum(problem.count for problem in content.problems if not problem.kind.is_warning) if ready else 0,
        images_read=reading.images_read if reading is not None else 0,
        message=message,
        notes=tuple(notes),
        changed=since is not None and bool(since.changed),
        drafts=tuple(draft.name for draft in service.store.drafts.of_dataset(record.name)[:_DRAFTS_SHOWN]),
        writes=service.studio_container is not None,
    )


def used_by(uses: Sequence[DatasetUse], shown: int) -> tuple[list[str], int]:
    """The names of the newest models that use a dataset, and how many more there are."""
    names = list(dict.fromkeys(use.model for use in uses))
    return names[:shown], max(0, len(names) - shown)


def code(visit: Visit, record: DatasetRecord) -> list[Snippet]:
    """What declares a dataset, and what asks for it."""
    return dataset_snippets(visit.origin, record, with_versions(visit.service.store, stack_of_dataset(record), [record]))
