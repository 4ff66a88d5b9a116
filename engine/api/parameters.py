"""What every operation takes beside its body: the version, a name, a page, a precondition."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Depends, Header, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from vision_customization.contract.limits import NAME_MAX_LENGTH, NAME_PATTERN, PAGE_DEFAULT, PAGE_MAX, SKIP_MAX
from vision_customization.contract.wire import Wire
from vision_customization.engine.api.errors import JSON, allowed_methods
from vision_customization.engine.settings import Settings

ApiVersion = Annotated[
    Literal["2023-02-01-preview", "2023-04-01-preview"],
    Query(alias="api-version", description="Version of the contract; both are served alike."),
]
Name = Annotated[str, Path(pattern=NAME_PATTERN, max_length=NAME_MAX_LENGTH)]
Skip = Annotated[int, Query(ge=0, le=SKIP_MAX, description="How many items to leave out from the start.")]
Top = Annotated[int, Query(ge=1, le=PAGE_MAX, description="How many items to answer with at most.")]


async def preview_version(api_version: ApiVersion) -> str:
    """The version, which must be one of the two that know model customization."""
    return api_version


async def own_route(request: Request) -> None:
    """405 for what only looks like a name: with another method, `/models/m:cancel` reaches the route of a model."""
    if ":" in request.url.path and request.method not in allowed_methods(request.app, request.url.path):
        raise HTTPException(405)


VERSIONED = [Depends(own_route), Depends(preview_version)]


class Page:
    """The items asked for: `top` after the first `skip`."""

    def __init__(self, request: Request, skip: Skip = 0, top: Top = PAGE_DEFAULT) -> None:
        self._request = request
        self.skip = skip
        self.top = top

    def reply(self, items: Sequence[Wire], settings: Settings) -> Response:
        """The page as JSON. `items` is one more than `top` where another page follows."""
        body: dict[str, Any] = {"value": [item.to_wire() for item in items[: self.top]]}
        if len(items) > self.top:
            query = {
                "skip": self.skip + self.top,
                "top": self.top,
                "api-version": self._request.query_params["api-version"],
            }
            base = settings.public_url or f"{self._request.url.scheme}://{self._request.url.netloc}"
            body["nextLink"] = f"{base.rstrip('/')}{self._request.url.path}?{urlencode(query)}"
        return json_response(body)


PageQuery = Annotated[Page, Depends()]


def if_match(
    header: Annotated[str | None, Header(alias="If-Match", description="Only if the eTag is still this one; * is any.")] = None,
) -> frozenset[str] | None:
    """The eTags that the caller accepts; None for any. Quotes around them may be there or not."""
    if header is None:
        return None
    tags = frozenset(part.strip().removeprefix("W/").strip('"') for part in header.split(","))
    return None if "*" in tags or tags == {""} else tags


IfMatch = Annotated[frozenset[str] | None, Depends(if_match)]


def json_response(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body, ensure_ascii=False, separators=(",", ":")), status, headers, JSON)


def wire_response(body: Wire, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return json_response(body.to_wire(), status, headers)
