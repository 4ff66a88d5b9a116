"""Pulumi's engine, played: what a component declares, without a CLI, a plugin or a network."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.runtime import mocks, settings


class Engine(mocks.Mocks):
    """Keeps what is declared; answers what Azure makes up: the name of a definition, the endpoints of an account."""

    def __init__(self) -> None:
        self.declared: dict[str, dict[str, Any]] = {}
        """The inputs of the last resource of each type."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.declared[args.typ.rpartition(":")[2]] = args.inputs
        made_up = {"primaryEndpoints": {"blob": "https://visiondev.blob.core.windows.net/"}}
        return f"id of {args.name}", {**made_up, **args.inputs, "name": args.inputs.get("roleDefinitionId", args.name)}

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
