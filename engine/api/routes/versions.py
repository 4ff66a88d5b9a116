"""`/datasets/{name}/versions` (an extension): what was saved from drafts, and the files behind it."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse

from vision_customization.common.dataset_content.blob_names import IMAGES
from vision_customization.common.dataset_content.image_formats import FORMATS
from vision_customization.contract.datasets import Dataset
from vision_customization.contract.drafts import DIGEST_PATTERN, ContentChanges, DatasetVersion, VersionRegister
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.limits import ANNOTATION_FILES_MAX
from vision_customization.contract.wire import Page
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, wire_response
from vision_customization.engine.api.routes.datasets import dataset_response
from vision_customization.engine.blobs.address import without_query
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import NoStudioContainer
from vision_customization.engine.drafts.version_files import read_version_file, spool_version_file, version_changes
from vision_customization.engine.orders.versions import register_as
from vision_customization.engine.store import NotFound, VersionRecord

_PIECE_BYTES = 64 * 1024

Digest = Annotated[str, Path(pattern=DIGEST_PATTERN, description="Digest of the version.")]
From = Annotated[str, Query(alias="from", pattern=DIGEST_PATTERN, description="Digest of the version to compare with.")]
BaseNumber = Annotated[int, Path(ge=0, le=ANNOTATION_FILES_MAX, description="The first file has number 0.")]
_EXTENSIONS = "|".join(sorted({each.extension.removeprefix(".") for each in FORMATS.values()}))
ImageFile = Annotated[
    str, Path(pattern=rf"^[0-9a-f]{{64}}\.({_EXTENSIONS})$", description="The image's SHA-256 and its extension.")
]

router = APIRouter(prefix="/computervision/datasets/{name}/versions", tags=["Drafts"], dependencies=VERSIONED)


@router.get(
    "",
    summary="List the versions of a dataset, the newest first (an extension)",
    response_model=Page[DatasetVersion],
    responses=failures(400, 401, 404, 405),
)
def list_all(service: Serving, name: PathName, page: PageQuery) -> Response:
    versions = service.store.versions
    return page.of(lambda skip, top: versions_shown(service, versions.page(name, skip, top)), lambda version: version)


@router.get(
    "/{digest}",
    summary="Get a version of a dataset (an extension)",
    response_model=DatasetVersion,
    responses=failures(400, 401, 404, 405),
)
def get(service: Serving, name: PathName, digest: Digest) -> Response:
    return wire_response(version_shown(service, service.store.versions.find(name, digest)))


@router.get(
    "/{digest}/changes",
    summary="Say in words what is different in a version from another one (an extension)",
    response_model=ContentChanges,
    responses=failures(400, 401, 404, 405, 502),
)
def changes(service: Serving, name: PathName, digest: Digest, other: From) -> Response:
    versions = service.store.versions
    lines = version_changes(service, versions.find(name, digest), versions.find(name, other))
    return wire_response(ContentChanges(changes=lines))


@router.post(
    "/{digest}:register",
    summary="Register the content of a version as a dataset (an extension)",
    status_code=201,
    response_model=Dataset,
    responses={
        **failures(400, 401, 404, 405, 409, 412, 413, 502),
        200: {"model": Dataset, "description": "The dataset exists, and has this content now."},
    },
    openapi_extra=json_body(VersionRegister),
)
def register(
    service: Serving, name: PathName, digest: Digest, body: Annotated[VersionRegister, Depends(body_of(VersionRegister))]
) -> Response:
    version = service.store.versions.find(name, digest)
    dataset, is_new = register_as(service, container_of(service), version, body.dataset_name or name, replace=body.replace)
    return dataset_response(dataset, 201 if is_new else 200)


@router.get(
    "/{digest}/annotations",
    summary="Get the COCO file of a version (an extension)",
    response_class=Response,
    responses=failures(400, 401, 404, 405, 502),
)
def annotations(service: Serving, name: PathName, digest: Digest) -> Response:
    version = service.store.versions.find(name, digest)
    return version_file(service, version, version.annotation_file_uri)


@router.get(
    "/{digest}/base/{number}",
    summary="Get a COCO file that the draft of a version began with (an extension)",
    response_class=Response,
    responses=failures(400, 401, 404, 405, 502),
)
def base(service: Serving, name: PathName, digest: Digest, number: BaseNumber) -> Response:
    version = service.store.versions.find(name, digest)
    if number >= len(version.base_uris):
        raise NotFound("version", f"{digest}: base {number}")
    uri = version.base_uris[number]
    if not uri.startswith(f"{version.container}/"):
        message = f"The dataset's file {without_query(uri)} is not in the container of the Studio, so it can't be read here."
        raise ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, message)
    return version_file(service, version, uri)


@router.get(
    "/{digest}/images/{file}",
    summary="Get an image of a version, as it was uploaded (an extension)",
    response_class=Response,
    responses=failures(400, 401, 404, 405, 502),
)
def image(service: Serving, name: PathName, digest: Digest, file: ImageFile) -> Response:
    version = service.store.versions.find(name, digest)
    data = read_version_file(service, version, f"{version.container}/{IMAGES}{file}")
    # The original: a browser must never show it, because it would believe what the file says of itself.
    headers = {"Content-Disposition": f'attachment; filename="{file}"', "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def container_of(service: Service) -> Container:
    """Where the Studio writes. Raises NoStudioContainer."""
    if service.studio_container is None:
        raise NoStudioContainer
    return service.studio_container


def version_shown(service: Service, record: VersionRecord) -> DatasetVersion:
    """A version as callers see it."""
    return versions_shown(service, [record])[0]


def versions_shown(service: Service, records: Sequence[VersionRecord]) -> list[DatasetVersion]:
    registered = service.store.versions.registered([record.digest for record in records])
    return [_shown(record, registered.get(record.digest, ())) for record in records]


def _shown(record: VersionRecord, registered: Sequence[str]) -> DatasetVersion:
    return DatasetVersion(
        digest=record.digest,
        dataset_name=record.dataset_name,
        annotation_kind=record.annotation_kind,
        annotation_file_uri=record.annotation_file_uri,
        images=record.images,
        labels=record.labels,
        tags=record.tags,
        changes=list(record.changes),
        base_files=len(record.base_uris),
        message=record.message,
        saved_by=record.saved_by,
        saved_date_time=record.saved,
        registered=list(registered),
    )


def version_file(service: Service, version: VersionRecord, url: str, name: str = "") -> Response:
    """A COCO file of a version, which goes through a temporary file, so that its size takes no memory; with a `name`, browsers
    keep it under that. Raises as `spool_version_file`."""
    file = tempfile.TemporaryFile(dir=service.settings.data_dir)  # noqa: SIM115 - the response closes it
    try:
        size = spool_version_file(service, version, url, file)
    except BaseException:
        file.close()
        raise
    headers = {"Content-Length": str(size)}
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return StreamingResponse(_pieces(file), media_type="application/json", headers=headers)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
