"""What the providers of all resources have in common, and those of the four resources behind the REST contract."""

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pulumi import dynamic
from pulumi.output import Unknown

from customization.errors import NotFound, Unreachable
from customization.loopback import is_stopped
from customization.resources.connection import CONNECTION_PROPERTIES
from customization.resources.row import Row

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


def is_known(*values: object) -> bool:
    """Whether a preview knows the values already."""
    return not any(isinstance(value, Unknown) for value in values)


def failures(property_name: str, messages: list[str]) -> list[dynamic.CheckFailure]:
    """One failure for each message: a CheckFailure is the one error that the CLI prints without a traceback."""
    shown = [dynamic.CheckFailure(property_name, message) for message in messages[:PREVIEW_LIMIT]]
    if len(messages) > PREVIEW_LIMIT:
        shown.append(dynamic.CheckFailure(property_name, f"… and {len(messages) - PREVIEW_LIMIT} more"))
    return shown


class DeclaredProvider(dynamic.ResourceProvider):
    """A provider that says once what its resource is declared by."""

    serialize_as_secret_always = False

    inputs: ClassVar[tuple[str, ...]]
    """The names of the resource's inputs, those that `check` fills in among them."""

    same_while_unknown: ClassVar[tuple[str, ...]]
    """Inputs that are as they were where a preview does not know them yet."""

    def changed(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> set[str]:
        """The names of the inputs that differ."""
        return {
            name
            for name in self.inputs
            if olds.get(name) != news.get(name) and not (name in self.same_while_unknown and not is_known(news.get(name)))
        }

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
        """An engine of this machine that is not running is seen on its own row; what it holds is as it was."""
        try:
            outs = {**props, **self.look(props)}
        except NotFound:
            return dynamic.ReadResult("", {})
        except Unreachable:
            if not is_stopped(props["endpoint"]):
                raise
            outs = props
        return self.observed(id_, outs)

    def delete(self, _id: str, props: Properties) -> None:
        try:
            self.remove(props)
        except NotFound:
            return
        except Unreachable:
            if not is_stopped(props["endpoint"]):
                raise
            Row(props["row_urn"]).warn(
                "the local engine is not running: this stays in its data folder, where the next `up` finds it"
            )
