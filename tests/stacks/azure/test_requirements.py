from typing import Any

import pytest

from tests.stacks.azure.failure import Failure
from tests.stacks.azure.requirements import check_requirements, minutes


def app(container: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The inputs of a container app with one container."""
    return {
        "managedEnvironmentId": "/subscriptions/s/…",
        "configuration": {"secrets": [{"name": "key", "value": "s3cret"}]},
        "template": {"containers": [{"resources": {"cpu": 0.5, "memory": "1Gi"}} | (container or {})]},
    } | changes


def scaled(**scale: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return app(template={"containers": [{}], "scale": scale})


def job(**configuration: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The inputs of an event-driven job with one container."""
    event = {"triggerType": "Event", "replicaTimeout": 60, "eventTriggerConfig": {"scale": {"maxExecutions": 2}}}
    return {"environmentId": "/subscriptions/s/…", "configuration": event | configuration, "template": {"containers": [{}]}}


SERVER: dict[str, Any] = {
    "administratorLogin": "vision",
    "administratorLoginPassword": "Correct-horse-7",
    "sku": {"name": "Standard_B1ms", "tier": "Burstable"},
    "storage": {"storageSizeGB": 32},
}
RULE: dict[str, Any] = {
    "name": "https",
    "priority": 100,
    "direction": "Inbound",
    "sourceAddressPrefix": "*",
    "sourcePortRange": "*",
    "destinationAddressPrefix": "*",
    "destinationPortRanges": ["443"],
}
ALERT: dict[str, Any] = {"scopes": ["/subscriptions/s/…"], "criteria": {"allOf": [{}]}}
VISION: dict[str, Any] = {"kind": "ComputerVision", "sku": {"name": "S1"}}


@pytest.mark.parametrize(
    ("resource_type", "inputs"),
    [
        ("resources:ResourceGroup", {}),
        ("storage:StorageAccount", {"location": "eastus", "minimumTlsVersion": "TLS1_2"}),
        ("storage:BlobServiceProperties", {"deleteRetentionPolicy": {"enabled": True, "days": 7}}),
        ("cognitiveservices:Account", VISION),
        ("app:ContainerApp", app()),
        ("app:ContainerApp", app({"resources": {"cpu": 2, "memory": "4Gi"}, "env": [{"name": "KEY", "secretRef": "key"}]})),
        ("app:ContainerApp", app({"resources": {"cpu": 8, "memory": "16Gi"}}, workloadProfileName="dedicated")),
        ("app:ContainerApp", app({"resources": {"cpu": 4, "memory": "8Gi"}}, workloadProfileName="Consumption")),
        ("app:ContainerApp", scaled(minReplicas=0, maxReplicas=3, rules=[{"name": "queue", "custom": {}}])),
        ("app:Job", job()),
        ("app:Job", job(triggerType="Manual", eventTriggerConfig=None, manualTriggerConfig={"parallelism": 1})),
        (
            "app:ManagedEnvironment",
            {"location": "Sweden Central", "workloadProfiles": [{"workloadProfileType": "Consumption-GPU-NC8as-T4"}]},
        ),
        ("dbforpostgresql:Server", SERVER),
        ("dbforpostgresql:Server", {"authConfig": {"passwordAuth": "Disabled"}}),
        ("dbforpostgresql:FirewallRule", {"startIpAddress": "0.0.0.0", "endIpAddress": "0.0.0.0"}),
        ("network:NetworkSecurityGroup", {"securityRules": [RULE, RULE | {"direction": "Outbound"}]}),
        ("monitor:ScheduledQueryRule", ALERT | {"windowSize": "PT1H", "evaluationFrequency": "PT15M"}),
    ],
)
def test_what_azure_takes(resource_type: str, inputs: dict[str, Any]) -> None:
    check_requirements(resource_type, inputs)


@pytest.mark.parametrize(
    ("resource_type", "inputs", "code"),
    [
        ("resources:ResourceGroup", {"tags": {f"tag-{number}": "" for number in range(51)}}, "InvalidTags"),
        ("storage:StorageAccount", {"location": "eastus", "minimumTlsVersion": "TLS1_3"}, "InvalidValuesForRequestParameters"),
        ("storage:StorageAccount", {}, "LocationRequired"),
        ("storage:BlobServiceProperties", {"deleteRetentionPolicy": {"enabled": True}}, "InvalidValuesForRequestParameters"),
        ("cognitiveservices:Account", {"sku": {"name": "S1"}}, "InvalidResourceProperties"),
        ("cognitiveservices:Account", VISION | {"sku": {"name": "S0"}}, "InvalidSkuId"),
        ("cognitiveservices:Account", VISION | {"properties": {"disableLocalAuth": True}}, "CustomSubDomainNameRequired"),
        ("operationalinsights:Workspace", {"retentionInDays": 14}, "InvalidParameter"),
        (
            "app:ManagedEnvironment",
            {"appLogsConfiguration": {"destination": "log-analytics"}},
            "LogAnalyticsConfigurationInvalid",
        ),
        ("app:ContainerApp", app(managedEnvironmentId=None), "ContainerAppInvalidEnvironmentId"),
        ("app:ContainerApp", app(template={}), "ContainerAppContainersRequired"),
        ("app:ContainerApp", app({"resources": {"cpu": 0.5, "memory": "2Gi"}}), "ContainerAppInvalidResourceTotal"),
        ("app:ContainerApp", app({"resources": {"cpu": 0.3, "memory": "0.6Gi"}}), "ContainerAppInvalidResourceTotal"),
        ("app:ContainerApp", app({"resources": {"cpu": 4, "memory": "8Gi"}}), "ContainerAppInvalidResourceTotal"),
        ("app:ContainerApp", app({"env": [{"name": "KEY", "secretRef": "other"}]}), "ContainerAppSecretRefNotFound"),
        ("app:ContainerApp", app(configuration={"secrets": [{"name": "Key", "value": "x"}]}), "ContainerAppSecretNameInvalid"),
        ("app:ContainerApp", app(configuration={"secrets": [{"name": "key"}]}), "ContainerAppSecretInvalid"),
        ("app:ContainerApp", scaled(minReplicas=3, maxReplicas=2), "ContainerAppInvalidScale"),
        ("app:ContainerApp", scaled(rules=[{"name": "queue"}]), "ContainerAppInvalidScaleRule"),
        ("app:Job", job(triggerType="Manual"), "ContainerAppJobInvalidTrigger"),
        ("app:Job", job(eventTriggerConfig=None), "ContainerAppJobInvalidTrigger"),
        ("app:Job", job(replicaTimeout=0), "ContainerAppJobInvalidReplicaTimeout"),
        ("app:Job", job(eventTriggerConfig={"scale": {"minExecutions": 3, "maxExecutions": 2}}), "ContainerAppInvalidScale"),
        ("app:Job", job(eventTriggerConfig={"scale": {"rules": [{"name": "jobs"}]}}), "ContainerAppInvalidScaleRule"),
        ("app:Job", job() | {"template": {}}, "ContainerAppContainersRequired"),
        (
            "app:ManagedEnvironment",
            {"location": "East US", "workloadProfiles": [{"name": "gpu", "workloadProfileType": "Consumption-GPU-NC8as-T4"}]},
            "WorkloadProfileTypeNotSupported",
        ),
        (
            "app:ContainerApp",
            app({"resources": {"cpu": 16, "memory": "56Gi"}}, workloadProfileName="NC8as-T4"),
            "ContainerAppInvalidResourceTotal",
        ),
        ("dbforpostgresql:Server", SERVER | {"sku": {"name": "Standard_D2s_v3", "tier": "Burstable"}}, "InvalidParameterValue"),
        ("dbforpostgresql:Server", SERVER | {"highAvailability": {"mode": "SameZone"}}, "HANotSupportedForBurstableTier"),
        ("dbforpostgresql:Server", SERVER | {"storage": {"storageSizeGB": 40}}, "InvalidParameterValue"),
        ("dbforpostgresql:Server", SERVER | {"backup": {"backupRetentionDays": 3}}, "InvalidParameterValue"),
        ("dbforpostgresql:Server", SERVER | {"administratorLogin": "admin"}, "InvalidAdministratorLogin"),
        ("dbforpostgresql:Server", SERVER | {"administratorLoginPassword": "correcthorse"}, "PasswordNotComplex"),
        ("dbforpostgresql:Server", SERVER | {"network": {"delegatedSubnetResourceId": "x"}}, "InvalidParameterValue"),
        ("dbforpostgresql:FirewallRule", {"startIpAddress": "::1", "endIpAddress": "::1"}, "InvalidParameterValue"),
        ("dbforpostgresql:FirewallRule", {"startIpAddress": "10.0.0.2", "endIpAddress": "10.0.0.1"}, "InvalidParameterValue"),
        ("network:NetworkSecurityGroup", {"securityRules": [RULE | {"priority": 99}]}, "SecurityRuleInvalidPriority"),
        ("network:NetworkSecurityGroup", {"securityRules": [RULE, RULE | {"name": "http"}]}, "SecurityRuleConflict"),
        (
            "network:NetworkSecurityGroup",
            {"securityRules": [RULE | {"sourceAddressPrefix": None}]},
            "SecurityRuleInvalidAddressPrefix",
        ),
        ("network:NetworkSecurityGroup", {"securityRules": [RULE | {"sourcePortRange": None}]}, "SecurityRuleInvalidPortRange"),
        ("monitor:DiagnosticSetting", {"logs": [{}]}, "BadRequest"),
        ("monitor:DiagnosticSetting", {"workspaceId": "x"}, "BadRequest"),
        ("monitor:ActionGroup", {"groupShortName": "far too long a name", "location": "Global"}, "InvalidGroupShortName"),
        ("monitor:ScheduledQueryRule", {"criteria": {"allOf": [{}]}}, "BadRequest"),
        ("monitor:ScheduledQueryRule", ALERT | {"severity": 5}, "BadRequest"),
        ("monitor:ScheduledQueryRule", ALERT | {"windowSize": "PT5M", "evaluationFrequency": "PT1H"}, "BadRequest"),
    ],
)
def test_what_azure_refuses(resource_type: str, inputs: dict[str, Any], code: str) -> None:
    with pytest.raises(Failure) as refused:
        check_requirements(resource_type, inputs)
    assert refused.value.code == code


@pytest.mark.parametrize(("duration", "expected"), [("PT5M", 5), ("PT1H30M", 90), ("P1D", 1440), ("P2DT1H", 2940)])
def test_durations(duration: str, expected: float) -> None:
    assert minutes(duration) == expected


@pytest.mark.parametrize("duration", ["5m", "PT", "P"])
def test_what_is_no_duration(duration: str) -> None:
    with pytest.raises(Failure, match="ISO 8601"):
        minutes(duration)
