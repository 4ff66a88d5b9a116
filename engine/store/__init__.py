"""What the engine remembers: datasets, models, evaluations, runs, published names and blobs, in SQLite or PostgreSQL.

Records go out, names and ids come in; no row and no session leaves this package. How a status may change stands in
`transitions`. Artifacts and features are files, and are not kept here.
"""

from typing import Self

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from vision_customization.contract.enums import EvaluationStatus, ModelStatus, RunStatus
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.blobs import BlobStore
from vision_customization.engine.store.database import unreachable
from vision_customization.engine.store.datasets import DatasetStore
from vision_customization.engine.store.errors import (
    AlreadyExists,
    NotFound,
    PreconditionFailed,
    StoreError,
    TokenNeeded,
    WrongState,
)
from vision_customization.engine.store.evaluations import EvaluationStore
from vision_customization.engine.store.models import ModelStore
from vision_customization.engine.store.published import PublishedModelStore
from vision_customization.engine.store.records import (
    AnswerableModel,
    BlobRecord,
    DatasetRecord,
    EvaluationRecord,
    ModelRecord,
    PublishedModelRecord,
    RunRecord,
    Unfinished,
)
from vision_customization.engine.store.runs import RunStore
from vision_customization.engine.store.sqlite_file import check_database
from vision_customization.engine.store.tables import EvaluationRow, ModelRow, RunRow
from vision_customization.engine.store.token_key import TokenKeyStore

__all__ = [
    "AlreadyExists",
    "AnswerableModel",
    "BlobRecord",
    "DatasetRecord",
    "EvaluationRecord",
    "ModelRecord",
    "NotFound",
    "PreconditionFailed",
    "PublishedModelRecord",
    "RunRecord",
    "Store",
    "StoreError",
    "TokenNeeded",
    "Unfinished",
    "WrongState",
]


class Store(DatasetStore, ModelStore, EvaluationStore, RunStore, PublishedModelStore, BlobStore, TokenKeyStore):
    """The engine's memory. Safe to use from many threads, and from many processes at once."""

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The store of `settings`, its tables brought up to date.

        Raises:
            DatabaseDamaged: an SQLite file is cut or empty; before anything is written.
            SettingsError: the database cannot be reached.
        """
        check_database(settings)
        store = cls(settings)
        try:
            store.migrate()
        except OperationalError as error:
            raise SettingsError(unreachable(error)) from None
        return store

    def unfinished(self) -> Unfinished:
        """Models, evaluations and runs that a worker still has to bring to an end."""
        ended_models = [status.value for status in ModelStatus if status.final]
        ended_evaluations = [status.value for status in EvaluationStatus if status.final]
        ended_runs = [status.value for status in RunStatus if status.final]
        with self._reading() as session:
            models = select(ModelRow.id).where(ModelRow.status.not_in(ended_models)).order_by(ModelRow.sequence)
            evaluations = (
                select(EvaluationRow.id).where(EvaluationRow.status.not_in(ended_evaluations)).order_by(EvaluationRow.sequence)
            )
            runs = select(RunRow.id).where(RunRow.status.not_in(ended_runs)).order_by(RunRow.sequence)
            return Unfinished(*(tuple(session.scalars(query)) for query in (models, evaluations, runs)))
