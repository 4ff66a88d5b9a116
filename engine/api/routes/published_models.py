"""`/publishedmodels` (an extension): stable names that analyze accepts, each with the model behind it."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from vision_customization.contract.published_models import Publication, PublishedModel, PublishedModelPut
from vision_customization.contract.wire import Page
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, wire_response
from vision_customization.engine.orders import publish as publish_model
from vision_customization.engine.store import PublicationRecord, PublishedModelRecord

API = "API"
"""Who publishes a model by this route, for a caller that does not say so: all callers have the same keys."""

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
    record, created = publish_model(service, name, body, body.managed_by or API)
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


@router.get(
    "/{name}/history",
    summary="List the models that the name pointed to, the newest first",
    response_model=Page[Publication],
    responses=failures(400, 401, 404, 405),
)
def history(service: Serving, name: PathName, page: PageQuery) -> Response:
    return page.of(partial(service.store.published.history, name), publication)


def published_model(record: PublishedModelRecord) -> PublishedModel:
    """A published model as callers see it."""
    return PublishedModel(
        name=record.name,
        model_name=record.model_name,
        created_date_time=record.created,
        updated_date_time=record.updated,
        require=record.require or None,
        managed_by=record.managed_by,
    )


def publication(record: PublicationRecord) -> Publication:
    """An entry of a name's history as callers see it."""
    return Publication(
        model_name=record.model_name,
        published_date_time=record.published,
        published_by=record.published_by,
        reason=record.reason,
        evaluation=record.evaluation,
        available=record.available,
    )
