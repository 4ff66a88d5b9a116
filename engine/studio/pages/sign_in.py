"""Signing in, by a key or by a one-time code; signing out, here or everywhere."""

import math
from datetime import timedelta

from starlette.responses import Response

from vision_customization.contract.studio import Role
from vision_customization.engine.api.routes.sign_in_codes import KEY_HOLDER
from vision_customization.engine.store import SessionRecord
from vision_customization.engine.store.sessions import LIFE
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.security import cookie_flags, cookie_name, inner_path, keeps_cookies
from vision_customization.engine.studio.visit import Visit

pages = Pages()


@pages.get("/sign-in", role=None)
def form(visit: Visit) -> Response:
    return form_page(visit, visit.query("next"))


@pages.post("/sign-in", role=None)
def sign_in(visit: Visit) -> Response:
    next_path = inner_path(visit.form.get("next"))
    if not keeps_cookies(visit.origin):
        return form_page(visit, next_path)
    if code := visit.form.get("code", "").strip():
        session = visit.service.store.sessions.redeem_code(code)
        if session is None:
            visit.audit("sign-in refused", by="code", address=address_of(visit))
            message = "The code was used already, or is older than a minute. Run `vision studio` again."
            return form_page(visit, next_path, message, status=403)
        return signed_in(visit, session, next_path)
    wrong_keys, address = visit.parts.wrong_keys, address_of(visit)
    if (seconds := wrong_keys.wait_seconds(address)) > 0:
        return _too_many(visit, next_path, seconds)
    fingerprint = visit.parts.authenticator.keys.fingerprint(visit.form.get("key", "").strip())
    if fingerprint is None:
        visit.audit("sign-in refused", by="key", address=address, attempts=wrong_keys.add(address))
        return form_page(
            visit, next_path, "This is not a key of this engine. Its keys are in the stack's output `key`.", status=403
        )
    session = SessionRecord(Role.OWNER, KEY_HOLDER, fingerprint, visit.service.store.database.now())
    return signed_in(visit, session, next_path)


@pages.post("/sign-out", role=None)
def sign_out(visit: Visit) -> Response:
    token = visit.request.cookies.get(cookie_name(visit.origin))
    if token is not None:
        visit.service.store.sessions.end(token)
    if visit.visitor is not None:
        visit.audit("signed out")
    return _without_cookie(visit)


@pages.post("/sign-out-everywhere", role=Role.READER)
def sign_out_everywhere(visit: Visit) -> Response:
    assert visit.visitor is not None, "the role admits only those who are signed in"
    visit.audit("signed out everywhere", sessions=visit.service.store.sessions.end_all(visit.visitor))
    return _without_cookie(visit)


def form_page(visit: Visit, next_path: str, message: str | None = None, status: int = 200) -> Response:
    """The page to sign in at, with why the last attempt was refused."""
    return visit.render(
        "sign_in.html",
        status,
        next_path=inner_path(next_path),
        message=message,
        possible=keeps_cookies(visit.origin),
        microsoft=visit.parts.entra is not None,
    )


def signed_in(visit: Visit, session: SessionRecord, next_path: str, life: timedelta = LIFE) -> Response:
    """Begin a session, and go on to `next_path`."""
    response = visit.redirect(next_path)
    # Always a new session: an id that an attacker may have set before is never one of ours.
    token = visit.service.store.sessions.begin(session, life)
    visit.visitor = session
    visit.audit("signed in")
    response.set_cookie(
        cookie_name(visit.origin),
        token,
        max_age=int(life.total_seconds()),
        path="/studio",
        **cookie_flags(visit.origin),
    )
    return response


def address_of(visit: Visit) -> str:
    """Where the request comes from: the network address of the browser, or of a proxy in between."""
    client = visit.request.client
    return "" if client is None else client.host


def _too_many(visit: Visit, next_path: str, seconds: float) -> Response:
    message = (
        f"Too many wrong keys came from {address_of(visit)}. Wait {math.ceil(seconds)} s, or run "
        "`vision studio`, which needs no key to paste."
    )
    response = form_page(visit, next_path, message, status=429)
    response.headers["Retry-After"] = str(math.ceil(seconds))
    return response


def _without_cookie(visit: Visit) -> Response:
    response = visit.redirect("/studio/sign-in")
    response.delete_cookie(cookie_name(visit.origin), path="/studio", **cookie_flags(visit.origin))
    return response
