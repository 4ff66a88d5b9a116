"""A storage account of Azure: Azurite, behind Azure's own authorization.

Which credentials an account takes, and which roles allow what, is decided here by what stands in the stand-in's state; who
passes is served by a real Azurite, one for each account.
"""

import hashlib
import http.client
import re
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, unquote, urlsplit

from tests.customization.azurite import azurite
from tests.stacks.azure.authority import Authority, NotAToken
from tests.stacks.azure.directory import CONTAINER, Directory, Resource, SharedFolder
from tests.stacks.azure.front import AZURE_HOST, OWN_HOST, Answer, Body, Call, Server, Upstream
from tests.stacks.azure.history import History, NotRestorable, changed_blob, restorable

AUDIENCE = "https://storage.azure.com"


class Right(Enum):
    READ = auto()
    ADD = auto()
    """To write a blob whose name is new."""
    WRITE = auto()
    DELEGATE = auto()


_EVERYTHING = frozenset(Right)
RIGHTS: Mapping[str, frozenset[Right]] = {
    # Storage Blob Data Reader, Contributor, Owner, and Storage Blob Delegator.
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": frozenset({Right.READ, Right.DELEGATE}),
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": _EVERYTHING,
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": _EVERYTHING,
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": frozenset({Right.DELEGATE}),
}

_BLOBS = "microsoft.storage/storageaccounts/blobservices/containers/blobs"
OF_DATA_ACTIONS: Mapping[str, Right] = {
    f"{_BLOBS}/read": Right.READ,
    f"{_BLOBS}/add/action": Right.ADD,
    f"{_BLOBS}/write": Right.WRITE,
}
"""The rights of custom roles."""

_API_VERSION = re.compile(r"20\d\d-\d\d-\d\d")
_OLDEST_WITH_TOKENS = "2017-11-09"


class Credential(Enum):
    NONE = auto()
    TOKEN = auto()
    SHARED_KEY = auto()
    ACCOUNT_SAS = auto()
    SERVICE_SAS = auto()
    USER_DELEGATION_SAS = auto()


BY_KEY = frozenset({Credential.SHARED_KEY, Credential.ACCOUNT_SAS, Credential.SERVICE_SAS})


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message

    def answer(self, call: Call) -> Answer:
        """In Azure's shape."""
        request_id = str(uuid.uuid4())
        text = f"{self.message}\nRequestId:{request_id}\nTime:{datetime.now(UTC).isoformat()}"
        headers = {
            "Content-Type": "application/xml",
            "x-ms-error-code": self.code,
            "x-ms-request-id": request_id,
            "x-ms-version": call.headers.get("x-ms-version", _OLDEST_WITH_TOKENS),
        }
        if self.status == 401:
            headers["WWW-Authenticate"] = f"Bearer authorization_uri=https://login.microsoftonline.com resource_id={AUDIENCE}"
        body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{self.code}</Code><Message>{text}</Message></Error>'
        return Answer(self.status, body.encode(), headers)


def credential(call: Call) -> Credential:
    """What a call proves itself with."""
    scheme = call.headers.get("authorization", "").partition(" ")[0].lower()
    query = call.query
    if scheme == "bearer":
        return Credential.TOKEN
    if scheme:
        return Credential.SHARED_KEY
    if "sig" not in query:
        return Credential.NONE
    if "skoid" in query:
        return Credential.USER_DELEGATION_SAS
    return Credential.ACCOUNT_SAS if "ss" in query else Credential.SERVICE_SAS


def right(call: Call, container: str) -> Right:
    """What a call needs to be allowed."""
    if call.query.get("comp") == "userdelegationkey" and not container:
        return Right.DELEGATE
    return Right.READ if call.method in ("GET", "HEAD", "OPTIONS") else Right.WRITE


def may_add(call: Call) -> bool:
    """Whether a call is a Put Blob, which may write a new name with the right to add. Blocks take the right to write.

    https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes (Create a blob or snapshot, or append data)
    """
    return call.method == "PUT" and not call.query.keys() & {"comp", "restype"}


def check_roles(directory: Directory, object_id: str, call: Call, account: Resource, container: str) -> bool:
    """Whether a principal may make the call only for a new name. Raises Refused unless a role that works allows it."""
    target = f"{account.id}/blobServices/default/containers/{container}" if container else account.id
    rights: set[Right] = set()
    for role in directory.working_roles(object_id, target):
        rights |= RIGHTS.get(role) or {OF_DATA_ACTIONS[one] for one in directory.data_actions(role) if one in OF_DATA_ACTIONS}
    if right(call, container) in rights:
        return False
    if Right.ADD in rights and may_add(call):
        return True
    raise not_permitted()


def not_permitted() -> Refused:
    return Refused(
        403,
        "AuthorizationPermissionMismatch",
        "This request is not authorized to perform this operation using this permission.",
    )


def place(call: Call, directory: Directory) -> tuple[Resource, str]:
    """The account of a call, and the name of its container or queue, empty without one. Raises Refused."""
    name, _, rest = unquote(call.path).lstrip("/").partition("/")
    account = directory.storage_account(name)
    if account is None:
        raise Refused(404, "ResourceNotFound", f"There is no storage account '{name}'.")
    if directory.scenario.get("outsideNetwork") and account.inputs.get("publicNetworkAccess") == "Disabled":
        raise Refused(403, "AuthorizationFailure", "This request is not authorized to perform this operation.")
    return account, rest.partition("/")[0]


def holder(call: Call, authority: Authority, own_audience: str) -> str:
    """The object id of whom a call's token is. Raises Refused."""
    version = call.headers.get("x-ms-version", "")
    if not _API_VERSION.fullmatch(version) or version < _OLDEST_WITH_TOKENS:
        raise Refused(403, "AuthenticationFailed", f"A bearer token needs x-ms-version {_OLDEST_WITH_TOKENS} or later.")
    try:
        return str(authority.claims(call.headers["authorization"], AUDIENCE, own_audience)["oid"])
    except NotAToken as error:
        raise Refused(
            401,
            "InvalidAuthenticationInfo",
            f"Server failed to authenticate the request. Please refer to the information in the www-authenticate header. "
            f"{error}",
        ) from None


def admit(call: Call, directory: Directory, authority: Authority) -> tuple[Resource, bool]:
    """The account of a call that may go on, and whether it may only if the blob's name is new. Raises Refused."""
    account, container = place(call, directory)
    kind = credential(call)
    only_new = False
    allowed = account.inputs
    if kind in BY_KEY and allowed.get("allowSharedKeyAccess") is False:
        raise Refused(
            403, "KeyBasedAuthenticationNotPermitted", "Key based authentication is not permitted on this storage account."
        )
    if kind is Credential.NONE and not allowed.get("allowBlobPublicAccess", False):
        raise Refused(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
    if kind is Credential.USER_DELEGATION_SAS:  # it can do no more than its signer can now
        only_new = check_roles(directory, call.query["skoid"], call, account, container)
    if kind is Credential.TOKEN:
        object_id = holder(call, authority, f"https://{account.name}.blob.core.windows.net")
        only_new = check_roles(directory, object_id, call, account, container)
    return account, only_new


def account_key(account_id: str) -> str:
    """The first key of an account, as the plugin's stand-in lists it."""
    return hashlib.sha256(f"{account_id.lower()} 1".encode()).hexdigest()


@dataclass
class Running:
    """An account's Azurite, and the containers or queues in it that ARM made."""

    upstream: Upstream
    closing: ExitStack
    parts: set[str] = field(default_factory=set)
    history: History = field(default_factory=History)


class AccountFront(ABC):
    """One service of all accounts of the subscription, at `https://127.0.0.2:<port>/<account>/`."""

    service: ClassVar[str]
    """Of Azurite: `blob` or `queue`."""
    part_type: ClassVar[str]
    """Of what ARM makes there: containers or queues."""

    def __init__(self, shared: SharedFolder, authority: Authority, folder: Path) -> None:
        self._shared = shared
        self._authority = authority
        self._folder = folder
        self._running: dict[str, Running] = {}
        self._lock = threading.Lock()
        self._server = Server(self._respond, host=AZURE_HOST, context=authority.server_context())
        self._context = authority.client_context()
        self.url = self._server.url

    def stop(self) -> None:
        self._server.stop()
        with self._lock:
            while self._running:
                self._running.popitem()[1].closing.close()

    @abstractmethod
    def admit(self, call: Call, directory: Directory) -> Upstream:
        """Who serves a call that may go on. Raises Refused."""

    @abstractmethod
    def address(self, account: Resource, part: str) -> str:
        """The path that makes a container or queue with PUT, and deletes it with DELETE."""

    def _respond(self, call: Call, _body: Body) -> Answer | Upstream:
        try:
            return self.admit(call, self._shared.directory())
        except Refused as refused:
            return refused.answer(call)

    def serving(self, account: Resource, directory: Directory) -> Running:
        """The Azurite of an account, with the very containers or queues that ARM made."""
        with self._lock:
            running = self._running.get(account.id) or self._start(account, directory)
            wanted = directory.parts(account, self.part_type)
            for part in running.parts ^ wanted:
                method = "PUT" if part in wanted else "DELETE"
                status, _ = self.ask(running.upstream, directory, method, self.address(account, part))
                assert status in (201, 202, 204, 404, 409), f"Azurite answers {status} to {method} of {part}"
            running.parts = set(wanted)
            return running

    def _start(self, account: Resource, directory: Directory) -> Running:
        for id_ in [id_ for id_ in self._running if directory.resource(id_) is None]:
            self._running.pop(id_).closing.close()
        folder = self._folder / f"{account.name}-{uuid.uuid4().hex[:8]}"  # an account made again is an empty one
        folder.mkdir(parents=True)
        closing = ExitStack()
        certificate = (self._authority.certificate_file, self._authority.key_file)
        served = closing.enter_context(
            azurite(folder, account=account.name, key=account_key(account.id), certificate=certificate, service=self.service)
        )
        port = urlsplit(served.url).port
        assert port is not None
        self._running[account.id] = Running(Upstream(OWN_HOST, port, self._context), closing)
        return self._running[account.id]

    def ask(
        self, upstream: Upstream, directory: Directory, method: str, path: str, body: bytes | None = None
    ) -> tuple[int, bytes]:
        """The status and the body that Azurite answers to a call past the authorization; `body` becomes a block blob."""
        token, _ = self._authority.token(object_id="arm", client_id="arm", tenant_id=directory.tenant_id, audience=AUDIENCE)
        headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2024-11-04", "Content-Length": str(len(body or b""))}
        if body is not None:
            headers |= {"x-ms-blob-type": "BlockBlob"}
        assert upstream.context is not None
        connection = http.client.HTTPSConnection(upstream.host, upstream.port, timeout=60, context=upstream.context)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()


class StorageFront(AccountFront):
    """The blobs of all accounts."""

    service = "blob"
    part_type = CONTAINER

    def admit(self, call: Call, directory: Directory) -> Upstream:
        account, only_new = admit(call, directory, self._authority)
        running = self.serving(account, directory)
        if only_new and self.ask(running.upstream, directory, "HEAD", call.path)[0] != 404:
            raise not_permitted()
        blob = changed_blob(call)
        service = directory.resource(f"{account.id}/blobServices/default")
        if blob and service and service.inputs.get("isVersioningEnabled"):
            running.history.add(blob, self._content(running.upstream, directory, call.path))
        return running.upstream

    def restore(self, account_id: str, wanted: Mapping[str, Any]) -> None:
        """Bring blobs back to a point in time (`timeToRestore`, `blobRanges`). Raises NotRestorable."""
        directory = self._shared.directory()
        account, service = directory.resource(account_id), directory.resource(f"{account_id}/blobServices/default")
        if account is None or service is None:
            raise NotRestorable("ResourceNotFound", f"The storage account '{account_id}' has no blob service.")
        time = restorable(service.inputs, wanted, datetime.fromtimestamp(service.created, UTC), datetime.now(UTC))
        running = self.serving(account, directory)
        ranges = [(each.get("startRange", ""), each.get("endRange", "")) for each in wanted["blobRanges"]]
        before = running.history.since(time, ranges)
        if gone := {name.partition("/")[0] for name in before} - directory.parts(account, self.part_type):
            raise NotRestorable(
                "ContainerNotFound", f"The container {min(gone)} was deleted, and can't be restored to a point in time."
            )
        for name, content in before.items():
            path = f"/{account.name}/{quote(name)}"
            running.history.add(name, self._content(running.upstream, directory, path))
            self.ask(running.upstream, directory, "DELETE" if content is None else "PUT", path, content)

    def _content(self, upstream: Upstream, directory: Directory, path: str) -> bytes | None:
        """What a blob holds; None if there is none."""
        status, content = self.ask(upstream, directory, "GET", path)
        return content if status == 200 else None

    def address(self, account: Resource, part: str) -> str:
        return f"/{account.name}/{part}?restype=container"
