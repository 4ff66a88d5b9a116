"""The GeneratedKey resource: a random secret, created once and stored in the stack's state."""

import base64
import secrets

import pulumi
from pulumi import dynamic

from vision_customization.customization.resources.provider import DeclaredProvider, Properties


class GeneratedKeyProvider(DeclaredProvider):
    inputs = ("length_bytes",)

    def create(self, props: Properties) -> dynamic.CreateResult:
        value = base64.b64encode(secrets.token_bytes(int(props["length_bytes"]))).decode()
        return dynamic.CreateResult("key", {**props, "value": value})

    def diff(self, _id: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        changed = self.changed(olds, news)
        return dynamic.DiffResult(bool(changed), sorted(changed & {"length_bytes"}))

    def read(self, id_: str, props: Properties) -> dynamic.ReadResult:
        return self.observed(id_, props)


class GeneratedKey(dynamic.Resource, module="vision", name="GeneratedKey"):
    """`value`: `length_bytes` random bytes in base64, a secret."""

    value: pulumi.Output[str]

    def __init__(self, name: str, *, length_bytes: int = 32, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(
            GeneratedKeyProvider(),
            name,
            {"length_bytes": length_bytes, "value": None},
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["value"])),
        )
