"""Custom Vision's prediction calls, answered by our models, for clients that were written for that service.

Paths, answers and error codes are those of the published SDK, azure-cognitiveservices-vision-customvision 3.1.1
(`prediction`). Where a call names a published iteration, it names a model or a published model of ours. Nothing is stored, so
that the paths with and without `/nostore` do the same.
"""

import json
import logging
import re
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.authentication import Authenticator
from vision_customization.engine.api.bodies.image import read_image
from vision_customization.engine.api.errors import JSON, ApiError, store_refusal, unexpected
from vision_customization.engine.api.routes.analyze import WAITING_MAX, Analyzer, Findings
from vision_customization.engine.store import StoreError

PREFIX = "/customvision"
KEY_HEADER = "prediction-key"

# As in Azure, letter case does not matter. The SDKs of several years call several versions.
_PATH = re.compile(
    rf"{PREFIX}/v3\.[0-9](?:-preview)?/prediction/(?P<project>[^/]+)/(?P<task>classify|detect)/iterations/(?P<name>[^/]+)"
    r"/(?:image|url)(?:/nostore)?/?",
    re.IGNORECASE,
)
_ROUTE = SimpleNamespace(path=f"{PREFIX}/v3.0/Prediction/{{project}}/{{task}}/iterations/{{name}}")
_NEGATIVE = "Negative"

log = logging.getLogger("engine.access")


class CustomVisionFront:
    """ASGI application of these calls."""

    def __init__(self, analyzer: Analyzer, authenticator: Authenticator) -> None:
        self._analyzer = analyzer
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(scope, Request(scope, receive))
        except ApiError as error:
            response = refusal(error)
        except StoreError as error:
            response = refusal(store_refusal(error))
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - it is logged
            data_dir = self._analyzer.service.settings.data_dir
            response = refusal(unexpected(error, data_dir, log, scope["method"], scope["path"]))
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, request: Request) -> Response:
        match = _PATH.fullmatch(scope["path"])
        if match is None:
            message = f"Resource not found. Expected {_ROUTE.path}/image, or /url, each with or without /nostore."
            raise ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, message)
        scope["route"] = _ROUTE
        if request.method != "POST":
            message = "The method is not allowed here; allowed: POST."
            raise ApiError(405, ErrorCode.INVALID_REQUEST, message, headers={"Allow": "POST"})
        await self._authorize(dict(scope["headers"]))
        project, classify = match["project"], match["task"].lower() == "classify"
        with self._analyzer.waiting.seat(WAITING_MAX):
            url, image = await read_image(request)
            body = await self._analyzer.answer(
                match["name"], url, image, lambda findings: json.dumps(prediction(findings, project, classify=classify))
            )
        return Response(body, 200, media_type=JSON)

    async def _authorize(self, headers: dict[bytes, bytes]) -> None:
        if self._authenticator.has_key(headers, KEY_HEADER) or self._authenticator.has_key(headers):
            return
        reason = await run_in_threadpool(self._authenticator.refusal, headers, KEY_HEADER)
        if reason is not None:
            raise ApiError(401, ErrorCode.UNAUTHORIZED, reason)


def prediction(findings: Findings, project: str, *, classify: bool) -> dict[str, Any]:
    """The SDK's `ImagePrediction`, the most probable prediction first; boxes are fractions of the image's size.

    A tag's id is made of its name and the project's id: the same in each answer.

    Raises:
        ApiError: 400 if the model is not one for this task.
    """
    is_classifier = findings.model.model_kind is ModelKind.GENERIC_CLASSIFIER
    if classify is not is_classifier:
        kind, task = ("classifier", "classify") if is_classifier else ("detector", "detect")
        message = f"The model '{findings.model.name}' is a {kind}: call /{task}/iterations/{findings.model.name}."
        raise ApiError(400, ErrorCode.INVALID_REQUEST, message, target="task")
    found: list[tuple[str, float, dict[str, float] | None]] = [(tag.name, tag.probability, None) for tag in findings.tags]
    for one in findings.objects:
        box = one.bounding_box
        sides = {
            "left": box.x / findings.width,
            "top": box.y / findings.height,
            "width": box.w / findings.width,
            "height": box.h / findings.height,
        }
        found.append((one.tags[0].name, one.tags[0].confidence, sides))
    return {
        "id": str(uuid.uuid4()),
        "project": project,
        "iteration": findings.model.id,
        "created": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "predictions": [
            {
                "probability": probability,
                "tagId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{project.lower()}/{name}")),
                "tagName": name,
                **({"boundingBox": sides} if sides is not None else {}),
                "tagType": _NEGATIVE if name == _NEGATIVE else "Regular",
            }
            for name, probability, sides in sorted(found, key=lambda one: -one[1])
        ],
    }


def refusal(error: ApiError) -> Response:
    """A refusal in Custom Vision's shape, `{code, message}`, with one of its codes."""
    body = {"code": _code(error), "message": str(error)}
    return Response(json.dumps(body, ensure_ascii=False), error.status, error.headers, JSON)


def _code(error: ApiError) -> str:
    inner = error.error.innererror.code if error.error.innererror is not None else None
    if inner == ErrorCode.INVALID_IMAGE_FORMAT:
        return "BadRequestImageFormat"
    if error.error.target == "url":
        return "BadRequestImageUrl"
    if error.error.code == ErrorCode.TIMEOUT:
        return "ErrorServerTimeOut"
    if error.status == 404 and error.error.target == "model-name":
        return "NotFoundIteration"
    return _CODES.get(error.status, "BadRequest" if error.status < 500 else "ErrorUnknown")


_CODES = {401: "Unauthorized", 404: "NotFound", 429: "TooManyRequests"}
