"""Published models: stable names, each with the model that it points to now."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vision_customization.contract.enums import ModelStatus
from vision_customization.engine.store.database import Database, found
from vision_customization.engine.store.errors import AlreadyExists, NotFound, WrongState
from vision_customization.engine.store.records import PublishedModelRecord
from vision_customization.engine.store.tables import ModelRow, PublishedModelRow


class PublishedModelStore:
    """Published models by their stable names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, name: str, model_name: str) -> tuple[PublishedModelRecord, bool]:
        """Let `name` point to the model. The result is true if the name is new.

        Raises AlreadyExists (a model has the name), NotFound (the model), WrongState (it has not succeeded).
        """
        try:
            return self._point(name, model_name)
        except IntegrityError:
            # Another caller has just published the same new name: update that one instead.
            return self._point(name, model_name)

    def find(self, name: str) -> PublishedModelRecord:
        """Raises NotFound."""
        with self._database.reading() as session:
            return _record(_find(session, name))

    def page(self, skip: int, top: int) -> list[PublishedModelRecord]:
        """Up to `top` published models after the first `skip`, in the order they were first published."""
        with self._database.reading() as session:
            query = select(PublishedModelRow).order_by(PublishedModelRow.sequence).offset(skip).limit(top)
            return [_record(row) for row in session.scalars(query)]

    def unpublish(self, name: str) -> None:
        """Raises NotFound."""
        with self._database.writing() as session:
            session.delete(_find(session, name))

    def _point(self, name: str, model_name: str) -> tuple[PublishedModelRecord, bool]:
        with self._database.writing() as session:
            if session.scalar(select(ModelRow.id).where(ModelRow.name == name)) is not None:
                raise AlreadyExists("published model", name, "model")
            status = session.scalar(select(ModelRow.status).where(ModelRow.name == model_name))
            if status is None:
                raise NotFound("model", model_name)
            if status != ModelStatus.SUCCEEDED.value:
                raise WrongState("model", model_name, status, "only a model that has succeeded can be published")
            now = self._database.now()
            row = session.scalar(select(PublishedModelRow).where(PublishedModelRow.name == name).with_for_update())
            created = row is None
            if row is None:
                row = PublishedModelRow(name=name, model_name=model_name, created=now, updated=now)
                session.add(row)
            elif row.model_name != model_name:
                row.model_name = model_name
                row.updated = now
            return _record(row), created


def _find(session: Session, name: str) -> PublishedModelRow:
    return found(session, select(PublishedModelRow).where(PublishedModelRow.name == name), "published model", name)


def _record(row: PublishedModelRow) -> PublishedModelRecord:
    return PublishedModelRecord(name=row.name, model_name=row.model_name, created=row.created, updated=row.updated)
