"""Inspections: comparisons of a dataset's pictures, which a worker makes and people look at; and what a worker computes of the
pictures of a draft (`engine.jobs.kinds.draft_vectors`).

A dataset or draft has one at most, the newest. It is made from inputs, such as the dataset's content index; if these change, a
new one replaces it. One of the inputs is the version of the code that asks. While engines of two versions share a database, the
newer one's inspections stay: otherwise each would replace the other's at every look. After an hour without a change, the newer
engine may be gone (an update that was taken back), and they are replaced and ended like others.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vision_customization.contract.enums import EvaluationStatus
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store.database import Database, found, status_counts
from vision_customization.engine.store.tables import InspectionRow
from vision_customization.engine.store.transitions import EvaluationEvent, next_evaluation_status

OTHERS_FOR = timedelta(hours=1)
"""How long an inspection of another version is left to its own engines after its last change."""

InspectionStatus = EvaluationStatus
"""An inspection has the statuses of an evaluation."""

Inputs = Mapping[str, Any]
"""What an inspection is made from, as JSON values."""


def of_draft(draft_id: str) -> str:
    """What an inspection of a draft has in place of a dataset's name, which has no `/`."""
    return f"draft/{draft_id}"


@dataclass(frozen=True, slots=True)
class InspectionRecord:
    """An inspection. `dataset` is a dataset's name, or names a draft (`of_draft`). `report` is JSON, once it has succeeded."""

    id: str
    dataset: str
    inputs: Inputs
    status: InspectionStatus
    updated: datetime
    report: str | None = None
    error: ErrorDetails | None = None

    @property
    def is_of_draft(self) -> bool:
        return self.dataset.startswith(of_draft(""))

    @property
    def version(self) -> int:
        """Of the code that asked for it."""
        return _version(self.inputs)


class InspectionStore:
    """Inspections by dataset, or by id. An id is never reused."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, dataset: str, inputs: Inputs, *, again: bool = False) -> tuple[InspectionRecord, bool]:
        """The dataset's inspection from these inputs, or one of a newer version. The result is true if it is new and must be
        queued: there was none, or only one of other inputs, which is deleted; or that one failed, and it is wanted `again`."""
        with self._database.reading() as session:
            row = session.scalar(select(InspectionRow).where(InspectionRow.dataset == dataset))
            if row is not None and not self._is_outdated(row, inputs, again=again):
                return _record(row), False
        try:
            return self._renew(dataset, inputs, again=again)
        except IntegrityError:  # somebody else has just asked for the first one
            return self._renew(dataset, inputs, again=again)

    def latest(self, dataset: str) -> InspectionRecord | None:
        """The dataset's inspection, from whatever inputs; None if nobody has asked for one."""
        with self._database.reading() as session:
            row = session.scalar(select(InspectionRow).where(InspectionRow.dataset == dataset))
            return None if row is None else _record(row)

    def by_id(self, inspection_id: str) -> InspectionRecord:
        """Raises NotFound, also for an inspection that was replaced."""
        with self._database.reading() as session:
            return _record(_find(session, inspection_id))

    def begin(self, inspection_id: str) -> InspectionRecord:
        """Mark an inspection as running; one that has ended stays unchanged. Raises NotFound."""
        return self._report(inspection_id, EvaluationEvent.BEGIN)

    def finish(self, inspection_id: str, report: str) -> InspectionRecord:
        """Raises NotFound."""
        return self._report(inspection_id, EvaluationEvent.FINISH, report=report)

    def fail(self, inspection_id: str, error: ErrorDetails) -> InspectionRecord:
        """Raises NotFound."""
        return self._report(inspection_id, EvaluationEvent.FAIL, error=error)

    def abandoned(self, version: int) -> tuple[str, ...]:
        """Ids of the inspections of other versions than this one that nobody has made: their workers are gone."""
        row, ended = InspectionRow, [status.value for status in InspectionStatus if status.final]
        query = select(row).where(row.status.not_in(ended), row.updated <= self._database.now() - OTHERS_FOR)
        with self._database.reading() as session:
            return tuple(each.id for each in session.scalars(query) if _version(each.inputs) != version)

    def counts(self) -> dict[InspectionStatus, int]:
        """How many inspections have each status."""
        with self._database.reading() as session:
            return status_counts(session, InspectionRow.status, InspectionStatus)

    def _is_outdated(self, row: InspectionRow, inputs: Inputs, *, again: bool) -> bool:
        if _version(row.inputs) > _version(inputs) and self._database.now() - row.updated < OTHERS_FOR:
            return False
        return row.fingerprint != _fingerprint(inputs) or (again and row.status == InspectionStatus.FAILED.value)

    def _renew(self, dataset: str, inputs: Inputs, *, again: bool) -> tuple[InspectionRecord, bool]:
        now, digest = self._database.now(), _fingerprint(inputs)
        with self._database.writing() as session:
            row = session.scalar(select(InspectionRow).where(InspectionRow.dataset == dataset).with_for_update())
            if row is not None and not self._is_outdated(row, inputs, again=again):
                return _record(row), False
            session.execute(delete(InspectionRow).where(InspectionRow.dataset == dataset))
            row = InspectionRow(
                id=str(uuid.uuid4()),
                dataset=dataset,
                fingerprint=digest,
                inputs=dict(inputs),
                status=InspectionStatus.NOT_STARTED.value,
                created=now,
                updated=now,
            )
            session.add(row)
            session.flush()
            return _record(row), True

    def _report(
        self, inspection_id: str, event: EvaluationEvent, report: str | None = None, error: ErrorDetails | None = None
    ) -> InspectionRecord:
        """Apply an event; one that comes too late changes nothing."""
        with self._database.writing() as session:
            row = _find(session, inspection_id, lock=True)
            status = next_evaluation_status(EvaluationStatus(row.status), event)
            if row.status != status.value:
                row.status = status.value
                row.report = report
                row.error = None if error is None else error.to_wire()
                row.updated = self._database.now()
            return _record(row)


def _find(session: Session, inspection_id: str, *, lock: bool = False) -> InspectionRow:
    return found(
        session, select(InspectionRow).where(InspectionRow.id == inspection_id), "inspection", inspection_id, lock=lock
    )


def _version(inputs: Inputs) -> int:
    return int(inputs.get("version", 0))


def _fingerprint(inputs: Inputs) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _record(row: InspectionRow) -> InspectionRecord:
    return InspectionRecord(
        id=row.id,
        dataset=row.dataset,
        inputs=row.inputs,
        status=InspectionStatus(row.status),
        updated=row.updated,
        report=row.report,
        error=None if row.error is None else ErrorDetails.model_validate(row.error),
    )
