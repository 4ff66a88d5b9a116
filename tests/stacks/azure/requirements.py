"""What Azure requires of a resource's own properties, beyond the types of the SDK: pure functions of the inputs."""

import ipaddress
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.stacks.azure.failure import Failure
from tests.stacks.azure.names import region
from tests.stacks.azure.postgresql import STORAGE_GIB

Values = dict[str, Any]


def check_requirements(resource_type: str, inputs: Values) -> None:
    """Refuse what Azure refuses whatever else there is. `resource_type` is like `app:ContainerApp`."""
    tags = inputs.get("tags") or {}
    if len(tags) > 50 or any(len(name) > 512 or len(value) > 256 for name, value in tags.items()):
        raise Failure(400, "InvalidTags", "a resource has at most 50 tags, with names of 512 characters and values of 256")
    for code, message in REQUIREMENTS.get(resource_type, nothing)(inputs):
        raise Failure(400, code, message)


Complaints = Iterator[tuple[str, str]]


def nothing(inputs: Values) -> Complaints:
    yield from ()


def storage_account(inputs: Values) -> Complaints:
    if inputs.get("minimumTlsVersion") == "TLS1_3":
        yield (
            "InvalidValuesForRequestParameters",
            "TLS 1.3 is not supported as a minimum: minimumTlsVersion is TLS1_0, TLS1_1 or TLS1_2",
        )
    if not inputs.get("location"):
        yield "LocationRequired", "The location property is required for this definition."
    if inputs.get("isSftpEnabled") and not inputs.get("isHnsEnabled"):
        yield "SftpRequiresHns", "SFTP can only be enabled on a storage account with a hierarchical namespace"


def blob_service(inputs: Values) -> Complaints:
    for name in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
        policy = inputs.get(name) or {}
        if policy.get("enabled") and not 1 <= policy.get("days", 0) <= 365:
            yield "InvalidValuesForRequestParameters", f"{name}.days is 1 to 365 where it is enabled, not {policy.get('days')}"
    restore = inputs.get("restorePolicy") or {}
    if restore.get("enabled"):
        kept = inputs.get("deleteRetentionPolicy") or {}
        missing = [
            name
            for name, on in (
                ("deleteRetentionPolicy", kept.get("enabled")),
                ("changeFeed", (inputs.get("changeFeed") or {}).get("enabled")),
                ("isVersioningEnabled", inputs.get("isVersioningEnabled")),
            )
            if not on
        ]
        if missing:
            yield "InvalidValuesForRequestParameters", f"restorePolicy needs {', '.join(missing)} to be enabled"
        elif not 0 < restore.get("days", 0) < kept.get("days", 0):
            limits = "greater than zero and less than properties.deleteRetentionPolicy.days"
            message = f"Values for properties.restorePolicy.days is invalid: {restore.get('days')}. It should be {limits}."
            yield "InvalidValuesForRequestParameters", message


def cognitive_account(inputs: Values) -> Complaints:
    if not inputs.get("kind"):
        yield "InvalidResourceProperties", "kind is required"
    if not (inputs.get("sku") or {}).get("name"):
        yield "InvalidResourceProperties", "sku.name is required"
    elif inputs.get("kind") == "ComputerVision" and inputs["sku"]["name"] not in {"F0", "S1"}:
        yield "InvalidSkuId", f"the SKUs of ComputerVision are F0 and S1, not {inputs['sku']['name']}"
    properties = inputs.get("properties") or {}
    if len(properties.get("allowedFqdnList") or []) > 1000:
        yield "InvalidAllowedFqdnList", "allowedFqdnList has at most 1000 entries"
    if not properties.get("customSubDomainName") and (properties.get("networkAcls") or properties.get("disableLocalAuth")):
        yield "CustomSubDomainNameRequired", "network rules and sign-in by identity take a customSubDomainName"


def workspace(inputs: Values) -> Complaints:
    days = inputs.get("retentionInDays", 30)
    if days != 7 and not 30 <= days <= 730:
        yield "InvalidParameter", f"retentionInDays is 30 to 730 (or 7 for the Free tier), not {days}"


def managed_environment(inputs: Values) -> Complaints:
    logs = inputs.get("appLogsConfiguration") or {}
    analytics = logs.get("logAnalyticsConfiguration") or {}
    if logs.get("destination") == "log-analytics" and not (analytics.get("customerId") and analytics.get("sharedKey")):
        yield "LogAnalyticsConfigurationInvalid", "the destination log-analytics needs customerId and sharedKey of a workspace"
    for profile in inputs.get("workloadProfiles") or []:
        regions = GPU_REGIONS.get(profile.get("workloadProfileType", ""))
        if regions and region(inputs.get("location", "")) not in regions:
            yield (
                "WorkloadProfileTypeNotSupported",
                f"{profile['workloadProfileType']} is offered in {', '.join(sorted(regions))}, not in {inputs.get('location')}",
            )


GPU_REGIONS = {
    "Consumption-GPU-NC24-A100": {"westus3", "westus", "australiaeast", "swedencentral"},
    "Consumption-GPU-NC8as-T4": {"westus3", "australiaeast", "swedencentral", "westeurope"},
}
"""https://learn.microsoft.com/azure/container-apps/gpu-serverless-overview#supported-regions"""


# https://learn.microsoft.com/azure/container-apps/containers#allocations
CPU_STEP, CPU_MOST, GIBIBYTES_PER_CPU = 0.25, 4.0, 2
UNNAMED_CPU_MOST = 2
"""Where the app or job names no profile (https://github.com/microsoft/azure-container-apps/issues/1075)."""


PROBE_RANGES = {
    "failureThreshold": (1, 10),
    "periodSeconds": (1, 240),
    "successThreshold": (1, 10),
    "timeoutSeconds": (1, 240),
    "initialDelaySeconds": (0, 60),
}
"""As the SDK's own documentation of a probe has them."""


GPU_SIZES = {"NC8as-T4": (8, 56), "NC24-A100": (24, 220)}
"""https://learn.microsoft.com/azure/container-apps/workload-profiles-overview#consumption-profile-details"""


def container_app(inputs: Values) -> Complaints:
    yield from containers_of(inputs)
    yield from scale((inputs.get("template") or {}).get("scale") or {})


def job(inputs: Values) -> Complaints:
    """https://learn.microsoft.com/azure/container-apps/jobs#job-settings"""
    yield from containers_of(inputs)
    configuration = inputs.get("configuration") or {}
    trigger = configuration.get("triggerType", "Manual")
    configs = [key for key in ("manualTriggerConfig", "scheduleTriggerConfig", "eventTriggerConfig") if configuration.get(key)]
    if configs not in ([], [f"{trigger.lower()}TriggerConfig"]) or (trigger != "Manual" and not configs):
        yield (
            "ContainerAppJobInvalidTrigger",
            f"triggerType {trigger} needs {trigger.lower()}TriggerConfig alone, not {configs}",
        )
    if configuration.get("replicaTimeout", 0) <= 0:
        yield "ContainerAppJobInvalidReplicaTimeout", "configuration.replicaTimeout is a number of seconds above 0"
    values = (configuration.get("eventTriggerConfig") or {}).get("scale") or {}
    least, most = values.get("minExecutions", 0), values.get("maxExecutions", 100)
    if not 0 <= least <= most or most < 1:
        yield "ContainerAppInvalidScale", f"minExecutions {least} and maxExecutions {most}: 0 <= min <= max, 1 <= max"
    for rule in values.get("rules") or []:
        if not rule.get("name") or not rule.get("type"):
            yield "ContainerAppInvalidScaleRule", f"the scale rule {rule.get('name')!r} needs a name and a type"


def containers_of(inputs: Values) -> Complaints:
    """What holds of apps and of jobs."""
    if not (inputs.get("managedEnvironmentId") or inputs.get("environmentId")):
        yield "ContainerAppInvalidEnvironmentId", "environmentId or managedEnvironmentId is required"
    template, configuration = inputs.get("template") or {}, inputs.get("configuration") or {}
    containers = template.get("containers") or []
    if not containers:
        yield "ContainerAppContainersRequired", "template.containers needs at least one container"
    cpu = sum((container.get("resources") or {}).get("cpu", 0.5) for container in containers)
    memory = sum(gibibytes((container.get("resources") or {}).get("memory", "1Gi")) for container in containers)
    profile = inputs.get("workloadProfileName", "Consumption")
    if profile in GPU_SIZES and (cpu > GPU_SIZES[profile][0] or memory > GPU_SIZES[profile][1]):
        offered = "a replica has up to {} cores and {}Gi".format(*GPU_SIZES[profile])
        yield "ContainerAppInvalidResourceTotal", f"on {profile} {offered}, not {cpu:g} and {memory:g}Gi"
    fits = cpu and cpu % CPU_STEP == 0 and cpu <= CPU_MOST and memory == cpu * GIBIBYTES_PER_CPU
    if "workloadProfileName" not in inputs and cpu > UNNAMED_CPU_MOST:
        yield "ContainerAppInvalidResourceTotal", f"cpu {cpu:g} is not offered: without a workloadProfileName, it is 2 at most"
    elif profile == "Consumption" and containers and not fits:
        yield (
            "ContainerAppInvalidResourceTotal",
            f"cpu {cpu:g} with memory {memory:g}Gi is not offered: cpu is 0.25 to 4 in steps of 0.25, memory 2Gi for each cpu",
        )
    for container in containers:
        for probe in container.get("probes") or []:
            for key, (least, most) in PROBE_RANGES.items():
                if not least <= probe.get(key, least) <= most:
                    yield (
                        "ContainerAppProbeInvalid",
                        f"probe {probe.get('type')}: {key} is {probe[key]:g}, must be {least} to {most}",
                    )
    names = [secret.get("name", "") for secret in configuration.get("secrets") or []]
    for name in names:
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", name):
            yield "ContainerAppSecretNameInvalid", f"the secret name '{name}' must be lowercase letters, digits, - and ."
    for secret in configuration.get("secrets") or []:
        if not secret.get("value") and not secret.get("keyVaultUrl"):
            yield "ContainerAppSecretInvalid", f"the secret '{secret.get('name')}' needs a value or a keyVaultUrl"
        if secret.get("keyVaultUrl") and not secret.get("identity"):
            yield "ContainerAppSecretInvalid", f"the secret '{secret.get('name')}' needs an identity for its keyVaultUrl"
    for reference in secret_references(inputs):
        if reference not in names:
            yield "ContainerAppSecretRefNotFound", f"SecretRef '{reference}' is not defined; configuration.secrets has {names}"


def scale(values: Values) -> Complaints:
    least, most = values.get("minReplicas", 0), values.get("maxReplicas", 10)
    if not 0 <= least <= most or not 1 <= most <= 1000:
        yield "ContainerAppInvalidScale", f"minReplicas {least} and maxReplicas {most}: 0 <= min <= max, 1 <= max <= 1000"
    for rule in values.get("rules") or []:
        if not rule.get("name") or sum(kind in rule for kind in ("azureQueue", "custom", "http", "tcp")) != 1:
            yield (
                "ContainerAppInvalidScaleRule",
                f"the scale rule {rule.get('name')!r} needs a name and one of azureQueue, custom, http, tcp",
            )


def gibibytes(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(Gi|Mi)", text)
    return float("nan") if found is None else float(found[1]) / (1 if found[2] == "Gi" else 1024)


def secret_references(value: object) -> Iterator[str]:
    """Every secret that a variable, a scale rule or a registry names."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in {"secretRef", "passwordSecretRef"} and isinstance(item, str):
                yield item
            else:
                yield from secret_references(item)
    elif isinstance(value, list):
        for item in value:
            yield from secret_references(item)


TIERS = {"Burstable": "Standard_B", "GeneralPurpose": "Standard_D", "MemoryOptimized": "Standard_E"}
RESERVED_LOGINS = {"azure_superuser", "azure_pg_admin", "admin", "administrator", "root", "guest", "public"}


def server(inputs: Values) -> Complaints:
    sku = inputs.get("sku") or {}
    if sku.get("tier") and not str(sku.get("name", "")).startswith(TIERS[sku["tier"]]):
        yield (
            "InvalidParameterValue",
            f"the SKU {sku.get('name')} is not of the tier {sku['tier']}: names start with {TIERS[sku['tier']]}",
        )
    mode = (inputs.get("highAvailability") or {}).get("mode", "Disabled")
    if sku.get("tier") == "Burstable" and mode != "Disabled":
        yield "HANotSupportedForBurstableTier", "high availability is not offered in the tier Burstable"
    size = (inputs.get("storage") or {}).get("storageSizeGB")
    if size is not None and size not in STORAGE_GIB:
        yield "InvalidParameterValue", f"storageSizeGB is one of {', '.join(map(str, STORAGE_GIB))}, not {size}"
    days = (inputs.get("backup") or {}).get("backupRetentionDays", 7)
    if not 7 <= days <= 35:
        yield "InvalidParameterValue", f"backupRetentionDays is 7 to 35, not {days}"
    if inputs.get("createMode", "Default") in {"Default", "Create"}:
        yield from administrator(inputs)
    network = inputs.get("network") or {}
    if bool(network.get("delegatedSubnetResourceId")) != bool(network.get("privateDnsZoneArmResourceId")):
        yield "InvalidParameterValue", "a delegated subnet and a private DNS zone go together"


def administrator(inputs: Values) -> Complaints:
    if (inputs.get("authConfig") or {}).get("passwordAuth", "Enabled") == "Disabled":
        return
    login, password = inputs.get("administratorLogin", ""), inputs.get("administratorLoginPassword", "")
    if (
        not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}", login)
        or login.lower() in RESERVED_LOGINS
        or login.lower().startswith("pg_")
    ):
        yield "InvalidAdministratorLogin", f"administratorLogin '{login}' is not valid, or reserved"
    kinds = sum(bool(re.search(pattern, password)) for pattern in ("[a-z]", "[A-Z]", "[0-9]", "[^a-zA-Z0-9]"))
    if not 8 <= len(password) <= 128 or kinds < 3:
        yield (
            "PasswordNotComplex",
            "administratorLoginPassword has 8 to 128 characters of three of: lowercase, uppercase, digits, others",
        )


def firewall_rule(inputs: Values) -> Complaints:
    try:
        first, last = (ipaddress.IPv4Address(inputs[name]) for name in ("startIpAddress", "endIpAddress"))
    except ipaddress.AddressValueError as error:
        yield "InvalidParameterValue", f"startIpAddress and endIpAddress are IPv4 addresses: {error}"
        return
    if first > last:
        yield "InvalidParameterValue", f"startIpAddress {first} comes after endIpAddress {last}"


def budget(inputs: Values) -> Complaints:
    """As the SDK's own documentation of a budget has it."""
    start = datetime.fromisoformat(str(inputs["timePeriod"]["startDate"]))
    if start.day != 1 or start < datetime(2017, 6, 1, tzinfo=UTC):
        yield "400", f"the start date of a budget is the first of a month, on or after June 1, 2017, not {start:%Y-%m-%d}"
    notifications = inputs.get("notifications") or {}
    if len(notifications) > 5:
        yield "400", f"a budget can have up to five notifications, not {len(notifications)}"
    for name, notification in notifications.items():
        if not 0 < notification["threshold"] <= 1000:
            yield "400", f"the threshold of {name} is more than 0 and at most 1000 percent, not {notification['threshold']}"
        told = [notification.get(key) for key in ("contactEmails", "contactGroups", "contactRoles")]
        if not any(told):
            yield "400", f"the notification {name} needs contactEmails, contactGroups or contactRoles"


def vault(inputs: Values) -> Complaints:
    properties = inputs["properties"]
    if properties.get("enablePurgeProtection") is False:
        why = "Enabling the purge protection for a vault is an irreversible action."
        yield "BadRequest", f'The property "enablePurgeProtection" cannot be set to false. {why}'
    days = properties.get("softDeleteRetentionInDays", 90)
    if not 7 <= days <= 90:
        yield "BadRequest", f"softDeleteRetentionInDays is 7 to 90, not {days}"
    if not properties.get("enableRbacAuthorization") and not properties.get("accessPolicies"):
        yield "BadRequest", "accessPolicies is required where enableRbacAuthorization is not true"


def security_group(inputs: Values) -> Complaints:
    rules = inputs.get("securityRules") or []
    for rule in rules:
        if not rule.get("name") or not 100 <= rule.get("priority", 0) <= 4096:
            yield (
                "SecurityRuleInvalidPriority",
                f"rule {rule.get('name')!r} needs a name, and a priority of 100 to 4096",
            )
    seen = [(rule.get("direction"), rule.get("priority")) for rule in rules]
    if len(set(seen)) < len(seen):
        yield "SecurityRuleConflict", "Rules cannot have the same Priority and Direction."
    for rule in rules:
        for end in ("source", "destination"):
            if not any(rule.get(f"{end}{kind}") for kind in ("AddressPrefix", "AddressPrefixes", "ApplicationSecurityGroups")):
                yield "SecurityRuleInvalidAddressPrefix", f"rule {rule.get('name')!r} has no {end}AddressPrefix"
            if not any(rule.get(f"{end}{kind}") for kind in ("PortRange", "PortRanges")):
                yield "SecurityRuleInvalidPortRange", f"rule {rule.get('name')!r} has no {end}PortRange"


def diagnostic_setting(inputs: Values) -> Complaints:
    if not any(
        inputs.get(name) for name in ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId")
    ):
        yield "BadRequest", "a diagnostic setting needs a destination: workspaceId, storageAccountId or an event hub"
    if not (inputs.get("logs") or inputs.get("metrics")):
        yield "BadRequest", "a diagnostic setting needs logs or metrics"


def action_group(inputs: Values) -> Complaints:
    if not 1 <= len(inputs["groupShortName"]) <= 12:
        yield "InvalidGroupShortName", f"groupShortName has 1 to 12 characters, not {len(inputs['groupShortName'])}"
    if not inputs.get("location"):
        yield "LocationRequired", "The location property is required for this definition."


def scheduled_query_rule(inputs: Values) -> Complaints:
    if not inputs.get("scopes"):
        yield "BadRequest", "scopes needs the workspace that is queried"
    if not (inputs.get("criteria") or {}).get("allOf"):
        yield "BadRequest", "criteria.allOf needs a condition"
    if inputs.get("severity", 3) not in range(5):
        yield "BadRequest", f"severity is 0 to 4, not {inputs['severity']}"
    window, every = (minutes(inputs.get(name, "PT5M")) for name in ("windowSize", "evaluationFrequency"))
    if window < every:
        yield "BadRequest", f"windowSize ({window:g} minutes) is at least evaluationFrequency ({every:g} minutes)"


def minutes(duration: str) -> float:
    """The minutes of an ISO 8601 duration such as PT1H30M or P1D."""
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", duration)
    if found is None or duration in {"P", "PT"}:
        raise Failure(400, "BadRequest", f"'{duration}' is not an ISO 8601 duration")
    days, hours, rest = (int(part or 0) for part in found.groups())
    return days * 1440 + hours * 60 + rest


REQUIREMENTS: dict[str, Callable[[Values], Complaints]] = {
    "storage:StorageAccount": storage_account,
    "storage:BlobServiceProperties": blob_service,
    "cognitiveservices:Account": cognitive_account,
    "operationalinsights:Workspace": workspace,
    "app:ManagedEnvironment": managed_environment,
    "app:ContainerApp": container_app,
    "app:Job": job,
    "dbforpostgresql:Server": server,
    "dbforpostgresql:FirewallRule": firewall_rule,
    "consumption:Budget": budget,
    "keyvault:Vault": vault,
    "network:NetworkSecurityGroup": security_group,
    "monitor:DiagnosticSetting": diagnostic_setting,
    "monitor:ActionGroup": action_group,
    "monitor:ScheduledQueryRule": scheduled_query_rule,
}
