"""What a stack declares says so: what each resource sends, what a refresh sees, and a state from before there were owners."""

from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.output import UNKNOWN

from tests.customization.fake_service import KEY, Answer, FakeService, Received, fake_service
from vision_customization.customization.resources.dataset import DatasetProvider
from vision_customization.customization.resources.model import ModelProvider
from vision_customization.customization.resources.promoted_model import PromotedModelProvider
from vision_customization.customization.resources.provider import VisionProvider
from vision_customization.customization.resources.published_model import PublishedModelProvider

Properties = dict[str, Any]

STACK, OTHER = "pulumi:photos/dev", "pulumi:photos/prod"
WHEN = "2026-01-13T20:46:20.189Z"
STAMPS = {"createdDateTime": WHEN, "updatedDateTime": WHEN}
URIS = ["https://acct.blob.core.windows.net/c/train.json"]
DIGEST = "a" * 64

DATASET = {
    "key": KEY,
    "container_url": "https://acct.blob.core.windows.net/c",
    "dataset_name": "leaves-train",
    "annotation_kind": "imageClassification",
    "uris": URIS,
    "digest": DIGEST,
    "custom_properties": {"season": "autumn"},
    "annotation_file_uris": URIS,
    "row_urn": "urn",
}
MODEL = {
    "key": KEY,
    "logical_name": "leaves",
    "model_kind": "Generic-Classifier",
    "training_dataset": "leaves-train",
    "training_digest": DIGEST,
    "time_budget_in_hours": 1.0,
    "model_name": "leaves-01234567",
    "row_urn": "urn",
}
PROMOTED = {
    "key": KEY,
    "source_endpoint": "http://127.0.0.1:2",
    "source": "dev",
    "model_name": "leaves-01234567",
    "artifact_digest": DIGEST,
    "row_urn": "urn",
}
PUBLISHED = {"key": KEY, "published_name": "leaves", "model_name": "leaves-01234567", "row_urn": "urn"}

RESOURCES: dict[type[VisionProvider], Properties] = {
    DatasetProvider: DATASET,
    ModelProvider: MODEL,
    PromotedModelProvider: PROMOTED,
    PublishedModelProvider: PUBLISHED,
}
PROVIDERS = pytest.mark.parametrize("provider", RESOURCES)


def shown(path: str, managed_by: str | None) -> Properties:
    """What a service shows at `path` if `managed_by` manages it."""
    owner = {} if managed_by is None else {"managedBy": managed_by}
    if "/datasets/" in path:
        properties = {"season": "autumn", **owner}
        return {
            "name": "leaves-train",
            "annotationKind": "imageClassification",
            "annotationFileUris": URIS,
            "customProperties": properties,
            **STAMPS,
        }
    if "/publishedmodels/" in path:
        return {"name": "leaves", "modelName": "leaves-01234567", **owner, **STAMPS}
    return {
        "name": "leaves-01234567",
        "status": "succeeded",
        "trainingParameters": {"trainingDatasetName": "leaves-train", "timeBudgetInHours": 1},
        "artifact": {"digest": DIGEST, "sizeBytes": 4},
        **owner,
        **STAMPS,
    }


@pytest.fixture
def service() -> Iterator[FakeService]:
    """A service whose objects nobody manages."""
    with fake_service() as fake:
        fake.handler = lambda request: Answer(200, shown(request.path, None))
        yield fake


def declared(provider: type[VisionProvider], service: FakeService, managed_by: str | None = STACK) -> Properties:
    """The inputs of a program; None: of a program before there were owners."""
    return {**RESOURCES[provider], "endpoint": service.url, **({} if managed_by is None else {"managed_by": managed_by})}


def changes(service: FakeService) -> list[tuple[str, str, Any]]:
    return [
        (request.method, request.path.removeprefix("/computervision"), request.json)
        for request in service.received
        if request.method != "GET"
    ]


OWNED = {
    DatasetProvider: (
        "PATCH",
        "/datasets/leaves-train",
        {
            "annotationFileUris": URIS,
            "authentication": {"kind": "managedIdentity"},
            "customProperties": {"season": "autumn", "managedBy": STACK},
        },
    ),
    ModelProvider: ("PUT", "/models/leaves-01234567/owner", {"managedBy": STACK}),
    PromotedModelProvider: ("PUT", "/models/leaves-01234567/owner", {"managedBy": STACK}),
    PublishedModelProvider: ("PUT", "/publishedmodels/leaves", {"modelName": "leaves-01234567", "managedBy": STACK}),
}


@PROVIDERS
def test_a_state_from_before_there_were_owners_is_updated_in_place_and_says_the_owner(
    provider: type[VisionProvider], service: FakeService
) -> None:
    former, news = declared(provider, service, None), declared(provider, service)
    refreshed = provider().read("id", former)
    assert refreshed.outs == {**former, **provider().look(former)}, "an owner is not drift"
    difference = provider().diff("id", former, news)
    assert (difference.changes, difference.replaces) == (True, [])
    outs = provider().update("id", {**former, "output": "of before"}, news).outs
    assert outs is not None
    assert changes(service) == [OWNED[provider]]
    assert not provider().diff("id", outs, news).changes, "no change, no work"


@PROVIDERS
def test_without_a_change_nothing_is_sent(provider: type[VisionProvider], service: FakeService) -> None:
    service.handler = lambda request: Answer(200, shown(request.path, STACK))
    state = declared(provider, service)
    refreshed = provider().read("id", state)
    assert (refreshed.outs["managed_by"], refreshed.inputs["managed_by"]) == (STACK, STACK)
    assert not provider().diff("id", refreshed.outs, state).changes
    assert changes(service) == []


@PROVIDERS
def test_another_owner_is_drift_and_put_right(provider: type[VisionProvider], service: FakeService) -> None:
    service.handler = lambda request: Answer(200, shown(request.path, OTHER))
    state = declared(provider, service)
    refreshed = provider().read("id", state)
    assert refreshed.outs == {**state, **provider().look(state), "managed_by": OTHER}
    assert provider().diff("id", refreshed.outs, state).changes
    provider().update("id", refreshed.outs, state)
    assert changes(service) == [OWNED[provider]]


@PROVIDERS
def test_a_state_from_before_there_were_owners_sees_no_drift_in_any(
    provider: type[VisionProvider], service: FakeService
) -> None:
    service.handler = lambda request: Answer(200, shown(request.path, OTHER))
    former = declared(provider, service, None)
    assert "managed_by" not in provider().read("id", former).outs


@pytest.mark.parametrize("provider", [ModelProvider, PromotedModelProvider, PublishedModelProvider])
def test_a_service_that_records_no_owners_shows_no_drift(provider: type[VisionProvider], service: FakeService) -> None:
    state = declared(provider, service)
    assert provider().read("id", state).outs["managed_by"] == STACK


@pytest.mark.parametrize("provider", [ModelProvider, PromotedModelProvider])
def test_a_service_that_records_no_owners_of_models_is_updated_all_the_same(
    provider: type[VisionProvider], service: FakeService
) -> None:
    service.handler = lambda _: Answer(404, {"error": {"code": "404", "message": "Resource not found."}})
    outs = provider().update("id", declared(provider, service, None), declared(provider, service)).outs
    assert outs is not None
    assert outs["managed_by"] == STACK


def test_of_a_dataset_an_owner_that_was_removed_is_drift(service: FakeService) -> None:
    """Custom properties are of the original contract: every service keeps them."""
    state = declared(DatasetProvider, service)
    assert DatasetProvider().read("id", state).outs["managed_by"] is None


def test_custom_properties_that_were_replaced_are_drift_of_these_alone(service: FakeService) -> None:
    service.handler = lambda request: Answer(200, {**shown(request.path, None), "customProperties": {"touched": "yes"}})
    state = declared(DatasetProvider, service)
    refreshed = DatasetProvider().read("id", state).outs
    assert (refreshed["custom_properties"], refreshed["managed_by"]) == ({"touched": "yes"}, STACK)
    DatasetProvider().update("id", refreshed, state)
    assert changes(service) == [OWNED[DatasetProvider]]


def test_a_new_dataset_and_one_that_is_adopted_say_the_owner(service: FakeService) -> None:
    def handle(request: Received) -> Answer:
        taken = request.method == "PUT" and len(service.received) > 1
        return Answer(409, {}) if taken else Answer(200, shown(request.path, STACK))

    service.handler = handle
    for _ in range(2):
        outs = DatasetProvider().create(declared(DatasetProvider, service)).outs
        assert (outs["custom_properties"], outs["managed_by"]) == ({"season": "autumn"}, STACK)
    sent = [body["customProperties"] for _, _, body in changes(service)]
    assert sent == [{"season": "autumn", "managedBy": STACK}] * 3


def test_a_new_training_says_its_owner_and_one_that_is_resumed_gets_it(service: FakeService) -> None:
    trained = {**shown("/models/m", None), "trainingProgress": {"stage": "trained"}}

    def handle(request: Received) -> Answer:
        if request.path.endswith("/models"):
            return Answer(200, {"value": []})
        if request.method == "PUT" and request.path.endswith("/owner"):
            return Answer(200, trained)
        began = [sent for sent in changes(service) if sent[0] == "PUT"]
        if request.method == "PUT":
            return Answer(201 if len(began) == 1 else 409, trained)
        return Answer(200, trained) if began else Answer(404, {})

    service.handler = handle
    for _ in range(2):
        assert ModelProvider().create(declared(ModelProvider, service)).outs["managed_by"] == STACK
    sent = [(path, body.get("managedBy")) for method, path, body in changes(service) if method == "PUT"]
    assert sent == [
        ("/models/leaves-01234567", STACK),
        ("/models/leaves-01234567", STACK),
        ("/models/leaves-01234567/owner", STACK),
    ]


def test_a_promoted_model_that_is_adopted_gets_its_owner(service: FakeService) -> None:
    PromotedModelProvider().create(declared(PromotedModelProvider, service))
    assert changes(service) == [OWNED[PromotedModelProvider]]


@pytest.mark.parametrize(
    ("properties", "failures"),
    [
        (None, []),
        ({"season": "autumn"}, []),
        (UNKNOWN, []),
        (
            {"managedBy": "me"},
            ["'managedBy' is set by the Dataset itself, and names its stack. Choose another name for your custom property"],
        ),
    ],
)
def test_the_owner_is_not_for_the_program_to_declare(properties: object, failures: list[str]) -> None:
    news = {**DATASET, "endpoint": "http://127.0.0.1:1", "custom_properties": properties, "container_url": UNKNOWN}
    found = DatasetProvider().check({}, news).failures
    assert [(failure.property, failure.reason) for failure in found] == [("custom_properties", said) for said in failures]
