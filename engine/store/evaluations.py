"""Evaluations: runs of a model on a test dataset."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from vision_customization.contract.enums import EvaluationStatus, ModelStatus
from vision_customization.contract.models import ModelPerformance
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store.attempts import AttemptStore
from vision_customization.engine.store.database import Database, found
from vision_customization.engine.store.errors import WrongState
from vision_customization.engine.store.records import EvaluationRecord
from vision_customization.engine.store.tables import EvaluationRow, ModelRow
from vision_customization.engine.store.transitions import EvaluationEvent, ModelEvent, next_evaluation_status


class EvaluationStore(AttemptStore[EvaluationRow, EvaluationRecord, ModelPerformance, EvaluationStatus]):
    """An evaluation belongs to a model, and `model_name` is that model's own name."""

    _kind = "evaluation"
    _outcome_column = "performance"

    def __init__(self, database: Database) -> None:
        super().__init__(database, EvaluationRow, EvaluationStatus)

    def create(self, model_name: str, name: str, *, test_dataset_name: str | None) -> EvaluationRecord:
        """Raises NotFound (the model), WrongState (it has not succeeded), AlreadyExists."""
        return self._create(model_name, name, test_dataset_name=test_dataset_name)

    def succeeded(self, model_name: str, count: int) -> list[EvaluationRecord]:
        """Up to `count` evaluations of a model that have succeeded, the newest first. Raises NotFound (the model)."""
        return self.newest(model_name, count, (EvaluationStatus.SUCCEEDED,))

    def newest(
        self, model_name: str, count: int, statuses: Sequence[EvaluationStatus] = tuple(EvaluationStatus)
    ) -> list[EvaluationRecord]:
        """Up to `count` evaluations of a model with one of these statuses, the newest first. Raises NotFound (the model)."""
        with self._database.reading() as session:
            model = self._model(session, model_name)
            wanted = self._of(model).where(EvaluationRow.status.in_([status.value for status in statuses]))
            rows = session.scalars(wanted.order_by(EvaluationRow.sequence.desc()).limit(count))
            return [self._record(row, model.name) for row in rows]

    def _model(self, session: Session, name: str, *, lock: bool = False) -> ModelRow:
        return found(session, select(ModelRow).where(ModelRow.name == name), "model", name, lock=lock)

    def _check_model(self, model: ModelRow) -> None:
        if model.status != ModelStatus.SUCCEEDED.value:
            raise WrongState("model", model.name, model.status, "only a model that has succeeded can be evaluated")

    def _next(self, status: EvaluationStatus, event: EvaluationEvent | ModelEvent) -> EvaluationStatus:
        return next_evaluation_status(status, EvaluationEvent(event))

    def _record(self, row: EvaluationRow, model_name: str) -> EvaluationRecord:
        return EvaluationRecord(
            id=row.id,
            name=row.name,
            model_id=row.model_id,
            model_name=model_name,
            test_dataset_name=row.test_dataset_name,
            status=EvaluationStatus(row.status),
            created=row.created,
            updated=row.updated,
            performance=ModelPerformance.model_validate(row.performance) if row.performance is not None else None,
            error=ErrorDetails.model_validate(row.error) if row.error is not None else None,
        )
