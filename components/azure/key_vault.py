"""KeyVault: the engine's secrets in a vault, from which Container Apps reads them as the engine's identity."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.settings import get_monitor
from pulumi_azure_native import keyvault

from vision_customization.components.azure.existing_network import VAULT_ZONE
from vision_customization.components.azure.network import PrivateNetwork
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.role_grants import SecretReader

SOFT_DELETE_DAYS = 90
"""How long Azure keeps a deleted vault and its secrets. It can't be changed later."""

REFUSED = ("InvalidParameterValueInContainerTemplate", "unable to fetch secret")
"""Both are in Azure's error about an app whose identity can't read a secret (azure-container-apps#1159), and Azure has not made
the app. If it has, the code is another one (`ContainerAppOperationError`)."""

TRIES = 80
"""Pulumi tries a resource at most 100 times (`maxErrorHookRetries` in `pkg/resource/deploy/retries.go`)."""


@dataclass(frozen=True)
class KeyVaultArgs:
    """The arguments of a vault.

    Attributes:
        vault_name: 3–24 letters, digits and '-', unique in all of Azure.
        subscription_id, tenant_id: where it is, and whose identities may read it.
        reader_id: principal id of the identity that may read the secrets.
        secrets: environment variable → value.
        network: the only one from which it answers, through a private endpoint. Without one, it answers everywhere.
        purge_protection: whether nobody can remove it for good before 90 days have passed. It can't be turned off.
        protect: refuse to destroy it.
    """

    place: Place
    vault_name: pulumi.Input[str]
    subscription_id: pulumi.Input[str]
    tenant_id: pulumi.Input[str]
    reader_id: pulumi.Input[str]
    secrets: Mapping[str, pulumi.Input[str]]
    network: PrivateNetwork | None = None
    purge_protection: bool = False
    protect: bool = False


class KeyVault(pulumi.ComponentResource):
    """A vault that only roles open, and its secrets.

    Azure Resource Manager sets the secrets, which neither the vault's network rules nor its roles affect
    (https://learn.microsoft.com/azure/key-vault/general/overview-vnet-service-endpoints). So the deployer needs no role that
    reads secrets. To delete one, azure-native would need such a role (`keyVaultSecret` in
    `provider/pkg/resources/customresources/custom_keyvault.go`). So they stay until the vault is deleted.
    """

    vault_id: pulumi.Output[str]
    urls: Mapping[str, pulumi.Output[str]]
    """Environment variable → URL of the version of its secret that this update has set."""
    readable_after: Sequence[pulumi.Resource]
    """What must exist before the identity can read them, from inside of the network."""

    def __init__(self, name: str, args: KeyVaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:KeyVault", name, None, opts)
        place, public = args.place, args.network is None
        self._place = place
        vault = keyvault.Vault(
            name,
            resource_group_name=place.resource_group_name,
            vault_name=args.vault_name,
            location=place.location,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=args.tenant_id,
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=SOFT_DELETE_DAYS,
                # Azure accepts no false.
                enable_purge_protection=True if args.purge_protection else None,
                public_network_access="Enabled" if public else "Disabled",
                network_acls=keyvault.NetworkRuleSetArgs(
                    bypass=keyvault.NetworkRuleBypassOptions.NONE,
                    default_action=keyvault.NetworkRuleAction.ALLOW if public else keyvault.NetworkRuleAction.DENY,
                ),
            ),
            tags=place.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.vault_id = vault.id
        self.urls = {
            variable: pulumi.Output.unsecret(self._secret(name, vault, variable, value).properties).secret_uri_with_version
            for variable, value in args.secrets.items()
        }
        reader = SecretReader(
            f"{name}-reader",
            subscription_id=args.subscription_id,
            scope=vault.id,
            principal_id=args.reader_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.readable_after = [reader]
        if args.network is not None:
            self.readable_after = [reader, args.network.connect("vault", vault.id, "vault", VAULT_ZONE)]
        self.register_outputs({"vaultId": self.vault_id})

    def _secret(self, name: str, vault: keyvault.Vault, variable: str, value: pulumi.Input[str]) -> keyvault.Secret:
        return keyvault.Secret(
            f"{name}-{secret_name(variable)}",
            resource_group_name=self._place.resource_group_name,
            vault_name=vault.name,
            secret_name=secret_name(variable),
            properties=keyvault.SecretPropertiesArgs(value=value),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )


def secret_name(variable: str) -> str:
    """`VISION_ENGINE_DATABASE_URL` → `database-url`."""
    return variable.removeprefix("VISION_ENGINE_").lower().replace("_", "-")


def once_readable(name: str, timeout_minutes: float) -> pulumi.ResourceOptions:
    """Options of an app that refers to secrets of a vault: it is tried again while its identity can't read them yet.

    Container Apps reads the secrets before it accepts an app, and nobody but it can try as the app's identity. A new role takes
    some minutes to work.

    Args:
        name: of the hook, unique in the program.
    """
    if isinstance(get_monitor(), mocks.MockMonitor):  # which knows no hooks
        return pulumi.ResourceOptions()
    hook = pulumi.ErrorHook(name, Retries(timeout_minutes * 60))
    return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(on_error=[hook]))


@dataclass
class Retries:
    """Whether to try an app again after an error, once a while has passed. Each app has its own time."""

    timeout_seconds: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = pulumi.log.info
    _started: dict[str, float] = field(default_factory=dict)

    def __call__(self, args: pulumi.ErrorHookArgs) -> bool:
        if not args.errors or any(part not in args.errors[0] for part in REFUSED):
            return False
        if args.urn not in self._started:
            self._started[args.urn] = self.clock()
            minutes = self.timeout_seconds / 60
            self.say(f"waiting until '{SecretReader.role.label}' works for the identity of {args.name} (up to {minutes:g} min)")
        if self.clock() - self._started[args.urn] >= self.timeout_seconds:
            return False
        self.sleep(min(2.0 ** len(args.errors), self.timeout_seconds / TRIES))
        return True
