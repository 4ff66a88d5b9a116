"""The OpenAPI document, and the engine held against it."""

import re
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import given
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.engine.outcomes.made import made_outcomes
from tests.engine.store.indexed import index_content
from tests.support.api_world import BuildAnyWorld, World
from tests.support.places import DOCS
from vision_customization.engine.objects.keys import estimate_key
from vision_customization.engine.outcomes.stored import put_outcomes

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
]
EXAMPLES = hypothesis.settings(
    max_examples=15, derandomize=True, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)

OPERATIONS = {
    "/computervision/drafts/{name}/images:restore": {"post"},
    "/computervision/drafts/{name}/images:remove": {"post"},
    "/computervision/drafts/{name}/images:label": {"post"},
    "/computervision/drafts/{name}/images:change": {"post"},
    "/computervision/drafts/{name}/images/{number}/labels": {"put"},
    "/computervision/drafts/{name}/images/{number}": {"get"},
    "/computervision/drafts/{name}/images": {"get", "post"},
    "/computervision/drafts/{name}/tags:delete": {"post"},
    "/computervision/drafts/{name}/tags:rename": {"post"},
    "/computervision/drafts/{name}/tags": {"post"},
    "/computervision/drafts/{name}:save": {"post"},
    "/computervision/drafts/{name}:merge": {"post"},
    "/computervision/drafts/{name}/changes": {"get"},
    "/computervision/drafts": {"get"},
    "/computervision/drafts/{name}": {"delete", "get", "put"},
    "/computervision/datasets/{name}/versions/{digest}/images/{file}": {"get"},
    "/computervision/datasets/{name}/versions/{digest}/base/{number}": {"get"},
    "/computervision/datasets/{name}/versions/{digest}/annotations": {"get"},
    "/computervision/datasets/{name}/versions/{digest}/changes": {"get"},
    "/computervision/datasets/{name}/versions/{digest}:register": {"post"},
    "/computervision/datasets/{name}/versions/{digest}": {"get"},
    "/computervision/datasets/{name}/versions": {"get"},
    "/computervision/datasets": {"get"},
    "/computervision/datasets/{name}": {"put", "get", "patch", "delete"},
    "/computervision/datasets/{name}/content": {"get"},
    "/computervision/datasets/{name}/images": {"get"},
    "/computervision/datasets/{name}/labelissues": {"get"},
    "/computervision/models": {"get"},
    "/computervision/models/{name}": {"put", "get", "delete"},
    "/computervision/models/{name}:cancel": {"post"},
    "/computervision/models/{name}/artifact": {"get", "put"},
    "/computervision/models/{name}/owner": {"put", "delete"},
    "/computervision/models/{name}/artifact:metadata": {"get"},
    "/computervision/models/{name}/evaluations": {"get"},
    "/computervision/models/{name}/evaluations/{evaluation_name}": {"put", "get", "delete"},
    "/computervision/models/{name}/evaluations/{evaluation_name}/outcomes": {"get"},
    "/computervision/models/{name}/evaluations/{evaluation_name}/outcomes:confusion": {"get"},
    "/computervision/models/{name}/evaluations/{evaluation_name}/outcomes:curves": {"get"},
    "/computervision/models/{name}/evaluations/{evaluation_name}/outcomes:threshold": {"get"},
    "/computervision/models/{name}/evaluations/{evaluation_name}/outcomes:calibration": {"get"},
    "/computervision/models/{name}/evaluations/{evaluation_name}/outcomes:tags": {"get"},
    "/computervision/models/{name}/outcomes": {"get"},
    "/computervision/models/{name}/outcomes:threshold": {"get"},
    "/computervision/models/{name}/outcomes:calibration": {"get"},
    "/computervision/models/{name}/outcomes:tags": {"get"},
    "/computervision/models/{name}/outcomes:compare": {"get"},
    "/computervision/models/{name}/outcomes:confusion": {"get"},
    "/computervision/models/{name}/outcomes:curves": {"get"},
    "/computervision/publishedmodels": {"get"},
    "/computervision/publishedmodels/{name}": {"put", "get", "delete"},
    "/computervision/publishedmodels/{name}/history": {"get"},
    "/computervision/storage:check": {"post"},
    "/computervision/training:speed": {"get"},
    "/computervision/studio/codes": {"post"},
    "/computervision/productrecognition/{model_name}/runs": {"get"},
    "/computervision/productrecognition/{model_name}/runs/{run_name}": {"put", "get", "delete"},
    "/computervision/batchprediction/{model_name}/runs": {"get"},
    "/computervision/batchprediction/{model_name}/runs/{run_name}": {"put", "get", "delete"},
    "/computervision/batchprediction/{model_name}/runs/{run_name}:cancel": {"post"},
    "/computervision/batchprediction/{model_name}/runs/{run_name}/results": {"get"},
    "/computervision/planogramcompliance:match": {"post"},
    "/computervision/imageanalysis:analyze": {"post"},
    "/livez": {"get"},
    "/healthz": {"get"},
    "/selftest": {"get"},
    "/metrics": {"get"},
}


@schemathesis.serializer("image/bmp", "image/gif", "image/jpeg", "image/png", "image/tiff", "image/webp", "image/x-icon")
def image(ctx: object, value: object) -> object:
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture
def document(world: World) -> dict[str, Any]:
    return world.call("GET", "/openapi.json", key=None, version=None).json()


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    assert {path: set(operations) for path, operations in document["paths"].items()} == OPERATIONS


def test_every_failure_has_the_one_shape(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert "422" not in operation["responses"], (path, method)
            assert "500" in operation["responses"]
            if path.startswith("/computervision"):
                assert {"400", "401"} <= operation["responses"].keys()
                assert operation["security"] == [{"key": []}, {"entra": []}]
            for status, response in operation["responses"].items():
                assert "apim-request-id" in response["headers"]
                if status >= "400":
                    assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
                    assert "x-ms-error-code" in response["headers"]


def test_bodies_are_described_in_both_types(document: dict[str, Any]) -> None:
    body = document["paths"]["/computervision/datasets/{name}"]["put"]["requestBody"]
    assert set(body["content"]) == {"application/json", "application/json-patch+json"}
    assert "annotationFileUris" in document["components"]["schemas"]["DatasetCreate"]["required"]


def test_tiles_are_described_and_need_not_be_there(document: dict[str, Any]) -> None:
    parameters = document["components"]["schemas"]["TrainingParameters"]
    tiles = parameters["properties"]["tiles"]
    assert (tiles["minimum"], tiles["maximum"], tiles["default"]) == (1, 4, 1)
    assert parameters["required"] == ["trainingDatasetName", "timeBudgetInHours"]


@pytest.fixture(scope="module")
def described_world(tmp_path_factory: pytest.TempPathFactory, build_any_world: BuildAnyWorld) -> World:
    """One world for all examples, in which a few names mean something."""
    world = build_any_world(tmp_path_factory.mktemp("engine"))
    world.register("cats")
    index_content(world.store, "cats")
    model_id = world.train("m")
    world.create("early")
    world.call("PUT", "models/m/evaluations/e", json={"evaluationParameters": {"testDatasetName": "cats"}})
    put_outcomes(world.objects, estimate_key(model_id), made_outcomes(20, training=True))
    world.call("PUT", "publishedmodels/live", json={"modelName": "m"})
    world.train_detector("r")
    world.store.runs.create("r", "r")
    world.store.batch_predictions.create("m", "r", dataset_name="cats")
    return world


@pytest.fixture(scope="module")
def described(described_world: World) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", described_world.call.app)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, methods in OPERATIONS.items() for method in sorted(methods)]
)
def test_nothing_undocumented_is_answered(
    described: schemathesis.BaseSchema, path: str, method: str, mode: GenerationMode
) -> None:
    operation = described[path][method]

    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS, headers={"Ocp-Apim-Subscription-Key": "first-key-of-this-engine"})

    for case in described.iter_coverage_cases(
        operation, generation_modes=[mode], generation_config=described.config.generation_for(operation=operation)
    ):
        check(case)
    try:
        given(case=operation.as_strategy(generation_mode=mode))(EXAMPLES(check))()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "only what takes nothing can be asked nothing wrong"


def test_the_reference_lists_every_operation(document: dict[str, Any]) -> None:
    """The table of docs/rest.md, row by row."""
    rows = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            good = [status for status in sorted(operation["responses"]) if status < "300"]
            bad = [status for status in sorted(operation["responses"]) if status >= "300"]
            name = f"{method.upper()} {path.removeprefix('/computervision')}"
            rows.add(f"| `{name}` | {operation['summary']} | {', '.join(good)} | {', '.join(bad)} |")
    assert set(re.findall(r"^\| `[A-Z]+ /.*$", (DOCS / "rest.md").read_text("utf-8"), re.MULTILINE)) == rows
