"""Models: the parameters, progress and outcome of their trainings."""

import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from functools import cached_property

from sqlalchemy import BindParameter, ColumnElement, bindparam, delete, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler

from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.contract.models import Artifact, ModelPerformance, TrainingProgress
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store.database import Database, found, status_counts
from vision_customization.engine.store.errors import AlreadyExists, NotFound, StillPublished, WrongState
from vision_customization.engine.store.records import (
    AnswerableModel,
    ModelRecord,
    TrainingContent,
    TrainingOrder,
    TrainingOutcome,
)
from vision_customization.engine.store.tables import (
    BatchPredictionRow,
    DismissalRow,
    EvaluationRow,
    ModelRow,
    PublishedModelRow,
    RunRow,
)
from vision_customization.engine.store.transitions import ModelEvent, next_model_status


def answers_to(name: str | BindParameter[str]) -> ColumnElement[bool]:
    """Whether a model has the name `name`, or is published under it."""
    published = select(PublishedModelRow.model_name).where(PublishedModelRow.name == name).scalar_subquery()
    return or_(ModelRow.name == name, ModelRow.name == published)


_WANTED: BindParameter[str] = bindparam("wanted")
_MODEL_TO_ANALYZE = (
    select(ModelRow.id, ModelRow.name, ModelRow.status, ModelRow.model_kind, ModelRow.tiles)
    .where(answers_to(_WANTED))
    .order_by((ModelRow.name == _WANTED).desc())
)


class ModelStore:
    """Models by name or id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, order: TrainingOrder, *, managed_by: str | None = None) -> ModelRecord:
        """Raises AlreadyExists, also if a published model has the name: analyze could not tell the two apart."""
        return self._insert(str(uuid.uuid4()), name, order, None, managed_by)

    def import_trained(self, model_id: str, name: str, order: TrainingOrder, outcome: TrainingOutcome) -> ModelRecord:
        """Add a model that was trained elsewhere and whose files exist, as succeeded. Raises AlreadyExists, as above."""
        return self._insert(model_id, name, order, outcome)

    def _insert(
        self, model_id: str, name: str, order: TrainingOrder, outcome: TrainingOutcome | None, managed_by: str | None = None
    ) -> ModelRecord:
        now = self._database.now()
        row = ModelRow(
            id=model_id,
            name=name,
            training_dataset_name=order.training_dataset_name,
            time_budget_in_hours=order.time_budget_in_hours,
            model_kind=order.model_kind.value,
            test_dataset_name=order.test_dataset_name,
            tiles=order.tiles,
            status=ModelStatus.NOT_STARTED.value,
            cancel_requested=False,
            managed_by=managed_by,
            created=now,
            updated=now,
        )
        if outcome is not None:
            row.status = ModelStatus.SUCCEEDED.value
            row.performance = outcome.performance.to_wire() if outcome.performance is not None else None
            row.cost_minutes = outcome.cost_minutes
            row.artifact = outcome.artifact.to_wire()
        try:
            with self._database.writing() as session:
                if session.scalar(select(PublishedModelRow.name).where(PublishedModelRow.name == name)) is not None:
                    raise AlreadyExists("model", name, "published model")
                session.add(row)
        except IntegrityError:
            raise AlreadyExists("model", name) from None
        return _record(row)

    def find(self, name: str) -> ModelRecord:
        """Raises NotFound."""
        with self._database.reading() as session:
            return _record(_find(session, name))

    def by_id(self, model_id: str) -> ModelRecord:
        """Raises NotFound."""
        with self._database.reading() as session:
            return _record(_find_id(session, model_id))

    def page(self, skip: int, top: int) -> list[ModelRecord]:
        """Up to `top` models after the first `skip`, in the order they were created."""
        with self._database.reading() as session:
            return [
                _record(row) for row in session.scalars(select(ModelRow).order_by(ModelRow.sequence).offset(skip).limit(top))
            ]

    def newest(self, count: int, statuses: Sequence[ModelStatus] = tuple(ModelStatus), skip: int = 0) -> list[ModelRecord]:
        """Up to `count` models with one of these statuses, after the first `skip`, the newest first."""
        wanted = ModelRow.status.in_([status.value for status in statuses])
        with self._database.reading() as session:
            query = select(ModelRow).where(wanted).order_by(ModelRow.sequence.desc()).offset(skip).limit(count)
            return [_record(row) for row in session.scalars(query)]

    def waiting_before(self, model: ModelRecord) -> int:
        """How many trainings wait or run that were started before this model's."""
        unfinished = ModelRow.status.in_([status.value for status in ModelStatus if not status.final])
        sequence = select(ModelRow.sequence).where(ModelRow.id == model.id).scalar_subquery()
        with self._database.reading() as session:
            return session.scalar(select(func.count()).where(unfinished, ModelRow.sequence < sequence)) or 0

    def trained_from(self, dataset: str) -> list[ModelRecord]:
        """The models that were trained from a dataset and have succeeded, the newest first."""
        wanted = (ModelRow.training_dataset_name == dataset, ModelRow.status == ModelStatus.SUCCEEDED.value)
        with self._database.reading() as session:
            rows = session.scalars(select(ModelRow).where(*wanted).order_by(ModelRow.sequence.desc()))
            return [_record(row) for row in rows]

    def newest_trained_from(self, dataset: str) -> ModelRecord | None:
        """The newest model that was trained here from a dataset and has succeeded; None if there is none. An imported model was
        trained elsewhere, from a dataset that only has the same name."""
        wanted = (
            ModelRow.training_dataset_name == dataset,
            ModelRow.status == ModelStatus.SUCCEEDED.value,
            ModelRow.progress.is_not(None),
        )
        with self._database.reading() as session:
            row = session.scalar(select(ModelRow).where(*wanted).order_by(ModelRow.sequence.desc()).limit(1))
            return _record(row) if row is not None else None

    def set_owner(self, name: str, managed_by: str | None) -> ModelRecord:
        """Record who manages a model; None for nobody. Raises NotFound."""
        with self._database.writing() as session:
            row = _find(session, name, lock=True)
            row.managed_by = managed_by
            return _record(row)

    def ids(self) -> set[str]:
        """The ids of all models."""
        with self._database.reading() as session:
            return set(session.scalars(select(ModelRow.id)))

    def to_analyze(self, name: str) -> AnswerableModel:
        """The model named `name`, else the one published under `name`. Raises NotFound."""
        if "\x00" in name:  # PostgreSQL cannot store such text
            raise NotFound("model", name)
        # Every analyze call needs it, and SQLAlchemy takes four times as long as the driver alone. Errors are the driver's.
        statement, parameters = self._to_analyze
        values = {"wanted": name} if parameters is None else [name] * len(parameters)
        with closing(self._database.engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement, values)
            row = cursor.fetchone()
        if row is None:
            raise NotFound("model", name)
        model_id, model_name, status, kind, tiles = row
        return AnswerableModel(model_id, model_name, ModelStatus(status), ModelKind(kind), tiles)

    @cached_property
    def _to_analyze(self) -> tuple[str, list[str] | None]:
        """The query in the database's dialect, and the names of its positional parameters; all of them are `wanted`."""
        compiled = _MODEL_TO_ANALYZE.compile(self._database.engine)
        assert isinstance(compiled, SQLCompiler)
        assert set(compiled.params) == {"wanted"}
        return compiled.string, compiled.positiontup

    def request_cancellation(self, name: str) -> ModelRecord:
        """Ask a training to stop: it is `cancelling` until its worker reports `cancel`. Raises NotFound, WrongState."""
        with self._database.writing() as session:
            row = _find(session, name, lock=True)
            status = next_model_status(ModelStatus(row.status), ModelEvent.REQUEST_CANCEL)
            if status is None:
                raise WrongState("model", name, row.status, "only a training that has not ended can be cancelled")
            row.cancel_requested = True
            _set_status(row, status, self._database.now())
            return _record(row)

    def delete(self, name: str, *, spare_published: bool = False) -> ModelRecord:
        """Delete a model, its evaluations and its runs; the caller deletes its artifact. Raises NotFound, WrongState, and, with
        `spare_published`, StillPublished if a name answers with the model; without, the name stays and points to nothing."""
        with self._database.writing() as session:
            row = _find(session, name, lock=True)
            if not ModelStatus(row.status).final:
                raise WrongState("model", name, row.status, "cancel it first, and delete it once it is 'cancelled'")
            if spare_published:
                _refuse_published(session, name)
            record = _record(row)
            evaluations = session.scalars(select(EvaluationRow).where(EvaluationRow.model_id == row.id)).all()
            failures = [row.id, *(evaluation.id for evaluation in evaluations)]
            for evaluation in evaluations:
                session.delete(evaluation)
            session.execute(delete(RunRow).where(RunRow.model_id == row.id))
            session.execute(delete(BatchPredictionRow).where(BatchPredictionRow.model_id == row.id))
            session.flush()
            session.execute(delete(DismissalRow).where(DismissalRow.id.in_(failures)))
            session.delete(row)
            return record

    def begin(self, model_id: str) -> ModelRecord:
        """Mark a training as started. It must not go on if the returned record is `cancelling` or final. Raises NotFound."""
        with self._database.writing() as session:
            row = _find_id(session, model_id, lock=True)
            if row.started is None and not ModelStatus(row.status).final:
                row.started = self._database.now()
            return self._report(row, ModelEvent.BEGIN)

    def report_progress(self, model_id: str, progress: TrainingProgress) -> None:
        """Store a training's progress; ignored once it has ended. Raises NotFound."""
        with self._database.writing() as session:
            row = _find_id(session, model_id, lock=True)
            if not ModelStatus(row.status).final:
                row.progress = progress.to_wire()
                row.updated = self._database.now()

    def record_content(self, model_id: str, content: TrainingContent) -> None:
        """Store what a training has read from its dataset; a step that runs twice stores it again. Raises NotFound."""
        with self._database.writing() as session:
            _find_id(session, model_id, lock=True).training_content = content.to_json()

    def cancellation_requested(self, model_id: str) -> bool:
        """Whether a training should stop; also true for a model that was deleted."""
        with self._database.reading() as session:
            requested = session.scalar(select(ModelRow.cancel_requested).where(ModelRow.id == model_id))
            return requested is None or requested

    def finish(self, model_id: str, performance: ModelPerformance | None, cost_minutes: int, artifact: Artifact) -> ModelRecord:
        """The training succeeded. After an accepted cancellation, the model is `cancelled` nevertheless. Raises NotFound."""
        with self._database.writing() as session:
            row = _find_id(session, model_id, lock=True)
            if ModelStatus(row.status).final:
                return _record(row)
            if next_model_status(ModelStatus(row.status), ModelEvent.FINISH) is ModelStatus.SUCCEEDED:
                row.performance = performance.to_wire() if performance is not None else None
                row.artifact = artifact.to_wire()
            row.cost_minutes = cost_minutes
            return self._report(row, ModelEvent.FINISH)

    def fail(self, model_id: str, error: ErrorDetails, cost_minutes: int | None = None) -> ModelRecord:
        """The training failed for good. Raises NotFound."""
        with self._database.writing() as session:
            row = _find_id(session, model_id, lock=True)
            if ModelStatus(row.status).final:
                return _record(row)
            if next_model_status(ModelStatus(row.status), ModelEvent.FAIL) is ModelStatus.FAILED:
                row.error = error.to_wire()
            row.cost_minutes = cost_minutes if cost_minutes is not None else row.cost_minutes
            return self._report(row, ModelEvent.FAIL)

    def cancel(self, model_id: str, cost_minutes: int | None = None) -> ModelRecord:
        """The training has stopped because it was asked to. Raises NotFound."""
        with self._database.writing() as session:
            row = _find_id(session, model_id, lock=True)
            if not ModelStatus(row.status).final:
                row.cost_minutes = cost_minutes if cost_minutes is not None else row.cost_minutes
            return self._report(row, ModelEvent.CANCEL)

    def counts(self) -> dict[ModelStatus, int]:
        """How many models have each status."""
        with self._database.reading() as session:
            return status_counts(session, ModelRow.status, ModelStatus)

    def training_seconds(self) -> float:
        """The compute time of the trainings of all existing models, in seconds."""
        with self._database.reading() as session:
            return session.scalar(select(func.sum(ModelRow.progress["seconds"].as_float()))) or 0.0

    def _report(self, row: ModelRow, event: ModelEvent) -> ModelRecord:
        status = next_model_status(ModelStatus(row.status), event)
        assert status is not None, "only a request to cancel is refused"
        _set_status(row, status, self._database.now())
        return _record(row)


def _set_status(row: ModelRow, status: ModelStatus, now: datetime) -> None:
    if row.status != status.value:
        row.status = status.value
        row.updated = now


def _find(session: Session, name: str, *, lock: bool = False) -> ModelRow:
    return found(session, select(ModelRow).where(ModelRow.name == name), "model", name, lock=lock)


def _refuse_published(session: Session, name: str) -> None:
    names = select(PublishedModelRow.name).where(PublishedModelRow.model_name == name).order_by(PublishedModelRow.sequence)
    if answering := session.scalars(names).all():
        raise StillPublished(name, answering)


def _find_id(session: Session, model_id: str, *, lock: bool = False) -> ModelRow:
    return found(session, select(ModelRow).where(ModelRow.id == model_id), "model", model_id, lock=lock)


def _record(row: ModelRow) -> ModelRecord:
    return ModelRecord(
        id=row.id,
        name=row.name,
        training_dataset_name=row.training_dataset_name,
        time_budget_in_hours=row.time_budget_in_hours,
        model_kind=ModelKind(row.model_kind),
        test_dataset_name=row.test_dataset_name,
        status=ModelStatus(row.status),
        created=row.created,
        updated=row.updated,
        started=row.started,
        performance=ModelPerformance.model_validate(row.performance) if row.performance is not None else None,
        cost_minutes=row.cost_minutes,
        error=ErrorDetails.model_validate(row.error) if row.error is not None else None,
        progress=TrainingProgress.model_validate(row.progress) if row.progress is not None else None,
        artifact=Artifact.model_validate(row.artifact) if row.artifact is not None else None,
        cancel_requested=row.cancel_requested,
        tiles=row.tiles,
        training_content=TrainingContent.from_json(row.training_content) if row.training_content is not None else None,
        managed_by=row.managed_by,
    )
