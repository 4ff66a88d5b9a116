"""`/batchprediction/{modelName}/runs`: a worker answers every image of a container or a dataset. An extension."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import SecretStr

from vision_customization.contract.batch_prediction import (
    ROWS_MEDIA_TYPE,
    AzureBlobResult,
    AzureBlobSource,
    BatchPredictionCreate,
    BatchPredictionRun,
)
from vision_customization.contract.limits import NAME_MAX_LENGTH, SKIP_MAX
from vision_customization.contract.wire import Page
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, wire_response
from vision_customization.engine.api.routes.datasets import sas_token, uri_fault
from vision_customization.engine.blobs.address import BlobAddress, Container
from vision_customization.engine.models.answer_rows import CHUNK_IMAGES, AnswerRows
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.orders import delete_batch_prediction, start_batch_prediction
from vision_customization.engine.store import BatchPredictionRecord

router = APIRouter(
    prefix="/computervision/batchprediction/{model_name}/runs", tags=["Batch prediction"], dependencies=VERSIONED
)

SkipRows = Annotated[int, Query(ge=0, le=SKIP_MAX, description="How many rows to skip from the start.")]
TopRows = Annotated[int | None, Query(ge=1, le=SKIP_MAX, description="Maximum number of rows; without it, all.")]


@router.put(
    "/{run_name}",
    summary="Answer every image of a container or a dataset (an extension)",
    status_code=201,
    response_model=BatchPredictionRun,
    responses=failures(400, 401, 404, 405, 409, 413),
    openapi_extra=json_body(BatchPredictionCreate),
)
def put(
    service: Serving,
    model_name: PathName,
    run_name: PathName,
    body: Annotated[BatchPredictionCreate, Depends(body_of(BatchPredictionCreate))],
) -> Response:
    _check_places(body)
    tokens = (_token(body.azure_blob_source), _token(body.azure_blob_result))
    return wire_response(run(start_batch_prediction(service, model_name, run_name, body, *tokens)), 201)


@router.get(
    "/{run_name}",
    summary="Get a batch prediction run, with its progress (an extension)",
    response_model=BatchPredictionRun,
    responses=failures(400, 401, 404, 405),
)
def get(service: Serving, model_name: PathName, run_name: PathName) -> Response:
    return wire_response(run(service.store.batch_predictions.find(model_name, run_name)))


@router.get(
    "",
    summary="List a model's batch prediction runs (an extension)",
    response_model=Page[BatchPredictionRun],
    responses=failures(400, 401, 404, 405),
)
def list_all(service: Serving, model_name: PathName, page: PageQuery) -> Response:
    return page.of(partial(service.store.batch_predictions.page, model_name), run)


@router.post(
    "/{run_name}:cancel",
    summary="Cancel a batch prediction run; its rows stay (an extension)",
    status_code=202,
    response_model=BatchPredictionRun,
    responses=failures(400, 401, 404, 405),
)
def cancel(service: Serving, model_name: PathName, run_name: PathName) -> Response:
    return wire_response(run(service.store.batch_predictions.request_cancellation(model_name, run_name)), 202)


@router.delete(
    "/{run_name}",
    summary="Delete a batch prediction run that has ended, with its rows (an extension)",
    status_code=204,
    response_class=Response,
    responses=failures(400, 401, 404, 405),
)
def delete(service: Serving, model_name: PathName, run_name: PathName) -> Response:
    delete_batch_prediction(service, model_name, run_name)
    return Response(status_code=204)


@router.get(
    "/{run_name}/results",
    summary="Download the rows of a batch prediction run, as JSON lines (an extension)",
    response_class=Response,
    responses={
        **failures(400, 401, 404, 405),
        200: {
            "description": "An object on each line, in the order of the images; of a run that has not ended, those that it has "
            "so far.",
            "content": {ROWS_MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
    },
)
def results(service: Serving, model_name: PathName, run_name: PathName, skip: SkipRows = 0, top: TopRows = None) -> Response:
    record = service.store.batch_predictions.find(model_name, run_name)
    stop = record.progress.rows if top is None else min(record.progress.rows, skip + top)
    rows = AnswerRows(service.objects, record.model_id, record.id)
    return StreamingResponse(_lines(rows, skip, stop), media_type=ROWS_MEDIA_TYPE)


def run(record: BatchPredictionRecord) -> BatchPredictionRun:
    """A run as callers see it: never with a token."""
    return BatchPredictionRun(
        run_name=record.name,
        model_name=record.model_name,
        created_date_time=record.created,
        updated_date_time=record.updated,
        status=record.status,
        azure_blob_source=record.source,
        dataset_name=record.dataset_name,
        azure_blob_result=record.result,
        progress=record.progress,
        error=record.error,
    )


def _lines(rows: AnswerRows, start: int, stop: int) -> Iterator[bytes]:
    """The rows from number `start` on, before `stop`, chunk by chunk. It ends early if the run is deleted meanwhile."""
    for chunk in range(start // CHUNK_IMAGES, -(-stop // CHUNK_IMAGES)):
        first = chunk * CHUNK_IMAGES
        try:
            lines = rows.lines(chunk)
        except ObjectNotFound:
            return
        yield b"".join(lines[max(0, start - first) : stop - first])


def _check_places(body: BatchPredictionCreate) -> None:
    """Refuse addresses that cannot be a container's or a blob's. Reads nothing."""
    if (source := body.azure_blob_source) is not None:
        fault = _address_fault(source.container_url)
        if fault is None and Container.at(BlobAddress.parse(source.container_url)) is None:
            fault = "this is not the URL of a container: expected https://{account}.blob.core.windows.net/{container}"
        _refuse("azureBlobSource.containerUrl", fault)
    if (result := body.azure_blob_result) is not None:
        fault = _address_fault(result.blob_url)
        if fault is None and Container.at(BlobAddress.parse(result.blob_url)) is not None:
            fault = "this is the URL of a container: append the name of the blob to write, such as /answers.jsonl"
        _refuse("azureBlobResult.blobUrl", fault)
    if body.dataset_name is not None and not 0 < len(body.dataset_name) <= NAME_MAX_LENGTH:
        _refuse("datasetName", f"expected the name of a dataset, of 1 to {NAME_MAX_LENGTH} characters")


def _address_fault(url: str) -> str | None:
    if fault := uri_fault(url):
        return fault
    return "the URL has a query; pass a SAS token as authentication.sasToken" if BlobAddress.parse(url).query else None


def _refuse(target: str, fault: str | None) -> None:
    if fault is not None:
        raise invalid(f"{target}: {fault}.", target=target)


def _token(place: AzureBlobSource | AzureBlobResult | None) -> SecretStr | None:
    return sas_token(place.authentication) if place is not None and place.authentication is not None else None
