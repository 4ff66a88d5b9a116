"""Pulumi's engine, played."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pulumi.runtime import mocks, settings


class Engine(mocks.Mocks):
    """Keeps what is declared; answers what Azure makes up: the name of a definition, the endpoints of an account."""

    def __init__(self) -> None:
        self.declared: dict[str, dict[str, Any]] = {}
        """By the last part of the type."""
        self.by_name: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.declared[args.typ.rpartition(":")[2]] = self.by_name[args.name] = args.inputs
        made_up = {"primaryEndpoints": {"blob": "https://visiondev.blob.core.windows.net/"}}
        outputs = {**made_up, **args.inputs, "name": args.inputs.get("roleDefinitionId", args.name)}
        if "userAssignedIdentities" in outputs.get("identity", {}):  # which Azure answers in another form
            identities = {key: {} for key in outputs["identity"]["userAssignedIdentities"]}
            outputs["identity"] = {**outputs["identity"], "userAssignedIdentities": identities}
        return f"id of {args.name}", outputs

    def call(self, _: mocks.MockCallArgs) -> dict[str, Any]:
        return {}


@contextmanager
def playing(played: mocks.Mocks, **names: str) -> Iterator[None]:
    """Let `played` answer what is declared. `names`: `project` and `stack`."""
    loops: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def kept() -> asyncio.AbstractEventLoop:
        loops.append(new_event_loop())
        return loops[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", kept)  # Pulumi opens one for each of its threads, and closes none
        asyncio.set_event_loop(asyncio.new_event_loop())
        mocks.set_mocks(played, **names)
        yield
        settings.reset_options()
        asyncio.set_event_loop(None)
    for loop in loops:
        loop.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    with playing(engine):
        yield engine
