"""Changes of one draft within one transaction, with its counts kept right."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from vision_customization.contract.drafts import ImageState
from vision_customization.engine.store.content_rows import name_digest
from vision_customization.engine.store.draft_pages import labels_of
from vision_customization.engine.store.draft_records import DraftLabel, NewDraftImage, labels_from_json, labels_to_json
from vision_customization.engine.store.tables import DraftImageRow, DraftLabelRow, DraftRow, DraftTagRow

_BATCH = 500  # below SQLite's limit on parameters of a statement


class DraftEdit:
    """`draft` must be locked: then no other transaction changes its images, tags or counts."""

    def __init__(self, session: Session, draft: DraftRow, who: str, now: datetime) -> None:
        self._session = session
        self._draft = draft
        self._who = who
        self._now = now
        self._tags: dict[str, DraftTagRow] = {}
        draft.updated = now

    def image(self, number: int) -> DraftImageRow | None:
        return self._session.get(DraftImageRow, (self._draft.sequence, number))

    def labels(self, number: int) -> tuple[DraftLabel, ...]:
        return tuple(labels_of(self._session, self._draft.sequence, [number]).get(number, ()))

    def set_labels(self, row: DraftImageRow, labels: Sequence[DraftLabel], *, settled: bool) -> None:
        """Replace the labels of an image that was not removed. That also settles a conflict."""
        before = self._remember_base(row)
        self._count(row, before, -1)
        self._write_labels(row.number, labels)
        row.settled = settled
        self._count(row, labels, +1)
        if row.theirs is not None:
            row.theirs = None
            self._draft.conflicts -= 1
        self._touch(row)
        self._set_state(row, self._state_with(row, labels))

    def add(self, image: NewDraftImage) -> int:
        """Add an image that the dataset does not have; returns its number."""
        return self._add(image, image.labels, ImageState.NEW)

    def add_base(self, image: NewDraftImage, labels: Sequence[DraftLabel]) -> int:
        """Add an image that the dataset has, with these labels; returns its number."""
        return self._add(image, labels, ImageState.SAME)

    def _add(self, image: NewDraftImage, labels: Sequence[DraftLabel], state: ImageState) -> int:
        draft = self._draft
        row = DraftImageRow(
            draft_sequence=draft.sequence,
            number=draft.next_number,
            sha256=image.sha256,
            extension=image.extension,
            file_name=image.file_name,
            width=image.width,
            height=image.height,
            state=state.value,
            settled=image.settled or bool(labels),
            revision=1,
            base=None,
            theirs=None,
            changed_by=self._who,
            changed=self._now,
        )
        draft.next_number += 1
        draft.images += 1
        draft.changed += state is not ImageState.SAME
        draft.unlabelled += not row.settled
        self._session.add(row)
        self._session.flush()
        self._write_labels(row.number, labels)
        self._count_labels(labels, +1)
        return row.number

    def remove(self, row: DraftImageRow) -> None:
        """Nothing if the image was removed already. A removed image keeps its labels, and can be restored."""
        if row.state == ImageState.REMOVED.value:
            return
        labels = self.labels(row.number)
        if row.state == ImageState.NEW.value:
            row.base = None
        else:
            self._remember_base(row)
        self._count(row, labels, -1)
        self._draft.images -= 1
        if row.theirs is not None:
            row.theirs = None
            self._draft.conflicts -= 1
        self._set_state(row, ImageState.REMOVED)
        self._touch(row)

    def restore(self, row: DraftImageRow) -> None:
        """Nothing if the image was not removed."""
        if row.state != ImageState.REMOVED.value:
            return
        labels = self.labels(row.number)
        self._draft.images += 1
        self._count(row, labels, +1)
        # An image of the base has base labels since it was removed, at the latest.
        self._set_state(row, ImageState.NEW if row.base is None else ImageState.CHANGED)
        if row.base is not None:
            self._set_state(row, self._state_with(row, labels))
        self._touch(row)

    def tag(self, name: str) -> DraftTagRow:
        """The tag of this name, which is added if there is none."""
        found = self.find_tag(name)
        if found is None:
            found = DraftTagRow(
                draft_sequence=self._draft.sequence,
                number=self._draft.next_tag,
                name=name,
                name_digest=name_digest(name),
                base_name=None,
                images=0,
                labels=0,
            )
            self._draft.next_tag += 1
            self._session.add(found)
            self._session.flush()
            self._tags[name] = found
        return found

    def find_tag(self, name: str) -> DraftTagRow | None:
        if name not in self._tags:
            row = DraftTagRow
            query = select(row).where(row.draft_sequence == self._draft.sequence, row.name_digest == name_digest(name))
            found = self._session.scalar(query)
            if found is None:
                return None
            self._tags[name] = found
        return self._tags[name]

    def rename(self, tag: DraftTagRow, name: str) -> None:
        """Give a tag another name, which no tag has."""
        self._tags.pop(tag.name, None)
        tag.name, tag.name_digest = name, name_digest(name)
        self._tags[name] = tag
        self._session.flush()

    def replace_tag(self, tag: DraftTagRow, other: DraftTagRow | None, *, single: bool) -> int:
        """Give the labels of `tag` another one, or delete them, and delete the tag; returns the number of images. With
        `single`, a tag is at most once on an image."""
        row, draft = DraftLabelRow, self._draft.sequence
        of_tag = (row.draft_sequence == draft, row.tag == tag.number)
        numbers = self._session.scalars(select(row.number).where(*of_tag).distinct().order_by(row.number)).all()
        for start in range(0, len(numbers), _BATCH):
            self._replace_tag_on(numbers[start : start + _BATCH], tag.name, None if other is None else other.name, single)
        if other is None:
            self._session.execute(delete(row).where(*of_tag))
        else:
            if single:
                has_both = select(row.number).where(row.draft_sequence == draft, row.tag == other.number)
                self._session.execute(delete(row).where(*of_tag, row.number.in_(has_both)))
            self._session.execute(update(row).where(*of_tag).values(tag=other.number))
        self._tags.pop(tag.name, None)
        self._session.delete(tag)
        self._session.flush()
        self._count_anew(other)
        return len(numbers)

    def _replace_tag_on(self, numbers: Sequence[int], name: str, other: str | None, single: bool) -> None:
        """What a batch of images becomes by a change of a tag, apart from the labels themselves."""
        row, draft = DraftImageRow, self._draft.sequence
        images = self._session.scalars(select(row).where(row.draft_sequence == draft, row.number.in_(numbers))).all()
        labels = labels_of(self._session, draft, numbers)
        in_base = labels_of(self._session, draft, numbers, in_base=True)
        for image in images:
            if image.base is None and image.state == ImageState.SAME.value:
                image.base = labels_to_json(in_base[image.number])
            after = _renamed(labels[image.number], name, other)
            after = list(dict.fromkeys(after)) if single else after
            image.settled = image.settled and bool(after)
            if image.state != ImageState.REMOVED.value:
                image.state = self._state_with(image, after).value
            self._touch(image)
        self._session.flush()
        for image in images:
            self._session.expunge(image)

    def _count_anew(self, tag: DraftTagRow | None) -> None:
        """The counts of the draft and of a tag, from its images and labels."""
        image, label, draft = DraftImageRow, DraftLabelRow, self._draft
        left = (image.draft_sequence == draft.sequence, image.state != ImageState.REMOVED.value)
        of_left = (label.draft_sequence == image.draft_sequence) & (label.number == image.number)

        def count(what: ColumnElement[int], *chosen: ColumnElement[bool]) -> int:
            return self._session.scalar(select(what).select_from(image).where(*chosen)) or 0

        draft.unlabelled = count(func.count(), *left, image.settled.is_(False))
        draft.changed = count(func.count(), image.draft_sequence == draft.sequence, image.state != ImageState.SAME.value)
        labels = select(func.count()).select_from(label).join(image, of_left).where(*left)
        draft.labels = self._session.scalar(labels) or 0
        if tag is not None:
            of_tag = select(func.count(label.number.distinct()), func.count()).join(image, of_left).where(*left)
            tag.images, tag.labels = self._session.execute(of_tag.where(label.tag == tag.number)).one()

    def take(self, row: DraftImageRow, labels: Sequence[DraftLabel], *, settled: bool) -> None:
        """The dataset has these labels now, and the draft had not changed the image: it is the same again."""
        self._count(row, self.labels(row.number), -1)
        self._write_labels(row.number, labels)
        row.settled = settled
        self._count(row, labels, +1)
        row.base = None
        self._set_state(row, ImageState.SAME)
        self._touch(row)

    def set_base(self, row: DraftImageRow, labels: Sequence[DraftLabel]) -> None:
        """The dataset has these labels now, and the draft keeps its own."""
        row.base = labels_to_json(labels)
        if row.state != ImageState.REMOVED.value:
            self._set_state(row, self._state_with(row, self.labels(row.number)))

    def unbase(self, row: DraftImageRow) -> None:
        """The dataset has the image no more, and the draft keeps it."""
        row.base = None
        if row.state != ImageState.REMOVED.value:
            self._set_state(row, ImageState.NEW)

    def conflict(self, row: DraftImageRow, theirs: Sequence[DraftLabel]) -> None:
        """Both sides have changed the image."""
        if row.theirs is None:
            self._draft.conflicts += 1
        row.theirs = labels_to_json(theirs)
        self._touch(row)

    def forget(self, row: DraftImageRow) -> None:
        """Delete an image that neither side has."""
        if row.state != ImageState.REMOVED.value:
            self._count(row, self.labels(row.number), -1)
            self._draft.images -= 1
        if row.theirs is not None:
            self._draft.conflicts -= 1
        self._set_state(row, ImageState.SAME)
        self._write_labels(row.number, ())
        self._session.delete(row)
        self._session.flush()

    def _state_with(self, row: DraftImageRow, labels: Iterable[DraftLabel]) -> ImageState:
        if row.base is None:
            return ImageState.NEW if row.state == ImageState.NEW.value else ImageState.SAME
        base = sorted(labels_from_json(row.base))
        names = self._base_names({label.tag for label in labels})
        same = sorted(DraftLabel(names[label.tag], label.box) for label in labels) == base
        return ImageState.SAME if same else ImageState.CHANGED

    def _base_names(self, names: set[str]) -> dict[str, str]:
        tags = {name: self.find_tag(name) for name in names}
        return {name: name if tag is None else tag.base_name or name for name, tag in tags.items()}

    def _remember_base(self, row: DraftImageRow) -> Sequence[DraftLabel]:
        """Keep the labels that an image of the base has, before its first change. Returns its labels."""
        if row.base is None and row.state == ImageState.SAME.value:
            number = row.number
            in_base = labels_of(self._session, self._draft.sequence, [number], in_base=True)
            row.base = labels_to_json(in_base.get(number, ()))
        return self.labels(row.number)

    def _set_state(self, row: DraftImageRow, state: ImageState) -> None:
        self._draft.changed += (state is not ImageState.SAME) - (row.state != ImageState.SAME.value)
        row.state = state.value

    def _touch(self, row: DraftImageRow) -> None:
        row.revision += 1
        row.changed_by, row.changed = self._who, self._now

    def _count(self, row: DraftImageRow, labels: Sequence[DraftLabel], sign: int) -> None:
        self._draft.unlabelled += sign * (not row.settled)
        self._count_labels(labels, sign)

    def _count_labels(self, labels: Sequence[DraftLabel], sign: int) -> None:
        self._draft.labels += sign * len(labels)
        for name, count in Counter(label.tag for label in labels).items():
            tag = self.tag(name)
            tag.images += sign
            tag.labels += sign * count

    def _write_labels(self, number: int, labels: Sequence[DraftLabel]) -> None:
        row, draft = DraftLabelRow, self._draft.sequence
        self._session.execute(delete(row).where(row.draft_sequence == draft, row.number == number))
        if not labels:
            return
        rows = []
        for ordinal, label in enumerate(labels):
            sides = label.box or (None, None, None, None)
            place = dict(zip(("left", "top", "width", "height"), sides, strict=True))
            rows.append(
                {"draft_sequence": draft, "number": number, "ordinal": ordinal, "tag": self.tag(label.tag).number, **place}
            )
        self._session.execute(insert(row), rows)


def _renamed(labels: Iterable[DraftLabel], tag: str, other: str | None) -> list[DraftLabel]:
    """The labels with `other` instead of `tag`, or without that tag."""
    kept = (label for label in labels if other is not None or label.tag != tag)
    return [DraftLabel(other, label.box) if other is not None and label.tag == tag else label for label in kept]
