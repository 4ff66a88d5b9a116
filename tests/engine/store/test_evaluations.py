import pytest

from vision_customization.contract.enums import EvaluationStatus, ModelKind
from vision_customization.contract.models import Artifact, ModelPerformance
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store import AlreadyExists, NotFound, Store, TrainingOrder, WrongState


@pytest.fixture
def trained(store: Store) -> Store:
    for name in ("m", "other"):
        record = store.models.create(
            name, TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
        )
        store.models.begin(record.id)
        store.models.finish(record.id, ModelPerformance(), 1, Artifact(digest="d", size_bytes=1))
    return store


def test_a_run_from_order_to_success(trained: Store) -> None:
    record = trained.evaluations.create("m", "e", test_dataset_name="t")
    assert (record.status, record.model_name, record.test_dataset_name) == (EvaluationStatus.NOT_STARTED, "m", "t")
    assert trained.evaluations.find("m", "e") == record
    assert trained.evaluations.begin(record.id).status is EvaluationStatus.RUNNING
    with pytest.raises(WrongState, match="once it has 'succeeded' or 'failed'"):
        trained.evaluations.delete("m", "e")
    performance = ModelPerformance(accuracy_top1=0.5)
    done = trained.evaluations.finish(record.id, performance)
    assert (done.status, done.performance) == (EvaluationStatus.SUCCEEDED, performance)
    assert trained.evaluations.finish(record.id, ModelPerformance()) == done
    assert trained.evaluations.fail(record.id, ErrorDetails(code="c", message="m")) == done
    trained.evaluations.delete("m", "e")
    with pytest.raises(NotFound, match="no evaluation 'e'"):
        trained.evaluations.find("m", "e")


def test_a_run_that_fails(trained: Store) -> None:
    record = trained.evaluations.create("m", "e", test_dataset_name=None)
    error = ErrorDetails(code="datasetNotFound", message="There is no dataset 't'.")
    assert trained.evaluations.fail(record.id, error).error == error
    assert trained.evaluations.begin(record.id).status is EvaluationStatus.FAILED
    assert trained.evaluations.counts() == {status: int(status is EvaluationStatus.FAILED) for status in EvaluationStatus}


def test_names_belong_to_their_model(trained: Store) -> None:
    trained.evaluations.create("m", "e", test_dataset_name="t")
    trained.evaluations.create("other", "e", test_dataset_name="t")
    with pytest.raises(AlreadyExists, match="'e' is already taken by an evaluation"):
        trained.evaluations.create("m", "e", test_dataset_name="t")
    trained.evaluations.create("m", "f", test_dataset_name="t")
    assert [record.name for record in trained.evaluations.page("m", 0, 10)] == ["e", "f"]
    assert [record.name for record in trained.evaluations.page("m", 1, 10)] == ["f"]


def test_only_a_model_that_has_succeeded_is_evaluated(trained: Store) -> None:
    trained.models.create(
        "new", TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    )
    with pytest.raises(WrongState, match="only a model that has succeeded"):
        trained.evaluations.create("new", "e", test_dataset_name="t")
    for call in (
        lambda: trained.evaluations.create("none", "e", test_dataset_name="t"),
        lambda: trained.evaluations.find("none", "e"),
        lambda: trained.evaluations.page("none", 0, 1),
    ):
        with pytest.raises(NotFound, match="no model 'none'"):
            call()
