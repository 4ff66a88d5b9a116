import pytest

from vision_customization.contract.enums import EvaluationStatus, ModelKind
from vision_customization.contract.models import Artifact, ModelPerformance
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store import AlreadyExists, NotFound, Store, WrongState


@pytest.fixture
def trained(store: Store) -> Store:
    for name in ("m", "other"):
        record = store.create_model(
            name, training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER
        )
        store.begin_training(record.id)
        store.finish_training(record.id, ModelPerformance(), 1, Artifact(digest="d", size_bytes=1))
    return store


def test_a_run_from_order_to_success(trained: Store) -> None:
    record = trained.create_evaluation("m", "e", test_dataset_name="t")
    assert (record.status, record.model_name, record.test_dataset_name) == (EvaluationStatus.NOT_STARTED, "m", "t")
    assert trained.evaluation("m", "e") == record
    assert trained.begin_evaluation(record.id).status is EvaluationStatus.RUNNING
    with pytest.raises(WrongState, match="once it has 'succeeded' or 'failed'"):
        trained.delete_evaluation("m", "e")
    performance = ModelPerformance(accuracy_top1=0.5)
    done = trained.finish_evaluation(record.id, performance)
    assert (done.status, done.performance) == (EvaluationStatus.SUCCEEDED, performance)
    assert trained.finish_evaluation(record.id, ModelPerformance()) == done
    assert trained.fail_evaluation(record.id, ErrorDetails(code="c", message="m")) == done
    trained.delete_evaluation("m", "e")
    with pytest.raises(NotFound, match="no evaluation 'e'"):
        trained.evaluation("m", "e")


def test_a_run_that_fails(trained: Store) -> None:
    record = trained.create_evaluation("m", "e", test_dataset_name=None)
    error = ErrorDetails(code="datasetNotFound", message="There is no dataset 't'.")
    assert trained.fail_evaluation(record.id, error).error == error
    assert trained.begin_evaluation(record.id).status is EvaluationStatus.FAILED
    assert trained.evaluation_counts() == {status: int(status is EvaluationStatus.FAILED) for status in EvaluationStatus}


def test_names_belong_to_their_model(trained: Store) -> None:
    trained.create_evaluation("m", "e", test_dataset_name="t")
    trained.create_evaluation("other", "e", test_dataset_name="t")
    with pytest.raises(AlreadyExists, match="'e' is already taken by an evaluation"):
        trained.create_evaluation("m", "e", test_dataset_name="t")
    trained.create_evaluation("m", "f", test_dataset_name="t")
    assert [record.name for record in trained.evaluations("m", 0, 10)] == ["e", "f"]
    assert [record.name for record in trained.evaluations("m", 1, 10)] == ["f"]


def test_only_a_model_that_has_succeeded_is_evaluated(trained: Store) -> None:
    trained.create_model("new", training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    with pytest.raises(WrongState, match="only a model that has succeeded"):
        trained.create_evaluation("new", "e", test_dataset_name="t")
    for call in (
        lambda: trained.create_evaluation("none", "e", test_dataset_name="t"),
        lambda: trained.evaluation("none", "e"),
        lambda: trained.evaluations("none", 0, 1),
    ):
        with pytest.raises(NotFound, match="no model 'none'"):
            call()
