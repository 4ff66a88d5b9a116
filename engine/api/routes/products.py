"""`/productrecognition/{modelName}/runs`: a worker runs a detector on one photograph of a shelf."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from vision_customization.contract.errors import ErrorCode, FailureCode
from vision_customization.contract.products import ProductRecognitionRun
from vision_customization.contract.wire import ErrorDetails, Page
from vision_customization.engine.api.bodies.image import IMAGE_BODY, WaitingRoom, decoded_image, fetch_image, read_image
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.document import failures
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, wire_response
from vision_customization.engine.api.threads import in_thread
from vision_customization.engine.jobs.names import recognition_job
from vision_customization.engine.objects.keys import image_key
from vision_customization.engine.orders.two_places import undone_by
from vision_customization.engine.store import NotFound, RunRecord

PREBUILT = "ms-pretrained-product-detection"
"""The hosted service's own model, which this engine does not have."""

WAITING_MAX = 64
"""Runs that may be submitted at the same time; each keeps an image of up to 20 MB in memory."""

_THREADS = 8


router = APIRouter(
    prefix="/computervision/productrecognition/{model_name}/runs", tags=["Product recognition"], dependencies=VERSIONED
)


class Intake:
    """Receives the images of runs, in threads of its own, because the threads that all other operations share must not wait for
    servers elsewhere."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="recognition")
        self.waiting = WaitingRoom()


async def intake_of(request: Request) -> Intake:
    intake: Intake = request.app.state.intake
    return intake


@router.put(
    "/{run_name}",
    summary="Recognize the products in an image",
    status_code=201,
    response_model=ProductRecognitionRun,
    responses=failures(400, 401, 404, 405, 409, 413, 429),
    openapi_extra=IMAGE_BODY,
)
async def put(
    service: Serving,
    intake: Annotated[Intake, Depends(intake_of)],
    request: Request,
    model_name: PathName,
    run_name: PathName,
) -> Response:
    with intake.waiting.seat(WAITING_MAX):
        url, image = await read_image(request)
        record = await in_thread(intake.threads, _create, service, model_name, run_name, url, image)
    return wire_response(run(record), 201)


@router.get(
    "/{run_name}",
    summary="Get a product recognition run",
    response_model=ProductRecognitionRun,
    responses=failures(400, 401, 404, 405),
)
def get(service: Serving, model_name: PathName, run_name: PathName) -> Response:
    with _naming_the_prebuilt_model(model_name):
        return wire_response(run(service.store.runs.find(model_name, run_name)))


@router.get(
    "",
    summary="List a model's product recognition runs",
    response_model=Page[ProductRecognitionRun],
    responses=failures(400, 401, 404, 405),
)
def list_all(service: Serving, model_name: PathName, page: PageQuery) -> Response:
    with _naming_the_prebuilt_model(model_name):
        return page.of(partial(service.store.runs.page, model_name), run)


@router.delete(
    "/{run_name}",
    summary="Delete a product recognition run",
    status_code=204,
    response_class=Response,
    responses=failures(400, 401, 404, 405),
)
def delete(service: Serving, model_name: PathName, run_name: PathName) -> Response:
    with _naming_the_prebuilt_model(model_name):
        service.store.runs.delete(model_name, run_name)
    return Response(status_code=204)


def run(record: RunRecord) -> ProductRecognitionRun:
    """A run as callers see it."""
    return ProductRecognitionRun(
        run_name=record.name,
        model_name=record.model_name,
        created_date_time=record.created,
        updated_date_time=record.updated,
        status=record.status,
        result=record.result,
        error=record.error,
    )


def _create(service: Service, model_name: str, run_name: str, url: str | None, image: bytes) -> RunRecord:
    with _naming_the_prebuilt_model(model_name):
        service.store.runs.check_recognizing(model_name)  # before anything is read for a model that cannot answer
        if url is not None:
            image = fetch_image(service.blobs, url)
        decoded_image(image)  # refuse an invalid image now, instead of with a run that fails
        record = service.store.runs.create(model_name, run_name)

    def withdraw() -> None:
        error = ErrorDetails(code=FailureCode.INTERNAL_SERVER_ERROR.value, message="The run could not be queued for a worker.")
        with suppress(NotFound):  # the model was deleted meanwhile, and the run with it
            service.store.runs.fail(record.id, error)
            service.store.runs.delete(record.model_name, run_name)

    def discard() -> None:
        service.objects.delete(image_key(recognition_job(record.id)))

    names = {"model": record.model_name, "run": run_name}
    with undone_by(discard, "image of a run", **names), undone_by(withdraw, "run", **names):
        # The image is written after the run, or a sweep could take it for a leftover, and before the worker that needs it.
        service.objects.put(image_key(recognition_job(record.id)), image)
        service.jobs.enqueue_recognition(record.id)
    return record


@contextmanager
def _naming_the_prebuilt_model(model_name: str) -> Iterator[None]:
    """Explain why the hosted service's own model is missing, instead of a plain "not found"."""
    try:
        yield
    except NotFound as error:
        if error.kind != "model" or model_name != PREBUILT:
            raise
        message = (
            f"The prebuilt model '{PREBUILT}' exists only in the hosted service. Train a model of kind Product-Recognizer on "
            "your own images and use its name instead, or publish it under this name."
        )
        raise ApiError(404, ErrorCode.MODEL_NOT_FOUND, message, target=PREBUILT) from None
