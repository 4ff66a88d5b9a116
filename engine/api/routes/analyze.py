"""`/imageanalysis:analyze`: an image in, the model's tags or objects out."""

import hashlib
import json
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, ValidationError

from vision_customization.contract.analysis import DetectedObject, ImageAnalysisResult
from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.limits import API_VERSIONS
from vision_customization.engine.api.bodies.image import IMAGE_BODY, WaitingRoom, decoded_image, fetch_image, read_image
from vision_customization.engine.api.collaborators import Prebuilt, Service
from vision_customization.engine.api.document import failures
from vision_customization.engine.api.errors import JSON, ApiError, invalid, invalid_values
from vision_customization.engine.api.metrics import Metrics
from vision_customization.engine.api.routes.prebuilt_features import combined, passed_on
from vision_customization.engine.api.threads import in_thread
from vision_customization.engine.learning.errors import ArtifactError
from vision_customization.engine.models.analysis import analysis, objects_result, tags_result
from vision_customization.engine.models.answers import TagProbability
from vision_customization.engine.models.cache import ModelGone, ModelTooSlow
from vision_customization.engine.models.prebuilt import CONNECTIONS, PrebuiltReply
from vision_customization.engine.store import AnswerableModel, NotFound

WAITING_MAX = 256
"""Requests that may wait for a thread; each keeps an image of up to 20 MB in memory."""

FIRST_VERSION = "2023-02-01-preview"

BUSY_SECONDS = 0.2

_FETCHES = 16


class AnalyzeQuery(BaseModel):
    """The query of an analyze call."""

    # The last two, which some SDKs send on their own, have no custom models.
    api_version: Literal["2023-02-01-preview", "2023-04-01-preview", "2023-10-01", "2024-02-01"] = Field(
        alias="api-version",
        description="Only the preview versions know `model-name`; the others need `features` and ignore it.",
    )
    model_name: str | None = Field(None, alias="model-name", description="Name of a model or of a published model.")
    features: str | None = Field(
        None,
        description="Prebuilt features, comma-separated; forwarded to the configured Vision resource, refused without one.",
    )
    language: str | None = Field(None, description="Prebuilt features only.")
    gender_neutral_caption: str | None = Field(None, alias="gender-neutral-caption", description="Prebuilt features only.")
    smartcrops_aspect_ratios: str | None = Field(None, alias="smartcrops-aspect-ratios", description="Prebuilt features only.")
    model_version: str | None = Field(None, alias="model-version", description="Prebuilt features only.")


class AnalyzeRoute(APIRoute):
    """Documented like any other route, but answered without FastAPI's dependency injection, which takes a tenth of a call.

    Its endpoint gets the request and the query, and nothing else: it cannot have dependencies.
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


router = APIRouter(prefix="/computervision", tags=["Analyze"], route_class=AnalyzeRoute)


@dataclass(frozen=True, slots=True)
class Findings:
    """What a model found in an image of this size, in pixels: its tags and the novelty if it is a classifier, else objects."""

    model: AnswerableModel
    width: int
    height: int
    tags: list[TagProbability]
    objects: list[DetectedObject]
    novelty: float | None = None


class Analyzer:
    """Answers with the custom models of `service`, in threads of its own, because the threads that all other operations share
    must not wait for servers elsewhere. Counts novel images in `metrics`."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        self.service = service
        self._metrics = metrics
        self.waiting = WaitingRoom()
        self._in_hand = 0
        self._ended = -BUSY_SECONDS
        self._images = ThreadPoolExecutor(service.settings.threads, thread_name_prefix="analyze")
        self._fetches = ThreadPoolExecutor(_FETCHES, thread_name_prefix="fetch")
        self._resource_calls = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="prebuilt")

    async def check(self, name: str) -> None:
        """Refuses a model that cannot answer."""
        await in_thread(self._fetches, trained_model, self.service, name)

    async def custom(self, name: str, url: str | None, image: bytes, api_version: str, *, at_work: bool = True) -> str:
        """The model's answer for the image at `url`, or for `image`; see `answer`."""
        return await self.answer(name, url, image, lambda findings: analysis_text(findings, api_version), at_work=at_work)

    async def answer(
        self, name: str, url: str | None, image: bytes, form: Callable[["Findings"], str], *, at_work: bool = True
    ) -> str:
        """What the model finds in the image at `url`, or in `image`, in the form of an answer. Refuses an image that can't be
        read, and a model that can't answer. `at_work`: the call is one of those that the model was made for, so that its
        novelty is counted, and the image is kept if the settings say so."""
        if url is not None:
            image = await in_thread(self._fetches, _fetch, self.service, name, url)
        self._in_hand += 1
        try:
            return await in_thread(self._images, lambda: form(self._find(name, image, at_work)))
        finally:
            self._in_hand -= 1
            self._ended = time.monotonic()

    @property
    def is_busy(self) -> bool:
        """Whether a model answers, or did so a moment ago: a client that calls again and again leaves short gaps."""
        return self._in_hand > 0 or time.monotonic() - self._ended < BUSY_SECONDS

    def _find(self, name: str, image: bytes, at_work: bool) -> "Findings":
        findings = _find(self.service, name, image, self._in_hand)
        if findings.novelty is not None and at_work:
            self._metrics.count_novelty(findings.model.name, findings.novelty)
            top = max(findings.tags, key=lambda tag: tag.probability)
            self.service.samples.offer(image, findings.model.name, findings.novelty, top.name)
        return findings

    async def standard(self, resource: Prebuilt, query: Mapping[str, str], url: str | None, image: bytes) -> PrebuiltReply:
        """The answer of the Vision resource."""
        return await in_thread(self._resource_calls, resource.analyze, query, url, image)


@router.post(
    "/imageanalysis:analyze",
    summary="Analyze an image with a trained model, with prebuilt features, or both",
    response_model=ImageAnalysisResult,
    responses=failures(400, 401, 404, 413, 429, 502),
    openapi_extra=IMAGE_BODY,
)
async def analyze(request: Request, query: Annotated[AnalyzeQuery, Query()]) -> Response:
    analyzer: Analyzer = request.app.state.analyzer
    name, resource = asked_for(query, analyzer.service.prebuilt)
    with analyzer.waiting.seat(WAITING_MAX):
        url, image = await read_image(request)
        if resource is not None:
            if name is not None:  # first, because a call to the resource costs money
                await analyzer.check(name)
            standard = analyzer.standard(resource, request.query_params, url, image)
            if name is None:
                return await passed_on(standard)
            return await combined(analyzer.custom(name, url, image, query.api_version), standard)
        assert name is not None, "otherwise nothing is asked for"
        body = await analyzer.custom(name, url, image, query.api_version)
    return Response(body, 200, media_type=JSON)


def asked_for(query: AnalyzeQuery, prebuilt: Prebuilt | None) -> tuple[str | None, Prebuilt | None]:
    """The model that a call asks for, and the resource that answers its features. Refuses with 400 a call that asks for
    features without a resource, or for neither."""
    if wanted := [feature for feature in (query.features or "").replace(" ", "").split(",") if feature]:
        if prebuilt is None:
            message = (
                f"The prebuilt features {', '.join(wanted)[:200]} need an Azure AI Vision resource, and this engine has none "
                "(VISION_ENGINE_VISION_ENDPOINT). Leave out `features` and set `model-name`."
            )
            raise invalid(message, target="features", inner=ErrorCode.NOT_SUPPORTED_VISUAL_FEATURE)
        return (query.model_name or None) if query.api_version in API_VERSIONS else None, prebuilt
    if query.api_version not in API_VERSIONS:
        message = (
            f"`features` is missing: version {query.api_version} has no custom models and ignores `model-name`. "
            f"Use api-version={API_VERSIONS[-1]} for a custom model."
        )
        raise invalid(message, target="model-name")
    if not query.model_name:
        raise invalid("Neither `features` nor `model-name` is set. Set `model-name` to a model.", target="model-name")
    return query.model_name, None


def _fetch(service: Service, model_name: str, url: str) -> bytes:
    trained_model(service, model_name)  # before anything is read for a model that cannot answer
    return fetch_image(service.blobs, url)


def trained_model(service: Service, model_name: str) -> AnswerableModel:
    """The model behind a name. Refuses an unknown one with 404 and one that has not succeeded with 400."""
    try:
        record = service.store.models.to_analyze(model_name)
    except NotFound:
        raise _unknown_model(model_name) from None
    if record.status is not ModelStatus.SUCCEEDED:
        message = f"The model '{record.name}' is '{record.status.value}': only a model that has succeeded can analyze."
        raise invalid(message, target="model-name")
    return record


def _unknown_model(model_name: str) -> ApiError:
    message = f"Resource not found: there is no model and no published model '{model_name[:255]}'."
    return ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, message, target="model-name")


def _find(service: Service, model_name: str, image: bytes, calls: int) -> Findings:
    record = trained_model(service, model_name)
    decoded = decoded_image(image, record.tiles)
    try:
        if record.model_kind is ModelKind.GENERIC_CLASSIFIER:
            digest = hashlib.sha256(image).hexdigest()
            found = service.models.classify(record.id, decoded.pixels, digest=digest, calls=calls)
            return Findings(record, decoded.width, decoded.height, found.tags, [], found.novelty)
        return Findings(record, decoded.width, decoded.height, [], service.models.detect(record.id, decoded))
    except ModelGone:
        raise _unknown_model(model_name) from None
    except ModelTooSlow as error:
        raise ApiError(500, ErrorCode.TIMEOUT, str(error), target="model-name") from None
    except ArtifactError as error:
        message = f"The file of model '{record.name}' cannot be used: {error}."
        raise ApiError(500, ErrorCode.FAILED_TO_PROCESS, message, target="model-name") from None


def analysis_text(findings: Findings, api_version: str) -> str:
    """The contract's answer, as JSON."""
    if findings.model.model_kind is ModelKind.GENERIC_CLASSIFIER:
        found = tags_result(findings.tags, findings.novelty)
    else:
        found = objects_result(findings.objects)
    answer = analysis(found, api_version, findings.width, findings.height)
    if api_version == FIRST_VERSION:
        answer = in_first_version(answer)
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def in_first_version(answer: dict[str, Any]) -> dict[str, Any]:
    """An `analysis`, and beside each part of it what the first version's how-to shows instead: "Test the custom model on an
    image" in Learn's "Create a custom Image Analysis model" of February 2023. That page has no object; its `objects` have the
    form of DetectedObjectApiModel in "Analyze a shelf image" of that year. The service's own answers had the newer form."""
    found = answer["customModelResult"]
    objects = [
        {"id": each["id"], "boundingBox": each["boundingBox"], "classifications": _classifications(each["tags"])}
        for each in found.get("objectsResult", {}).get("values", ())
    ]
    first = {
        "classifications": _classifications(found.get("tagsResult", {}).get("values", ())),
        "objects": objects,
        "imageMetadata": answer["metadata"],
    }
    return {"kind": "imageAnalysisResult", **answer, "customModelResult": found | first}


def _classifications(tags: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"label": tag["name"], "confidence": tag["confidence"]} for tag in tags]
