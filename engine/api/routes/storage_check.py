"""`/storage:check` (an extension): checks whether the engine's own identity can read a blob or a container, as its jobs do."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from vision_customization.contract.storage_check import StorageAccess, StorageCheck
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.api.parameters import VERSIONED, Serving, json_response
from vision_customization.engine.blobs.reader import BlobError, BlobErrorKind

CHECK_SECONDS_MAX = 15.0


router = APIRouter(prefix="/computervision", tags=["Storage"], dependencies=VERSIONED)


@router.post(
    "/storage:check",
    summary="Check whether the engine's own identity can read a blob or a container",
    response_model=StorageAccess,
    responses=failures(400, 401, 405, 413),
    openapi_extra=json_body(StorageCheck),
)
def check(service: Serving, body: Annotated[StorageCheck, Depends(body_of(StorageCheck))]) -> Response:
    try:
        service.blobs.check(body.url, CHECK_SECONDS_MAX)
    except BlobError as error:
        if error.kind is BlobErrorKind.NOT_ALLOWED:
            raise invalid(error.message, target="url") from None
        code = {"code": error.code} if error.code else {}
        answer = {"readable": False, "reason": error.message, **code, "identity": service.blobs.identity.client_id}
        return json_response(answer)
    return json_response({"readable": True})
