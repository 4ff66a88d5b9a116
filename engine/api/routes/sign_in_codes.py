"""`/studio/codes` (an extension): one-time codes that sign a browser in to the Studio, so that nobody pastes keys."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.studio import SignInCode, SignInCodeCreate
from vision_customization.engine.api.authentication import KEY_HEADER, Authenticator
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.api.parameters import VERSIONED, Serving, wire_response

router = APIRouter(prefix="/computervision/studio", tags=["Studio"], dependencies=VERSIONED)

KEY_HOLDER = "a key"
"""The name of a person who signed in with a key: it does not say more."""


@router.post(
    "/codes",
    summary="Get a one-time code that signs a browser in to the Studio (an extension)",
    status_code=201,
    response_model=SignInCode,
    responses=failures(400, 401, 404, 405, 413),
    openapi_extra=json_body(SignInCodeCreate),
)
def issue(
    service: Serving, request: Request, body: Annotated[SignInCodeCreate, Depends(body_of(SignInCodeCreate))]
) -> Response:
    if not service.settings.studio_enabled:
        message = "This engine does not serve the Studio: set VISION_ENGINE_STUDIO to true, and restart it."
        raise ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, message)
    authenticator: Authenticator = request.app.state.authenticator
    fingerprint = authenticator.keys.fingerprint(request.headers.get(KEY_HEADER, ""))
    if fingerprint is None:
        raise ApiError(401, ErrorCode.UNAUTHORIZED, "Only a key gets a code. With a bearer token, sign in with Microsoft.")
    code, expires = service.store.sessions.issue_code(body.role, KEY_HOLDER, fingerprint)
    return wire_response(SignInCode(code=code, role=body.role, expires_date_time=expires), 201)
