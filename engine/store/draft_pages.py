"""Queries on drafts, and pages of their images."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, func, select
from sqlalchemy.orm import Session

from vision_customization.contract.drafts import ImageChoice, ImageState
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.store.content_pages import box_of
from vision_customization.engine.store.content_rows import name_digest
from vision_customization.engine.store.database import Database, OneMoment, found
from vision_customization.engine.store.draft_differences import DraftDifferences, read_differences
from vision_customization.engine.store.draft_records import (
    DraftImageRecord,
    DraftImages,
    DraftLabel,
    DraftRecord,
    DraftTagRecord,
    labels_from_json,
)
from vision_customization.engine.store.draft_tables import DraftImageRow, DraftLabelRow, DraftRow, DraftTagRow

_BATCH = 500  # below SQLite's limit on parameters of a statement
_READ_AT_ONCE = 1000
_COUNTS = select(DraftRow.images, DraftRow.next_number).where(DraftRow.sequence == bindparam("draft"))
_COLUMNS = tuple(DraftImageRow.__table__.c)
LEFT: ColumnElement[bool] = DraftImageRow.state != ImageState.REMOVED.value
_CHOICES: dict[ImageChoice | None, tuple[ColumnElement[bool], ...]] = {
    None: (LEFT,),
    ImageChoice.UNLABELLED: (DraftImageRow.settled.is_(False), LEFT),
    ImageChoice.CHANGED: (DraftImageRow.state != ImageState.SAME.value,),
    ImageChoice.NEW: (DraftImageRow.state == ImageState.NEW.value,),
    ImageChoice.REMOVED: (DraftImageRow.state == ImageState.REMOVED.value,),
    ImageChoice.CONFLICTS: (DraftImageRow.theirs.is_not(None),),
}


class DraftPages:
    """The queries on drafts and their images. `draft` is the number in its record; of one that is gone, everything is empty."""

    def __init__(self, reads: Database | OneMoment) -> None:
        self._reads = reads

    def find(self, name: str) -> DraftRecord:
        """Raises NotFound."""
        with self._reads.reading() as session:
            return draft_record(find_draft(session, name))

    def tags(self, draft: int) -> Sequence[DraftTagRecord]:
        """All tags, in the order in which they were added; a dataset's own are sorted by name."""
        row = DraftTagRow
        with self._reads.reading() as session:
            rows = session.scalars(select(row).where(row.draft_sequence == draft).order_by(row.number)).all()
        return [DraftTagRecord(each.number, each.name, each.base_name, each.images, each.labels) for each in rows]

    def page(
        self, draft: int, start: int, count: int, *, tag: str | None = None, choice: ImageChoice | None = None
    ) -> DraftImages:
        """Images `start` to `start + count` of those that the filters select, by number."""
        row = DraftImageRow
        with self._reads.reading() as session:
            if choice is None:
                if tag is not None:
                    return _page_of_tag(session, draft, tag_number(session, draft, tag), start, count)
                images, numbered = session.execute(_COUNTS, {"draft": draft}).one_or_none() or (0, 0)
                if images == numbered:  # none was removed, so that an image's number is its place
                    return DraftImages(images, images_of(session, draft, range(start, min(start + count, images))))
            chosen = chosen_by(session, draft, tag, choice)
            total = session.scalar(select(func.count()).select_from(row).where(*chosen)) or 0
            numbers = session.scalars(select(row.number).where(*chosen).order_by(row.number).offset(start).limit(count)).all()
            return DraftImages(total, images_of(session, draft, numbers))

    def image(self, draft: int, number: int) -> DraftImageRecord | None:
        """The image with this number, also one that was removed; None if there is none."""
        with self._reads.reading() as session:
            return next(iter(images_of(session, draft, [number])), None)

    def next_unlabelled(self, draft: int, after: int) -> int | None:
        """The number of the next image that nobody has labelled, beginning again at the first; None if there is none."""
        row = DraftImageRow
        chosen = (row.draft_sequence == draft, *_CHOICES[ImageChoice.UNLABELLED])
        with self._reads.reading() as session:
            for more in ((row.number > after,), ()):
                number = session.scalar(select(row.number).where(*chosen, *more).order_by(row.number).limit(1))
                if number is not None:
                    return number
        return None

    def beside(
        self,
        draft: int,
        number: int,
        count: int,
        *,
        before: bool = False,
        tag: str | None = None,
        choice: ImageChoice | None = None,
    ) -> tuple[DraftImageRecord, ...]:
        """Up to `count` of the images that the filters select, those after a number, or before it: the nearest first."""
        row = DraftImageRow
        with self._reads.reading() as session:
            further = row.number < number if before else row.number > number
            chosen = (*chosen_by(session, draft, tag, choice), further)
            order = row.number.desc() if before else row.number
            numbers = session.scalars(select(row.number).where(*chosen).order_by(order).limit(count)).all()
            return images_of(session, draft, numbers)

    def known(self, draft: int, digests: Sequence[str]) -> dict[str, int]:
        """The number of each of these images that the draft has, by SHA-256, also of those that were removed."""
        row = DraftImageRow
        found: dict[str, int] = {}
        with self._reads.reading() as session:
            for start in range(0, len(digests), _BATCH):
                query = select(row.sha256, row.number).where(
                    row.draft_sequence == draft, row.sha256.in_(digests[start : start + _BATCH])
                )
                found |= {sha256: number for sha256, number in session.execute(query.order_by(row.number.desc()))}  # noqa: C416 - rows are tuples only by shape
        return found

    def with_digests(self, draft: int, digests: Sequence[str]) -> tuple[DraftImageRecord, ...]:
        """Those of these images that the draft has, also of those that were removed; of copies, the first."""
        numbers = self.known(draft, digests).values()
        with self._reads.reading() as session:
            return images_of(session, draft, sorted(numbers))

    def all_images(self, draft: int, *, removed: bool = False) -> Iterator[DraftImageRecord]:
        """All images by number, as they are at this moment; those that were removed only if asked for. They are read a thousand
        at a time."""
        row, last = DraftImageRow, -1
        with self._reads.snapshot() as session:
            while True:
                chosen = [row.draft_sequence == draft, row.number > last, *([] if removed else [LEFT])]
                images = session.execute(select(*_COLUMNS).where(*chosen).order_by(row.number).limit(_READ_AT_ONCE)).all()
                if not images:
                    return
                first, last = images[0].number, images[-1].number
                labels = labels_between(session, draft, first, last)
                yield from (record(image, labels.get(image.number, ())) for image in images)

    def differences(self, draft: int) -> DraftDifferences:
        """How a draft differs from what it began with."""
        with self._reads.snapshot() as session:
            return read_differences(session, draft)

    def copies(self, draft: int) -> frozenset[str]:
        """The SHA-256 of images that the draft has more than once, without those that were removed."""
        row = DraftImageRow
        query = select(row.sha256).where(row.draft_sequence == draft, LEFT).group_by(row.sha256).having(func.count() > 1)
        with self._reads.reading() as session:
            return frozenset(session.scalars(query))


def find_draft(session: Session, name: str, *, lock: bool = False) -> DraftRow:
    return found(session, select(DraftRow).where(DraftRow.name == name), "draft", name, lock=lock)


def draft_record(row: DraftRow) -> DraftRecord:
    return DraftRecord(
        sequence=row.sequence,
        id=row.id,
        name=row.name,
        annotation_kind=AnnotationKind(row.annotation_kind),
        dataset_name=row.dataset_name,
        base_dataset=row.base_dataset,
        base_uris=tuple(row.base_uris or ()),
        container=row.container,
        images=row.images,
        unlabelled=row.unlabelled,
        changed=row.changed,
        conflicts=row.conflicts,
        labels=row.labels,
        edit=row.edit,
        saved_digest=row.saved_digest if row.saved_updated == row.updated else None,
        created_by=row.created_by,
        created=row.created,
        updated=row.updated,
    )


def images_of(session: Session, draft: int, numbers: Sequence[int]) -> tuple[DraftImageRecord, ...]:
    """The images with these numbers, in this order."""
    row, found = DraftImageRow, dict[int, Row[Any]]()
    for start in range(0, len(numbers), _BATCH):
        query = select(*_COLUMNS).where(row.draft_sequence == draft, row.number.in_(numbers[start : start + _BATCH]))
        found |= {image.number: image for image in session.execute(query)}
    labels = labels_of(session, draft, list(found))
    return tuple(record(found[number], labels.get(number, ())) for number in numbers if number in found)


def record(row: Row[Any], labels: Sequence[DraftLabel]) -> DraftImageRecord:
    return DraftImageRecord(
        number=row.number,
        sha256=row.sha256,
        extension=row.extension,
        file_name=row.file_name,
        width=row.width,
        height=row.height,
        labels=tuple(labels),
        settled=row.settled,
        state=ImageState(row.state),
        revision=row.revision,
        base=None if row.base is None else labels_from_json(row.base),
        theirs=None if row.theirs is None else labels_from_json(row.theirs),
        changed_by=row.changed_by,
        changed=row.changed,
    )


def labels_of(session: Session, draft: int, numbers: Sequence[int], *, in_base: bool = False) -> dict[int, list[DraftLabel]]:
    """The labels by number of their image, in the order that people gave them; with `in_base`, with the names that their tags
    have in the dataset that the draft began with."""
    found: dict[int, list[DraftLabel]] = {}
    for start in range(0, len(numbers), _BATCH):
        chosen = DraftLabelRow.number.in_(numbers[start : start + _BATCH])
        found |= _labels(session, draft, chosen, in_base=in_base)
    return found


def _labels(session: Session, draft: int, chosen: ColumnElement[bool], *, in_base: bool = False) -> dict[int, list[DraftLabel]]:
    row, tag = DraftLabelRow, DraftTagRow
    name = func.coalesce(tag.base_name, tag.name) if in_base else tag.name
    query = (
        select(row.number, name, row.left, row.top, row.width, row.height)
        .join(tag, (tag.draft_sequence == row.draft_sequence) & (tag.number == row.tag))
        .where(row.draft_sequence == draft, chosen)
        .order_by(row.number, row.ordinal)
    )
    found = defaultdict[int, list[DraftLabel]](list)
    for number, name_, *sides in session.execute(query):
        found[number].append(DraftLabel(name_, box_of(*sides)))
    return found


def labels_between(session: Session, draft: int, first: int, last: int) -> dict[int, list[DraftLabel]]:
    """Like `labels_of`, of all images from one number to another."""
    return _labels(session, draft, DraftLabelRow.number.between(first, last))


def chosen_by(session: Session, draft: int, tag: str | None, choice: ImageChoice | None) -> tuple[ColumnElement[bool], ...]:
    """The conditions of the images that the filters select."""
    chosen = (DraftImageRow.draft_sequence == draft, *_CHOICES[choice])
    if tag is None:
        return chosen
    row = DraftLabelRow
    having = select(row.number).where(row.draft_sequence == draft, row.tag == tag_number(session, draft, tag))
    return (*chosen, DraftImageRow.number.in_(having))


def tag_number(session: Session, draft: int, tag: str) -> int:
    """The number of a tag; -1, which none has, if there is no such tag."""
    row = DraftTagRow
    number = session.scalar(select(row.number).where(row.draft_sequence == draft, row.name_digest == name_digest(tag)))
    return -1 if number is None else number


def _page_of_tag(session: Session, draft: int, tag: int, start: int, count: int) -> DraftImages:
    """A page of the images that have a tag. Only an index is walked through, and the few images that were removed left out."""
    label, image = DraftLabelRow, DraftImageRow
    total = session.scalar(select(DraftTagRow.images).where(DraftTagRow.draft_sequence == draft, DraftTagRow.number == tag))
    removed = select(image.number).where(image.draft_sequence == draft, image.state == ImageState.REMOVED.value)
    having = (label.draft_sequence == draft, label.tag == tag, label.number.not_in(removed))
    numbers = select(label.number).where(*having).distinct().order_by(label.number).offset(start).limit(count)
    return DraftImages(total or 0, images_of(session, draft, session.scalars(numbers).all()))
