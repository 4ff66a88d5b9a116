"""The PromotedModel resource: a model that another stack trained, copied to this stack's service. Nothing is trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import dynamic

from vision_customization.common.errors import VisionError
from vision_customization.customization.errors import NotFound, ServiceError
from vision_customization.customization.resources.connection import CONNECTION_PROPERTIES, Service, Workspace, client
from vision_customization.customization.resources.model import ModelResource, ServiceModelProvider, trained
from vision_customization.customization.resources.owner import other_owner, own_model, this_stack
from vision_customization.customization.resources.provider import Properties, failures, is_known, name_failures
from vision_customization.customization.resources.row import Row, row_urn

if TYPE_CHECKING:
    from vision_customization.contract.models import Model as TrainedModel
    from vision_customization.customization.client.client import VisionClient

SOURCE_CONNECTION = ("source_endpoint", "source_key")

_DIGEST = re.compile("[0-9a-f]{64}")
_DIGEST_SHOWN = 12
"""Number of hex digits of a digest in messages."""


class NotPromoted(VisionError):
    """The model can't be downloaded from the service that trained it, or its name is taken here."""


class PromotedModelProvider(ServiceModelProvider):
    inputs = (*CONNECTION_PROPERTIES[:2], *SOURCE_CONNECTION, "source", "model_name", "artifact_digest", "managed_by")
    same_while_unknown = (*CONNECTION_PROPERTIES, *SOURCE_CONNECTION)

    def check(self, olds: Properties, news: Properties) -> dynamic.CheckResult:
        name, digest = news.get("model_name"), news.get("artifact_digest")
        if not is_known(name, digest):
            return dynamic.CheckResult(news, [])
        if problems := name_failures("model_name", name, "Give the `model_name` from the other stack's outputs"):
            return dynamic.CheckResult(news, problems)
        if not _DIGEST.fullmatch(str(digest)):
            return dynamic.CheckResult(
                news, failures("artifact_digest", [f"must be a SHA-256 in hex (64 digits), not {digest!r}"])
            )
        if (olds.get("model_name"), olds.get("artifact_digest")) != (name, digest):
            Row(news["row_urn"]).say(f"promotes {promotion(news)}: copies the same file, without training")
        return dynamic.CheckResult(news, [])

    def diff(self, _id: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        changed = self.changed(olds, news)
        replaces = sorted(changed & {"model_name", "artifact_digest"})
        # Another file under the same name: the service would answer that the name is taken.
        return self.difference(olds, changed, replaces, delete_first=replaces == ["artifact_digest"])

    def create(self, props: Properties) -> dynamic.CreateResult:
        """Copy the model from its source, unless an interrupted update already did."""
        service, row = client(props), Row(props["row_urn"])
        try:
            model = service.get_model(props["model_name"])
        except NotFound:
            model = self._import(service, props, row)
        else:
            check_imported(model, props)
            row.say("an earlier update already imported this model")
        own_model(service, model.name, props)
        self.keep(props)
        return dynamic.CreateResult(model.name, {**props, **promoted(model)})

    def look(self, properties: Properties) -> Properties:
        model = client(properties).get_model(properties["model_name"])
        return {**promoted(model), **other_owner(model.managed_by, properties)}

    @staticmethod
    def _import(service: VisionClient, properties: Properties, row: Row) -> TrainedModel:
        name, digest = properties["model_name"], properties["artifact_digest"]
        with TemporaryDirectory(prefix="vision-promote-") as folder, source_client(properties) as source:
            file = Path(folder, "model.onnx")

            def tell(done: int, total: int | None) -> None:
                of = f" of {total / 1e6:.0f}" if total else ""
                row.progress(f"downloading from {properties['source']}: {done / 1e6:.0f}{of} MB")

            try:
                metadata = source.artifact_metadata(name)
                artifact = source.download_artifact(name, file, tell)
            except ServiceError as error:
                raise NotPromoted(f"{promotion(properties)}: the model can't be downloaded: {error}") from None
            if artifact.digest != digest:
                raise NotPromoted(
                    f"{promotion(properties)}: the model's file is now sha256:{artifact.digest}. "
                    f"Run `pulumi up` on {properties['source']}, then on this stack again"
                )
            row.progress(f"importing {artifact.size_bytes / 1e6:.0f} MB")
            origin = {"stack": properties["source"], "endpoint": source.endpoint, "model": name}
            if "promotedFrom" in metadata:
                origin["promotedFrom"] = metadata["promotedFrom"]
            model = service.import_artifact(name, file, {**metadata, "promotedFrom": origin})
        row.say(f"promoted from {properties['source']} ({artifact.size_bytes / 1e6:.1f} MB, SHA-256 {artifact.digest})")
        return model


def source_client(properties: Mapping[str, Any]) -> VisionClient:
    return client({"endpoint": properties["source_endpoint"], "key": properties.get("source_key")})


def promotion(properties: Mapping[str, Any]) -> str:
    """`leaves-0123abcd (sha256:0123456789ab…) from dev`."""
    digest = str(properties["artifact_digest"])[:_DIGEST_SHOWN]
    return f"{properties['model_name']} (sha256:{digest}…) from {properties['source']}"


def promoted(model: TrainedModel) -> Properties:
    return {**trained(model), "model_kind": model.training_parameters.model_kind}


def check_imported(model: TrainedModel, properties: Mapping[str, Any]) -> None:
    """Raises NotPromoted unless the model with that name is an imported copy of this model. Another resource owns a model that
    was trained here, and deletes it."""
    if model.training_progress is not None:
        raise NotPromoted(
            f"{promotion(properties)}: a model with this name was trained on this service. "
            "Remove the model from the stack, run `pulumi up`, add it again as a promoted model, and run `pulumi up` again"
        )
    found = model.artifact.digest if model.artifact else None
    if found != properties["artifact_digest"]:
        raise NotPromoted(
            f"{promotion(properties)}: this service has a different model with this name (sha256:{found}). "
            f"Delete it with `vision models delete {model.name}`"
        )


class PromotedModel(ModelResource, dynamic.Resource, module="vision", name="PromotedModel"):
    """A model that another stack has trained: the same file, under the same name, in this stack's workspace.

    `source` names that stack, and `source_service` is its service. `model_name` is copied from there if its file still has the
    digest `artifact_digest` (SHA-256, in hex). After a change of name or digest, the new model is promoted first, and the old
    one is deleted afterwards.
    """

    def __init__(
        self,
        name: str,
        *,
        workspace: Workspace,
        source: str,
        source_service: Service,
        model_name: pulumi.Input[str],
        artifact_digest: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        self.service = workspace.service
        there = source_service.properties()
        super().__init__(
            PromotedModelProvider(),
            name,
            {
                **self.service.properties(),
                "source_endpoint": there["endpoint"],
                "source_key": there["key"],
                "source": source,
                "model_name": model_name,
                "artifact_digest": artifact_digest,
                "managed_by": this_stack(),
                "row_urn": row_urn(name, f"pulumi-python:{self._resource_type_name}", opts),
                "model_kind": None,
                "status": None,
                "performance": None,
                "training_minutes": None,
            },
            opts,
        )
