import pytest

from vision_customization.contract.enums import BatchPredictionStatus, EvaluationStatus, ModelStatus
from vision_customization.engine.store.transitions import (
    EvaluationEvent,
    ModelEvent,
    next_batch_prediction_status,
    next_evaluation_status,
    next_model_status,
)

N, T, S, F, C, X = (
    ModelStatus.NOT_STARTED,
    ModelStatus.TRAINING,
    ModelStatus.SUCCEEDED,
    ModelStatus.FAILED,
    ModelStatus.CANCELLING,
    ModelStatus.CANCELLED,
)


@pytest.mark.parametrize(
    ("status", "begin", "finish", "fail", "request_cancel", "cancel"),
    [
        (N, T, S, F, C, X),
        (T, T, S, F, C, X),
        (C, C, X, X, C, X),  # an accepted cancellation holds, however the training ends
        (S, S, S, S, None, S),  # a final status stays, and only a caller is told so
        (F, F, F, F, None, F),
        (X, X, X, X, None, X),
    ],
)
def test_model(
    status: ModelStatus,
    begin: ModelStatus,
    finish: ModelStatus,
    fail: ModelStatus,
    request_cancel: ModelStatus | None,
    cancel: ModelStatus,
) -> None:
    expected = dict(zip(ModelEvent, (begin, finish, fail, request_cancel, cancel), strict=True))
    assert {event: next_model_status(status, event) for event in ModelEvent} == expected


@pytest.mark.parametrize(
    ("status", "begin", "finish", "fail"),
    [
        (EvaluationStatus.NOT_STARTED, EvaluationStatus.RUNNING, EvaluationStatus.SUCCEEDED, EvaluationStatus.FAILED),
        (EvaluationStatus.RUNNING, EvaluationStatus.RUNNING, EvaluationStatus.SUCCEEDED, EvaluationStatus.FAILED),
        (EvaluationStatus.SUCCEEDED, EvaluationStatus.SUCCEEDED, EvaluationStatus.SUCCEEDED, EvaluationStatus.SUCCEEDED),
        (EvaluationStatus.FAILED, EvaluationStatus.FAILED, EvaluationStatus.FAILED, EvaluationStatus.FAILED),
    ],
)
def test_evaluation(
    status: EvaluationStatus, begin: EvaluationStatus, finish: EvaluationStatus, fail: EvaluationStatus
) -> None:
    expected = dict(zip(EvaluationEvent, (begin, finish, fail), strict=True))
    assert {event: next_evaluation_status(status, event) for event in EvaluationEvent} == expected


def test_a_batch_prediction_run_changes_as_a_training_does() -> None:
    for status in BatchPredictionStatus:
        training = ModelStatus.TRAINING if status is BatchPredictionStatus.RUNNING else ModelStatus(status.value)
        for event in ModelEvent:
            expected = next_model_status(training, event) or training
            running = "running" if expected is ModelStatus.TRAINING else expected.value
            assert next_batch_prediction_status(status, event).value == running, (status, event)
