"""How the status of a model, an evaluation or a run may change: only the tables here decide it.

Every event is safe to report twice, because a step of a workflow may run twice: a final status never changes again, and an
event that comes too late changes nothing.
"""

from enum import StrEnum

from vision_customization.contract.enums import BatchPredictionStatus, EvaluationStatus, ModelStatus


class ModelEvent(StrEnum):
    BEGIN = "begin"
    FINISH = "finish"
    FAIL = "fail"
    REQUEST_CANCEL = "request cancel"
    CANCEL = "cancel"


class EvaluationEvent(StrEnum):
    BEGIN = "begin"
    FINISH = "finish"
    FAIL = "fail"


_MODEL = {
    ModelStatus.NOT_STARTED: {
        ModelEvent.BEGIN: ModelStatus.TRAINING,
        ModelEvent.FINISH: ModelStatus.SUCCEEDED,
        ModelEvent.FAIL: ModelStatus.FAILED,
        ModelEvent.REQUEST_CANCEL: ModelStatus.CANCELLING,
        ModelEvent.CANCEL: ModelStatus.CANCELLED,
    },
    ModelStatus.TRAINING: {
        ModelEvent.BEGIN: ModelStatus.TRAINING,
        ModelEvent.FINISH: ModelStatus.SUCCEEDED,
        ModelEvent.FAIL: ModelStatus.FAILED,
        ModelEvent.REQUEST_CANCEL: ModelStatus.CANCELLING,
        ModelEvent.CANCEL: ModelStatus.CANCELLED,
    },
    # The caller's cancellation was accepted: however the training ends, the model is cancelled.
    ModelStatus.CANCELLING: {
        ModelEvent.BEGIN: ModelStatus.CANCELLING,
        ModelEvent.FINISH: ModelStatus.CANCELLED,
        ModelEvent.FAIL: ModelStatus.CANCELLED,
        ModelEvent.REQUEST_CANCEL: ModelStatus.CANCELLING,
        ModelEvent.CANCEL: ModelStatus.CANCELLED,
    },
}

_EVALUATION = {
    EvaluationStatus.NOT_STARTED: {
        EvaluationEvent.BEGIN: EvaluationStatus.RUNNING,
        EvaluationEvent.FINISH: EvaluationStatus.SUCCEEDED,
        EvaluationEvent.FAIL: EvaluationStatus.FAILED,
    },
    EvaluationStatus.RUNNING: {
        EvaluationEvent.BEGIN: EvaluationStatus.RUNNING,
        EvaluationEvent.FINISH: EvaluationStatus.SUCCEEDED,
        EvaluationEvent.FAIL: EvaluationStatus.FAILED,
    },
}


_BATCH_PREDICTION = {
    BatchPredictionStatus.NOT_STARTED: {
        ModelEvent.BEGIN: BatchPredictionStatus.RUNNING,
        ModelEvent.FINISH: BatchPredictionStatus.SUCCEEDED,
        ModelEvent.FAIL: BatchPredictionStatus.FAILED,
        ModelEvent.REQUEST_CANCEL: BatchPredictionStatus.CANCELLING,
        ModelEvent.CANCEL: BatchPredictionStatus.CANCELLED,
    },
    BatchPredictionStatus.RUNNING: {
        ModelEvent.BEGIN: BatchPredictionStatus.RUNNING,
        ModelEvent.FINISH: BatchPredictionStatus.SUCCEEDED,
        ModelEvent.FAIL: BatchPredictionStatus.FAILED,
        ModelEvent.REQUEST_CANCEL: BatchPredictionStatus.CANCELLING,
        ModelEvent.CANCEL: BatchPredictionStatus.CANCELLED,
    },
    BatchPredictionStatus.CANCELLING: {
        ModelEvent.BEGIN: BatchPredictionStatus.CANCELLING,
        ModelEvent.FINISH: BatchPredictionStatus.CANCELLED,
        ModelEvent.FAIL: BatchPredictionStatus.CANCELLED,
        ModelEvent.REQUEST_CANCEL: BatchPredictionStatus.CANCELLING,
        ModelEvent.CANCEL: BatchPredictionStatus.CANCELLED,
    },
}


def next_model_status(status: ModelStatus, event: ModelEvent) -> ModelStatus | None:
    """The status after `event`; None where a caller asks for what the status does not allow (a finished model is cancelled)."""
    if status.final:
        return None if event is ModelEvent.REQUEST_CANCEL else status
    return _MODEL[status][event]


def next_evaluation_status(status: EvaluationStatus, event: EvaluationEvent) -> EvaluationStatus:
    """The status after `event`."""
    return status if status.final else _EVALUATION[status][event]


def next_batch_prediction_status(status: BatchPredictionStatus, event: ModelEvent) -> BatchPredictionStatus:
    """The status after `event`; a run changes as a training does."""
    return status if status.final else _BATCH_PREDICTION[status][event]
