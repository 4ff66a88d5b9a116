"""What an evaluation and a product recognition run have in common: each is one attempt at something with a model."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from vision_customization.contract.enums import EvaluationStatus
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store.tables import EvaluationRow, ModelRow, RunRow
from vision_customization.engine.store.transitions import EvaluationEvent, next_evaluation_status


def model_name_of(session: Session, row: EvaluationRow | RunRow) -> str:
    """The name of the model that the attempt is with."""
    name = session.scalar(select(ModelRow.name).where(ModelRow.id == row.model_id))
    assert name is not None, "an attempt goes with its model"
    return name


def advance(
    row: EvaluationRow | RunRow,
    event: EvaluationEvent,
    now: datetime,
    error: ErrorDetails | None,
    **outcome: dict[str, Any] | None,
) -> None:
    """What becomes of an attempt by an event; one that comes too late changes nothing.

    Args:
        outcome: the column that says what came out of it, and its value.
    """
    status = next_evaluation_status(EvaluationStatus(row.status), event)
    if row.status == status.value:
        return
    row.status = status.value
    row.error = error.to_wire() if error is not None else None
    row.updated = now
    for column, value in outcome.items():
        setattr(row, column, value)
