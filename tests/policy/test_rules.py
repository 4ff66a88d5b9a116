"""Each rule lets a resource pass as it should be, and finds the one that is not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from policy.rules import RULES, ConfigurationInvalid, Violation, identity
from policy.rules.rule import UNKNOWN, Resource, Rule
from policy.rules.signature import signatures_in
from policy.state import SECRET_KIND, SECRET_MARK, UNKNOWN_TEXT, violations_of
from tests.policy import sample
from vision_customization.common.loopback import LOOPBACK_HOSTS
from vision_customization.components.azure import blob_adder, roles

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PRIVATE: dict[str, Any] = {
    "private-network": {"required": True},
    "app-min-replicas": {"replicas": 2},
    "environment-zones": {"required": True},
    "environment-peer-encryption": {"required": True},
    "app-secrets-in-vault": {"required": True},
}

ACCOUNT_SAS = "sv=2024-11-04&ss=b&srt=sco&sp=rl&se=2026-01-01T18:00:00Z&sig=abc%3D"
SERVICE_SAS = "sv=2024-11-04&sr=c&sp=rl&se=2026-01-01T18:00:00Z&sig=abc%3D"
DELEGATION_SAS = f"{SERVICE_SAS}&skoid=9a8b7c6d-0000-4000-8000-000000000005&sktid=x"
KEY = f"{'A1+/' * 21}Bc=="
SECRET = {SECRET_MARK: SECRET_KIND, "ciphertext": "v1:…"}

VISION, STORAGE = "azure-native:cognitiveservices:Account", "azure-native:storage:StorageAccount"
CONTAINER, SERVICE = "azure-native:storage:BlobContainer", "azure-native:storage:BlobServiceProperties"
LIFECYCLE = "azure-native:storage:ManagementPolicy"
DEFINITION = "azure-native:authorization:RoleDefinition"
ROLE = "azure-native:authorization:RoleAssignment"
APP, JOB = "azure-native:app:ContainerApp", "azure-native:app:Job"
SERVER, PARAMETER = "azure-native:dbforpostgresql:Server", "azure-native:dbforpostgresql:Configuration"
LOGS, ENDPOINT = "azure-native:monitor:DiagnosticSetting", "azure-native:network:PrivateEndpoint"
ENVIRONMENT = "azure-native:app:ManagedEnvironment"
LOCK, BUDGET = "azure-native:authorization:ManagementLockByScope", "azure-native:consumption:Budget"
GROUP = "azure-native:resources:ResourceGroup"
VAULT, VAULT_SECRET = "azure-native:keyvault:Vault", "azure-native:keyvault:Secret"

# rule, type, path, value, what the error says
FAILING: list[tuple[str, str, str, Any, str]] = [
    ("allowed-region", STORAGE, "location", "westus2", "location is 'westus2'; this stack allows eastus"),
    ("allowed-region", VISION, "location", "global", "location is 'global'"),
    ("vision-kind-and-sku", VISION, "kind", "CognitiveServices", "it must be 'ComputerVision'"),
    ("vision-kind-and-sku", VISION, "sku.name", "F0", "sku.name is 'F0'"),
    ("vision-custom-subdomain", VISION, "properties.customSubDomainName", None, "is not set"),
    ("vision-no-local-auth", VISION, "properties.disableLocalAuth", False, "is False; it must be True"),
    ("vision-outbound-hosts", VISION, "properties.restrictOutboundNetworkAccess", False, "it must be True"),
    ("vision-outbound-hosts", VISION, "properties.allowedFqdnList", [], "must name the storage account's host"),
    ("storage-no-public-blobs", STORAGE, "allowBlobPublicAccess", None, "allowBlobPublicAccess is not set"),
    ("storage-no-public-blobs", CONTAINER, "publicAccess", "Blob", "publicAccess is 'Blob'"),
    ("storage-no-shared-keys", STORAGE, "allowSharedKeyAccess", True, "it must be False"),
    ("storage-infrastructure-encryption", STORAGE, "encryption", {}, "requireInfrastructureEncryption is not set"),
    ("storage-https-only", STORAGE, "enableHttpsTrafficOnly", False, "it must be True"),
    ("storage-tls-1-2", STORAGE, "minimumTlsVersion", "TLS1_0", "'TLS1_2' or 'TLS1_3'"),
    ("storage-soft-delete", SERVICE, "deleteRetentionPolicy.enabled", False, "deleteRetentionPolicy.enabled is False"),
    ("storage-soft-delete", SERVICE, "containerDeleteRetentionPolicy.days", 1, "days is 1; it must be 7 or more"),
    ("storage-no-local-users", STORAGE, "isLocalUserEnabled", None, "isLocalUserEnabled is not set; it must be False"),
    ("storage-no-local-users", STORAGE, "isSftpEnabled", True, "isSftpEnabled is True"),
    ("storage-no-cross-tenant-replication", STORAGE, "allowCrossTenantReplication", None, "is not set; it must be False"),
    ("storage-point-in-time-restore", SERVICE, "isVersioningEnabled", False, "isVersioningEnabled is False; it must be True"),
    ("storage-point-in-time-restore", SERVICE, "changeFeed", None, "changeFeed.enabled is not set"),
    ("storage-point-in-time-restore", SERVICE, "restorePolicy.days", 0, "restorePolicy.days is 0; it must be 1 or more"),
    ("storage-point-in-time-restore", LIFECYCLE, "policy.rules.0.enabled", False, "no enabled rule that deletes"),
    ("role-needed", ROLE, "roleDefinitionId", sample.OWNER, "the project needs only the roles Storage Blob Data Reader"),
    ("role-needed", ROLE, "roleDefinitionId", f"{sample.ROLES}/{'0' * 8}-0000-0000-0000-{'0' * 12}", "needs only the roles"),
    ("role-least-scope", ROLE, "scope", sample.STORAGE, "may be assigned only on a blob container"),
    ("role-least-scope", ROLE, "scope", sample.SUBSCRIPTION, "may be assigned only on a blob container"),
    ("role-adds-only", DEFINITION, "permissions.0.dataActions", [f"{sample.BLOBS}/write"], "dataActions allows '"),
    ("role-adds-only", DEFINITION, "permissions.0.dataActions", [f"{sample.BLOBS}/*"], "may only read and add blobs"),
    ("role-adds-only", DEFINITION, "permissions.0.dataActions.1", f"{sample.BLOBS}/move/action", "blobs/move/action"),
    ("role-adds-only", DEFINITION, "permissions.0.actions", ["*/read"], "permissions[0].actions allows '*/read'"),
    ("role-adds-only", DEFINITION, "permissions.1", {"dataActions": [f"{sample.BLOBS}/delete"]}, "permissions[1].dataActions"),
    ("role-adds-only", DEFINITION, "assignableScopes", [sample.SUBSCRIPTION], "it must be the stack's resource group"),
    ("role-principal-type", ROLE, "principalType", None, "principalType is not set"),
    (
        "no-account-sas",
        APP,
        "configuration.secrets.0.value",
        f"https://a.example/c?{ACCOUNT_SAS}",
        "secrets[0].value holds an account",
    ),
    ("no-account-sas", sample.DATASET, "sas_token", ACCOUNT_SAS, "sas_token holds an account SAS"),
    ("dataset-no-account-key", sample.DATASET, "account_key", KEY, "account_key is given"),
    ("dataset-no-account-key", sample.DATASET, "account_key", SECRET, "account_key is given"),
    ("dataset-sas-bounded", sample.DATASET, "sas_token", SERVICE_SAS, "must be a user delegation SAS"),
    ("dataset-sas-bounded", sample.DATASET, "sas_token", DELEGATION_SAS.replace("sp=rl", "sp=rwl"), "not limited to reading"),
    ("dataset-sas-bounded", sample.DATASET, "sas_token", DELEGATION_SAS.replace("01T18", "09T18"), "is valid for 198 hours"),
    ("dataset-sas-bounded", sample.DATASET, "sas_token", DELEGATION_SAS.replace("se=", "xx="), "has no expiry"),
    ("dataset-sas-bounded", sample.DATASET, "uris", [f"https://a.example/c/train.json?{SERVICE_SAS}"], "uris[0] holds a SAS"),
    ("database-tls", PARAMETER, "value", "OFF", "require_secure_transport is 'OFF'; it must be on"),
    ("database-tls", APP, "configuration.secrets.0.value", "postgresql://u:p@h/d", "secrets[0].value holds a PostgreSQL URL"),
    ("database-tls", APP, "configuration.secrets.0.value", "postgresql+psycopg://h/d?sslmode=prefer", "URL without sslmode="),
    ("database-tls", APP, "configuration.secrets.0.value", "postgresql+psycopg://h/d?sslmode=require", "URL without sslmode="),
    ("database-backups", SERVER, "backup", {}, "backupRetentionDays is not set; it must be 7 or more"),
    ("database-entra-only", SERVER, "authConfig.passwordAuth", "Enabled", "passwordAuth is 'Enabled'; it must be 'Disabled'"),
    ("database-entra-only", SERVER, "authConfig.activeDirectoryAuth", None, "activeDirectoryAuth is not set; it must be"),
    ("database-disk-grows", SERVER, "storage.autoGrow", "Disabled", "storage.autoGrow is 'Disabled'; it must be 'Enabled'"),
    (
        "database-standby",
        SERVER,
        "highAvailability.mode",
        "None",
        "highAvailability.mode is None; this stack allows",
    ),
    (
        "database-backup-region",
        SERVER,
        "backup.geoRedundantBackup",
        "Elsewhere",
        "backup.geoRedundantBackup is Elsewhere; this stack allows Disabled, Enabled",
    ),
    ("storage-redundancy", STORAGE, "sku.name", "Premium_LRS", "sku.name is Premium_LRS; this stack allows Standard_LRS"),
    ("storage-redundancy", STORAGE, "sku", None, "sku.name is not set"),
    ("environment-zones", ENVIRONMENT, "zoneRedundant", None, "zoneRedundant is not set; it must be True"),
    (
        "environment-peer-encryption",
        ENVIRONMENT,
        "peerTrafficConfiguration.encryption.enabled",
        False,
        "encryption.enabled is False; it must be True",
    ),
    ("vault-rbac", VAULT, "properties.enableRbacAuthorization", False, "enableRbacAuthorization is False; it must be True"),
    ("vault-rbac", VAULT, "properties.accessPolicies", [{"objectId": "x"}], "properties.accessPolicies is set"),
    ("vault-purge-protection", VAULT, "properties.enablePurgeProtection", None, "enablePurgeProtection is not set"),
    (
        "app-secrets-in-vault",
        APP,
        "configuration.secrets.0",
        {"name": "keys", "value": "x"},
        "secrets[0] (keys) has its value in",
    ),
    ("app-secrets-in-vault", APP, "configuration.secrets.1.identity", None, "secrets[1] (keys) names no identity"),
    ("private-network", VAULT, "properties.publicNetworkAccess", "Enabled", "publicNetworkAccess is 'Enabled'"),
    ("database-tls", VAULT_SECRET, "properties.value", "postgresql://h/d?sslmode=require", "URL without sslmode="),
    ("app-no-foreign-keys", VAULT_SECRET, "properties.value", f"AccountKey={KEY}", "properties.value holds an account key"),
    ("app-identity", APP, "identity", None, "identity.type is not set"),
    (
        "app-no-foreign-keys",
        APP,
        "template.containers.0.env.0.name",
        "AZURE_STORAGE_CONNECTION_STRING",
        "key of another service",
    ),
    (
        "app-no-foreign-keys",
        APP,
        "template.containers.0.env.1.name",
        "VISION_ENGINE_VISION_KEY",
        "VISION_KEY gives the app a key",
    ),
    ("app-no-foreign-keys", APP, "configuration.secrets.1.value", KEY, "secrets[1].value holds an account key"),
    ("app-no-foreign-keys", APP, "configuration.secrets.1.value", f"?{DELEGATION_SAS}", "secrets[1].value holds a SAS"),
    ("app-no-foreign-keys", APP, "configuration.registries.0.passwordSecretRef", "keys", "uses a password"),
    (
        "app-secrets-by-reference",
        APP,
        "template.containers.0.env.2",
        {"name": "VISION_ENGINE_KEYS", "value": "k"},
        "a `secretRef`",
    ),
    (
        "app-secrets-by-reference",
        APP,
        "template.containers.0.env.0.value",
        "https://u:p@h",
        "AZURE_CLIENT_ID is given as a value",
    ),
    (
        "app-secrets-by-reference",
        APP,
        "template.containers.0.env.1",
        {"name": "VISION_ENGINE_DATABASE_URL", "value": "postgresql://vision:p@vision-prod/vision"},
        "VISION_ENGINE_DATABASE_URL is given as a value",
    ),
    ("app-secrets-by-reference", APP, "template.containers.0.env.0.value", SECRET, "AZURE_CLIENT_ID is given as a value"),
    ("app-ingress-tls", APP, "configuration.ingress.allowInsecure", True, "it must be False"),
    ("app-min-replicas", APP, "template.scale.minReplicas", 1, "minReplicas is 1; it must be 2 or more"),
    ("app-image-version", APP, "template.containers.0.image", "ghcr.io:443/example/vision-engine", "must name a version"),
    ("app-image-version", APP, "template.containers.0.image", "vision-engine:latest", "must name a version"),
    ("app-image-digest", APP, "template.containers.0.image", "vision-engine:1.0.0", "must end with @sha256:"),
    ("private-network", STORAGE, "publicNetworkAccess", "Enabled", "publicNetworkAccess is 'Enabled'; it must be 'Disabled'"),
    ("private-network", VISION, "properties.publicNetworkAccess", None, "properties.publicNetworkAccess is not set"),
    ("private-network", SERVER, "network", None, "network.publicNetworkAccess is not set"),
    ("diagnostics", LOGS, "workspaceId", None, "workspaceId is not set"),
    ("diagnostics", ENVIRONMENT, "appLogsConfiguration", None, "appLogsConfiguration.destination is not set"),
    ("protected-data", STORAGE, "protect", False, "protect is not set"),
    ("data-locks", LOCK, "level", "Other", "level is 'Other'; it must be 'CanNotDelete' or 'ReadOnly'"),
    ("cost-budget", BUDGET, "notifications.actual80.enabled", False, "no enabled one with contactEmails"),
    ("cost-budget", BUDGET, "notifications.actual80.contactEmails", [], "no enabled one with contactEmails"),
    ("required-tags", STORAGE, "tags", {"project": "x"}, "tags has no stack"),
    ("required-tags", GROUP, "tags", None, "tags has no project, stack"),
    ("gates", sample.EVALUATION, "require", None, "depends on no Evaluation with `require`"),
    ("gates", sample.PUBLISHED, "dependencies", [], "depends on no Evaluation with `require`"),
    ("budget-ceiling", sample.MODEL, "time_budget_in_hours", 9.0, "1 models add up to 9 hours; the stack may spend 8"),
]

# A job has no ingress and no replicas, and can't read a vault.
OF_APPS_ALONE = ("app-ingress-tls", "app-min-replicas", "app-secrets-in-vault")
OF_JOBS = [case for case in FAILING if case[1] == APP and case[0] not in OF_APPS_ALONE]

# rule, the type of which none is left, what the error says
MISSING = [
    ("storage-soft-delete", SERVICE, "it has no BlobServiceProperties"),
    ("storage-point-in-time-restore", SERVICE, "it has no BlobServiceProperties, so its containers"),
    ("storage-point-in-time-restore", LIFECYCLE, "it has no ManagementPolicy that deletes former versions"),
    ("diagnostics", LOGS, "it has no DiagnosticSetting"),
    ("data-locks", LOCK, "it has no lock against deletion"),
    ("cost-budget", BUDGET, "it has no Budget"),
    ("private-network", ENDPOINT, "it has no private endpoint"),
]

WITHOUT_PASSWORD = "postgresql://vision-engine@vision-prod:5432/vision?sslmode=verify-full"
FIREWALL = {"startIpAddress": "0.0.0.0", "endIpAddress": "0.0.0.0"}


def found(state: dict[str, Any], config: dict[str, Any] | None = None) -> list[Violation]:
    return violations_of(state, PRIVATE if config is None else config, NOW)


def with_firewall(**addresses: str) -> dict[str, Any]:
    state = sample.exported()
    type_ = "azure-native:dbforpostgresql:FirewallRule"
    state["deployment"]["resources"].append(
        {
            "urn": sample.urn(type_, "azure"),
            "type": type_,
            "id": f"{sample.SERVER}/firewallRules/azure",
            "inputs": {**FIREWALL, **addresses},
        }
    )
    sample.remove(state, ENDPOINT)
    return state


def test_a_stack_as_it_should_be_passes_every_rule() -> None:
    state = sample.exported()
    assert list(map(str, found(state))) == []
    concerned = {rule.name for rule in RULES for entry in state["deployment"]["resources"] if rule.concerns(entry["type"])}
    assert concerned | {"database-firewall"} == {rule.name for rule in RULES}


def test_every_rule_has_a_resource_that_fails() -> None:
    assert {case[0] for case in FAILING} | {"database-firewall"} == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(("rule", "type_", "path", "value", "message"), FAILING)
def test_what_fails(rule: str, type_: str, path: str, value: object, message: str) -> None:
    state = sample.exported()
    sample.change(state, type_, path, value)
    violation = next(violation for violation in found(state) if violation.rule.name == rule)
    assert message in violation.message
    assert violation.resource is None or violation.resource.type in (type_, sample.PUBLISHED)
    assert violation.level == "mandatory"


@pytest.mark.parametrize(("rule", "type_", "path", "value", "message"), OF_JOBS)
def test_what_fails_in_an_app_fails_in_a_job(rule: str, type_: str, path: str, value: object, message: str) -> None:
    state = sample.exported()
    sample.change(state, type_, path, value)
    sample.entry(state, type_)["type"] = JOB
    violation = next(violation for violation in found(state) if violation.rule.name == rule)
    assert message in violation.message
    assert violation.resource is not None
    assert violation.resource.type == JOB


@pytest.mark.parametrize(("rule", "type_", "message"), MISSING)
def test_what_is_missing(rule: str, type_: str, message: str) -> None:
    state = sample.exported()
    sample.remove(state, type_)
    assert any(violation.message.startswith(message) for violation in found(state) if violation.rule.name == rule)


# Without addresses, the rule that Azure's portal calls "allow access from Azure services".
@pytest.mark.parametrize("addresses", [{}, {"endIpAddress": "255.255.255.255"}, {"startIpAddress": "203.0.113.7"}])
def test_a_firewall_that_opens_anything_fails(addresses: dict[str, str]) -> None:
    assert "database-firewall" in {violation.rule.name for violation in found(with_firewall(**addresses), {})}


def test_a_private_network_has_no_firewall_rules() -> None:
    messages = [violation.message for violation in found(with_firewall()) if violation.rule.name == "private-network"]
    assert "a database in a private network has no firewall rules" in messages


@pytest.mark.parametrize(
    ("type_", "path", "value"),
    [
        (VISION, "location", "WestUS2"),
        (sample.DATASET, "sas_token", DELEGATION_SAS),
        (sample.DATASET, "sas_token", DELEGATION_SAS.replace("se=2026-01-01T18", "st=2026-05-01T00:00:00Z&se=2026-05-01T18")),
        (ROLE, "roleDefinitionId", sample.ADDER),
        (ROLE, "roleDefinitionId", sample.ADDER.upper()),
        (DEFINITION, "permissions.0.dataActions.0", f"{sample.BLOBS}/READ"),
        (APP, "template.scale.minReplicas", 2.0),
        (APP, "template.containers.0.image", f"vision-engine@sha256:{'0' * 64}"),
        (APP, "configuration.secrets.0.value", SECRET),
        (APP, "template.containers.0.env.1", {"name": "VISION_ENGINE_DATABASE_URL", "value": WITHOUT_PASSWORD}),
        (APP, "template.containers.0.env.1", {"name": "VISION_ENGINE_DATABASE_URL", "value": UNKNOWN_TEXT}),
        (SERVER, "network", {"delegatedSubnetResourceId": "/subnets/database", "publicNetworkAccess": "Disabled"}),
    ],
)
def test_what_passes_beside_the_sample(type_: str, path: str, value: object) -> None:
    state = sample.exported()
    sample.change(state, type_, path, value)
    assert list(map(str, found(state, {**PRIVATE, "allowed-region": {"regions": ["eastus", "westus2"]}}))) == []


@pytest.mark.parametrize("mode", ["Disabled", None])
def test_a_stack_can_require_a_standby(mode: str | None) -> None:
    state = sample.exported()
    sample.change(state, SERVER, "highAvailability.mode", mode)
    config = {**PRIVATE, "database-standby": {"modes": ["SameZone", "ZoneRedundant"]}}
    assert [violation.rule.name for violation in found(state, config)] == ["database-standby"]
    sample.change(state, SERVER, "highAvailability.mode", "SameZone")
    assert found(state, config) == []


@pytest.mark.parametrize(
    ("rule", "type_", "path", "value", "allowed", "config"),
    [
        ("storage-redundancy", STORAGE, "sku.name", "Standard_LRS", "Standard_ZRS", {"skus": ["Standard_ZRS"]}),
        ("database-backup-region", SERVER, "backup.geoRedundantBackup", "Enabled", "Disabled", {"modes": ["Disabled"]}),
        ("database-backup-region", SERVER, "backup.geoRedundantBackup", None, "Enabled", {"modes": ["Enabled"]}),
    ],
)
def test_a_stack_can_say_where_copies_are(
    rule: str, type_: str, path: str, value: object, allowed: str, config: dict[str, Any]
) -> None:
    state = sample.exported()
    sample.change(state, type_, path, value)
    assert [violation.rule.name for violation in found(state, {**PRIVATE, rule: config})] == [rule]
    sample.change(state, type_, path, allowed)
    assert found(state, {**PRIVATE, rule: config}) == []


@pytest.mark.parametrize("rule", ["environment-zones", "environment-peer-encryption"])
def test_what_an_environment_has_is_a_choice_until_a_stack_requires_it(rule: str) -> None:
    state = sample.exported()
    sample.change(state, ENVIRONMENT, "zoneRedundant", False)
    sample.change(state, ENVIRONMENT, "peerTrafficConfiguration", None)
    private = {"private-network": {"required": True}, "app-min-replicas": {"replicas": 2}}
    assert found(state, private) == []
    assert [violation.rule.name for violation in found(state, {**private, rule: {"required": True}})] == [rule]


def test_on_this_machine_a_key_and_a_service_sas_may_be() -> None:
    state = sample.exported()
    for path, value in (("container_url", "http://127.0.0.1:10000/a/c"), ("account_key", KEY), ("sas_token", SERVICE_SAS)):
        sample.change(state, sample.DATASET, path, value)
    assert found(state) == []
    sample.change(state, sample.DATASET, "sas_token", ACCOUNT_SAS)
    assert [violation.rule.name for violation in found(state)] == ["no-account-sas"]
    assert identity.LOOPBACK_HOSTS == LOOPBACK_HOSTS


@pytest.mark.parametrize(
    ("scope", "rule"),
    [
        (sample.STORAGE, "role-least-scope"),
        # Of another account it is another role, and nobody knows what that allows.
        (sample.CONTAINER.replace("visionprod", "other"), "role-needed"),
        (sample.GROUP, "role-needed"),
    ],
)
def test_the_stacks_own_role_is_for_a_container_of_its_account(scope: str, rule: str) -> None:
    state = sample.exported()
    sample.change(state, ROLE, "roleDefinitionId", sample.ADDER)
    sample.change(state, ROLE, "scope", scope)
    assert [violation.rule.name for violation in found(state)] == [rule]


def test_the_stacks_own_role_is_the_one_that_the_component_defines() -> None:
    assert identity.ADDERS == roles.ADDERS
    assert {roles.READ_BLOBS.lower(), roles.ADD_BLOBS.lower()} == identity.ADDER_ACTIONS
    assert roles.adder_id(sample.STORAGE) == sample.ADDER_GUID
    assert identity.ADDER.name == blob_adder.LABEL


def test_a_workers_app_needs_no_replicas() -> None:
    state = sample.exported()
    sample.change(state, APP, "configuration.ingress", None)
    sample.change(state, APP, "template.scale.minReplicas", 0)
    assert found(state) == []


def everything_unknown(type_: str) -> Resource:
    entry = sample.entry(sample.exported(), type_)
    return Resource(type_, "unknown", "urn", dict.fromkeys(entry["inputs"], UNKNOWN))


@pytest.mark.parametrize("type_", sorted({case[1] for case in FAILING}))
def test_what_a_preview_does_not_know_is_not_judged(type_: str) -> None:
    resource = everything_unknown(type_)
    for rule in RULES:
        if isinstance(rule, Rule) and rule.concerns(type_):
            assert list(rule.check(resource, rule.settings_from({}, NOW))) == []


@pytest.mark.parametrize(
    ("config", "level"),
    [
        ({}, "mandatory"),
        ({"all": "advisory"}, "advisory"),
        ({"all": "advisory", "storage-https-only": "mandatory"}, "mandatory"),
        ({"all": {"enforcementLevel": "advisory"}, "storage-https-only": {}}, "advisory"),
        ({"all": "advisory", "storage-https-only": "disabled"}, None),
    ],
)
def test_levels(config: dict[str, Any], level: str | None) -> None:
    state = sample.exported()
    sample.change(state, STORAGE, "enableHttpsTrafficOnly", False)
    assert [violation.level for violation in found(state, config)] == ([level] if level else [])


@pytest.mark.parametrize("config", [{"storage-https": "advisory"}, {"storage-https-only": "loud"}])
def test_a_configuration_with_an_unknown_name_is_an_error(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"; choose from (allowed-region|advisory), "):
        found(sample.exported(), config)


@pytest.mark.parametrize(
    ("text", "account", "delegated", "writes"),
    [
        (ACCOUNT_SAS, True, False, False),
        (f"?{SERVICE_SAS}", False, False, False),
        (f"https://a.example/c/x.jpg?{DELEGATION_SAS}", False, True, False),
        (f"BlobEndpoint=https://a.example;SharedAccessSignature={ACCOUNT_SAS.replace('sp=rl', 'sp=rwdl')};", True, False, True),
        ("sv=1&si=stored-policy&sig=a", False, False, True),
    ],
)
def test_signatures(text: str, account: bool, delegated: bool, writes: bool) -> None:
    [signature] = signatures_in(text)
    assert (signature.is_for_account, signature.is_by_identity, signature.writes) == (account, delegated, writes)
    assert "sig" not in signature.parameters


@pytest.mark.parametrize("text", ["", "a design=1", "https://a.example/?sig=1", "ss=b&srt=c"])
def test_no_signature(text: str) -> None:
    assert list(signatures_in(text)) == []


def test_no_message_shows_a_secret() -> None:
    state = sample.exported()
    for path, value in (("configuration.secrets.0.value", f"AccountKey={KEY}"), ("configuration.secrets.1.value", ACCOUNT_SAS)):
        sample.change(state, APP, path, value)
    sample.change(state, sample.DATASET, "account_key", KEY)
    told = "\n".join(map(str, found(state)))
    assert "account key" in told
    assert KEY not in told
    assert "abc%3D" not in told
