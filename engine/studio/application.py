"""The application behind `/studio`: every request's way to its page, and back."""

import inspect
import logging
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.authentication import Authenticator
from vision_customization.engine.api.bodies.json import read_body
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.errors import ApiError, unexpected
from vision_customization.engine.api.routes.analyze import Analyzer
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.store import NotFound, SessionRecord
from vision_customization.engine.studio.draft_likeness import DraftLikeness
from vision_customization.engine.studio.entra import EntraSignIn
from vision_customization.engine.studio.pages import PAGES
from vision_customization.engine.studio.refusals import REFUSALS, in_words, refusal
from vision_customization.engine.studio.routing import Page, Refused
from vision_customization.engine.studio.security import HEADERS, content_security_policy, cookie_name, is_foreign
from vision_customization.engine.studio.templating import STATIC, Templates
from vision_customization.engine.studio.visit import Parts, Pictures, Visit
from vision_customization.engine.views.image_views import ImageViews

log = logging.getLogger("engine.studio")

FORM_BYTES_MAX = 65_536

_STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Not as the machine's own tables have them: a browser runs no script of another type."""


def create_studio(
    service: Service, authenticator: Authenticator, analyzer: Analyzer, pictures: Pictures | None = None
) -> ASGIApp:
    """The application, to be mounted at `/studio`. `pictures` makes pictures of images, by default from the service's blobs."""
    entra = EntraSignIn.open(service.settings, service.blobs.identity)
    if pictures is None:
        reader = cast("BlobReader", service.blobs)
        pictures = ImageViews(service.store, service.objects, reader, service.settings.threads)
    return Studio(Parts(service, authenticator, analyzer, Templates(), pictures, DraftLikeness(service), entra=entra))


class Studio:
    """All pages, behind the checks that each request passes: its origin, its session, its role."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        static = Route("/static/{version}/{name:path}", self._static, methods=["GET"])
        pages = [Route(page.path, self._endpoint(page), methods=[page.method]) for page in PAGES]
        self._router = Router([static, *pages], redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = SimpleNamespace(path="/studio")
        scope["starlette.exception_handlers"] = ({}, {})  # not the API's, which answer in JSON
        request = Request(scope, receive)
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:  # the router's own: no such page
            unknown = ApiError(error.status_code, ErrorCode.RESOURCE_NOT_FOUND, "There is no such page.")
            await self._protected(await run_in_threadpool(self._refused, request, unknown), request)(scope, receive, send)

    def _endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            request.scope["route"] = SimpleNamespace(path=f"/studio{page.path}")
            return self._protected(await self._answer(page, request), request)

        return answer

    async def _answer(self, page: Page, request: Request) -> Response:
        visit, form_again = Visit(request, self._parts, _nonce(request)), None
        try:
            visit.visitor = await run_in_threadpool(self._admitted, page, visit)
            if page.role is not None and visit.visitor is None:
                return _to_sign_in(visit)
            if page.method == "POST" and not page.takes_uploads:
                visit.form = await _form(request)
                form_again = page.refused
            if inspect.iscoroutinefunction(page.endpoint):
                return cast("Response", await page.endpoint(visit))
            return cast("Response", await run_in_threadpool(page.endpoint, visit))
        except REFUSALS as error:
            return await run_in_threadpool(self._refused, request, refusal(error), visit, in_words(error), form_again)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - it is logged
            failed = unexpected(error, self._parts.service.settings.data_dir, log, request.method, request.url.path)
            return await run_in_threadpool(self._refused, request, failed, visit)

    def _admitted(self, page: Page, visit: Visit) -> SessionRecord | None:
        """Who is signed in, if anybody. Refuses with 403 a request of another origin, and one beyond the visitor's role."""
        if is_foreign(visit.request, self._parts.service.settings):
            message = "The request came from another page than the Studio's. Reload this page, and try again."
            raise ApiError(403, ErrorCode.INVALID_REQUEST, message)
        visitor = self._visitor(page, visit)
        if page.role is not None and visitor is not None and not visitor.role.includes(page.role):
            message = f"This needs the role {page.role}, and you are signed in as {visitor.role}."
            raise ApiError(403, ErrorCode.UNAUTHORIZED, message)
        return visitor

    def _visitor(self, page: Page, visit: Visit) -> SessionRecord | None:
        """Who is signed in. A session that came from a key ends with that key."""
        token = visit.request.cookies.get(cookie_name(visit.origin))
        session = None if token is None else self._parts.service.store.sessions.find(token, used=not page.is_polled)
        if session is None or session.key_fingerprint is None:
            return session
        return session if self._parts.authenticator.keys.knows(session.key_fingerprint) else None

    def _refused(
        self,
        request: Request,
        error: ApiError,
        visit: Visit | None = None,
        message: str | None = None,
        form_again: Refused | None = None,
    ) -> Response:
        visit, message = visit or Visit(request, self._parts, _nonce(request)), message or str(error)
        if visit.wants_json:
            return error.response()
        response = None if form_again is None or visit.is_fragment else _with_form(form_again, visit, message)
        if response is None:
            template = "refused_fragment.html" if visit.is_fragment else "refused.html"
            response = visit.render(template, status=error.status, message=message)
        response.status_code = error.status
        response.headers.update(error.headers)
        return response

    def _protected(self, response: Response, request: Request) -> Response:
        response.headers.update(HEADERS)
        response.headers["Content-Security-Policy"] = content_security_policy(_nonce(request))
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    async def _static(self, request: Request) -> Response:
        file = _static_file(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        current = request.path_params["version"] == self._parts.templates.version
        kept = "public, max-age=31536000, immutable" if current else "no-cache"
        answer = FileResponse(file, media_type=_STATIC_TYPES[file.suffix], headers={"Cache-Control": kept})
        return self._protected(answer, request)


def _static_file(name: str) -> Path | None:
    """The static file of this name; None if there is none, or the name cannot be one."""
    try:
        file = (STATIC / name).resolve()
        found = file.is_relative_to(STATIC.resolve()) and file.suffix in _STATIC_TYPES and file.is_file()
    except (OSError, ValueError):  # it is too long, or has a NUL
        return None
    return file if found else None


def _nonce(request: Request) -> str:
    """One for each response."""
    if not hasattr(request.state, "nonce"):
        request.state.nonce = secrets.token_urlsafe(16)
    return str(request.state.nonce)


def _with_form(form_again: Refused, visit: Visit, message: str) -> Response | None:
    """The page of the form; None if what it is about does not exist."""
    try:
        return form_again(visit, message)
    except NotFound:
        return None


def _to_sign_in(visit: Visit) -> Response:
    request = visit.request
    if request.method != "GET" or visit.is_fragment or visit.wants_json:
        had_session = cookie_name(visit.origin) in request.cookies
        message = "Your session has ended. Sign in again." if had_session else "You are not signed in. Sign in, and try again."
        response = ApiError(401, ErrorCode.UNAUTHORIZED, message).response()
        response.headers["HX-Redirect"] = "/studio/sign-in"
        return response
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return visit.redirect(f"/studio/sign-in?next={quote(asked, safe='')}")


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; the last of several with the same name. Refuses with 413 a body that is too long."""
    body = await read_body(request, FORM_BYTES_MAX)
    if body is None:
        raise ApiError(413, ErrorCode.INVALID_REQUEST, f"The form is longer than {FORM_BYTES_MAX:,} bytes.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        raise ApiError(400, ErrorCode.INVALID_REQUEST, "The form cannot be read.") from None
