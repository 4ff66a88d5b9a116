"""Prebuilt features in an analyze call: the Vision resource's answer, alone or beside the custom model's."""

import asyncio
import json
from collections.abc import Awaitable

from fastapi import Response

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.errors import JSON, ApiError
from vision_customization.engine.models.prebuilt import PrebuiltReply, ResourceUnavailable


async def passed_on(asked: Awaitable[PrebuiltReply]) -> Response:
    """The resource's answer unchanged, even if it is an error. Refuses with 502 if the resource does not answer."""
    try:
        reply = await asked
    except ResourceUnavailable as error:
        raise ApiError(502, ErrorCode.FAILED_TO_PROCESS, str(error), target="features") from None
    return Response(reply.body, reply.status, reply.headers, JSON)


async def combined(custom: Awaitable[str], asked: Awaitable[PrebuiltReply]) -> Response:
    """The results of the custom model and the resource in one answer; both work at the same time. If both fail, the custom
    model's error is the answer."""
    own, standard = await asyncio.gather(custom, passed_on(asked), return_exceptions=True)
    for outcome in (own, standard):
        if isinstance(outcome, BaseException):
            raise outcome
    assert isinstance(own, str)
    assert isinstance(standard, Response)
    if standard.status_code != 200:
        return standard
    result = {**json.loads(own), **json.loads(bytes(standard.body))}
    return Response(json.dumps(result, ensure_ascii=False, separators=(",", ":")), 200, media_type=JSON)
