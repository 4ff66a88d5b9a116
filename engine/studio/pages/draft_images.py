"""A draft's images: the grid, in which many are labelled at once."""

from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.responses import Response

from vision_customization.contract.drafts import BATCH_IMAGES_MAX, ImageChoice
from vision_customization.engine.store.draft_records import DraftTagRecord
from vision_customization.engine.studio.dataset_contents import TAG_CHARACTERS_MAX, tone_of
from vision_customization.engine.studio.draft_contents import LIKE_MAX, draft_of, like_of, liked
from vision_customization.engine.studio.draft_facts import ONLY, DraftFacts, facts_of
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.drafts import draft_snippets
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

TAGS_SHOWN_MAX = 200
"""Tags that are listed beside the grid."""


@pages.get("/drafts/{draft}")
def images(visit: Visit) -> Response:
    record = draft_of(visit)
    facts = facts_of(visit, record)
    tag, only = visit.query("tag")[:TAG_CHARACTERS_MAX], visit.query("only")
    only = only if only in set(ImageChoice) else ""
    choice = ImageChoice(only) if only else None
    store = visit.service.store.drafts
    like = like_of(visit)
    if like is None:
        count = store.page(record.sequence, 0, 1, tag=tag or None, choice=choice).total
    else:
        count = len(liked(visit, record, like, tag, choice))
    tags = store.tags(record.sequence)
    query = {key: value for key, value in (("tag", tag), ("only", only)) if value}
    return visit.render(
        "draft_images.html",
        draft=facts,
        tag=tag,
        only=only,
        only_text="" if choice is None else ONLY[choice],
        choices=_choices(facts, only),
        count=count,
        at=visit.number("at", 0, 0, max(0, count - 1)),
        images=_with_query(link("drafts", record.name, "images"), query if like is None else {**query, "like": str(like)}),
        like=None if like is None else store.image(record.sequence, like),
        like_most=LIKE_MAX,
        tags=tags[:TAGS_SHOWN_MAX],
        more_tags=max(0, len(tags) - TAGS_SHOWN_MAX),
        bulk=_bulk(facts, tags, query, alike=like is not None),
        tones={each.name: tone_of(each.name) for each in tags[:TAGS_SHOWN_MAX]},
        snippets=draft_snippets(visit.origin, record.name),
    )


def _bulk(facts: DraftFacts, tags: Sequence[DraftTagRecord], query: dict[str, str], *, alike: bool) -> dict[str, object]:
    """What the script of the grid needs to know. `alike`: the grid has only the images that are most like one, so that the
    filter in `query` does not say which these are."""
    path = link("drafts", facts.name)
    return {
        "labels": f"{path}/labels",
        "remove": f"{path}/remove",
        "restore": f"{path}/restore",
        "change": f"{path}/change",
        "counts": f"{path}/counts",
        "label": f"{path}/label",
        "like": f"{path}/like",
        "query": query,
        "alike": alike,
        "kind": "boxes" if facts.detection else "single" if facts.single else "several",
        "tags": [tag.name for tag in tags[:TAGS_SHOWN_MAX]],
        "batch": BATCH_IMAGES_MAX,
    }


def _choices(facts: DraftFacts, chosen: str) -> list[tuple[str, str]]:
    """Values of `only`, and what they are in words: those that select an image, and the one that is chosen."""
    counts = {ImageChoice.UNLABELLED: facts.unlabelled, ImageChoice.CONFLICTS: facts.conflicts}
    found = [("", "all images")]
    for choice, text in ONLY.items():
        count = counts.get(choice)
        if count == 0 and choice.value != chosen:
            continue
        found.append((choice.value, text if count is None else f"{text} ({count:,})"))
    return found


def _with_query(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
