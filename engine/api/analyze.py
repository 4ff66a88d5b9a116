"""`/imageanalysis:analyze`: an image in, the model's tags out."""

import asyncio
import contextvars
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, ValidationError

from customization.contract import (
    API_VERSIONS,
    IMAGE_BYTES_MAX_ANALYZE,
    IMAGE_SIDE_ANALYZE_PX,
    AnalyzeUrl,
    ErrorCode,
    ImageAnalysisResult,
    ModelStatus,
)
from engine.api.body import JSON_BYTES_MAX, JSON_TYPES, media_type, parse, read_body
from engine.api.collaborators import Service
from engine.api.document import failures
from engine.api.errors import JSON, ApiError, invalid, invalid_values
from engine.api.multipart import first_file
from engine.blobs import Blob, BlobError
from engine.learning.errors import ImageError
from engine.learning.images import ImageSizeError, decode_image
from engine.serving import ModelGone
from engine.store import AnswerableModel, NotFound

WAITING_MAX = 256
"""Requests that may wait for a thread; each keeps an image of up to 20 MB in memory."""

FETCH_SECONDS_MAX = 30.0
"""The most that an image may take to come from its URL."""

_FETCHES = 16
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff", "image/webp", "image/x-icon")
_STREAM = "application/octet-stream"
_FORM = "multipart/form-data"

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/AnalyzeUrl"}},
            **dict.fromkeys((_STREAM, *_IMAGE_TYPES), _BINARY),
            _FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "string", "format": "binary"}},
                    "required": ["image"],
                }
            },
        },
    }
}

P = ParamSpec("P")
T = TypeVar("T")


class AnalyzeQuery(BaseModel):
    """What an analyze call asks for."""

    # The last two, which some SDKs send by themselves, have no custom models.
    api_version: Literal["2023-02-01-preview", "2023-04-01-preview", "2023-10-01", "2024-02-01"] = Field(
        alias="api-version", description="Only the preview versions know `model-name`; the others ignore it."
    )
    model_name: str | None = Field(None, alias="model-name", description="A model's name, or a published one.")
    features: str | None = Field(None, description="Prebuilt features, which need a Vision resource of Azure; not served here.")


class AnalyzeRoute(APIRoute):
    """Documented as any other route, and answered without FastAPI's solving of dependencies, which takes a tenth of a call.

    Its endpoint is called with the request and the query, and nothing else: dependencies would not be solved.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        assert not self.dependant.dependencies

        async def handle(request: Request) -> Response:
            try:
                query = AnalyzeQuery.model_validate(dict(request.query_params))
            except ValidationError as error:
                raise invalid_values(error.errors(include_url=False, include_input=False), "query") from None
            response: Response = await self.endpoint(request, query)
            return response

        return handle


def analyze_router(service: Service) -> APIRouter:
    router = APIRouter(prefix="/computervision", tags=["Analyze"], route_class=AnalyzeRoute)
    images = ThreadPoolExecutor(service.settings.threads, thread_name_prefix="analyze")
    # Threads of their own: those that all other operations share must not wait for strangers' servers.
    fetches = ThreadPoolExecutor(_FETCHES, thread_name_prefix="fetch")
    waiting = 0

    async def in_thread(pool: ThreadPoolExecutor, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work, *arguments, **named))

    @router.post(
        "/imageanalysis:analyze",
        summary="Analyze an image with a trained model",
        response_model=ImageAnalysisResult,
        responses=failures(400, 401, 404, 413, 429),
        openapi_extra=_REQUEST_BODY,
    )
    async def analyze(request: Request, query: Annotated[AnalyzeQuery, Query()]) -> Response:
        nonlocal waiting
        name = requested_model(query.api_version, query.model_name, query.features)
        if waiting >= WAITING_MAX:
            raise ApiError(
                429,
                ErrorCode.INVALID_REQUEST,
                f"{waiting} requests wait already. Try again in a second.",
                headers={"Retry-After": "1"},
            )
        waiting += 1
        try:
            url, image = await _read_body(request)
            if url is not None:
                image = await in_thread(fetches, _fetch, service, name, url)
            body = await in_thread(images, _answer, service, name, image, query.api_version)
        finally:
            waiting -= 1
        return Response(body, 200, media_type=JSON)

    return router


def requested_model(api_version: str, model_name: str | None, features: str | None) -> str:
    """The model that a call asks for. Refuses with 400 a call that asks for a prebuilt feature, or for nothing."""
    if wanted := [feature for feature in (features or "").replace(" ", "").split(",") if feature]:
        message = (
            f"The features {', '.join(wanted)[:200]} are prebuilt ones, which need an Azure AI Vision resource: "
            "this engine answers with custom models only. Leave `features` out and give `model-name`."
        )
        raise invalid(message, target="features", inner=ErrorCode.NOT_SUPPORTED_VISUAL_FEATURE)
    if api_version not in API_VERSIONS:
        message = (
            f"Neither `features` nor `model-name` is given: version {api_version} has no custom models and ignores it. "
            f"Use api-version={API_VERSIONS[-1]}."
        )
        raise invalid(message, target="model-name")
    if not model_name:
        raise invalid("Neither `features` nor `model-name` is given. Name a model.", target="model-name")
    return model_name


async def _read_body(request: Request) -> tuple[str | None, bytes]:
    """The image's URL, or the image."""
    declared = media_type(request)
    if declared in JSON_TYPES:
        return parse(AnalyzeUrl, await read_body(request, JSON_BYTES_MAX)).url, b""
    if declared not in ("", _STREAM, _FORM) and not declared.startswith("image/"):
        message = (
            f"The content type is not supported: expected application/json, {_STREAM}, {_FORM} or {', '.join(_IMAGE_TYPES)}."
        )
        raise invalid(message, target="Content-Type")
    # A form is a little longer than the image in it.
    body = await read_body(request, IMAGE_BYTES_MAX_ANALYZE + (65_536 if declared == _FORM else 0))
    if body is not None and declared == _FORM:
        body = first_file(body, request.headers["content-type"])
        if body is None:
            raise invalid("The form holds no image: expected one part with the image's bytes.")
    if body is None or len(body) > IMAGE_BYTES_MAX_ANALYZE:
        raise invalid(f"The image is longer than {IMAGE_BYTES_MAX_ANALYZE:,} bytes.")
    if not body:
        raise invalid("The image is empty.")
    return None, body


def _fetch(service: Service, model_name: str, url: str) -> bytes:
    _trained(service, model_name)  # before anything is read for a model that cannot answer
    try:
        blob = service.blobs.read(url, max_bytes=IMAGE_BYTES_MAX_ANALYZE, limit_seconds=FETCH_SECONDS_MAX)
    except BlobError as error:
        raise invalid(f"The image could not be read from its URL: {error}", target="url") from None
    assert isinstance(blob, Blob), "only a read with an etag is answered otherwise"
    if not blob.data:
        raise invalid("The image at the URL is empty.", target="url")
    return blob.data


def _trained(service: Service, model_name: str) -> AnswerableModel:
    """The model behind a name. Refuses an unknown one with 404 and one that has not succeeded with 400."""
    try:
        record = service.store.model_to_analyze(model_name)
    except NotFound:
        raise _unknown_model(model_name) from None
    if record.status is not ModelStatus.SUCCEEDED:
        message = f"The model '{record.name}' is '{record.status.value}': only one that has succeeded can analyze."
        raise invalid(message, target="model-name")
    return record


def _unknown_model(model_name: str) -> ApiError:
    message = f"Resource not found: there is no model and no published model '{model_name[:255]}'."
    return ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, message, target="model-name")


def _answer(service: Service, model_name: str, image: bytes, api_version: str) -> str:
    record = _trained(service, model_name)
    try:
        decoded = decode_image(image, IMAGE_SIDE_ANALYZE_PX)
    except ImageSizeError as error:
        raise invalid(f"The image cannot be analyzed: {error}.") from None
    except ImageError as error:
        raise invalid(f"The image cannot be read: {error}.", inner=ErrorCode.INVALID_IMAGE_FORMAT) from None
    try:
        tags = service.models.classify(record.id, decoded.pixels)
    except ModelGone:
        raise _unknown_model(model_name) from None
    return json.dumps(analysis(tags, api_version, decoded.width, decoded.height), ensure_ascii=False, separators=(",", ":"))


def analysis(tags: list[tuple[str, float]], api_version: str, width: int, height: int) -> dict[str, Any]:
    """An `ImageAnalysisResult` as JSON-ready values: all tags by falling confidence. Plain, since it is made for every call."""
    ordered = sorted(tags, key=lambda tag: -tag[1])
    return {
        "customModelResult": {
            "tagsResult": {"values": [{"name": name, "confidence": confidence} for name, confidence in ordered]}
        },
        "modelVersion": api_version,
        "metadata": {"width": width, "height": height},
    }
