"""The REST client of the service: Azure AI Vision's model customization, as this project's engine serves it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import quote

from vision_customization.common.file_digest import file_digest
from vision_customization.contract.analysis import ImageAnalysisResult
from vision_customization.contract.datasets import Authentication, Dataset, DatasetCreate, DatasetUpdate
from vision_customization.contract.enums import (
    AnnotationKind,
    AuthenticationKind,
    EvaluationStatus,
    ModelKind,
    ModelStatus,
    RunStatus,
)
from vision_customization.contract.evaluations import Evaluation, EvaluationCreate
from vision_customization.contract.models import (
    Artifact,
    EvaluationParameters,
    Model,
    ModelCreate,
    ModelOwner,
    TrainingParameters,
)
from vision_customization.contract.products import (
    Planogram,
    PlanogramMatch,
    PlanogramMatchResult,
    ProductRecognitionResult,
    ProductRecognitionRun,
)
from vision_customization.contract.published_models import Publication, PublishedModel, PublishedModelPut
from vision_customization.contract.storage_check import StorageAccess, StorageCheck
from vision_customization.contract.studio import Role, SignInCode, SignInCodeCreate
from vision_customization.contract.training_speed import TrainingSpeed
from vision_customization.contract.training_time import Speed
from vision_customization.customization.client.artifact_file import DIGEST_HEADER, write_artifact
from vision_customization.customization.client.batch_predictions import BatchPredictionCalls
from vision_customization.customization.client.drafts import DraftCalls
from vision_customization.customization.client.outcomes import OutcomeCalls
from vision_customization.customization.client.transport import Reply, RetryPolicy, TokenCredential, Transport
from vision_customization.customization.client.typed_calls import TypedCalls, parse
from vision_customization.customization.client.upload_form import Form
from vision_customization.customization.client.waiting import LOCAL_OUTAGE_SECONDS, OUTAGE_SECONDS, Waited, wait
from vision_customization.customization.errors import (
    EvaluationFailed,
    RecognitionFailed,
    TilesIgnored,
    TrainingCancelled,
    TrainingFailed,
)

__all__ = ["RetryPolicy", "TokenCredential", "VisionClient"]

IMAGE_SECONDS = 90.0
IMPORT_SECONDS = 300.0
"""Time limits for an answer: an analysis may wait behind others; an imported model is tested before it is accepted."""


class VisionClient(OutcomeCalls, DraftCalls, BatchPredictionCalls):
    """Datasets, their drafts and versions, models, evaluations, their outcomes, analysis, batch prediction and product
    recognition.

    Args:
        endpoint: `https://{name}.cognitiveservices.azure.com`, `http://127.0.0.1:8080`, …
        credential: the key, or an Entra credential of azure-identity.
        timeout_seconds: for the connection, and for each answer. [default: 10 and 60; 5 and 20 for a service on this machine]
        retry: how to retry after 429, 5xx and connection errors.
        on_silence: called with a line to show if an answer takes more than 5 seconds.
        sleep: takes seconds; for tests.
        clock: gives seconds; for tests.

    Every method raises `RequestError` (a subclass by status) if the service refuses, `Unreachable` if it does not answer.
    """

    def __init__(
        self,
        endpoint: str,
        credential: str | TokenCredential,
        *,
        timeout_seconds: tuple[float, float] | None = None,
        retry: RetryPolicy | None = None,
        on_silence: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        transport = Transport(
            endpoint,
            credential,
            timeout_seconds=timeout_seconds,
            retry=retry or RetryPolicy(),
            sleep=sleep,
            on_silence=on_silence,
        )
        super().__init__(transport, TypedCalls(transport))
        self._sleep = sleep
        self._clock = clock

    @property
    def endpoint(self) -> str:
        return self._transport.endpoint

    def __repr__(self) -> str:
        return f"VisionClient({self.endpoint!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    # Datasets

    def register_dataset(
        self,
        name: str,
        *,
        annotation_kind: AnnotationKind,
        annotation_file_uris: Sequence[str],
        authentication: Authentication | None = None,
        custom_properties: Mapping[str, str] | None = None,
    ) -> Dataset:
        """Register the COCO files at `annotation_file_uris` as a dataset.

        Raises:
            AlreadyExists: the name is taken.
        """
        body = DatasetCreate(
            annotation_kind=annotation_kind,
            annotation_file_uris=list(annotation_file_uris),
            authentication=authentication,
            custom_properties=dict(custom_properties) if custom_properties is not None else None,
        )

        def is_ours(found: Dataset) -> bool:
            return (
                found.annotation_kind == body.annotation_kind
                and found.annotation_file_uris == body.annotation_file_uris
                and (found.custom_properties or {}) == (body.custom_properties or {})
                and (body.authentication is None or _kind(found.authentication) == body.authentication.kind)
            )

        return self._calls.create(Dataset, f"/datasets/{_segment(name)}", _dataset_body(body), is_ours)

    def get_dataset(self, name: str) -> Dataset:
        return self._calls.get(Dataset, f"/datasets/{_segment(name)}")

    def list_datasets(self) -> Iterator[Dataset]:
        return self._calls.list(Dataset, "/datasets")

    def update_dataset(
        self,
        name: str,
        *,
        annotation_file_uris: Sequence[str] | None = None,
        authentication: Authentication | None = None,
        custom_properties: Mapping[str, str] | None = None,
        if_match: str | None = None,
    ) -> Dataset:
        """Replace the given properties; None leaves a property unchanged.

        Raises:
            PreconditionFailed: `if_match` is no longer the dataset's `e_tag`.
        """
        body = DatasetUpdate(
            annotation_file_uris=list(annotation_file_uris) if annotation_file_uris is not None else None,
            authentication=authentication,
            custom_properties=dict(custom_properties) if custom_properties is not None else None,
        )
        headers = {"If-Match": if_match} if if_match else None
        reply = self._transport.send("PATCH", f"/datasets/{_segment(name)}", json=_dataset_body(body), headers=headers)
        return parse(Dataset, reply.json())

    def delete_dataset(self, name: str, *, if_match: str | None = None) -> None:
        """Unregister a dataset; its blobs stay."""
        self._calls.delete(f"/datasets/{_segment(name)}", {"If-Match": if_match} if if_match else None)

    # Models

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

        model = self._calls.create(Model, f"/models/{_segment(name)}", body.to_wire(), is_ours)
        if model.training_parameters.tiles != tiles:
            raise TilesIgnored(model, tiles)
        return model

    def get_model(self, name: str) -> Model:
        return self._calls.get(Model, f"/models/{_segment(name)}")

    def list_models(self) -> Iterator[Model]:
        return self._calls.list(Model, "/models")

    def set_model_owner(self, name: str, managed_by: str | None) -> None:
        """Record who manages a model, as `contract.owners` writes it; None for nobody. An extension of the contract.

        Raises:
            NotFound: there is no such model, or the service does not record owners of models.
        """
        path = f"/models/{_segment(name)}/owner"
        if managed_by is None:
            self._transport.send("DELETE", path)
        else:
            self._transport.send("PUT", path, json=ModelOwner(managed_by=managed_by).to_wire())

    def cancel_model(self, name: str) -> None:
        """Request the cancellation of a training; `wait_for_model` waits until it ends."""
        self._transport.send("POST", f"/models/{_segment(name)}:cancel")

    def delete_model(self, name: str) -> None:
        """Delete a model whose training has ended, with its evaluations."""
        self._calls.delete(f"/models/{_segment(name)}")

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

    # Evaluations

    def create_evaluation(self, model_name: str, name: str, *, test_dataset_name: str) -> Evaluation:
        """Start an evaluation of a model on a dataset.

        Raises:
            AlreadyExists: the model has an evaluation of this name.
        """
        body = EvaluationCreate(evaluation_parameters=EvaluationParameters(test_dataset_name=test_dataset_name))

        def is_ours(found: Evaluation) -> bool:
            return _test_dataset(found.evaluation_parameters) == test_dataset_name

        return self._calls.create(Evaluation, _evaluation_path(model_name, name), body.to_wire(), is_ours)

    def get_evaluation(self, model_name: str, name: str) -> Evaluation:
        return self._calls.get(Evaluation, _evaluation_path(model_name, name))

    def list_evaluations(self, model_name: str) -> Iterator[Evaluation]:
        return self._calls.list(Evaluation, f"/models/{_segment(model_name)}/evaluations")

    def delete_evaluation(self, model_name: str, name: str) -> None:
        self._calls.delete(_evaluation_path(model_name, name))

    def wait_for_evaluation(
        self,
        model_name: str,
        name: str,
        timeout_seconds: float | None = None,
        on_progress: Callable[[Evaluation], None] | None = None,
    ) -> Evaluation:
        """Wait until an evaluation has its metrics; like `wait_for_model`.

        Raises:
            EvaluationFailed: the evaluation ended without a result.
            WaitTimedOut: the timeout passed, but the evaluation continues.
        """
        what = f"evaluation {name!r} of model {model_name!r}"
        evaluation = self._wait(lambda: self.get_evaluation(model_name, name), what, timeout_seconds, on_progress)
        if evaluation.status is EvaluationStatus.FAILED:
            raise EvaluationFailed(evaluation)
        return evaluation

    # Published models and artifacts: extensions of the contract

    def publish_model(
        self,
        name: str,
        model_name: str,
        *,
        require: Mapping[str, float] | None = None,
        evaluation: str | None = None,
        managed_by: str | None = None,
    ) -> PublishedModel:
        """Publish `model_name` as `name`, replacing the model that `name` answered with before.

        Args:
            require: the gate that this model and all later ones must pass: metric → minimum (`calibrationECE`: maximum). None
                keeps the gate that the name has; an empty one removes it.
            evaluation: the model's evaluation whose metrics the gate judges. [default: the model's own metrics]
            managed_by: who manages the name, as `contract.owners` writes it; None keeps who manages it.

        Raises:
            GateMissed: the model does not pass the gate of the name.
        """
        body = PublishedModelPut(
            model_name=model_name,
            require=dict(require) if require is not None else None,
            evaluation=evaluation,
            managed_by=managed_by,
        ).to_wire()
        return parse(PublishedModel, self._transport.send("PUT", f"/publishedmodels/{_segment(name)}", json=body).json())

    def get_published_model(self, name: str) -> PublishedModel:
        return self._calls.get(PublishedModel, f"/publishedmodels/{_segment(name)}")

    def list_published_models(self) -> Iterator[PublishedModel]:
        return self._calls.list(PublishedModel, "/publishedmodels")

    def publication_history(self, name: str) -> Iterator[Publication]:
        """The models that a name answered with, the newest first; also of a name that is no longer published."""
        return self._calls.list(Publication, f"/publishedmodels/{_segment(name)}/history")

    def unpublish_model(self, name: str) -> None:
        self._calls.delete(f"/publishedmodels/{_segment(name)}")

    def download_artifact(
        self, name: str, path: Path, on_progress: Callable[[int, int | None], None] | None = None
    ) -> Artifact:
        """Write a model's ONNX file to `path`, but only if it is complete and has the digest that the service reports.

        Args:
            on_progress: called with the bytes written, and the total if the service reports it.
        """
        target = f"/models/{_segment(name)}/artifact"
        response = self._transport.send("GET", target, headers={"Accept": "application/octet-stream"}, stream=True).response
        return write_artifact(response, f"GET {target}", path, on_progress)

    def artifact_metadata(self, name: str) -> dict[str, Any]:
        """The metadata of a model's ONNX file: labels, preprocessing, recipe, metrics, origin."""
        return cast("dict[str, Any]", self._transport.send("GET", f"/models/{_segment(name)}/artifact:metadata").json())

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
        path = f"/models/{_segment(name)}"
        return self._calls.created(
            Model,
            path,
            is_ours,
            lambda: self._transport.send("PUT", f"{path}/artifact", data=form, headers=headers, answer_seconds=IMPORT_SECONDS),
        )

    # Storage: an extension of the contract

    def check_storage(self, url: str) -> StorageAccess:
        """Whether the service's identity can read the blob or container at `url` now: a new role takes effect after minutes."""
        body = StorageCheck(url=url).to_wire()
        return parse(StorageAccess, self._transport.send("POST", "/storage:check", json=body).json())

    # The speed of trainings: an extension of the contract

    def training_speed(self) -> Speed:
        """How fast the service trains, as it has measured so far."""
        return self._calls.get(TrainingSpeed, "/training:speed").to_speed()

    # The Studio: an extension of the contract

    def studio_code(self, role: Role = Role.OWNER) -> SignInCode:
        """A one-time code that signs a browser in to the Studio, at `{endpoint}/studio/sign-in#code=…`, within a minute."""
        body = SignInCodeCreate(role=role).to_wire()
        return parse(SignInCode, self._transport.send("POST", "/studio/codes", json=body).json())

    # Analysis

    def analyze(self, model_name: str, image: bytes | str) -> ImageAnalysisResult:
        """Analyze an image (encoded bytes, or a URL that the service can read) with a model or a published name."""
        reply = self._send_image("POST", "/imageanalysis:analyze", image, {"model-name": model_name})
        return parse(ImageAnalysisResult, reply.json())

    # Product recognition

    def recognize_products(self, model_name: str, run_name: str, image: bytes | str) -> ProductRecognitionRun:
        """Start a search for products and gaps in an image, given as for `analyze`; `wait_for_run` waits for the result.

        `model_name` may be a published name. The run's own `model_name` is the model behind it, and does not change later.

        Raises:
            AlreadyExists: the model has a run of this name. With `retried`, this call may have created it and lost the answer:
                a run does not say which image it is for.
        """
        return parse(ProductRecognitionRun, self._send_image("PUT", _run_path(model_name, run_name), image).json())

    def get_run(self, model_name: str, run_name: str) -> ProductRecognitionRun:
        return self._calls.get(ProductRecognitionRun, _run_path(model_name, run_name))

    def list_runs(self, model_name: str) -> Iterator[ProductRecognitionRun]:
        return self._calls.list(ProductRecognitionRun, f"/productrecognition/{_segment(model_name)}/runs")

    def delete_run(self, model_name: str, run_name: str) -> None:
        """Delete a run that has ended."""
        self._calls.delete(_run_path(model_name, run_name))

    def wait_for_run(
        self,
        model_name: str,
        run_name: str,
        timeout_seconds: float | None = None,
        on_progress: Callable[[ProductRecognitionRun], None] | None = None,
    ) -> ProductRecognitionRun:
        """Wait until a run has its result; like `wait_for_model`.

        Raises:
            RecognitionFailed: the run ended without a result.
            WaitTimedOut: the timeout passed, but the run continues.
        """
        what = f"run {run_name!r} of model {model_name!r}"
        run = self._wait(lambda: self.get_run(model_name, run_name), what, timeout_seconds, on_progress)
        if run.status is RunStatus.FAILED:
            raise RecognitionFailed(run)
        return run

    def match_planogram(self, detected: ProductRecognitionResult, planogram: Planogram) -> PlanogramMatchResult:
        """The planogram positions at which a run found the expected product."""
        body = PlanogramMatch(detected_products=detected, planogram=planogram).to_wire()
        return parse(PlanogramMatchResult, self._transport.send("POST", "/planogramcompliance:match", json=body).json())

    def _send_image(self, method: str, path: str, image: bytes | str, params: Mapping[str, str] | None = None) -> Reply:
        if isinstance(image, str):
            return self._transport.send(method, path, params=params, json={"url": image}, answer_seconds=IMAGE_SECONDS)
        headers = {"Content-Type": "application/octet-stream"}
        return self._transport.send(method, path, params=params, data=image, headers=headers, answer_seconds=IMAGE_SECONDS)

    def _wait(
        self,
        look: Callable[[], Waited],
        what: str,
        timeout_seconds: float | None,
        on_progress: Callable[[Waited], None] | None,
    ) -> Waited:
        return wait(
            look,
            what,
            timeout_seconds,
            on_progress,
            outage_seconds=LOCAL_OUTAGE_SECONDS if self._transport.loopback else OUTAGE_SECONDS,
            sleep=self._sleep,
            clock=self._clock,
        )


def _segment(name: str) -> str:
    return quote(name, safe="")


def _evaluation_path(model_name: str, name: str) -> str:
    return f"/models/{_segment(model_name)}/evaluations/{_segment(name)}"


def _run_path(model_name: str, run_name: str) -> str:
    return f"/productrecognition/{_segment(model_name)}/runs/{_segment(run_name)}"


def _dataset_body(body: DatasetCreate | DatasetUpdate) -> dict[str, Any]:
    """The request body, including the SAS token, which the wire type never writes."""
    wire = body.to_wire()
    if body.authentication is not None and body.authentication.sas_token is not None:
        wire["authentication"]["sasToken"] = body.authentication.sas_token.get_secret_value()
    return wire


def _kind(authentication: Authentication | None) -> AuthenticationKind:
    return authentication.kind if authentication is not None else AuthenticationKind.NONE


def _test_dataset(parameters: EvaluationParameters | None) -> str | None:
    return parameters.test_dataset_name if parameters is not None else None
