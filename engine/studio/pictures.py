"""Pictures of images as responses: thumbnails and views, which browsers may keep."""

import asyncio
from concurrent.futures import Future

from starlette.responses import Response

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.studio.visit import Visit
from vision_customization.engine.views.errors import ViewError, ViewsBusy
from vision_customization.engine.views.reencoding import Reencoded

_KEPT = "private, max-age=86400"


async def picture_response(visit: Visit, picture: "Future[Reencoded]") -> Response:
    """The picture, once it is there. Its address must change with its content.

    Raises ApiError: 503 with `Retry-After` if too many pictures are being made, 404 if it can't be shown.
    """
    try:
        made = await asyncio.wrap_future(picture)
    except ViewsBusy as error:
        retry = {"Retry-After": str(error.retry_after_seconds)}
        raise ApiError(503, ErrorCode.INTERNAL_SERVER_ERROR, str(error), headers=retry) from None
    except ViewError as error:
        raise ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, str(error)) from None
    headers = {"Cache-Control": _KEPT, "ETag": made.etag, "X-Content-Type-Options": "nosniff"}
    if made.etag in visit.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(made.data, media_type=made.media_type, headers=headers)
