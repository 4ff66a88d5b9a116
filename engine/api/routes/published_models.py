"""`/publishedmodels` (an extension): stable names that analyze accepts, each with the model behind it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from vision_customization.contract.published_models import PublishedModel, PublishedModelPut
from vision_customization.contract.wire import Page
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, wire_response
from vision_customization.engine.store import PublishedModelRecord

router = APIRouter(prefix="/computervision/publishedmodels", tags=["Published models"], dependencies=VERSIONED)


@router.put(
    "/{name}",
    summary="Publish a model, or point the name to another model",
    response_model=PublishedModel,
    responses={
        **failures(400, 401, 404, 405, 409, 413),
        201: {"model": PublishedModel, "description": "The name is new."},
    },
    openapi_extra=json_body(PublishedModelPut),
)
def publish(
    service: Serving, name: PathName, body: Annotated[PublishedModelPut, Depends(body_of(PublishedModelPut))]
) -> Response:
    record, created = service.store.published.publish(name, body.model_name)
    return wire_response(published_model(record), 201 if created else 200)


@router.get("/{name}", summary="Get a published model", response_model=PublishedModel, responses=failures(400, 401, 404, 405))
def get(service: Serving, name: PathName) -> Response:
    return wire_response(published_model(service.store.published.find(name)))


@router.get("", summary="List the published models", response_model=Page[PublishedModel], responses=failures(400, 401))
def list_all(service: Serving, page: PageQuery) -> Response:
    return page.of(service.store.published.page, published_model)


@router.delete(
    "/{name}",
    summary="Unpublish the name; the model stays",
    status_code=204,
    response_class=Response,
    responses=failures(400, 401, 404, 405),
)
def unpublish(service: Serving, name: PathName) -> Response:
    service.store.published.unpublish(name)
    return Response(status_code=204)


def published_model(record: PublishedModelRecord) -> PublishedModel:
    """A published model as callers see it."""
    return PublishedModel(
        name=record.name,
        model_name=record.model_name,
        created_date_time=record.created,
        updated_date_time=record.updated,
    )
