"""Messages of a resource on its own row of `pulumi up`.

`print` and `pulumi.log` write to the stack's row. The provider process gets the address of Pulumi's engine as its first
argument, and that engine's log accepts the resource's URN.
"""

import sys
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import pulumi
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc


def row_urn(name: str, resource_type: str, opts: pulumi.ResourceOptions | None) -> pulumi.Output[str]:
    """The URN that a resource of this name will have, as an input of that same resource.

    Its dependencies are removed: with a component as parent, they would be circular.
    """
    urn = pulumi.create_urn(name, resource_type, parent=opts.parent if opts else None)
    value = cast("Awaitable[str]", urn.future(with_unknowns=True))
    return pulumi.Output(set(), value, urn.is_known())


@dataclass
class Row:
    """A resource's row. Without an engine (in a unit test), messages are only kept in `said`."""

    urn: str
    engine_address: str | None = field(default_factory=lambda: sys.argv[1] if len(sys.argv) > 1 else None)
    said: list[str] = field(default_factory=list)

    def progress(self, message: str) -> None:
        """Replace the row's text while the operation runs."""
        self._log(message, engine_pb2.INFO, ephemeral=True)

    def say(self, message: str) -> None:
        """Write a message that stays after the operation."""
        self._log(message, engine_pb2.INFO, ephemeral=False)

    def warn(self, message: str) -> None:
        self._log(message, engine_pb2.WARNING, ephemeral=False)

    def _log(self, message: str, severity: Any, *, ephemeral: bool) -> None:  # noqa: ANN401 - a protobuf enum
        self.said.append(message)
        if self.engine_address is None or ":" not in self.engine_address:
            return
        # Pulumi's engine is on this machine: use no proxy from the environment.
        with grpc.insecure_channel(self.engine_address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            request = engine_pb2.LogRequest(severity=severity, message=message, urn=self.urn, ephemeral=ephemeral)
            engine_pb2_grpc.EngineStub(channel).Log(request)
