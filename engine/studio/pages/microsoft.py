"""Signing in with Microsoft: to its page, and back."""

from datetime import timedelta

from starlette.responses import RedirectResponse, Response

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.store import SessionRecord
from vision_customization.engine.studio.entra import FLOW_SECONDS, EntraSignIn, SignInRefused
from vision_customization.engine.studio.pages.sign_in import address_of, form_page, signed_in
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.security import cookie_flags, cookie_name, inner_path, keeps_cookies
from vision_customization.engine.studio.visit import Visit

pages = Pages()

PATH = "/studio/sign-in/microsoft"
HOURS = 12
"""Life of such a session: a role that was taken away in Entra counts until it ends."""


@pages.get("/sign-in/microsoft", role=None)
def begin(visit: Visit) -> Response:
    next_path = inner_path(visit.query("next"))
    if not keeps_cookies(visit.origin):
        return form_page(visit, next_path)
    try:
        address, kept = _sign_in(visit).begin(f"{visit.origin}{PATH}/done", next_path)
    except SignInRefused as refused:
        return form_page(visit, next_path, str(refused), status=503)
    response = RedirectResponse(address, 303)
    response.set_cookie(_cookie(visit), kept, max_age=FLOW_SECONDS, path=PATH, **cookie_flags(visit.origin))
    return response


@pages.get("/sign-in/microsoft/done", role=None)
def done(visit: Visit) -> Response:
    kept = visit.request.cookies.get(_cookie(visit), "")
    try:
        person = _sign_in(visit).end(kept, dict(visit.request.query_params))
    except SignInRefused as refused:
        visit.audit("sign-in refused", by="microsoft", address=address_of(visit), reason=str(refused))
        return form_page(visit, "", str(refused), status=403)
    session = SessionRecord(person.role, person.name, None, visit.service.store.database.now(), person.account)
    response = signed_in(visit, session, inner_path(person.next_path), timedelta(hours=HOURS))
    response.delete_cookie(_cookie(visit), path=PATH, **cookie_flags(visit.origin))
    return response


def _sign_in(visit: Visit) -> EntraSignIn:
    if visit.parts.entra is None:
        raise ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, "This engine has no sign-in with Microsoft: sign in with a key.")
    return visit.parts.entra


def _cookie(visit: Visit) -> str:
    return f"{cookie_name(visit.origin)}-microsoft"
