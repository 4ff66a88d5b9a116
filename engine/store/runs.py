"""Product recognition runs: a model on one photograph of a shelf, and what was found in it."""

import uuid

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vision_customization.contract.enums import ModelKind, ModelStatus, RunStatus
from vision_customization.contract.products import ProductRecognitionResult
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store.attempts import advance, model_name_of
from vision_customization.engine.store.database import Database, found, status_counts
from vision_customization.engine.store.errors import AlreadyExists, WrongState
from vision_customization.engine.store.models import answers_to
from vision_customization.engine.store.records import RunRecord
from vision_customization.engine.store.tables import ModelRow, RunRow
from vision_customization.engine.store.transitions import EvaluationEvent

RECOGNIZING = (ModelKind.PRODUCT_RECOGNIZER, ModelKind.GENERIC_DETECTOR)
"""The kinds of model that find products in an image."""


class RunStore(Database):
    """A run belongs to a model; `model_name` is the model's own name, or one that it is published under."""

    def check_recognizing(self, model_name: str) -> None:
        """Raises NotFound, and WrongState for a model that has not succeeded or finds no products."""
        with self._reading() as session:
            _recognizing(session, model_name)

    def create_run(self, model_name: str, name: str) -> RunRecord:
        """Raises NotFound (the model), WrongState (as above), AlreadyExists."""
        now = self._now()
        with self._writing() as session:
            model = _recognizing(session, model_name, lock=True)
            taken = select(RunRow.id).where(RunRow.model_id == model.id, RunRow.name == name)
            if session.scalar(taken) is not None:
                raise AlreadyExists("run", name)
            row = RunRow(
                id=str(uuid.uuid4()),
                model_id=model.id,
                name=name,
                status=RunStatus.NOT_STARTED.value,
                created=now,
                updated=now,
            )
            session.add(row)
            try:
                session.flush()
            except IntegrityError:
                raise AlreadyExists("run", name) from None
            return _record(row, model.name)

    def run(self, model_name: str, name: str) -> RunRecord:
        """Raises NotFound, of the model or of the run."""
        with self._reading() as session:
            model = _model(session, model_name)
            return _record(_find(session, model, name), model.name)

    def run_by_id(self, run_id: str) -> RunRecord:
        """Raises NotFound."""
        with self._reading() as session:
            row = _find_id(session, run_id)
            return _record(row, model_name_of(session, row))

    def runs(self, model_name: str, skip: int, top: int) -> list[RunRecord]:
        """Up to `top` runs of a model after the first `skip`, in the order they were created. Raises NotFound."""
        with self._reading() as session:
            model = _model(session, model_name)
            query = select(RunRow).where(RunRow.model_id == model.id).order_by(RunRow.sequence)
            return [_record(row, model.name) for row in session.scalars(query.offset(skip).limit(top))]

    def delete_run(self, model_name: str, name: str) -> None:
        """Raises NotFound, WrongState."""
        with self._writing() as session:
            row = _find(session, _model(session, model_name), name, lock=True)
            if not RunStatus(row.status).final:
                raise WrongState("run", name, row.status, "it can be deleted once it has 'succeeded' or 'failed'")
            session.delete(row)

    def begin_run(self, run_id: str) -> RunRecord:
        """The run starts, or starts again; nothing happens to one that has ended. Raises NotFound."""
        return self._report_run(run_id, EvaluationEvent.BEGIN)

    def finish_run(self, run_id: str, result: ProductRecognitionResult) -> RunRecord:
        """Raises NotFound."""
        return self._report_run(run_id, EvaluationEvent.FINISH, result=result)

    def fail_run(self, run_id: str, error: ErrorDetails) -> RunRecord:
        """Raises NotFound."""
        return self._report_run(run_id, EvaluationEvent.FAIL, error=error)

    def run_counts(self) -> dict[RunStatus, int]:
        """How many runs have each status."""
        with self._reading() as session:
            return status_counts(session, RunRow.status, RunStatus)

    def _report_run(
        self,
        run_id: str,
        event: EvaluationEvent,
        *,
        result: ProductRecognitionResult | None = None,
        error: ErrorDetails | None = None,
    ) -> RunRecord:
        with self._writing() as session:
            row = _find_id(session, run_id, lock=True)
            advance(row, event, self._now(), error, result=result.to_wire() if result is not None else None)
            return _record(row, model_name_of(session, row))


def _model(session: Session, name: str, *, lock: bool = False) -> ModelRow:
    return found(session, select(ModelRow).where(answers_to(name)), "model", name, lock=lock)


def _recognizing(session: Session, name: str, *, lock: bool = False) -> ModelRow:
    model = _model(session, name, lock=lock)
    if ModelKind(model.model_kind) not in RECOGNIZING:
        kinds = " or ".join(kind.value for kind in RECOGNIZING)
        raise WrongState("model", model.name, model.model_kind, f"only a {kinds} recognizes products")
    if model.status != ModelStatus.SUCCEEDED.value:
        raise WrongState("model", model.name, model.status, "only a model that has succeeded recognizes products")
    return model


def _find(session: Session, model: ModelRow, name: str, *, lock: bool = False) -> RunRow:
    query = select(RunRow).where(RunRow.model_id == model.id, RunRow.name == name)
    return found(session, query, "run", name, lock=lock)


def _find_id(session: Session, run_id: str, *, lock: bool = False) -> RunRow:
    return found(session, select(RunRow).where(RunRow.id == run_id), "run", run_id, lock=lock)


def _record(row: RunRow, model_name: str) -> RunRecord:
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
