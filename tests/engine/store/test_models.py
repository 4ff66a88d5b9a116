from concurrent.futures import ThreadPoolExecutor

import pytest

from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.contract.models import Artifact, ModelPerformance, TrainingProgress
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store import (
    AlreadyExists,
    AnswerableModel,
    BlobRecord,
    ModelRecord,
    NotFound,
    Store,
    TrainingOrder,
    Unfinished,
    WrongState,
)

PERFORMANCE = ModelPerformance(average_precision=0.9, accuracy_top1=0.8, tag_performance={"cat": {"accuracy": 0.75}})
ARTIFACT = Artifact(digest="ab", size_bytes=3)
ERROR = ErrorDetails(code="diverged", message="too little data")


def create(store: Store, name: str = "m") -> ModelRecord:
    return store.models.create(
        name,
        TrainingOrder(
            training_dataset_name="cats", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER, test_dataset_name="t"
        ),
    )


def train(store: Store, name: str = "m") -> ModelRecord:
    record = create(store, name)
    store.models.begin(record.id)
    return store.models.finish(record.id, PERFORMANCE, 2, ARTIFACT)


def test_a_training_from_order_to_success(store: Store) -> None:
    record = create(store)
    assert (record.status, record.started, store.models.find("m")) == (ModelStatus.NOT_STARTED, None, record)
    begun = store.models.begin(record.id)
    assert begun.status is ModelStatus.TRAINING
    assert begun.started is not None
    store.models.report_progress(record.id, TrainingProgress(stage="features", share=0.5, images=10, seconds=1.5))
    assert store.models.by_id(record.id).progress == TrainingProgress(stage="features", share=0.5, images=10, seconds=1.5)
    done = store.models.finish(record.id, PERFORMANCE, 2, ARTIFACT)
    assert (done.status, done.performance, done.cost_minutes, done.artifact) == (
        ModelStatus.SUCCEEDED,
        PERFORMANCE,
        2,
        ARTIFACT,
    )
    assert store.models.find("m") == done
    assert store.models.training_seconds() == 1.5


@pytest.mark.parametrize(("given", "kept"), [({}, 1), ({"tiles": 1}, 1), ({"tiles": 4}, 4)])
def test_tiles(store: Store, given: dict[str, int], kept: int) -> None:
    kind = ModelKind.GENERIC_DETECTOR
    trained = store.models.create(
        "m", TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=kind, **given)
    )
    assert (trained.tiles, store.models.by_id(trained.id).tiles, store.models.begin(trained.id).tiles) == (kept, kept, kept)


def test_what_comes_after_the_end_changes_nothing(store: Store) -> None:
    done = train(store)
    store.models.begin(done.id)
    store.models.report_progress(done.id, TrainingProgress(stage="late"))
    store.models.fail(done.id, ERROR)
    store.models.cancel(done.id)
    store.models.finish(done.id, None, 9, Artifact(digest="other", size_bytes=1))
    assert store.models.find("m") == done


def test_a_step_that_runs_twice(store: Store) -> None:
    record = create(store)
    first = store.models.begin(record.id)
    assert store.models.begin(record.id) == first
    failed = store.models.fail(record.id, ERROR, 3)
    assert (failed.status, failed.error, failed.cost_minutes) == (ModelStatus.FAILED, ERROR, 3)
    assert store.models.fail(record.id, ErrorDetails(code="unknown", message="again")) == failed


@pytest.mark.parametrize("outcome", ["cancel", "finish", "fail"])
def test_a_cancellation_holds_however_the_training_ends(store: Store, outcome: str) -> None:
    record = create(store)
    store.models.begin(record.id)
    assert not store.models.cancellation_requested(record.id)
    assert store.models.request_cancellation("m").status is ModelStatus.CANCELLING
    assert store.models.request_cancellation("m").status is ModelStatus.CANCELLING
    assert store.models.cancellation_requested(record.id)
    assert store.models.begin(record.id).status is ModelStatus.CANCELLING
    if outcome == "cancel":
        store.models.cancel(record.id, 1)
    elif outcome == "finish":
        store.models.finish(record.id, PERFORMANCE, 1, ARTIFACT)
    else:
        store.models.fail(record.id, ERROR, 1)
    ended = store.models.find("m")
    assert (ended.status, ended.artifact, ended.performance, ended.error) == (ModelStatus.CANCELLED, None, None, None)
    assert ended.cost_minutes == 1
    with pytest.raises(WrongState, match="only a training that has not ended"):
        store.models.request_cancellation("m")


def test_deletion_waits_for_the_end_and_takes_the_evaluations_along(store: Store) -> None:
    record = create(store)
    with pytest.raises(WrongState, match="cancel it first"):
        store.models.delete("m")
    store.models.begin(record.id)
    store.models.finish(record.id, PERFORMANCE, 1, ARTIFACT)
    evaluation = store.evaluations.create("m", "e", test_dataset_name="t")
    assert store.models.delete("m").id == record.id
    for call, argument in (
        (store.models.find, "m"),
        (store.models.by_id, record.id),
        (store.models.delete, "m"),
        (store.models.begin, record.id),
        (store.evaluations.by_id, evaluation.id),
        (store.evaluations.begin, evaluation.id),
    ):
        with pytest.raises(NotFound):
            call(argument)  # type: ignore[operator]
    assert store.models.cancellation_requested(record.id)
    assert create(store).id != record.id


def test_names_of_models_and_published_models_are_one_space(store: Store) -> None:
    train(store)
    with pytest.raises(AlreadyExists, match="'m' is already taken by a model"):
        create(store)
    with pytest.raises(AlreadyExists, match="'m' is already taken by a model"):
        store.published.publish("m", "m")
    store.published.publish("live", "m")
    with pytest.raises(AlreadyExists, match="'live' is already taken by a published model"):
        create(store, "live")


def test_a_published_name_moves_and_survives_its_model(store: Store) -> None:
    with pytest.raises(NotFound, match="no model 'm'"):
        store.published.publish("live", "m")
    create(store, "early")
    with pytest.raises(WrongState, match="only a model that has succeeded can be published"):
        store.published.publish("live", "early")
    first, second = train(store, "m"), train(store, "m2")
    published, created = store.published.publish("live", "m")
    assert created
    assert store.models.to_analyze("live").id == first.id
    assert store.published.publish("live", "m") == (published, False)
    moved, created = store.published.publish("live", "m2")
    assert (moved.model_name, moved.created, created) == ("m2", published.created, False)
    assert store.models.to_analyze("live") == AnswerableModel(second.id, "m2", ModelStatus.SUCCEEDED, second.model_kind, 1)
    assert store.models.to_analyze("m").id == first.id
    assert [record.name for record in store.published.page(0, 5)] == ["live"]
    store.models.delete("m2")
    assert store.published.find("live").model_name == "m2"
    with pytest.raises(NotFound):
        store.models.to_analyze("live")
    store.published.unpublish("live")
    with pytest.raises(NotFound, match="no published model 'live'"):
        store.published.find("live")
    with pytest.raises(NotFound):
        store.published.unpublish("live")


def test_what_is_unfinished(store: Store) -> None:
    waiting, begun = create(store, "waiting"), create(store, "begun")
    store.models.begin(begun.id)
    stopping = create(store, "stopping")
    store.models.request_cancellation("stopping")
    train(store, "done")
    evaluation = store.evaluations.create("done", "e", test_dataset_name="t")
    assert store.unfinished() == Unfinished((waiting.id, begun.id, stopping.id), (evaluation.id,))
    assert store.models.counts()[ModelStatus.SUCCEEDED] == 1
    assert sum(store.models.counts().values()) == 4


def test_of_a_blob_the_last_version_is_known_by_its_address(store: Store) -> None:
    long = "https://a.blob.core.windows.net/c/" + "x" * 4000
    first = BlobRecord(long, '"1"', "aa", 10, 20)
    store.known_blobs.remember([first, BlobRecord("https://h/b", '"1"', "bb", 1, 2)])
    assert store.known_blobs.at([long]) == {long: first}
    second = BlobRecord(long, '"2"', "cc", 30, 40)
    store.known_blobs.remember([second])
    assert store.known_blobs.at([long, "https://h/b", "https://h/unknown"]) == {
        long: second,
        "https://h/b": BlobRecord("https://h/b", '"1"', "bb", 1, 2),
    }
    store.known_blobs.remember([])
    many = [BlobRecord(f"https://h/{index}", "e", "d", 1, 1) for index in range(1200)]
    store.known_blobs.remember(many)
    assert len(store.known_blobs.at([blob.url for blob in many])) == 1200


def test_a_name_published_by_many_at_once(store: Store) -> None:
    for name in ("m", "n"):
        train(store, name)
    with ThreadPoolExecutor(8) as callers:
        outcomes = list(callers.map(lambda index: store.published.publish("live", "mn"[index % 2]), range(24)))
    assert sum(created for _, created in outcomes) == 1
    assert [record.name for record in store.published.page(0, 5)] == ["live"]


def test_a_model_ordered_and_cancelled_by_many_at_once(store: Store) -> None:
    def order(_: int) -> bool:
        try:
            create(store)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as callers:
        assert sum(callers.map(order, range(24))) == 1
        model_id = store.models.find("m").id
        reports = [lambda: store.models.begin(model_id), lambda: store.models.request_cancellation("m")] * 8
        list(callers.map(lambda report: report(), reports))
    assert store.models.cancel(model_id).status is ModelStatus.CANCELLED
