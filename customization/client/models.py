"""Calls for models: trainings, who manages a model, and ONNX files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from vision_customization.common.file_digest import file_digest
from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.contract.models import (
    Artifact,
    EvaluationParameters,
    Model,
    ModelCreate,
    ModelOwner,
    TrainingParameters,
)
from vision_customization.customization.client.artifact_file import DIGEST_HEADER, write_artifact
from vision_customization.customization.client.client_calls import ClientCalls, segment
from vision_customization.customization.client.upload_form import Form
from vision_customization.customization.errors import TilesIgnored, TrainingCancelled, TrainingFailed

IMPORT_SECONDS = 300.0
"""Time limit for the answer to an import: the service tests a model before it accepts it."""


class ModelCalls(ClientCalls):
    """The part of `VisionClient` about models."""

    def create_model(
        self,
        name: str,
        *,
        training_dataset_name: str,
        time_budget_in_hours: int = 1,
        model_kind: ModelKind = ModelKind.GENERIC_CLASSIFIER,
        test_dataset_name: str | None = None,
        tiles: int = 1,
        managed_by: str | None = None,
    ) -> Model:
        """Start a training; `wait_for_model` waits until it ends.

        Args:
            tiles: detectors only, 1 to 4: each image is enlarged this many times in both directions, as if it were cut into
                tiles × tiles parts. Finds small objects in large images; an image takes about tiles² times as long to analyze.
                An extension of the contract: sent only if it is more than 1.
            managed_by: who manages the model, as `contract.owners` writes it: an extension of the contract.

        Raises:
            AlreadyExists: the name is taken.
            TilesIgnored: the service does not support tiles, and trains without them.
        """
        body = ModelCreate(
            training_parameters=TrainingParameters(
                training_dataset_name=training_dataset_name,
                time_budget_in_hours=time_budget_in_hours,
                model_kind=model_kind,
                tiles=tiles,
            ),
            evaluation_parameters=EvaluationParameters(test_dataset_name=test_dataset_name) if test_dataset_name else None,
            managed_by=managed_by,
        )

        def is_ours(found: Model) -> bool:
            return found.training_parameters == body.training_parameters and (
                _test_dataset(found.evaluation_parameters) == _test_dataset(body.evaluation_parameters)
            )

        model = self._calls.create(Model, _path(name), body.to_wire(), is_ours)
        if model.training_parameters.tiles != tiles:
            raise TilesIgnored(model, tiles)
        return model

    def get_model(self, name: str) -> Model:
        return self._calls.get(Model, _path(name))

    def list_models(self) -> Iterator[Model]:
        return self._calls.list(Model, "/models")

    def set_model_owner(self, name: str, managed_by: str | None) -> None:
        """Record who manages a model, as `contract.owners` writes it; None for nobody. An extension of the contract.

        Raises:
            NotFound: there is no such model, or the service does not record owners of models.
        """
        path = f"{_path(name)}/owner"
        if managed_by is None:
            self._transport.send("DELETE", path)
        else:
            self._transport.send("PUT", path, json=ModelOwner(managed_by=managed_by).to_wire())

    def cancel_model(self, name: str) -> None:
        """Request the cancellation of a training; `wait_for_model` waits until it ends."""
        self._transport.send("POST", f"{_path(name)}:cancel")

    def delete_model(self, name: str) -> None:
        """Delete a model whose training has ended, with its evaluations."""
        self._calls.delete(_path(name))

    def end_model(self, name: str, timeout_seconds: float = 600) -> None:
        """Delete a model. If it is training, cancel that first: the service deletes only models whose training has ended.

        Raises:
            NotFound: there is no such model.
            WaitTimedOut: the training was cancelled, but has not ended yet.
        """
        if not self.get_model(name).status.final:
            self.cancel_model(name)
            self.wait_for_model(name, timeout_seconds=timeout_seconds, raise_on_failure=False)
        self.delete_model(name)

    def wait_for_model(
        self,
        name: str,
        timeout_seconds: float | None = None,
        on_progress: Callable[[Model], None] | None = None,
        *,
        raise_on_failure: bool = True,
    ) -> Model:
        """Wait until a training has ended.

        Args:
            timeout_seconds: None waits without limit.
            on_progress: called with the model at each poll, including the last.
            raise_on_failure: whether a failed or cancelled training raises; if not, its model is returned.

        Raises:
            TrainingFailed: the training ended without a model.
            TrainingCancelled: someone cancelled it.
            WaitTimedOut: the timeout passed, but the training continues.
        """
        model = self._wait(lambda: self.get_model(name), f"model {name!r}", timeout_seconds, on_progress)
        if raise_on_failure and model.status is ModelStatus.CANCELLED:
            raise TrainingCancelled(model)
        if raise_on_failure and model.status is ModelStatus.FAILED:
            raise TrainingFailed(model)
        return model

    # Artifacts: extensions of the contract

    def download_artifact(
        self, name: str, path: Path, on_progress: Callable[[int, int | None], None] | None = None
    ) -> Artifact:
        """Write a model's ONNX file to `path`, but only if it is complete and has the digest that the service reports.

        Args:
            on_progress: called with the bytes written, and the total if the service reports it.
        """
        target = f"{_path(name)}/artifact"
        response = self._transport.send("GET", target, headers={"Accept": "application/octet-stream"}, stream=True).response
        return write_artifact(response, f"GET {target}", path, on_progress)

    def artifact_metadata(self, name: str) -> dict[str, Any]:
        """The metadata of a model's ONNX file: labels, preprocessing, recipe, metrics, origin."""
        return cast("dict[str, Any]", self._transport.send("GET", f"{_path(name)}/artifact:metadata").json())

    def import_artifact(self, name: str, model_path: Path, metadata: Mapping[str, Any]) -> Model:
        """Import a model that another service trained. Nothing is trained: the model has the status `succeeded` at once.

        Args:
            model_path: the ONNX file, as `download_artifact` wrote it.
            metadata: from `artifact_metadata`; the service keeps keys that you add.

        Raises:
            AlreadyExists: the name is taken.
            BadRequest: the file is damaged, does not belong to the metadata, or is not a model that this service can run.
        """
        digest = file_digest(model_path)
        form = Form({"metadata": json.dumps(metadata, ensure_ascii=False).encode()}, {"model": model_path})

        def is_ours(found: Model) -> bool:
            return found.artifact is not None and found.artifact.digest == digest

        headers = {"Content-Type": form.content_type, DIGEST_HEADER: f"sha256:{digest}"}
        path = _path(name)
        return self._calls.created(
            Model,
            path,
            is_ours,
            lambda: self._transport.send("PUT", f"{path}/artifact", data=form, headers=headers, answer_seconds=IMPORT_SECONDS),
        )


def _path(name: str) -> str:
    return f"/models/{segment(name)}"


def _test_dataset(parameters: EvaluationParameters | None) -> str | None:
    return parameters.test_dataset_name if parameters is not None else None
