from pathlib import Path
from typing import Any

import pytest

from tests.stacks.azure.outputs import respond
from tests.stacks.azure.subscription import DEFAULT_SCENARIO, State, Subscription

ENVIRONMENT = "/subscriptions/s/resourceGroups/vision/providers/Microsoft.App/managedEnvironments/vision"


def answered(resource_type: str, inputs: dict[str, Any], state: State | None = None, **scenario: Any) -> dict[str, Any]:  # noqa: ANN401
    return respond(f"azure-native:{resource_type}", "/an/id", inputs, {}, state or State(), DEFAULT_SCENARIO | scenario)


@pytest.mark.parametrize(
    ("resource_type", "inputs", "scenario", "expected"),
    [
        ("resources:ResourceGroup", {"resourceGroupName": "vision", "location": "East US"}, {}, {"location": "eastus"}),
        (
            "storage:StorageAccount",
            {"accountName": "vision", "location": "eastus"},
            {},
            {"primaryEndpoints.blob": "https://vision.blob.core.windows.net/", "provisioningState": "Succeeded"},
        ),
        (
            "storage:StorageAccount",
            {"accountName": "vision", "location": "eastus"},
            {"storageEndpoint": "https://127.0.0.2:10000"},
            {"primaryEndpoints.blob": "https://127.0.0.2:10000/vision/"},
        ),
        (
            "cognitiveservices:Account",
            {"accountName": "vision", "location": "eastus", "properties": {"customSubDomainName": "mine"}},
            {},
            {"properties.endpoint": "https://mine.cognitiveservices.azure.com/", "name": "vision"},
        ),
        (
            "cognitiveservices:Account",
            {"accountName": "vision", "location": "eastus"},
            {},
            {"properties.endpoint": "https://eastus.api.cognitive.microsoft.com/"},
        ),
        (
            "dbforpostgresql:Server",
            {"serverName": "vision", "location": "eastus", "administratorLoginPassword": "s3cret"},
            {},
            {"fullyQualifiedDomainName": "vision.postgres.database.azure.com", "administratorLoginPassword": None},
        ),
    ],
)
def test_what_azure_answers(
    resource_type: str, inputs: dict[str, Any], scenario: dict[str, Any], expected: dict[str, Any]
) -> None:
    outputs = answered(resource_type, inputs, **scenario)
    for path, value in expected.items():
        found: Any = outputs
        for key in path.split("."):
            found = found.get(key)
        assert found == value


@pytest.mark.parametrize(("external", "middle"), [(True, ""), (False, ".internal")])
def test_a_container_app_lies_in_the_domain_of_its_environment(external: bool, middle: str) -> None:
    state = State(
        {ENVIRONMENT: {"type": "azure-native:app:ManagedEnvironment", "outputs": {"defaultDomain": "d.azurecontainerapps.io"}}}
    )
    inputs = {
        "containerAppName": "engine",
        "managedEnvironmentId": ENVIRONMENT,
        "configuration": {"ingress": {"external": external}, "secrets": [{"name": "key", "value": "s3cret"}]},
    }
    outputs = answered("app:ContainerApp", inputs, state)
    assert outputs["configuration"]["ingress"]["fqdn"] == f"engine{middle}.d.azurecontainerapps.io"
    assert "s3cret" not in str(outputs)


def test_the_state_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    subscription = Subscription(tmp_path)
    with pytest.raises(KeyError), subscription.locked() as state:
        state.resources["/an/id"] = state.resources["/another"]
    assert subscription.state() == State()
