"""Identities instead of keys: roles, shared access signatures, and how a dataset's images are reached."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from .rule import ANY, UNKNOWN, Resource, Rule, Settings, expect, texts_in
from .signature import signatures_in

ROLE_ASSIGNMENT = "azure-native:authorization:RoleAssignment"
ROLE_DEFINITION = "azure-native:authorization:RoleDefinition"
DATASET = "pulumi-python:dynamic/vision:Dataset"

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
"""Azurite on this machine supports only keys."""

GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)


@dataclass(frozen=True)
class Role:
    """A role that the project needs, and its allowed scope: a display name, and the end of the ARM id."""

    name: str
    scope_name: str
    scope: re.Pattern[str]


_CONTAINER = re.compile(
    r"/providers/Microsoft\.Storage/storageAccounts/[^/]+/blobServices/default/containers/[^/]+$", re.IGNORECASE
)
_QUEUE = re.compile(r"/providers/Microsoft\.Storage/storageAccounts/[^/]+/queueServices/default/queues/[^/]+$", re.IGNORECASE)
_GROUP = re.compile(r"^/subscriptions/[^/]+/resourceGroups/[^/]+$", re.IGNORECASE)
_REGISTRY = re.compile(r"/providers/Microsoft\.ContainerRegistry/registries/[^/]+$", re.IGNORECASE)
_VAULT = re.compile(r"/providers/Microsoft\.KeyVault/vaults/[^/]+$", re.IGNORECASE)
_VISION = re.compile(r"/providers/Microsoft\.CognitiveServices/accounts/[^/]+$", re.IGNORECASE)

ROLES = {
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": Role("Storage Blob Data Reader", "a blob container", _CONTAINER),
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": Role("Storage Blob Data Contributor", "a blob container", _CONTAINER),
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": Role("Storage Queue Data Contributor", "a queue", _QUEUE),
    "a97b65f3-24c7-4388-baec-2e87135dc908": Role("Cognitive Services User", "the Vision account", _VISION),
    "4633458b-17de-408a-b874-0445c86b69e6": Role("Key Vault Secrets User", "the Key Vault", _VAULT),
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": Role("AcrPull", "a container registry", _REGISTRY),
}

"""Built-in roles, by the GUID of their definition."""

ADDER = Role("Vision Blob Adder", "a blob container", _CONTAINER)
"""The stack's own role, with which the engine adds what people label."""

ADDERS = uuid.UUID("8d1c6a52-93be-4f07-a6c4-2be7f51d0e38")
"""The namespace of the adder's GUID, which is derived from the storage account's ARM id."""

_ACCOUNT = re.compile(r"^.*?/providers/Microsoft\.Storage/storageAccounts/[^/]+", re.IGNORECASE)

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
ADDER_ACTIONS = frozenset({f"{BLOBS}/read".lower(), f"{BLOBS}/add/action".lower()})


def role_of(resource: Resource) -> Role | None:
    """The role that an assignment gives, if the project needs it."""
    found = GUID.search(str(resource.at("roleDefinitionId")))
    if found is None:
        return None
    guid = found.group().lower()
    account = _ACCOUNT.match(str(resource.at("scope")))
    if account and guid == str(uuid.uuid5(ADDERS, account.group().lower())):
        return ADDER
    return ROLES.get(guid)


def only_adds_blobs(resource: Resource, _settings: Settings) -> Iterator[str]:
    for index, permission in enumerate(resource.items_at("permissions")):
        for kind, allowed in (("actions", frozenset[str]()), ("dataActions", ADDER_ACTIONS)):
            actions = permission.get(kind)
            for action in actions if isinstance(actions, list) else []:
                if action is not UNKNOWN and str(action).lower() not in allowed:
                    yield f"permissions[{index}].{kind} allows {action!r}; a role of the stack may only read and add blobs"
    scopes = resource.at("assignableScopes")
    for index, scope in enumerate(scopes if isinstance(scopes, list) else []):
        if scope is not UNKNOWN and not _GROUP.search(str(scope)):
            yield f"assignableScopes[{index}] is {scope!r}; it must be the stack's resource group"


def is_needed(resource: Resource, _settings: Settings) -> Iterator[str]:
    definition = resource.at("roleDefinitionId")
    # A preview that does not know the scope can't tell whether a derived GUID (version 5) is of the stack's own role.
    derived = (
        resource.at("scope") is UNKNOWN and (found := GUID.search(str(definition))) and uuid.UUID(found.group()).version == 5
    )
    if definition is not UNKNOWN and role_of(resource) is None and not derived:
        needed = ", ".join(role.name for role in (*ROLES.values(), ADDER))
        yield f"roleDefinitionId is {definition!r}; the project needs only the roles {needed}"


def has_least_scope(resource: Resource, _settings: Settings) -> Iterator[str]:
    scope, role = resource.at("scope"), role_of(resource)
    if scope is not UNKNOWN and role is not None and not role.scope.search(str(scope)):
        yield f"scope is {scope!r}; {role.name} may be assigned only on {role.scope_name}"


def names_principal_type(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "principalType", "ServicePrincipal", "User", "Group")


def holds_no_account_sas(resource: Resource, _settings: Settings) -> Iterator[str]:
    for path, text in texts_in(resource.properties):
        if any(signature.is_for_account for signature in signatures_in(text)):
            yield f"{path} holds an account SAS; it opens every container of the account"


def needs_no_account_key(resource: Resource, _settings: Settings) -> Iterator[str]:
    key = resource.at("account_key")
    if key and key is not UNKNOWN and not _is_local(resource):
        yield "account_key is given; upload with an Entra identity"


def has_bounded_sas(resource: Resource, settings: Settings) -> Iterator[str]:
    if _is_local(resource):
        return
    most = timedelta(hours=settings.number("hours"))
    for path, text in texts_in(resource.properties):
        for signature in signatures_in(text):
            if not signature.is_by_identity:
                yield f"{path} holds a SAS that is signed with an account key; it must be a user delegation SAS"
            if signature.writes:
                yield f"{path} holds a SAS that is not limited to reading and listing (`sp=rl`)"
            lifetime = signature.lifetime(settings.now)
            if lifetime is None or lifetime > most:
                lasts = "has no expiry" if lifetime is None else f"is valid for {lifetime / timedelta(hours=1):.0f} hours"
                yield f"{path} holds a SAS that {lasts}; at most {most / timedelta(hours=1):.0f} hours are allowed"


def _is_local(resource: Resource) -> bool:
    url = resource.at("container_url")
    return isinstance(url, str) and urlsplit(url).hostname in LOOPBACK_HOSTS


RULES = (
    Rule(
        name="role-needed",
        says="Only the roles that the project needs are assigned.",
        why="Owner or Contributor would also work, but allow everything else, too.",
        fix="Assign Storage Blob Data Reader or Contributor, Storage Queue Data Contributor, Key Vault Secrets User, "
        "Cognitive Services User, AcrPull, or BlobAdder's own role.",
        types=(ROLE_ASSIGNMENT,),
        check=is_needed,
    ),
    Rule(
        name="role-adds-only",
        says="A role that the stack defines only reads blobs and adds new ones.",
        why="With `blobs/write` or `blobs/delete`, a fault or a thief could change or delete what models were trained from.",
        fix="Declare BlobAdder: its role has `blobs/read` and `blobs/add/action`, for the stack's resource group.",
        types=(ROLE_DEFINITION,),
        check=only_adds_blobs,
    ),
    Rule(
        name="role-least-scope",
        says="A role is assigned on the container, the queue, the Vision account, the Key Vault or the registry itself, "
        "not on its parent.",
        why="A role on the account, resource group or subscription also applies to everything else in it, now and later.",
        fix="Set `scope` to the id of the container (the queue, the Vision account, the Key Vault, the registry) itself.",
        types=(ROLE_ASSIGNMENT,),
        check=has_least_scope,
    ),
    Rule(
        name="role-principal-type",
        says="A role assignment states the type of its principal.",
        why="Without it, Azure looks the principal up and does not find a new identity (`PrincipalNotFound`).",
        fix='Set `principalType`; for an identity, to "ServicePrincipal".',
        types=(ROLE_ASSIGNMENT,),
        check=names_principal_type,
    ),
    Rule(
        name="no-account-sas",
        says="No property of any resource contains an account SAS.",
        why="It opens all containers of an account, identifies no user, and can only be revoked by changing the account keys.",
        fix="Use managed identity; where that is not possible, a user delegation SAS for one container.",
        types=(ANY,),
        check=holds_no_account_sas,
    ),
    Rule(
        name="dataset-no-account-key",
        says="A dataset in Azure is uploaded without an account key.",
        why="The key would be stored in the state, and shared keys are disabled anyway.",
        fix="Remove `account_key` from TrainingContainer, so that the caller's Entra identity uploads.",
        types=(DATASET,),
        check=needs_no_account_key,
    ),
    Rule(
        name="dataset-sas-bounded",
        says="The SAS to read a dataset with is a short-lived user delegation SAS that allows only reading and listing.",
        why="It expires soon, ends with the identity's rights, and can't change the training data.",
        fix="Register with managed identity (no `sas_token`), or create a user delegation SAS with `sp=rl` and an early `se`.",
        types=(DATASET,),
        settings={"hours": {"type": "integer", "minimum": 1, "maximum": 168, "default": 24}},
        check=has_bounded_sas,
    ),
)
