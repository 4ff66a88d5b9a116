"""The pictures of outcomes: those of a cell, a verdict or a threshold; one of them; and their thumbnails."""

from concurrent.futures import Future
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.limits import SKIP_MAX
from vision_customization.contract.outcomes import Outcome
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.store import DatasetRecord
from vision_customization.engine.studio.dataset_facts import registered
from vision_customization.engine.studio.judging.pictures import PAGE, shot, shots
from vision_customization.engine.studio.judging.selection import Selection
from vision_customization.engine.studio.judging.sources import Source, source_of
from vision_customization.engine.studio.judging.tags import choices, suggested
from vision_customization.engine.studio.pictures import made, picture_response, stored_thumbnail, unchanged
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.judging import pictures_snippets
from vision_customization.engine.studio.visit import Visit
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, VIEW_SIDE, Reencoded

pages = Pages()


@pages.get("/models/{name}/outcomes/{source}")
def listed(visit: Visit) -> Response:
    """The pictures of a selection, the worst first, a page at a time."""
    source = _source(visit)
    selection = Selection.of(visit)
    skip = visit.number("skip", 0, 0, SKIP_MAX)
    with source.asked(visit.service) as (asked, key):
        found = selection.found(asked, key)
        rows = found.rows[skip : skip + PAGE].tolist()
        shown = shots(source, rows, found.lines(rows), readable=registered(visit.service, source.dataset) is not None)
    end = skip + len(rows)
    query = selection.query()
    return visit.render(
        "outcome_more.html" if visit.is_fragment else "outcome_pictures.html",
        source=source,
        selection=selection,
        title=selection.text(),
        count=len(found.rows),
        cell_count=found.cell_count,
        shots=shown,
        skip=skip,
        more=f"{source.outcomes()}?{urlencode({**query, 'skip': end})}" if end < len(found.rows) else None,
        left=len(found.rows) - end,
        choices=choices(found.outcomes.tags),
        has_empty_cells=found.has_empty_cells,
        snippets=pictures_snippets(visit.origin, source, selection),
    )


@pages.get("/models/{name}/outcomes/{source}/tags")
def tags(visit: Visit) -> Response:
    """The tags that contain what was typed into a field, as its choices."""
    with _source(visit).asked(visit.service) as (asked, key):
        known = asked.open(key).tags
    typed = next((visit.query(name) for name in ("tag", "label", "answer") if visit.query(name)), "")
    return visit.render("tag_choices.html", tags=suggested(known, typed))


@pages.get("/models/{name}/outcomes/{source}/{row:int}")
def one(visit: Visit) -> Response:
    """One picture, large, with everything that was answered. The next one is the next in the order from the worst on."""
    source, row = _source(visit), _row(visit)
    with source.asked(visit.service) as (asked, key):
        outcome, images = _outcome(asked, key, row)
    readable = registered(visit.service, source.dataset) is not None
    return visit.render(
        "outcome.html",
        source=source,
        row=row,
        images=images,
        outcome=outcome,
        shot=shot(source, row, outcome, readable=readable),
        view=f"{source.outcomes(str(row))}/view?v={outcome.digest}",
        readable=readable,
    )


@pages.get("/models/{name}/outcomes/{source}/{row:int}/thumbnail")
async def thumbnail(visit: Visit) -> Response:
    if (stored := await stored_thumbnail(visit)) is not None:
        return stored
    chosen = await run_in_threadpool(_chosen, visit)
    if (known := unchanged(visit, chosen.digest, THUMBNAIL_SIDE)) is not None:
        return known
    return await _shown(visit, chosen, visit.parts.pictures.thumbnail(chosen.dataset, chosen.url, chosen.digest))


@pages.get("/models/{name}/outcomes/{source}/{row:int}/view")
async def view(visit: Visit) -> Response:
    chosen = await run_in_threadpool(_chosen, visit)
    if (known := unchanged(visit, chosen.digest, VIEW_SIDE)) is not None:
        return known
    return await _shown(visit, chosen, visit.parts.pictures.view(chosen.dataset, chosen.url))


@dataclass(frozen=True)
class _Chosen:
    """An image that was judged, and the dataset whose access reads it."""

    dataset: DatasetRecord
    url: str
    digest: str


def _chosen(visit: Visit) -> _Chosen:
    """The image in the row: no address is taken from the browser. Raises ApiError; NotFound if the dataset is no longer
    registered."""
    source = _source(visit)
    with source.asked(visit.service) as (asked, key):
        outcome, _ = _outcome(asked, key, _row(visit))
    if outcome.digest != visit.query("v"):
        raise ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, "The outcomes have changed since this page was opened. Reload it.")
    return _Chosen(visit.service.store.datasets.find(source.dataset), outcome.image, outcome.digest)


async def _shown(visit: Visit, chosen: _Chosen, answer: "Future[Reencoded]") -> Response:
    picture = await made(visit, answer)
    if picture.sha256 != chosen.digest:
        raise ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, "The image has changed since the model was judged on it.")
    return picture_response(visit, picture.sha256, picture.etag, picture.data)


def _source(visit: Visit) -> Source:
    return source_of(visit.service, visit.path("name"), visit.path("source"))


def _row(visit: Visit) -> int:
    return int(visit.path("row"))


def _outcome(asked: Judge, key: str, row: int) -> tuple[Outcome, int]:
    """The outcome in a row, and how many there are."""
    outcomes = asked.open(key)
    if row >= outcomes.images:
        message = f"There are {outcomes.images:,} outcomes: the rows are 0 to {outcomes.images - 1:,}."
        raise ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, message)
    [line] = outcomes.read([row])
    return Outcome.model_validate_json(line), outcomes.images
