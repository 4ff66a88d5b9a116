import pytest

from vision_customization.contract.analysis import BoundingBox, DetectedObject, ImageMetadata, Tag
from vision_customization.contract.enums import ModelKind, RunStatus
from vision_customization.contract.models import Artifact
from vision_customization.contract.products import ProductRecognitionResult
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store import AlreadyExists, NotFound, Store, WrongState

RESULT = ProductRecognitionResult(
    image_metadata=ImageMetadata(width=640, height=480),
    products=[
        DetectedObject(id="1", bounding_box=BoundingBox(x=1, y=2, w=3, h=4), tags=[Tag(name="c\u00f6la", confidence=0.5)])
    ],
)


def create(store: Store, name: str, kind: ModelKind = ModelKind.PRODUCT_RECOGNIZER) -> str:
    return store.create_model(name, training_dataset_name="d", time_budget_in_hours=1, model_kind=kind).id


def train(store: Store, name: str, kind: ModelKind = ModelKind.PRODUCT_RECOGNIZER) -> str:
    model_id = create(store, name, kind)
    store.begin_training(model_id)
    store.finish_training(model_id, None, 1, Artifact(digest="d", size_bytes=1))
    return model_id


def test_a_run_from_order_to_success(store: Store) -> None:
    model_id = train(store, "m")
    record = store.create_run("m", "r")
    assert (record.status, record.model_name, record.model_id) == (RunStatus.NOT_STARTED, "m", model_id)
    assert store.run("m", "r") == store.run_by_id(record.id) == record
    assert store.unfinished().runs == (record.id,)
    assert store.begin_run(record.id).status is RunStatus.RUNNING
    with pytest.raises(WrongState, match="The run 'r' is 'running': it can be deleted once it has 'succeeded' or 'failed'"):
        store.delete_run("m", "r")
    done = store.finish_run(record.id, RESULT)
    assert (done.status, done.result) == (RunStatus.SUCCEEDED, RESULT)
    assert store.unfinished().runs == ()
    empty = ProductRecognitionResult(image_metadata=RESULT.image_metadata, products=[])
    assert store.finish_run(record.id, empty) == done, "the first end stays"
    assert store.fail_run(record.id, ErrorDetails(code="c", message="m")) == done
    assert store.run_counts() == {status: int(status is RunStatus.SUCCEEDED) for status in RunStatus}
    store.delete_run("m", "r")
    with pytest.raises(NotFound, match="no run 'r'"):
        store.run("m", "r")
    with pytest.raises(NotFound):
        store.begin_run(record.id)


def test_a_run_that_fails(store: Store) -> None:
    train(store, "m")
    record = store.create_run("m", "r")
    error = ErrorDetails(code="modelNotFound", message="gone")
    assert store.fail_run(record.id, error).error == error
    assert store.begin_run(record.id).status is RunStatus.FAILED


def test_names_belong_to_their_model(store: Store) -> None:
    train(store, "m")
    train(store, "other")
    for model, name in (("m", "a"), ("other", "a"), ("m", "b")):
        store.create_run(model, name)
    with pytest.raises(AlreadyExists, match="'a' is already taken by a run"):
        store.create_run("m", "a")
    assert [record.name for record in store.runs("m", 0, 10)] == ["a", "b"]
    assert [record.name for record in store.runs("m", 1, 10)] == ["b"]
    assert [record.model_name for record in store.runs("other", 0, 10)] == ["other"]


def test_a_published_name_is_as_good(store: Store) -> None:
    train(store, "m")
    train(store, "newer")
    store.publish_model("shelf", "m")
    store.check_recognizing("shelf")
    record = store.create_run("shelf", "r")
    assert record.model_name == "m"
    assert store.run("shelf", "r") == store.run("m", "r") == record
    store.publish_model("shelf", "newer")
    with pytest.raises(NotFound, match="no run 'r'"):
        store.run("shelf", "r")
    assert store.runs("m", 0, 9) == [record]


@pytest.mark.parametrize("kind", [ModelKind.PRODUCT_RECOGNIZER, ModelKind.GENERIC_DETECTOR])
def test_only_a_model_that_has_succeeded(store: Store, kind: ModelKind) -> None:
    create(store, "m", kind)
    for call in (lambda: store.check_recognizing("m"), lambda: store.create_run("m", "r")):
        with pytest.raises(WrongState, match="The model 'm' is 'notStarted': only a model that has succeeded"):
            call()
    train(store, "trained", kind)
    assert store.create_run("trained", "r").model_name == "trained"


def test_a_classifier_finds_no_products(store: Store) -> None:
    train(store, "m", ModelKind.GENERIC_CLASSIFIER)
    says = "The model 'm' is 'Generic-Classifier': only a Product-Recognizer or Generic-Detector recognizes products"
    with pytest.raises(WrongState, match=says):
        store.create_run("m", "r")


def test_without_a_model(store: Store) -> None:
    for call in (
        lambda: store.check_recognizing("none"),
        lambda: store.create_run("none", "r"),
        lambda: store.run("none", "r"),
        lambda: store.runs("none", 0, 1),
        lambda: store.delete_run("none", "r"),
    ):
        with pytest.raises(NotFound, match="no model 'none'"):
            call()


def test_runs_go_with_their_model(store: Store) -> None:
    train(store, "m")
    train(store, "other")
    ended, waiting, kept = store.create_run("m", "a"), store.create_run("m", "b"), store.create_run("other", "a")
    store.finish_run(ended.id, RESULT)
    store.delete_model("m")
    for record in (ended, waiting):
        with pytest.raises(NotFound):
            store.run_by_id(record.id)
    assert store.unfinished().runs == (kept.id,)
