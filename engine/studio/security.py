"""What protects the pages in a browser: the content security policy, other headers, and the check of a change's origin."""

import re
from typing import Literal, TypedDict
from urllib.parse import quote, urlsplit

from starlette.requests import Request

from vision_customization.common.loopback import LOOPBACK_HOSTS
from vision_customization.engine.settings import Settings

HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}

HOME = "/studio/"
INNER_PATH_MAX = 1000
"""Characters of a path to go on to. Encrypted with the rest of a sign-in, they take 2,600 of the 4,096 bytes of a cookie."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_SAFE_IN_PATHS = ":/%#?=@[]!$&'()*+,;~"
"""Characters of a path and its query that stay as they are, as for `Location` in Starlette."""
_UPWARDS = re.compile(r"/(\.|%2e){2}(/|$)", re.IGNORECASE)
"""A part of a path that browsers resolve to the folder above."""


def content_security_policy(nonce: str) -> str:
    """Scripts and styles come from this engine alone. `htmx` may write markup, of elements with the page's nonce."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            "style-src 'self'",
            "img-src 'self' blob:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types htmx",
        )
    )


class CookieFlags(TypedDict):
    secure: bool
    httponly: bool
    samesite: Literal["lax"]


def origin_of(request: Request, settings: Settings) -> str:
    """Scheme, host and port that the browser sees: those of `public_url` if a proxy is in between."""
    if settings.public_url is not None:
        parts = urlsplit(settings.public_url)
        return f"{parts.scheme}://{parts.netloc}".lower()
    return f"{request.url.scheme}://{request.url.netloc}".lower()


def is_foreign(request: Request, settings: Settings) -> bool:
    """Whether a page of another origin may have caused the request, and it is one that changes something.

    Browsers send `Sec-Fetch-Site`; `same-site` is not enough, since every port of this machine is the same site. Older ones
    send `Origin`. A request with neither does not come from a browser, so it has no cookie that another page could misuse.
    """
    if request.method in _SAFE_METHODS:
        return False
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site != "same-origin"
    return request.headers.get("origin", "").lower() != origin_of(request, settings)


def keeps_cookies(origin: str) -> bool:
    """Whether nobody between can read a cookie there: over https, or to this machine."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    return parts.scheme == "https" or host in LOOPBACK_HOSTS or host.endswith(".localhost")


def cookie_flags(origin: str) -> CookieFlags:
    """Of each cookie of the Studio. `Secure` only over https: Safari drops such a cookie of http, of this machine's, too
    (https://github.com/mdn/browser-compat-data/issues/28461)."""
    return {"secure": urlsplit(origin).scheme == "https", "httponly": True, "samesite": "lax"}


def cookie_name(origin: str) -> str:
    """With the port, because cookies ignore it: two engines of one machine would sign each other out."""
    parts = urlsplit(origin)
    return f"vision-studio-{parts.port or (443 if parts.scheme == 'https' else 80)}"


def header_path(path: str) -> str:
    """A path with its query as a header can have it: in ASCII, and with the escapes that it has."""
    return quote(path, safe=_SAFE_IN_PATHS)


def inner_path(path: str | None) -> str:
    """Where to go after signing in: a page of the Studio, whatever a link says. Home instead of a path that is too long for the
    cookie that keeps it while people sign in at Microsoft's page."""
    if path is None or not path.startswith("/studio/") or "\\" in path or any(ord(character) < 0x20 for character in path):
        return HOME
    if _UPWARDS.search(path.partition("?")[0]):
        return HOME
    inner = header_path(path)
    return inner if len(inner) <= INNER_PATH_MAX else HOME
