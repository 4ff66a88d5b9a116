"""Pictures of images as responses: thumbnails and views, encoded from pixels. A browser may keep a picture whose address names
the image's digest, as `v`."""

import asyncio
import re
from concurrent.futures import Future

from starlette.responses import Response

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.studio.visit import Visit
from vision_customization.engine.views.errors import CodecMissing, PictureInvalid, PictureUnreadable, ViewError, ViewsBusy
from vision_customization.engine.views.reencoding import MEDIA_TYPE, THUMBNAIL_SIDE, Reencoded, picture_etag

KEPT = "private, max-age=31536000, immutable"
CHECKED = "private, no-cache"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_GONE_SECONDS = 0.25
"""How often it is looked whether the browser still waits for a picture that is being made."""


async def made(visit: Visit, answer: "Future[Reencoded]") -> Reencoded:
    """The picture, once it is made. If the browser does not wait for it any more, it is not made. Raises ApiError."""
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


async def stored_thumbnail(visit: Visit) -> Response | None:
    """The thumbnail that the query's `v` names by the image's digest, if it is stored. So most pictures of a grid need no look
    into the database. The rest of the address is not looked at: every reader may see every image, and the digest names it."""
    sha256 = visit.query("v")
    if _SHA256.fullmatch(sha256) is None:
        return None
    if (known := unchanged(visit, sha256, THUMBNAIL_SIDE)) is not None:
        return known
    answer = visit.parts.pictures.stored(sha256)
    picture = answer.result() if answer.done() else await asyncio.wrap_future(answer)
    return None if picture is None else picture_response(visit, picture.sha256, picture.etag, picture.data)


def picture_response(visit: Visit, sha256: str, etag: str, data: bytes) -> Response:
    """A picture that was made from the image of this digest: a JPEG."""
    return Response(data, headers=_headers(visit, sha256, etag), media_type=MEDIA_TYPE)


def unchanged(visit: Visit, sha256: str, side: int) -> Response | None:
    """304 if the browser has the picture of this image already."""
    etag = picture_etag(sha256, side)
    if etag not in {each.strip() for each in visit.request.headers.get("if-none-match", "").split(",")}:
        return None
    return Response(status_code=304, headers=_headers(visit, sha256, etag))


def _headers(visit: Visit, sha256: str, etag: str) -> dict[str, str]:
    version = visit.query("v")
    kept = _SHA256.fullmatch(version) is not None and version == sha256
    return {"ETag": etag, "Cache-Control": KEPT if kept else CHECKED}


def _refusal(error: ViewError) -> ApiError:
    if isinstance(error, ViewsBusy):
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return ApiError(503, ErrorCode.TIMEOUT, str(error), headers=headers)
    if isinstance(error, PictureUnreadable):
        return ApiError(502, ErrorCode.FAILED_TO_PROCESS, str(error))
    if isinstance(error, PictureInvalid | CodecMissing):
        return ApiError(422, ErrorCode.INVALID_IMAGE_FORMAT, str(error))
    return ApiError(500, ErrorCode.INTERNAL_SERVER_ERROR, str(error))
