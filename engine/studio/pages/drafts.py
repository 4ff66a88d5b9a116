"""Drafts: all of them, and how one begins: from a dataset, or from nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from starlette.responses import Response

from vision_customization.contract.drafts import DraftCreate
from vision_customization.contract.enums import AnnotationKind, ContentStatus
from vision_customization.contract.limits import NAME_MAX_LENGTH
from vision_customization.contract.studio import Role
from vision_customization.contract.texts import name_fault, sentence
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.content.current import content_of
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import BaseNotReady
from vision_customization.engine.drafts.opening import open_draft
from vision_customization.engine.store import AlreadyExists, DraftRecord, ImagesElsewhere, NotFound, Store
from vision_customization.engine.studio.dataset_facts import KINDS, registered
from vision_customization.engine.studio.draft_contents import container_of
from vision_customization.engine.studio.draft_facts import closed_because
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.drafts import copy_command, drafts_snippets
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

SIZE = 50
_START_MAX = 10_000_000
_SUFFIX_LENGTH = 6


@dataclass(frozen=True)
class DraftCard:
    """A draft as lists show it. `label` is where to go on labelling."""

    name: str
    dataset: str
    kind: str
    images: int
    unlabelled: int
    changed: int
    conflicts: int
    created_by: str
    updated: datetime
    label: str

    @classmethod
    def of(cls, record: DraftRecord) -> "DraftCard":
        only = "?only=unlabelled" if record.unlabelled else ""
        return cls(
            record.name,
            record.dataset_name,
            KINDS[record.annotation_kind],
            record.images,
            record.unlabelled,
            record.changed,
            record.conflicts,
            record.created_by,
            record.updated,
            link("drafts", record.name, "label") + only,
        )


@pages.get("/drafts")
def drafts(visit: Visit) -> Response:
    start = visit.number("start", 0, 0, _START_MAX)
    records = visit.service.store.drafts.newest(start, SIZE + 1)
    return visit.render(
        "drafts.html",
        drafts=[DraftCard.of(record) for record in records[:SIZE]],
        back=max(0, start - SIZE) if start else None,
        more=start + SIZE if len(records) > SIZE else None,
        closed=closed_because(visit),
        snippets=drafts_snippets(visit.origin),
    )


@pages.post("/drafts", role=Role.LABELER)
def begin(visit: Visit) -> Response:
    """Begin a draft of the dataset `base`, or of its `version`, or an empty one of a `kind` with `tags`, one per line. While
    the dataset is being read, the answer is a page that asks again. A script gets the draft's name as JSON, or a refusal."""
    container = container_of(visit)
    base, name = visit.form.get("base", "").strip(), visit.form.get("name", "").strip()
    order = _order(visit, base, name)
    try:
        draft = _opened(visit, container, name or base, order, named=bool(name))
    except BaseNotReady:
        if visit.wants_json:
            raise
        return waits(visit, base, f"Begin a draft of {base}", "/studio/drafts", {"base": base, "name": name})
    except ImagesElsewhere as error:
        if visit.wants_json:
            raise
        return visit.render(
            "draft_elsewhere.html", 400, base=base, message=str(error), command=copy_command(visit.origin, base, container.url)
        )
    visit.audit("draft begun", draft=draft.name, dataset=draft.dataset_name)
    if visit.wants_json:
        return visit.json({"name": draft.name}, 201)
    return visit.redirect(link("drafts", draft.name, *(["import"] if not draft.images else [])))


def free_name(store: Store, wanted: str) -> str:
    """`wanted`, or the first of `wanted-2`, `wanted-3` … that no draft has."""
    for number in count(1):
        name = wanted if number == 1 else f"{wanted[: NAME_MAX_LENGTH - _SUFFIX_LENGTH]}-{number}"
        try:
            store.drafts.find(name)
        except NotFound:
            return name
    raise AssertionError("there are more numbers than drafts")


def _order(visit: Visit, base: str, name: str) -> DraftCreate:
    """What the form asks for. Refuses with 400 what it lacks."""
    version = visit.form.get("version", "")
    if base and not version and registered(visit.service, base) is None:
        raise NotFound("dataset", base)
    if fault := name_fault(name) if name or not base else None:
        raise invalid(f"{sentence(fault)}." if name else "Give the dataset a name.", target="name")
    if base:
        return DraftCreate(base_dataset=base, base_version=version or None)
    if registered(visit.service, name) is not None:
        raise invalid(f"There is a dataset '{name}' already. To label it, open it and choose Label.", target="name")
    kind = visit.form.get("kind", "")
    if kind not in set(AnnotationKind):
        raise invalid("Choose what the labels are: one tag per image, several tags, or boxes.", target="kind")
    tags = dict.fromkeys(line.strip() for line in visit.form.get("tags", "").splitlines() if line.strip())
    return DraftCreate(annotation_kind=AnnotationKind(kind), tags=list(tags))


def _opened(visit: Visit, container: Container, name: str, order: DraftCreate, *, named: bool) -> DraftRecord:
    """The new draft. Without a name of its own, it is called like its dataset, with a number if that is taken."""
    store = visit.service.store
    while True:
        free = name if named else free_name(store, name)
        try:
            return open_draft(visit.service, container, free, order, visit.who)
        except AlreadyExists:
            if named:
                raise


def waits(visit: Visit, base: str, title: str, action: str, fields: Mapping[str, str]) -> Response:
    """A page that sends a form again until the dataset `base` has been read. Raises BaseNotReady if that has failed."""
    content = content_of(visit.service, base)
    newest = content.successor or content
    if newest.status is ContentStatus.FAILED:
        reason = "the engine's log says why" if newest.error is None else newest.error.message
        raise BaseNotReady(f"The content of the dataset '{base}' cannot be read: {reason}")
    template = "draft_waits_state.html" if visit.is_fragment else "draft_waits.html"
    return visit.render(template, 200, base=base, title=title, action=action, fields=fields, images_read=newest.images_read)
