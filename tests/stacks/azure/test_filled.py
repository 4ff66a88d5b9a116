from typing import Any

import pytest

from tests.stacks.azure import schema
from tests.stacks.azure.filled import AT_CREATION, IN_EACH, current, filled
from tests.stacks.azure.subscription import State

SUBNET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/database"


@pytest.mark.parametrize("resource_type", sorted({*AT_CREATION, *IN_EACH}))
def test_what_is_filled_in_is_what_the_sdk_knows(resource_type: str) -> None:
    given: dict[str, Any] = {}
    for path in IN_EACH.get(resource_type, {}):
        *above, name = path.split(".")
        holder = given
        for key in above:
            holder = holder.setdefault(key, {})
        holder[name] = [{}]
    found = schema.mismatches(filled(resource_type, given), schema.outputs(f"azure-native:{resource_type}"))
    assert [str(each) for each in found if "is required" not in each.reason] == []


def test_what_is_given_stays() -> None:
    given = {"networkRuleSet": {"defaultAction": "Deny"}, "accessTier": "Cool"}
    assert filled("storage:StorageAccount", given)["networkRuleSet"] == {
        "bypass": "AzureServices",
        "defaultAction": "Deny",
        "ipRules": [],
        "virtualNetworkRules": [],
    }
    logs = filled("monitor:DiagnosticSetting", {"logs": [{"categoryGroup": "allLogs", "enabled": True}]})["logs"]
    assert logs == [{"categoryGroup": "allLogs", "enabled": True, "retentionPolicy": {"days": 0, "enabled": False}}]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [([], ["Microsoft.Storage"]), (["Microsoft.Storage"], ["Microsoft.Storage"]), (["X"], ["X", "Microsoft.Storage"])],
)
def test_a_database_changes_its_subnet(declared: list[str], expected: list[str]) -> None:
    outputs = {"name": "database", "serviceEndpoints": [{"service": name} for name in declared]}
    state = State()
    assert current("network:Subnet", SUBNET, outputs, state) == outputs
    state.resources["server"] = {
        "type": "azure-native:dbforpostgresql:Server",
        "inputs": {"network": {"delegatedSubnetResourceId": SUBNET}},
    }
    found = current("network:Subnet", SUBNET, outputs, state)["serviceEndpoints"]
    assert [each["service"] for each in found] == expected
