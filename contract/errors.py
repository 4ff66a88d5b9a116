"""Error codes: of refused requests, and of failed trainings and evaluations."""

from enum import StrEnum


class FailureCode(StrEnum):
    """Why a training or an evaluation failed: `error.code` of a model or an evaluation."""

    DIVERGED = "diverged"
    NOT_ENOUGH_BUDGET = "notEnoughBudget"
    DATASET_CORRUPT = "datasetCorrupt"
    DATASET_NOT_FOUND = "datasetNotFound"
    INCORRECT_MODEL_KIND = "incorrectModelKind"
    MODEL_NOT_FOUND = "modelNotFound"
    INTERNAL_SERVER_ERROR = "internalServerError"
    UNKNOWN = "unknown"


class ImageErrorCode(StrEnum):
    """Why a batch prediction run has no answer for an image: codes of Azure's Image Analysis."""

    INVALID_IMAGE_URL = "InvalidImageUrl"
    """The blob cannot be read."""
    INVALID_IMAGE_FORMAT = "InvalidImageFormat"
    """It is not an image, or is damaged."""
    INVALID_IMAGE_SIZE = "InvalidImageSize"
    """The file is too large, or a side is too short or too long."""
    NOT_SUPPORTED_IMAGE = "NotSupportedImage"
    """This installation of the engine lacks the codec."""


class ErrorCode(StrEnum):
    """`error.code` of a refused request."""

    INVALID_REQUEST = "InvalidRequest"
    INVALID_IMAGE_FORMAT = "InvalidImageFormat"
    NOT_SUPPORTED_IMAGE = "NotSupportedImage"
    NOT_SUPPORTED_VISUAL_FEATURE = "NotSupportedVisualFeature"
    BAD_ARGUMENT = "BadArgument"
    FAILED_TO_PROCESS = "FailedToProcess"
    UNAUTHORIZED = "401"
    RESOURCE_NOT_FOUND = "404"
    DATASET_NOT_FOUND = "DatasetNotFound"
    DATASET_ALREADY_EXISTS = "DatasetAlreadyExists"
    DATASET_INVALID_ANNOTATION_URI = "DatasetInvalidAnnotationUri"
    MODEL_NOT_FOUND = "ModelNotFound"
    MODEL_ALREADY_EXISTS = "ModelAlreadyExists"
    MODEL_EVALUATION_NOT_FOUND = "ModelEvaluationNotFound"
    MODEL_EVALUATION_ALREADY_EXISTS = "ModelEvaluationAlreadyExists"
    PUBLISHED_MODEL_NOT_FOUND = "PublishedModelNotFound"
    PRODUCT_RECOGNITION_RUN_NOT_FOUND = "ProductRecognitionRunNotFound"
    PRODUCT_RECOGNITION_RUN_ALREADY_EXISTS = "ProductRecognitionRunAlreadyExists"
    BATCH_PREDICTION_RUN_NOT_FOUND = "BatchPredictionRunNotFound"
    BATCH_PREDICTION_RUN_ALREADY_EXISTS = "BatchPredictionRunAlreadyExists"
    DRAFT_NOT_FOUND = "DraftNotFound"
    DRAFT_ALREADY_EXISTS = "DraftAlreadyExists"
    TAG_ALREADY_EXISTS = "TagAlreadyExists"
    PRECONDITION_FAILED = "PreconditionFailed"
    GATE_MISSED = "GateMissed"
    TIMEOUT = "Timeout"
    INTERNAL_SERVER_ERROR = "InternalServerError"
