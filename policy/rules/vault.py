"""Key Vault, and the secrets that apps refer to."""

from collections.abc import Iterator

from .rule import UNKNOWN, Resource, Rule, Settings, expect

VAULT = "azure-native:keyvault:Vault"
SECRET = "azure-native:keyvault:Secret"  # noqa: S105 - a type
CONTAINER_APP = "azure-native:app:ContainerApp"


def is_opened_by_roles(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "properties.enableRbacAuthorization", True)
    if resource.at("properties.accessPolicies") not in (None, [], UNKNOWN):
        yield "properties.accessPolicies is set; access policies give rights that no role assignment shows"


def is_not_purged(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "properties.enablePurgeProtection", True)


def refers_to_a_vault(resource: Resource, settings: Settings) -> Iterator[str]:
    if not settings.flag("required"):
        return
    for index, secret in enumerate(resource.items_at("configuration.secrets")):
        if secret.get("keyVaultUrl") is None:
            yield f"configuration.secrets[{index}] ({secret.get('name')}) has its value in the app; it must have a keyVaultUrl"
        elif secret.get("identity") is not UNKNOWN and not secret.get("identity"):
            yield f"configuration.secrets[{index}] ({secret.get('name')}) names no identity that reads it"


RULES = (
    Rule(
        name="vault-rbac",
        says="A Key Vault is opened by roles alone.",
        why="An access policy applies to all secrets of a vault, and anyone who may write the vault can add their own.",
        fix="Set `properties.enableRbacAuthorization` to true, and remove `properties.accessPolicies`.",
        types=(VAULT,),
        check=is_opened_by_roles,
    ),
    Rule(
        name="vault-purge-protection",
        says="A deleted Key Vault can be brought back for the days of its soft delete, whatever anyone does.",
        why="Without it, a thief or a wrong script can delete the vault, and then purge it.",
        fix="Set `purgeProtection: true` for the stack. It stays on, and blocks a deleted vault's name for 90 days.",
        types=(VAULT,),
        check=is_not_purged,
    ),
    Rule(
        name="app-secrets-in-vault",
        says="If the stack requires it, an app has its secrets in a Key Vault.",
        why="A vault logs who read a secret and when. Anyone who may write an app can read the secrets that are in it.",
        fix="Set `keyVault: true` for the stack.",
        types=(CONTAINER_APP,),
        settings={"required": {"type": "boolean", "default": False}},
        check=refers_to_a_vault,
    ),
)
