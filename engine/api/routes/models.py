"""`/models`: trainings, their models, and the models' files."""

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import FileResponse

from vision_customization.contract.enums import ModelStatus
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.models import EvaluationParameters, Model, ModelCreate, ModelOwner, TrainingParameters
from vision_customization.contract.wire import Page
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, json_response, wire_response
from vision_customization.engine.objects.keys import artifact_key, sidecar_key
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.orders import cancel_training, delete_model, start_training
from vision_customization.engine.store import ModelRecord, Store

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
    return wire_response(model(start_training(service, name, body)), 201)


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
    return wire_response(model(cancel_training(service, name)), 202)


@router.delete(
    "/{name}",
    summary="Delete a model, its evaluations and its runs",
    status_code=204,
    response_class=Response,
    responses=failures(400, 401, 404, 405),
)
def delete(service: Serving, name: PathName) -> Response:
    delete_model(service, name)
    return Response(status_code=204)


@router.put(
    "/{name}/owner",
    summary="Record who manages a model (an extension)",
    response_model=Model,
    responses=failures(400, 401, 404, 405, 413),
    openapi_extra=json_body(ModelOwner),
)
def own(service: Serving, name: PathName, body: Annotated[ModelOwner, Depends(body_of(ModelOwner))]) -> Response:
    return wire_response(model(service.store.models.set_owner(name, body.managed_by)))


@router.delete(
    "/{name}/owner",
    summary="Record that a model has no manager (an extension)",
    status_code=204,
    response_class=Response,
    responses=failures(400, 401, 404, 405),
)
def disown(service: Serving, name: PathName) -> Response:
    service.store.models.set_owner(name, None)
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
        managed_by=record.managed_by,
    )


def _with_artifact(store: Store, name: str) -> ModelRecord:
    record = store.models.find(name)
    if record.status is not ModelStatus.SUCCEEDED or record.artifact is None:
        raise invalid(f"The model '{name}' is '{record.status.value}': only one that succeeded has a file.", target=name)
    return record


def _without_file(name: str) -> ApiError:
    """404: the model is being deleted, or this process looks for its files in the wrong place."""
    message = f"The file of model '{name}' is missing: the model was deleted meanwhile, or the data folder is incomplete."
    return ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, message, target=name)
