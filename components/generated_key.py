"""The GeneratedKey resource: a random secret, made once and kept in the stack's state."""

import base64
import secrets
from typing import Any

import pulumi
from pulumi import dynamic


class GeneratedKeyProvider(dynamic.ResourceProvider):
    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        value = base64.b64encode(secrets.token_bytes(int(props["length_bytes"]))).decode()
        return dynamic.CreateResult("key", {**props, "value": value})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        changed = olds.get("length_bytes") != news.get("length_bytes")
        return dynamic.DiffResult(changed, ["length_bytes"] if changed else [])

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        return dynamic.ReadResult(id_, props, inputs={"length_bytes": props["length_bytes"]})


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
