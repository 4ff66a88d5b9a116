"""One request to a page: who asks, with what, and how it is answered."""

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from vision_customization.engine.api.authentication import Authenticator
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.routes.analyze import Analyzer
from vision_customization.engine.store import DatasetRecord, SessionRecord
from vision_customization.engine.studio.draft_likeness import DraftLikeness
from vision_customization.engine.studio.entra import EntraSignIn
from vision_customization.engine.studio.security import header_path, origin_of
from vision_customization.engine.studio.wrong_keys import WrongKeys
from vision_customization.engine.views.recent import RecentPictures
from vision_customization.engine.views.reencoding import Reencoded

VIEWS_BYTES_MAX = 24 * 1024 * 1024
"""Of some 80 views, which further crops of the same pictures need."""

_audit = logging.getLogger("engine.audit")


class Renderer(Protocol):
    """Turns values into markup; `engine.studio.templating.Templates`."""

    version: str

    def render(self, template: str, visit: "Visit", values: Mapping[str, object]) -> str: ...


class Pictures(Protocol):
    """Makes pictures of a dataset's images; `engine.views.image_views.ImageViews`."""

    def thumbnail(self, dataset: DatasetRecord, url: str, sha256: str | None = None) -> Future[Reencoded]: ...

    def stored(self, sha256: str) -> Future[Reencoded | None]: ...

    def view(self, dataset: DatasetRecord, url: str) -> Future[Reencoded]: ...


@dataclass(frozen=True)
class Parts:
    """Everything that pages use."""

    service: Service
    authenticator: Authenticator
    analyzer: Analyzer
    templates: Renderer
    pictures: Pictures
    likeness: DraftLikeness
    recent_views: RecentPictures = field(default_factory=lambda: RecentPictures(VIEWS_BYTES_MAX))
    entra: EntraSignIn | None = None
    wrong_keys: WrongKeys = field(default_factory=WrongKeys)


@dataclass
class Visit:
    """A request. `visitor` is who is signed in, `form` the fields of a form's body, each once, and `nonce` that of the
    response's policy."""

    request: Request
    parts: Parts
    nonce: str
    visitor: SessionRecord | None = None
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def service(self) -> Service:
        return self.parts.service

    @property
    def who(self) -> str:
        """Who is signed in, for the audit; empty without a session."""
        return "" if self.visitor is None else self.visitor.who

    @property
    def origin(self) -> str:
        """The engine's address as the browser sees it, without a path."""
        return origin_of(self.request, self.service.settings)

    @property
    def is_fragment(self) -> bool:
        """Whether a script asks, for a part of a page."""
        return "hx-request" in self.request.headers

    @property
    def wants_json(self) -> bool:
        """Whether a script asks for data."""
        return "application/json" in self.request.headers.get("accept", "")

    def path(self, name: str) -> str:
        """A parameter of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        return self.request.query_params.get(name, default)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number of the query, kept within its bounds."""
        try:
            return min(most, max(least, int(self.query(name, str(default)))))
        except ValueError:
            return default

    def render(self, template: str, status: int = 200, /, **values: object) -> HTMLResponse:
        """A page, or a part of one, from `templates/`."""
        return HTMLResponse(self.parts.templates.render(template, self, values), status)

    def json(self, body: object, status: int = 200) -> JSONResponse:
        return JSONResponse(body, status)

    def redirect(self, path: str) -> Response:
        """Go on to another page, after a change. The path may have any characters, and escapes that it has are kept."""
        if self.is_fragment:
            return Response(status_code=204, headers={"HX-Redirect": header_path(path)})
        return RedirectResponse(header_path(path), 303)

    def audit(self, action: str, **facts: object) -> None:
        """Record a change: who did what."""
        visitor = self.visitor
        person = {} if visitor is None else {"role": visitor.role.value, "account": visitor.account}
        _audit.info(action, extra={"who": self.who, "role": None, "account": None, **person, **facts})


def link(*parts: str) -> str:
    """The path of a page, from parts that may have any characters: `link("models", name)`."""
    return "/studio/" + "/".join(quote(part, safe="") for part in parts)
