"""`/models/{name}/evaluations`: a model on a test dataset."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from vision_customization.contract.evaluations import Evaluation, EvaluationCreate
from vision_customization.contract.models import EvaluationParameters
from vision_customization.contract.wire import Page
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, wire_response
from vision_customization.engine.orders import delete_evaluation, start_evaluation
from vision_customization.engine.store import EvaluationRecord

router = APIRouter(prefix="/computervision/models/{name}/evaluations", tags=["Evaluations"], dependencies=VERSIONED)


@router.put(
    "/{evaluation_name}",
    summary="Evaluate a model",
    status_code=201,
    response_model=Evaluation,
    responses=failures(400, 401, 404, 405, 409, 413),
    openapi_extra=json_body(EvaluationCreate),
)
def create(
    service: Serving,
    name: PathName,
    evaluation_name: PathName,
    body: Annotated[EvaluationCreate, Depends(body_of(EvaluationCreate))],
) -> Response:
    return wire_response(evaluation(start_evaluation(service, name, evaluation_name, body)), 201)


@router.get(
    "/{evaluation_name}", summary="Get an evaluation", response_model=Evaluation, responses=failures(400, 401, 404, 405)
)
def get(service: Serving, name: PathName, evaluation_name: PathName) -> Response:
    return wire_response(evaluation(service.store.evaluations.find(name, evaluation_name)))


@router.get(
    "",
    summary="List a model's evaluations",
    response_model=Page[Evaluation],
    responses=failures(400, 401, 404, 405),
)
def list_all(service: Serving, name: PathName, page: PageQuery) -> Response:
    return page.of(partial(service.store.evaluations.page, name), evaluation)


@router.delete(
    "/{evaluation_name}",
    summary="Delete an evaluation",
    status_code=204,
    response_class=Response,
    responses=failures(400, 401, 404, 405),
)
def delete(service: Serving, name: PathName, evaluation_name: PathName) -> Response:
    delete_evaluation(service, name, evaluation_name)
    return Response(status_code=204)


def evaluation(record: EvaluationRecord) -> Evaluation:
    """An evaluation as callers see it."""
    return Evaluation(
        name=record.name,
        model_name=record.model_name,
        created_date_time=record.created,
        updated_date_time=record.updated,
        status=record.status,
        evaluation_parameters=EvaluationParameters(test_dataset_name=record.test_dataset_name),
        model_performance=record.performance,
        error=record.error,
    )
