"""What operations take besides a body: the version, a name, a page, a precondition."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Header, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from vision_customization.contract.limits import PAGE_DEFAULT, PAGE_MAX, SKIP_MAX
from vision_customization.contract.outcomes import OUTCOMES_PAGE_MAX
from vision_customization.contract.wire import Name, Wire
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.errors import JSON, allowed_methods

R = TypeVar("R")
G = TypeVar("G")

ApiVersion = Annotated[
    Literal["2023-02-01-preview", "2023-04-01-preview"],
    Query(alias="api-version", description="Version of the contract; both give the same answers."),
]
PathName = Annotated[Name, Path()]
Skip = Annotated[int, Query(ge=0, le=SKIP_MAX, description="How many items to skip from the start.")]
Top = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Maximum number of items to return.")]
LongTop = Annotated[int, Query(ge=1, le=OUTCOMES_PAGE_MAX, description="Maximum number of items to return.")]


async def preview_version(api_version: ApiVersion) -> str:
    """The version, which must be one of the two that know model customization."""
    return api_version


async def own_route(request: Request) -> None:
    """405 for a path that only looks like a name: with another method, `/models/m:cancel` reaches the route of a model."""
    if ":" in request.url.path and request.method not in allowed_methods(request.app, request.url.path):
        raise HTTPException(405)


VERSIONED = [Depends(own_route), Depends(preview_version)]


async def service_of(request: Request) -> Service:
    """Everything the routes of the application use."""
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(service_of)]


class Page:
    """The items asked for: `top` after the first `skip`."""

    def __init__(self, request: Request, service: Serving, skip: Skip = 0, top: Top = PAGE_DEFAULT) -> None:
        self._request = request
        self._public_url = service.settings.public_url
        self.skip = skip
        self.top = top

    def of(self, read: Callable[[int, int], Sequence[R]], shown: Callable[[R], Wire]) -> Response:
        """The page as JSON. `read(skip, top)` returns the records, and `shown` converts each to what callers see."""
        records = read(self.skip, self.top + 1)  # one more than asked for, to see whether another page follows
        body: dict[str, Any] = {"value": [shown(record).to_wire() for record in records[: self.top]]}
        if len(records) > self.top:
            body["nextLink"] = self._next_link({})
        return json_response(body)

    def _next_link(self, query: Mapping[str, str]) -> str:
        """The address of the page after this one; `query` is what it takes besides a page and the version."""
        version = self._request.query_params["api-version"]
        parameters = {"skip": self.skip + self.top, "top": self.top, **query, "api-version": version}
        base = self._public_url or f"{self._request.url.scheme}://{self._request.url.netloc}"
        return f"{base.rstrip('/')}{self._request.url.path}?{urlencode(parameters)}"


class LongPage(Page):
    """A page of small items, of which there can be more."""

    def __init__(self, request: Request, service: Serving, skip: Skip = 0, top: LongTop = PAGE_DEFAULT) -> None:
        super().__init__(request, service, skip, top)

    def encoded(
        self, items: Sequence[bytes], count: int, query: Mapping[str, str], facts: Mapping[str, object] | None = None
    ) -> Response:
        """The page from items that are JSON already. `count` is the number of all that `query` selects; `facts` are further
        members of the page."""
        more = {"nextLink": self._next_link(query)} if count > self.skip + self.top else {}
        rest = json.dumps({"count": count, **(facts or {}), **more}, ensure_ascii=False).encode()
        return encoded_response(b'{"value":[' + b",".join(items) + b"]," + rest[1:])


def given(members: Mapping[str, G | None]) -> dict[str, G]:
    """The members of a query or a reply that are not absent."""
    return {name: value for name, value in members.items() if value is not None}


PageQuery = Annotated[Page, Depends()]
LongPageQuery = Annotated[LongPage, Depends()]


def if_match(
    header: Annotated[str | None, Header(alias="If-Match", description="Only if the eTag is still this one; * is any.")] = None,
) -> frozenset[str] | None:
    """The eTags that the caller accepts; None for any. Quotes around them are optional."""
    if header is None:
        return None
    tags = frozenset(part.strip().removeprefix("W/").strip('"') for part in header.split(","))
    return None if "*" in tags or tags == {""} else tags


IfMatch = Annotated[frozenset[str] | None, Depends(if_match)]


def json_response(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body, ensure_ascii=False, separators=(",", ":")), status, headers, JSON)


def encoded_response(body: bytes) -> Response:
    """200 with JSON that is encoded already."""
    return Response(body, 200, media_type=JSON)


def wire_response(body: Wire, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return json_response(body.to_wire(), status, headers)
