"""Prebuilt features in an analyze call: the Vision resource's answer, alone or beside the custom model's."""

import asyncio
import json
import logging
from collections.abc import Awaitable

from fastapi import Response

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.errors import JSON, ApiError
from vision_customization.engine.models.prebuilt import PrebuiltReply, ResourceUnavailable

log = logging.getLogger("engine.service")


async def passed_on(asked: Awaitable[PrebuiltReply]) -> Response:
    """The resource's answer unchanged, even if it is an error. Refuses with 502 if the resource does not answer."""
    try:
        reply = await asked
    except ResourceUnavailable as error:
        raise ApiError(502, ErrorCode.FAILED_TO_PROCESS, str(error), target="features") from None
    return Response(reply.body, reply.status, reply.headers, JSON)


async def combined(custom: Awaitable[str], asked: Awaitable[PrebuiltReply]) -> Response:
    """The results of the custom model and the resource in one answer; both work at the same time. An error of the resource is
    `featuresError` of the answer, beside the custom model's result. An error of the custom model is the whole answer."""
    own, standard = await asyncio.gather(custom, passed_on(asked), return_exceptions=True)
    if isinstance(own, BaseException):
        raise own
    if isinstance(standard, ApiError):
        standard = standard.response()
    if isinstance(standard, BaseException):
        raise standard
    found = json.loads(bytes(standard.body))
    result = json.loads(own)
    if standard.status_code == 200:
        result |= found
    else:
        log.warning("an answer lacks its prebuilt features: %s", found["error"]["message"])
        result |= {"featuresError": found["error"]}
    return Response(json.dumps(result, ensure_ascii=False, separators=(",", ":")), 200, media_type=JSON)
