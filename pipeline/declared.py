"""The resources in Azure that a stack's file declares: the program itself runs, with Pulumi's mocks in place of Azure.

Existing resources (`existing`) are not among them, since the program does not make it.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
import yaml  # type: ignore[import-untyped]

from pipeline.cost import Billable

PROJECT = "vision-customization"

_NOBODY = "00000000-0000-0000-0000-000000000000"
_KNOWN_TO_AZURE: Mapping[str, Mapping[str, Any]] = {
    "app:ContainerApp": {"configuration": {"ingress": {"fqdn": "engine.example.org"}}},
    "app:ManagedEnvironment": {"defaultDomain": "example.org", "staticIp": "192.0.2.1"},
    "authorization:ClientConfig": {"clientId": _NOBODY, "objectId": _NOBODY, "subscriptionId": _NOBODY, "tenantId": _NOBODY},
    "cognitiveservices:Account": {
        "identity": {"principalId": _NOBODY},
        "properties": {"endpoint": "https://vision.example.org/"},
    },
    "dbforpostgresql:Server": {"fullyQualifiedDomainName": "database.example.org"},
    "keyvault:Secret": {"properties": {"secretUriWithVersion": "https://vault.example.org/secrets/it/1"}},
    "managedidentity:UserAssignedIdentity": {"principalId": _NOBODY, "clientId": _NOBODY},
    "operationalinsights:Workspace": {"customerId": _NOBODY},
    "storage:StorageAccount": {
        "primaryEndpoints": {
            "blob": "https://account.blob.core.windows.net/",
            "queue": "https://account.queue.core.windows.net/",
        }
    },
}
"""Outputs that the program computes with, by the type of a resource, whether the program makes it or looks it up."""


class NotInAzure(Exception):
    """The stack has no file that can be read, or runs elsewhere. The message says which."""


class _Mocks(pulumi.runtime.Mocks):
    def __init__(self) -> None:
        self.made: list[Billable] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        package, _, kind = args.typ.partition(":")
        if package != "azure-native":
            # What those of ours compute: the value of a generated key, and the size that Azure says the disk has.
            disk = {"storage_gb": (args.inputs.get("database") or {}).get("storage_gb")}
            return args.name, {**args.inputs, "value": "unknown", **disk}
        if not args.resource_id:
            self.made.append(Billable(args.name, kind, args.inputs))
        name = args.inputs.get("accountName") or args.inputs.get("resourceGroupName") or args.name
        return f"/subscriptions/{_NOBODY}/resourceGroups/it/providers/{kind}/{args.name}", {
            "name": name,
            **_KNOWN_TO_AZURE.get(kind, {}),
        }

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        # `azure-native:managedidentity:getUserAssignedIdentity` looks up a `managedidentity:UserAssignedIdentity`.
        return dict(_KNOWN_TO_AZURE.get(args.token.removeprefix("azure-native:").replace(":get", ":"), {})), []


_PLACEHOLDERS: Mapping[str, str] = {
    "alertEmails": "encrypted-{}@example.org",
    "image": "encrypted.example.org/engine",
    "imageHosts": "encrypted-{}.example.org",
    "name": "encrypted",
    "registry": "encrypted.example.org",
}
"""Texts for encrypted settings that must look like what they are; `{}` is a number, where each must be another."""


class _Readable:
    """The settings with a text in place of each that the file has encrypted (`secure: …`), since no price depends on one.

    Attributes:
        encrypted: where those are, like `azure.alertEmails[0]`.
    """

    def __init__(self) -> None:
        self.encrypted: list[str] = []

    def of(self, value: Any, where: str) -> Any:  # noqa: ANN401 - YAML
        if isinstance(value, Mapping) and set(value) == {"secure"}:
            self.encrypted.append(where)
            key = where.partition("[")[0].rpartition(".")[2]
            return _PLACEHOLDERS.get(key, _NOBODY).format(len(self.encrypted))
        if isinstance(value, Mapping):
            return {key: self.of(below, f"{where}.{key}") for key, below in value.items()}
        if isinstance(value, list):
            return [self.of(below, f"{where}[{index}]") for index, below in enumerate(value)]
        return value


def declared_resources(stack: str, checkout: Path) -> list[Billable]:
    """The resources in Azure of the stack's file. Call it once in a process: Pulumi's mocks are global.

    Raises:
        NotInAzure: there is no such file, it is not YAML, or its platform is another.
        pulumi.RunError: the settings are invalid.
    """
    file = checkout / "stacks" / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        raise NotInAzure(f"{file} does not exist. Name a stack that has a file: make cost STACK=dev")
    try:
        document = yaml.safe_load(file.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise NotInAzure(f"{file} is not YAML: {error}") from None
    written = (document.get("config") if isinstance(document, Mapping) else None) or {}
    # Datasets and models are not resources of Azure; what they cost is the time of workers.
    readable = _Readable()
    keys = [key for key in ("platform", "azure") if f"{PROJECT}:{key}" in written]
    config = {f"{PROJECT}:{key}": readable.of(written[f"{PROJECT}:{key}"], key) for key in keys}
    if "platform" in readable.encrypted:
        raise NotInAzure(f"{file}: platform is encrypted. Write it as it is: azure or local")
    if config.get(f"{PROJECT}:platform") != "azure":
        raise NotInAzure(f"The stack {stack} runs on this machine, where nothing is billed")
    os.environ["PULUMI_CONFIG"] = json.dumps(
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    )
    mocks = _Mocks()

    def program() -> None:
        runpy.run_path(str(checkout / "__main__.py"), run_name="__main__")

    with _loops_closed_on_error():
        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        pulumi.runtime.set_mocks(mocks, project=PROJECT, stack=stack, preview=True)
        try:
            loop.run_until_complete(pulumi.runtime.stack.run_pulumi_func(program))
        except pulumi.RunError as error:
            if not readable.encrypted:
                raise
            raise pulumi.RunError(
                f"{error}\nmake cost can't decrypt settings, and puts texts in their place: {', '.join(readable.encrypted)}. "
                "If one of these is what is wrong, write it unencrypted: names, ids and hosts are not secrets"
            ) from None
    return mocks.made


@contextmanager
def _loops_closed_on_error() -> Iterator[None]:
    """Pulumi opens an event loop in each of its threads, and leaves all open. After an error, Python would complain of them."""
    opened: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def noted() -> asyncio.AbstractEventLoop:
        opened.append(new_event_loop())
        return opened[-1]

    asyncio.new_event_loop = noted
    try:
        yield
    except BaseException:
        for loop in opened:
            loop.close()
        raise
    finally:
        asyncio.new_event_loop = new_event_loop
