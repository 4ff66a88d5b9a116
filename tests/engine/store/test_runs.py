import pytest

from vision_customization.contract.analysis import BoundingBox, DetectedObject, ImageMetadata, Tag
from vision_customization.contract.enums import ModelKind, RunStatus
from vision_customization.contract.models import Artifact
from vision_customization.contract.products import ProductRecognitionResult
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store import AlreadyExists, NotFound, Store, TrainingOrder, WrongState

RESULT = ProductRecognitionResult(
    image_metadata=ImageMetadata(width=640, height=480),
    products=[
        DetectedObject(id="1", bounding_box=BoundingBox(x=1, y=2, w=3, h=4), tags=[Tag(name="c\u00f6la", confidence=0.5)])
    ],
)


def create(store: Store, name: str, kind: ModelKind = ModelKind.PRODUCT_RECOGNIZER) -> str:
    return store.models.create(name, TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=kind)).id


def train(store: Store, name: str, kind: ModelKind = ModelKind.PRODUCT_RECOGNIZER) -> str:
    model_id = create(store, name, kind)
    store.models.begin(model_id)
    store.models.finish(model_id, None, 1, Artifact(digest="d", size_bytes=1))
    return model_id


def test_a_run_from_order_to_success(store: Store) -> None:
    model_id = train(store, "m")
    record = store.runs.create("m", "r")
    assert (record.status, record.model_name, record.model_id) == (RunStatus.NOT_STARTED, "m", model_id)
    assert store.runs.find("m", "r") == store.runs.by_id(record.id) == record
    assert store.unfinished().runs == (record.id,)
    assert store.runs.begin(record.id).status is RunStatus.RUNNING
    with pytest.raises(WrongState, match="The run 'r' is 'running': it can be deleted once it has 'succeeded' or 'failed'"):
        store.runs.delete("m", "r")
    done = store.runs.finish(record.id, RESULT)
    assert (done.status, done.result) == (RunStatus.SUCCEEDED, RESULT)
    assert store.unfinished().runs == ()
    empty = ProductRecognitionResult(image_metadata=RESULT.image_metadata, products=[])
    assert store.runs.finish(record.id, empty) == done, "the first end stays"
    assert store.runs.fail(record.id, ErrorDetails(code="c", message="m")) == done
    assert store.runs.counts() == {status: int(status is RunStatus.SUCCEEDED) for status in RunStatus}
    store.runs.delete("m", "r")
    with pytest.raises(NotFound, match="no run 'r'"):
        store.runs.find("m", "r")
    with pytest.raises(NotFound):
        store.runs.begin(record.id)


def test_a_run_that_fails(store: Store) -> None:
    train(store, "m")
    record = store.runs.create("m", "r")
    error = ErrorDetails(code="modelNotFound", message="gone")
    assert store.runs.fail(record.id, error).error == error
    assert store.runs.begin(record.id).status is RunStatus.FAILED


def test_names_belong_to_their_model(store: Store) -> None:
    train(store, "m")
    train(store, "other")
    for model, name in (("m", "a"), ("other", "a"), ("m", "b")):
        store.runs.create(model, name)
    with pytest.raises(AlreadyExists, match="'a' is already taken by a run"):
        store.runs.create("m", "a")
    assert [record.name for record in store.runs.page("m", 0, 10)] == ["a", "b"]
    assert [record.name for record in store.runs.page("m", 1, 10)] == ["b"]
    assert [record.model_name for record in store.runs.page("other", 0, 10)] == ["other"]


def test_a_published_name_is_as_good(store: Store) -> None:
    train(store, "m")
    train(store, "newer")
    store.published.publish("shelf", "m")
    store.runs.check_recognizing("shelf")
    record = store.runs.create("shelf", "r")
    assert record.model_name == "m"
    assert store.runs.find("shelf", "r") == store.runs.find("m", "r") == record
    store.published.publish("shelf", "newer")
    with pytest.raises(NotFound, match="no run 'r'"):
        store.runs.find("shelf", "r")
    assert store.runs.page("m", 0, 9) == [record]


@pytest.mark.parametrize("kind", [ModelKind.PRODUCT_RECOGNIZER, ModelKind.GENERIC_DETECTOR])
def test_only_a_model_that_has_succeeded(store: Store, kind: ModelKind) -> None:
    create(store, "m", kind)
    for call in (lambda: store.runs.check_recognizing("m"), lambda: store.runs.create("m", "r")):
        with pytest.raises(WrongState, match="The model 'm' is 'notStarted': only a model that has succeeded"):
            call()
    train(store, "trained", kind)
    assert store.runs.create("trained", "r").model_name == "trained"


def test_a_classifier_finds_no_products(store: Store) -> None:
    train(store, "m", ModelKind.GENERIC_CLASSIFIER)
    says = "The model 'm' is 'Generic-Classifier': only a Product-Recognizer or Generic-Detector recognizes products"
    with pytest.raises(WrongState, match=says):
        store.runs.create("m", "r")


def test_without_a_model(store: Store) -> None:
    for call in (
        lambda: store.runs.check_recognizing("none"),
        lambda: store.runs.create("none", "r"),
        lambda: store.runs.find("none", "r"),
        lambda: store.runs.page("none", 0, 1),
        lambda: store.runs.delete("none", "r"),
    ):
        with pytest.raises(NotFound, match="no model 'none'"):
            call()


def test_runs_go_with_their_model(store: Store) -> None:
    train(store, "m")
    train(store, "other")
    ended, waiting, kept = store.runs.create("m", "a"), store.runs.create("m", "b"), store.runs.create("other", "a")
    store.runs.finish(ended.id, RESULT)
    store.models.delete("m")
    for record in (ended, waiting):
        with pytest.raises(NotFound):
            store.runs.by_id(record.id)
    assert store.unfinished().runs == (kept.id,)
