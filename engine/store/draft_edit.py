"""Changes of one draft within one transaction, with its counts kept right."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from vision_customization.contract.drafts import ImageState
from vision_customization.engine.store.content_rows import name_digest
from vision_customization.engine.store.draft_pages import labels_of
from vision_customization.engine.store.draft_records import DraftLabel, NewDraftImage, labels_from_json, labels_to_json
from vision_customization.engine.store.draft_rows import image_row, label_rows
from vision_customization.engine.store.draft_tables import DraftImageRow, DraftLabelRow, DraftRow, DraftTagRow

ADDED_AT_ONCE = 500
"""Images of a batch: below SQLite's limit on parameters of a statement."""


class DraftEdit:
    """`draft` must be locked: then no other transaction changes its images, tags or counts. What changes nothing is not
    counted as a change of the draft."""

    def __init__(self, session: Session, draft: DraftRow, who: str, now: datetime) -> None:
        self._session = session
        self._draft = draft
        self._who = who
        self._now = now
        self._tags: dict[str, DraftTagRow] = {}
        self._begun = False

    def begin(self) -> None:
        """Count this change of the draft, unless it is counted. Whatever changes something calls it first."""
        if not self._begun:
            self._begun = True
            self._draft.updated = self._now
            self._draft.edit += 1
            self._draft.saved_digest = None

    def image(self, number: int) -> DraftImageRow | None:
        return self._session.get(DraftImageRow, (self._draft.sequence, number))

    def labels(self, number: int) -> tuple[DraftLabel, ...]:
        return tuple(labels_of(self._session, self._draft.sequence, [number]).get(number, ()))

    def set_labels(self, row: DraftImageRow, labels: Sequence[DraftLabel], *, settled: bool) -> None:
        """Replace the labels of an image that was not removed. That also settles a conflict."""
        self.begin()
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

    def add(self, images: Sequence[NewDraftImage]) -> list[tuple[int, bool]]:
        """Add a batch of images that the dataset does not have. For each, the result is its number, and whether it is new: an
        image that the draft has already stays as it is, and one that was removed is restored."""
        known = self._known([image.sha256 for image in images])
        found, new = list(known.values()), dict[str, NewDraftImage]()
        for image in images:
            if image.sha256 not in known:
                new.setdefault(image.sha256, image)
        numbers = self._insert([(image, image.labels) for image in new.values()], ImageState.NEW)
        known |= zip(new, numbers, strict=True)
        row = DraftImageRow
        removed = (row.draft_sequence == self._draft.sequence, row.number.in_(found), row.state == ImageState.REMOVED.value)
        for each in self._session.scalars(select(row).where(*removed)).all():
            self.restore(each)
        return [(known[image.sha256], new.get(image.sha256) is image) for image in images]

    def add_base(self, images: Sequence[tuple[NewDraftImage, Sequence[DraftLabel]]]) -> None:
        """Add a batch of images that the dataset has, with these labels."""
        self._insert(images, ImageState.SAME)

    def _known(self, digests: Sequence[str]) -> dict[str, int]:
        """The first number of each of these images that the draft has."""
        row = DraftImageRow
        chosen = (row.draft_sequence == self._draft.sequence, row.sha256.in_(digests))
        rows = self._session.execute(select(row.sha256, func.min(row.number)).where(*chosen).group_by(row.sha256))
        return {sha256: number for sha256, number in rows}  # noqa: C416 - rows are tuples only by shape

    def _insert(self, images: Sequence[tuple[NewDraftImage, Sequence[DraftLabel]]], state: ImageState) -> range:
        """Insert a batch of images; returns their numbers."""
        if images:
            self.begin()
        draft, rows, labelled = self._draft, [], []
        numbers = range(draft.next_number, draft.next_number + len(images))
        for number, (image, labels) in zip(numbers, images, strict=True):
            settled = image.settled or bool(labels)
            row = image_row(draft.sequence, number, image, state, settled=settled, edit=draft.edit)
            rows.append({**row, "changed_by": self._who, "changed": self._now})
            labelled += self._label_rows(number, labels)
            draft.unlabelled += not settled
            self._count_labels(labels, +1)
        draft.next_number = numbers.stop
        draft.images += len(images)
        draft.changed += len(images) * (state is not ImageState.SAME)
        for table, entries in ((DraftImageRow, rows), (DraftLabelRow, labelled)):
            if entries:
                self._session.execute(insert(table), entries)
        return numbers

    def remove(self, row: DraftImageRow) -> None:
        """Nothing if the image was removed already. A removed image keeps its labels, and can be restored."""
        if row.state == ImageState.REMOVED.value:
            return
        self.begin()
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
        self.begin()
        labels = self.labels(row.number)
        self._draft.images += 1
        self._count(row, labels, +1)
        # An image of the base has base labels since it was removed, at the latest.
        self._set_state(row, ImageState.NEW if row.base is None else ImageState.CHANGED)
        if row.base is not None:
            self._set_state(row, self._state_with(row, labels))
        self._touch(row)

    def tag(self, name: str) -> DraftTagRow:
        """The tag of this name, which is added if it does not exist."""
        found = self.find_tag(name)
        if found is None:
            self.begin()
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
        self.begin()
        self._tags.pop(tag.name, None)
        tag.name, tag.name_digest = name, name_digest(name)
        self._tags[name] = tag
        self._session.flush()

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
        row.edit = self._draft.edit
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
        if labels:
            self._session.execute(insert(row), self._label_rows(number, labels))

    def _label_rows(self, number: int, labels: Sequence[DraftLabel]) -> list[dict[str, Any]]:
        return label_rows(self._draft.sequence, number, labels, lambda tag: self.tag(tag).number)
