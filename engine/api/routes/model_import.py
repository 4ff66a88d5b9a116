"""`PUT /models/{name}/artifact` (an extension): imports a model that was trained elsewhere, unchanged."""

import asyncio
import json
import logging
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO, cast

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.models import Model
from vision_customization.engine.api.bodies.json import loads, media_type, spool_body
from vision_customization.engine.api.bodies.multipart import parts
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.document import failures
from vision_customization.engine.api.errors import ApiError, invalid, invalid_values
from vision_customization.engine.api.parameters import VERSIONED, PathName, Serving, wire_response
from vision_customization.engine.api.routes.models import model
from vision_customization.engine.models.cache import ModelGone
from vision_customization.engine.models.importing import ImportRefused, Sidecar, import_model
from vision_customization.engine.store import ModelRecord

IMPORT_BYTES_MAX = 512 * 1024 * 1024
METADATA_BYTES_MAX = 16 * 1024 * 1024

_FORM = "multipart/form-data"
_REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            _FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "model": {"type": "string", "format": "binary", "description": "The ONNX file."},
                        "metadata": {"type": "object", "description": "The JSON that `artifact:metadata` returns for it."},
                    },
                    "required": ["model", "metadata"],
                }
            }
        },
    }
}

Digest = Annotated[
    str,
    Header(alias="x-ms-artifact-digest", pattern="^(sha256:)?[0-9a-f]{64}$", description="SHA-256 of the ONNX file, in hex."),
]

log = logging.getLogger("engine.models")


router = APIRouter(prefix="/computervision/models", tags=["Models"], dependencies=VERSIONED)


async def turn_of(request: Request) -> asyncio.Semaphore:
    """The semaphore that an import waits for: only one at a time is in memory, however many are sent."""
    turn: asyncio.Semaphore = request.app.state.import_turn
    return turn


@router.put(
    "/{name}/artifact",
    summary="Import a trained model (an extension)",
    status_code=201,
    response_model=Model,
    responses=failures(400, 401, 404, 405, 409, 413),
    openapi_extra=_REQUEST_BODY,
)
async def import_artifact(
    service: Serving, turn: Annotated[asyncio.Semaphore, Depends(turn_of)], request: Request, name: PathName, digest: Digest
) -> Response:
    if media_type(request) != _FORM:
        raise invalid(f"The content type is not supported: expected {_FORM}.", target="Content-Type")
    with cast("BinaryIO", TemporaryFile(dir=service.settings.data_dir)) as file:
        if not await spool_body(request, IMPORT_BYTES_MAX, file):
            raise ApiError(413, ErrorCode.INVALID_REQUEST, f"The body is longer than {IMPORT_BYTES_MAX:,} bytes.")
        async with turn:
            record = await run_in_threadpool(
                _import, service, name, digest.removeprefix("sha256:"), file, request.headers["content-type"]
            )
    log.info("model imported", extra={"model": name, "id": record.id})
    return wire_response(model(record), 201)


def _import(service: Service, name: str, digest: str, file: BinaryIO, content_type: str) -> ModelRecord:
    onnx, metadata = _read_form(file, content_type)
    try:
        record = import_model(
            *(service.store, service.objects, name, onnx, digest, metadata),
            weights_dir=service.settings.weights_dir,
            seconds_max=service.settings.analyze_seconds,
        )
    except ImportRefused as error:
        raise invalid(str(error), target=error.part) from None
    try:
        service.models.load(record.id)
    except ModelGone:
        pass  # it has just been deleted
    except Exception:
        # The import has succeeded nevertheless. The first call loads the model, or reports why it cannot.
        log.exception("imported model not loaded", extra={"model": name, "id": record.id})
    return record


def _read_form(file: BinaryIO, content_type: str) -> tuple[bytes, dict[str, Any]]:
    """The ONNX file and its sidecar. Refuses with 400 a form that lacks one, or has an invalid sidecar."""
    file.flush()
    if not file.tell():
        raise invalid(f"The body is empty: expected {_FORM} with the parts 'model' and 'metadata'.")
    with mmap(file.fileno(), 0, access=ACCESS_READ) as body:
        found = {part.name: part for part in parts(body, content_type)}
        if missing := [name for name in ("model", "metadata") if name not in found]:
            raise invalid(f"The form has no part '{missing[0]}'.", target=missing[0])
        sidecar = found["metadata"]
        if sidecar.stop - sidecar.start > METADATA_BYTES_MAX:
            raise invalid(f"metadata: longer than {METADATA_BYTES_MAX:,} bytes.", target="metadata")
        onnx, text = (body[found[name].start : found[name].stop] for name in ("model", "metadata"))
    try:
        metadata = loads(text)
        json.dumps(metadata, allow_nan=False)  # the sidecar is served again later, and NaN is not JSON
    except (ValueError, RecursionError):
        raise invalid("metadata: not JSON.", target="metadata") from None
    if not isinstance(metadata, dict):
        raise invalid("metadata: not a JSON object.", target="metadata")
    try:
        Sidecar.model_validate(metadata)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        placed = [{**problem, "loc": ("metadata", *problem["loc"])} for problem in problems]
        raise invalid_values(placed, "metadata") from None
    return onnx, metadata
