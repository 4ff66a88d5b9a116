"""What a test says to Azure's stand-in: how Azure behaves, what is there, and what somebody changed behind Pulumi's back."""

import os
import re
import sys
import uuid
from pathlib import Path
from typing import Any

from tests.stacks.azure import schema
from tests.stacks.azure.subscription import Resource, State, Subscription
from tests.support.places import CHECKOUT

PLUGIN = "pulumi-resource-azure-native"


class Azure:
    """One subscription in a folder, with a plugin of its own for the CLI."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.subscription = Subscription(folder)

    def environment(self) -> dict[str, str]:
        """What the CLI needs in its environment, so that azure-native resources are made here."""
        bin_folder = self.folder / "bin"
        bin_folder.mkdir(exist_ok=True)
        plugin = bin_folder / PLUGIN
        # -P and an own search path: the plugin is started in the folder of the program, which may hold modules of any name.
        plugin.write_text(f'#!/bin/sh\nPYTHONPATH="{CHECKOUT}" exec "{sys.executable}" -P -m tests.stacks.azure.plugin "$@"\n')
        plugin.chmod(0o755)
        return {
            "PATH": os.pathsep.join([str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "AZURE_STAND_IN": str(self.folder),
        }

    def resources(self, resource_type: str | None = None) -> dict[str, Resource]:
        """What exists, by id; `resource_type` is like `storage:StorageAccount`."""
        state = self.subscription.state()
        return state.resources if resource_type is None else state.of_type(resource_type.removeprefix("azure-native:"))

    def deleted(self) -> dict[str, Resource]:
        """What was deleted and can be restored."""
        return self.subscription.state().deleted

    def calls(self) -> list[dict[str, Any]]:
        return self.subscription.calls()

    def scenario(self, **keys: object) -> None:
        """Set keys of the scenario; None takes one away. What is planned in `fail` counts again from 0."""
        rules = keys.get("fail")
        if isinstance(rules, list):
            keys["fail"] = [{**rule, "planned": str(uuid.uuid4())} for rule in rules]
        self.subscription.change_scenario(keys)

    def change(self, resource_id: str, path: str, value: object) -> None:
        """Change a property (`tags.owner`, `sku.name`) as somebody in the portal would."""
        with self.subscription.locked() as state:
            resource = state.resources[known(resource_id, state)]
            keys = re.findall(r"[^.\[\]]+", path)
            if keys[0] not in schema.inputs(resource["type"]) and keys[0] not in schema.outputs(resource["type"]):
                raise KeyError(f"{resource['type']} has no property {keys[0]}")
            for part, properties in (("inputs", schema.inputs), ("outputs", schema.outputs)):
                if keys[0] in properties(resource["type"]):
                    put(resource[part], keys, value)

    def grow_disk(self, server_id: str, size_gb: int) -> None:
        """Give a PostgreSQL server a larger disk, as Azure does when the one that it has fills up."""
        self.change(server_id, "storage.storageSizeGB", size_gb)

    def fail_over(self, server_id: str) -> None:
        """Let the standby of a PostgreSQL server take over: the two swap their zones."""
        outputs = self.resources()[known(server_id, self.subscription.state())]["outputs"]
        primary, standby = outputs["availabilityZone"], outputs["highAvailability"]["standbyAvailabilityZone"]
        self.change(server_id, "availabilityZone", standby)
        self.change(server_id, "highAvailability.standbyAvailabilityZone", primary)

    def restore_server(self, source_id: str, name: str, time: str) -> str:
        """Make a PostgreSQL server from a backup of another one, as `az postgres flexible-server restore` does; returns its id.

        It has the databases and the size of the other one, but neither its standby nor its firewall rules.
        """
        from tests.stacks.azure.provider import EmptyWorld, Provider

        source = self.resources()[source_id]["inputs"]
        kept = {key: source[key] for key in ("resourceGroupName", "location", "sku", "storage", "network") if key in source}
        backup = {"createMode": "PointInTimeRestore", "sourceServerResourceId": source_id, "pointInTimeUTC": time}
        provider = Provider(self.folder, EmptyWorld())
        restored, _ = provider.create("azure-native:dbforpostgresql:Server", {**kept, **backup, "serverName": name})
        for id_, database in self.resources("dbforpostgresql:Database").items():
            if id_.startswith(f"{source_id}/"):
                provider.create(database["type"], {**database["inputs"], "serverName": name})
        return restored

    def remove(self, resource_id: str) -> None:
        """Delete a resource, with what is below it, behind Pulumi's back; nothing is asked, nothing is kept for a restore."""
        with self.subscription.locked() as state:
            for doomed in [*state.below(known(resource_id, state)), known(resource_id, state)]:
                del state.resources[doomed]


def known(resource_id: str, state: State) -> str:
    found = state.id_like(resource_id)
    if found is None:
        raise KeyError(f"there is no {resource_id}; there are {', '.join(state.resources) or 'none'}")
    return found


def put(target: Any, keys: list[str], value: object) -> None:  # noqa: ANN401 - JSON
    """Set what `keys` lead to; a number is an index where there is a list."""
    for key in keys[:-1]:
        target = target[int(key)] if isinstance(target, list) else target.setdefault(key, {})
    if isinstance(target, list):
        target[int(keys[-1])] = value
    else:
        target[keys[-1]] = value
