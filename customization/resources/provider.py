"""What the providers of all resources have in common, and those of the four resources behind the REST contract."""

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
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
"""Violations shown for one property; the rest is counted."""

ENGINE_INTERVAL_SECONDS = 1.0


def end_with_engine(address: str) -> None:
    """End this process soon after Pulumi's engine, which listens at `address` (`host:port`) for as long as its CLI lives."""

    def watch() -> None:
        while not is_stopped(f"http://{address}"):
            time.sleep(ENGINE_INTERVAL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="engine", daemon=True).start()


if getattr(sys.modules["__main__"].__spec__, "name", None) == "pulumi.dynamic.__main__":
    # A CLI that is killed leaves its provider process behind, which would go on with what it was doing.
    end_with_engine(sys.argv[1])


_KEPT: set[tuple[str, ...]] = set()
"""What this update has made, taken over, or left as it is. The process of a provider lives as long as the update."""


ENGINE = "vision-engine"

_HUNG: dict[str, float] = {}
"""Engines of this machine that did not answer, and when that was found out: they are not asked for each resource again."""

HUNG_SECONDS = 60.0


def engine_is_away(properties: Mapping[str, Any]) -> bool:
    """Whether the engine of a resource is one of this machine, and is not running or hangs."""
    endpoint = str(properties["endpoint"])
    if is_stopped(endpoint) or time.monotonic() - _HUNG.get(endpoint, float("-inf")) < HUNG_SECONDS:
        return True
    if not is_hung(endpoint, ENGINE):
        return False
    _HUNG[endpoint] = time.monotonic()
    return True


def engine_is_back(endpoint: str) -> None:
    """Ask an engine again that was started meanwhile."""
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
    """The failure of a name that the service would refuse during the update; none where a preview does not know it yet."""
    fault = name_fault(name, longest) if isinstance(name, str) else None
    return failures(property_name, [f"{fault}. {remedy}"] if fault else [])


class DeclaredProvider(dynamic.ResourceProvider):
    """A provider that says once what its resource is declared by."""

    serialize_as_secret_always = False

    inputs: ClassVar[tuple[str, ...]]
    """The names of the resource's inputs, those that `check` fills in among them."""

    identity: ClassVar[tuple[str, ...]]
    """The properties that say which thing it is: two resources with the same ones are the same thing."""

    same_while_unknown: ClassVar[tuple[str, ...]] = ()
    """Inputs that are as they were where a preview does not know them yet."""

    def keep(self, properties: Mapping[str, Any]) -> None:
        """Spare the thing of these properties for the rest of this update.

        A create takes over what is there under its name. So where Pulumi replaces a resource by one with the same name (`up
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
        """The answer of `diff`; what is not replaced is kept, since an interrupted update may have left a delete of it."""
        if not replaces:
            self.keep(olds)
        return dynamic.DiffResult(bool(changed), list(replaces), delete_before_replace=delete_first)

    def changed(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> set[str]:
        """The names of the inputs that differ. PROVIDER_KEY is among them where the state names the provider differently, as
        after its class moved to another module: only an update writes the present name."""
        return {
            name
            for name in (*self.inputs, PROVIDER_KEY)
            if olds.get(name) != news.get(name) and not (name in self.same_while_unknown and not is_known(news.get(name)))
        }

    def update(self, _id: str, olds: Properties, news: Properties) -> dynamic.UpdateResult:
        """Where only the provider's name in the state differs, everything else stays as it is."""
        if self.changed(olds, news) == {PROVIDER_KEY}:
            return dynamic.UpdateResult({**olds, **news})
        return dynamic.UpdateResult(self.apply(olds, news))

    def apply(self, olds: Properties, news: Properties) -> Properties:
        """Turn what is there into what is declared now; all its outputs. Here: nothing but the inputs in the state changes."""
        return {**olds, **news}

    def observed(self, id_: str, outs: Properties) -> dynamic.ReadResult:
        """What a refresh has seen. With the inputs: a drift in outputs alone is swallowed."""
        return dynamic.ReadResult(id_, outs, inputs={name: outs[name] for name in (*self.inputs, "row_urn") if name in outs})


class VisionProvider(DeclaredProvider, ABC):
    """A provider whose resource lives behind the REST contract."""

    same_while_unknown: ClassVar[tuple[str, ...]] = (
        CONNECTION_PROPERTIES  # a service that is being started again answers where it did before
    )

    @abstractmethod
    def look(self, properties: Properties) -> Properties:
        """What the service has of this resource now, to be laid over its properties. Raises NotFound."""

    @abstractmethod
    def remove(self, properties: Properties) -> None:
        """Remove the resource from the service. Raises NotFound."""

    def read(self, id_: str, props: Properties) -> dynamic.ReadResult:
        """An engine of this machine that is not running, or hangs, is seen on its own row; what it holds is as it was."""
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
            Row(props["row_urn"]).warn(
                "not deleted, because the local engine does not answer: it stays in the engine's data folder"
            )
            return
        with suppress(NotFound):
            self.remove(props)
