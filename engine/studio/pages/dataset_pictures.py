"""The pictures of a dataset's images: thumbnails, views, and crops of single objects. Never an original file.

Each is a JPEG that the engine has encoded from pixels. A browser may keep a picture whose address names the image's digest.
"""

import asyncio
import re
from concurrent.futures import Future

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.store import DatasetRecord, IndexedImage
from vision_customization.engine.studio.dataset_contents import NO_SUCH_IMAGE, image_at
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.visit import Visit
from vision_customization.engine.views.crops import Box, cropped
from vision_customization.engine.views.errors import CodecMissing, PictureInvalid, PictureUnreadable, ViewError, ViewsBusy
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, VIEW_SIDE, Reencoded, picture_etag

pages = Pages()

KEPT = "private, max-age=31536000, immutable"
CHECKED = "private, no-cache"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_GONE_SECONDS = 0.25
"""How often it is looked whether the browser still waits for a picture that is being made."""


@pages.get("/datasets/{name}/images/{position}/thumbnail")
async def thumbnail(visit: Visit) -> Response:
    dataset, image, url = await run_in_threadpool(_found, visit)
    if image.sha256 is not None and (known := _unchanged(visit, image.sha256, THUMBNAIL_SIDE)) is not None:
        return known
    picture = await _made(visit, visit.parts.pictures.thumbnail(dataset, url, image.sha256))
    return _answer(visit, picture.sha256, picture.etag, picture.data)


@pages.get("/datasets/{name}/images/{position}/view")
async def view(visit: Visit) -> Response:
    dataset, image, url = await run_in_threadpool(_found, visit)
    if image.sha256 is not None and (known := _unchanged(visit, image.sha256, VIEW_SIDE)) is not None:
        return known
    picture = await _made(visit, visit.parts.pictures.view(dataset, url))
    return _answer(visit, picture.sha256, picture.etag, picture.data)


@pages.get("/datasets/{name}/images/{position}/crop")
async def crop(visit: Visit) -> Response:
    """The part of the image in the query's `box`: left, top, width and height as fractions."""
    dataset, image, url = await run_in_threadpool(_found, visit)
    box = _box(visit.query("box"))
    key = (dataset.name, dataset.e_tag, image.url, image.sha256)
    kept = visit.parts.recent_views
    whole = kept.get(key)
    if whole is None:
        whole = await _made(visit, visit.parts.pictures.view(dataset, url))
        kept.put(key, whole)
    part = await run_in_threadpool(cropped, whole, box)
    corners = "-".join(f"{side:.6f}" for side in box)
    return _answer(visit, whole.sha256, f'W/"{whole.sha256}-{corners}"', part)


def _box(text: str) -> Box:
    """Refuses with 400 what is not four fractions."""
    try:
        left, top, width, height = (float(side) for side in text.split(","))
    except ValueError:
        raise invalid("box: expected left,top,width,height as fractions of the image.") from None
    if not all(0 <= side <= 1 for side in (left, top, width, height)):
        raise invalid("box: each of left, top, width and height must be 0 to 1.")
    return left, top, width, height


def _found(visit: Visit) -> tuple[DatasetRecord, IndexedImage, str]:
    """The dataset, the image, and the address to read it at, with its query. Raises NotFound, and 404 for a position without
    an image."""
    dataset = visit.service.store.datasets.find(visit.path("name"))
    image = image_at(visit.service.store, dataset.name, visit.path("position"))
    if image is None:
        raise NO_SUCH_IMAGE
    try:
        return dataset, image, visit.service.store.content.address(image).get_secret_value()
    except SettingsError as error:
        raise ApiError(409, ErrorCode.FAILED_TO_PROCESS, str(error)) from None


async def _made(visit: Visit, answer: Future[Reencoded]) -> Reencoded:
    """The picture, once it is made. If the browser does not wait for it any more, it is not made."""
    try:
        while True:
            try:
                return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(answer)), _GONE_SECONDS)
            except TimeoutError:
                if await visit.request.is_disconnected():
                    raise ApiError(408, ErrorCode.TIMEOUT, "The browser did not wait.") from None
    except ViewError as error:
        raise _refusal(error) from None
    finally:
        answer.cancel()


def _refusal(error: ViewError) -> ApiError:
    if isinstance(error, ViewsBusy):
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return ApiError(503, ErrorCode.TIMEOUT, str(error), headers=headers)
    if isinstance(error, PictureUnreadable):
        return ApiError(502, ErrorCode.FAILED_TO_PROCESS, str(error))
    if isinstance(error, PictureInvalid | CodecMissing):
        return ApiError(422, ErrorCode.INVALID_IMAGE_FORMAT, str(error))
    return ApiError(500, ErrorCode.INTERNAL_SERVER_ERROR, str(error))


def _unchanged(visit: Visit, sha256: str, side: int) -> Response | None:
    """304 if the browser has this picture already."""
    etag = picture_etag(sha256, side)
    if etag not in {each.strip() for each in visit.request.headers.get("if-none-match", "").split(",")}:
        return None
    return Response(status_code=304, headers=_headers(visit, sha256, etag))


def _answer(visit: Visit, sha256: str, etag: str, data: bytes) -> Response:
    return Response(data, headers=_headers(visit, sha256, etag), media_type="image/jpeg")


def _headers(visit: Visit, sha256: str, etag: str) -> dict[str, str]:
    version = visit.query("v")
    kept = _SHA256.fullmatch(version) is not None and version == sha256
    return {"ETag": etag, "Cache-Control": KEPT if kept else CHECKED}
