"""New: a dataset from nothing. It begins as a draft, into which pictures are imported."""

from starlette.responses import Response

from vision_customization.contract.drafts import TAG_MAX_LENGTH
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import NAME_MAX_LENGTH
from vision_customization.engine.studio.draft_facts import closed_because
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.draft_import import new_snippets
from vision_customization.engine.studio.visit import Visit

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
        closed=closed_because(visit),
        limits={"name": NAME_MAX_LENGTH, "tag": TAG_MAX_LENGTH},
        snippets=new_snippets(visit.origin),
    )
