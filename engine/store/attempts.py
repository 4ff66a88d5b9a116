"""The common parts of evaluations and of runs: each is one attempt with a model."""

import uuid
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from sqlalchemy import Select, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vision_customization.contract.enums import BatchPredictionStatus, EvaluationStatus
from vision_customization.contract.wire import ErrorDetails, Wire
from vision_customization.engine.store.database import Database, found, status_counts
from vision_customization.engine.store.errors import AlreadyExists, Kind, WrongState
from vision_customization.engine.store.tables import BatchPredictionRow, DismissalRow, EvaluationRow, ModelRow, RunRow
from vision_customization.engine.store.transitions import EvaluationEvent, ModelEvent

Row = TypeVar("Row", bound=EvaluationRow | RunRow | BatchPredictionRow)
Status = TypeVar("Status", bound=EvaluationStatus | BatchPredictionStatus)
Record = TypeVar("Record")
Outcome = TypeVar("Outcome", bound=Wire)


class AttemptStore(ABC, Generic[Row, Record, Outcome, Status]):
    """Attempts, by the name of their model and their own name, or by id. A final status never changes again."""

    _kind: ClassVar[Kind]
    _outcome_column: ClassVar[str]
    _deletable: ClassVar[str] = "it can be deleted once it has 'succeeded' or 'failed'"

    def __init__(self, database: Database, row: type[Row], statuses: type[Status]) -> None:
        self._database = database
        self._row = row
        self._statuses = statuses

    def find(self, model_name: str, name: str) -> Record:
        """Raises NotFound for the model or for the attempt."""
        with self._database.reading() as session:
            model = self._model(session, model_name)
            return self._record(self._find(session, model, name), model.name)

    def by_id(self, attempt_id: str) -> Record:
        """Raises NotFound."""
        with self._database.reading() as session:
            row = self._by_id(session, attempt_id)
            return self._record(row, _model_name(session, row))

    def page(self, model_name: str, skip: int, top: int) -> list[Record]:
        """Up to `top` attempts of a model after the first `skip`, in the order they were created. Raises NotFound."""
        with self._database.reading() as session:
            model = self._model(session, model_name)
            query = self._of(model).order_by(self._row.sequence).offset(skip).limit(top)
            return [self._record(row, model.name) for row in session.scalars(query)]

    def delete(self, model_name: str, name: str) -> Record:
        """Delete an attempt and return its record; the caller deletes its objects. Raises NotFound, WrongState."""
        with self._database.writing() as session:
            model = self._model(session, model_name)
            row = self._find(session, model, name, lock=True)
            if not self._statuses(row.status).final:
                raise WrongState(self._kind, name, row.status, self._deletable)
            record = self._record(row, model.name)
            session.execute(delete(DismissalRow).where(DismissalRow.id == row.id))
            session.delete(row)
            return record

    def begin(self, attempt_id: str) -> Record:
        """Mark an attempt as started, or started again; one that has ended stays unchanged. Raises NotFound."""
        return self._report(attempt_id, EvaluationEvent.BEGIN)

    def finish(self, attempt_id: str, outcome: Outcome) -> Record:
        """Raises NotFound."""
        return self._report(attempt_id, EvaluationEvent.FINISH, outcome=outcome)

    def fail(self, attempt_id: str, error: ErrorDetails) -> Record:
        """Raises NotFound."""
        return self._report(attempt_id, EvaluationEvent.FAIL, error=error)

    def counts(self) -> dict[Status, int]:
        """How many attempts have each status."""
        with self._database.reading() as session:
            return status_counts(session, self._row.status, self._statuses)

    @abstractmethod
    def _model(self, session: Session, name: str, *, lock: bool = False) -> ModelRow:
        """The model that `name` refers to. Raises NotFound."""

    @abstractmethod
    def _check_model(self, model: ModelRow) -> None:
        """Raises WrongState for a model that cannot be used."""

    @abstractmethod
    def _next(self, status: Status, event: EvaluationEvent | ModelEvent) -> Status:
        """The status after an event."""

    @abstractmethod
    def _record(self, row: Row, model_name: str) -> Record: ...

    def _create(self, model_name: str, name: str, **columns: object) -> Record:
        """Raises NotFound (the model), WrongState (it cannot be used), AlreadyExists."""
        now = self._database.now()
        with self._database.writing() as session:
            model = self._model(session, model_name, lock=True)
            self._check_model(model)
            if session.scalar(self._of(model).where(self._row.name == name)) is not None:
                raise AlreadyExists(self._kind, name)
            row = self._row(
                id=str(uuid.uuid4()),
                model_id=model.id,
                name=name,
                status=self._statuses.NOT_STARTED.value,
                created=now,
                updated=now,
                **columns,
            )
            session.add(row)
            try:
                session.flush()
            except IntegrityError:
                raise AlreadyExists(self._kind, name) from None
            return self._record(row, model.name)

    def _report(
        self,
        attempt_id: str,
        event: EvaluationEvent | ModelEvent,
        *,
        outcome: Outcome | None = None,
        error: ErrorDetails | None = None,
    ) -> Record:
        """Apply an event to an attempt; an event that comes too late changes nothing."""
        with self._database.writing() as session:
            row = self._by_id(session, attempt_id, lock=True)
            status = self._next(self._statuses(row.status), event)
            if row.status != status.value:
                row.status = status.value
                row.error = error.to_wire() if error is not None else None
                row.updated = self._database.now()
                if outcome is not None:
                    setattr(row, self._outcome_column, outcome.to_wire())
            return self._record(row, _model_name(session, row))

    def _of(self, model: ModelRow) -> Select[Row]:
        return select(self._row).where(self._row.model_id == model.id)

    def _find(self, session: Session, model: ModelRow, name: str, *, lock: bool = False) -> Row:
        return found(session, self._of(model).where(self._row.name == name), self._kind, name, lock=lock)

    def _by_id(self, session: Session, attempt_id: str, *, lock: bool = False) -> Row:
        return found(session, select(self._row).where(self._row.id == attempt_id), self._kind, attempt_id, lock=lock)


def _model_name(session: Session, row: EvaluationRow | RunRow | BatchPredictionRow) -> str:
    name = session.scalar(select(ModelRow.name).where(ModelRow.id == row.model_id))
    assert name is not None, "an attempt goes with its model"
    return name
