"""A draft is merged with its dataset, which has changed meanwhile: nothing is overwritten without a word."""

from dataclasses import replace

import pytest

from tests.engine.store.test_drafts import BOX, BOXED, MANY, ONE, change, content, counts, draft_of, new, sha256, tags
from vision_customization.contract.drafts import ImageChoice, ImageState
from vision_customization.engine.store import Store
from vision_customization.engine.store.draft_merge import MergeCounts
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage


def theirs(number: int, *names: str) -> NewDraftImage:
    """An image of the dataset now."""
    return replace(new(number, *names), settled=bool(names))


def merged(store: Store, *images: NewDraftImage) -> MergeCounts:
    return store.drafts.merge("d", ["https://h/new.json"], images, "ada")


def shown(store: Store) -> dict[str, tuple[tuple[str, ...], ImageState, tuple[str, ...] | None]]:
    """Digest → labels, state, and what the dataset has if both sides changed it."""
    draft = store.drafts.find("d")
    return {
        image.sha256[-1]: (
            tuple(label.tag for label in image.labels),
            image.state,
            None if image.theirs is None else tuple(label.tag for label in image.theirs),
        )
        for image in store.drafts.all_images(draft.sequence, removed=True)
    }


SAME, CHANGED, NEW, REMOVED = ImageState.SAME, ImageState.CHANGED, ImageState.NEW, ImageState.REMOVED
Action = str | None
GONE = "-"


@pytest.mark.parametrize(
    ("mine", "now", "expected", "count"),
    [
        # The image had `ash`. What the draft did to it, what the dataset did, and what becomes of it.
        (None, "ash", (("ash",), SAME, None), None),
        (None, "oak", (("oak",), SAME, None), "taken"),
        (None, GONE, None, "removed"),
        ("oak", "ash", (("oak",), CHANGED, None), None),
        ("oak", "oak", (("oak",), SAME, None), None),
        ("oak", "elm", (("oak",), CHANGED, ("elm",)), "conflicts"),
        ("oak", GONE, (("oak",), NEW, None), "kept"),
        (GONE, "ash", (("ash",), REMOVED, None), None),
        (GONE, "oak", (("ash",), CHANGED, ("oak",)), "conflicts"),
        (GONE, GONE, None, None),
    ],
)
def test_an_image_of_both_sides(
    store: Store, mine: Action, now: str, expected: tuple[object, ...] | None, count: str | None
) -> None:
    draft_of(store, [content(1, (0, None))])
    if mine == GONE:
        store.drafts.remove("d", [1], "ada")
    elif mine is not None:
        store.drafts.label("d", [change(1, mine)], "ada")
    found = merged(store, *([] if now == GONE else [theirs(1, now)]))
    assert shown(store).get("1") == expected
    assert found == MergeCounts(**({} if count is None else {count: 1}))
    assert store.drafts.find("d").base_uris == ("https://h/new.json",)
    check_counts(store)


def check_counts(store: Store) -> None:
    """The counts are those of the images."""
    draft = store.drafts.find("d")
    every = list(store.drafts.all_images(draft.sequence, removed=True))
    left = [image for image in every if image.state is not REMOVED]
    assert counts(store) == (
        len(left),
        sum(not image.settled for image in left),
        sum(image.state is not SAME for image in every),
        sum(image.theirs is not None for image in every),
        sum(len(image.labels) for image in left),
    )
    assert store.drafts.page(draft.sequence, 0, 1, choice=ImageChoice.CONFLICTS).total == draft.conflicts


@pytest.mark.parametrize(
    ("mine", "now", "expected", "count"),
    [
        (("ash",), ("ash",), (("ash",), SAME, None), None),
        ((), ("ash",), (("ash",), SAME, None), "taken"),
        (("ash",), ("oak",), (("ash",), CHANGED, ("oak",)), "conflicts"),
        (("ash",), (), (("ash",), CHANGED, ()), "conflicts"),
    ],
)
def test_a_picture_that_came_into_both(
    store: Store, mine: tuple[str, ...], now: tuple[str, ...], expected: tuple[object, ...], count: str | None
) -> None:
    store.drafts.create("d", ONE, "d", "https://h/c", "ada")
    store.drafts.add("d", [new(1, *mine)], "ada")
    assert merged(store, theirs(1, *now)) == MergeCounts(**({} if count is None else {count: 1}))
    assert shown(store)["1"] == expected
    check_counts(store)


def test_what_only_one_side_has(store: Store) -> None:
    draft_of(store, [content(0, (0, None))])
    store.drafts.add("d", [new(2, "oak")], "ada")
    assert merged(store, theirs(0, "ash"), theirs(3, "elm")) == MergeCounts(added=1)
    assert shown(store) == {"0": (("ash",), SAME, None), "2": (("oak",), NEW, None), "3": (("elm",), SAME, None)}
    assert tags(store) == {"ash": (1, 1), "beech": (0, 0), "oak": (1, 1), "elm": (1, 1)}
    check_counts(store)


def test_a_tag_that_the_draft_renamed_is_the_same_tag(store: Store) -> None:
    draft_of(store, [content(1, (0, None)), content(2, (1, None))], MANY)
    store.drafts.rename_tag("d", "ash", "oak", "ada")
    merged(store, theirs(1, "ash"), theirs(2, "ash", "beech"))
    assert shown(store) == {"1": (("oak",), SAME, None), "2": (("oak", "beech"), SAME, None)}
    assert tags(store) == {"oak": (2, 2), "beech": (1, 1)}


def test_a_conflict_is_settled_by_labels(store: Store) -> None:
    draft_of(store, [content(1, (0, None))])
    store.drafts.label("d", [change(1, "oak")], "ada")
    merged(store, theirs(1, "elm"))
    for labels in (("oak",), ("elm",)):  # mine, theirs
        assert store.drafts.find("d").conflicts == (labels == ("oak",))
        store.drafts.label("d", [change(1, *labels)], "ada")
    assert shown(store)["1"] == (("elm",), SAME, None)
    check_counts(store)


def test_a_moved_box_is_a_change(store: Store) -> None:
    draft_of(store, [content(1, (0, BOX))], BOXED)
    moved = (0.2, 0.2, 0.3, 0.4)
    store.drafts.label("d", [LabelChange(1, (DraftLabel("ash", moved),))], "ada")
    other = replace(theirs(1), labels=(DraftLabel("ash", (0.3, 0.2, 0.3, 0.4)),), settled=True)
    assert merged(store, other) == MergeCounts(conflicts=1)
    check_counts(store)


def test_the_same_picture_twice_stays_twice(store: Store) -> None:
    twice = [content(0, (0, None)), content(1, (1, None))]
    twice[1] = twice[1]._replace(url=twice[0].url)
    draft_of(store, twice)
    assert merged(
        store, replace(theirs(0, "ash"), sha256=sha256(0)), replace(theirs(0, "oak"), sha256=sha256(0))
    ) == MergeCounts(taken=1)
    draft = store.drafts.find("d")
    assert [image.labels[0].tag for image in store.drafts.all_images(draft.sequence)] == ["ash", "oak"]
