"""The engine's database, in SQLite or PostgreSQL: datasets and their content, models, evaluations, runs, published names and
their history, known blobs, speeds, dismissed failures, the Studio's sessions, inspections of datasets and drafts, and
findings that people accepted; drafts of datasets, the versions saved from them, and images kept to be labelled.

Its methods take names and ids and return records; rows and sessions never leave this package. `transitions` defines how a
status may change. Artifacts and features are not in the database but in files.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Self

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from vision_customization.contract.enums import BatchPredictionStatus, ContentStatus, EvaluationStatus, ModelStatus, RunStatus
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.accepted_findings import AcceptedFindingStore
from vision_customization.engine.store.batch_predictions import BatchPredictionStore
from vision_customization.engine.store.cipher import TokenCipher, check_token_key
from vision_customization.engine.store.content import ContentStore
from vision_customization.engine.store.content_tables import ContentIndexRow
from vision_customization.engine.store.database import Database, unreachable
from vision_customization.engine.store.dataset_uses import DatasetUse, DatasetUseStore
from vision_customization.engine.store.datasets import DatasetStore
from vision_customization.engine.store.dismissals import DismissalStore, FailureKind
from vision_customization.engine.store.draft_numbers import DraftNumbers
from vision_customization.engine.store.draft_records import DraftImageRecord, DraftRecord, VersionRecord
from vision_customization.engine.store.drafts import DraftStore
from vision_customization.engine.store.errors import (
    AlreadyExists,
    GateMissed,
    ImagesElsewhere,
    NotFound,
    PreconditionFailed,
    StillPublished,
    StoreError,
    TokenNeeded,
    WrongState,
)
from vision_customization.engine.store.evaluations import EvaluationStore
from vision_customization.engine.store.inspections import InspectionRecord, InspectionStatus, InspectionStore
from vision_customization.engine.store.known_blobs import KnownBlobStore
from vision_customization.engine.store.models import ModelStore
from vision_customization.engine.store.published import PublishedModelStore
from vision_customization.engine.store.records import (
    AnswerableModel,
    BatchPredictionRecord,
    BlobRecord,
    ContentIndexRecord,
    DatasetRecord,
    EvaluationRecord,
    IndexedCrop,
    IndexedImage,
    IndexedImages,
    IndexedLabel,
    ModelRecord,
    PublicationRecord,
    PublishedModelRecord,
    RunRecord,
    SessionRecord,
    TrainingContent,
    TrainingOrder,
    TrainingOutcome,
    Unfinished,
)
from vision_customization.engine.store.runs import RunStore
from vision_customization.engine.store.samples import SampleRecord, SampleStore
from vision_customization.engine.store.sessions import SessionStore
from vision_customization.engine.store.speeds import SpeedStore
from vision_customization.engine.store.sqlite_file import check_database
from vision_customization.engine.store.tables import BatchPredictionRow, EvaluationRow, InspectionRow, ModelRow, RunRow
from vision_customization.engine.store.versions import VersionStore

__all__ = [
    "AlreadyExists",
    "AnswerableModel",
    "BatchPredictionRecord",
    "BlobRecord",
    "ContentIndexRecord",
    "DatasetRecord",
    "DatasetUse",
    "DraftImageRecord",
    "DraftRecord",
    "EvaluationRecord",
    "FailureKind",
    "GateMissed",
    "ImagesElsewhere",
    "IndexedCrop",
    "IndexedImage",
    "IndexedImages",
    "IndexedLabel",
    "InspectionRecord",
    "InspectionStatus",
    "ModelRecord",
    "NotFound",
    "PreconditionFailed",
    "PublicationRecord",
    "PublishedModelRecord",
    "RunRecord",
    "SampleRecord",
    "SessionRecord",
    "StillPublished",
    "Store",
    "StoreError",
    "TokenNeeded",
    "TrainingContent",
    "TrainingOrder",
    "TrainingOutcome",
    "Unfinished",
    "VersionRecord",
    "WrongState",
]


class Store:
    """The engine's database, with a store per kind of record. Safe to use from many threads and processes at once."""

    def __init__(self, settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.database = Database(settings, now=now)
        self._cipher = TokenCipher.open(settings)
        self.datasets = DatasetStore(self.database, self._cipher)
        self.content = ContentStore(self.database, self._cipher)
        self.models = ModelStore(self.database)
        self.evaluations = EvaluationStore(self.database)
        self.runs = RunStore(self.database)
        self.batch_predictions = BatchPredictionStore(self.database, self._cipher)
        self.published = PublishedModelStore(self.database)
        self.known_blobs = KnownBlobStore(self.database)
        self.speeds = SpeedStore(self.database)
        self.sessions = SessionStore(self.database)
        self.dataset_uses = DatasetUseStore(self.database)
        self.inspections = InspectionStore(self.database)
        self.accepted_findings = AcceptedFindingStore(self.database)
        self.dismissals = DismissalStore(self.database)
        self.drafts = DraftStore(self.database)
        self.draft_numbers = DraftNumbers(self.database)
        self.versions = VersionStore(self.database)
        self.samples = SampleStore(self.database)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The store of `settings`, with its tables migrated.

        Raises:
            DatabaseDamaged: an SQLite file is truncated or empty; raised before anything is written.
            SettingsError: the database cannot be reached.
        """
        check_database(settings)
        store = cls(settings)
        try:
            store.database.migrate()
        except BaseException as error:
            store.close()
            if isinstance(error, OperationalError):
                raise SettingsError(unreachable(error)) from None
            raise
        return store

    def ping(self) -> None:
        """Raise `sqlalchemy.exc.SQLAlchemyError` if the database does not answer."""
        self.database.ping()

    def check_token_key(self, settings: Settings) -> None:
        """Raises SettingsError if other processes of the engine have another key. See `cipher.check_token_key`."""
        check_token_key(self.database, self._cipher, settings)

    def close(self) -> None:
        self.database.close()

    def unfinished(self) -> Unfinished:
        """Models, evaluations, runs, content indexes and inspections that a worker still has to finish."""
        queries = (
            select(ModelRow.id).where(ModelRow.status.not_in(_final(ModelStatus))).order_by(ModelRow.sequence),
            select(EvaluationRow.id)
            .where(EvaluationRow.status.not_in(_final(EvaluationStatus)))
            .order_by(EvaluationRow.sequence),
            select(RunRow.id).where(RunRow.status.not_in(_final(RunStatus))).order_by(RunRow.sequence),
            select(ContentIndexRow.id)
            .where(ContentIndexRow.status.not_in(_final(ContentStatus)), ContentIndexRow.dataset_sequence.is_not(None))
            .order_by(ContentIndexRow.sequence),
            select(InspectionRow.id)
            .where(InspectionRow.status.not_in(_final(InspectionStatus)))
            .order_by(InspectionRow.created),
            select(BatchPredictionRow.id)
            .where(BatchPredictionRow.status.not_in(_final(BatchPredictionStatus)))
            .order_by(BatchPredictionRow.sequence),
        )
        with self.database.reading() as session:
            return Unfinished(*(tuple(session.scalars(query)) for query in queries))


def _final(
    statuses: Iterable[ModelStatus | EvaluationStatus | RunStatus | ContentStatus | InspectionStatus | BatchPredictionStatus],
) -> list[str]:
    return [status.value for status in statuses if status.final]
