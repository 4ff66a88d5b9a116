"""Findings of a dataset's health that a person has looked at and accepted: not an error.

A finding has a key that depends on what was found, such as an image's digest and its label. So a finding that changes counts as
a new one.
"""

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from vision_customization.engine.store.database import Database
from vision_customization.engine.store.tables import AcceptedFindingRow


class AcceptedFindingStore:
    """Accepted findings by dataset, kind of finding and key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, dataset: str, finding: str, key: str, who: str) -> None:
        """Accept a finding; nothing if it has been accepted already.

        Args:
            finding: its kind, of at most 16 characters.
            key: of at most 64 characters.
            who: the person who accepts it.
        """
        values = {"dataset": dataset, "finding": finding, "key": key, "who": who, "created": self._database.now()}
        with self._database.writing() as session:
            insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
            session.execute(insert(AcceptedFindingRow).values(values).on_conflict_do_nothing())

    def retract(self, dataset: str, finding: str, key: str) -> None:
        """Let a finding count again; nothing if it does."""
        row = AcceptedFindingRow
        with self._database.writing() as session:
            session.execute(delete(row).where(row.dataset == dataset, row.finding == finding, row.key == key))

    def keys(self, dataset: str, finding: str) -> frozenset[str]:
        """The keys of the findings of this kind that were accepted."""
        row = AcceptedFindingRow
        with self._database.reading() as session:
            return frozenset(session.scalars(select(row.key).where(row.dataset == dataset, row.finding == finding)))
