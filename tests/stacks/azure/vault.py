"""Key Vault: names of deleted vaults, who may read and delete secrets, and the secrets that Container Apps refer to.

Pure functions of a state. Sources are in the README.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from tests.stacks.azure.directory import Directory, Resource
from tests.stacks.azure.failure import Failure
from tests.stacks.azure.subscription import State, same

VAULT = "azure-native:keyvault:Vault"
SECRET = "azure-native:keyvault:Secret"
PRIVATE_ENDPOINT = "azure-native:network:PrivateEndpoint"
ZONE_GROUP = "azure-native:network:PrivateDnsZoneGroup"

SUFFIX = ".vault.azure.net"
READERS = frozenset(
    {
        "00482a5a-887f-4fb3-b363-3b7fe8e74483",  # Key Vault Administrator
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",  # Key Vault Secrets Officer
        "4633458b-17de-408a-b874-0445c86b69e6",  # Key Vault Secrets User
    }
)
OFFICERS = READERS - {"4633458b-17de-408a-b874-0445c86b69e6"}

Values = dict[str, Any]


def check_name_is_free(inputs: Values, state: State) -> None:
    """Refuse the name of a vault that was deleted, until it is purged or recovered."""
    for known, deleted in state.deleted.items():
        if deleted["type"] == VAULT and same(known.rpartition("/")[2], inputs["vaultName"]):
            raise Failure(
                409,
                "ConflictError",
                "A vault with the same name already exists in deleted state. You need to either recover or purge existing key "
                "vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.",
            )


def deleted(name: str, location: str, directory: Directory) -> Values | None:
    """What Azure answers about a deleted vault."""
    for known, found in (directory.state.get("deleted") or {}).items():
        if found["type"] == VAULT and same(known.rpartition("/")[2], name) and same(found["outputs"]["location"], location):
            since = datetime.fromtimestamp(found["deleted"], UTC)
            days = found["outputs"]["properties"]["softDeleteRetentionInDays"]
            return {
                "name": name,
                "properties": {
                    "vaultId": known,
                    "location": location,
                    "deletionDate": f"{since:%Y-%m-%dT%H:%M:%SZ}",
                    "scheduledPurgeDate": f"{since + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}",
                    **({"purgeProtectionEnabled": True} if is_protected(found) else {}),
                },
            }
    return None


def is_protected(found: Mapping[str, Any]) -> bool:
    return bool(found["inputs"]["properties"].get("enablePurgeProtection"))


def purge(vault_id: str, state: State) -> None:
    """Remove a deleted vault for good, with its secrets."""
    if is_protected(state.deleted[vault_id]):
        raise Failure(405, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
    for each in _with_secrets(vault_id, state):
        del state.deleted[each]


def recover(vault_id: str, state: State) -> None:
    """Bring a deleted vault back, with its secrets."""
    for each in _with_secrets(vault_id, state):
        found = state.deleted.pop(each)
        del found["deleted"]
        state.resources[each] = found


def _with_secrets(vault_id: str, state: State) -> list[str]:
    return [each for each in state.deleted if f"{each}/".lower().startswith(f"{vault_id}/".lower())]


def check_secret_may_be_deleted(resource_id: str, state: State, scenario: Values) -> None:
    """Azure Resource Manager deletes no secret, so azure-native asks the vault, as the caller."""
    vault_id, _, name = resource_id.rpartition("/secrets/")
    directory = Directory({"resources": state.resources}, scenario)
    if not directory.working_roles(directory.caller.principal.object_id, vault_id) & OFFICERS:
        raise Failure(
            403,
            "Forbidden",
            "Caller is not authorized to perform action on resource. Action: 'Microsoft.KeyVault/vaults/secrets/delete' "
            f"Resource: '{vault_id}/secrets/{name}' Assignment: (not found) InnerError: ForbiddenByRbac",
        )


def check_references(inputs: Mapping[str, Any], state: State, scenario: Values) -> None:
    """Refuse an app that refers to a secret which its identity can't read from where the app is."""
    directory = Directory({"resources": state.resources}, scenario)
    for secret in references(inputs):
        if value(secret, inputs, directory) is None:
            identity = secret["identity"]
            raise Failure(
                400,
                "InvalidParameterValueInContainerTemplate",
                "The following field(s) are either invalid or missing. Field 'configuration.secrets' is invalid with details: "
                f'\'Invalid value: "{secret["name"]}": Unable to get value using Managed identity {identity} for secret '
                f"{secret['name']}. Error: unable to fetch secret '{secret['name']}' using Managed identity '{identity}'';.",
            )


def resolved(inputs: Mapping[str, Any], directory: Directory) -> Values:
    """The inputs of an app with the values of the secrets that it refers to."""
    configuration = inputs.get("configuration") or {}
    secrets = [
        {"name": secret["name"], "value": value(secret, inputs, directory) or ""} if secret.get("keyVaultUrl") else secret
        for secret in configuration.get("secrets") or ()
    ]
    return {**inputs, "configuration": {**configuration, "secrets": secrets}}


def references(inputs: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The secrets of an app that are in a vault."""
    for secret in (inputs.get("configuration") or {}).get("secrets") or ():
        if secret.get("keyVaultUrl"):
            yield secret


def value(secret: Mapping[str, Any], inputs: Mapping[str, Any], directory: Directory) -> str | None:
    """What Container Apps reads as the app's identity; None if it can't."""
    vault, found = _found(secret["keyVaultUrl"], directory)
    assigned = {id_.lower() for id_ in (inputs.get("identity") or {}).get("userAssignedIdentities") or ()}
    reader = next((one for one in directory.identities if same(one.id, str(secret.get("identity")))), None)
    if vault is None or found is None or reader is None or reader.id.lower() not in assigned:
        return None
    if not directory.working_roles(reader.object_id, vault.id) & READERS or not _is_reached(vault, directory):
        return None
    text: str = found.inputs["properties"]["value"]
    return text


def _found(url: str, directory: Directory) -> tuple[Resource | None, Resource | None]:
    """The vault and the secret of a URL, with or without a version. Of a secret, the present version alone is kept."""
    parts = urlsplit(url)
    kind, _, rest = parts.path.strip("/").partition("/")
    name, _, version = rest.partition("/")
    vault = next((one for one in directory.of_type(VAULT) if f"{one.name}{SUFFIX}".lower() == parts.netloc.lower()), None)
    if vault is None or parts.scheme != "https" or kind != "secrets":
        return None, None
    found = directory.resource(f"{vault.id}/secrets/{name}")
    is_present = found and version in ("", found.outputs["properties"]["secretUriWithVersion"].rpartition("/")[2])
    return vault, found if is_present else None


def _is_reached(vault: Resource, directory: Directory) -> bool:
    """Key Vault does not trust Container Apps: a closed vault needs a private endpoint whose name resolves."""
    properties = vault.inputs["properties"]
    is_open = str(properties.get("publicNetworkAccess", "Enabled")).lower() == "enabled"
    if is_open and (properties.get("networkAcls") or {}).get("defaultAction", "Allow") == "Allow":
        return True
    endpoints = [
        endpoint.id.lower()
        for endpoint in directory.of_type(PRIVATE_ENDPOINT)
        for connection in endpoint.inputs.get("privateLinkServiceConnections") or ()
        if same(connection.get("privateLinkServiceId", ""), vault.id)
    ]
    return any(group.id.lower().rpartition("/privatednszonegroups/")[0] in endpoints for group in directory.of_type(ZONE_GROUP))
