"""`/models/{name}/evaluations`: a model on a test dataset."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from vision_customization.contract.errors import FailureCode
from vision_customization.contract.evaluations import Evaluation, EvaluationCreate
from vision_customization.contract.models import EvaluationParameters
from vision_customization.contract.wire import ErrorDetails, Page
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, wire_response
from vision_customization.engine.api.two_places import tidying, undone_by
from vision_customization.engine.objects.keys import older_curves_key, outcomes_key
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
    record = service.store.evaluations.create(
        name, evaluation_name, test_dataset_name=body.evaluation_parameters.test_dataset_name
    )

    def withdraw() -> None:
        message = "The evaluation could not be queued for a worker."
        service.store.evaluations.fail(record.id, ErrorDetails(code=FailureCode.INTERNAL_SERVER_ERROR.value, message=message))
        service.store.evaluations.delete(name, evaluation_name)

    with undone_by(withdraw, "evaluation", model=name, evaluation=evaluation_name):
        service.jobs.enqueue_evaluation(record.id)
    return wire_response(evaluation(record), 201)


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
    record = service.store.evaluations.delete(name, evaluation_name)
    # Outcomes that remain are deleted with the model.
    with tidying("outcomes not deleted", model=name, evaluation=evaluation_name):
        service.objects.delete(outcomes_key(record.model_id, record.id))
        service.objects.delete(older_curves_key(record.model_id, record.id))
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
