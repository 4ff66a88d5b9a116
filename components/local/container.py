"""The LocalContainer resource: a blob container in Azurite, and the SAS tokens that the engine reads it and adds to it with."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pulumi
from pulumi import dynamic

from vision_customization.common.blob_container import container_exists, container_sas, ensure_container
from vision_customization.common.errors import StorageError
from vision_customization.customization.resources.provider import DeclaredProvider, Properties, is_known

SAS_LIFETIME = timedelta(days=3650)
"""Long enough for any local stack: the tokens are valid only on this machine, for one container."""


RIGHTS = "read, list; read, list, add"
"""Of the two tokens. A state with other ones gets new tokens."""


class LocalContainerProvider(DeclaredProvider):
    inputs = ("blob_endpoint", "account", "account_key", "container", "url", "rights")
    same_while_unknown = inputs

    def check(self, _olds: Properties, news: Properties) -> dynamic.CheckResult:
        if is_known(news.get("blob_endpoint")):
            news = {**news, "url": f"{news['blob_endpoint']}/{news['account']}/{news['container']}"}
        return dynamic.CheckResult(news, [])

    def diff(self, _id: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        return dynamic.DiffResult(bool(self.changed(olds, news)))

    def create(self, props: Properties) -> dynamic.CreateResult:
        return dynamic.CreateResult(props["container"], self._ensured(props))

    def apply(self, olds: Properties, news: Properties) -> Properties:
        """The token to read with stays while it is valid: datasets are registered with it."""
        ensured = self._ensured(news)
        if all(olds.get(name) == news.get(name) for name in ("url", "account_key")) and olds.get("sas_token"):
            ensured["sas_token"] = olds["sas_token"]
        return ensured

    def read(self, id_: str, props: Properties) -> dynamic.ReadResult:
        """Read the container. A stopped Azurite shows on its own row; its data folder still has the container."""
        with suppress(StorageError):
            if not container_exists(props["url"], account_key=props["account_key"]):
                return dynamic.ReadResult("", {})
        return self.observed(id_, props)

    @staticmethod
    def _ensured(properties: Properties) -> Properties:
        ensure_container(properties["url"], account_key=properties["account_key"])
        expiry = datetime.now(UTC) + SAS_LIFETIME
        url, key = properties["url"], properties["account_key"]
        adding = container_sas(url, key, expiry, create=True)
        return {**properties, "sas_token": container_sas(url, key, expiry), "adding_url": f"{url}?{adding}"}


class LocalContainer(dynamic.Resource, module="vision", name="LocalContainer"):
    """Blobs stay where they are when the resource is deleted."""

    url: pulumi.Output[str]
    sas_token: pulumi.Output[str]
    """To read and list; a secret."""
    adding_url: pulumi.Output[str]
    """`url` with a token that also allows to add blobs, but neither to replace nor to delete one; a secret."""

    def __init__(
        self,
        name: str,
        *,
        blob_endpoint: pulumi.Input[str],
        account: str,
        account_key: pulumi.Input[str],
        container: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            LocalContainerProvider(),
            name,
            {
                "blob_endpoint": blob_endpoint,
                "account": account,
                "account_key": pulumi.Output.secret(account_key),
                "container": container,
                "rights": RIGHTS,
                "url": None,
                "sas_token": None,
                "adding_url": None,
            },
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["sas_token", "adding_url"])),
        )
