"""Drafts of datasets: images and labels that people change, apart from the dataset itself.

A draft has all images of the dataset that it began with as rows of its own. So each page and each count comes from one table,
and the dataset's own content index may come and go (docs/decisions/0013).
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from sqlalchemy import Select, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vision_customization.contract.drafts import BulkAction, ImageState
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.store.database import Database, OneMoment
from vision_customization.engine.store.draft_base import BaseImages, write_base
from vision_customization.engine.store.draft_bulk import (
    BulkChange,
    BulkCounts,
    BulkEdit,
    Chosen,
    Report,
    concerned_images,
    count_change,
    unreported,
)
from vision_customization.engine.store.draft_copy import check_addresses, copy_content
from vision_customization.engine.store.draft_edit import ADDED_AT_ONCE, DraftEdit
from vision_customization.engine.store.draft_merge import Merge, MergeCounts
from vision_customization.engine.store.draft_pages import (
    DraftPages,
    chosen_by,
    draft_record,
    find_draft,
    images_of,
    tag_number,
)
from vision_customization.engine.store.draft_records import (
    DraftImageRecord,
    DraftRecord,
    LabelChange,
    NewDraftImage,
)
from vision_customization.engine.store.draft_tables import DraftImageRow, DraftLabelRow, DraftRow, DraftTagRow
from vision_customization.engine.store.errors import AlreadyExists, NotFound
from vision_customization.engine.store.inspections import of_draft
from vision_customization.engine.store.tables import InspectionRow


class DraftStore(DraftPages):
    """Drafts by name."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._database = database

    def create(
        self,
        name: str,
        annotation_kind: AnnotationKind,
        dataset_name: str,
        container: str,
        who: str,
        *,
        base: tuple[str, Sequence[str], int | BaseImages] | None = None,
        tags: Sequence[str] = (),
    ) -> DraftRecord:
        """Create a draft.

        Args:
            dataset_name: the dataset that its versions are of.
            container: URL of the container of its images.
            base: name and annotation files of the dataset that it begins with, and its content: the number of the dataset's
                content index, which is ready, or the images themselves.
            tags: further tags.

        Raises:
            AlreadyExists: a draft has the name.
            ImagesElsewhere: an image of the dataset is not in `container`, under the name of its content.
        """
        now = self._database.now()
        row = DraftRow(
            id=str(uuid.uuid4()),
            name=name,
            annotation_kind=annotation_kind.value,
            dataset_name=dataset_name,
            base_dataset=None if base is None else base[0],
            base_uris=None if base is None else list(base[1]),
            container=container,
            images=0,
            unlabelled=0,
            changed=0,
            conflicts=0,
            labels=0,
            next_number=0,
            next_tag=0,
            edit=0,
            created_by=who,
            created=now,
            updated=now,
        )
        try:
            with self._database.writing() as session:
                session.add(row)
                session.flush()
                if base is not None:
                    _fill(session, row, base[0], base[2])
                edit = DraftEdit(session, row, who, now)
                edit.begin()
                for tag in tags:
                    edit.tag(tag)
        except IntegrityError:
            raise AlreadyExists("draft", name) from None
        return draft_record(row)

    @contextmanager
    def at_one_moment(self) -> Iterator[DraftPages]:
        """All queries on drafts, which together see them as they were at the first one."""
        with self._database.snapshot() as session:
            yield DraftPages(OneMoment(session))

    def ids(self) -> set[str]:
        """The ids of all drafts."""
        with self._database.reading() as session:
            return set(session.scalars(select(DraftRow.id)))

    def newest(
        self, skip: int, top: int, *, kinds: Sequence[AnnotationKind] | None = None, container: str | None = None
    ) -> list[DraftRecord]:
        """Up to `top` drafts after the first `skip`, the one changed last first; only those of some kinds, or whose images are
        in a container, if these are given."""
        query = select(DraftRow).order_by(DraftRow.updated.desc(), DraftRow.sequence).offset(skip).limit(top)
        if kinds is not None:
            query = query.where(DraftRow.annotation_kind.in_([kind.value for kind in kinds]))
        if container is not None:
            query = query.where(DraftRow.container == container)
        return self._records(query)

    def of_dataset(self, dataset_name: str) -> list[DraftRecord]:
        """The drafts whose versions are of a dataset, the one changed last first."""
        return self._records(
            select(DraftRow).where(DraftRow.dataset_name == dataset_name).order_by(DraftRow.updated.desc(), DraftRow.sequence)
        )

    def delete(self, name: str) -> DraftRecord:
        """Delete a draft, with everything that was not saved as a version. Raises NotFound."""
        with self._database.writing() as session:
            row = find_draft(session, name, lock=True)
            record = draft_record(row)
            for table in (DraftLabelRow, DraftImageRow, DraftTagRow):
                session.execute(delete(table).where(table.draft_sequence == row.sequence))
            session.execute(delete(InspectionRow).where(InspectionRow.dataset == of_draft(row.id)))
            session.delete(row)
        return record

    def label(self, name: str, changes: Sequence[LabelChange], who: str) -> Sequence[tuple[bool, DraftImageRecord | None]]:
        """Set the labels of images. For each, the result says whether it was saved, and how the image is now; None if there is
        no such image.

        An image is not saved if its eTag is another one, unless it has exactly these labels already: then this call was made
        before, and only its answer was lost. An image that was removed is not saved either. Raises NotFound.
        """
        with self._editing(name, who) as (session, row, edit):
            saved = [_save(edit, change) for change in changes]
            session.flush()
            images = {image.number: image for image in images_of(session, row.sequence, [each.number for each in changes])}
        return [(done, images.get(change.number)) for done, change in zip(saved, changes, strict=True)]

    def add(self, name: str, images: Iterable[NewDraftImage], who: str) -> Sequence[tuple[int, bool]]:
        """Add images. For each, the result is its number, and whether it is new: an image that the draft has already stays as
        it is, and one that was removed is restored. Raises NotFound."""
        results, rest = list[tuple[int, bool]](), iter(images)
        with self._editing(name, who) as (_, _row, edit):
            while batch := list(islice(rest, ADDED_AT_ONCE)):
                results += edit.add(batch)
        return results

    def remove(self, name: str, numbers: Sequence[int], who: str, *, restore: bool = False) -> int:
        """Remove images from a draft, or restore them; returns how many there are of them. Raises NotFound."""
        with self._editing(name, who) as (_, _row, edit):
            rows = [row for number in dict.fromkeys(numbers) if (row := edit.image(number)) is not None]
            for row in rows:
                (edit.restore if restore else edit.remove)(row)
        return len(rows)

    def add_tag(self, name: str, tag: str, who: str) -> None:
        """Nothing if there is such a tag. Raises NotFound."""
        with self._editing(name, who) as (_, _row, edit):
            edit.tag(tag)

    def change(
        self, name: str, action: BulkAction, tag: str | None, chosen: Chosen, who: str, report: Report = unreported
    ) -> BulkCounts:
        """Change all images that are chosen, in one transaction. The `tag` is the one to give, which is added if it does not
        exist, or to take. Raises NotFound: there is no such draft, or no such tag to take."""
        with self._editing(name, who) as (session, row, edit):
            if tag is not None and action is not BulkAction.GIVE:
                _tag(edit, tag)
            change = _change(session, row, action, tag)
            images = chosen_by(session, row.sequence, chosen.tag, chosen.only)
            counts = count_change(session, row.sequence, change, images, chosen.seen)
            if counts.changed:
                edit.begin()
                if action is BulkAction.GIVE and tag is not None:
                    change = replace(change, tag=edit.tag(tag).number)
                bulk = BulkEdit(session, row, who, self._database.now(), report)
                bulk.mark(*images, *concerned_images(change, chosen.seen))
                bulk.apply(change)
            return counts

    def preview_change(self, name: str, action: BulkAction, tag: str | None, chosen: Chosen) -> BulkCounts:
        """What `change` would do. Raises NotFound."""
        with self._database.snapshot() as session:
            row = find_draft(session, name)
            change = _change(session, row, action, tag)
            images = chosen_by(session, row.sequence, chosen.tag, chosen.only)
            return count_change(session, row.sequence, change, images, chosen.seen)

    def rename_tag(self, name: str, tag: str, new: str, who: str, *, merge: bool = False, report: Report = unreported) -> int:
        """Give a tag another name; with `merge`, its labels become those of the tag that has the name. Returns the number of
        images that had it.

        Raises:
            NotFound: there is no such draft, or no such tag.
            AlreadyExists: another tag has the name, and `merge` is false.
        """
        with self._editing(name, who) as (session, row, edit):
            old, other = _tag(edit, tag), edit.find_tag(new)
            if other is old:
                return old.images
            if other is None:
                edit.rename(old, new)
                return old.images
            if not merge:
                raise AlreadyExists("tag", new)
            edit.begin()
            single = AnnotationKind(row.annotation_kind) is not AnnotationKind.IMAGE_OBJECT_DETECTION
            return BulkEdit(session, row, who, self._database.now(), report).replace_tag(old, other, single=single)

    def delete_tag(self, name: str, tag: str, who: str, *, report: Report = unreported) -> int:
        """Delete a tag and all its labels; returns the number of images that had it. Raises NotFound."""
        with self._editing(name, who) as (session, row, edit):
            found = _tag(edit, tag)
            edit.begin()
            return BulkEdit(session, row, who, self._database.now(), report).replace_tag(found, None, single=False)

    def merge(self, name: str, base_uris: Sequence[str], theirs: Iterable[NewDraftImage], who: str) -> MergeCounts:
        """Merge with what the dataset has now, which the draft then is based on. Raises NotFound.

        Args:
            base_uris: the dataset's annotation files now.
            theirs: all images of the dataset, with their labels.
        """
        with self._editing(name, who) as (session, row, edit):
            edit.begin()
            tags = session.scalars(select(DraftTagRow).where(DraftTagRow.draft_sequence == row.sequence)).all()
            merge = Merge(edit, {tag.name: tag.base_name or tag.name for tag in tags}, theirs)
            images = self.all_images(row.sequence, removed=True)  # as they were before
            for image in images:
                merge.of(image)
            merge.add_rest()
            row.base_uris = list(base_uris)
            for tag in session.scalars(select(DraftTagRow).where(DraftTagRow.draft_sequence == row.sequence)):
                if tag.base_name is None and tag.name in merge.their_tags:
                    tag.base_name = tag.name
            return merge.counts

    def rebase(self, draft: DraftRecord, dataset_name: str, base_uris: Sequence[str]) -> bool:
        """Base a draft on the dataset that has got its content: nothing is changed in it then. Returns whether that was done;
        not if somebody has changed the draft since `draft` was read. Raises NotFound."""
        with self._database.writing() as session:
            row = find_draft(session, draft.name, lock=True)
            if (row.sequence, row.edit, row.updated) != (draft.sequence, draft.edit, draft.updated):
                return False
            image, label, own = DraftImageRow, DraftLabelRow, DraftImageRow.draft_sequence == row.sequence
            removed = select(image.number).where(own, image.state == ImageState.REMOVED.value)
            session.execute(delete(label).where(label.draft_sequence == row.sequence, label.number.in_(removed)))
            session.execute(delete(image).where(own, image.state == ImageState.REMOVED.value))
            changed = update(image).where(own, image.state != ImageState.SAME.value)
            session.execute(changed.values(state=ImageState.SAME.value, base=None))
            session.execute(update(image).where(own, image.base.is_not(None)).values(base=None))
            tag = DraftTagRow
            session.execute(update(tag).where(tag.draft_sequence == row.sequence).values(base_name=tag.name))
            row.base_dataset, row.base_uris, row.changed = dataset_name, list(base_uris), 0
        return True

    def note_saved(self, draft: DraftRecord, digest: str) -> None:
        """Note the version that has a draft's content, unless somebody has changed the draft since `draft` was read."""
        row = DraftRow
        unchanged = (row.sequence == draft.sequence, row.edit == draft.edit, row.updated == draft.updated)
        with self._database.writing() as session:
            session.execute(update(row).where(*unchanged).values(saved_digest=digest, saved_updated=row.updated))

    @contextmanager
    def _editing(self, name: str, who: str) -> Iterator[tuple[Session, DraftRow, DraftEdit]]:
        """A transaction in which nobody else changes the draft."""
        with self._database.writing() as session:
            row = find_draft(session, name, lock=True)
            yield session, row, DraftEdit(session, row, who, self._database.now())

    def _records(self, query: Select[DraftRow]) -> list[DraftRecord]:
        with self._database.reading() as session:
            return [draft_record(row) for row in session.scalars(query)]


def _save(edit: DraftEdit, change: LabelChange) -> bool:
    row = edit.image(change.number)
    if row is None or row.state == ImageState.REMOVED.value:
        return False
    settled = bool(change.labels) or change.empty
    if edit.labels(row.number) == change.labels and row.settled == settled and row.theirs is None:
        return True
    if change.e_tag is not None and change.e_tag != str(row.revision):
        return False
    edit.set_labels(row, change.labels, settled=settled)
    return True


def _change(session: Session, row: DraftRow, action: BulkAction, tag: str | None) -> BulkChange:
    number = None if tag is None else tag_number(session, row.sequence, tag)
    return BulkChange(action, number, single=row.annotation_kind == AnnotationKind.IMAGE_CLASSIFICATION.value)


def _tag(edit: DraftEdit, name: str) -> DraftTagRow:
    tag = edit.find_tag(name)
    if tag is None:
        raise NotFound("tag", name)
    return tag


def _fill(session: Session, draft: DraftRow, dataset: str, content: int | BaseImages) -> None:
    """Give a new draft the images that it begins with."""
    if isinstance(content, BaseImages):
        write_base(session, draft, content)
    else:
        check_addresses(session, content, draft.container, dataset)
        copy_content(session, draft, content)
