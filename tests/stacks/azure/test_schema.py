from typing import Any

import pytest

from tests.stacks.azure import schema
from tests.stacks.azure.catalog import CATALOG

ACCOUNT: dict[str, Any] = {"resourceGroupName": "vision", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
APP: dict[str, Any] = {"resourceGroupName": "vision"}


@pytest.mark.parametrize(
    ("resource_type", "inputs", "expected"),
    [
        ("storage:StorageAccount", ACCOUNT, {}),
        ("storage:StorageAccount", ACCOUNT | {"tags": {"owner": "vision"}, "allowSharedKeyAccess": False}, {}),
        # Only the update knows it.
        ("storage:StorageAccount", ACCOUNT | {"location": schema.UNKNOWN, "encryption": schema.UNKNOWN}, {}),
        (
            "storage:StorageAccount",
            ACCOUNT | {"minimumTls": "TLS1_2"},
            {"minimumTls": "the valid ones are accessTier, accountName"},
        ),
        # A name as Python writes it is none on the wire.
        ("storage:StorageAccount", ACCOUNT | {"account_name": "visiontraining"}, {"account_name": "no such property"}),
        ("storage:StorageAccount", {"resourceGroupName": "vision", "sku": {"name": "Standard_LRS"}}, {"kind": "required"}),
        ("storage:StorageAccount", ACCOUNT | {"sku": {}}, {"sku.name": "required"}),
        ("storage:StorageAccount", ACCOUNT | {"sku": "Standard_LRS"}, {"sku": "object (Sku) is expected, not string"}),
        (
            "storage:StorageAccount",
            ACCOUNT | {"allowSharedKeyAccess": "false"},
            {"allowSharedKeyAccess": "boolean is expected"},
        ),
        ("storage:StorageAccount", ACCOUNT | {"tags": {"owner": 1}}, {"tags.owner": "string is expected, not integer"}),
        ("storage:StorageAccount", ACCOUNT | {"accessTier": "Tepid"}, {"accessTier": "choices are Hot, Cool, Premium, Cold"}),
        (
            "storage:StorageAccount",
            ACCOUNT | {"networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"action": "Allow"}]}},
            {"networkRuleSet.ipRules[0].iPAddressOrRange": "required"},
        ),
        # What only Azure answers can't be given.
        ("storage:StorageAccount", ACCOUNT | {"primaryEndpoints": {}}, {"primaryEndpoints": "no such property"}),
        (
            "app:ContainerApp",
            APP | {"template": {"scale": {"minReplicas": 1.5}}},
            {"template.scale.minReplicas": "integer is expected"},
        ),
        ("app:ContainerApp", APP | {"template": {"containers": {}}}, {"template.containers": "list is expected, not object"}),
        ("app:ContainerApp", APP | {"identity": {}}, {"identity.type": "required"}),
    ],
)
def test_mismatches_name_the_path_and_what_is_valid(
    resource_type: str, inputs: dict[str, Any], expected: dict[str, str]
) -> None:
    found = schema.mismatches(inputs, schema.inputs(f"azure-native:{resource_type}"))
    assert [mismatch.path for mismatch in found] == list(expected)
    for mismatch in found:
        assert expected[mismatch.path] in mismatch.reason


@pytest.mark.parametrize("resource_type", CATALOG)
def test_each_type_is_the_sdks_own(resource_type: str) -> None:
    kind = CATALOG[resource_type]
    inputs, outputs = schema.inputs(f"azure-native:{resource_type}"), schema.outputs(f"azure-native:{resource_type}")
    assert {*kind.placeholders} - {"subscriptionId"} <= inputs.keys()
    assert {name.partition(".")[0] for name in (*kind.forced, *kind.fixed, *kind.shared_lists)} <= inputs.keys()
    assert "name" in outputs


def test_what_is_written_only_is_not_answered() -> None:
    configuration = {"secrets": [{"name": "key", "value": "s3cret"}], "ingress": {"external": True}}
    shape = schema.outputs("azure-native:app:ContainerApp")["configuration"].shape
    assert schema.projected(configuration, shape) == {"secrets": [{"name": "key"}], "ingress": {"external": True}}


def test_before_an_update_what_only_azure_knows_is_unknown() -> None:
    shape = schema.outputs("azure-native:app:ContainerApp")["configuration"].shape
    known = schema.projected({"ingress": {"external": True}}, shape, schema.UNKNOWN)
    assert isinstance(known, dict)
    assert (known["ingress"]["external"], known["ingress"]["fqdn"]) == (True, schema.UNKNOWN)
