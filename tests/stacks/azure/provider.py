"""What the plugin does, in plain values: the calls that the real one would send to Azure, against the folder of a stand-in."""

import copy
import hashlib
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tests.stacks.azure import schema
from tests.stacks.azure.catalog import Kind, kind_of
from tests.stacks.azure.difference import Change, changes, refreshed
from tests.stacks.azure.failure import Failure, Throttled
from tests.stacks.azure.filled import current
from tests.stacks.azure.keys import KEY_FUNCTIONS, getter, key_action, keys
from tests.stacks.azure.outputs import respond
from tests.stacks.azure.requirements import check_requirements
from tests.stacks.azure.rules import (
    authorize,
    check_create,
    check_delete,
    check_fixed,
    check_update,
    kept_as_made,
    planned_failure,
)
from tests.stacks.azure.schema import UNKNOWN, Mismatch
from tests.stacks.azure.subscription import State, Subscription, same

Values = dict[str, Any]
Result = TypeVar("Result")

CREATE_BEFORE_DELETE = "__createBeforeDelete"
"""azure-native's own mark among the inputs: the name is a random one, so a new resource can be made beside the old one."""

ATTEMPTS = 5
"""How often a call that is throttled is sent in all."""


class World(Protocol):
    """What runs in the place of resources. `apply` answers their outputs."""

    def apply(self, resource_type: str, resource_id: str, inputs: Values, outputs: Values) -> Values: ...

    def remove(self, resource_type: str, resource_id: str) -> None: ...


class EmptyWorld:
    """Nothing runs: resources are entries in a file."""

    def apply(self, resource_type: str, resource_id: str, inputs: Values, outputs: Values) -> Values:
        return outputs

    def remove(self, resource_type: str, resource_id: str) -> None: ...


# What has something behind it that runs, where `AZURE_STAND_IN_WORLD` is set.
WORLDLY = frozenset(
    {
        "app:ContainerApp",
        "app:Job",
        "dbforpostgresql:Server",
        "dbforpostgresql:Database",
        "dbforpostgresql:AdministratorsMicrosoftEntra",
        "storage:StorageAccount",
        "storage:BlobContainer",
    }
)


KEPT = frozenset({"cognitiveservices:Account", "keyvault:Vault", "keyvault:Secret"})
"""What Azure keeps for a while when it is deleted, a secret with its vault."""


def world() -> World:
    if os.environ.get("AZURE_STAND_IN_WORLD") != "1":
        return EmptyWorld()
    from importlib import import_module

    module: World = import_module("tests.stacks.azure.world")
    return module


class Provider:
    """One subscription, as the caller of the scenario sees it. Types are full ones: `azure-native:storage:StorageAccount`."""

    def __init__(self, folder: Path, running: World) -> None:
        self.subscription = Subscription(folder)
        self.running = running
        self.config: Values = {}

    def check(self, resource_type: str, name: str, old: Values, new: Values, seed: bytes) -> tuple[Values, list[Mismatch]]:
        """The inputs with names and location filled in as azure-native does, and what of them the SDK's types don't allow."""
        kind = kind_of(resource_type)
        expected = schema.inputs(resource_type)
        inputs = copy.deepcopy(new)
        if inputs.get(kind.name_property) is None:
            inputs[kind.name_property] = old.get(kind.name_property) or automatic_name(resource_type, kind, name, seed)
            if old.get(CREATE_BEFORE_DELETE) or (not old and is_random(resource_type, kind)):
                inputs[CREATE_BEFORE_DELETE] = True
        if "location" in expected and inputs.get("location") is None:
            location = old.get("location") or self.config.get("location") or self._location_of_group(inputs)
            inputs |= {"location": location} if location else {}
        own = {key: value for key, value in inputs.items() if key != CREATE_BEFORE_DELETE}
        return inputs, schema.mismatches(own, expected)

    def _location_of_group(self, inputs: Values) -> str | None:
        group = str(inputs.get("resourceGroupName"))
        if group == UNKNOWN:
            return UNKNOWN
        for resource in self.subscription.state().of_type("resources:ResourceGroup").values():
            if same(resource["outputs"]["name"], group):
                return str(resource["outputs"]["location"])
        return None

    def diff(self, resource_type: str, old_inputs: Values, new_inputs: Values) -> dict[str, Change]:
        return changes(old_inputs, new_inputs, kind_of(resource_type))

    def preview(self, resource_type: str, inputs: Values, old_outputs: Values | None) -> Values:
        """What is known of the outputs before a create or an update: the inputs, and of an update the name and the location."""
        given = schema.outputs(resource_type)
        known = {key: schema.projected(value, given[key].shape, UNKNOWN) for key, value in inputs.items() if key in given}
        known |= {key: value for key, value in (old_outputs or {}).items() if key in {"name", "location"}}
        return dict.fromkeys(given, UNKNOWN) | known

    def create(self, resource_type: str, inputs: Values) -> tuple[str, Values]:
        kind = kind_of(resource_type)
        resource_id = kind.id_of(inputs, self.subscription.scenario()["subscriptionId"])

        def make(state: State, scenario: Values) -> Values:
            authorize(f"{kind.arm_type}/write", resource_id, scenario["caller"])
            if kind.singleton and state.get(resource_id):
                check_update(short(resource_type), resource_id, inputs, state, scenario)
            else:
                check_create(short(resource_type), resource_id, inputs, state, scenario)
            check_requirements(short(resource_type), inputs)
            return self._put(resource_type, resource_id, inputs, {}, state, scenario)

        outputs = self._call("create", resource_type, resource_id, make)
        try:
            return resource_id, self._apply(resource_type, resource_id, inputs, outputs)
        except Exception:
            with self.subscription.locked() as state:
                state.resources.pop(resource_id, None)
            raise

    def update(self, resource_type: str, resource_id: str, inputs: Values) -> Values:
        """Like the PUT of Azure, it makes again what was deleted behind Pulumi's back."""
        kind = kind_of(resource_type)

        def change(state: State, scenario: Values) -> Values:
            authorize(f"{kind.arm_type}/write", resource_id, scenario["caller"])
            present = state.get(resource_id)
            sent = inputs
            if present:
                sent = kept_as_made(kind, present["inputs"], inputs)
                check_fixed(kind, present["inputs"], sent)
                check_update(short(resource_type), resource_id, sent, state, scenario)
            else:
                check_create(short(resource_type), resource_id, inputs, state, scenario)
            check_requirements(short(resource_type), sent)
            return self._put(resource_type, resource_id, sent, present["outputs"] if present else {}, state, scenario)

        outputs = self._call("update", resource_type, resource_id, change)
        return self._apply(resource_type, resource_id, inputs, outputs)

    def read(
        self, resource_type: str, resource_id: str, old_inputs: Values | None = None, old_outputs: Values | None = None
    ) -> tuple[Values, Values] | None:
        """The outputs as they stand now, and the inputs that azure-native infers; None for what is gone.

        `old_inputs` and `old_outputs` are those of the last update. Without them (an import), the inputs are those of Azure.
        """

        def look(state: State, scenario: Values) -> tuple[Values, Values] | None:
            authorize(f"{kind_of(resource_type).arm_type}/read", resource_id, scenario["caller"])
            resource = state.get(resource_id)
            if resource is None:
                return None
            return current(short(resource_type), resource_id, resource["outputs"], state), resource["inputs"]

        found = self._call("read", resource_type, resource_id, look)
        if found is None or not old_inputs:
            return found
        outputs, _ = found
        before, after = input_shape(resource_type, old_outputs or {}), input_shape(resource_type, outputs)
        for name in kind_of(resource_type).shared_lists:
            if name not in old_inputs:
                after.pop(name, None)
        return outputs, refreshed(old_inputs, before, after)

    def delete(self, resource_type: str, resource_id: str) -> None:
        """Delete it with all that is below it. What is gone already is as good as deleted."""

        def inspect(state: State, scenario: Values) -> list[tuple[str, str]]:
            authorize(f"{kind_of(resource_type).arm_type}/delete", resource_id, scenario["caller"])
            known = state.id_like(resource_id)
            if not known:
                return []
            check_delete(short(resource_type), known, state, scenario)
            below = [each for each in state.below(known) if not kind_of(state.resources[each]["type"]).outlives_group]
            return [(state.resources[each]["type"], each) for each in (*below, known)]

        doomed = self._call("delete", resource_type, resource_id, inspect)
        for each_type, each in doomed:
            if short(each_type) in WORLDLY:
                self.running.remove(each_type, each)
        with self.subscription.locked() as state:
            for _, each in doomed:
                resource = state.resources.pop(each, None)
                if resource and short(resource["type"]) in KEPT:
                    state.deleted[each] = {**resource, "deleted": time.time()}

    def invoke(self, token: str, arguments: Values) -> Values:
        function = token.removeprefix("azure-native:")
        scenario = self.subscription.scenario()
        if function == "authorization:getClientConfig":
            caller = scenario["caller"]
            return {
                "clientId": caller["clientId"],
                "objectId": caller["objectId"],
                "subscriptionId": scenario["subscriptionId"],
                "tenantId": scenario["tenantId"],
            }
        if read_type := getter(function):
            return self._look_up(function, read_type, arguments, scenario["subscriptionId"])
        if function not in KEY_FUNCTIONS:
            known = ", ".join(["authorization:getClientConfig", *sorted(KEY_FUNCTIONS)]) + ", and get… of each type"
            raise Failure(501, "NotImplemented", f"the stand-in for Azure doesn't know the function {token}; it knows {known}")
        resource_type = KEY_FUNCTIONS[function][0]
        resource_id = kind_of(resource_type).id_of(arguments, scenario["subscriptionId"])

        def hand_out(state: State, scenario: Values) -> Values:
            authorize(key_action(function), resource_id, scenario["caller"])
            return keys(function, resource_id, state.get(resource_id))

        return self._call(function, f"azure-native:{resource_type}", resource_id, hand_out)

    def _look_up(self, function: str, read_type: str, arguments: Values, subscription_id: str) -> Values:
        """What a resource is, as a function reads it; refused where there is none."""
        kind = kind_of(read_type)
        resource_id = kind.id_of(arguments, subscription_id)

        def read(state: State, scenario: Values) -> Values:
            authorize(f"{kind.arm_type}/read", resource_id, scenario["caller"])
            found = state.get(resource_id)
            if found is None:
                raise Failure(404, "ResourceNotFound", f"The Resource '{resource_id}' was not found.")
            return {**found["outputs"], "id": state.id_like(resource_id)}

        return self._call(function, f"azure-native:{read_type}", resource_id, read)

    def _call(self, operation: str, resource_type: str, resource_id: str, act: Callable[[State, Values], Result]) -> Result:
        """Send one call, again after a while where it is throttled."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt(operation, resource_type, resource_id, act)
            except Throttled as throttled:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(throttled.retry_after_seconds)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _attempt(self, operation: str, resource_type: str, resource_id: str, act: Callable[[State, Values], Result]) -> Result:
        subscription = self.subscription
        with subscription.locked() as state:
            scenario = subscription.scenario()
            answer = "defect of the stand-in"
            try:
                if planned := planned_failure(operation, short(resource_type), scenario, subscription.calls()):
                    raise planned
                result = act(state, scenario)
                answer = "OK"
            except Failure as failure:
                answer = getattr(failure, "__notes__", [failure.code])[0]
                raise
            finally:
                subscription.record(operation, resource_type, resource_id, answer)
            return result

    def _put(
        self, resource_type: str, resource_id: str, inputs: Values, old_outputs: Values, state: State, scenario: Values
    ) -> Values:
        known = state.id_like(resource_id) or resource_id
        deleted = next((each for each in state.deleted if same(each, resource_id)), None)
        if deleted:
            old_outputs = state.deleted.pop(deleted)["outputs"]
        outputs = respond(resource_type, resource_id, inputs, old_outputs, state, scenario)
        now = time.time()
        created = state.resources.get(known, {}).get("created", now)
        state.resources[known] = {
            "type": resource_type,
            "inputs": inputs,
            "outputs": outputs,
            "created": created,
            "written": now,
        }
        return outputs

    def _apply(self, resource_type: str, resource_id: str, inputs: Values, outputs: Values) -> Values:
        """Let what runs follow, with no lock held: it may take long, and look at the state itself."""
        if short(resource_type) not in WORLDLY:
            return outputs
        applied = self.running.apply(resource_type, resource_id, inputs, outputs)
        if applied != outputs:
            with self.subscription.locked() as state:
                if resource := state.get(resource_id):
                    resource["outputs"] = applied
        return applied


def input_shape(resource_type: str, outputs: Values) -> Values:
    """The part of the outputs that are inputs, too."""
    expected = schema.inputs(resource_type)
    return {key: schema.projected(value, expected[key].shape) for key, value in outputs.items() if key in expected}


def short(resource_type: str) -> str:
    return resource_type.removeprefix("azure-native:")


def is_random(resource_type: str, kind: Kind) -> bool:
    """Whether a name that azure-native makes up is unlike any other."""
    return kind.is_top_level or kind.guid_named


def automatic_name(resource_type: str, kind: Kind, name: str, seed: bytes) -> str:
    """The name of a resource that was given none: with a random suffix where it lies right below a resource group."""
    digest = hashlib.sha256(seed + name.encode()).digest()
    if kind.guid_named:
        return str(uuid.UUID(bytes=digest[:16], version=4))
    if kind.singleton:
        return "default"
    return f"{name}{digest.hex()[:8]}" if kind.is_top_level else name
