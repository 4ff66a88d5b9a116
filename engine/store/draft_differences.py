"""How a draft differs from what it began with. The database counts; only images that were changed or removed are read."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vision_customization.contract.drafts import ImageState
from vision_customization.engine.store.draft_tables import DraftImageRow, DraftLabelRow, DraftTagRow

Tags = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DraftDifferences:
    """The differences between two moments: when the draft began, or was saved or merged last, and now.

    `images` and `tags` are counts then and now: of images, and of the labels of each tag, by its name at that moment. `added`
    and `removed` count images, and their labels by tag. `changed` has the sorted tags of each changed image then and now; if
    they are equal, its boxes differ. `renamed` is (old name, new name, images) of tags that have another name now.
    """

    images: tuple[int, int]
    tags: Mapping[str, tuple[int, int]]
    added: tuple[int, Mapping[str, int]]
    removed: tuple[int, Mapping[str, int]]
    changed: Sequence[tuple[Tags, Tags]]
    renamed: Sequence[tuple[str, str, int]]


def read_differences(session: Session, draft: int) -> DraftDifferences:
    tag, image, label = DraftTagRow, DraftImageRow, DraftLabelRow
    tags = session.execute(
        select(tag.number, tag.name, tag.base_name, tag.labels).where(tag.draft_sequence == draft).order_by(tag.number)
    ).all()
    names = {number: name for number, name, _, _ in tags}
    of_image = (label.draft_sequence == image.draft_sequence) & (label.number == image.number)
    labels = select(label.tag, func.count()).join(image, of_image).where(image.draft_sequence == draft).group_by(label.tag)
    states = {state: count for state, count in session.execute(  # noqa: C416 - rows are tuples only by shape
        select(image.state, func.count()).where(image.draft_sequence == draft).group_by(image.state)
    )}  # fmt: skip
    added = {number: count for number, count in session.execute(labels.where(image.state == ImageState.NEW.value))}  # noqa: C416
    removed = _removed(session, draft)
    changed = _changed(session, draft, names)

    before = Counter(tag for then in (*removed, *(then for then, _ in changed)) for tag in then)
    in_changed = Counter(tag for _, now in changed for tag in now)
    renamed = []
    for number, name, base_name, count in tags:
        old, same = base_name or name, count - added.get(number, 0) - in_changed[name]
        before[old] += same
        if old != name:
            images = _same_images_with(session, draft, number) if same else 0
            images += sum(old in then and name in now for then, now in changed)
            renamed += [(old, name, images)] if images else []
    after = {name: count for _, name, _, count in tags}
    new, gone = states.get(ImageState.NEW.value, 0), len(removed)
    left = sum(count for state, count in states.items() if state != ImageState.REMOVED.value)
    return DraftDifferences(
        images=(left - new + gone, left),
        tags={name: (before[name], after.get(name, 0)) for name in sorted({*before, *after})},
        added=(new, {names[number]: count for number, count in added.items()}),
        removed=(gone, Counter(tag for then in removed for tag in then)),
        changed=changed,
        renamed=renamed,
    )


def _removed(session: Session, draft: int) -> list[Tags]:
    """The tags of each image that the draft began with and no longer has."""
    row = DraftImageRow
    query = select(row.base).where(row.draft_sequence == draft, row.state == ImageState.REMOVED.value, row.base.is_not(None))
    return [_tags_of(base) for base in session.scalars(query)]


def _changed(session: Session, draft: int, names: Mapping[int, str]) -> list[tuple[Tags, Tags]]:
    image, label = DraftImageRow, DraftLabelRow
    chosen = (image.draft_sequence == draft, image.state == ImageState.CHANGED.value)
    of_image = (label.draft_sequence == image.draft_sequence) & (label.number == image.number)
    now: defaultdict[int, list[str]] = defaultdict(list)
    for number, tag in session.execute(select(label.number, label.tag).join(image, of_image).where(*chosen)):
        now[number].append(names[tag])
    rows = session.execute(select(image.number, image.base).where(*chosen).order_by(image.number))
    return [(_tags_of(base), _sorted(now.get(number, ()))) for number, base in rows]


def _same_images_with(session: Session, draft: int, tag: int) -> int:
    image, label = DraftImageRow, DraftLabelRow
    of_image = (label.draft_sequence == image.draft_sequence) & (label.number == image.number)
    query = select(func.count(label.number.distinct())).join(image, of_image)
    same = (label.draft_sequence == draft, label.tag == tag, image.state == ImageState.SAME.value)
    return session.scalar(query.where(*same)) or 0


@lru_cache(256)  # images without boxes have few texts; others do not profit
def _tags_of(base: str | None) -> Tags:
    return _sorted(tag for tag, _ in json.loads(base or "[]"))


def _sorted(tags: Iterable[str]) -> Tags:
    return tuple(sorted(tags))
