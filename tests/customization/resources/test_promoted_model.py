import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.output import UNKNOWN

from tests.customization.fake_service import KEY, Answer, FakeService, Received, fake_service
from vision_customization.customization.resources.promoted_model import NotPromoted, PromotedModelProvider, promotion

WHEN = "2026-01-13T20:46:20.189Z"
ONNX = b"onnx"
DIGEST = hashlib.sha256(ONNX).hexdigest()
DECLARED = {
    "endpoint": "http://127.0.0.1:1",
    "key": KEY,
    "source_endpoint": "http://127.0.0.1:2",
    "source_key": KEY,
    "source": "dev",
    "model_name": "leaves-01234567",
    "artifact_digest": DIGEST,
    "row_urn": "urn",
}


def model(digest: str = DIGEST, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "name": "leaves-01234567",
        "createdDateTime": WHEN,
        "updatedDateTime": WHEN,
        "status": "succeeded",
        "trainingParameters": {"trainingDatasetName": "d", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"},
        "trainingCostInMinutes": 3,
        "modelPerformance": {"accuracyTop1": 0.75, "tagPerformance": {}},
        "artifact": {"digest": digest, "sizeBytes": 4},
        **fields,
    }


@pytest.fixture
def source() -> Iterator[FakeService]:
    """The service that has trained the model."""
    with fake_service() as fake:
        fake.handler = lambda request: Answer(200, {"labels": ["a"]} if request.path.endswith(":metadata") else ONNX)
        yield fake


@pytest.fixture
def target() -> Iterator[FakeService]:
    """The service that does not have it yet."""
    with fake_service() as fake:
        fake.handler = lambda request: Answer(201, model()) if request.method == "PUT" else Answer(404, {})
        yield fake


def create(source: FakeService, target: FakeService) -> dict[str, Any]:
    declared = {**DECLARED, "endpoint": target.url, "source_endpoint": source.url}
    return dict(PromotedModelProvider().create(declared).outs)


def puts(target: FakeService) -> list[Received]:
    return [request for request in target.received if request.method == "PUT"]


def test_a_model_is_taken_over_with_where_it_came_from(source: FakeService, target: FakeService) -> None:
    outs = create(source, target)
    assert outs["status"] == "succeeded"
    assert outs["model_kind"] == "Generic-Classifier"
    assert outs["training_minutes"] == 3
    assert outs["artifact_digest"] == DIGEST
    [sent] = puts(target)
    assert sent.path == "/computervision/models/leaves-01234567/artifact"
    origin = {"stack": "dev", "endpoint": source.url, "model": "leaves-01234567"}
    assert json.dumps({"labels": ["a"], "promotedFrom": origin}).encode() in sent.body


def test_where_a_promoted_model_came_from_stays_known(source: FakeService, target: FakeService) -> None:
    earlier = {"labels": ["a"], "promotedFrom": {"stack": "dev"}}
    source.handler = lambda request: Answer(200, earlier if request.path.endswith(":metadata") else ONNX)
    create(source, target)
    assert b'"promotedFrom": {"stack": "dev"}}' in puts(target)[0].body


def test_an_import_of_an_earlier_update_is_adopted(source: FakeService, target: FakeService) -> None:
    target.handler = lambda _: Answer(200, model())
    assert create(source, target)["artifact_digest"] == DIGEST
    assert source.received == puts(target) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (model("0" * 64), "this service has a different model with this name"),
        (model(trainingProgress={"stage": "trained"}), "a model with this name was trained on this service"),
    ],
)
def test_what_is_not_that_model_is_not_adopted(
    source: FakeService, target: FakeService, found: dict[str, Any], said: str
) -> None:
    target.handler = lambda _: Answer(200, found)
    with pytest.raises(NotPromoted, match=said):
        create(source, target)
    assert puts(target) == []


# What the source answers, and what is said of it.
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            Answer(404, {"error": {"code": "ModelNotFound", "message": "There is none."}}),
            "the model can't be downloaded: .*There is none",
        ),
        (Answer(200, {"not": "that file"}), "the model's file is now sha256:.* Run `pulumi up` on dev"),
    ],
)
def test_a_source_without_that_model_is_named(source: FakeService, target: FakeService, answer: Answer, said: str) -> None:
    source.handler = lambda _: answer
    with pytest.raises(NotPromoted, match=f"leaves-01234567 .* from dev: {said}") as raised:
        create(source, target)
    assert KEY not in str(raised.value)
    assert puts(target) == []


def diff(**changes: object) -> Any:  # noqa: ANN401
    return PromotedModelProvider().diff("id", {**DECLARED, "status": "succeeded"}, {**DECLARED, **changes})


@pytest.mark.parametrize(
    ("changes", "differs", "replaces", "first"),
    [
        ({}, False, [], False),
        ({"endpoint": UNKNOWN, "key": UNKNOWN, "source_endpoint": UNKNOWN, "source_key": UNKNOWN}, False, [], False),
        ({"source_endpoint": "http://127.0.0.1:3"}, True, [], False),
        ({"model_name": "leaves-76543210", "artifact_digest": "0" * 64}, True, ["artifact_digest", "model_name"], False),
        # The old one must go first where its name is needed.
        ({"artifact_digest": "0" * 64}, True, ["artifact_digest"], True),
    ],
)
def test_diff(changes: dict[str, object], differs: bool, replaces: list[str], first: bool) -> None:
    result = diff(**changes)
    assert (result.changes, result.replaces, result.delete_before_replace) == (differs, replaces, first)


def test_check_refuses_what_is_no_digest() -> None:
    [failure] = PromotedModelProvider().check({}, {**DECLARED, "artifact_digest": "abc"}).failures
    assert failure.property == "artifact_digest"


def test_what_is_promoted_is_said_in_few_words() -> None:
    assert promotion(DECLARED) == f"leaves-01234567 (sha256:{DIGEST[:12]}…) from dev"
