"""What the pages of a draft have in common: its numbers, what can be done with it now, and why something can't."""

from dataclasses import dataclass
from datetime import datetime

from vision_customization.contract.drafts import ImageChoice
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.api.routes.drafts import base_shown
from vision_customization.engine.drafts.errors import NoStudioContainer
from vision_customization.engine.orders.versions import is_declared
from vision_customization.engine.store import DraftRecord
from vision_customization.engine.studio.dataset_facts import KINDS, registered
from vision_customization.engine.studio.visit import Visit, link

ONLY = {
    ImageChoice.UNLABELLED: "not labelled yet",
    ImageChoice.CHANGED: "changed",
    ImageChoice.NEW: "new",
    ImageChoice.REMOVED: "removed",
    ImageChoice.CONFLICTS: "changed by both sides",
}
"""Filters of a draft's images, in words that fit behind "only images: "."""


@dataclass(frozen=True)
class DraftFacts:
    """A draft as its pages show it, which are below `path`.

    `single` is set if an image has one tag at most. `dataset` is the one that its versions are of; `registered` says whether it
    exists, and `declared` whether a stack declares it. `base` is the dataset that the draft began with, and `moved` says that
    this has changed since. `closed` is why nothing can be added or saved now; empty if it can. `deletable` is whether the
    visitor may delete the draft.
    """

    name: str
    path: str
    kind: str
    detection: bool
    single: bool
    dataset: str
    registered: bool
    declared: bool
    base: str | None
    moved: bool
    images: int
    unlabelled: int
    changed: int
    conflicts: int
    labels: int
    created_by: str
    updated: datetime
    closed: str
    deletable: bool


def facts_of(visit: Visit, record: DraftRecord) -> DraftFacts:
    base = base_shown(visit.service, record)
    return DraftFacts(
        name=record.name,
        path=link("drafts", record.name),
        kind=KINDS[record.annotation_kind],
        detection=record.annotation_kind is AnnotationKind.IMAGE_OBJECT_DETECTION,
        single=record.annotation_kind is AnnotationKind.IMAGE_CLASSIFICATION,
        dataset=record.dataset_name,
        registered=registered(visit.service, record.dataset_name) is not None,
        declared=is_declared(visit.service, record.dataset_name),
        base=record.base_dataset,
        moved=base is not None and base.moved,
        images=record.images,
        unlabelled=record.unlabelled,
        changed=record.changed,
        conflicts=record.conflicts,
        labels=record.labels,
        created_by=record.created_by,
        updated=record.updated,
        closed=closed_because(visit, record),
        deletable=may_delete(visit, record),
    )


def closed_because(visit: Visit, record: DraftRecord | None = None) -> str:
    """Why nothing can be written to the container of the Studio; empty if it can."""
    container = visit.service.studio_container
    if container is None:
        return str(NoStudioContainer())
    if record is not None and record.container != container.url:
        return (
            f"The images of this draft are in {record.container}, and the engine now writes to {container.url}. "
            "Set VISION_ENGINE_STUDIO_CONTAINER to the container of the draft."
        )
    return ""


def may_delete(visit: Visit, record: DraftRecord) -> bool:
    """Owners may delete any draft, and labelers those that they began."""
    visitor = visit.visitor
    if visitor is None or not visitor.role.includes(Role.LABELER):
        return False
    return visitor.role.includes(Role.OWNER) or record.created_by == visitor.who
