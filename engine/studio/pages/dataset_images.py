"""A dataset's images: the windowed grid, and the cells that it asks for."""

import json
from collections import Counter
from typing import Any

from starlette.responses import Response

from vision_customization.contract.enums import ProblemKind
from vision_customization.engine.store import ContentIndexRecord, IndexedCrop, IndexedImage, Store
from vision_customization.engine.studio.dataset_contents import (
    PROBLEMS,
    UNLABELLED,
    Filter,
    images_of,
    picture_address,
    shown_name,
    tone_of,
)
from vision_customization.engine.studio.dataset_facts import TAGS_COMPARED_MAX, Looked, code, look_at
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

CELLS_MAX = 120
"""Cells of one answer."""

_CELLS = 60
_FIRST_BYTES_MAX = 60_000
"""Of the first cells, which come with the page to be there sooner. With many boxes, they would make it too large."""

_BOXES_MAX = 100
"""Boxes drawn over a thumbnail: more cannot be told apart."""
_TAGS_MAX = 5
_TAGS_OFFERED = 200
_START_MAX = 100_000_000


@pages.get("/datasets/{name}")
def images(visit: Visit) -> Response:
    looked = look_at(visit)
    chosen = Filter.asked(visit)
    snippets = code(visit, looked.record)
    if not looked.ready:
        return visit.render("dataset_images.html", dataset=looked.facts, snippets=snippets)
    store, content = visit.service.store, looked.content
    if chosen.crops and not looked.detection:
        chosen = Filter(tag=chosen.tag)
    count, first = _cells_of(store, content, chosen, 0, _CELLS)
    return visit.render(
        "dataset_images.html",
        dataset=looked.facts,
        filter=chosen,
        whole=_whole_address(looked, chosen),
        tags=_offered(store, looked),
        choices=_choices(looked),
        count=count,
        at=visit.number("at", 0, 0, max(0, count - 1)),
        cells=chosen.address(link("datasets", content.dataset_name, "cells")),
        first=first if len(json.dumps(first)) <= _FIRST_BYTES_MAX else None,
        nothing=_nothing(chosen),
        snippets=snippets,
    )


@pages.get("/datasets/{name}/state", is_polled=True)
def state(visit: Visit) -> Response:
    """How far the reading of the annotation files is, for the page that waits for it."""
    looked = look_at(visit)
    if looked.ready:
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return visit.render("dataset_state.html", dataset=looked.facts)


@pages.get("/datasets/{name}/cells")
def cells(visit: Visit) -> Response:
    """Cells `start` to `start + count` of those that the filter selects, as JSON, and how many there are in all."""
    store = visit.service.store
    start, count = visit.number("start", 0, 0, _START_MAX), visit.number("count", _CELLS, 1, CELLS_MAX)
    content = store.content.shown(store.datasets.find(visit.path("name")).name)
    if content is None:
        return visit.json({"count": 0, "cells": []})
    total, found = _cells_of(store, content, Filter.asked(visit), start, count)
    return visit.json({"count": total, "cells": found})


def _cells_of(
    store: Store, content: ContentIndexRecord, chosen: Filter, start: int, count: int
) -> tuple[int, list[dict[str, Any]]]:
    """How many cells the filter selects, and those from `start` on."""
    name = content.dataset_name
    if chosen.crops:
        crops = store.content.crops(content.index, chosen.tag, start, count)
        return crops.total, [_crop_cell(name, crop, chosen, start + number) for number, crop in enumerate(crops.crops)]
    page = images_of(store, content, chosen, start, count)
    return page.total, [_cell(name, image, chosen, start + number) for number, image in enumerate(page.images)]


def _whole_address(looked: Looked, chosen: Filter) -> str | None:
    """For objects of a tag, the address of either the whole images or the objects alone; None where there is no such choice."""
    if not (looked.detection and chosen.tag):
        return None
    return Filter(tag=chosen.tag, crops=not chosen.crops).address(link("datasets", looked.record.name))


def _offered(store: Store, looked: Looked) -> list[str]:
    """The tags that the field offers: the most frequent ones."""
    if looked.content.tags > TAGS_COMPARED_MAX:
        return [tag.name for tag in store.content.tags(looked.content.index, 0, _TAGS_OFFERED)]
    images_by_tag = Counter({tag.name: tag.images for tag in store.content.tags(looked.content.index)})
    return sorted(tag for tag, _ in images_by_tag.most_common(_TAGS_OFFERED))


def _choices(looked: Looked) -> list[tuple[str, str]]:
    """What can be shown besides the images of a tag: values of `only`, and what they are in words."""
    found = [("", "any")]
    if looked.content.unlabelled:
        found.append((UNLABELLED, f"without a label ({looked.content.unlabelled:,})"))
    found += [
        (problem.kind.value, f"{PROBLEMS[problem.kind]} ({problem.images:,})")
        for problem in looked.content.problems
        if problem.images and problem.kind is not ProblemKind.UNLABELLED
    ]
    return found


def _nothing(chosen: Filter) -> str:
    if chosen.tag:
        return f"No image has the tag “{chosen.tag}”."
    return f"No image is {chosen.text}." if chosen.text else "The annotation files of this dataset list no image."


def _cell(name: str, image: IndexedImage, chosen: Filter, number: int) -> dict[str, Any]:
    tags = list(dict.fromkeys(label.tag for label in image.labels))
    boxed = [label for label in image.labels if label.box is not None][:_BOXES_MAX]
    return {
        "position": image.position,
        "name": shown_name(image),
        "page": chosen.address(link("datasets", name, "images", str(image.position)), at=number if chosen.query else ""),
        "picture": picture_address(name, image, "thumbnail"),
        "tags": tags[:_TAGS_MAX],
        "more": max(0, len(tags) - _TAGS_MAX),
        "problems": len(image.problems),
        "boxes": [[*(round(side, 5) for side in label.box or ()), tone_of(label.tag)] for label in boxed],
    }


def _crop_cell(name: str, crop: IndexedCrop, chosen: Filter, number: int) -> dict[str, Any]:
    box = ",".join(f"{side:.6g}" for side in crop.box or (0, 0, 1, 1))
    return {
        "position": crop.position,
        "name": shown_name(crop),
        "page": chosen.address(link("datasets", name, "images", str(crop.position)), at=number),
        "picture": picture_address(name, crop, "crop", box=box),
        "tags": [chosen.tag],
        "more": 0,
        "problems": 0,
        "boxes": [],
    }
