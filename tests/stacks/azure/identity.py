"""The identity endpoint of App Service and Container Apps: tokens for what runs in a place, told apart by its header."""

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from tests.stacks.azure.authority import Authority
from tests.stacks.azure.directory import Directory, Principal, SharedFolder
from tests.stacks.azure.front import Answer, Body, Call, Server

API_VERSION = "2019-08-01"


@dataclass(frozen=True)
class Place:
    """Where a program runs: who it is by itself (`own`), and ARM ids of the identities that it may choose beside."""

    own: Principal | None = None
    identity_ids: Sequence[str] = ()


class IdentityEndpoint:
    """Each place has a secret of its own, which `X-IDENTITY-HEADER` must hold: that is `IDENTITY_HEADER` there."""

    def __init__(self, shared: SharedFolder, authority: Authority) -> None:
        self._shared = shared
        self._authority = authority
        self._places: dict[str, Place] = {}
        self._lock = threading.Lock()
        self.caller_header = secrets.token_urlsafe(16)
        self._server = Server(self._respond)
        self.url = f"{self._server.url}/msi/token"

    def open(self, place: Place) -> str:
        """The secret of a new place."""
        header = secrets.token_urlsafe(16)
        with self._lock:
            self._places[header] = place
        return header

    def close(self, header: str) -> None:
        with self._lock:
            self._places.pop(header, None)

    def stop(self) -> None:
        self._server.stop()

    def _respond(self, call: Call, _body: Body) -> Answer:
        if call.method != "GET" or call.path != "/msi/token":
            return _refusal(404, f"{call.path} is not /msi/token")
        directory = self._shared.directory()
        header = call.headers.get("x-identity-header", "")
        if header == self.caller_header:
            place: Place | None = Place(own=directory.caller.principal)
        else:
            with self._lock:
                place = self._places.get(header)
        query = call.query
        if place is None:
            return _refusal(401, "X-IDENTITY-HEADER is not the place's own")
        if query.get("api-version") != API_VERSION:
            return _refusal(400, f"api-version must be {API_VERSION}")
        if not query.get("resource"):
            return _refusal(400, "resource is missing")
        principal = chosen(place, query.get("client_id"), directory)
        if principal is None:
            wanted = query.get("client_id", "of the system's own")
            return _refusal(400, f"No managed identity {wanted} is assigned to this resource")
        token, expires_on = self._authority.token(
            object_id=principal.object_id,
            client_id=principal.client_id,
            tenant_id=directory.tenant_id,
            audience=query["resource"],
        )
        document = {
            "access_token": token,
            "client_id": principal.client_id,
            "expires_on": str(expires_on),
            "resource": query["resource"],
            "token_type": "Bearer",
        }
        return Answer.of(200, document)


def chosen(place: Place, client_id: str | None, directory: Directory) -> Principal | None:
    """Whom a place speaks for: its own identity unless it names another, which must be assigned to it."""
    if client_id is None or (place.own is not None and client_id == place.own.client_id):
        return place.own
    assigned = {id_.lower() for id_ in place.identity_ids}
    return next(
        (found for found in directory.identities if found.client_id == client_id and found.id.lower() in assigned), None
    )


def _refusal(status: int, message: str) -> Answer:
    return Answer.of(status, {"statusCode": status, "message": message})
