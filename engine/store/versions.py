"""Versions of datasets that were saved from drafts."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import String, cast, select
from sqlalchemy.dialects import postgresql, sqlite

from vision_customization.contract.enums import AnnotationKind, ContentStatus
from vision_customization.engine.store.content_tables import ContentIndexRow
from vision_customization.engine.store.database import Database, found
from vision_customization.engine.store.draft_records import VersionRecord
from vision_customization.engine.store.draft_tables import VersionRow
from vision_customization.engine.store.tables import DatasetRow


class VersionStore:
    """Versions by dataset and digest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, version: VersionRecord) -> VersionRecord:
        """Record a version; one with the same content stays as it was. Returns the one that is recorded."""
        values = {
            "dataset_name": version.dataset_name,
            "digest": version.digest,
            "annotation_kind": version.annotation_kind.value,
            "annotation_file_uri": version.annotation_file_uri,
            "base_uris": list(version.base_uris) or None,
            "images": version.images,
            "labels": version.labels,
            "tags": dict(version.tags),
            "changes": list(version.changes),
            "message": version.message,
            "saved_by": version.saved_by,
            "saved": version.saved,
        }
        with self._database.writing() as session:
            insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
            session.execute(insert(VersionRow).values(values).on_conflict_do_nothing())
        return self.find(version.dataset_name, version.digest)

    def find(self, dataset_name: str, digest: str) -> VersionRecord:
        """Raises NotFound."""
        query = select(VersionRow).where(VersionRow.dataset_name == dataset_name, VersionRow.digest == digest)
        with self._database.reading() as session:
            return _record(found(session, query, "version", digest))

    def page(self, dataset_name: str, skip: int, top: int) -> list[VersionRecord]:
        """Up to `top` versions after the first `skip`, the newest first."""
        query = select(VersionRow).where(VersionRow.dataset_name == dataset_name).order_by(VersionRow.sequence.desc())
        with self._database.reading() as session:
            return [_record(row) for row in session.scalars(query.offset(skip).limit(top))]

    def registered(self, digests: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """The datasets that have the content of versions now, by the versions' digests and sorted by name: those whose files a
        worker has read and that hold it, and those that have a version's own file."""
        index, dataset, version = ContentIndexRow, DatasetRow, VersionRow
        by_content = select(index.content_digest, dataset.name).where(
            index.content_digest.in_(digests),
            index.status == ContentStatus.READY.value,
            index.dataset_sequence == dataset.sequence,
            index.e_tag == dataset.e_tag,
        )
        files = select(version.digest, version.annotation_kind, version.annotation_file_uri).where(version.digest.in_(digests))
        found: defaultdict[str, set[str]] = defaultdict(set)
        with self._database.reading() as session:
            for digest, name in session.execute(by_content):
                found[str(digest)].add(name)
            of_file = {(kind, json.dumps([uri])): digest for digest, kind, uri in session.execute(files)}
            uris = cast(dataset.annotation_file_uris, String)  # PostgreSQL compares no JSON, but keeps its text
            by_file = select(dataset.annotation_kind, uris, dataset.name).where(uris.in_({text for _, text in of_file}))
            for kind, text, name in session.execute(by_file):
                if (kind, text) in of_file:
                    found[of_file[kind, text]].add(name)
        return {digest: tuple(sorted(names)) for digest, names in found.items()}

    def of_file(self, annotation_file_uri: str) -> list[VersionRecord]:
        """Those that have this annotation file, of any dataset, the oldest first."""
        query = select(VersionRow).where(VersionRow.annotation_file_uri == annotation_file_uri).order_by(VersionRow.sequence)
        with self._database.reading() as session:
            return [_record(row) for row in session.scalars(query)]


def _record(row: VersionRow) -> VersionRecord:
    return VersionRecord(
        dataset_name=row.dataset_name,
        digest=row.digest,
        annotation_kind=AnnotationKind(row.annotation_kind),
        annotation_file_uri=row.annotation_file_uri,
        base_uris=tuple(row.base_uris or ()),
        images=row.images,
        labels=row.labels,
        tags={str(tag): int(count) for tag, count in row.tags.items()},
        changes=tuple(row.changes),
        message=row.message,
        saved_by=row.saved_by,
        saved=row.saved,
    )
