"""`/datasets`: registered COCO files, and the credentials for their blobs."""

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Depends, Response
from pydantic import SecretStr

from vision_customization.contract.datasets import Authentication, Dataset, DatasetCreate, DatasetUpdate
from vision_customization.contract.enums import AuthenticationKind
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.wire import Page
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.api.parameters import VERSIONED, IfMatch, PageQuery, PathName, Serving, wire_response
from vision_customization.engine.blobs.address import BlobAddress, BlobError
from vision_customization.engine.store import DatasetRecord

URI_LENGTH_MAX = 2048
SAS_LENGTH_MAX = 4096


router = APIRouter(prefix="/computervision/datasets", tags=["Datasets"], dependencies=VERSIONED)


@router.put(
    "/{name}",
    summary="Register a dataset",
    status_code=201,
    response_model=Dataset,
    responses=failures(400, 401, 404, 405, 409, 413),
    openapi_extra=json_body(DatasetCreate),
)
def register(service: Serving, name: PathName, body: Annotated[DatasetCreate, Depends(body_of(DatasetCreate))]) -> Response:
    check_uris(body.annotation_file_uris)
    authentication = body.authentication
    record = service.store.datasets.create(
        name,
        body.annotation_kind,
        body.annotation_file_uris,
        authentication_kind=authentication.kind if authentication else None,
        sas_token=sas_token(authentication) if authentication else None,
        custom_properties=body.custom_properties,
    )
    return dataset_response(record, 201)


@router.get("/{name}", summary="Get a dataset", response_model=Dataset, responses=failures(400, 401, 404, 405))
def get(service: Serving, name: PathName) -> Response:
    return dataset_response(service.store.datasets.find(name))


@router.get("", summary="List the datasets", response_model=Page[Dataset], responses=failures(400, 401))
def list_all(service: Serving, page: PageQuery) -> Response:
    return page.of(service.store.datasets.page, dataset)


@router.patch(
    "/{name}",
    summary="Update a dataset: replace the given fields, keep the others",
    response_model=Dataset,
    responses=failures(400, 401, 404, 405, 412, 413),
    openapi_extra=json_body(DatasetUpdate),
)
def update(
    service: Serving, name: PathName, body: Annotated[DatasetUpdate, Depends(body_of(DatasetUpdate))], if_match: IfMatch
) -> Response:
    if body.annotation_file_uris is not None:
        check_uris(body.annotation_file_uris)
    authentication = None
    if (given := body.authentication) is not None:
        # A caller that reads a dataset and sends it back has no token, because none is ever shown: the stored one stays.
        authentication = (given.kind, sas_token(given) if given.sas_token is not None else None)
    record = service.store.datasets.update(
        name,
        if_match=if_match,
        annotation_kind=body.annotation_kind,
        annotation_file_uris=body.annotation_file_uris,
        authentication=authentication,
        custom_properties=body.custom_properties,
    )
    return dataset_response(record)


@router.delete(
    "/{name}",
    summary="Unregister a dataset; its blobs stay",
    status_code=204,
    response_class=Response,
    responses=failures(400, 401, 404, 405, 412),
)
def unregister(service: Serving, name: PathName, if_match: IfMatch) -> Response:
    service.store.datasets.delete(name, if_match=if_match)
    return Response(status_code=204)


def dataset(record: DatasetRecord) -> Dataset:
    """A dataset as callers see it: never with its token, and without `authentication` of kind none, which clients refuse."""
    kind = record.authentication_kind
    return Dataset(
        name=record.name,
        annotation_kind=record.annotation_kind,
        annotation_file_uris=list(record.annotation_file_uris),
        authentication=Authentication(kind=kind) if kind not in (None, AuthenticationKind.NONE) else None,
        custom_properties=record.custom_properties,
        created_date_time=record.created,
        updated_date_time=record.updated,
        e_tag=record.e_tag,
    )


def dataset_response(record: DatasetRecord, status: int = 200) -> Response:
    return wire_response(dataset(record), status, {"ETag": f'"{record.e_tag}"'})


def check_uris(uris: list[str]) -> None:
    """Refuse URIs that cannot be the address of a blob, with `DatasetInvalidAnnotationUri`. Reads nothing."""
    for index, uri in enumerate(uris):
        if fault := uri_fault(uri):
            target = f"annotationFileUris.{index}"
            raise ApiError(400, ErrorCode.DATASET_INVALID_ANNOTATION_URI, f"{target}: {fault}", target=target)


def uri_fault(uri: str) -> str | None:
    """What is wrong with the address of an annotation file; None if nothing is."""
    if len(uri) > URI_LENGTH_MAX:
        return f"the URI is longer than {URI_LENGTH_MAX} characters"
    if any(character.isspace() or not character.isprintable() for character in uri):
        return "the URI contains a space or a control character; percent-encode it"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "the URI cannot be read: expected https://{account}.blob.core.windows.net/{container}/{file}.json"
    if parts.scheme.lower() not in ("http", "https") or not host:
        return "the URI is not absolute: expected https://{account}.blob.core.windows.net/{container}/{file}.json"
    if parts.username is not None or parts.password is not None:
        return "the URI contains a user name; pass a SAS token as authentication.sasToken"
    if parts.path in ("", "/"):
        return "the URI names no file"
    if any(key.lower() == "sig" for key, _ in parse_qsl(parts.query, keep_blank_values=True)):
        return "the URI contains a SAS token; pass it as authentication.sasToken, which is stored encrypted"
    try:
        BlobAddress.parse(uri)
    except BlobError as error:
        return error.message.removesuffix(".")
    return None


def sas_token(authentication: Authentication) -> SecretStr | None:
    """The token without a leading `?`; None for the other kinds. Refuses with 400 what is not a token, and never repeats it."""
    if authentication.kind is not AuthenticationKind.SAS:
        return None
    token = (authentication.sas_token.get_secret_value() if authentication.sas_token else "").strip().removeprefix("?")
    target = "authentication.sasToken"
    if not token:
        raise invalid(f"{target}: authentication of kind 'sas' needs a SAS token.", target=target)
    if "://" in token:
        raise invalid(f"{target}: this is a URL. Expected only the token, which follows the '?' of the URL.", target=target)
    if len(token) > SAS_LENGTH_MAX or "=" not in token or not token.isascii() or not token.isprintable() or " " in token:
        raise invalid(
            f"{target}: this is not a SAS token. Expected a query string such as sv=…&sr=c&sp=rl&se=…&sig=…, "
            f"of at most {SAS_LENGTH_MAX} characters.",
            target=target,
        )
    return SecretStr(token)
