"""What a stack made in Azure, from its state, and what is left of it after a destroy: asked of Azure Resource Manager."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vision_customization.components.azure.deleted_vault import API_VERSION as VAULTS_VERSION
from vision_customization.components.azure.deleted_vault import deleted_vault
from vision_customization.components.azure.existing import ArmId
from vision_customization.components.azure.place import region_name
from vision_customization.components.azure.preflight import DELETED_ACCOUNTS_VERSION, deleted_account
from vision_customization.components.azure.resource_manager import MANAGEMENT_ENDPOINT, Answer, ask

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

GROUPS_VERSION = "2021-04-01"


class AzureRefused(Exception):
    """Azure Resource Manager did not answer as expected. The message says what was asked, and what it said."""


@dataclass(frozen=True)
class Deleted:
    """Where Azure keeps what was deleted, and its name with it; asked about in an API version.

    `method` and `action` (below `path`) purge it.
    """

    path: str
    version: str
    method: str
    action: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Made:
    """ARM ids of what a stack made.

    Attributes:
        groups: its resource groups.
        resources: everything → the API version in which Azure answers about it; empty if the state does not say it.
        kept: what Azure keeps of it for a while after a destroy: its Vision account and its Key Vault.
    """

    groups: tuple[str, ...]
    resources: Mapping[str, str]
    kept: tuple[Deleted, ...]


class Manager(Protocol):
    """Azure Resource Manager, as far as it is needed here. An answer is None if there is no such thing."""

    def get(self, path: str, version: str) -> Mapping[str, Any] | None: ...

    def send(self, method: str, path: str, version: str) -> object: ...


def made_by(exported: Mapping[str, Any]) -> Made:
    """What `pulumi stack export` says that the stack made. azure-native notes a resource's API version as `azureApiVersion`."""
    found = [
        resource
        for resource in (exported.get("deployment") or {}).get("resources") or []
        if str(resource.get("type", "")).startswith("azure-native:") and not resource.get("external")
    ]
    ids = {str(resource["id"]): resource for resource in found if str(resource.get("id", "")).startswith("/subscriptions/")}
    outputs: dict[str, Mapping[str, Any]] = {id_: resource.get("outputs") or {} for id_, resource in ids.items()}

    def of_type(kind: str) -> list[str]:
        return [id_ for id_, resource in ids.items() if resource["type"] == f"azure-native:{kind}"]

    def kept(kind: str, where: Callable[[str, str], Deleted]) -> list[Deleted]:
        return [where(id_, str(outputs[id_].get("location", ""))) for id_ in of_type(kind)]

    return Made(
        tuple(of_type("resources:ResourceGroup")),
        {id_: str(outputs[id_].get("azureApiVersion", "")) for id_ in ids},
        (*kept("cognitiveservices:Account", _deleted_account), *kept("keyvault:Vault", _deleted_vault)),
    )


def left(made: Made, manager: Manager) -> list[str]:
    """The ids of what is still there, also below or on what somebody else made, such as a subnet or a role assignment.

    With a group of the stack's own, everything in it is gone. What Azure can't be asked about counts as still there.
    """
    gone = tuple(f"{group}/".lower() for group in made.groups if manager.get(group, GROUPS_VERSION) is None)
    asked = {id_: version for id_, version in made.resources.items() if not f"{id_}/".lower().startswith(gone)}
    return [id_ for id_, version in asked.items() if not version or manager.get(id_, version) is not None]


def wait_until_gone(
    made: Made, manager: Manager, *, timeout_seconds: float, sleep: Callable[[float], None] = time.sleep
) -> list[str]:
    """What is left after at most that time."""
    ends = time.monotonic() + timeout_seconds
    while (there := left(made, manager)) and time.monotonic() < ends:
        sleep(10)
    return there


def purge(
    made: Made, manager: Manager, *, timeout_seconds: float = 300, sleep: Callable[[float], None] = time.sleep
) -> list[Deleted]:
    """Purge what Azure keeps, which would block names: an account for 48 hours, a vault for 90 days. Returns what is purged.

    Raises:
        AzureRefused: one is still there after that time, or has purge protection.
    """
    purged = []
    for deleted in made.kept:
        found = manager.get(deleted.path, deleted.version)
        if found is None:
            continue
        if (found.get("properties") or {}).get("purgeProtectionEnabled"):
            raise AzureRefused(
                f"the deleted Key Vault {deleted.name} has purge protection, so its name stays blocked. Give the next run "
                "another one as azure.names.keyVault, or a stack without azure.purgeProtection"
            )
        manager.send(deleted.method, f"{deleted.path}{deleted.action}", deleted.version)
        ends = time.monotonic() + timeout_seconds
        while manager.get(deleted.path, deleted.version) is not None:
            if time.monotonic() >= ends:
                raise AzureRefused(f"{deleted.path} is still there {timeout_seconds:.0f} s after it was purged")
            sleep(5)
        purged.append(deleted)
    return purged


def _deleted_account(account: str, location: str) -> Deleted:
    """cognitiveservices, DeletedAccounts_Purge (azure-rest-api-specs, stable/2023-05-01)."""
    found = ArmId.of("account", account, "Microsoft.CognitiveServices/accounts")
    path = deleted_account(found.subscription_id, region_name(location), found.resource_group, found.name)
    return Deleted(path, DELETED_ACCOUNTS_VERSION, "DELETE")


def _deleted_vault(vault: str, location: str) -> Deleted:
    """keyvault, Vaults_PurgeDeleted (azure-rest-api-specs, stable/2023-07-01)."""
    found = ArmId.of("vault", vault, "Microsoft.KeyVault/vaults")
    return Deleted(deleted_vault(found.subscription_id, location, found.name), VAULTS_VERSION, "POST", "/purge")


class ResourceManager:
    """Azure Resource Manager, asked as an identity. Its methods raise AzureRefused, or NoAnswer if it can't be reached."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential

    def get(self, path: str, version: str) -> Mapping[str, Any] | None:
        answer = self.send("GET", path, version)
        return None if answer.status == 404 else answer.document

    def send(self, method: str, path: str, version: str) -> Answer:
        """Also accepts 404, since what is asked for may be gone."""
        from azure.core.exceptions import AzureError

        try:
            token = self._credential.get_token(f"{MANAGEMENT_ENDPOINT}/.default").token
        except AzureError as error:
            raise AzureRefused(f"{method} {path} was not sent, since the deployer cannot sign in: {error.message}") from None
        answer = ask(method, token, path, version)
        if answer.status != 404 and not 200 <= answer.status < 300:
            raise AzureRefused(f"{method} {path} was answered with {answer.status}: {answer.fault}")
        return answer
