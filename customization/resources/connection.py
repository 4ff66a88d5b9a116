"""How a resource reaches the service and the training container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pulumi

from vision_customization.common.deploying_identity import deploying_credential
from vision_customization.customization.resources.row import Row

if TYPE_CHECKING:
    from vision_customization.customization.client.client import VisionClient

CONNECTION_PROPERTIES = ("endpoint", "key", "container_url", "account_key", "sas_token")
"""Inputs for the connection, not for the resource itself: a new value is stored, and changes nothing on the service."""


@dataclass(frozen=True)
class Service:
    """The service that trains and answers: this project's engine, or another service with its contract.

    `key` is the subscription key; without one, the caller's Entra identity is used.
    """

    endpoint: pulumi.Input[str]
    key: pulumi.Input[str] | None = None

    def properties(self) -> dict[str, Any]:
        return {"endpoint": self.endpoint, "key": _secret(self.key)}


@dataclass(frozen=True)
class TrainingContainer:
    """The blob container that images and COCO files are uploaded to.

    `account_key` is for uploading; without one, the caller's Entra identity is used. The service reads with `sas_token` (a
    query string that allows reading and listing); without one, it reads with its managed identity.
    """

    url: pulumi.Input[str]
    account_key: pulumi.Input[str] | None = None
    sas_token: pulumi.Input[str] | None = None

    def properties(self) -> dict[str, Any]:
        return {
            "container_url": self.url,
            "account_key": _secret(self.account_key),
            "sas_token": _secret(self.sas_token),
        }


class Workspace(Protocol):
    """A place to keep datasets and to train models: this machine, a resource group in Azure, or an `ExistingWorkspace`.

    Pass one to a dataset or a promoted model; the models, evaluations and published names made from it use the same one.
    """

    service: Service
    container: TrainingContainer


@dataclass
class ExistingWorkspace:
    """A service and a container that already exist."""

    service: Service
    container: TrainingContainer


def _secret(value: pulumi.Input[str] | None) -> pulumi.Output[str] | None:
    return None if value is None else pulumi.Output.secret(value)


def client(properties: Mapping[str, Any], **options: Any) -> VisionClient:  # noqa: ANN401 - those of the client
    """The REST client of a resource's service, with these `options` of VisionClient."""
    from vision_customization.customization.client.client import (
        VisionClient,  # a preview without changes sends nothing
    )

    credential: Any = properties.get("key")
    if credential is None:
        credential = deploying_credential()
    urn = properties.get("row_urn")
    return VisionClient(
        properties["endpoint"], credential, on_silence=Row(urn).progress if urn is not None else None, **options
    )
