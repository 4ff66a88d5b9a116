"""Storage accounts and containers."""

from collections.abc import Iterator, Sequence

from .rule import UNKNOWN, Resource, Rule, Settings, StackRule, expect

ACCOUNT = "azure-native:storage:StorageAccount"
CONTAINER = "azure-native:storage:BlobContainer"
BLOB_SERVICE = "azure-native:storage:BlobServiceProperties"


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
)
