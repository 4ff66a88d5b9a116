"""The Preflight resource: asks Azure, before anything else is made, whether the deploying identity may make it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pulumi
from pulumi import dynamic

from vision_customization.common.deploying_identity import deploying_credential
from vision_customization.common.errors import VisionError
from vision_customization.components.azure.args import DatabaseSize
from vision_customization.components.azure.preflight import Caller, Wanted, preflight
from vision_customization.components.azure.use import Use
from vision_customization.customization.resources.provider import DeclaredProvider, Properties, failures, is_known
from vision_customization.customization.resources.row import Row, row_urn


class PreflightProvider(DeclaredProvider):
    """It asks in `check`, which a preview runs, too. What Azure answered is filled in as inputs, which a preview knows."""

    inputs = (
        "subscription_id",
        "object_id",
        "resource_group",
        "existing_group",
        "actions",
        "uses",
        "vision_account",
        "vision_location",
        "key_vault",
        "container_id",
        "assigns_deployer",
        "restore",
        "caller_type",
        "database_location",
        "server_id",
        "database",
        "environment_id",
        "private",
    )
    same_while_unknown = inputs

    def check(self, _olds: Properties, news: Properties) -> dynamic.CheckResult:
        if not is_known(*(news.get(name) for name in self.inputs)):
            return dynamic.CheckResult(news, [])
        caller = Caller(news["subscription_id"], news["object_id"])
        try:
            found = preflight(deploying_credential(), caller, wanted_of(news))
        except VisionError as error:
            return dynamic.CheckResult(news, failures("deployer", [str(error)]))
        for warning in found.warnings:
            Row(news["row_urn"]).warn(warning)
        asked = {
            "caller_type": news.get("caller_type") or found.caller_type,
            "restores": found.restore,
            "storage_gb": found.storage_gb,
        }
        return dynamic.CheckResult({**news, **asked}, [])

    def create(self, props: Properties) -> dynamic.CreateResult:
        return dynamic.CreateResult(f"{props['subscription_id']}/{props['resource_group']}", dict(props))

    def diff(self, _id: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        # Also once an account is restored: else its later requests would restore it again, which Azure refuses.
        restores = bool(news.get("restores")) != bool(olds.get("restores"))
        grown = is_known(news.get("storage_gb")) and news.get("storage_gb") != olds.get("storage_gb")
        return dynamic.DiffResult(bool(self.changed(olds, news)) or restores or grown)

    def read(self, id_: str, props: Properties) -> dynamic.ReadResult:
        """Note the size of a disk that Azure made larger, so that no update is needed for it after a refresh."""
        checked = self.check({}, props)
        found = props if checked.failures else checked.inputs
        return self.observed(id_, {**props, "storage_gb": found.get("storage_gb")})


def wanted_of(properties: Mapping[str, Any]) -> Wanted:
    given = {name: properties.get(name) for name in Wanted.__dataclass_fields__}
    nested: dict[str, Any] = {
        "uses": [Use(**use) for use in properties["uses"]],
        "database": DatabaseSize(**properties["database"]),
    }
    return Wanted(**{**given, **nested})


class Preflight(dynamic.Resource, module="vision", name="Preflight"):
    """Fails before anything is created, also in a preview; what must wait for it depends on it."""

    caller_type: pulumi.Output[str]
    """The principal type of the deploying identity: `User`, `ServicePrincipal` or `Group`."""
    restores: pulumi.Output[bool]
    """Whether a soft-deleted Vision account is there to be restored."""
    resource_group: pulumi.Output[str]
    storage_gb: pulumi.Output[int]
    """The size of the database's disk, which Azure may have made larger than declared."""

    def __init__(
        self,
        name: str,
        *,
        subscription_id: pulumi.Input[str],
        object_id: pulumi.Input[str],
        resource_group: str,
        existing_group: bool,
        actions: Sequence[str],
        uses: Sequence[Use],
        vision_account: str | None,
        vision_location: str,
        key_vault: pulumi.Input[str] | None,
        container_id: pulumi.Input[str],
        assigns_deployer: bool,
        restore: bool,
        database_location: str,
        server_id: pulumi.Input[str],
        database: DatabaseSize,
        environment_id: pulumi.Input[str],
        private: bool,
        caller_type: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        Args:
            subscription_id, object_id: the deploying identity, and where it deploys.
            caller_type: its principal type, if its token does not say it.
            resource_group, existing_group, …: see `preflight.Wanted`.
        """
        super().__init__(
            PreflightProvider(),
            name,
            {
                "subscription_id": subscription_id,
                "object_id": object_id,
                "resource_group": resource_group,
                "existing_group": existing_group,
                "actions": list(actions),
                "uses": [asdict(use) for use in uses],
                "vision_account": vision_account,
                "vision_location": vision_location,
                "key_vault": key_vault,
                "container_id": container_id,
                "assigns_deployer": assigns_deployer,
                "restore": restore,
                "caller_type": caller_type,
                "database_location": database_location,
                "server_id": server_id,
                "database": asdict(database),
                "environment_id": environment_id,
                "private": private,
                "row_urn": row_urn(name, f"pulumi-python:{self._resource_type_name}", opts),
                "restores": None,
                "storage_gb": None,
            },
            opts,
        )

    def passed(self, value: str) -> pulumi.Output[str]:
        """`value`, once the checks have passed: for what is looked up, since a look-up has no `depends_on`."""
        return self.resource_group.apply(lambda _: value)
