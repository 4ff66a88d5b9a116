"""The contract's enumerations: kinds and states.

They do not need pydantic, whose import takes a tenth of a second that commands and previews without requests save.
"""

from enum import StrEnum


class AnnotationKind(StrEnum):
    IMAGE_CLASSIFICATION = "imageClassification"
    IMAGE_OBJECT_DETECTION = "imageObjectDetection"
    IMAGE_MULTI_LABEL_CLASSIFICATION = "imageMultiLabelClassification"
    """An extension of the contract: each image has any number of tags."""


class AuthenticationKind(StrEnum):
    NONE = "none"
    MANAGED_IDENTITY = "managedIdentity"
    SAS = "sas"


class ModelKind(StrEnum):
    GENERIC_CLASSIFIER = "Generic-Classifier"
    GENERIC_DETECTOR = "Generic-Detector"
    PRODUCT_RECOGNIZER = "Product-Recognizer"

    @property
    def annotation_kinds(self) -> tuple[AnnotationKind, ...]:
        """The kinds of dataset that a model of this kind can be trained from. It answers as the one it was trained from."""
        if self is ModelKind.GENERIC_CLASSIFIER:
            return (AnnotationKind.IMAGE_CLASSIFICATION, AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION)
        return (AnnotationKind.IMAGE_OBJECT_DETECTION,)

    @property
    def time_budget_max_hours(self) -> int:
        """The longest `timeBudgetInHours` (swagger 2023-04-01-preview and its FAQ)."""
        return 1344 if self is ModelKind.GENERIC_DETECTOR else 336


class ModelStatus(StrEnum):
    NOT_STARTED = "notStarted"
    TRAINING = "training"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (ModelStatus.SUCCEEDED, ModelStatus.FAILED, ModelStatus.CANCELLED)


class EvaluationStatus(StrEnum):
    NOT_STARTED = "notStarted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self in (EvaluationStatus.SUCCEEDED, EvaluationStatus.FAILED)


RunStatus = EvaluationStatus
"""The status of a product recognition run: the contract has the same four values."""


class BatchPredictionStatus(StrEnum):
    """The status of a batch prediction run."""

    NOT_STARTED = "notStarted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (BatchPredictionStatus.SUCCEEDED, BatchPredictionStatus.FAILED, BatchPredictionStatus.CANCELLED)


class Purpose(StrEnum):
    """What a dataset is for; each purpose has its own limits."""

    TRAINING = "training"
    EVALUATION = "evaluation"


class ContentStatus(StrEnum):
    """The status of a dataset's content index."""

    QUEUED = "queued"
    READING = "reading"
    READY = "ready"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self in (ContentStatus.READY, ContentStatus.FAILED)


class ProblemKind(StrEnum):
    """What can be wrong with a dataset's content, the gravest first."""

    LIMIT = "limit"
    """Too many or too few images or tags, or too many boxes on an image."""
    FEW_LABELS = "fewLabels"
    """A tag has fewer labels than the minimum."""
    ON_EVERY_IMAGE = "onEveryImage"
    """Several tags per image: too few images lack a tag."""
    ENTRY = "entry"
    """A section or an entry of an annotation file is missing or incomplete."""
    REFERENCE = "reference"
    """An annotation names an image or a category that its file does not have."""
    SIZE = "size"
    """The width or height that a file claims for an image is out of the limits."""
    BOX = "box"
    """A `bbox` is missing or breaks the rules."""
    SEVERAL_TAGS = "severalTags"
    """An image has several tags in a dataset of one tag per image."""
    OTHER_TAGS = "otherTags"
    """The same URL is listed twice, with other tags."""
    UNLABELLED = "unlabelled"
    """One tag per image: an image has none, so trainings leave it out."""
    UNUSED_TAG = "unusedTag"
    """A category has no label."""
    SIMILAR_TAGS = "similarTags"
    """Two tags differ only by letter case, blanks or Unicode form."""

    @property
    def is_warning(self) -> bool:
        """Whether a training accepts it."""
        return self in (ProblemKind.UNLABELLED, ProblemKind.UNUSED_TAG, ProblemKind.SIMILAR_TAGS)
