"""The records that the store returns: a frozen one for each row, with the types of the contract."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from vision_customization.contract.enums import (
    AnnotationKind,
    AuthenticationKind,
    EvaluationStatus,
    ModelKind,
    ModelStatus,
    RunStatus,
)
from vision_customization.contract.models import Artifact, ModelPerformance, TrainingProgress
from vision_customization.contract.products import ProductRecognitionResult
from vision_customization.contract.studio import Role
from vision_customization.contract.wire import ErrorDetails


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A registered dataset.

    Its SAS token stays encrypted until a blob is read (`DatasetStore.sas_token`). `sas_scopes` are the URLs of the containers
    to which the token is sent: those of the annotation files that it was registered with.
    """

    name: str
    annotation_kind: AnnotationKind
    annotation_file_uris: tuple[str, ...]
    authentication_kind: AuthenticationKind | None
    sas_token_encrypted: str | None = field(repr=False)
    sas_scopes: tuple[str, ...]
    custom_properties: dict[str, str] | None
    created: datetime
    updated: datetime
    e_tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOrder:
    """The parameters of a training. `test_dataset_name` is the dataset for evaluation; without it, a held-out part of the
    training data is used."""

    training_dataset_name: str
    time_budget_in_hours: int
    model_kind: ModelKind
    test_dataset_name: str | None = None
    tiles: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """The outcome of a training that succeeded."""

    performance: ModelPerformance | None
    cost_minutes: int | None
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class AnswerableModel:
    """The fields of a model that an analyze call needs."""

    id: str
    name: str
    status: ModelStatus
    model_kind: ModelKind
    tiles: int


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model and its training. `id` is a UUID and never reused; a name may be reused after its model was deleted."""

    id: str
    name: str
    training_dataset_name: str
    time_budget_in_hours: int
    model_kind: ModelKind
    test_dataset_name: str | None
    status: ModelStatus
    created: datetime
    updated: datetime
    started: datetime | None = None
    performance: ModelPerformance | None = None
    cost_minutes: int | None = None
    error: ErrorDetails | None = None
    progress: TrainingProgress | None = None
    artifact: Artifact | None = None
    cancel_requested: bool = False
    tiles: int = 1


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """A run of a model on a test dataset."""

    id: str
    name: str
    model_id: str
    model_name: str
    test_dataset_name: str | None
    status: EvaluationStatus
    created: datetime
    updated: datetime
    performance: ModelPerformance | None = None
    error: ErrorDetails | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A product recognition run: a model on one photograph of a shelf."""

    id: str
    name: str
    model_id: str
    model_name: str
    status: RunStatus
    created: datetime
    updated: datetime
    result: ProductRecognitionResult | None = None
    error: ErrorDetails | None = None


@dataclass(frozen=True, slots=True)
class PublishedModelRecord:
    """A stable name and the model that it answers with. The model may have been deleted since."""

    name: str
    model_name: str
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class BlobRecord:
    """An image that was read before. `url` is without a query; `sha256` is in hex; width and height are pixels, oriented."""

    url: str
    etag: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """Somebody signed in to the Studio. `key_fingerprint` is of the key that they signed in with, if it was one."""

    role: Role
    who: str
    key_fingerprint: str | None
    created: datetime


class Unfinished(NamedTuple):
    """Ids of the records without a final status, oldest first."""

    models: tuple[str, ...]
    evaluations: tuple[str, ...]
    runs: tuple[str, ...] = ()
