"""Storage accounts and containers."""

from collections.abc import Iterator, Sequence

from .rule import UNKNOWN, Resource, Rule, Settings, StackRule, expect

ACCOUNT = "azure-native:storage:StorageAccount"
CONTAINER = "azure-native:storage:BlobContainer"
BLOB_SERVICE = "azure-native:storage:BlobServiceProperties"
MANAGEMENT_POLICY = "azure-native:storage:ManagementPolicy"

SKUS = tuple(f"Standard_{copies}" for copies in ("LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS"))
"""Copies in one data centre, in zones of a region, and (with G) also in another region."""


def keeps_blobs_private(resource: Resource, _settings: Settings) -> Iterator[str]:
    if resource.type == ACCOUNT:
        yield from expect(resource, "allowBlobPublicAccess", False)
    else:
        yield from expect(resource, "publicAccess", None, "None")


def refuses_shared_keys(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "allowSharedKeyAccess", False)


def is_encrypted_twice(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "encryption.requireInfrastructureEncryption", True)


def talks_over_https(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "enableHttpsTrafficOnly", True)


def talks_current_tls(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "minimumTlsVersion", "TLS1_2", "TLS1_3")


def keeps_what_is_deleted(resources: Sequence[Resource], settings: Settings) -> Iterator[tuple[Resource | None, str]]:
    least = settings.number("days")
    services = [resource for resource in resources if resource.type == BLOB_SERVICE]
    for account in resources:
        if account.type == ACCOUNT and not any(account.key in service.depends_on for service in services):
            yield account, "it has no BlobServiceProperties, so deleted data is gone at once"
    for service in services:
        for policy in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
            for problem in expect(service, f"{policy}.enabled", True):
                yield service, problem
            days = service.at(f"{policy}.days")
            if days is not UNKNOWN and (days or 0) < least:
                yield service, f"{policy}.days is {days or 0:g}; it must be {least:g} or more"


def has_no_local_users(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "isLocalUserEnabled", False)
    yield from expect(resource, "isSftpEnabled", False, None)


def has_copies(resource: Resource, settings: Settings) -> Iterator[str]:
    sku, allowed = resource.at("sku.name"), settings.texts("skus")
    if sku is not UNKNOWN and sku not in allowed:
        yield f"sku.name is {sku or 'not set'}; this stack allows {', '.join(allowed)}"


def stays_in_its_tenant(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "allowCrossTenantReplication", False)


def can_be_restored(resources: Sequence[Resource], settings: Settings) -> Iterator[tuple[Resource | None, str]]:
    least = settings.number("days")
    services = [resource for resource in resources if resource.type == BLOB_SERVICE]
    policies = [resource for resource in resources if resource.type == MANAGEMENT_POLICY]
    for account in resources:
        if account.type == ACCOUNT and not any(account.key in service.depends_on for service in services):
            yield account, "it has no BlobServiceProperties, so its containers can't be restored"
        if account.type == ACCOUNT and not any(account.key in policy.depends_on for policy in policies):
            yield account, "it has no ManagementPolicy that deletes former versions, so they are kept and billed without end"
    for policy in policies:
        if not deletes_versions(policy):
            yield (
                policy,
                "policy.rules has no enabled rule that deletes former versions, so they are kept and billed without end",
            )
    for service in services:
        for path in ("isVersioningEnabled", "changeFeed.enabled", "restorePolicy.enabled"):
            for problem in expect(service, path, True):
                yield service, problem
        days = service.at("restorePolicy.days")
        if days is not UNKNOWN and (days or 0) < least:
            yield service, f"restorePolicy.days is {days or 0:g}; it must be {least:g} or more"


def deletes_versions(policy: Resource) -> bool:
    if policy.at("policy.rules") is UNKNOWN:
        return True
    return any(
        rule.get("enabled") is not False
        and (((rule.get("definition") or {}).get("actions") or {}).get("version") or {}).get("delete")
        for rule in policy.items_at("policy.rules")
    )


RULES = (
    Rule(
        name="storage-no-public-blobs",
        says="No blob can be read without a credential.",
        why="Training images are not public, and scanners find a public container within hours.",
        fix='Set `allowBlobPublicAccess` of the account to false, and `publicAccess` of its containers to "None".',
        types=(ACCOUNT, CONTAINER),
        check=keeps_blobs_private,
    ),
    Rule(
        name="storage-no-shared-keys",
        says="The storage account refuses its account keys.",
        why="An account key opens everything in the account, identifies no user, and can sign an account SAS.",
        fix="Set `allowSharedKeyAccess` to false; upload and read with Entra identities.",
        types=(ACCOUNT,),
        check=refuses_shared_keys,
    ),
    Rule(
        name="storage-infrastructure-encryption",
        says="Storage is encrypted a second time, at the infrastructure level.",
        why="It can be set only when the account is created.",
        fix="Set `encryption.requireInfrastructureEncryption` to true (this replaces the account).",
        types=(ACCOUNT,),
        check=is_encrypted_twice,
    ),
    Rule(
        name="storage-https-only",
        says="Storage answers over https only.",
        why="Tokens and images would cross the network in the clear.",
        fix="Set `enableHttpsTrafficOnly` to true.",
        types=(ACCOUNT,),
        check=talks_over_https,
    ),
    Rule(
        name="storage-tls-1-2",
        says="Storage speaks TLS 1.2 or later.",
        why="Azure's own default for an account without the setting is TLS 1.0.",
        fix='Set `minimumTlsVersion` to "TLS1_2".',
        types=(ACCOUNT,),
        check=talks_current_tls,
    ),
    StackRule(
        name="storage-soft-delete",
        says="Deleted blobs and containers can be restored for some days.",
        why="Models can be trained again; lost images can't be recreated.",
        fix="Declare BlobServiceProperties for the account, with both retention policies enabled and `days` high enough.",
        types=(ACCOUNT, BLOB_SERVICE),
        settings={"days": {"type": "integer", "minimum": 1, "maximum": 365, "default": 7}},
        check=keeps_what_is_deleted,
    ),
    Rule(
        name="storage-no-local-users",
        says="The storage account has no local users and no SFTP.",
        why="A local user has a password or key of its own, which Entra does not know and which does not expire.",
        fix="Set `isLocalUserEnabled` to false, and leave `isSftpEnabled` off.",
        types=(ACCOUNT,),
        check=has_no_local_users,
    ),
    Rule(
        name="storage-redundancy",
        says="The storage account keeps as many copies, and where, as the stack allows.",
        why="With copies in one data centre, a fire there ends all datasets. Copies in another region take images out.",
        fix="Set the stack's `storageSku` to one that is allowed, or allow it with `skus`.",
        types=(ACCOUNT,),
        settings={
            "skus": {"type": "array", "items": {"type": "string", "enum": list(SKUS)}, "minItems": 1, "default": list(SKUS)}
        },
        check=has_copies,
    ),
    Rule(
        name="storage-no-cross-tenant-replication",
        says="Blobs are not replicated to an account of another tenant.",
        why="A replication policy would copy training images out of the organization, without any sign in the source.",
        fix="Set `allowCrossTenantReplication` to false.",
        types=(ACCOUNT,),
        check=stays_in_its_tenant,
    ),
    StackRule(
        name="storage-point-in-time-restore",
        says="Containers can be restored as they were at any time of the last days; former versions are deleted later.",
        why="A faulty program can overwrite many blobs at once, which nobody can undo one by one.",
        fix="Set the stack's `restoreDays`: it enables versions, change feed, restore and the rule that deletes versions.",
        types=(ACCOUNT, BLOB_SERVICE, MANAGEMENT_POLICY),
        settings={"days": {"type": "integer", "minimum": 1, "maximum": 364, "default": 1}},
        check=can_be_restored,
    ),
)
