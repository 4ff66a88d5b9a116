"""Content indexes: what the annotation files of a dataset hold, read once by a worker, and read in pages by those who look.

An index is of one dataset at one eTag. If its files or its dataset change, a newer one is read beside it, and replaces it when
it is ready. An index whose dataset is gone, or that was replaced, is detached: no look finds it, and its rows are deleted a few
at a time.
"""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session

from vision_customization.contract.enums import AnnotationKind, ContentStatus, ProblemKind, Purpose
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store.content_pages import ContentPages
from vision_customization.engine.store.content_rows import ContentWriter, delete_rows
from vision_customization.engine.store.content_tables import ContentIndexRow
from vision_customization.engine.store.database import found, status_counts
from vision_customization.engine.store.records import ContentIndexRecord, IndexedFile, IndexedImage, ProblemCount
from vision_customization.engine.store.tables import DatasetRow, EvaluationRow, ModelRow

CHECK_SECONDS = 60.0
"""How old an index may be before somebody who looks at it makes a worker compare it with the files."""
DETACHED_SECONDS = 60.0
"""How long the rows of a detached index stay, for those who just look at them."""


class Look(NamedTuple):
    """The record to show, and the id of an index that the look created, which must be queued."""

    record: ContentIndexRecord
    created: str | None


class ContentStore(ContentPages):
    """Content indexes by dataset, or by id."""

    def look(self, dataset_name: str) -> Look:
        """The newest index that is ready, else the newest one. Creates one if there is none of the dataset's eTag, and asks for
        a check if the newest one was not checked for CHECK_SECONDS. Raises NotFound for the dataset."""
        with self._database.reading() as session:
            dataset = _dataset(session, dataset_name)
            rows = _rows_of(session, dataset)
        if not rows or rows[0].e_tag != dataset.e_tag:
            return self._created(dataset_name)
        if self._check_is_due(rows[0]):
            with self._database.writing() as session:
                session.execute(
                    update(ContentIndexRow).where(ContentIndexRow.sequence == rows[0].sequence).values(check_wanted=True)
                )
        return Look(_shown(rows, dataset_name), None)

    def shown(self, dataset_name: str) -> ContentIndexRecord | None:
        """The index that is ready, without a look: none is created or checked. None if there is none."""
        with self._database.reading() as session:
            dataset = session.scalar(select(DatasetRow).where(DatasetRow.name == dataset_name))
            rows = [] if dataset is None else _rows_of(session, dataset)
        record = _shown(rows, dataset_name) if rows else None
        return record if record is not None and record.status is ContentStatus.READY else None

    def image_shown(self, dataset_name: str, position: int) -> IndexedImage | None:
        """The image at a position of the index that `shown` finds, without its labels and problems: few queries, since a grid
        asks for its pictures one by one. None if there is none."""
        index = (
            select(ContentIndexRow.sequence)
            .join(DatasetRow, DatasetRow.sequence == ContentIndexRow.dataset_sequence)
            .where(DatasetRow.name == dataset_name, ContentIndexRow.status == ContentStatus.READY.value)
            .order_by(ContentIndexRow.sequence.desc())
            .limit(1)
            .scalar_subquery()
        )
        return self._bare_image(index, position)

    def by_id(self, index_id: str) -> ContentIndexRecord:
        """Raises NotFound for an index that is gone or detached."""
        with self._database.reading() as session:
            return self._record(session, _attached(session, index_id))

    def begin(self, index_id: str) -> ContentIndexRecord:
        """Mark an index as being read, or read again, of the dataset as it is now; one that has ended stays unchanged.
        Raises NotFound."""
        with self._database.writing() as session:
            row = _attached_with_dataset(session, index_id)
            if not ContentStatus(row.status).final:
                dataset = session.scalars(select(DatasetRow).where(DatasetRow.sequence == row.dataset_sequence)).one()
                row.e_tag, row.annotation_kind = dataset.e_tag, dataset.annotation_kind
                row.purpose = _purpose(session, dataset.name).value
                row.status = ContentStatus.READING.value
                row.images_read = 0
                row.message = None
                row.updated = self._database.now()
            return self._record(session, row)

    def report(self, index_id: str, *, images_read: int | None = None, message: str | None = None) -> None:
        """Record how far the reading is, or what it waits for. Raises NotFound."""
        with self._database.writing() as session:
            row = _attached(session, index_id, lock=True)
            if images_read is not None:
                row.images_read = images_read
            row.message = message

    def writer(self, index_id: str) -> ContentWriter:
        """Writes the rows of an index, of which none is left from before. Raises NotFound."""
        with self._database.reading() as session:
            index = _attached(session, index_id).sequence

        def lock(session: Session) -> None:
            _attached(session, index_id, lock=True)

        more = True
        while more:
            with self._database.writing() as session:
                lock(session)
                more = delete_rows(session, index)
        return ContentWriter(self._database, self._cipher, index, lock)

    def finish(
        self,
        index_id: str,
        writer: ContentWriter,
        files: Sequence[IndexedFile],
        problems: Sequence[ProblemCount],
        content_digest: str | None = None,
    ) -> ContentIndexRecord:
        """The index is ready, and replaces all older ones. `content_digest` is that of a version with the same images and
        labels, if it is known. Raises NotFound."""
        with self._database.writing() as session:
            row = _attached_with_dataset(session, index_id)
            row.status = ContentStatus.READY.value
            row.images = row.images_read = writer.images
            row.unlabelled, row.labels, row.tags = writer.unlabelled, writer.labels, writer.tags
            row.problems = [
                {"kind": each.kind.value, "count": each.count, "images": each.images, "first": each.first} for each in problems
            ]
            row.files = _files_as_json(files)
            row.content_digest = content_digest
            row.error = row.message = None
            row.checked = row.updated = self._database.now()
            self._detach(session, row, ContentIndexRow.sequence < row.sequence)
            return self._record(session, row)

    def fail(self, index_id: str, error: ErrorDetails, files: Sequence[IndexedFile] = ()) -> ContentIndexRecord:
        """An index that has ended stays unchanged. `files` are those that were read before. Raises NotFound."""
        with self._database.writing() as session:
            row = _attached(session, index_id, lock=True)
            if not ContentStatus(row.status).final:
                row.status = ContentStatus.FAILED.value
                row.error = error.to_wire()
                row.message = None
                row.files = _files_as_json(files)
                row.checked = row.updated = self._database.now()
            return self._record(session, row)

    def former(self, index_id: str) -> ContentIndexRecord | None:
        """The index that is ready now, of the same dataset. Raises NotFound."""
        with self._database.reading() as session:
            dataset = _attached(session, index_id).dataset_sequence
            newest = (
                select(ContentIndexRow)
                .where(ContentIndexRow.dataset_sequence == dataset, ContentIndexRow.status == ContentStatus.READY.value)
                .order_by(ContentIndexRow.sequence.desc())
                .limit(1)
            )
            row = session.scalar(newest)
            return None if row is None else self._record(session, row)

    def keep_former(self, index_id: str, former_id: str, files: Sequence[IndexedFile]) -> None:
        """The files are those of an index that is ready already: it takes the place of this one. Raises NotFound."""
        with self._database.writing() as session:
            row = _attached_with_dataset(session, index_id)
            former = _attached(session, former_id, lock=True)
            former.e_tag = row.e_tag
            former.files = _files_as_json(files)
            former.message = None
            former.checked = self._database.now()
            self._detach(session, row, ContentIndexRow.sequence == row.sequence)

    def take_check(self) -> ContentIndexRecord | None:
        """An index that somebody looks at and that must be compared with its files. No other worker gets it."""
        wanted = select(ContentIndexRow).where(ContentIndexRow.check_wanted, ContentIndexRow.dataset_sequence.is_not(None))
        with self._database.reading() as session:
            if session.scalar(wanted.limit(1)) is None:
                return None
        with self._database.writing() as session:
            row = session.scalar(wanted.limit(1).with_for_update(skip_locked=True))
            if row is None:
                return None
            row.check_wanted = False
            row.checked = self._database.now()
            return self._record(session, row)

    def checked(self, index_id: str, message: str | None, files: Sequence[IndexedFile] | None = None) -> None:
        """The index still is what the files hold, or `message` says why they could not be read. Raises NotFound."""
        with self._database.writing() as session:
            row = _attached(session, index_id, lock=True)
            row.message = message
            if files is not None:
                row.files = _files_as_json(files)

    def renew(self, index_id: str) -> str | None:
        """Create a newer index beside this one, whose files have changed; its id must be queued. None if there is a newer one.
        Raises NotFound."""
        with self._database.writing() as session:
            name = self._record(session, _attached(session, index_id)).dataset_name
            dataset = _dataset(session, name, lock=True)
            rows = _rows_of(session, dataset)
            return None if not rows or rows[0].id != index_id else self._create(session, dataset, rows).id

    def purpose_of(self, dataset_name: str) -> Purpose:
        """What a dataset is used for, which decides its limits."""
        with self._database.reading() as session:
            return _purpose(session, dataset_name)

    def counts(self) -> dict[ContentStatus, int]:
        """How many indexes have each status."""
        with self._database.reading() as session:
            return status_counts(session, ContentIndexRow.status, ContentStatus, ContentIndexRow.dataset_sequence.is_not(None))

    def sweep(self, after_seconds: float = DETACHED_SECONDS) -> bool:
        """Delete some rows of a detached index; false if there is none."""
        old = self._database.now() - timedelta(seconds=after_seconds)
        detached = select(ContentIndexRow.sequence).where(
            ContentIndexRow.dataset_sequence.is_(None), ContentIndexRow.updated <= old
        )
        with self._database.reading() as session:
            index = session.scalar(detached.order_by(ContentIndexRow.sequence).limit(1))
        if index is None:
            return False
        with self._database.writing() as session:
            mine = select(ContentIndexRow).where(ContentIndexRow.sequence == index).with_for_update(skip_locked=True)
            row = session.scalar(mine)
            if row is not None and not delete_rows(session, index):
                session.delete(row)
        return True

    def _created(self, dataset_name: str) -> Look:
        with self._database.writing() as session:
            dataset = _dataset(session, dataset_name, lock=True)
            rows = _rows_of(session, dataset)
            created = None
            if not rows or rows[0].e_tag != dataset.e_tag:  # another caller may have been faster
                created = self._create(session, dataset, rows)
                rows = _rows_of(session, dataset)
            return Look(_shown(rows, dataset_name), None if created is None else created.id)

    def _create(self, session: Session, dataset: DatasetRow, others: Sequence[ContentIndexRow]) -> ContentIndexRow:
        """A new index. Of the others, only the one that is ready stays until this one is."""
        now = self._database.now()
        row = ContentIndexRow(
            id=str(uuid.uuid4()),
            dataset_sequence=dataset.sequence,
            e_tag=dataset.e_tag,
            annotation_kind=dataset.annotation_kind,
            purpose=_purpose(session, dataset.name).value,
            status=ContentStatus.QUEUED.value,
            created=now,
            updated=now,
        )
        session.add(row)
        session.flush()
        kept = {row.sequence, *(other.sequence for other in others if other.status == ContentStatus.READY.value)}
        self._detach(session, row, ContentIndexRow.sequence.not_in(kept))
        return row

    def _detach(self, session: Session, row: ContentIndexRow, which: ColumnElement[bool]) -> None:
        """Detach those indexes of the dataset of `row`."""
        dataset, now = row.dataset_sequence, self._database.now()
        session.flush()
        session.execute(
            update(ContentIndexRow)
            .where(ContentIndexRow.dataset_sequence == dataset, which)
            .values(dataset_sequence=None, updated=now)
        )

    def _check_is_due(self, row: ContentIndexRow) -> bool:
        if row.check_wanted or row.checked is None or not ContentStatus(row.status).final:
            return False
        return self._database.now() - row.checked >= timedelta(seconds=CHECK_SECONDS)

    def _record(self, session: Session, row: ContentIndexRow) -> ContentIndexRecord:
        name = session.scalar(select(DatasetRow.name).where(DatasetRow.sequence == row.dataset_sequence))
        return _record(row, name or "")


def _dataset(session: Session, name: str, *, lock: bool = False) -> DatasetRow:
    return found(session, select(DatasetRow).where(DatasetRow.name == name), "dataset", name, lock=lock)


def _attached(session: Session, index_id: str, *, lock: bool = False) -> ContentIndexRow:
    query = select(ContentIndexRow).where(ContentIndexRow.id == index_id, ContentIndexRow.dataset_sequence.is_not(None))
    return found(session, query, "content index", index_id, lock=lock)


def _attached_with_dataset(session: Session, index_id: str) -> ContentIndexRow:
    """The index, while nobody else can create or detach one of its dataset. Locks are taken in one order everywhere."""
    dataset = _attached(session, index_id).dataset_sequence
    session.execute(select(DatasetRow.sequence).where(DatasetRow.sequence == dataset).with_for_update())
    session.expire_all()
    return _attached(session, index_id, lock=True)


def _rows_of(session: Session, dataset: DatasetRow) -> Sequence[ContentIndexRow]:
    """The indexes of a dataset, the newest first."""
    query = select(ContentIndexRow).where(ContentIndexRow.dataset_sequence == dataset.sequence)
    return session.scalars(query.order_by(ContentIndexRow.sequence.desc())).all()


def _purpose(session: Session, dataset_name: str) -> Purpose:
    """For evaluation only if models are tested with the dataset, and none is trained from it."""
    if session.scalar(select(exists().where(ModelRow.training_dataset_name == dataset_name))):
        return Purpose.TRAINING
    of_model = select(exists().where(ModelRow.test_dataset_name == dataset_name))
    of_evaluation = select(exists().where(EvaluationRow.test_dataset_name == dataset_name))
    tested = session.scalar(of_model) or session.scalar(of_evaluation)
    return Purpose.EVALUATION if tested else Purpose.TRAINING


def _shown(rows: Sequence[ContentIndexRow], dataset_name: str) -> ContentIndexRecord:
    """What to show of a dataset with these indexes, the newest first."""
    newest = _record(rows[0], dataset_name)
    ready = next((row for row in rows if row.status == ContentStatus.READY.value), None)
    return newest if ready is None or ready is rows[0] else replace(_record(ready, dataset_name), successor=newest)


def _record(row: ContentIndexRow, dataset_name: str) -> ContentIndexRecord:
    return ContentIndexRecord(
        index=row.sequence,
        id=row.id,
        dataset_name=dataset_name,
        e_tag=row.e_tag,
        annotation_kind=AnnotationKind(row.annotation_kind),
        purpose=Purpose(row.purpose),
        status=ContentStatus(row.status),
        created=row.created,
        updated=row.updated,
        images_read=row.images_read,
        images=row.images,
        unlabelled=row.unlabelled,
        labels=row.labels,
        tags=row.tags,
        problems=tuple(_problem_count(each) for each in row.problems or ()),
        files=tuple(IndexedFile(**file) for file in row.files or ()),
        error=ErrorDetails.model_validate(row.error) if row.error is not None else None,
        message=row.message,
        checked=row.checked,
    )


def _problem_count(entry: dict[str, Any]) -> ProblemCount:
    return ProblemCount(ProblemKind(entry["kind"]), entry["count"], entry["images"], entry["first"])


def _files_as_json(files: Sequence[IndexedFile]) -> list[dict[str, Any]]:
    return [asdict(file) for file in files]
