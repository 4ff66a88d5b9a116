"""Base classes: for the providers of all resources, and for those of the resources behind the REST contract."""

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, ClassVar

from pulumi import dynamic
from pulumi.dynamic.dynamic import PROVIDER_KEY
from pulumi.output import Unknown

from vision_customization.common.loopback import is_hung, is_stopped
from vision_customization.contract.limits import NAME_MAX_LENGTH
from vision_customization.contract.texts import name_fault
from vision_customization.customization.errors import NotFound
from vision_customization.customization.resources.connection import CONNECTION_PROPERTIES
from vision_customization.customization.resources.row import Row

Properties = dict[str, Any]

PREVIEW_LIMIT = 20
"""Violations shown per property; the rest are only counted."""

ENGINE_INTERVAL_SECONDS = 1.0


def end_with_engine(address: str) -> None:
    """End this process soon after Pulumi's engine, which listens at `address` (`host:port`) for as long as its CLI lives."""

    def watch() -> None:
        while not is_stopped(f"http://{address}"):
            time.sleep(ENGINE_INTERVAL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="engine", daemon=True).start()


if getattr(sys.modules["__main__"].__spec__, "name", None) == "pulumi.dynamic.__main__":
    # Each call has a thread of its own. Two that import it in different ways, as the client and Azure's SDK do, can wait for
    # each other: "deadlock detected by _ModuleLock".
    import_module("requests")
    # A CLI that is killed leaves its provider process behind, which would continue its operation.
    end_with_engine(sys.argv[1])


_KEPT: set[tuple[str, ...]] = set()
"""What this update created, took over or left unchanged. A provider's process lives as long as the update."""


_UNDELETED: dict[str, list[str]] = {}
"""What this update could not delete from the engine at each address, because the engine is away."""


def undeleted_at(endpoint: str) -> list[str]:
    """What this update could not delete from the engine at `endpoint`, as `published name 'leaves'`."""
    return _UNDELETED.get(endpoint, [])


ENGINE = "vision-engine"

_HUNG: dict[str, float] = {}
"""Engines on this machine that did not answer, and when: so that they are not asked again for each resource."""

HUNG_SECONDS = 60.0


def engine_is_away(properties: Mapping[str, Any]) -> bool:
    """Whether a resource's engine is on this machine, and is not running or hangs."""
    endpoint = str(properties["endpoint"])
    if is_stopped(endpoint) or time.monotonic() - _HUNG.get(endpoint, float("-inf")) < HUNG_SECONDS:
        return True
    if not is_hung(endpoint, ENGINE):
        return False
    _HUNG[endpoint] = time.monotonic()
    return True


def engine_is_back(endpoint: str) -> None:
    """Note that an engine was started again, so that it is asked again."""
    _HUNG.pop(endpoint, None)


def is_known(*values: object) -> bool:
    """Whether a preview knows the values already."""
    return not any(isinstance(value, Unknown) for value in values)


def failures(property_name: str, messages: list[str]) -> list[dynamic.CheckFailure]:
    """One failure for each message: a CheckFailure is the one error that the CLI prints without a traceback."""
    shown = [dynamic.CheckFailure(property_name, message) for message in messages[:PREVIEW_LIMIT]]
    if len(messages) > PREVIEW_LIMIT:
        shown.append(dynamic.CheckFailure(property_name, f"… and {len(messages) - PREVIEW_LIMIT} more"))
    return shown


def name_failures(
    property_name: str, name: object, remedy: str, *, longest: int = NAME_MAX_LENGTH
) -> list[dynamic.CheckFailure]:
    """The failure for a name that the service would refuse during the update; none if a preview does not know the name yet."""
    fault = name_fault(name, longest) if isinstance(name, str) else None
    return failures(property_name, [f"{fault}. {remedy}"] if fault else [])


class DeclaredProvider(dynamic.ResourceProvider):
    """A provider that declares its resource's inputs and identity in one place."""

    serialize_as_secret_always = False

    inputs: ClassVar[tuple[str, ...]]
    """The names of the resource's inputs, including those that `check` fills in."""

    identity: ClassVar[tuple[str, ...]]
    """The properties that identify the real object: two resources with the same values are the same object."""

    same_while_unknown: ClassVar[tuple[str, ...]] = ()
    """Inputs that count as unchanged while a preview does not know them yet."""

    def keep(self, properties: Mapping[str, Any]) -> None:
        """Do not delete the object with these properties during the rest of this update.

        A create reuses an existing object with its name. If Pulumi replaces a resource by one with the same name (`up
        --replace`, `state taint`, another name in the program), it then asks to delete what the new one has just taken over.
        """
        _KEPT.add(self._thing(properties))

    def is_kept(self, properties: Mapping[str, Any]) -> bool:
        return self._thing(properties) in _KEPT

    def _thing(self, properties: Mapping[str, Any]) -> tuple[str, ...]:
        return (type(self).__name__, *(str(properties.get(name)) for name in self.identity))

    def difference(
        self, olds: Mapping[str, Any], changed: Collection[str], replaces: Sequence[str] = (), *, delete_first: bool = False
    ) -> dynamic.DiffResult:
        """The answer of `diff`. What is not replaced is kept: an interrupted update may have left a pending delete of it."""
        if not replaces:
            self.keep(olds)
        return dynamic.DiffResult(bool(changed), list(replaces), delete_before_replace=delete_first)

    def changed(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> set[str]:
        """The names of the inputs that differ. PROVIDER_KEY is among them if the state has another name for the
        provider, as after its class moved to another module: only an update writes the new name."""
        return {
            name
            for name in (*self.inputs, PROVIDER_KEY)
            if olds.get(name) != news.get(name) and not (name in self.same_while_unknown and not is_known(news.get(name)))
        }

    def update(self, _id: str, olds: Properties, news: Properties) -> dynamic.UpdateResult:
        """Update the resource; if only the provider's name in the state differs, write just that."""
        if self.changed(olds, news) == {PROVIDER_KEY}:
            return dynamic.UpdateResult({**olds, **news})
        return dynamic.UpdateResult(self.apply(olds, news))

    def apply(self, olds: Properties, news: Properties) -> Properties:
        """Change the object to what is declared now; returns all outputs. By default, only the inputs in the state change."""
        return {**olds, **news}

    def observed(self, id_: str, outs: Properties) -> dynamic.ReadResult:
        """The result of a refresh. It includes the inputs, since Pulumi ignores drift that is in outputs alone."""
        return dynamic.ReadResult(id_, outs, inputs={name: outs[name] for name in (*self.inputs, "row_urn") if name in outs})


class VisionProvider(DeclaredProvider, ABC):
    """A provider whose resource lives behind the REST contract."""

    noun: ClassVar[str]
    """What messages call the resource; the last property of its identity is its name."""

    same_while_unknown: ClassVar[tuple[str, ...]] = CONNECTION_PROPERTIES  # a restarting service keeps its address

    @abstractmethod
    def look(self, properties: Properties) -> Properties:
        """The service's current values, which replace those in the state. Raises NotFound."""

    @abstractmethod
    def remove(self, properties: Properties) -> None:
        """Remove the resource from the service. Raises NotFound."""

    def read(self, id_: str, props: Properties) -> dynamic.ReadResult:
        """Read the resource. If the engine on this machine is down or hangs, its own row shows that, and the state stays."""
        if engine_is_away(props):
            return self.observed(id_, props)
        try:
            outs = {**props, **self.look(props)}
        except NotFound:
            return dynamic.ReadResult("", {})
        return self.observed(id_, outs)

    def delete(self, _id: str, props: Properties) -> None:
        if self.is_kept(props):
            Row(props["row_urn"]).say("kept, because its replacement now uses it")
            return
        if engine_is_away(props):
            _UNDELETED.setdefault(str(props["endpoint"]), []).append(f"{self.noun} '{props[self.identity[-1]]}'")
            Row(props["row_urn"]).warn(
                "not deleted, because the local engine does not answer: it stays in the engine's data folder"
            )
            return
        with suppress(NotFound):
            self.remove(props)
