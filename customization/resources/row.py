"""What a resource says on its own row of `pulumi up`.

`print` and `pulumi.log` land on the stack's row. The provider process gets the engine's address as its first argument, and the
engine's log takes the resource's URN.
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

    Its dependencies are stripped: with a component as parent they would be a circle.
    """
    urn = pulumi.create_urn(name, resource_type, parent=opts.parent if opts else None)
    value = cast("Awaitable[str]", urn.future(with_unknowns=True))
    return pulumi.Output(set(), value, urn.is_known())


@dataclass
class Row:
    """A resource's row. Without an engine to talk to (a unit test), it keeps what was said in `said`."""

    urn: str
    engine_address: str | None = field(default_factory=lambda: sys.argv[1] if len(sys.argv) > 1 else None)
    said: list[str] = field(default_factory=list)

    def progress(self, message: str) -> None:
        """Replace what stands on the row while the operation runs."""
        self._log(message, engine_pb2.INFO, ephemeral=True)

    def say(self, message: str) -> None:
        """Say what is to be read after the operation, too."""
        self._log(message, engine_pb2.INFO, ephemeral=False)

    def warn(self, message: str) -> None:
        self._log(message, engine_pb2.WARNING, ephemeral=False)

    def _log(self, message: str, severity: Any, *, ephemeral: bool) -> None:  # noqa: ANN401 - a protobuf enum
        self.said.append(message)
        if self.engine_address is None or ":" not in self.engine_address:
            return
        # Pulumi's engine is on this machine, where no proxy of the environment is meant.
        with grpc.insecure_channel(self.engine_address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            request = engine_pb2.LogRequest(severity=severity, message=message, urn=self.urn, ephemeral=ephemeral)
            engine_pb2_grpc.EngineStub(channel).Log(request)
