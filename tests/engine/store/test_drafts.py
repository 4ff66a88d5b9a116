"""Drafts: their images, labels and tags, and counts that never go wrong."""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.engine.store.indexed import filled
from vision_customization.contract.coco.document import Box
from vision_customization.contract.drafts import ImageChoice, ImageState
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.store import AlreadyExists, DraftRecord, ImagesElsewhere, NotFound, Store
from vision_customization.engine.store.content_rows import NewImage
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage

CONTAINER = "https://account.blob.core.windows.net/training"
BOX: Box = (0.1, 0.2, 0.3, 0.4)
ONE, MANY, BOXED = (
    AnnotationKind.IMAGE_CLASSIFICATION,
    AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
    AnnotationKind.IMAGE_OBJECT_DETECTION,
)


def sha256(number: int) -> str:
    return f"{number:064x}"


def content(number: int, *labels: tuple[int, Box | None]) -> NewImage:
    url = f"{CONTAINER}/images/{sha256(number)}.jpg"
    return NewImage(number, url, f"{number}.jpg", 640.0, 480.0, list(labels), [])


def new(number: int, *tags: str) -> NewDraftImage:
    return NewDraftImage(sha256(number), ".png", f"{number}.png", 8.0, 8.0, tuple(map(DraftLabel, tags)))


def draft_of(store: Store, found: list[NewImage], kind: AnnotationKind = ONE, name: str = "d") -> DraftRecord:
    """A draft of a dataset with this content. The tags are ash, beech and one of 3,000 characters."""
    uris = [f"{CONTAINER}/annotations/1.json"]
    store.datasets.create(name, kind, uris)
    look = store.content.look(name)
    assert look.created is not None
    record = filled(store, look.created, found)
    return store.drafts.create(name, kind, name, CONTAINER, "ada", base=(name, uris, record.index))


def counts(store: Store, name: str = "d") -> tuple[int, int, int, int, int]:
    """Images, unlabelled, changed, conflicts, labels."""
    found = store.drafts.find(name)
    return found.images, found.unlabelled, found.changed, found.conflicts, found.labels


def tags(store: Store, name: str = "d") -> dict[str, tuple[int, int]]:
    found = store.drafts.tags(store.drafts.find(name).sequence)
    return {tag.name: (tag.images, tag.labels) for tag in found if len(tag.name) < 100}


def change(number: int, *names: str, e_tag: str | None = None, empty: bool = False) -> LabelChange:
    return LabelChange(number, tuple(map(DraftLabel, names)), empty, e_tag)


def test_a_draft_begins_with_what_the_dataset_has(store: Store) -> None:
    draft = draft_of(store, [content(0, (0, None)), content(1), content(2, (1, None))])
    assert (draft.base_dataset, draft.base_uris, draft.created_by) == ("d", (f"{CONTAINER}/annotations/1.json",), "ada")
    assert counts(store) == (3, 1, 0, 0, 2)
    assert tags(store) == {"ash": (1, 1), "beech": (1, 1)}
    first = store.drafts.page(draft.sequence, 0, 10).images[0]
    assert (first.sha256, first.extension, first.file_name, first.width) == (sha256(0), ".jpg", "0.jpg", 640.0)
    assert (first.labels, first.state, first.settled) == ((DraftLabel("ash"),), ImageState.SAME, True)
    assert draft.url_of(first.sha256, first.extension) == f"{CONTAINER}/images/{sha256(0)}.jpg"


@pytest.mark.parametrize(("kind", "unlabelled"), [(ONE, 1), (MANY, 0), (BOXED, 0)])
def test_only_a_classification_lacks_a_label_where_there_is_none(store: Store, kind: AnnotationKind, unlabelled: int) -> None:
    box = BOX if kind is BOXED else None
    draft_of(store, [content(0, (0, box)), content(1)], kind)
    assert store.drafts.find("d").unlabelled == unlabelled


@pytest.mark.parametrize(
    "url",
    [
        f"https://other.blob.core.windows.net/training/images/{sha256(1)}.jpg",
        f"{CONTAINER}/images/photo.jpg",
        f"{CONTAINER}/images/{sha256(1)}",
        f"{CONTAINER}/images/{sha256(1)}.jpg?sig=1",
        f"{CONTAINER}/images/{'g' * 64}.jpg",
    ],
)
def test_images_elsewhere_are_refused_and_nothing_is_left(store: Store, url: str) -> None:
    images = [content(0), NewImage(1, url, "1.jpg", None, None, [], [])]
    with pytest.raises(ImagesElsewhere, match="vision datasets copy d"):
        draft_of(store, images)
    with pytest.raises(NotFound):
        store.drafts.find("d")


def test_a_name_is_taken_once(store: Store) -> None:
    store.drafts.create("d", ONE, "d", CONTAINER, "ada", tags=["ash", "beech"])
    assert tags(store) == {"ash": (0, 0), "beech": (0, 0)}
    with pytest.raises(AlreadyExists, match="taken by a draft"):
        store.drafts.create("d", ONE, "d", CONTAINER, "ben")


def test_a_label_is_saved_if_the_image_is_as_the_caller_saw_it(store: Store) -> None:
    draft_of(store, [content(0, (0, None)), content(1)])
    [(saved, image)] = store.drafts.label("d", [change(1, "beech", e_tag="1")], "ada")
    assert saved
    assert image is not None
    assert (image.e_tag, image.state, image.base, image.changed_by) == ("2", ImageState.CHANGED, (), "ada")
    [(saved, image)] = store.drafts.label("d", [change(1, "ash", e_tag="1")], "ben")
    assert not saved, "somebody else was faster"
    assert image is not None
    assert (image.labels, image.changed_by) == ((DraftLabel("beech"),), "ada")
    [(saved, image)] = store.drafts.label("d", [change(1, "beech", e_tag="1")], "ada")
    assert saved, "the same call again: its answer was lost"
    assert image is not None
    assert image.e_tag == "2"
    [(saved, image)] = store.drafts.label("d", [change(99, "ash")], "ada")
    assert (saved, image) == (False, None)
    assert counts(store) == (2, 0, 1, 0, 2)


def test_labels_as_before_are_no_change(store: Store) -> None:
    draft_of(store, [content(0, (0, None))])
    store.drafts.label("d", [change(0, "beech")], "ada")
    assert store.drafts.find("d").changed == 1
    store.drafts.label("d", [change(0, "ash")], "ada")
    assert store.drafts.find("d").changed == 0


def test_somebody_may_say_that_there_is_nothing_to_label(store: Store) -> None:
    store.drafts.create("d", BOXED, "d", CONTAINER, "ada")
    store.drafts.add("d", [new(0)], "ada")
    assert store.drafts.find("d").unlabelled == 1
    assert store.drafts.label("d", [change(0, empty=True)], "ada")[0][0]
    assert store.drafts.find("d").unlabelled == 0


def test_pages_by_tag_and_choice(store: Store) -> None:
    draft = draft_of(store, [content(0, (0, None)), content(1), content(2, (1, None)), content(3, (0, None))])
    store.drafts.add("d", [new(9)], "ada")
    store.drafts.label("d", [change(2, "ash")], "ada")
    store.drafts.remove("d", [3], "ada")

    def numbers(**filters: object) -> tuple[int, list[int]]:
        page = store.drafts.page(draft.sequence, 0, 10, **filters)  # type: ignore[arg-type]
        return page.total, [image.number for image in page.images]

    assert numbers() == (4, [0, 1, 2, 4])
    assert numbers(tag="ash") == (2, [0, 2])
    assert numbers(tag="nothing") == (0, [])
    assert numbers(choice=ImageChoice.UNLABELLED) == (2, [1, 4])
    assert numbers(choice=ImageChoice.CHANGED) == (3, [2, 3, 4])
    assert numbers(choice=ImageChoice.NEW) == (1, [4])
    assert numbers(choice=ImageChoice.REMOVED) == (1, [3])
    assert store.drafts.page(draft.sequence, 1, 2).images[0].number == 1
    assert [store.drafts.next_unlabelled(draft.sequence, after) for after in (-1, 1, 4)] == [1, 4, 1]
    assert [image.number for image in store.drafts.all_images(draft.sequence, removed=True)] == [0, 1, 2, 3, 4]

    def beside(number: int, count: int, **filters: object) -> list[int]:
        return [image.number for image in store.drafts.beside(draft.sequence, number, count, **filters)]  # type: ignore[arg-type]

    assert beside(-1, 2) == [0, 1]
    assert beside(1, 9) == [2, 4], "what was removed is passed over"
    assert beside(4, 2, before=True) == [2, 1]
    assert beside(0, 9, tag="ash") == [2]
    assert beside(-1, 9, choice=ImageChoice.UNLABELLED) == [1, 4]
    assert beside(0, 9, before=True) == beside(9, 9) == beside(-1, 9, tag="nothing") == []


def test_a_picture_is_in_a_draft_once(store: Store) -> None:
    draft_of(store, [content(0, (0, None))])
    assert store.drafts.add("d", [new(0), new(1), new(1)], "ada") == [(0, False), (1, True), (1, False)]
    store.drafts.remove("d", [0, 1], "ada")
    assert counts(store) == (0, 0, 2, 0, 0)
    assert store.drafts.add("d", [new(0)], "ada") == [(0, False)]
    assert counts(store) == (1, 0, 1, 0, 1)
    draft = store.drafts.find("d").sequence
    assert store.drafts.known(draft, [sha256(0), sha256(7)]) == {sha256(0): 0}
    assert [image.number for image in store.drafts.with_digests(draft, [sha256(7), sha256(0)])] == [0]


def test_a_tag_is_renamed_without_a_change_of_images(store: Store) -> None:
    draft = draft_of(store, [content(0, (0, None)), content(1, (1, None))])
    assert store.drafts.rename_tag("d", "ash", "oak", "ada") == 1
    assert tags(store) == {"oak": (1, 1), "beech": (1, 1)}
    assert store.drafts.find("d").changed == 0
    store.drafts.label("d", [change(0, "beech")], "ada")
    image = store.drafts.image(draft.sequence, 0)
    assert image is not None
    assert image.base == (DraftLabel("ash"),), "as the dataset calls it"
    store.drafts.label("d", [change(0, "oak")], "ada")
    assert store.drafts.find("d").changed == 0
    with pytest.raises(AlreadyExists, match="The name 'beech' is already taken by a tag"):
        store.drafts.rename_tag("d", "oak", "beech", "ada")
    with pytest.raises(NotFound):
        store.drafts.rename_tag("d", "ash", "elm", "ada")


def test_tags_are_merged_and_deleted(store: Store) -> None:
    draft_of(store, [content(0, (0, None), (1, None)), content(1, (0, None)), content(2, (1, None))], MANY)
    assert store.drafts.rename_tag("d", "ash", "beech", "ada", merge=True) == 2
    assert tags(store) == {"beech": (3, 3)}
    assert counts(store) == (3, 0, 2, 0, 3)
    assert store.drafts.delete_tag("d", "beech", "ada") == 3
    assert tags(store) == {}
    assert counts(store) == (3, 3, 3, 0, 0)


def test_boxes_of_merged_tags_stay(store: Store) -> None:
    draft = draft_of(store, [content(0, (0, BOX), (1, BOX))], BOXED)
    store.drafts.rename_tag("d", "ash", "beech", "ada", merge=True)
    image = store.drafts.image(draft.sequence, 0)
    assert image is not None
    assert image.labels == (DraftLabel("beech", BOX), DraftLabel("beech", BOX))
    assert tags(store) == {"beech": (1, 2)}


def test_a_draft_that_was_saved_has_changed_nothing_since(store: Store) -> None:
    draft_of(store, [content(0, (0, None)), content(1, (1, None)), content(2, (0, None))])
    store.drafts.label("d", [change(0, "oak")], "ben")
    store.drafts.remove("d", [1], "ben")
    store.drafts.add("d", [new(7, "beech")], "ben")
    store.drafts.rename_tag("d", "ash", "Ash", "ben")
    saved = store.drafts.find("d")
    store.drafts.label("d", [change(2, "oak")], "ada")
    assert not store.drafts.rebase(saved, "d", ["2.json"]), "somebody labelled meanwhile"
    assert counts(store)[2] > 0
    before = counts(store)
    assert store.drafts.rebase(store.drafts.find("d"), "d", ["2.json"])
    assert counts(store) == (before[0], before[1], 0, 0, before[4])
    found = store.drafts.find("d")
    assert (found.base_dataset, found.base_uris) == ("d", ("2.json",))
    images = list(store.drafts.all_images(found.sequence, removed=True))
    assert [(image.number, image.state, image.base) for image in images] == [
        (number, ImageState.SAME, None) for number in (0, 2, 3)
    ]
    assert {tag.name: tag.base_name for tag in store.drafts.tags(found.sequence)}["Ash"] == "Ash"
    store.drafts.label("d", [change(0, "beech")], "ada")
    assert counts(store)[2] == 1


def test_a_deleted_draft_leaves_nothing(store: Store) -> None:
    draft = draft_of(store, [content(0, (0, None))])
    store.drafts.delete("d")
    with pytest.raises(NotFound):
        store.drafts.find("d")
    again = store.drafts.create("d", ONE, "d", CONTAINER, "ada")
    for sequence in (draft.sequence, again.sequence):
        assert store.drafts.page(sequence, 0, 10).total == 0
        assert store.drafts.tags(sequence) == []


@dataclass
class Expected:
    """The labels of a draft's images by number, as plain values."""

    labels: dict[int, tuple[str, ...]]
    removed: set[int] = field(default_factory=set)


@pytest.mark.parametrize("seed", range(6))
def test_counts_are_right_after_any_changes(store: Store, seed: int) -> None:
    """Compared with plain values, after each of many random changes."""
    random_ = random.Random(seed)
    base: dict[int, tuple[str, ...]] = {
        number: random_.choice([(), ("ash",), ("beech",), ("ash", "beech")]) for number in range(6)
    }
    places = {"ash": 0, "beech": 1}
    draft = draft_of(store, [content(n, *[(places[tag], None) for tag in tags]) for n, tags in base.items()], MANY)
    expected = Expected(dict(base))
    names = ["ash", "beech", "oak", "elm"]
    for _ in range(60):
        number = random_.choice(list(expected.labels))
        action = random_.randrange(6)
        if action <= 1 and number not in expected.removed:
            labels = tuple(random_.sample(names, random_.randrange(3)))
            store.drafts.label("d", [change(number, *labels, empty=True)], "ada")
            expected.labels[number] = labels
        elif action == 2:
            store.drafts.remove("d", [number], "ada")
            expected.removed.add(number)
        elif action == 3:
            store.drafts.remove("d", [number], "ada", restore=True)
            expected.removed.discard(number)
        elif action == 4:
            labels = tuple(random_.sample(names, 1))
            [(added, is_new)] = store.drafts.add("d", [new(100 + len(expected.labels), *labels)], "ada")
            assert is_new
            expected.labels[added] = labels
        else:
            old, name = random_.sample(names, 2)
            if old in tags(store):
                store.drafts.rename_tag("d", old, name, "ada", merge=True)
                for image, labels in expected.labels.items():
                    expected.labels[image] = tuple(dict.fromkeys(name if tag == old else tag for tag in labels))
        kept = {n: labels for n, labels in expected.labels.items() if n not in expected.removed}
        images, _, _, _, labels_count = counts(store)
        assert (images, labels_count) == (len(kept), sum(map(len, kept.values())))
        used = Counter(tag for labels in kept.values() for tag in labels)
        assert {tag: images for tag, (images, _) in tags(store).items() if images} == used
        shown = {image.number: image for image in store.drafts.all_images(draft.sequence)}
        assert {n: tuple(label.tag for label in image.labels) for n, image in shown.items()} == kept
        states = [image.state for image in store.drafts.all_images(draft.sequence, removed=True)]
        assert store.drafts.find("d").changed == sum(state is not ImageState.SAME for state in states)
        assert store.drafts.find("d").unlabelled == sum(not image.settled for image in shown.values())
