"""The plugin `pulumi-resource-azure-native`: what the engine asks over gRPC, put to the provider.

The messages are used as they are, and not by way of `pulumi.provider.experimental`: that one drops the old inputs, of which
azure-native makes its diffs, and shows an error as a traceback.
"""

import os
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.stacks.azure.difference import Change
from tests.stacks.azure.failure import Failure
from tests.stacks.azure.provider import CREATE_BEFORE_DELETE, Provider, Values, world
from tests.stacks.azure.schema import UNKNOWN

Answer = TypeVar("Answer")

VERSION = "3.29.0"
THREADS = 16
ORPHAN_SECONDS = 1
MESSAGE_BYTES = 400 * 1024 * 1024
# The engine's words for a value not known yet, one for each type (sdk/go/common/resource/plugin/rpc.go).
UNKNOWNS = {
    UNKNOWN,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}


def values(struct: struct_pb2.Struct) -> Values:
    """A message's object, without the nulls; numbers that are whole are integers again."""

    def plain(value: object) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if item is not None}
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return UNKNOWN if isinstance(value, str) and value in UNKNOWNS else value

    found: Values = plain(json_format.MessageToDict(struct))
    return found


def message(content: Values) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(content)
    return struct


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """One method for each message of the engine. Failures of Azure end a call with their own words."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:  # noqa: N802
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:  # noqa: N802
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(  # noqa: N802
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        self.provider.config = values(request.args)
        # Secrets come in plain, and the engine marks again what was secret: so none is lost on the way.
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:  # noqa: N802
        resource_type, name = type_and_name(request.urn)

        def act() -> provider_pb2.CheckResponse:
            inputs, mismatches = self.provider.check(
                resource_type, name, values(request.olds), values(request.news), request.randomSeed
            )
            failures = [provider_pb2.CheckFailure(property=found.path, reason=found.reason) for found in mismatches]
            return provider_pb2.CheckResponse(inputs=message(inputs), failures=failures)

        return answered(act, context)

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:  # noqa: N802
        resource_type, _ = type_and_name(request.urn)

        def act() -> provider_pb2.DiffResponse:
            inputs = values(request.news)
            found = self.provider.diff(resource_type, values(request.old_inputs), inputs)
            replaces = [path for path, change in found.items() if change.replaces]
            return provider_pb2.DiffResponse(
                changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
                diffs=sorted({path.partition(".")[0].partition("[")[0] for path in found}),
                replaces=replaces,
                # Where the name is the program's own, the old resource must be gone before the new one can be made.
                deleteBeforeReplace=bool(replaces) and not inputs.get(CREATE_BEFORE_DELETE),
                detailedDiff={path: property_diff(change) for path, change in found.items()},
                hasDetailedDiff=True,
            )

        return answered(act, context)

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:  # noqa: N802
        resource_type, _ = type_and_name(request.urn)
        inputs = values(request.properties)

        def act() -> provider_pb2.CreateResponse:
            if request.preview:
                return provider_pb2.CreateResponse(properties=message(self.provider.preview(resource_type, inputs, None)))
            resource_id, outputs = self.provider.create(resource_type, inputs)
            return provider_pb2.CreateResponse(id=resource_id, properties=message(outputs))

        return answered(act, context)

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:  # noqa: N802
        resource_type, _ = type_and_name(request.urn)

        def act() -> provider_pb2.ReadResponse:
            found = self.provider.read(resource_type, request.id, values(request.inputs), values(request.properties))
            if found is None:
                return provider_pb2.ReadResponse()
            outputs, inputs = found
            return provider_pb2.ReadResponse(id=request.id, properties=message(outputs), inputs=message(inputs))

        return answered(act, context)

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:  # noqa: N802
        resource_type, _ = type_and_name(request.urn)
        inputs = values(request.news)

        def act() -> provider_pb2.UpdateResponse:
            if request.preview:
                outputs = self.provider.preview(resource_type, inputs, values(request.olds))
            else:
                outputs = self.provider.update(resource_type, request.id, inputs)
            return provider_pb2.UpdateResponse(properties=message(outputs))

        return answered(act, context)

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802
        resource_type, _ = type_and_name(request.urn)

        def act() -> empty_pb2.Empty:
            self.provider.delete(resource_type, request.id)
            return empty_pb2.Empty()

        return answered(act, context)

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:  # noqa: N802
        def act() -> provider_pb2.InvokeResponse:
            return provider_pb2.InvokeResponse(**{"return": message(self.provider.invoke(request.tok, values(request.args)))})

        return answered(act, context)

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802
        return empty_pb2.Empty()


def answered(act: Callable[[], Answer], context: grpc.ServicerContext) -> Answer:
    """The answer, or the end of the call with the words of the failure: the engine shows them as they are."""
    try:
        return act()
    except Failure as failure:
        words = str(failure)
    except Exception as defect:  # noqa: BLE001 - a defect of the stand-in must not look like a hang
        words = f"the stand-in for Azure failed: {defect!r}\n{''.join(traceback.format_exception(defect))}"
    context.abort(grpc.StatusCode.UNKNOWN, words)
    raise AssertionError("unreachable: abort raises")


def property_diff(change: Change) -> provider_pb2.PropertyDiff:
    return provider_pb2.PropertyDiff(kind=getattr(provider_pb2.PropertyDiff, change.value), inputDiff=True)


def type_and_name(urn: str) -> tuple[str, str]:
    """The type of a resource, without those of its parents, and its name."""
    *_, types, name = urn.split("::", maxsplit=3)
    return types.rpartition("$")[2], name


def serve() -> None:
    engine = os.getppid()
    servicer = Servicer(Provider(Path(os.environ["AZURE_STAND_IN"]), world()))
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    server = grpc.server(ThreadPoolExecutor(max_workers=THREADS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while server.wait_for_termination(timeout=ORPHAN_SECONDS) and os.getppid() == engine:
        pass  # a CLI that was killed tells nobody; its plugins must not outlive it


if __name__ == "__main__":
    serve()
