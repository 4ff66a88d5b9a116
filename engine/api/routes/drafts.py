"""`/drafts` (an extension): labels that people change, apart from the dataset, until they are saved as a version."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from vision_customization.contract.drafts import (
    ContentChanges,
    DatasetVersion,
    Draft,
    DraftBase,
    DraftCreate,
    DraftMerge,
    DraftTag,
    TagCreate,
    TagDelete,
    TagRename,
    VersionSave,
)
from vision_customization.contract.wire import Page, Wire
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, wire_response
from vision_customization.engine.api.routes.versions import container_of, version_shown
from vision_customization.engine.drafts.changes import changes_of
from vision_customization.engine.drafts.merging import merge_draft
from vision_customization.engine.drafts.opening import open_draft
from vision_customization.engine.orders.drafts import delete_draft
from vision_customization.engine.orders.versions import save_and_register
from vision_customization.engine.store import DraftRecord, NotFound

API = "API"
"""Who changes a draft by these routes: all callers have the same keys."""

router = APIRouter(prefix="/computervision/drafts", tags=["Drafts"], dependencies=VERSIONED)


class TagChanged(Wire):
    """How many images had the tag."""

    images: int


@router.put(
    "/{name}",
    summary="Begin a draft: of a dataset, or an empty one (an extension)",
    status_code=201,
    response_model=Draft,
    responses=failures(400, 401, 404, 405, 409, 413, 502),
    openapi_extra=json_body(DraftCreate),
)
def begin(service: Serving, name: PathName, body: Annotated[DraftCreate, Depends(body_of(DraftCreate))]) -> Response:
    return wire_response(draft_shown(service, open_draft(service, container_of(service), name, body, API)), 201)


@router.get("", summary="List the drafts (an extension)", response_model=Page[Draft], responses=failures(400, 401))
def list_all(service: Serving, page: PageQuery) -> Response:
    return page.of(service.store.drafts.newest, lambda record: draft_shown(service, record))


@router.get("/{name}", summary="Get a draft (an extension)", response_model=Draft, responses=failures(400, 401, 404, 405))
def get(service: Serving, name: PathName) -> Response:
    return wire_response(draft_shown(service, service.store.drafts.find(name)))


@router.delete(
    "/{name}",
    summary="Delete a draft, with what was not saved as a version (an extension)",
    status_code=204,
    response_class=Response,
    responses=failures(400, 401, 404, 405),
)
def delete(service: Serving, name: PathName) -> Response:
    delete_draft(service, name)
    return Response(status_code=204)


@router.get(
    "/{name}/changes",
    summary="Say in words what a draft has changed (an extension)",
    response_model=ContentChanges,
    responses=failures(400, 401, 404, 405),
)
def changes(service: Serving, name: PathName) -> Response:
    return wire_response(ContentChanges(changes=changes_of(service.store, service.store.drafts.find(name))))


@router.post(
    "/{name}:merge",
    summary="Merge with what the dataset has now (an extension)",
    response_model=DraftMerge,
    responses=failures(400, 401, 404, 405, 502),
)
def merge(service: Serving, name: PathName) -> Response:
    return wire_response(merge_draft(service, container_of(service), name, API))


@router.post(
    "/{name}:save",
    summary="Save a version (an extension)",
    response_model=DatasetVersion,
    responses=failures(400, 401, 404, 405, 409, 413, 502),
    openapi_extra=json_body(VersionSave),
)
def save(service: Serving, name: PathName, body: Annotated[VersionSave, Depends(body_of(VersionSave))]) -> Response:
    draft = service.store.drafts.find(name)
    version, _ = save_and_register(service, container_of(service), draft, API, body.message)
    return wire_response(version_shown(service, version))


@router.post(
    "/{name}/tags",
    summary="Add a tag to a draft (an extension)",
    response_model=Draft,
    responses=failures(400, 401, 404, 405, 413),
    openapi_extra=json_body(TagCreate),
)
def add_tag(service: Serving, name: PathName, body: Annotated[TagCreate, Depends(body_of(TagCreate))]) -> Response:
    service.store.drafts.add_tag(name, body.name, API)
    return wire_response(draft_shown(service, service.store.drafts.find(name)))


@router.post(
    "/{name}/tags:rename",
    summary="Rename a tag of a draft, or merge it with another (an extension)",
    response_model=TagChanged,
    responses=failures(400, 401, 404, 405, 409, 413),
    openapi_extra=json_body(TagRename),
)
def rename_tag(service: Serving, name: PathName, body: Annotated[TagRename, Depends(body_of(TagRename))]) -> Response:
    images = service.store.drafts.rename_tag(name, body.tag, body.name, API, merge=body.merge)
    return wire_response(TagChanged(images=images))


@router.post(
    "/{name}/tags:delete",
    summary="Delete a tag of a draft, with its labels (an extension)",
    response_model=TagChanged,
    responses=failures(400, 401, 404, 405, 413),
    openapi_extra=json_body(TagDelete),
)
def delete_tag(service: Serving, name: PathName, body: Annotated[TagDelete, Depends(body_of(TagDelete))]) -> Response:
    return wire_response(TagChanged(images=service.store.drafts.delete_tag(name, body.tag, API)))


def draft_shown(service: Service, record: DraftRecord) -> Draft:
    """A draft as callers see it."""
    tags = service.store.drafts.tags(record.sequence)
    return Draft(
        name=record.name,
        id=record.id,
        annotation_kind=record.annotation_kind,
        dataset_name=record.dataset_name,
        base=base_shown(service, record),
        images=record.images,
        unlabelled_images=record.unlabelled,
        changed_images=record.changed,
        conflicts=record.conflicts,
        labels=record.labels,
        edit=record.edit,
        tags=[DraftTag(name=tag.name, images=tag.images, labels=tag.labels) for tag in tags],
        created_by=record.created_by,
        created_date_time=record.created,
        updated_date_time=record.updated,
    )


def base_shown(service: Service, record: DraftRecord) -> DraftBase | None:
    """What the draft began with; None if it began empty, or its dataset is gone."""
    if record.base_dataset is None:
        return None
    try:
        now = service.store.datasets.find(record.base_dataset).annotation_file_uris
    except NotFound:
        now = record.base_uris
    return DraftBase(
        dataset_name=record.base_dataset, annotation_file_uris=list(record.base_uris), moved=now != record.base_uris
    )
