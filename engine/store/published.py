"""Published models: stable names, each with the model that it points to now, its gate, and the models that it pointed to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vision_customization.contract.enums import EvaluationStatus, ModelStatus
from vision_customization.contract.gate import misses
from vision_customization.engine.store.database import Database, found
from vision_customization.engine.store.errors import AlreadyExists, GateMissed, NotFound, WrongState
from vision_customization.engine.store.records import PublicationRecord, PublishedModelRecord
from vision_customization.engine.store.tables import (
    WHO_MAX_LENGTH,
    EvaluationRow,
    ModelRow,
    PublicationRow,
    PublishedModelRow,
)

PUBLICATIONS_MAX = 100
"""Publications kept of each name, the newest ones."""

_PUBLICATIONS = (
    select(PublicationRow, ModelRow.id)
    .outerjoin(ModelRow, ModelRow.id == PublicationRow.model_id)
    .order_by(PublicationRow.sequence.desc())
)
"""Publications, the newest first, each with the id of its model if that still exists."""


@dataclass(frozen=True, slots=True)
class _Change:
    """The arguments of `PublishedModelStore.publish`."""

    name: str
    model_name: str
    by: str | None
    require: Mapping[str, float] | None
    evaluation: str | None
    managed_by: str | None


class PublishedModelStore:
    """Published models by their stable names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(
        self,
        name: str,
        model_name: str,
        *,
        by: str | None = None,
        require: Mapping[str, float] | None = None,
        evaluation: str | None = None,
        managed_by: str | None = None,
    ) -> tuple[PublishedModelRecord, bool]:
        """Let `name` point to the model. The result is true if the name is new.

        Args:
            by: who publishes it, for the history.
            require: the name's gate from now on; None keeps the stored one, and an empty one removes it.
            evaluation: the model's evaluation whose metrics the gate judges. [default: the model's own metrics]
            managed_by: who manages the name; None keeps the stored one.

        Raises:
            AlreadyExists: a model has the name.
            NotFound: the model or the evaluation.
            WrongState: the model or the evaluation has not succeeded.
            GateMissed: the metrics do not reach the gate.
        """
        change = _Change(name, model_name, by, require, evaluation, managed_by)
        try:
            return self._point(change)
        except IntegrityError:
            # Another caller has just published the same new name: update that one instead.
            return self._point(change)

    def find(self, name: str) -> PublishedModelRecord:
        """Raises NotFound."""
        with self._database.reading() as session:
            return _record(_find(session, name))

    def page(self, skip: int, top: int) -> list[PublishedModelRecord]:
        """Up to `top` published models after the first `skip`, in the order they were first published."""
        with self._database.reading() as session:
            query = select(PublishedModelRow).order_by(PublishedModelRow.sequence).offset(skip).limit(top)
            return [_record(row) for row in session.scalars(query)]

    def names_of(self, model_names: Sequence[str]) -> dict[str, list[str]]:
        """The names that each of these models answers under, in the order they were first published; a model without one is
        absent."""
        with self._database.reading() as session:
            wanted = PublishedModelRow.model_name.in_(model_names)
            query = select(PublishedModelRow.model_name, PublishedModelRow.name).where(wanted)
            names: dict[str, list[str]] = {}
            for model_name, name in session.execute(query.order_by(PublishedModelRow.sequence)):
                names.setdefault(model_name, []).append(name)
            return names

    def history(self, name: str, skip: int = 0, top: int = PUBLICATIONS_MAX) -> list[PublicationRecord]:
        """The models that a name pointed to, the newest first: up to `top` after the first `skip`, of the last 100. It goes on
        after the name was unpublished and published again. Raises NotFound if nothing was ever published under the name."""
        with self._database.reading() as session:
            if session.scalar(select(PublicationRow.sequence).where(PublicationRow.name == name).limit(1)) is None:
                raise NotFound("published model", name)
            query = _PUBLICATIONS.where(PublicationRow.name == name).offset(skip).limit(top)
            return [_publication(row, model_id) for row, model_id in session.execute(query)]

    def previous(self, name: str) -> PublicationRecord | None:
        """The model to go back to: the last other one that the name pointed to and that still exists; None if there is none.
        Raises NotFound if the name is not published."""
        with self._database.reading() as session:
            now = _find(session, name).model_name
            others = (PublicationRow.name == name, PublicationRow.model_name != now, ModelRow.id.is_not(None))
            for row, model_id in session.execute(_PUBLICATIONS.where(*others).limit(1)):
                return _publication(row, model_id)
        return None

    def unpublish(self, name: str) -> None:
        """Raises NotFound."""
        with self._database.writing() as session:
            session.delete(_find(session, name))

    def _point(self, change: "_Change") -> tuple[PublishedModelRecord, bool]:
        name = change.name
        with self._database.writing() as session:
            if session.scalar(select(ModelRow.id).where(ModelRow.name == name)) is not None:
                raise AlreadyExists("published model", name, "model")
            # Locked, so that a deletion that spares published models can't overtake this publication.
            query = select(ModelRow).where(ModelRow.name == change.model_name)
            model = found(session, query, "model", change.model_name, lock=True)
            if model.status != ModelStatus.SUCCEEDED.value:
                raise WrongState("model", model.name, model.status, "only a model that has succeeded can be published")
            now = self._database.now()
            row = session.scalar(select(PublishedModelRow).where(PublishedModelRow.name == name).with_for_update())
            created = row is None
            if row is None:
                row = PublishedModelRow(name=name, created=now, updated=now)
                session.add(row)
            before = (row.model_name, row.require, row.managed_by)
            row.model_name = model.name
            if change.require is not None:
                row.require = dict(change.require) or None
            row.managed_by = change.managed_by or row.managed_by
            _judge(session, row, model, change.evaluation)
            if before != (row.model_name, row.require, row.managed_by):
                row.updated = now
            publication = PublicationRow(
                name=name,
                model_name=model.name,
                model_id=model.id,
                published=now,
                published_by=change.by and change.by[:WHO_MAX_LENGTH],
                evaluation=change.evaluation,
            )
            _remember(session, publication, new=created)
            return _record(row), created


def _judge(session: Session, row: PublishedModelRow, model: ModelRow, evaluation: str | None) -> None:
    """Raises GateMissed, and NotFound or WrongState for the evaluation."""
    performance, judged_on = model.performance, "by its own estimate"
    if evaluation is not None:
        query = select(EvaluationRow).where(EvaluationRow.model_id == model.id, EvaluationRow.name == evaluation)
        judged = found(session, query, "evaluation", evaluation)
        if judged.status != EvaluationStatus.SUCCEEDED.value:
            raise WrongState("evaluation", evaluation, judged.status, "only one that has succeeded can be held against a gate")
        performance, judged_on = judged.performance, f"in evaluation '{evaluation}'"
    elif model.test_dataset_name is not None:
        judged_on = f"on its test dataset '{model.test_dataset_name}'"
    if missed := misses(performance or {}, row.require or {}):
        raise GateMissed(row.name, model.name, judged_on, missed)


def _remember(session: Session, publication: PublicationRow, *, new: bool) -> None:
    """Add the publication to the history, unless the name, which is not `new`, points to this very model already. Its entry
    then gets the evaluation that was judged last."""
    of_name = PublicationRow.name == publication.name
    newest_first = select(PublicationRow).where(of_name).order_by(PublicationRow.sequence.desc())
    last = session.scalar(newest_first.limit(1))
    if not new and last is not None and (last.model_name, last.model_id) == (publication.model_name, publication.model_id):
        last.evaluation = publication.evaluation or last.evaluation
        return
    session.add(publication)
    session.flush()
    beyond = newest_first.with_only_columns(PublicationRow.sequence).offset(PUBLICATIONS_MAX).limit(1).scalar_subquery()
    session.execute(delete(PublicationRow).where(of_name, PublicationRow.sequence <= beyond))


def _find(session: Session, name: str) -> PublishedModelRow:
    return found(session, select(PublishedModelRow).where(PublishedModelRow.name == name), "published model", name)


def _record(row: PublishedModelRow) -> PublishedModelRecord:
    return PublishedModelRecord(
        name=row.name,
        model_name=row.model_name,
        created=row.created,
        updated=row.updated,
        require=dict(row.require or {}),
        managed_by=row.managed_by,
    )


def _publication(row: PublicationRow, model_id: str | None) -> PublicationRecord:
    return PublicationRecord(
        name=row.name,
        model_name=row.model_name,
        model_id=row.model_id,
        published=row.published,
        published_by=row.published_by,
        reason=row.reason,
        available=model_id is not None,
        evaluation=row.evaluation,
    )
