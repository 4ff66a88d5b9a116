"""A visitor of the Studio: calls its pages as a browser does, with its cookie and the headers that browsers send."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.support.api_world import World
from vision_customization.contract.studio import Role

ORIGIN = "http://127.0.0.1:8080"


@dataclass
class Browser:
    """One browser at one engine. `cookies` are sent with each request."""

    world: World
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """`path` is below `/studio`, or an address of the engine's."""
        return self._send("GET", path, headers)

    def post(
        self, path: str, form: dict[str, str] | None = None, content: bytes | None = None, **headers: str
    ) -> httpx.Response:
        """Send a form, or a body, from a page of the Studio. A header of an empty text is left out."""
        sent = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded", **headers}
        return self._send("POST", path, sent, content=urlencode(form or {}).encode() if content is None else content)

    def sign_in(self, role: Role = Role.OWNER, who: str = "a key") -> "Browser":
        """Sign in by a one-time code, as `vision studio` does."""
        fingerprint = None
        code, _ = self.world.store.sessions.issue_code(role, who, fingerprint)
        assert self.post("sign-in", {"code": code}).status_code == 303
        return self

    def _send(self, method: str, path: str, headers: dict[str, str], **arguments: Any) -> httpx.Response:  # noqa: ANN401
        url = path if path.startswith("/") else f"/studio/{path}"
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.world.call(method, f"{ORIGIN}{url}", version=None, key=None, headers=sent, **arguments)
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, rest = cookie.partition("=")
            value = rest.partition(";")[0].strip('"')
            if value and "Max-Age=0" not in rest:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return answer
