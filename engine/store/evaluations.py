"""Evaluations: runs of a model on a test dataset."""

import uuid

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vision_customization.contract.enums import EvaluationStatus, ModelStatus
from vision_customization.contract.models import ModelPerformance
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store.attempts import advance, model_name_of
from vision_customization.engine.store.database import Database, found, status_counts
from vision_customization.engine.store.errors import AlreadyExists, WrongState
from vision_customization.engine.store.records import EvaluationRecord
from vision_customization.engine.store.tables import EvaluationRow, ModelRow
from vision_customization.engine.store.transitions import EvaluationEvent


class EvaluationStore(Database):
    def create_evaluation(self, model_name: str, name: str, *, test_dataset_name: str | None) -> EvaluationRecord:
        """Raises NotFound (the model), AlreadyExists, WrongState (the model has not succeeded)."""
        now = self._now()
        with self._writing() as session:
            model = found(session, select(ModelRow).where(ModelRow.name == model_name), "model", model_name, lock=True)
            taken = select(EvaluationRow.id).where(EvaluationRow.model_id == model.id, EvaluationRow.name == name)
            if session.scalar(taken) is not None:
                raise AlreadyExists("evaluation", name)
            if model.status != ModelStatus.SUCCEEDED.value:
                raise WrongState("model", model_name, model.status, "only a model that has succeeded can be evaluated")
            row = EvaluationRow(
                id=str(uuid.uuid4()),
                model_id=model.id,
                name=name,
                test_dataset_name=test_dataset_name,
                status=EvaluationStatus.NOT_STARTED.value,
                created=now,
                updated=now,
            )
            session.add(row)
            try:
                session.flush()
            except IntegrityError:
                raise AlreadyExists("evaluation", name) from None
            return _record(row, model_name)

    def evaluation(self, model_name: str, name: str) -> EvaluationRecord:
        """Raises NotFound, of the model or of the evaluation."""
        with self._reading() as session:
            return _record(_find(session, model_name, name), model_name)

    def evaluation_by_id(self, evaluation_id: str) -> EvaluationRecord:
        """Raises NotFound."""
        with self._reading() as session:
            row = _find_id(session, evaluation_id)
            return _record(row, model_name_of(session, row))

    def evaluations(self, model_name: str, skip: int, top: int) -> list[EvaluationRecord]:
        """Up to `top` evaluations of a model after the first `skip`, in the order they were created. Raises NotFound."""
        with self._reading() as session:
            model_id = _model_id(session, model_name)
            query = select(EvaluationRow).where(EvaluationRow.model_id == model_id).order_by(EvaluationRow.sequence)
            return [_record(row, model_name) for row in session.scalars(query.offset(skip).limit(top))]

    def delete_evaluation(self, model_name: str, name: str) -> EvaluationRecord:
        """What it was; its curves are the caller's to delete. Raises NotFound, WrongState."""
        with self._writing() as session:
            row = _find(session, model_name, name, lock=True)
            if not EvaluationStatus(row.status).final:
                raise WrongState("evaluation", name, row.status, "it can be deleted once it has 'succeeded' or 'failed'")
            record = _record(row, model_name)
            session.delete(row)
            return record

    def begin_evaluation(self, evaluation_id: str) -> EvaluationRecord:
        """The run starts, or starts again; nothing happens to one that has ended. Raises NotFound."""
        return self._report_evaluation(evaluation_id, EvaluationEvent.BEGIN)

    def finish_evaluation(self, evaluation_id: str, performance: ModelPerformance) -> EvaluationRecord:
        """Raises NotFound."""
        return self._report_evaluation(evaluation_id, EvaluationEvent.FINISH, performance=performance)

    def fail_evaluation(self, evaluation_id: str, error: ErrorDetails) -> EvaluationRecord:
        """Raises NotFound."""
        return self._report_evaluation(evaluation_id, EvaluationEvent.FAIL, error=error)

    def evaluation_counts(self) -> dict[EvaluationStatus, int]:
        """How many evaluations have each status."""
        with self._reading() as session:
            return status_counts(session, EvaluationRow.status, EvaluationStatus)

    def _report_evaluation(
        self,
        evaluation_id: str,
        event: EvaluationEvent,
        *,
        performance: ModelPerformance | None = None,
        error: ErrorDetails | None = None,
    ) -> EvaluationRecord:
        with self._writing() as session:
            row = _find_id(session, evaluation_id, lock=True)
            advance(row, event, self._now(), error, performance=performance.to_wire() if performance is not None else None)
            return _record(row, model_name_of(session, row))


def _model_id(session: Session, model_name: str) -> str:
    return found(session, select(ModelRow.id).where(ModelRow.name == model_name), "model", model_name)


def _find(session: Session, model_name: str, name: str, *, lock: bool = False) -> EvaluationRow:
    model_id = _model_id(session, model_name)
    query = select(EvaluationRow).where(EvaluationRow.model_id == model_id, EvaluationRow.name == name)
    return found(session, query, "evaluation", name, lock=lock)


def _find_id(session: Session, evaluation_id: str, *, lock: bool = False) -> EvaluationRow:
    return found(
        session, select(EvaluationRow).where(EvaluationRow.id == evaluation_id), "evaluation", evaluation_id, lock=lock
    )


def _record(row: EvaluationRow, model_name: str) -> EvaluationRecord:
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
