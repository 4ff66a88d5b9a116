"""What exists in the subscription, and how Azure behaves: two files in one folder, shared by processes under a lock."""

import copy
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Resource = dict[str, Any]

DEFAULT_SCENARIO: dict[str, Any] = {
    "subscriptionId": "5c0ffee5-0000-4000-8000-00000000a2e1",
    "tenantId": "7e4a4700-0000-4000-8000-00000000a2e1",
    "caller": {
        "objectId": "ca11e400-0000-4000-8000-000000000001",
        "clientId": "ca11e400-0000-4000-8000-000000000002",
        "actions": ["*"],
        "notActions": [],
    },
}


def same(first: str, second: str) -> bool:
    """Ids in Azure are the same whatever their case."""
    return first.lower() == second.lower()


@dataclass
class State:
    """The resources by id. `deleted` holds what can still be restored."""

    resources: dict[str, Resource] = field(default_factory=dict)
    deleted: dict[str, Resource] = field(default_factory=dict)

    def id_like(self, resource_id: str) -> str | None:
        return next((known for known in self.resources if same(known, resource_id)), None)

    def get(self, resource_id: str) -> Resource | None:
        known = self.id_like(resource_id)
        return self.resources[known] if known else None

    def of_type(self, name: str) -> dict[str, Resource]:
        """All of a type such as `storage:StorageAccount`."""
        return {key: value for key, value in self.resources.items() if value["type"] == f"azure-native:{name}"}

    def below(self, resource_id: str) -> list[str]:
        """The ids of all that goes with a resource when it is deleted, deepest first."""
        prefix = f"{resource_id}/".lower()
        return sorted((known for known in self.resources if known.lower().startswith(prefix)), key=len, reverse=True)


class Subscription:
    """The folder. All that reads and then writes does it under `locked`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[State]:
        """The state, to be changed; it is written when the block ends well and has changed it."""
        with self._lock():
            state = self.state()
            before = copy.deepcopy(state)
            yield state
            if state != before:
                self._write("state.json", {"resources": state.resources, "deleted": state.deleted})

    def state(self) -> State:
        stored = self._read("state.json")
        return State(stored.get("resources", {}), stored.get("deleted", {}))

    def scenario(self) -> dict[str, Any]:
        stored = self._read("scenario.json")
        caller = {**DEFAULT_SCENARIO["caller"], **stored.get("caller", {})}
        return {**DEFAULT_SCENARIO, **stored, "caller": caller}

    def change_scenario(self, changes: dict[str, object]) -> None:
        """Set keys of the scenario; None takes a key away."""
        with self._lock():
            stored = {**self._read("scenario.json"), **changes}
            self._write("scenario.json", {key: value for key, value in stored.items() if value is not None})

    def calls(self) -> list[dict[str, Any]]:
        """Every call so far: what was asked, of which resource, and what the answer was."""
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def record(self, operation: str, resource_type: str, resource_id: str, answer: str) -> None:
        entry = {"operation": operation, "type": resource_type, "id": resource_id, "answer": answer, "at": time.time()}
        with (self.folder / "calls.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        stored: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return stored

    def _write(self, name: str, content: dict[str, Any]) -> None:
        path = self.folder / name
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(content, indent=1, sort_keys=True))
        os.replace(draft, path)  # noqa: PTH105 - what a reader without the lock sees is whole
