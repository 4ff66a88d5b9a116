"""`python -m policy.controls STATE.json`: how a stack is secured, beside the defaults of Azure Verified Modules (AVM)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from policy.report import escaped, shown
from policy.rules import apps, database, stack, storage, vault, vision
from policy.rules.rule import Resource
from policy.state import StateInvalid, resources_in

MODULES: Mapping[str, tuple[str, str]] = {
    "storage": ("storage/storage-account", "0021497a38c43901077ea865d64d4ab9f2b532b9"),
    "blobs": ("storage/storage-account/blob-service", "a01fe233999d4fde978bb50b6d1a026a80851f84"),
    "vision": ("cognitive-services/account", "0021497a38c43901077ea865d64d4ab9f2b532b9"),
    "database": ("db-for-postgre-sql/flexible-server", "a5b1eafa886dda1bc46b0fe21a8cb63fba254f3f"),
    "vault": ("key-vault/vault", "a0807349e81f15d304f601a554590c5c2de249af"),
    "environment": ("app/managed-environment", "386c182fc558418eba58ab95e3c005f8fd9469ff"),
    "app": ("app/container-app", "a1bf9cf9067e44e6b53fec5c61bdaa72e0a9f5b1"),
}
"""The AVM modules that the defaults were read from: a path below `avm/res` of Azure/bicep-registry-modules, and a commit."""

Read = Callable[[Sequence[Resource]], str]


@dataclass(frozen=True)
class Control:
    """One control.

    Attributes:
        avm: what the module does if nothing is set.
        ours: reads the stack's own value from its resources.
        rule: the rule of the policy pack that holds it.
    """

    says: str
    module: str
    avm: str
    ours: Read
    rule: str
    why: str


def at(type_: str, *paths: str) -> Read:
    """The values of all resources of a type at the paths, each once."""

    def read(resources: Sequence[Resource]) -> str:
        of_type = [resource for resource in resources if resource.type == type_]
        if not of_type:
            return "no such resource"
        values = {" / ".join(shown(resource.at(path), "not set") for path in paths): None for resource in of_type}
        return ", ".join(values)

    return read


def observed(resources: Sequence[Resource]) -> str:
    return _share(resources, stack.OBSERVED, stack.DIAGNOSTIC_SETTING, "send logs to Log Analytics")


def locked(resources: Sequence[Resource]) -> str:
    return _share(resources, stack.LOCKED, stack.LOCK, "are locked against deletion")


def connected(resources: Sequence[Resource]) -> str:
    return _share(resources, (storage.ACCOUNT, vision.ACCOUNT, vault.VAULT), stack.PRIVATE_ENDPOINT, "have a private endpoint")


def _share(resources: Sequence[Resource], types: Sequence[str], other: str, says: str) -> str:
    """How many of the resources of some types have a resource of another type that depends on them."""
    concerned = [resource for resource in resources if resource.type in types]
    others = [resource for resource in resources if resource.type == other]
    held = [resource for resource in concerned if any(resource.key in each.depends_on for each in others)]
    return f"{len(held)} of {len(concerned)} {says}"


def deletes_versions(resources: Sequence[Resource]) -> str:
    days = [
        shown(((rule.get("definition") or {}).get("actions") or {}).get("version", {}).get("delete", {}).get(AGE), "never")
        for resource in resources
        if resource.type == storage.MANAGEMENT_POLICY
        for rule in resource.items_at("policy.rules")
    ]
    return f"after {', '.join(days)} days" if days else "never"


def in_vault(resources: Sequence[Resource]) -> str:
    secrets = [
        secret
        for resource in resources
        if resource.type == apps.CONTAINER_APP
        for secret in resource.items_at("configuration.secrets")
    ]
    return f"{sum(bool(secret.get('keyVaultUrl')) for secret in secrets)} of {len(secrets)} are in a Key Vault"


AGE = "daysAfterCreationGreaterThan"


def tags(resources: Sequence[Resource]) -> str:
    """The tags that all resources that can have tags have."""
    names = [set(resource.at("tags") or {}) for resource in resources if resource.type in stack.TAGGED]
    return ", ".join(sorted(set.intersection(*names))) if names else "none"


def ingress(path: str) -> Read:
    """The values of the apps that have an ingress."""

    def read(resources: Sequence[Resource]) -> str:
        return at(apps.CONTAINER_APP, path)([resource for resource in resources if resource.at("configuration.ingress")])

    return read


CONTROLS = (
    Control(
        "Blobs without a credential", "storage", "refused", at(storage.ACCOUNT, "allowBlobPublicAccess"),
        "storage-no-public-blobs", "Training images are not public.",
    ),
    Control(
        "Account keys", "storage", "`allowSharedKeyAccess`: true", at(storage.ACCOUNT, "allowSharedKeyAccess"),
        "storage-no-shared-keys", "Stricter: all callers have Entra identities.",
    ),
    Control(
        "Local users / SFTP", "storage", "false / false", at(storage.ACCOUNT, "isLocalUserEnabled", "isSftpEnabled"),
        "storage-no-local-users", "Their keys do not expire.",
    ),
    Control(
        "Replication to other tenants", "storage", "false", at(storage.ACCOUNT, "allowCrossTenantReplication"),
        "storage-no-cross-tenant-replication", "Images stay in the organization.",
    ),
    Control(
        "https only", "storage", "true", at(storage.ACCOUNT, "enableHttpsTrafficOnly"),
        "storage-https-only", "Tokens and images are not sent in the clear.",
    ),
    Control(
        "Oldest TLS", "storage", "TLS1_2", at(storage.ACCOUNT, "minimumTlsVersion"),
        "storage-tls-1-2", "Older versions are broken.",
    ),
    Control(
        "Infrastructure encryption", "storage", "true", at(storage.ACCOUNT, "encryption.requireInfrastructureEncryption"),
        "storage-infrastructure-encryption", "It can be set only when the account is created.",
    ),
    Control(
        "Redundancy of storage", "storage", "Standard_GRS", at(storage.ACCOUNT, "sku.name"),
        "storage-redundancy", "`storageSku`: zones of one region by default in prod, so that images stay in the region.",
    ),
    Control(
        "Public network access of storage", "storage", "disabled with private endpoints",
        at(storage.ACCOUNT, "publicNetworkAccess"), "private-network", "`privateNetwork` disables it.",
    ),
    Control(
        "Days of soft delete, of blobs / containers", "storage", "6 / 7",
        at(storage.BLOB_SERVICE, "deleteRetentionPolicy.days", "containerDeleteRetentionPolicy.days"),
        "storage-soft-delete", "Lost images can't be made again.",
    ),
    Control(
        "Versions / change feed", "blobs", "false / false",
        at(storage.BLOB_SERVICE, "isVersioningEnabled", "changeFeed.enabled"),
        "storage-point-in-time-restore", "Stricter: a restore needs them.",
    ),
    Control(
        "Days of point-in-time restore", "blobs", "off", at(storage.BLOB_SERVICE, "restorePolicy.days"),
        "storage-point-in-time-restore", "Stricter: nobody can undo thousands of overwritten blobs one by one.",
    ),
    Control(
        "Deletion of former versions", "storage", "never", deletes_versions,
        "storage-point-in-time-restore", "Otherwise they are billed without end.",
    ),
    Control(
        "Keys of the Vision account", "vision", "`disableLocalAuth`: true", at(vision.ACCOUNT, "properties.disableLocalAuth"),
        "vision-no-local-auth", "Callers have identities.",
    ),
    Control(
        "Outbound calls of the Vision account", "vision", "restricted, no host allowed",
        at(vision.ACCOUNT, "properties.restrictOutboundNetworkAccess", "properties.allowedFqdnList"),
        "vision-outbound-hosts", "It reads images from the stack's own storage; `imageHosts` adds hosts.",
    ),
    Control(
        "Public network access of the Vision account", "vision", "disabled without network rules",
        at(vision.ACCOUNT, "properties.publicNetworkAccess"), "private-network", "`privateNetwork` disables it.",
    ),
    Control(
        "Private endpoints", "storage", "none", connected,
        "private-network", "PostgreSQL needs none: it is in a subnet of its own.",
    ),
    Control(
        "Login to PostgreSQL by Entra / by password", "database", "on if administrators are given / if a password is given",
        at(database.SERVER, "authConfig.activeDirectoryAuth", "authConfig.passwordAuth"),
        "database-entra-only", "Stricter: tokens end by themselves, and name who calls. `database.login: password` allows one.",
    ),
    Control(
        "Public network access of PostgreSQL", "database", "Disabled", at(database.SERVER, "network.publicNetworkAccess"),
        "private-network", "`privateNetwork` disables it.",
    ),
    Control(
        "Days of backups", "database", "7", at(database.SERVER, "backup.backupRetentionDays"),
        "database-backups", "The database holds all datasets, models and published names.",
    ),
    Control(
        "Backups in another region", "database", "Enabled", at(database.SERVER, "backup.geoRedundantBackup"),
        "database-backup-region",
        "`geoRedundantBackup`: can be set only when the server is created, and takes data out of the region.",
    ),
    Control(
        "High availability of PostgreSQL", "database", "ZoneRedundant", at(database.SERVER, "highAvailability.mode"),
        "database-standby", "A second server, at the same price. Not every region offers zones.",
    ),
    Control(
        "Secrets of the apps", "app", "in the app", in_vault,
        "app-secrets-in-vault", "Stricter: the vault logs who read them. `keyVault` puts them there.",
    ),
    Control(
        "Access to the vault by roles alone", "vault", "true", at(vault.VAULT, "properties.enableRbacAuthorization"),
        "vault-rbac", "Only the engine's identity reads secrets.",
    ),
    Control(
        "Purge protection / days of soft delete of the vault", "vault", "true / 90",
        at(vault.VAULT, "properties.enablePurgeProtection", "properties.softDeleteRetentionInDays"),
        "vault-purge-protection", "`purgeProtection`: its name is blocked for 90 days after a `destroy`.",
    ),
    Control(
        "Public network access of the vault", "vault", "disabled with private endpoints",
        at(vault.VAULT, "properties.publicNetworkAccess"), "private-network", "`privateNetwork` disables it.",
    ),
    Control(
        "Logs of the apps", "environment", "log-analytics", at(apps.ENVIRONMENT, "appLogsConfiguration.destination"),
        "diagnostics", "Without logs, nobody finds out who read which image.",
    ),
    Control(
        "Environment without public address", "environment", "`internal`: false",
        at(apps.ENVIRONMENT, "vnetConfiguration.internal"),
        "private-network", "`privateNetwork` makes it internal.",
    ),
    Control(
        "Zone redundancy of the environment", "environment", "true", at(apps.ENVIRONMENT, "zoneRedundant"),
        "environment-zones", "Can be set only when the environment is created, and needs a network.",
    ),
    Control(
        "Encryption between apps", "environment", "true",
        at(apps.ENVIRONMENT, "peerTrafficConfiguration.encryption.enabled"),
        "environment-peer-encryption",
        "API and workers do not call each other: they meet in the database and in storage, over TLS.",
    ),
    Control(
        "Ingress without TLS", "app", "`ingressAllowInsecure`: true", ingress("configuration.ingress.allowInsecure"),
        "app-ingress-tls", "Stricter: keys and images are not sent in the clear.",
    ),
    Control(
        "Replicas that always run", "app", "3", ingress("template.scale.minReplicas"),
        "app-min-replicas", "Two, so that an update does not interrupt callers.",
    ),
    Control(
        "Identity of an app", "app", "none", at(apps.CONTAINER_APP, "identity.type"),
        "app-identity", "Stricter: an app without one needs keys.",
    ),
    Control(
        "Diagnostic settings", "storage", "none", observed,
        "diagnostics", "Stricter: storage, Vision, PostgreSQL and the vault log to one place.",
    ),
    Control(
        "Locks", "storage", "none", locked,
        "data-locks", "`locks`: storage account and PostgreSQL server.",
    ),
    Control(
        "Budget per month", "storage", "not part of the module", at(stack.BUDGET, "amount"),
        "cost-budget", "`monthlyBudget`: mail at 80 % and 100 %.",
    ),
    Control(
        "Tags of all resources", "storage", "none", tags,
        "required-tags", "Everybody knows whom to ask, and who pays.",
    ),
)  # fmt: skip


def table(resources: Sequence[Resource]) -> str:
    """One row for each control."""
    lines = ["| control | AVM default | this stack | held by | why |", "|---|---|---|---|---|"]
    for control in CONTROLS:
        module = f"{control.avm} ([{control.module}](#modules))"
        cells = (control.says, module, control.ours(resources), f"`{control.rule}`", control.why)
        lines.append(f"| {' | '.join(escaped(cell) for cell in cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m policy.controls", description=__doc__)
    parser.add_argument("state", type=Path, help="JSON of `pulumi stack export`")
    options = parser.parse_args(arguments)
    try:
        print(table(resources_in(json.loads(options.state.read_text()))))
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    except (ValueError, StateInvalid) as error:
        print(f"{options.state}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
