"""`/datasets/{name}/versions` (an extension): what was saved from drafts, and the files behind it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Path, Response
from fastapi.responses import StreamingResponse

from vision_customization.common.dataset_content.blob_names import IMAGES
from vision_customization.common.dataset_content.image_formats import FORMATS
from vision_customization.contract.drafts import DIGEST_PATTERN, DatasetVersion
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.limits import ANNOTATION_FILES_MAX, IMAGE_BYTES_MAX
from vision_customization.contract.wire import Page
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.document import failures
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.api.parameters import VERSIONED, PageQuery, PathName, Serving, wire_response
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.address import without_query
from vision_customization.engine.blobs.reader import Blob, BlobError, BlobErrorKind, Spooled
from vision_customization.engine.drafts.errors import NoStudioContainer
from vision_customization.engine.store import NotFound, VersionRecord

ANNOTATIONS_BYTES_MAX = 512 * 1024 * 1024
"""Of some 800,000 images. `vision datasets copy` reads larger files from storage itself."""
READ_SECONDS_MAX = 120.0
_PIECE_BYTES = 64 * 1024

Digest = Annotated[str, Path(pattern=DIGEST_PATTERN, description="Digest of the version.")]
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
    return page.of(lambda skip, top: versions.page(name, skip, top), lambda record: version_shown(service, record))


@router.get(
    "/{digest}",
    summary="Get a version of a dataset (an extension)",
    response_model=DatasetVersion,
    responses=failures(400, 401, 404, 405),
)
def get(service: Serving, name: PathName, digest: Digest) -> Response:
    return wire_response(version_shown(service, service.store.versions.find(name, digest)))


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
    if not uri.startswith(f"{container_of_version(version)}/"):
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
    data = read_version_blob(service, version, f"{container_of_version(version)}/{IMAGES}{file}")
    # The original: a browser must never show it, because it would believe what the file says of itself.
    headers = {"Content-Disposition": f'attachment; filename="{file}"', "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def version_shown(service: Service, record: VersionRecord) -> DatasetVersion:
    """A version as callers see it."""
    try:
        registered = service.store.datasets.find(record.dataset_name).annotation_file_uris == (record.annotation_file_uri,)
    except NotFound:
        registered = False
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
        registered=record.dataset_name if registered else None,
    )


def read_version_blob(service: Service, version: VersionRecord, url: str, max_bytes: int = IMAGE_BYTES_MAX) -> bytes:
    """A blob of a version. Raises NotFound, NoStudioContainer; refuses with 502 what can't be read."""
    with _reading(version, url):
        blob = _access(service, version, url).read(service.blobs, url, max_bytes=max_bytes, limit_seconds=READ_SECONDS_MAX)
    assert isinstance(blob, Blob), "only a read with an etag is answered otherwise"
    return blob.data


def version_file(service: Service, version: VersionRecord, url: str, name: str = "") -> Response:
    """A COCO file of a version, which goes through a temporary file, so that its size takes no memory; with a `name`, browsers
    keep it under that. Raises as `read_version_blob`."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    try:
        with _reading(version, url):
            spooled = _access(service, version, url).spool(
                service.blobs, url, file, max_bytes=ANNOTATIONS_BYTES_MAX, limit_seconds=READ_SECONDS_MAX
            )
        assert isinstance(spooled, Spooled), "only a read with an etag is answered otherwise"
        file.seek(0)
    except BaseException:
        file.close()
        raise
    headers = {"Content-Length": str(spooled.size_bytes)}
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return StreamingResponse(_pieces(file), media_type="application/json", headers=headers)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _access(service: Service, version: VersionRecord, url: str) -> Access:
    if service.studio_container is None:
        raise NoStudioContainer
    kind, token = service.studio_container.authentication
    datasets = service.store.datasets
    return datasets.access(datasets.unregistered(version.dataset_name, version.annotation_kind, [url], kind, token))


@contextmanager
def _reading(version: VersionRecord, url: str) -> Iterator[None]:
    try:
        yield
    except BlobError as error:
        if error.kind is BlobErrorKind.NOT_FOUND:
            raise NotFound("version", f"{version.digest}: {url.rpartition('/')[2]}") from None
        raise ApiError(502, ErrorCode.FAILED_TO_PROCESS, error.message) from None


def container_of_version(version: VersionRecord) -> str:
    """URL of the container of a version's blobs."""
    return version.annotation_file_uri.rpartition("/annotations/")[0]
