"""Changes of many images at once do what the same changes do one image after the other."""

import random
from itertools import count

import pytest

from tests.engine.store.test_drafts import BOX, BOXED, CONTAINER, MANY, ONE, content, draft_of, sha256
from vision_customization.contract.drafts import BulkAction, ImageChoice, ImageState
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.store import DraftImageRecord, NotFound, Store, draft_pages
from vision_customization.engine.store.draft_bulk import NAMES_MAX, BulkCounts, Chosen
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage

ASH, BEECH = 0, 1
IMAGES = 24
TAGS = ("ash", "beech", "oak")


def two_drafts(store: Store, kind: AnnotationKind, seed: int) -> None:
    """The drafts `a` and `b`, which are the same: images of a dataset and new ones, labelled, changed, changed back and
    removed."""
    box = BOX if kind is BOXED else None
    found = [content(number, *([(number % 2, box)] if number % 3 else [])) for number in range(IMAGES)]
    for name in ("a", "b"):
        draft_of(store, found, kind, name)
        new = [NewDraftImage(sha256(100 + number), ".png", f"n{number}.png", 8.0, 8.0) for number in range(6)]
        store.drafts.add(name, new, "ada")
        random_ = random.Random(seed)
        for number in random_.sample(range(IMAGES + 6), 15):
            tags = random_.sample(TAGS, random_.randrange(3 if kind is not ONE else 2))
            labels = tuple(DraftLabel(tag, box) for tag in tags)
            store.drafts.label(name, [LabelChange(number, labels, empty=random_.random() < 0.3)], "ada")
        store.drafts.remove(name, random_.sample(range(IMAGES + 6), 5), "ada")


def all_of(store: Store, name: str) -> list[tuple[object, ...]]:
    """What a draft holds, without who changed what when and how often."""
    draft = store.drafts.find(name).sequence
    return [
        (image.number, sorted(image.labels), image.settled, image.state, image.base and sorted(image.base), image.theirs)
        for image in store.drafts.all_images(draft, removed=True)
    ]


def counted(store: Store, name: str) -> dict[str, object]:
    found = store.drafts.find(name)
    tags = {tag.name: (tag.images, tag.labels) for tag in store.drafts.tags(found.sequence) if len(tag.name) < 100}
    return {"draft": (found.images, found.unlabelled, found.changed, found.conflicts, found.labels), "tags": tags}


def one_by_one(store: Store, name: str, action: BulkAction, tag: str, chosen: Chosen, kind: AnnotationKind) -> int:
    """The same change by calls for one image each; returns how many images changed."""
    changed = 0
    draft = store.drafts.find(name)
    for image in store.drafts.page(draft.sequence, 0, 200, tag=chosen.tag, choice=chosen.only).images:
        if action in (BulkAction.REMOVE, BulkAction.RESTORE):
            if (image.state is ImageState.REMOVED) is (action is BulkAction.RESTORE):
                store.drafts.remove(name, [image.number], "ada", restore=action is BulkAction.RESTORE)
                changed += 1
        elif image.state is not ImageState.REMOVED and (labels := labels_after(image, action, tag, kind)) is not None:
            store.drafts.label(name, [LabelChange(image.number, labels)], "ada")
            changed += 1
    return changed


def labels_after(image: DraftImageRecord, action: BulkAction, tag: str, kind: AnnotationKind) -> tuple[DraftLabel, ...] | None:
    """None if the image is so already."""
    has = any(label.tag == tag for label in image.labels)
    if action is BulkAction.GIVE:
        return None if has else (DraftLabel(tag),) if kind is ONE else (*image.labels, DraftLabel(tag))
    if action is BulkAction.TAKE:
        return tuple(label for label in image.labels if label.tag != tag) if has else None
    return () if image.labels else None


@pytest.mark.parametrize("only", [None, ImageChoice.CHANGED, ImageChoice.REMOVED, ImageChoice.UNLABELLED])
@pytest.mark.parametrize("action", list(BulkAction))
@pytest.mark.parametrize("kind", [ONE, MANY])
def test_a_bulk_change_is_many_single_ones(
    store: Store, kind: AnnotationKind, action: BulkAction, only: ImageChoice | None
) -> None:
    two_drafts(store, kind, seed=len(action) + len(only or ""))
    chosen = Chosen(tag="ash" if only is None else None, only=only)
    tag = "ash" if action is BulkAction.TAKE else "oak"
    given = tag if action in (BulkAction.GIVE, BulkAction.TAKE) else None
    preview = store.drafts.preview_change("a", action, given, chosen)
    before = all_of(store, "a")
    result = store.drafts.change("a", action, given, chosen, "ada")
    assert result == preview
    assert result.changed == one_by_one(store, "b", action, tag, chosen, kind)
    assert all_of(store, "a") == all_of(store, "b")
    assert counted(store, "a") == counted(store, "b")
    assert sum(one != other for one, other in zip(before, all_of(store, "a"), strict=True)) == result.changed


@pytest.mark.parametrize("other", ["beech", None])
@pytest.mark.parametrize("kind", [ONE, MANY, BOXED])
def test_a_tag_is_replaced_on_all_images(store: Store, kind: AnnotationKind, other: str | None) -> None:
    two_drafts(store, kind, seed=7)
    reported = []
    had = sum(any(label.tag == "ash" for label in labels) for _, labels, *_ in all_of(store, "a"))  # type: ignore[attr-defined]
    if other is None:
        assert store.drafts.delete_tag("a", "ash", "ada", report=lambda *at: reported.append(at)) == had
    else:
        assert store.drafts.rename_tag("a", "ash", other, "ada", merge=True, report=lambda *at: reported.append(at)) == had
    assert reported
    assert all(done <= of == had for done, of in reported)
    draft = store.drafts.find("b").sequence
    for image in store.drafts.all_images(draft):
        if any(label.tag == "ash" for label in image.labels):
            kept = [label for label in image.labels if label.tag != "ash" or other is not None]
            labels = tuple(
                DraftLabel(other if label.tag == "ash" else label.tag, label.box) for label in kept if other or label
            )  # type: ignore[arg-type]
            labels = labels if kind is BOXED else tuple(dict.fromkeys(labels))
            store.drafts.label("b", [LabelChange(image.number, labels)], "ada")
    left = [row for row in all_of(store, "a") if row[3] is not ImageState.REMOVED]
    assert left == [row for row in all_of(store, "b") if row[3] is not ImageState.REMOVED]
    assert counted(store, "a")["draft"] == counted(store, "b")["draft"]
    tags = counted(store, "b")["tags"]
    assert isinstance(tags, dict)
    assert tags.pop("ash") == (0, 0)
    assert counted(store, "a")["tags"] == tags


def test_what_changed_after_it_was_read_is_left_and_named(store: Store) -> None:
    draft_of(store, [content(number, (ASH, None)) for number in range(20)])
    seen = store.drafts.find("d").edit
    for number in range(12):
        store.drafts.label("d", [LabelChange(number, (DraftLabel("oak" if number else "beech"),))], "eve")
    result = store.drafts.change("d", BulkAction.GIVE, "beech", Chosen(seen=seen), "ada")
    names = tuple(f"{number}.jpg" for number in range(1, 1 + NAMES_MAX))
    assert result == BulkCounts(changed=8, already=1, left=0, others=11, names=names)
    labels = [image.labels[0].tag for image in store.drafts.all_images(store.drafts.find("d").sequence)]
    assert labels == ["beech"] + ["oak"] * 11 + ["beech"] * 8
    again = store.drafts.change("d", BulkAction.GIVE, "beech", Chosen(seen=store.drafts.find("d").edit), "ada")
    assert (again.changed, again.others) == (11, 0)


def test_a_change_of_few_images_reads_the_labels_of_these_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    draft_of(store, [content(number, (BEECH if number in (0, 39) else ASH, None)) for number in range(40)])
    read = []
    monkeypatch.setattr(draft_pages, "box_of", lambda *sides: read.append(sides))
    assert store.drafts.change("d", BulkAction.GIVE, "ash", Chosen(tag="beech"), "ada").changed == 2
    assert len(read) == 4, "the labels of two images, before the change and after it"


def test_an_image_that_gets_its_own_labels_again_is_the_same(store: Store) -> None:
    draft_of(store, [content(number, (ASH, None)) for number in range(5)])
    store.drafts.change("d", BulkAction.GIVE, "beech", Chosen(), "ada")
    assert store.drafts.find("d").changed == 5
    store.drafts.change("d", BulkAction.GIVE, "ash", Chosen(), "ada")
    assert store.drafts.find("d").changed == 0


def test_a_tag_that_does_not_exist_is_not_taken(store: Store) -> None:
    draft_of(store, [content(0, (ASH, None))], MANY)
    with pytest.raises(NotFound):
        store.drafts.change("d", BulkAction.TAKE, "no", Chosen(), "ada")


def test_many_images_are_added_in_batches(store: Store) -> None:
    """Copies, known images and removed ones included, across the bounds of batches."""
    store.drafts.create("d", ONE, "d", CONTAINER, "ada")
    numbers = count()

    def image(number: int, *tags: str) -> NewDraftImage:
        return NewDraftImage(sha256(number), ".png", f"{next(numbers)}.png", 8.0, 8.0, tuple(map(DraftLabel, tags)))

    assert store.drafts.add("d", [image(0, "ash"), image(1)], "ada") == [(0, True), (1, True)]
    store.drafts.remove("d", [0], "ada")
    images = [image(number % 1200, "oak") for number in range(1300)]
    added = store.drafts.add("d", images, "ada")
    assert added[:3] == [(0, False), (1, False), (2, True)]
    assert [number for number, _ in added] == [number % 1200 for number in range(1300)]
    assert sum(new for _, new in added) == 1198
    draft = store.drafts.find("d")
    assert (draft.images, draft.unlabelled, draft.labels, draft.changed) == (1200, 1, 1199, 1200)
    assert {tag.name: tag.images for tag in store.drafts.tags(draft.sequence)} == {"ash": 1, "oak": 1198}
