"""The wire types of Azure AI Vision's model customization, versions 2023-02-01-preview and 2023-04-01-preview.

Shared by the client and by the engine. Attribute names are snake case, the wire's are camel case; keys of a request are
matched without regard to case, because published clients disagree (`AnnotationKind`, `annotationKind`); keys of a reply are
exactly the contract's. Unknown keys are ignored.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from customization.kinds import TILES_MAX, tiles_fault
from customization.kinds import AnnotationKind as AnnotationKind
from customization.kinds import AuthenticationKind as AuthenticationKind
from customization.kinds import EvaluationStatus as EvaluationStatus
from customization.kinds import ModelKind as ModelKind
from customization.kinds import ModelStatus as ModelStatus
from customization.kinds import RunStatus as RunStatus

API_VERSIONS = ("2023-02-01-preview", "2023-04-01-preview")
API_VERSION = API_VERSIONS[-1]

NAME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$"
NAME_MAX_LENGTH = 255

PAGE_DEFAULT = 10
PAGE_MAX = 30
SKIP_MAX = 2**31 - 1

IMAGE_BYTES_MAX_ANALYZE = 20_971_520
IMAGE_BYTES_MAX_TRAINING = 20 * 1024 * 1024
IMAGE_SIDE_ANALYZE_PX = (50, 16_000)
"""Least and greatest side of an image to analyze, in pixels."""


class FailureCode(StrEnum):
    """Why a training or an evaluation failed: `error.code` of a model or an evaluation."""

    DIVERGED = "diverged"
    NOT_ENOUGH_BUDGET = "notEnoughBudget"
    DATASET_CORRUPT = "datasetCorrupt"
    DATASET_NOT_FOUND = "datasetNotFound"
    DATASET_EMPTY = "datasetEmpty"
    INCORRECT_MODEL_KIND = "incorrectModelKind"
    MODEL_NOT_FOUND = "modelNotFound"
    INTERNAL_SERVER_ERROR = "internalServerError"
    UNKNOWN = "unknown"


class ErrorCode(StrEnum):
    """`error.code` of a refused request."""

    INVALID_REQUEST = "InvalidRequest"
    INVALID_IMAGE_FORMAT = "InvalidImageFormat"
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
    PRECONDITION_FAILED = "PreconditionFailed"
    TIMEOUT = "Timeout"
    INTERNAL_SERVER_ERROR = "InternalServerError"


def _casefold_choice(choices: type[StrEnum]) -> BeforeValidator:
    """Accept an enum's value in any letter case, and without hyphens (`GenericClassifier`), as older clients send it."""
    by_folded = {choice.value.replace("-", "").casefold(): choice for choice in choices}

    def match(value: object) -> object:
        return by_folded.get(value.replace("-", "").casefold(), value) if isinstance(value, str) else value

    return BeforeValidator(match)


def _to_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _to_timestamp(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=NAME_MAX_LENGTH)]
"""A dataset's, model's, evaluation's or run's name as it stands in a path."""

Timestamp = Annotated[datetime, AfterValidator(_to_utc), PlainSerializer(_to_timestamp, return_type=str)]
"""ISO 8601, UTC, milliseconds, `Z`."""


class Wire(BaseModel):
    """A JSON object of the contract."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="ignore", defer_build=True
    )

    @model_validator(mode="before")
    @classmethod
    def _match_keys_without_case(cls, data: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever was sent
        if not isinstance(data, dict):
            return data
        by_folded = {}
        for name, field in cls.model_fields.items():
            alias = field.alias or name
            by_folded[alias.casefold()] = alias
            by_folded[name.casefold()] = alias
        return {by_folded.get(key.casefold(), key) if isinstance(key, str) else key: value for key, value in data.items()}

    def to_wire(self) -> dict[str, Any]:
        """The object as JSON-ready values: camel case, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ErrorDetails(Wire):
    """An error, of a request or of a training. In a model or an evaluation only these four keys are allowed: a
    published client raises on any other."""

    code: str
    message: str
    target: str | None = None
    details: list["ErrorDetails"] | None = None


class InnerError(Wire):
    code: str
    message: str
    innererror: "InnerError | None" = None


class RequestError(ErrorDetails):
    innererror: InnerError | None = Field(default=None, alias="innererror")


class ErrorResponse(Wire):
    """The body of every reply that is not a success."""

    error: RequestError


class Authentication(Wire):
    """How the service reads a dataset's blobs. `sas_token` is the query string alone, and is never sent back."""

    kind: Annotated[AuthenticationKind, _casefold_choice(AuthenticationKind)]
    sas_token: SecretStr | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _sas_needs_a_token(self) -> Self:
        if self.sas_token is not None and self.kind is not AuthenticationKind.SAS:
            raise ValueError("sasToken is only for authentication of kind 'sas'")
        return self


AnnotationFileUris = Annotated[list[str], Field(min_length=1, max_length=10)]
CustomProperties = Annotated[dict[str, str], Field(max_length=10)]


class DatasetCreate(Wire):
    """Body of `PUT /datasets/{name}`."""

    annotation_kind: Annotated[AnnotationKind, _casefold_choice(AnnotationKind)]
    annotation_file_uris: AnnotationFileUris
    authentication: Authentication | None = None
    custom_properties: CustomProperties | None = None


class DatasetUpdate(Wire):
    """Body of `PATCH /datasets/{name}`: the fields given replace, the others stay."""

    annotation_kind: Annotated[AnnotationKind | None, _casefold_choice(AnnotationKind)] = None
    annotation_file_uris: AnnotationFileUris | None = None
    authentication: Authentication | None = None
    custom_properties: CustomProperties | None = None


class Dataset(Wire):
    name: str
    annotation_kind: AnnotationKind
    annotation_file_uris: list[str]
    authentication: Authentication | None = None
    custom_properties: dict[str, str] | None = None
    created_date_time: Timestamp
    updated_date_time: Timestamp
    e_tag: str | None = None


class TrainingParameters(Wire):
    """`tiles` is an extension, for detectors alone: each image is looked at so many times as wide and high as usual.
    A body leaves it out where it is 1, and is the contract's own then."""

    training_dataset_name: Name
    time_budget_in_hours: Annotated[int, Field(ge=1, le=1344)]
    model_kind: Annotated[ModelKind | None, _casefold_choice(ModelKind)] = None
    tiles: Annotated[int, Field(ge=1, le=TILES_MAX, exclude_if=lambda tiles: tiles == 1)] = 1

    @field_validator("tiles")
    @classmethod
    def _tiles_fit_kind(cls, tiles: int, info: ValidationInfo) -> int:
        kind = info.data.get("model_kind")
        fault = tiles_fault(kind, tiles) if kind is not None else None
        if fault is not None:
            raise ValueError(fault)
        return tiles


class EvaluationParameters(Wire):
    test_dataset_name: Name | None = None


class ModelCreate(Wire):
    """Body of `PUT /models/{name}`, which starts a training."""

    training_parameters: TrainingParameters
    evaluation_parameters: EvaluationParameters | None = None

    @model_validator(mode="after")
    def _budget_fits_kind(self) -> Self:
        kind = self.training_parameters.model_kind
        if kind is not None and self.training_parameters.time_budget_in_hours > kind.time_budget_max_hours:
            raise ValueError(f"timeBudgetInHours is at most {kind.time_budget_max_hours} for {kind}")
        return self


class ModelPerformance(Wire):
    """Metrics, each in 0…1. Absent is what the model's kind does not have."""

    average_precision: float | None = None
    accuracy_top1: float | None = Field(default=None, alias="accuracyTop1")
    accuracy_top5: float | None = Field(default=None, alias="accuracyTop5")
    calibration_ece: float | None = Field(default=None, alias="calibrationECE")
    mean_average_precision30: float | None = Field(default=None, alias="meanAveragePrecision30")
    mean_average_precision50: float | None = Field(default=None, alias="meanAveragePrecision50")
    mean_average_precision75: float | None = Field(default=None, alias="meanAveragePrecision75")
    tag_performance: dict[str, dict[str, float]] = Field(default_factory=dict)


class TrainingProgress(Wire):
    """Extension: where a training stands, and what it has cost so far.

    `share` is 0…1 of the whole training. `images_read` counts images fetched from storage and `images_embedded`
    images run through a backbone: both leave out what was kept from an earlier training. The last four are of a detector:
    the steps that it learns in, the mean loss of the last ones, and mAP@50 on a few images that it does not learn from.
    """

    stage: str
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    message: str | None = None
    images: int = 0
    images_read: int = 0
    images_embedded: int = 0
    seconds: float = 0.0
    steps: int | None = None
    steps_done: int | None = None
    loss: float | None = None
    mean_average_precision50: float | None = None


class Artifact(Wire):
    """Extension: the trained model as a file. `digest` is the SHA-256 of the ONNX file, in hex."""

    digest: str
    size_bytes: int


class Model(Wire):
    name: str
    created_date_time: Timestamp
    updated_date_time: Timestamp
    status: ModelStatus
    training_parameters: TrainingParameters
    evaluation_parameters: EvaluationParameters | None = None
    training_cost_in_minutes: int | None = None
    model_performance: ModelPerformance | None = None
    error: ErrorDetails | None = None
    training_progress: TrainingProgress | None = None
    artifact: Artifact | None = None


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


class PublishedModelPut(Wire):
    """Extension. Body of `PUT /publishedmodels/{name}`: from now on the name answers with this model."""

    model_name: Name


class PublishedModel(Wire):
    """Extension: a stable name that `model-name` of analyze accepts, and the model behind it."""

    name: str
    model_name: str
    created_date_time: Timestamp
    updated_date_time: Timestamp


class StorageCheck(Wire):
    """Extension. Body of `POST /storage:check`: the URL of a blob or a container, without a query."""

    url: str


class StorageAccess(Wire):
    """Extension: whether the service's own identity can read a place in storage; if not, why, and which identity that is."""

    readable: bool
    reason: str | None = None
    identity: str | None = None


Item = TypeVar("Item")


class Page(Wire, Generic[Item]):
    """One page of a list; `next_link` is absent on the last."""

    value: list[Item]
    next_link: str | None = None


class AnalyzeUrl(Wire):
    """JSON body of `POST /imageanalysis:analyze`, and of `PUT /productrecognition/{modelName}/runs/{runName}`."""

    url: str


class Tag(Wire):
    name: str
    confidence: float


Pixels = Annotated[int, Field(ge=-(2**31), lt=2**31)]
"""int32, as the contract has it."""


class BoundingBox(Wire):
    """Pixels of the submitted image."""

    x: Pixels
    y: Pixels
    w: Pixels
    h: Pixels


class DetectedObject(Wire):
    id: str
    bounding_box: BoundingBox
    tags: list[Tag]


class TagsResult(Wire):
    values: list[Tag]


class ObjectsResult(Wire):
    values: list[DetectedObject]


class CustomModelResult(Wire):
    tags_result: TagsResult | None = None
    objects_result: ObjectsResult | None = None


class ImageMetadata(Wire):
    width: Pixels
    height: Pixels


PrebuiltResult = dict[str, Any]
"""What a Vision resource finds for one of `features`, as it says it."""


class ImageAnalysisResult(Wire):
    custom_model_result: CustomModelResult | None = None
    caption_result: PrebuiltResult | None = None
    dense_captions_result: PrebuiltResult | None = None
    tags_result: PrebuiltResult | None = None
    objects_result: PrebuiltResult | None = None
    read_result: PrebuiltResult | None = None
    smart_crops_result: PrebuiltResult | None = None
    people_result: PrebuiltResult | None = None
    adult_result: PrebuiltResult | None = None
    model_version: str
    metadata: ImageMetadata


class ProductRecognitionResult(Wire):
    """What stands on a shelf, and where nothing does. A product may have several tags, the most confident first."""

    image_metadata: ImageMetadata
    products: list[DetectedObject]
    gaps: list[DetectedObject] = Field(default_factory=list)


class ProductRecognitionRun(Wire):
    run_name: str
    model_name: str
    created_date_time: Timestamp
    updated_date_time: Timestamp
    status: RunStatus
    result: ProductRecognitionResult | None = None
    error: ErrorDetails | None = None


_LENGTH_MAX = 1e9
Coordinate = Annotated[float, Field(allow_inf_nan=False, ge=-_LENGTH_MAX, le=_LENGTH_MAX)]
Length = Annotated[float, Field(allow_inf_nan=False, gt=0, le=_LENGTH_MAX)]
"""Of a planogram, in its own units: far more than a shelf has of any, and little enough to compute with."""


class PlanogramProduct(Wire):
    """A product by its name, which is a tag's, and its size."""

    id: str
    name: str
    w: Length
    h: Length


class PlanogramFixture(Wire):
    """A shelf, or what else products stand on."""

    id: str
    w: Length
    h: Length
    x: Coordinate
    y: Coordinate


class PlanogramPosition(Wire):
    """Where a product should stand: its left upper corner, from the planogram's."""

    id: str
    product_id: str
    fixture_id: str
    x: Coordinate
    y: Coordinate


class Planogram(Wire):
    """What should stand where. Lengths are of any one unit; the origin is the left upper corner."""

    width: Length
    height: Length
    products: list[PlanogramProduct]
    fixtures: list[PlanogramFixture]
    positions: list[PlanogramPosition]


class PlanogramMatch(Wire):
    """Body of `POST /planogramcompliance:match`."""

    detected_products: ProductRecognitionResult
    planogram: Planogram


class MatchedPosition(Wire):
    position_id: str
    detected_object: DetectedObject | None = None


class PlanogramMatchResult(Wire):
    """The positions at which their product was found."""

    matching_result_per_position: list[MatchedPosition]
