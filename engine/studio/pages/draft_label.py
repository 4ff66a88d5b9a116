"""Labelling: one image of a draft after the other, by keys, mouse or touch."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from vision_customization.contract.drafts import ImageChoice
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.texts import name_fault
from vision_customization.engine.store import DraftImageRecord, DraftRecord, ModelRecord, NotFound
from vision_customization.engine.studio.draft_contents import choice_of, counts_shown, draft_of, image_shown
from vision_customization.engine.studio.pages.draft_suggestions import suggesting_model
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.drafts import label_snippets
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

NEAR_MAX = 60
"""Images of one answer to a script."""

_FIRST = 12
_NUMBER_MAX = 100_000_000
_CHOICES = {
    ImageChoice.UNLABELLED: "without labels",
    ImageChoice.CHANGED: "changed in this draft",
    ImageChoice.NEW: "new in this draft",
    ImageChoice.REMOVED: "removed from this draft",
    ImageChoice.CONFLICTS: "with other labels in the dataset",
}


@pages.get("/drafts/{draft}/label")
def label(visit: Visit) -> Response:
    """Label, beginning with the query's `number`; else with the first image of the filter, or the first without labels. With
    `order=useful`, that is the most useful one to label. The query's `model` suggests labels if it can, else the one that fits
    the draft."""
    draft = draft_of(visit)
    tag, choice = visit.query("tag"), choice_of(visit)
    ordered = not tag and choice in (None, ImageChoice.UNLABELLED)
    useful = ordered and visit.query("order") == "useful"
    first = _most_useful(visit, draft) if useful else ()
    first = first or _first(visit, draft, tag, choice)
    number = first[0].number if first else None
    model = _suggesting(visit, draft)
    return visit.render(
        "draft_label.html",
        draft=draft,
        boxes=draft.annotation_kind is AnnotationKind.IMAGE_OBJECT_DETECTION,
        several=draft.annotation_kind is AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
        address=link("drafts", draft.name),
        closed=visit.service.studio_container is None,
        model="" if model is None else model.name,
        filter=urlencode(_filter(tag, choice)),
        filtered=_in_words(tag, choice),
        ordered=ordered,
        useful=useful,
        data={**counts_shown(visit, draft), "first": [image_shown(draft, image) for image in first]},
        snippets=label_snippets(visit.origin, draft, number),
    )


@pages.get("/drafts/{draft}/label/images")
def near(visit: Visit) -> Response:
    """Up to `count` images that `tag` and `only` select, as JSON: those whose number comes `after` one, or `before` one, the
    nearest first."""
    draft = draft_of(visit)
    before = "before" in visit.request.query_params
    images = visit.service.store.drafts.beside(
        draft.sequence,
        visit.number("before" if before else "after", -1, -1, _NUMBER_MAX),
        visit.number("count", _FIRST, 1, NEAR_MAX),
        before=before,
        tag=visit.query("tag") or None,
        choice=choice_of(visit),
    )
    return visit.json({"images": [image_shown(draft, image) for image in images]})


def _most_useful(visit: Visit, draft: DraftRecord) -> tuple[DraftImageRecord, ...]:
    """The image to begin with; none if the query names one, or no worker has looked at an unlabelled one yet."""
    if visit.query("number"):
        return ()
    numbers, _ = visit.parts.likeness.next_numbers(draft, 1)
    return visit.service.store.draft_numbers.images(draft.sequence, numbers)


def _suggesting(visit: Visit, draft: DraftRecord) -> ModelRecord | None:
    store, name = visit.service.store, visit.query("model")
    with suppress(NotFound):  # it was deleted since
        if not name_fault(name) and (named := suggesting_model(store, draft, name)) is not None:
            return named
    return suggesting_model(store, draft)


def _first(visit: Visit, draft: DraftRecord, tag: str, choice: ImageChoice | None) -> tuple[DraftImageRecord, ...]:
    """The image to begin with, and some that follow it in the filter."""
    drafts = visit.service.store.drafts
    asked = visit.number("number", -1, -1, _NUMBER_MAX)
    start = drafts.image(draft.sequence, asked) if asked >= 0 else None
    if start is None and not tag and choice is None:
        number = drafts.next_unlabelled(draft.sequence, -1)
        start = None if number is None else drafts.image(draft.sequence, number)
    after = -1 if start is None else start.number
    more = drafts.beside(draft.sequence, after, _FIRST, tag=tag or None, choice=choice)
    return more if start is None else (start, *more)


def _filter(tag: str, choice: ImageChoice | None) -> Mapping[str, Any]:
    return {**({"tag": tag} if tag else {}), **({"only": choice.value} if choice else {})}


def _in_words(tag: str, choice: ImageChoice | None) -> str:
    """Behind "images": empty for all of them."""
    parts = [f"with the tag “{tag}”"] if tag else []
    return " ".join([*parts, *([_CHOICES[choice]] if choice else [])])
