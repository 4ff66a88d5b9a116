"""A change of many images of a draft at once: statements that each change all of them, so that 100,000 take seconds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import (
    ColumnElement,
    Table,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session

from vision_customization.contract.drafts import BulkAction, ImageChoice, ImageState
from vision_customization.engine.store.draft_pages import LEFT, labels_of
from vision_customization.engine.store.draft_records import labels_from_json, labels_to_json
from vision_customization.engine.store.draft_tables import DraftImageRow, DraftLabelRow, DraftRow, DraftTagRow

Report = Callable[[int, int], None]
"""Called with how many images were gone through, and how many there are."""


def unreported(done: int, of: int) -> None:
    """A report that nobody waits for."""


NAMES_MAX = 10
"""Files of images that are named."""
_AT_ONCE = 2000

# Statements on tables, not on their classes: the session keeps no image.
_IMAGES, _LABELS = cast("Table", DraftImageRow.__table__), cast("Table", DraftLabelRow.__table__)
_image, _label = _IMAGES.c, _LABELS.c
_SAME, _CHANGED, _NEW, _REMOVED = (
    state.value for state in (ImageState.SAME, ImageState.CHANGED, ImageState.NEW, ImageState.REMOVED)
)
_HAS_LABELS = exists().where(_label.draft_sequence == _image.draft_sequence, _label.number == _image.number)


@dataclass(frozen=True, slots=True)
class BulkCounts:
    """What a change does to the images that a filter selects. `changed` become other than they were, `already` are so, and
    `left` are left alone: they were removed, or both sides changed them. `others` are left alone because somebody changed them
    after they were read; `names` are the files of the first of these."""

    changed: int
    already: int
    left: int
    others: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Images of a draft: those with a tag and of a choice, as far as their last change is not after that of the number
    `seen`."""

    tag: str | None = None
    only: ImageChoice | None = None
    seen: int | None = None


@dataclass(frozen=True, slots=True)
class BulkChange:
    """`tag` is the number of the tag that is given or taken; `single` is set if an image has one tag at most."""

    action: BulkAction
    tag: int | None = None
    single: bool = False

    @property
    def reaches(self) -> ColumnElement[bool]:
        """Images that can be changed so."""
        if self.action is BulkAction.RESTORE:
            return true()
        return LEFT if self.action is BulkAction.REMOVE else and_(LEFT, _image.theirs.is_(None))

    @property
    def concerns(self) -> ColumnElement[bool]:
        """Images that become other than they were."""
        has_tag = and_(_HAS_LABELS.where(_label.tag == self.tag))
        return {
            BulkAction.GIVE: ~has_tag,
            BulkAction.TAKE: has_tag,
            BulkAction.CLEAR: _HAS_LABELS,
            BulkAction.REMOVE: LEFT,
            BulkAction.RESTORE: _image.state == _REMOVED,
        }[self.action]


def count_change(
    session: Session, draft: int, change: BulkChange, chosen: Sequence[ColumnElement[bool]], seen: int | None
) -> BulkCounts:
    """What a change would do to the images that are `chosen`, of which those are left alone whose last change is after
    `seen`."""
    own = (_image.draft_sequence == draft, *chosen)
    concerned, unseen = and_(change.reaches, change.concerns), _unseen(seen)
    counts = select(
        func.count(),
        func.count(case((and_(concerned, ~unseen), 1))),
        func.count(case((and_(concerned, unseen), 1))),
        func.count(case((~change.reaches, 1))),
    )
    every, changed, others, left = session.execute(counts.select_from(_IMAGES).where(*own)).one()
    names = ()
    if others:
        found = select(_image.file_name).where(*own, concerned, unseen).order_by(_image.number).limit(NAMES_MAX)
        names = tuple(session.scalars(found))
    return BulkCounts(changed, every - changed - others - left, left, others, names)


def concerned_images(change: BulkChange, seen: int | None) -> tuple[ColumnElement[bool], ...]:
    """Those that a change makes other than they were, without those whose last change is after `seen`."""
    return change.reaches, change.concerns, ~_unseen(seen)


def _unseen(seen: int | None) -> ColumnElement[bool]:
    return false() if seen is None else _image.edit > seen


class BulkEdit:
    """One change of a draft, which is locked. First `mark` the images: everything else changes those that are marked, which
    have the number of this change."""

    def __init__(self, session: Session, draft: DraftRow, who: str, now: datetime, report: Report = unreported) -> None:
        self._session = session
        self._draft = draft
        self._who = who
        self._now = now
        self._report = report
        self._own = _image.draft_sequence == draft.sequence
        self._marked = and_(self._own, _image.edit == draft.edit)
        self._count = 0

    def mark(self, *chosen: ColumnElement[bool]) -> int:
        """Returns how many images are chosen."""
        values = {"edit": self._draft.edit, "revision": _image.revision + 1, "changed_by": self._who, "changed": self._now}
        self._count = self._session.execute(update(_IMAGES).where(self._own, *chosen).values(values)).rowcount  # type: ignore[attr-defined]
        return self._count

    def apply(self, change: BulkChange) -> None:
        if change.action is BulkAction.RESTORE:
            self._restore()
        else:
            self._remember_base()
            if change.action is BulkAction.REMOVE:
                self._set(state=_REMOVED, theirs=None)
            else:
                self._relabel(change)
                self._find_states()
        self.count_again()

    def replace_tag(self, tag: DraftTagRow, other: DraftTagRow | None, *, single: bool) -> int:
        """Give the labels of `tag` another one, or delete them, and delete the tag; returns the number of images, also of those
        that were removed. With `single`, a tag is at most once on an image."""
        of_tag = and_(_label.draft_sequence == self._draft.sequence, _label.tag == tag.number)
        count = self.mark(_image.number.in_(select(_label.number).where(of_tag)))
        self._remember_base()
        if other is None:
            self._session.execute(delete(_LABELS).where(of_tag))
            self._set(_image.settled, settled=_HAS_LABELS)
        else:
            if single:
                has_both = select(_label.number).where(
                    _label.draft_sequence == self._draft.sequence, _label.tag == other.number
                )
                self._session.execute(delete(_LABELS).where(of_tag, _label.number.in_(has_both)))
            self._session.execute(update(_LABELS).where(of_tag).values(tag=other.number))
        self._session.delete(tag)
        self._session.flush()
        self._find_states()
        self.count_again()
        return count

    def count_again(self) -> None:
        """The counts of the draft and of its tags, from its images and labels."""
        draft, left = self._draft, LEFT
        draft.images, draft.unlabelled, draft.changed, draft.conflicts = self._session.execute(
            select(
                func.count(case((left, 1))),
                func.count(case((and_(left, ~_image.settled), 1))),
                func.count(case((_image.state != _SAME, 1))),
                func.count(_image.theirs),
            ).where(self._own)
        ).one()
        removed = select(_image.number).where(self._own, _image.state == _REMOVED)
        query = select(_label.tag, func.count(_label.number.distinct()), func.count()).where(
            _label.draft_sequence == draft.sequence, _label.number.not_in(removed)
        )
        counts = {tag: (images, labels) for tag, images, labels in self._session.execute(query.group_by(_label.tag))}
        for tag in self._session.scalars(select(DraftTagRow).where(DraftTagRow.draft_sequence == draft.sequence)):
            tag.images, tag.labels = counts.get(tag.number, (0, 0))
        draft.labels = sum(labels for _, labels in counts.values())

    def _relabel(self, change: BulkChange) -> None:
        numbers = select(_image.number).where(self._marked)
        own = and_(_label.draft_sequence == self._draft.sequence, _label.number.in_(numbers))
        if change.action is BulkAction.TAKE:
            self._session.execute(delete(_LABELS).where(own, _label.tag == change.tag))
            self._set(settled=_HAS_LABELS)
            return
        if change.single or change.action is BulkAction.CLEAR:
            self._session.execute(delete(_LABELS).where(own))
        if change.action is BulkAction.GIVE:
            other = _LABELS.alias()
            last = select(func.max(other.c.ordinal)).where(
                other.c.draft_sequence == _image.draft_sequence, other.c.number == _image.number
            )
            given = select(
                _image.draft_sequence, _image.number, func.coalesce(last.scalar_subquery() + 1, 0), literal(change.tag)
            ).where(self._marked)
            columns = ("draft_sequence", "number", "ordinal", "tag")
            self._session.execute(insert(_LABELS).from_select(columns, given))
        self._set(settled=change.action is BulkAction.GIVE)

    def _restore(self) -> None:
        self._set(_image.base.is_(None), state=_NEW)
        self._set(_image.base.is_not(None), state=_CHANGED)
        self._find_states()

    def _remember_base(self) -> None:
        """Keep the labels that images of the base have, before their first change. They are changed from then on."""
        without = and_(self._marked, _image.state == _SAME, _image.base.is_(None))
        keep = _update_by_number(self._draft.sequence, base=bindparam("text"), state=_CHANGED)
        for numbers in self._batches(without):
            labels = labels_of(self._session, self._draft.sequence, numbers, in_base=True)
            self._session.execute(keep, [{"at": number, "text": labels_to_json(labels.get(number, ()))} for number in numbers])

    def _find_states(self) -> None:
        """Which images have the labels of the base again, and which no longer have them."""
        based = and_(self._marked, _image.base.is_not(None), _image.state.in_((_SAME, _CHANGED)))
        states = _update_by_number(self._draft.sequence, state=bindparam("to"))
        for numbers in self._batches(based):
            labels = labels_of(self._session, self._draft.sequence, numbers, in_base=True)
            query = select(_image.number, _image.base, _image.state).where(
                based, _image.number.between(numbers[0], numbers[-1])
            )
            changes = []
            for number, base, state in self._session.execute(query).all():
                same = sorted(labels.get(number, ())) == sorted(labels_from_json(base))
                if (state == _SAME) != same:
                    changes.append({"at": number, "to": _SAME if same else _CHANGED})
            if changes:
                self._session.execute(states, changes)

    def _batches(self, chosen: ColumnElement[bool]) -> Iterable[Sequence[int]]:
        """The numbers of images, some at a time."""
        last, done = -1, 0
        query = select(_image.number).order_by(_image.number).limit(_AT_ONCE)
        while numbers := self._session.scalars(query.where(chosen, _image.number > last)).all():
            yield numbers
            last, done = numbers[-1], done + len(numbers)
            self._report(done, self._count)

    def _set(self, *chosen: ColumnElement[bool], **values: object) -> None:
        """Set values of marked images."""
        self._session.execute(update(_IMAGES).where(self._marked, *chosen).values(values))


def _update_by_number(draft: int, **values: object) -> Update:
    """A statement for many images: `at` is the number of each."""
    return update(_IMAGES).where(_image.draft_sequence == draft, _image.number == bindparam("at")).values(values)
