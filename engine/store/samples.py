"""Images that models were shown and found novel, kept for people to label."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from vision_customization.engine.store.database import Database, found
from vision_customization.engine.store.tables import SampleRow


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """An image by its digest: the model that found it novel, how novel (0 to 1), and the tag that the model gave it."""

    sha256: str
    model_name: str
    novelty: float
    tag: str
    size_bytes: int
    kept: datetime


class SampleStore:
    """Samples by the SHA-256 of their file, in hex."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, sha256: str, model_name: str, novelty: float, tag: str, size_bytes: int) -> bool:
        """Record a sample; false if it is known already, which stays as it was."""
        values = {"sha256": sha256, "model_name": model_name, "novelty": novelty, "tag": tag, "size_bytes": size_bytes}
        with self._database.writing() as session:
            insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
            statement = insert(SampleRow).values({**values, "kept": self._database.now()}).on_conflict_do_nothing()
            return session.execute(statement.returning(SampleRow.sha256)).scalar() is not None

    def find(self, sha256: str) -> SampleRecord:
        """Raises NotFound."""
        with self._database.reading() as session:
            return _record(found(session, select(SampleRow).where(SampleRow.sha256 == sha256), "sample", sha256[:64]))

    def page(self, skip: int, top: int) -> tuple[int, list[SampleRecord]]:
        """How many samples there are, and up to `top` of them after the first `skip`, the newest first."""
        with self._database.reading() as session:
            count = session.scalar(select(func.count()).select_from(SampleRow)) or 0
            rows = session.scalars(select(SampleRow).order_by(SampleRow.kept.desc(), SampleRow.sha256).offset(skip).limit(top))
            return count, [_record(row) for row in rows]

    def delete(self, sha256: str) -> None:
        """Nothing if there is no such sample."""
        with self._database.writing() as session:
            session.execute(delete(SampleRow).where(SampleRow.sha256 == sha256))

    def surplus(self, images_max: int, days: int) -> list[str]:
        """The digests of samples older than `days`, and of the oldest ones beyond `images_max`."""
        row, before = SampleRow, self._database.now() - timedelta(days=days)
        with self._database.reading() as session:
            old = session.scalars(select(row.sha256).where(row.kept < before)).all()
            beyond = session.scalars(select(row.sha256).order_by(row.kept.desc(), row.sha256).offset(images_max)).all()
        return list(dict.fromkeys([*old, *beyond]))


def _record(row: SampleRow) -> SampleRecord:
    return SampleRecord(row.sha256, row.model_name, row.novelty, row.tag, row.size_bytes, row.kept)
