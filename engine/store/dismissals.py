"""Failures that people have seen: what failed stays in sight until it is dismissed, or deleted."""

from collections.abc import Collection
from typing import Literal

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from vision_customization.contract.enums import ModelStatus
from vision_customization.engine.store.database import Database, found
from vision_customization.engine.store.errors import WrongState
from vision_customization.engine.store.tables import WHO_MAX_LENGTH, DismissalRow, EvaluationRow, ModelRow

FailureKind = Literal["model", "evaluation"]


class DismissalStore:
    """Dismissed failures of models and evaluations, by their ids."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, kind: FailureKind, failed_id: str, who: str) -> None:
        """Dismiss a failure. Nothing if somebody has dismissed it before. Raises NotFound, WrongState (it has not failed)."""
        with self._database.writing() as session:
            # Locked, so that it is not deleted meanwhile: its dismissal goes with it.
            row = _find(session, kind, failed_id)
            if row.status != ModelStatus.FAILED.value:
                raise WrongState(kind, row.name, row.status, "only what has failed can be dismissed")
            insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
            values = {"kind": kind, "id": failed_id, "dismissed_by": who[:WHO_MAX_LENGTH], "dismissed": self._database.now()}
            session.execute(insert(DismissalRow).values(values).on_conflict_do_nothing())

    def has(self, kind: FailureKind, failed_id: str) -> bool:
        """Whether somebody has dismissed the failure."""
        return bool(self.of(kind, [failed_id]))

    def of(self, kind: FailureKind, ids: Collection[str]) -> frozenset[str]:
        """Those of `ids` that are dismissed."""
        if not ids:
            return frozenset()
        query = select(DismissalRow.id).where(DismissalRow.kind == kind, DismissalRow.id.in_(ids))
        with self._database.reading() as session:
            return frozenset(session.scalars(query))


def _find(session: Session, kind: FailureKind, failed_id: str) -> ModelRow | EvaluationRow:
    if kind == "model":
        return found(session, select(ModelRow).where(ModelRow.id == failed_id), kind, failed_id, lock=True)
    return found(session, select(EvaluationRow).where(EvaluationRow.id == failed_id), kind, failed_id, lock=True)
