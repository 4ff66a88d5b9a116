"""Models and their trainings."""

from typing import Annotated, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.contract.limits import TILES_MAX
from vision_customization.contract.training_rules import tiles_fault
from vision_customization.contract.training_time import budget_range_fault
from vision_customization.contract.wire import ErrorDetails, ManagedBy, Name, Timestamp, Wire, casefold_choice


class TrainingParameters(Wire):
    """`tiles` is an extension, for detectors only: each image is enlarged this many times in both directions.
    A body with `tiles` 1 omits it, and so conforms to the original contract."""

    training_dataset_name: Name
    time_budget_in_hours: Annotated[int, Field(ge=1, le=1344)]
    model_kind: Annotated[ModelKind | None, casefold_choice(ModelKind)] = None
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
    """Body of `PUT /models/{name}`, which starts a training. `managed_by` is an extension; a body without it conforms to the
    original contract."""

    training_parameters: TrainingParameters
    evaluation_parameters: EvaluationParameters | None = None
    managed_by: ManagedBy | None = None

    @model_validator(mode="after")
    def _budget_fits_kind(self) -> Self:
        kind, hours = self.training_parameters.model_kind, self.training_parameters.time_budget_in_hours
        if kind is not None and (fault := budget_range_fault(kind, hours)):
            raise ValueError(f"timeBudgetInHours {fault}")
        return self


class ModelOwner(Wire):
    """Extension. Body of `PUT /models/{name}/owner`."""

    managed_by: ManagedBy


class Outlook(Wire):
    """Extension: with twice as many training images (`images`), `accuracyTop1` is probably this, with its 95 % `interval`."""

    images: int
    accuracy_top1: float = Field(alias="accuracyTop1")
    interval: tuple[float, float]


class Estimate(Wire):
    """Extension: what a performance rests on that was estimated from training images, each judged by a model that had not seen
    it.

    `groups` counts photos that show nearly the same as one. `accuracyTop1` is the 95 % interval, and `outlook` what more images
    would bring: both only of a classifier with one tag per image.
    """

    images: int
    groups: int
    accuracy_top1: tuple[float, float] | None = Field(default=None, alias="accuracyTop1")
    outlook: Outlook | None = None


class ModelPerformance(Wire):
    """Metrics, each in 0…1. A metric that the model's kind does not have is absent. `meanAveragePrecision` and `macroF1` are an
    extension: only a multi-label classifier has them. So is `estimate`: a performance on a test dataset does not have it."""

    average_precision: float | None = None
    accuracy_top1: float | None = Field(default=None, alias="accuracyTop1")
    accuracy_top5: float | None = Field(default=None, alias="accuracyTop5")
    calibration_ece: float | None = Field(default=None, alias="calibrationECE")
    mean_average_precision30: float | None = Field(default=None, alias="meanAveragePrecision30")
    mean_average_precision50: float | None = Field(default=None, alias="meanAveragePrecision50")
    mean_average_precision75: float | None = Field(default=None, alias="meanAveragePrecision75")
    mean_average_precision: float | None = None
    macro_f1: float | None = Field(default=None, alias="macroF1")
    estimate: Estimate | None = None
    tag_performance: dict[str, dict[str, float]] = Field(default_factory=dict)


class TrainingProgress(Wire):
    """Extension: the progress of a training, and its cost so far.

    `share` is 0…1 of the whole training. `images_read` counts images fetched from storage and `images_embedded`
    images run through a backbone: both leave out images whose data was cached by an earlier training. `images_outdated` counts
    those of them whose cached data was of another version of the engine or of other networks. The last four are for
    detectors: training steps, the mean loss of the last ones, and mAP@50 on a few images that it does not train on.
    """

    stage: str
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    message: str | None = None
    images: int = 0
    images_read: int = 0
    images_embedded: int = 0
    images_outdated: int | None = None
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
    """A model. `training_progress`, `artifact` and `managed_by` are extensions."""

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
    managed_by: str | None = None
