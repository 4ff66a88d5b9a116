"""The one error shape, and the status and code of each refusal."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.limits import API_VERSION
from vision_customization.contract.wire import ErrorDetails, ErrorResponse, InnerError, RequestError
from vision_customization.engine.drafts.errors import (
    ContainerRefuses,
    DatasetInTheWay,
    DraftError,
    LabelsInvalid,
    PictureRefused,
)
from vision_customization.engine.errors import EngineError
from vision_customization.engine.orders import OrderRefused
from vision_customization.engine.runtime.full_disk import full_disk
from vision_customization.engine.runtime.logs import request_id
from vision_customization.engine.store import (
    AlreadyExists,
    GateMissed,
    ImagesElsewhere,
    NotFound,
    PreconditionFailed,
    StillPublished,
    StoreError,
    TokenNeeded,
    WrongState,
)

JSON = "application/json; charset=utf-8"

_NOT_FOUND = {
    "dataset": ErrorCode.DATASET_NOT_FOUND,
    "model": ErrorCode.MODEL_NOT_FOUND,
    "evaluation": ErrorCode.MODEL_EVALUATION_NOT_FOUND,
    "published model": ErrorCode.PUBLISHED_MODEL_NOT_FOUND,
    "run": ErrorCode.PRODUCT_RECOGNITION_RUN_NOT_FOUND,
    "batch prediction run": ErrorCode.BATCH_PREDICTION_RUN_NOT_FOUND,
    "content index": ErrorCode.RESOURCE_NOT_FOUND,
    "inspection": ErrorCode.RESOURCE_NOT_FOUND,
    "draft": ErrorCode.DRAFT_NOT_FOUND,
    "tag": ErrorCode.RESOURCE_NOT_FOUND,
    "version": ErrorCode.RESOURCE_NOT_FOUND,
    "image": ErrorCode.RESOURCE_NOT_FOUND,
    "sample": ErrorCode.RESOURCE_NOT_FOUND,
}
_ALREADY_EXISTS = {
    "dataset": ErrorCode.DATASET_ALREADY_EXISTS,
    "model": ErrorCode.MODEL_ALREADY_EXISTS,
    "evaluation": ErrorCode.MODEL_EVALUATION_ALREADY_EXISTS,
    "published model": ErrorCode.MODEL_ALREADY_EXISTS,
    "run": ErrorCode.PRODUCT_RECOGNITION_RUN_ALREADY_EXISTS,
    "batch prediction run": ErrorCode.BATCH_PREDICTION_RUN_ALREADY_EXISTS,
    "draft": ErrorCode.DRAFT_ALREADY_EXISTS,
    "tag": ErrorCode.TAG_ALREADY_EXISTS,
}


class ApiError(EngineError):
    """A refused request: its status and its body."""

    def __init__(
        self,
        status: int,
        code: ErrorCode,
        message: str,
        *,
        target: str | None = None,
        details: Sequence[ErrorDetails] = (),
        inner: ErrorCode | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.error = RequestError(
            code=code.value,
            message=message,
            target=target,
            details=list(details) or None,
            innererror=InnerError(code=inner.value, message=message) if inner is not None else None,
        )

    def response(self) -> Response:
        body = ErrorResponse(error=self.error).to_wire()
        headers = {"x-ms-error-code": self.error.code, **self.headers}
        return Response(json.dumps(body, ensure_ascii=False), self.status, headers, JSON)


def invalid(message: str, *, target: str | None = None, inner: ErrorCode | None = None) -> ApiError:
    """400 `InvalidRequest`."""
    return ApiError(400, ErrorCode.INVALID_REQUEST, message, target=target, inner=inner)


def invalid_values(problems: Sequence[Mapping[str, Any]], where: str) -> ApiError:
    """400 for the problems that pydantic's `errors()` lists. Never repeats a value, which may be a secret."""
    details = []
    for problem in problems:
        place = [str(part) for part in problem["loc"]]
        target = ".".join(place) or where
        message = str(problem["msg"]).removeprefix("Value error, ")
        if target == "api-version" and problem["type"] == "missing":
            message = f"the query must have it, for example api-version={API_VERSION}"
        details.append(ErrorDetails(code=ErrorCode.BAD_ARGUMENT.value, message=f"{target}: {message}", target=target))
    first = details[0]
    message = first.message if len(details) == 1 else f"{first.message} (and {len(details) - 1} more: see details)"
    return ApiError(400, ErrorCode.INVALID_REQUEST, message, target=first.target, details=details if len(details) > 1 else ())


def store_refusal(error: StoreError) -> ApiError:
    """The API's answer to a refusal of the store."""
    if isinstance(error, NotFound):
        return ApiError(404, _NOT_FOUND[error.kind], str(error), target=error.name)
    if isinstance(error, AlreadyExists):
        return ApiError(409, _ALREADY_EXISTS[error.kind], str(error), target=error.name)
    if isinstance(error, PreconditionFailed):
        return ApiError(412, ErrorCode.PRECONDITION_FAILED, str(error), target="If-Match")
    if isinstance(error, TokenNeeded):
        target = "authentication.sasToken"
        return invalid(f"{target}: {error}", target=target)
    if isinstance(error, WrongState):
        return invalid(str(error), target=error.name)
    if isinstance(error, ImagesElsewhere):
        return invalid(str(error), target="baseDataset")
    if isinstance(error, StillPublished):
        return invalid(str(error), target=error.name)
    if isinstance(error, GateMissed):
        return ApiError(400, ErrorCode.GATE_MISSED, str(error), target="require")
    raise error


def order_refusal(error: OrderRefused) -> ApiError:
    """The API's answer to an order that is refused."""
    return invalid(str(error), target=error.target)


def draft_refusal(error: DraftError) -> ApiError:
    """The API's answer to what can't be done with a draft."""
    if isinstance(error, ContainerRefuses):
        return ApiError(502, ErrorCode.FAILED_TO_PROCESS, str(error))
    if isinstance(error, DatasetInTheWay):
        return ApiError(409, ErrorCode.DATASET_ALREADY_EXISTS, str(error), target=error.name)
    if isinstance(error, PictureRefused):
        return invalid(str(error), inner=ErrorCode.INVALID_IMAGE_FORMAT)
    return invalid(str(error), target=error.target if isinstance(error, LabelsInvalid) else None)


def unexpected(error: Exception, data_dir: Path, log: logging.Logger, method: str, path: str) -> ApiError:
    """Log what a request did not expect, and tell the caller: 507 for a full disk, else 500, which only says where to look."""
    where = {"method": method, "path": path}
    if (full := full_disk(error, data_dir)) is not None:
        log.error("request failed: %s", full, extra=where)
        return ApiError(507, ErrorCode.INTERNAL_SERVER_ERROR, full)
    log.error("request failed", exc_info=error, extra=where)
    message = f"Something went wrong inside the engine. See its log at apim-request-id {request_id.get() or ''}."
    return ApiError(500, ErrorCode.INTERNAL_SERVER_ERROR, message)


def route_refusal(error: HTTPException, allowed: Sequence[str]) -> ApiError:
    """A refusal of the router itself: it has no such path (404), or allows only the methods `allowed` (405)."""
    if error.status_code == 404:
        return ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, "Resource not found. /openapi.json lists the paths that exist.")
    if error.status_code == 405:
        methods = ", ".join(allowed)
        message = f"The method is not allowed here; allowed: {methods}."
        return ApiError(405, ErrorCode.INVALID_REQUEST, message, headers={"Allow": methods})
    return ApiError(error.status_code, ErrorCode.INVALID_REQUEST, str(error.detail), headers=error.headers)


def answer_errors(app: FastAPI) -> None:
    """Give every refusal of `app` the one error shape."""

    @app.exception_handler(ApiError)
    async def refuse(_: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return error.response()

    @app.exception_handler(StoreError)
    async def refuse_by_store(_: Request, error: Exception) -> Response:
        assert isinstance(error, StoreError)
        return store_refusal(error).response()

    @app.exception_handler(OrderRefused)
    async def refuse_order(_: Request, error: Exception) -> Response:
        assert isinstance(error, OrderRefused)
        return order_refusal(error).response()

    @app.exception_handler(DraftError)
    async def refuse_draft(_: Request, error: Exception) -> Response:
        assert isinstance(error, DraftError)
        return draft_refusal(error).response()

    @app.exception_handler(RequestValidationError)
    async def refuse_values(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        problems = [{**problem, "loc": problem["loc"][1:]} for problem in error.errors()]
        return invalid_values(problems, "the request").response()

    @app.exception_handler(HTTPException)
    async def refuse_route(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        allowed = allowed_methods(app, request.url.path) if error.status_code == 405 else ()
        return route_refusal(error, allowed).response()


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """The methods of all operations at `path`. The router names only those of one, and takes `m:cancel` for a name."""
    for name in ("[^/:]+", "[^/]+"):
        methods: set[str] = set()
        for template, operations in app.openapi()["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", name, template), path):
                methods.update(method.upper() for method in operations)
        if methods:
            return sorted(methods)
    return []
