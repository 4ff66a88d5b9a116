"""The records that the store returns: a frozen one for each row, with the types of the contract."""

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from vision_customization.contract.batch_prediction import AzureBlobResult, AzureBlobSource, BatchPredictionProgress
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import (
    AnnotationKind,
    AuthenticationKind,
    BatchPredictionStatus,
    ContentStatus,
    EvaluationStatus,
    ModelKind,
    ModelStatus,
    ProblemKind,
    Purpose,
    RunStatus,
)
from vision_customization.contract.models import Artifact, ModelPerformance, TrainingProgress
from vision_customization.contract.owners import MANAGED_BY
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

    @property
    def managed_by(self) -> str | None:
        """Who manages it, as `contract.owners` reads it."""
        return (self.custom_properties or {}).get(MANAGED_BY)


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
class TrainingContent:
    """What a training read from its dataset.

    `files` are the annotation files' URIs, as they were registered, each with the SHA-256 of the file in hex. `tags` has the
    number of labels of each tag: of images or, for detection, of boxes.
    """

    annotation_kind: AnnotationKind
    files: dict[str, str]
    images: int
    tags: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "annotation_kind": self.annotation_kind.value}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(**{**value, "annotation_kind": AnnotationKind(value["annotation_kind"])})


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
    """A model and its training. `id` is a UUID and never reused; a name may be reused after its model was deleted.

    `training_content` is known once the training has read its annotations; never of an imported model, or of one that an older
    engine trained.
    """

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
    training_content: TrainingContent | None = None
    managed_by: str | None = None


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
class BatchPredictionRecord:
    """A batch prediction run: a model on every image of a container (`source`) or of a dataset."""

    id: str
    name: str
    model_id: str
    model_name: str
    status: BatchPredictionStatus
    created: datetime
    updated: datetime
    source: AzureBlobSource | None
    dataset_name: str | None
    result: AzureBlobResult | None
    progress: BatchPredictionProgress
    error: ErrorDetails | None = None
    source_token_encrypted: str | None = field(default=None, repr=False)
    result_token_encrypted: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PublishedModelRecord:
    """A stable name and the model that it answers with. The model may have been deleted since. `require` is its gate: metric →
    the threshold that every model must reach."""

    name: str
    model_name: str
    created: datetime
    updated: datetime
    require: dict[str, float] = field(default_factory=dict)
    managed_by: str | None = None


@dataclass(frozen=True, slots=True)
class PublicationRecord:
    """A name answered with this model from `published` on.

    `model_id` and `published_by` are None where an older engine published it: the model had been deleted, and nobody noted who
    it was. `available` says whether this very model still exists. `reason` is why the gate was overridden, if it was.
    `evaluation` is the model's evaluation that the gate judged; None if that was the model's own metrics, or is not known.
    """

    name: str
    model_name: str
    model_id: str | None
    published: datetime
    published_by: str | None
    reason: str | None
    available: bool
    evaluation: str | None = None


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
    """A person who is signed in to the Studio. `key_fingerprint` is of the key that they signed in with, if it was one.
    `account` is the id of their account at the identity provider, which stays the same when the name in `who` changes."""

    role: Role
    who: str
    key_fingerprint: str | None
    created: datetime
    account: str | None = None


class Unfinished(NamedTuple):
    """Ids of the records without a final status, oldest first."""

    models: tuple[str, ...]
    evaluations: tuple[str, ...]
    runs: tuple[str, ...] = ()
    content_indexes: tuple[str, ...] = ()
    inspections: tuple[str, ...] = ()
    batch_predictions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """An annotation file as it was indexed. `url` is without a query; `sha256` is in hex; `etag` as in `Blob`."""

    url: str
    sha256: str
    size_bytes: int
    etag: str | None


@dataclass(frozen=True, slots=True)
class ProblemCount:
    """How many problems of a kind there are, how many images have one, and the first of them in words."""

    kind: ProblemKind
    count: int
    images: int
    first: str


@dataclass(frozen=True, slots=True)
class ContentIndexRecord:
    """What a dataset's annotation files hold, once `status` is `ready`; `index` is the number that the queries take.

    The numbers of a `failed` index are 0, and `error` says why. `message` says what a `reading` one waits for, or why the last
    check of a `ready` one could not read the files. `checked` is when the files were last compared with it.

    `successor` is a newer index that will replace this one when it is ready: the dataset or its files have changed.
    """

    index: int
    id: str
    dataset_name: str
    e_tag: str
    annotation_kind: AnnotationKind
    purpose: Purpose
    status: ContentStatus
    created: datetime
    updated: datetime
    images_read: int = 0
    images: int = 0
    unlabelled: int = 0
    labels: int = 0
    tags: int = 0
    problems: tuple[ProblemCount, ...] = ()
    files: tuple[IndexedFile, ...] = ()
    error: ErrorDetails | None = None
    message: str | None = None
    checked: datetime | None = None
    successor: "ContentIndexRecord | None" = None

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the annotation files' content: equal for equal files, wherever they are."""
        return hashlib.sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class IndexedLabel:
    """A label of an image. `box` is left, top, width and height as fractions of the image's sides; only detection has one."""

    tag: str
    box: Box | None


@dataclass(frozen=True, slots=True)
class IndexedImage:
    """An image of a dataset, by its place in the annotation files: the first is 0.

    `url` is without a query, which is stored encrypted (`ContentStore.address`). `width` and `height` are pixels as the file
    claims. `sha256` is in hex, and None until the engine has read the image. `problems` are those kept in words.
    """

    position: int
    url: str
    file_name: str
    width: float | None
    height: float | None
    sha256: str | None
    labels: tuple[IndexedLabel, ...]
    problems: tuple[str, ...] = ()
    query_encrypted: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class IndexedSize:
    """Digest and size of an image, as in `IndexedImage`."""

    sha256: str | None
    width: float | None
    height: float | None


@dataclass(frozen=True, slots=True)
class IndexedImages:
    """A part of the images that a filter selects. `total` is how many it selects in all."""

    total: int
    images: tuple[IndexedImage, ...]


@dataclass(frozen=True, slots=True)
class IndexedTag:
    """A category: on how many images it is, and how many labels there are of it."""

    name: str
    images: int
    labels: int


@dataclass(frozen=True, slots=True)
class IndexedProblem:
    """`position` is that of the image it is about, if it is about one."""

    position: int | None
    kind: ProblemKind
    message: str


@dataclass(frozen=True, slots=True)
class IndexedCrop:
    """A label of a tag, and the image that it is on; `url`, `sha256` and `query_encrypted` as in `IndexedImage`."""

    position: int
    url: str
    file_name: str
    sha256: str | None
    box: Box | None
    query_encrypted: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class IndexedCrops:
    """A part of the labels of a tag, of which there are `total`."""

    total: int
    crops: tuple[IndexedCrop, ...]
