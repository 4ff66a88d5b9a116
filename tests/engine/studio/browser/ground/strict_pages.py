"""Pages under the Studio's policy, written down in a test, and the Studio's own static files beside them."""

import mimetypes
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from tests.support.http_server import Handler, serving_http
from tests.support.places import CHECKOUT
from vision_customization.engine.studio.security import content_security_policy

STATIC = CHECKOUT / "engine" / "studio" / "static"
POLICY = content_security_policy("NONCE")
_BASE = (CHECKOUT / "engine" / "studio" / "templates" / "base.html").read_text("utf-8")
[CONFIG] = re.findall(r"""<meta name="htmx-config" content='(.*)'>""", _BASE)
HTMX, HX_CSP = ("/static/vendor/htmx.min.js", "/static/vendor/hx-csp.min.js")
GATE = "/static/htmx-gate.js"
SCRIPTS = (
    f'<script nonce="NONCE" src="{HTMX}" defer></script><script nonce="NONCE" src="{HX_CSP}" defer></script>'
    f'<script nonce="NONCE" src="{GATE}" type="module"></script>'
)


def document(body: str, *, scripts: str = SCRIPTS, config: str = CONFIG) -> str:
    """A whole page with htmx as the Studio loads it. The server puts a new nonce in the place of each `NONCE`."""
    return (
        f'<!doctype html><html lang="en"><head><title>A page</title><meta name="htmx-config" content=\'{config}\'>{scripts}'
        f"</head><body hx-ignore><main><h1>A page</h1>{body}</main></body></html>"
    )


@dataclass(frozen=True)
class Answer:
    """An answer of the server: `text` with `NONCE` in it, and headers."""

    text: str
    status: int = 200
    policy: str | None = POLICY


@dataclass(frozen=True)
class Request:
    """A request: how many there were before for the same path, and the first value of each name of its query."""

    earlier: int
    query: Mapping[str, str]


@dataclass
class StrictPages:
    """A server's pages by path, each a text or a function that answers a request, and the requests it had: `GET /a?b=c`, or
    `POST /a b=c` with its form."""

    base: str
    pages: dict[str, str | Answer | Callable[[Request], str | Answer]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def asked(self, path: str) -> int:
        """How many requests there were for a path, with any method, query and form."""
        return sum(re.split("[ ?]", request)[1] == path for request in self.requests)


@contextmanager
def serving_strict_pages() -> Iterator[StrictPages]:
    """Serve until the block ends. A path that is not in `pages` and does not begin with `/static/` answers 404."""

    class PageHandler(Handler):
        def do_GET(self) -> None:  # noqa: N802 - as the base has it
            url = urlsplit(self.path)
            path = url.path
            form = self.body().decode()
            request = Request(served.asked(path), dict(parse_qsl(url.query)))
            served.requests.append(f"{self.command} {self.path}{f' {form}' if form else ''}")
            file = STATIC / path.removeprefix("/static/")
            if path.startswith("/static/") and file.is_file():
                self.answer(200, file.read_bytes(), {"Content-Type": mimetypes.guess_type(path)[0] or ""})
                return
            page = served.pages.get(path, Answer("", 204 if path == "/favicon.ico" else 404))
            answer = page(request) if callable(page) else page
            self._send(Answer(answer) if isinstance(answer, str) else answer)

        do_POST = do_GET  # noqa: N815 - as the base has it

        def _send(self, answer: Answer) -> None:
            nonce = secrets.token_urlsafe(16)
            headers: Mapping[str, str] = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}
            if answer.policy is not None:
                headers = {**headers, "Content-Security-Policy": answer.policy.replace("NONCE", nonce)}
            self.answer(answer.status, re.sub(r"\bNONCE\b", nonce, answer.text).encode(), headers)

    with serving_http(PageHandler) as port:
        served = StrictPages(f"http://127.0.0.1:{port}")
        yield served
