from typing import Any

import pytest

from tests.stacks.azure.catalog import CATALOG
from tests.stacks.azure.difference import Change, changes, refreshed
from tests.stacks.azure.schema import UNKNOWN

ACCOUNT: dict[str, Any] = {
    "accountName": "visiontraining",
    "location": "eastus",
    "kind": "StorageV2",
    "sku": {"name": "Standard_LRS"},
    "tags": {"owner": "vision"},
}


@pytest.mark.parametrize(
    ("resource_type", "change", "expected"),
    [
        ("storage:StorageAccount", {}, {}),
        ("storage:StorageAccount", {"location": "East US"}, {}),
        ("storage:StorageAccount", {"location": "westus2"}, {"location": Change.UPDATE_REPLACE}),
        ("storage:StorageAccount", {"accountName": "other"}, {"accountName": Change.UPDATE_REPLACE}),
        # A name that only the update knows may be another one.
        ("storage:StorageAccount", {"accountName": UNKNOWN}, {"accountName": Change.UPDATE_REPLACE}),
        # Azure refuses these, for all that azure-native sends them: replacing an account would lose what is in it.
        ("storage:StorageAccount", {"kind": "BlobStorage"}, {"kind": Change.UPDATE}),
        ("storage:StorageAccount", {"encryption": {"requireInfrastructureEncryption": True}}, {"encryption": Change.ADD}),
        ("storage:StorageAccount", {"isHnsEnabled": True}, {"isHnsEnabled": Change.ADD_REPLACE}),
        ("storage:StorageAccount", {"sku": {"name": "Standard_ZRS"}}, {"sku.name": Change.UPDATE}),
        ("storage:StorageAccount", {"tags": {"owner": "me"}}, {"tags.owner": Change.UPDATE}),
        ("storage:StorageAccount", {"tags": None}, {"tags": Change.DELETE}),
        ("cognitiveservices:Account", {"kind": "OpenAI"}, {"kind": Change.UPDATE}),
        ("cognitiveservices:Account", {"properties": {"restore": True}}, {"properties": Change.ADD}),
        ("authorization:RoleAssignment", {"principalId": "x"}, {"principalId": Change.ADD_REPLACE}),
        ("authorization:RoleAssignment", {"roleDefinitionId": "x"}, {"roleDefinitionId": Change.ADD}),
        ("app:ManagedEnvironment", {"vnetConfiguration": {"internal": True}}, {"vnetConfiguration": Change.ADD}),
        ("app:ManagedEnvironment", {"zoneRedundant": True}, {"zoneRedundant": Change.ADD_REPLACE}),
        ("app:ContainerApp", {"template": {"containers": [1]}}, {"template": Change.ADD}),
        ("network:PrivateEndpoint", {"subnet": {"id": "x"}}, {"subnet": Change.ADD_REPLACE}),
        ("network:PrivateEndpoint", {"location": "westus2"}, {"location": Change.UPDATE}),
        ("dbforpostgresql:Server", {"availabilityZone": "2"}, {"availabilityZone": Change.ADD_REPLACE}),
        ("monitor:ScheduledQueryRule", {"scopes": ["x"]}, {"scopes": Change.ADD}),
    ],
)
def test_changes(resource_type: str, change: dict[str, Any], expected: dict[str, Change]) -> None:
    assert changes(ACCOUNT, ACCOUNT | change, CATALOG[resource_type]) == expected


def test_lists_are_compared_item_by_item() -> None:
    old, new = {"rules": [{"a": 1}, {"b": 1}]}, {"rules": [{"a": 2}, {"b": 1}, {"c": 1}]}
    assert changes(old, new, CATALOG["app:ContainerApp"]) == {"rules[0].a": Change.UPDATE, "rules[2]": Change.ADD}


def test_what_is_below_a_property_that_is_replaced() -> None:
    old, new = {"subnet": {"id": "a"}}, {"subnet": {"id": "b", "name": "other"}}
    found = changes(old, new, CATALOG["network:PrivateEndpoint"])
    assert found == {"subnet.id": Change.UPDATE_REPLACE, "subnet.name": Change.ADD}


@pytest.mark.parametrize(
    ("inputs", "old", "new", "expected"),
    [
        # What Azure filled in at the creation is not drift.
        ({"a": 1}, {"a": 1, "filled": 2}, {"a": 1, "filled": 2}, {"a": 1}),
        # What it fills in later is, declared or not.
        ({"a": 1}, {"a": 1}, {"a": 1, "filled": 2}, {"a": 1, "filled": 2}),
        ({"a": 1}, {"a": 1, "filled": 2}, {"a": 1, "filled": 3}, {"a": 1, "filled": 3}),
        # What is written and never read stays.
        ({"password": "x", "a": 1}, {"a": 1}, {"a": 2}, {"password": "x", "a": 2}),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1}, {"a": 1}),
        # Object by object, and item by item.
        ({"o": {"a": 1}}, {"o": {"a": 1, "filled": 2}}, {"o": {"a": 3, "filled": 2}}, {"o": {"a": 3}}),
        (
            {"l": [{"a": 1}]},
            {"l": [{"a": 1, "f": 2}]},
            {"l": [{"a": 1, "f": 3}, {"a": 4}]},
            {"l": [{"a": 1, "f": 3}, {"a": 4}]},
        ),
    ],
)
def test_a_refresh(inputs: dict[str, Any], old: dict[str, Any], new: dict[str, Any], expected: dict[str, Any]) -> None:
    assert refreshed(inputs, old, new) == expected
