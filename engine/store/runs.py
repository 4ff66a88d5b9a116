"""Product recognition runs: a model on one photograph of a shelf, and what was found in it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from vision_customization.contract.enums import ModelKind, ModelStatus, RunStatus
from vision_customization.contract.products import ProductRecognitionResult
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store.attempts import AttemptStore
from vision_customization.engine.store.database import Database, found
from vision_customization.engine.store.errors import WrongState
from vision_customization.engine.store.models import answers_to
from vision_customization.engine.store.records import RunRecord
from vision_customization.engine.store.tables import ModelRow, RunRow
from vision_customization.engine.store.transitions import EvaluationEvent, ModelEvent, next_evaluation_status

RECOGNIZING = (ModelKind.PRODUCT_RECOGNIZER, ModelKind.GENERIC_DETECTOR)
"""The kinds of model that find products in an image."""


class RunStore(AttemptStore[RunRow, RunRecord, ProductRecognitionResult, RunStatus]):
    """A run belongs to a model; `model_name` is the model's own name, or one that it is published under."""

    _kind = "run"
    _outcome_column = "result"

    def __init__(self, database: Database) -> None:
        super().__init__(database, RunRow, RunStatus)

    def check_recognizing(self, model_name: str) -> None:
        """Raises NotFound, and WrongState for a model that has not succeeded or finds no products."""
        with self._database.reading() as session:
            self._check_model(self._model(session, model_name))

    def create(self, model_name: str, name: str) -> RunRecord:
        """Raises NotFound (the model), WrongState (as above), AlreadyExists."""
        return self._create(model_name, name)

    def _model(self, session: Session, name: str, *, lock: bool = False) -> ModelRow:
        return found(session, select(ModelRow).where(answers_to(name)), "model", name, lock=lock)

    def _check_model(self, model: ModelRow) -> None:
        if ModelKind(model.model_kind) not in RECOGNIZING:
            kinds = " or ".join(kind.value for kind in RECOGNIZING)
            raise WrongState("model", model.name, model.model_kind, f"only a {kinds} recognizes products")
        if model.status != ModelStatus.SUCCEEDED.value:
            raise WrongState("model", model.name, model.status, "only a model that has succeeded recognizes products")

    def _next(self, status: RunStatus, event: EvaluationEvent | ModelEvent) -> RunStatus:
        return next_evaluation_status(status, EvaluationEvent(event))

    def _record(self, row: RunRow, model_name: str) -> RunRecord:
        return RunRecord(
            id=row.id,
            name=row.name,
            model_id=row.model_id,
            model_name=model_name,
            status=RunStatus(row.status),
            created=row.created,
            updated=row.updated,
            result=ProductRecognitionResult.model_validate(row.result) if row.result is not None else None,
            error=ErrorDetails.model_validate(row.error) if row.error is not None else None,
        )
