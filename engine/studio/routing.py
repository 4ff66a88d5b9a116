"""Pages and who may open them: each has a role, so that a page without one cannot exist."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.responses import Response

from vision_customization.contract.studio import Role
from vision_customization.engine.studio.visit import Visit

Refused = Callable[[Visit, str], Response]
Endpoint = Callable[[Visit], Response] | Callable[[Visit], Awaitable[Response]]
E = TypeVar("E", bound=Endpoint)


@dataclass(frozen=True)
class Page:
    """What answers a method at a path. `role` is the least role that may ask for it; None is anyone, signed in or not.

    An endpoint that is not a coroutine runs in a thread. If it `takes_uploads`, it reads the request's body itself. If it
    refuses a form, `refused` shows the page of the form again, as it was filled in, with the message; without it, the message
    is a page of its own. If it `is_polled`, scripts ask for it again and again while a page is open, so asking for it does not
    prolong a session.
    """

    method: str
    path: str
    role: Role | None
    endpoint: Endpoint
    takes_uploads: bool = False
    refused: Refused | None = None
    is_polled: bool = False


class Pages:
    """The pages of one module. Paths are below `/studio`."""

    def __init__(self) -> None:
        self.pages: list[Page] = []

    def get(self, path: str, role: Role | None = Role.READER, *, is_polled: bool = False) -> Callable[[E], E]:
        """Show something. It must not change anything."""
        return self._add("GET", path, role, is_polled=is_polled)

    def post(
        self, path: str, role: Role | None, *, takes_uploads: bool = False, refused: Refused | None = None
    ) -> Callable[[E], E]:
        """Change something; or compute something from a body, such as a picture."""
        return self._add("POST", path, role, takes_uploads=takes_uploads, refused=refused)

    def _add(
        self,
        method: str,
        path: str,
        role: Role | None,
        *,
        takes_uploads: bool = False,
        refused: Refused | None = None,
        is_polled: bool = False,
    ) -> Callable[[E], E]:
        def add(endpoint: E) -> E:
            self.pages.append(Page(method, path, role, endpoint, takes_uploads, refused, is_polled))
            return endpoint

        return add
