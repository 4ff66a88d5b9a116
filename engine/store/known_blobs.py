"""Records of blobs that were read, by address and version, so that an unchanged blob is not read again."""

import hashlib
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from vision_customization.engine.store.database import Database
from vision_customization.engine.store.records import BlobRecord
from vision_customization.engine.store.tables import BlobRow

_BATCH = 500  # below SQLite's limit on parameters of a statement


class KnownBlobStore:
    """Blobs that were read, by their URLs: their digests and sizes, not their bytes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def at(self, urls: Sequence[str]) -> dict[str, BlobRecord]:
        """The records of the blobs at `urls` (without their queries), by URL; unknown ones are left out."""
        known = {}
        with self._database.reading() as session:
            for start in range(0, len(urls), _BATCH):
                digests = [_digest(url) for url in urls[start : start + _BATCH]]
                for row in session.scalars(select(BlobRow).where(BlobRow.url_digest.in_(digests))):
                    known[row.url] = BlobRecord(row.url, row.etag, row.sha256, row.width, row.height)
        return known

    def remember(self, blobs: Iterable[BlobRecord]) -> None:
        """Store records of blobs; of each URL only the last version is kept."""
        seen = self._database.now()
        rows = {
            _digest(blob.url): {
                "url_digest": _digest(blob.url),
                "url": blob.url,
                "etag": blob.etag,
                "sha256": blob.sha256,
                "width": blob.width,
                "height": blob.height,
                "seen": seen,
            }
            for blob in blobs
        }
        # Sorted by key, so that two workers cannot deadlock on each other's rows.
        ordered = [rows[digest] for digest in sorted(rows)]
        if not ordered:
            return
        with self._database.writing() as session:
            insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
            statement = insert(BlobRow)
            changed = {column: statement.excluded[column] for column in ("etag", "sha256", "width", "height", "seen")}
            session.execute(statement.on_conflict_do_update(index_elements=["url_digest"], set_=changed), ordered)


def digests_of(session: Session, urls: Sequence[str]) -> dict[str, str]:
    """SHA-256, in hex, of the blobs at `urls`, as `KnownBlobStore.at` finds them."""
    found: dict[str, str] = {}
    for start in range(0, len(urls), _BATCH):
        digests = [_digest(url) for url in urls[start : start + _BATCH]]
        query = select(BlobRow.url, BlobRow.sha256).where(BlobRow.url_digest.in_(digests))
        found |= {url: sha256 for url, sha256 in session.execute(query)}  # noqa: C416 - rows are tuples only by shape
    return found


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
