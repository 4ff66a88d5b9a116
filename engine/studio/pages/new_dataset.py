"""New: a dataset from nothing. It begins as a draft, into which pictures are imported."""

from starlette.responses import Response

from vision_customization.contract.drafts import TAG_MAX_LENGTH, DraftCreate
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import NAME_MAX_LENGTH
from vision_customization.contract.studio import Role
from vision_customization.contract.texts import name_fault, sentence
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.drafts.errors import NoStudioContainer
from vision_customization.engine.drafts.opening import open_draft
from vision_customization.engine.studio.draft_contents import container_of
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.draft_import import new_snippets
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

KINDS = (
    (
        AnnotationKind.IMAGE_CLASSIFICATION,
        "One tag",
        "Each picture is exactly one thing: this leaf is an ash, that one a beech.",
    ),
    (
        AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
        "Several tags",
        "A picture has any number of tags, or none: a cup and a fork, but no plate.",
    ),
    (
        AnnotationKind.IMAGE_OBJECT_DETECTION,
        "Boxes",
        "You draw a box around each object, and the model says where they are and how many.",
    ),
)
"""Kinds of labels, their names, and what they are for."""


@pages.get("/new")
def new(visit: Visit) -> Response:
    return visit.render(
        "new.html",
        kinds=KINDS,
        closed="" if visit.service.studio_container is not None else str(NoStudioContainer()),
        limits={"name": NAME_MAX_LENGTH, "tag": TAG_MAX_LENGTH},
        snippets=new_snippets(visit.origin),
    )


@pages.post("/drafts", role=Role.LABELER)
def begin(visit: Visit) -> Response:
    """Begin an empty draft of a `kind` with `tags`, one per line."""
    name, kind = visit.form.get("name", "").strip(), visit.form.get("kind", "")
    if fault := name_fault(name):
        raise invalid(f"{sentence(fault)}.", target="name")
    if kind not in set(AnnotationKind):
        raise invalid("Choose what the labels are: one tag per image, several tags, or boxes.", target="kind")
    tags = dict.fromkeys(line.strip() for line in visit.form.get("tags", "").splitlines() if line.strip())
    order = DraftCreate(annotation_kind=AnnotationKind(kind), tags=list(tags))
    draft = open_draft(visit.service, container_of(visit), name, order, visit.who)
    visit.audit("draft begun", draft=draft.name, dataset=draft.dataset_name)
    return visit.redirect(link("drafts", draft.name, "import"))
