"""Evaluations of a model on a dataset."""

from vision_customization.contract.enums import EvaluationStatus
from vision_customization.contract.models import EvaluationParameters, ModelPerformance
from vision_customization.contract.wire import ErrorDetails, Timestamp, Wire


class EvaluationCreate(Wire):
    """Body of `PUT /models/{name}/evaluations/{evaluationName}`."""

    evaluation_parameters: EvaluationParameters


class Evaluation(Wire):
    name: str
    model_name: str
    created_date_time: Timestamp
    updated_date_time: Timestamp
    status: EvaluationStatus
    evaluation_parameters: EvaluationParameters
    model_performance: ModelPerformance | None = None
    error: ErrorDetails | None = None
