"""The BlobAccess resource: waits until a role takes effect, which can be 30 minutes after Azure reports it as assigned."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import pulumi
from pulumi import dynamic

from vision_customization.common.blob_container import list_one
from vision_customization.common.errors import AccessRefused, StorageError, VisionError
from vision_customization.common.storage_refusal import ROLE_MISSING
from vision_customization.customization.errors import NotFound, ServiceFault, Unreachable
from vision_customization.customization.resources import Service
from vision_customization.customization.resources.connection import client
from vision_customization.customization.resources.provider import DeclaredProvider, Properties
from vision_customization.customization.resources.row import Row, row_urn

POLL_SECONDS = 5.0
TIMEOUT_MINUTES = 30
"""Azure's documented maximum for an assignment to take effect."""


class NoAccess(VisionError):
    """A role did not take effect before the timeout, or no role can help."""


@dataclass(frozen=True)
class Access:
    """The result of an attempt to read: `reason` says why it was refused, and `who` for which identity. `code` is the storage's
    own, if it answered with one."""

    readable: bool
    reason: str = ""
    who: str = ""
    code: str | None = None


class BlobAccessProvider(DeclaredProvider):
    inputs = ("endpoint", "key", "container_url", "identity", "role", "assignment_id", "timeout_minutes", "readable")
    same_while_unknown = inputs

    def check(self, _olds: Properties, news: Properties) -> dynamic.CheckResult:
        return dynamic.CheckResult({**news, "readable": True}, [])

    def diff(self, _id: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        return dynamic.DiffResult(bool(self.changed(olds, news) - {"key", "timeout_minutes"}))

    def create(self, props: Properties) -> dynamic.CreateResult:
        wait_for_access(props, Row(props["row_urn"]))
        return dynamic.CreateResult(str(props["container_url"]), {**props, "readable": True})

    def apply(self, olds: Properties, news: Properties) -> Properties:  # noqa: ARG002
        wait_for_access(news, Row(news["row_urn"]))
        return {**news, "readable": True}

    def read(self, id_: str, props: Properties) -> dynamic.ReadResult:
        """Detect a removed role, which the next update then assigns again."""
        try:
            readable = look(props).readable
        except VisionError:  # the engine is not there, which its own row shows
            readable = True
        return self.observed(id_, {**props, "readable": readable})


def look(properties: Properties) -> Access:
    """Try once to read the container: through the engine, or, without an endpoint, as the deploying identity."""
    if properties.get("endpoint"):
        found = client(properties).check_storage(properties["container_url"])
        who = f"the engine's identity {found.identity or ''}".rstrip()
        return Access(found.readable, found.reason or "", who, found.code)
    try:
        list_one(properties["container_url"])
    except StorageError as error:
        code = error.code if isinstance(error, AccessRefused) else None
        return Access(readable=False, reason=str(error), who="the deploying identity", code=code)
    return Access(readable=True)


def wait_for_access(
    properties: Properties,
    row: Row,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Poll until the container is readable. Raises NoAccess at the timeout, naming identity, role and container, and at once if
    the storage refuses for another reason than a missing role."""
    started, limit = clock(), float(properties["timeout_minutes"]) * 60
    while True:
        try:
            found = look(properties)
        except (Unreachable, ServiceFault, NotFound) as error:  # the engine is still starting, and its ingress answers instead
            found = Access(readable=False, reason=str(error), who="the engine")
        waited = clock() - started
        if found.readable:
            row.say(f"'{properties['role']}' works for {properties['identity']} (after {waited:.0f} s)")
            return
        if found.code not in (None, ROLE_MISSING):
            raise NoAccess(f"{found.who} cannot read {properties['container_url']}: {found.reason}. Then run the update again")
        if waited + POLL_SECONDS > limit:
            raise NoAccess(
                f"{found.who or properties['identity']} cannot read {properties['container_url']} after {waited / 60:.0f} min: "
                f"{found.reason}. It needs the role '{properties['role']}' on that container. Check with `az role assignment "
                "list --scope`, and run the update again; it continues from here"
            )
        bound = f"{waited:.0f} s; up to {limit / 60:g} min"
        row.progress(f"waiting until '{properties['role']}' works for {properties['identity']} ({bound})")
        sleep(POLL_SECONDS)


class BlobAccess(dynamic.Resource, module="vision", name="BlobAccess"):
    """A container that is readable: resources that depend on `container_url` start only then.

    With a `service`, its engine reads with its own identity; without, the deploying identity reads.
    """

    container_url: pulumi.Output[str]
    readable: pulumi.Output[bool]

    def __init__(
        self,
        name: str,
        *,
        container_url: pulumi.Input[str],
        identity: str,
        role: str,
        assignment_id: pulumi.Input[str] | None = None,
        service: Service | None = None,
        timeout_minutes: float = TIMEOUT_MINUTES,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        Args:
            identity, role: in words, for progress and errors.
            assignment_id: the role assignment to wait for; after a change, the resource waits again.
        """
        super().__init__(
            BlobAccessProvider(),
            name,
            {
                **(service.properties() if service is not None else {"endpoint": None, "key": None}),
                "container_url": container_url,
                "identity": identity,
                "role": role,
                "assignment_id": assignment_id,
                "timeout_minutes": timeout_minutes,
                "row_urn": row_urn(name, f"pulumi-python:{self._resource_type_name}", opts),
                "readable": None,
            },
            opts,
        )
