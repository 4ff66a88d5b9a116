"""How fast this engine's machines train, as their workers measure it."""

from dataclasses import fields, replace
from typing import Literal

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from vision_customization.contract.training_time import ASSUMED_SPEED, Speed
from vision_customization.engine.store.database import Database
from vision_customization.engine.store.tables import SpeedRow

Work = Literal["embedded_image_seconds", "read_image_seconds", "step_seconds", "start_seconds"]
"""A field of `Speed`."""

_KEPT_SHARE = 0.95
"""Of the measurements so far, at each further one: about the last twenty count, so another machine soon shows."""


class SpeedStore:
    """One speed for all workers: an engine's machines are alike."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, work: Work, units: int, seconds: float) -> None:
        """Add a measurement: `units` of this work took `seconds`. Nothing if there are no units."""
        if units <= 0:
            return
        with self._database.writing() as session:
            insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
            statement = insert(SpeedRow).values(work=work, units=units, seconds=seconds)
            summed = {
                "units": SpeedRow.units * _KEPT_SHARE + statement.excluded.units,
                "seconds": SpeedRow.seconds * _KEPT_SHARE + statement.excluded.seconds,
            }
            session.execute(statement.on_conflict_do_update(index_elements=["work"], set_=summed))

    def get(self) -> Speed:
        """The measured speed; what no training has measured is that of `ASSUMED_SPEED`."""
        known = {field.name for field in fields(Speed)}
        with self._database.reading() as session:
            rows = session.scalars(select(SpeedRow)).all()
        return replace(ASSUMED_SPEED, **{row.work: row.seconds / row.units for row in rows if row.work in known})
