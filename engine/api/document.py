"""The OpenAPI document: every status that an operation answers with, and the bodies it reads."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from vision_customization.contract.analysis import AnalyzeUrl
from vision_customization.contract.batch_prediction import BatchPredictionCreate
from vision_customization.contract.datasets import DatasetCreate, DatasetUpdate
from vision_customization.contract.drafts import (
    DraftCreate,
    ImageNumbers,
    LabelsBatch,
    LabelsPut,
    TagCreate,
    TagDelete,
    TagRename,
    VersionSave,
)
from vision_customization.contract.evaluations import EvaluationCreate
from vision_customization.contract.models import ModelCreate, ModelOwner
from vision_customization.contract.products import PlanogramMatch
from vision_customization.contract.published_models import PublishedModelPut
from vision_customization.contract.storage_check import StorageCheck
from vision_customization.contract.wire import ErrorResponse
from vision_customization.engine.api.bodies.json import JSON_TYPES

REQUEST_BODIES = (
    AnalyzeUrl,
    BatchPredictionCreate,
    DatasetCreate,
    DatasetUpdate,
    DraftCreate,
    EvaluationCreate,
    ImageNumbers,
    LabelsBatch,
    LabelsPut,
    ModelCreate,
    ModelOwner,
    PlanogramMatch,
    PublishedModelPut,
    StorageCheck,
    TagCreate,
    TagDelete,
    TagRename,
    VersionSave,
)

_FAILURES = {
    400: "The request is not valid, or the resource's status does not allow it.",
    401: "The key is missing or wrong, or the bearer token is not accepted.",
    404: "Nothing of that name exists.",
    405: "The path does not support this method.",
    409: "The name is taken.",
    412: "The resource's eTag is not the one in If-Match.",
    413: "The body is too long.",
    429: "Too many requests are waiting; try again after Retry-After seconds.",
    502: "What the engine needs for the answer does not respond, or refuses it: the Vision resource, or a container.",
    503: "The database does not answer.",
}

_HEADERS = {
    "apim-request-id": {
        "description": "Identifies this request in the engine's log.",
        "schema": {"type": "string", "format": "uuid"},
    }
}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The declarations of these failures, and of 500, in the one error shape."""
    described = {**_FAILURES, 500: "Something went wrong inside the engine."}
    return {status: {"model": ErrorResponse, "description": described[status]} for status in (*statuses, 500)}


def json_body(kind: type[BaseModel]) -> dict[str, Any]:
    """The declaration of a JSON body, in both content types of the contract."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    content = {media_type: {"schema": schema} for media_type in JSON_TYPES[:2]}
    return {"requestBody": {"required": True, "content": content}}


def describe(app: FastAPI, version: str) -> None:
    """Make `app` serve the complete document at /openapi.json."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _complete(document)
            document["info"]["version"] = version
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    _, definitions = models_json_schema(
        [(kind, "validation") for kind in REQUEST_BODIES], ref_template="#/components/schemas/{model}"
    )
    schemas = document["components"]["schemas"]
    for name, schema in definitions["$defs"].items():
        schemas.setdefault(name, schema)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": "Ocp-Apim-Subscription-Key"},
        "entra": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_operation(operation, protected=path.startswith("/computervision"))


def _complete_operation(operation: dict[str, Any], *, protected: bool) -> None:
    responses: Mapping[str, dict[str, Any]] = operation["responses"]
    operation["responses"] = {status: responses[status] for status in sorted(responses) if status != "422"}
    for status, response in operation["responses"].items():
        response.setdefault("headers", {}).update(_HEADERS)
        if int(status) >= 400:
            code = {"description": "The error's code.", "schema": {"type": "string"}}
            response["headers"]["x-ms-error-code"] = code
    if protected:
        operation["security"] = [{"key": []}, {"entra": []}]
