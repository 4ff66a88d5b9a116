"""What the scripts of a draft's pages ask for: images with their labels, labels to save, and pictures."""

from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from vision_customization.contract.drafts import BatchResults, BulkAction, BulkOrder, ImageNumbers, LabelsBatch
from vision_customization.contract.studio import Role
from vision_customization.contract.wire import Wire
from vision_customization.engine.api.bodies.json import JSON_BYTES_MAX, parse, read_body
from vision_customization.engine.api.routes.draft_images import change_images, found_image, label_images
from vision_customization.engine.drafts.saving import Report
from vision_customization.engine.store import DraftImageRecord, DraftRecord
from vision_customization.engine.studio.draft_contents import (
    IMAGES_MAX,
    choice_of,
    counts_shown,
    draft_of,
    image_shown,
    like_of,
    liked,
    number_of,
    readable,
)
from vision_customization.engine.studio.pictures import made, picture_response, stored_thumbnail, unchanged
from vision_customization.engine.studio.progress import answer_with_progress, of_images
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.visit import Visit
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, VIEW_SIDE

pages = Pages()

_START_MAX = 100_000_000
_DONE = {
    BulkAction.GIVE: "labelled",
    BulkAction.TAKE: "labelled",
    BulkAction.CLEAR: "labelled",
    BulkAction.REMOVE: "removed images",
    BulkAction.RESTORE: "restored images",
}

W = TypeVar("W", bound=Wire)


@pages.get("/drafts/{draft}/images")
def images(visit: Visit) -> Response:
    """Images `start` to `start + count` of those that `tag` and `only` select, as JSON. With `like`, the number of an image,
    those that are most like it, the nearest first. `edit` is that of the draft's changes which they include, at least."""
    draft = draft_of(visit)
    start, count = visit.number("start", 0, 0, _START_MAX), visit.number("count", 60, 1, IMAGES_MAX)
    if (number := like_of(visit)) is not None:
        numbers = liked(visit, draft, number, visit.query("tag"), choice_of(visit))
        found = visit.service.store.draft_numbers.images(draft.sequence, numbers[start : start + count])
        return visit.json({"count": len(numbers), "edit": draft.edit, "images": [image_shown(draft, image) for image in found]})
    page = visit.service.store.drafts.page(
        draft.sequence, start, count, tag=visit.query("tag") or None, choice=choice_of(visit)
    )
    shown = [image_shown(draft, image) for image in page.images]
    return visit.json({"count": page.total, "edit": draft.edit, "images": shown})


@pages.get("/drafts/{draft}/counts")
def counts(visit: Visit) -> Response:
    """How many images and labels there are, and of each tag, as JSON."""
    return visit.json(counts_shown(visit, draft_of(visit)))


@pages.get("/drafts/{draft}/images/{number}")
def image(visit: Visit) -> Response:
    draft, found = _found(visit)
    return visit.json(image_shown(draft, found))


@pages.post("/drafts/{draft}/labels", role=Role.LABELER, takes_uploads=True)
async def label(visit: Visit) -> Response:
    """Save the labels of images: a `LabelsBatch` as JSON, answered by `BatchResults`, each image with its pictures."""
    batch = await _body(visit.request, LabelsBatch)

    def work() -> Response:
        draft = draft_of(visit)
        results: BatchResults = label_images(visit.service.store, draft.name, batch, visit.who)
        saved = sum(result.saved for result in results.value)
        visit.audit("labelled", draft=draft.name, images=saved)
        return visit.json(results.to_wire())

    return await run_in_threadpool(work)


@pages.post("/drafts/{draft}/change", role=Role.LABELER, takes_uploads=True)
async def change(visit: Visit) -> Response:
    """Change all images of a filter: a `BulkOrder` as JSON, answered by a `BulkResult`."""
    order = await _body(visit.request, BulkOrder)

    def work(report: Report) -> dict[str, Any]:
        draft = draft_of(visit)
        found = change_images(visit.service.store, draft.name, order, visit.who, of_images(report))
        if not order.preview:
            visit.audit(_DONE[order.action], draft=draft.name, images=found.changed, tag=order.tag)
        return found.to_wire()

    return await answer_with_progress(visit, work)


@pages.post("/drafts/{draft}/remove", role=Role.LABELER, takes_uploads=True)
async def remove(visit: Visit) -> Response:
    """Remove images from the draft: `ImageNumbers` as JSON."""
    return await _removed(visit, restore=False)


@pages.post("/drafts/{draft}/restore", role=Role.LABELER, takes_uploads=True)
async def restore(visit: Visit) -> Response:
    """Restore images that were removed: `ImageNumbers` as JSON."""
    return await _removed(visit, restore=True)


@pages.get("/drafts/{draft}/images/{number}/thumbnail")
async def thumbnail(visit: Visit) -> Response:
    if (stored := await stored_thumbnail(visit)) is not None:
        return stored
    draft, found = await run_in_threadpool(_found, visit)
    if (known := unchanged(visit, found.sha256, THUMBNAIL_SIDE)) is not None:
        return known
    url = draft.url_of(found.sha256, found.extension)
    dataset = await run_in_threadpool(readable, visit, draft, url)
    picture = await made(visit, visit.parts.pictures.thumbnail(dataset, url, found.sha256))
    return picture_response(visit, picture.sha256, picture.etag, picture.data)


@pages.get("/drafts/{draft}/images/{number}/view")
async def view(visit: Visit) -> Response:
    draft, found = await run_in_threadpool(_found, visit)
    if (known := unchanged(visit, found.sha256, VIEW_SIDE)) is not None:
        return known
    url = draft.url_of(found.sha256, found.extension)
    dataset = await run_in_threadpool(readable, visit, draft, url)
    picture = await made(visit, visit.parts.pictures.view(dataset, url))
    return picture_response(visit, picture.sha256, picture.etag, picture.data)


async def _removed(visit: Visit, *, restore: bool) -> Response:
    order = await _body(visit.request, ImageNumbers)

    def work() -> Response:
        draft = draft_of(visit)
        count = visit.service.store.drafts.remove(draft.name, order.numbers, visit.who, restore=restore)
        visit.audit("restored images" if restore else "removed images", draft=draft.name, images=count)
        return visit.json({"images": count})

    return await run_in_threadpool(work)


async def _body(request: Request, kind: type[W]) -> W:
    return parse(kind, await read_body(request, JSON_BYTES_MAX))


def _found(visit: Visit) -> tuple[DraftRecord, DraftImageRecord]:
    """The draft and the image of the path. Raises NotFound."""
    draft = draft_of(visit)
    return draft, found_image(visit.service.store, draft, number_of(visit))
