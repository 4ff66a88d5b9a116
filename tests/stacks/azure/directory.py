"""Who is who and who may what, as it stands in the stand-in's `state.json` and `scenario.json`."""

import fcntl
import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.stacks.azure.roles import matches

SUBSCRIPTION_ID = "5c0ffee5-0000-4000-8000-00000000a2e1"
TENANT_ID = "7e4a4700-0000-4000-8000-00000000a2e1"
CALLER_OBJECT_ID = "ca11e400-0000-4000-8000-000000000001"
CALLER_CLIENT_ID = "ca11e400-0000-4000-8000-000000000002"

ASSIGNMENT = "azure-native:authorization:RoleAssignment"
ROLE_DEFINITION = "azure-native:authorization:RoleDefinition"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
STORAGE_ACCOUNT = "azure-native:storage:StorageAccount"
CONTAINER = "azure-native:storage:BlobContainer"
QUEUE = "azure-native:storage:Queue"
RESOURCE_GROUP = "azure-native:resources:ResourceGroup"
VISION_ACCOUNT = "azure-native:cognitiveservices:Account"


@dataclass(frozen=True)
class Principal:
    object_id: str
    client_id: str
    id: str = ""
    """ARM id, where it is a resource."""


@dataclass(frozen=True)
class Resource:
    id: str
    type: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    created: float

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Assignment:
    id: str
    scope: str
    object_id: str
    role_definition_id: str
    principal_type: str
    created: float

    @property
    def role(self) -> str:
        """The role's GUID."""
        return self.role_definition_id.rsplit("/", 1)[-1].lower()


@dataclass(frozen=True)
class Caller:
    """The deployer, and what its role allows: on the subscription, or on a `scope` within it."""

    principal: Principal
    actions: Sequence[str] = ("*",)
    not_actions: Sequence[str] = ()
    scope: str = ""

    def may(self, action: str, resource_id: str) -> bool:
        if self.scope and not is_within(resource_id, self.scope):
            return False
        return matches(action, self.actions) and not matches(action, self.not_actions)


@dataclass(frozen=True)
class Directory:
    """One moment of the subscription. ARM ids are compared without case, as Azure does."""

    state: Mapping[str, Any] = field(default_factory=dict)
    scenario: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subscription_id(self) -> str:
        return str(self.scenario.get("subscriptionId", SUBSCRIPTION_ID))

    @property
    def tenant_id(self) -> str:
        return str(self.scenario.get("tenantId", TENANT_ID))

    @property
    def role_delay_seconds(self) -> float:
        return float(self.scenario.get("roleDelaySeconds", 0))

    @cached_property
    def caller(self) -> Caller:
        given = self.scenario.get("caller") or {}
        return Caller(
            Principal(given.get("objectId", CALLER_OBJECT_ID), given.get("clientId", CALLER_CLIENT_ID)),
            tuple(given.get("actions", ("*",))),
            tuple(given.get("notActions", ())),
            given.get("scope", ""),
        )

    @cached_property
    def resources(self) -> Sequence[Resource]:
        return tuple(
            Resource(id_, found["type"], found.get("inputs") or {}, found.get("outputs") or {}, float(found.get("created", 0)))
            for id_, found in (self.state.get("resources") or {}).items()
        )

    def of_type(self, type_: str) -> Iterator[Resource]:
        return (found for found in self.resources if found.type == type_)

    def resource(self, id_: str) -> Resource | None:
        return next((found for found in self.resources if found.id.lower() == id_.lower()), None)

    @cached_property
    def identities(self) -> Sequence[Principal]:
        """The user-assigned ones."""
        return tuple(
            Principal(found.outputs["principalId"], found.outputs["clientId"], found.id) for found in self.of_type(IDENTITY)
        )

    @cached_property
    def assignments(self) -> Sequence[Assignment]:
        return tuple(
            Assignment(
                found.id,
                found.inputs["scope"].rstrip("/"),
                found.inputs["principalId"],
                found.inputs["roleDefinitionId"],
                found.inputs.get("principalType", "User"),
                found.created,
            )
            for found in self.of_type(ASSIGNMENT)
        )

    @property
    def owner_role(self) -> str:
        """GUID of the role by which the caller may what `caller` says."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.subscription_id}/caller"))

    def storage_account(self, name: str) -> Resource | None:
        return next((found for found in self.of_type(STORAGE_ACCOUNT) if found.name == name), None)

    def parts(self, account: Resource, type_: str) -> frozenset[str]:
        """Names of the containers or queues that were made with the account, by ARM."""
        within = f"{account.id}/".lower()
        return frozenset(found.name for found in self.of_type(type_) if found.id.lower().startswith(within))

    def working_roles(self, object_id: str, resource_id: str, now: float | None = None) -> frozenset[str]:
        """GUIDs of the roles that a principal has on a resource, by assignments old enough to work."""
        latest = (time.time() if now is None else now) - self.role_delay_seconds
        return frozenset(
            assignment.role
            for assignment in self.assignments
            if assignment.object_id == object_id and assignment.created <= latest and is_within(resource_id, assignment.scope)
        )

    def data_actions(self, role: str) -> frozenset[str]:
        """What a custom role allows on data, in lower case; nothing for a GUID that no definition has."""
        return frozenset(
            str(action).lower()
            for found in self.of_type(ROLE_DEFINITION)
            if found.name.lower() == role.lower()
            for permission in found.inputs.get("permissions") or ()
            for action in permission.get("dataActions") or ()
        )


def is_within(resource_id: str, scope: str) -> bool:
    """Whether a resource is `scope` itself or lies below it."""
    inner, outer = resource_id.rstrip("/").lower(), scope.rstrip("/").lower()
    return inner == outer or inner.startswith(f"{outer}/")


class SharedFolder:
    """The folder that the plugin's stand-in writes, seen from here: read again whenever one of its files is another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._seen: tuple[object, ...] | None = None
        self._directory = Directory()

    def directory(self) -> Directory:
        files = (self.folder / "state.json", self.folder / "scenario.json")
        with self._lock:
            seen = tuple(_version(file) for file in files)
            if seen != self._seen:
                self._directory = Directory(*(_content(file) for file in files))
                self._seen = seen
            return self._directory


def _version(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _content(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    return content


def write_scenario(folder: Path, keys: Mapping[str, Any]) -> None:
    """Set keys of `scenario.json`; what else stands there stays."""
    file = folder / "scenario.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps({**_content(file), **keys}, indent=1, sort_keys=True))
        draft.replace(file)
