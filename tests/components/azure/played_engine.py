"""Pulumi's engine, played."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.runtime import mocks, settings


class Engine(mocks.Mocks):
    """Keeps what is declared; answers the name that Azure gives a definition."""

    def __init__(self) -> None:
        self.declared: dict[str, dict[str, Any]] = {}
        """By the last part of the type."""
        self.by_name: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.declared[args.typ.rpartition(":")[2]] = self.by_name[args.name] = args.inputs
        outputs = {**args.inputs, "name": args.inputs.get("roleDefinitionId", args.name)}
        if "identity" in outputs:  # which Azure answers in another form
            identities = {key: {} for key in outputs["identity"]["userAssignedIdentities"]}
            outputs["identity"] = {**outputs["identity"], "userAssignedIdentities": identities}
        return f"id of {args.name}", outputs

    def call(self, _: mocks.MockCallArgs) -> dict[str, Any]:
        return {}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    loops: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def kept() -> asyncio.AbstractEventLoop:
        loops.append(new_event_loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", kept)  # Pulumi opens one for each of its threads, and closes none
    asyncio.set_event_loop(asyncio.new_event_loop())
    engine = Engine()
    mocks.set_mocks(engine)
    yield engine
    settings.reset_options()
    asyncio.set_event_loop(None)
    for loop in loops:
        loop.close()
