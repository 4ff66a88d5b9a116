"""`/models`: trainings, their models, and the models' files."""

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import FileResponse

from vision_customization.contract.enums import AnnotationKind, ModelKind, ModelStatus
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.models import EvaluationParameters, Model, ModelCreate, TrainingParameters
from vision_customization.contract.training_rules import tiles_fault
from vision_customization.contract.training_time import budget_range_fault
from vision_customization.contract.wire import Page
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, json_response, wire_response
from vision_customization.engine.api.two_places import tidying, undone_by
from vision_customization.engine.objects.keys import artifact_key, model_key, sidecar_key
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.store import ModelRecord, NotFound, Store, TrainingOrder

router = APIRouter(prefix="/computervision/models", tags=["Models"], dependencies=VERSIONED)


@router.put(
    "/{name}",
    summary="Create a model: start its training",
    status_code=201,
    response_model=Model,
    responses=failures(400, 401, 404, 405, 409, 413),
    openapi_extra=json_body(ModelCreate),
)
def create(service: Serving, name: PathName, body: Annotated[ModelCreate, Depends(body_of(ModelCreate))]) -> Response:
    parameters = body.training_parameters
    evaluation = body.evaluation_parameters
    kind = trainable_kind(parameters, service.store)
    record = service.store.models.create(
        name,
        TrainingOrder(
            training_dataset_name=parameters.training_dataset_name,
            time_budget_in_hours=parameters.time_budget_in_hours,
            model_kind=kind,
            test_dataset_name=evaluation.test_dataset_name if evaluation else None,
            tiles=parameters.tiles,
        ),
    )

    def withdraw() -> None:
        service.store.models.cancel(record.id)
        service.store.models.delete(name)

    # If queueing fails, the model is removed again: no worker would ever train it, and the caller can retry.
    with undone_by(withdraw, "model", model=name, id=record.id):
        service.jobs.enqueue_training(record.id)
    return wire_response(model(record), 201)


@router.get("/{name}", summary="Get a model", response_model=Model, responses=failures(400, 401, 404, 405))
def get(service: Serving, name: PathName) -> Response:
    return wire_response(model(service.store.models.find(name)))


@router.get("", summary="List the models", response_model=Page[Model], responses=failures(400, 401))
def list_all(service: Serving, page: PageQuery) -> Response:
    return page.of(service.store.models.page, model)


@router.post(
    "/{name}:cancel",
    summary="Cancel a training",
    status_code=202,
    response_model=Model,
    responses=failures(400, 401, 404, 405),
)
def cancel(service: Serving, name: PathName) -> Response:
    record = service.store.models.request_cancellation(name)
    if record.started is None:
        # No worker has begun it, so it ends here. A worker that takes it from the queue meanwhile skips it.
        with tidying("training not cancelled", model=name, id=record.id):
            service.store.models.cancel(record.id)
    return wire_response(model(record), 202)


@router.delete(
    "/{name}",
    summary="Delete a model, its evaluations and its runs",
    status_code=204,
    response_class=Response,
    responses=failures(400, 401, 404, 405),
)
def delete(service: Serving, name: PathName) -> Response:
    record = service.store.models.delete(name)
    service.models.forget(record.id)
    with tidying("artifact not deleted", model=name, id=record.id):
        service.objects.delete(model_key(record.id))
    return Response(status_code=204)


@router.get(
    "/{name}/artifact",
    summary="Download the trained model (an extension)",
    response_class=Response,
    responses={
        **failures(400, 401, 404, 405),
        200: {
            "description": "The ONNX file.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            "headers": {"x-ms-artifact-digest": {"description": "SHA-256, in hex.", "schema": {"type": "string"}}},
        },
    },
)
def artifact(service: Serving, name: PathName) -> Response:
    record = _with_artifact(service.store, name)
    assert record.artifact is not None
    try:
        file = service.objects.path(artifact_key(record.id))
    except ObjectNotFound:
        raise _without_file(name) from None
    return FileResponse(
        file,
        media_type="application/octet-stream",
        filename=f"{name}.onnx",
        headers={"x-ms-artifact-digest": record.artifact.digest},
    )


@router.get(
    "/{name}/artifact:metadata",
    summary="Get what the trained model was made from (an extension)",
    response_class=Response,
    responses={
        **failures(400, 401, 404, 405),
        200: {
            "description": "Labels, preprocessing, recipe, metrics, dataset digest, versions, and how it was trained.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
    },
)
def artifact_metadata(service: Serving, name: PathName) -> Response:
    record = _with_artifact(service.store, name)
    try:
        sidecar = json.loads(service.objects.get(sidecar_key(record.id)))
    except ObjectNotFound:
        raise _without_file(name) from None
    # Facts that an import elsewhere needs, but that a training knows only after it has written the sidecar.
    described = model(record).to_wire()
    kept = ("trainingParameters", "evaluationParameters", "trainingCostInMinutes")
    return json_response({**sidecar, **{key: described[key] for key in kept if key in described}})


def model(record: ModelRecord) -> Model:
    """A model as callers see it."""
    return Model(
        name=record.name,
        created_date_time=record.created,
        updated_date_time=record.updated,
        status=record.status,
        training_parameters=TrainingParameters(
            training_dataset_name=record.training_dataset_name,
            time_budget_in_hours=record.time_budget_in_hours,
            model_kind=record.model_kind,
            tiles=record.tiles,
        ),
        evaluation_parameters=EvaluationParameters(test_dataset_name=record.test_dataset_name)
        if record.test_dataset_name
        else None,
        training_cost_in_minutes=record.cost_minutes,
        model_performance=record.performance,
        error=record.error,
        training_progress=record.progress,
        artifact=record.artifact,
    )


def trainable_kind(parameters: TrainingParameters, store: Store) -> ModelKind:
    """The kind to train: the one that the caller names, else the one that fits the dataset. Refuses with 400 a budget above the
    kind's maximum, and tiles that the kind does not support. The training checks whether the dataset exists and fits."""
    kind = parameters.model_kind
    if kind is None:
        kind = ModelKind.GENERIC_CLASSIFIER
        try:
            if store.datasets.find(parameters.training_dataset_name).annotation_kind is AnnotationKind.IMAGE_OBJECT_DETECTION:
                kind = ModelKind.GENERIC_DETECTOR
        except NotFound:
            pass
    if fault := budget_range_fault(kind, parameters.time_budget_in_hours):
        target = "trainingParameters.timeBudgetInHours"
        raise invalid(f"{target}: {fault}.", target=target)
    if fault := tiles_fault(kind, parameters.tiles):
        target = "trainingParameters.tiles"
        raise invalid(f"{target}: {fault}.", target=target)
    return kind


def _with_artifact(store: Store, name: str) -> ModelRecord:
    record = store.models.find(name)
    if record.status is not ModelStatus.SUCCEEDED or record.artifact is None:
        raise invalid(f"The model '{name}' is '{record.status.value}': only one that succeeded has a file.", target=name)
    return record


def _without_file(name: str) -> ApiError:
    """404: the model is being deleted, or this process looks for its files in the wrong place."""
    message = f"The file of model '{name}' is missing: the model was deleted meanwhile, or the data folder is incomplete."
    return ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, message, target=name)
