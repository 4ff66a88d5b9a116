from typing import Any

import pytest

from tests.stacks.azure.catalog import CATALOG
from tests.stacks.azure.difference import Change, changes
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
        ("storage:StorageAccount", {"kind": "BlobStorage"}, {"kind": Change.UPDATE_REPLACE}),
        ("storage:StorageAccount", {"sku": {"name": "Standard_ZRS"}}, {"sku.name": Change.UPDATE}),
        ("storage:StorageAccount", {"tags": {"owner": "me"}}, {"tags.owner": Change.UPDATE}),
        ("storage:StorageAccount", {"tags": None}, {"tags.owner": Change.DELETE}),
        (
            "storage:StorageAccount",
            {"encryption": {"requireInfrastructureEncryption": True}},
            {"encryption.requireInfrastructureEncryption": Change.ADD_REPLACE},
        ),
        ("cognitiveservices:Account", {"kind": "OpenAI"}, {"kind": Change.UPDATE_REPLACE}),
        ("cognitiveservices:Account", {"properties": {"restore": True}}, {"properties.restore": Change.ADD}),
        ("cognitiveservices:Account", {"properties": UNKNOWN}, {"properties": Change.ADD_REPLACE}),
        ("authorization:RoleAssignment", {"principalId": "x"}, {"principalId": Change.ADD_REPLACE}),
        ("app:ContainerApp", {"template": {"containers": [1]}}, {"template.containers": Change.ADD}),
    ],
)
def test_changes(resource_type: str, change: dict[str, Any], expected: dict[str, Change]) -> None:
    assert changes(ACCOUNT, ACCOUNT | change, CATALOG[resource_type]) == expected


def test_lists_are_compared_item_by_item() -> None:
    old, new = {"rules": [{"a": 1}, {"b": 1}]}, {"rules": [{"a": 2}, {"b": 1}, {"c": 1}]}
    assert changes(old, new, CATALOG["app:ContainerApp"]) == {"rules[0].a": Change.UPDATE, "rules[2].c": Change.ADD}
