"""What a draft has changed, in words, which the database counts: the same as between two manifests of its content."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.engine.store.conftest import settings, store  # noqa: F401 - fixtures
from tests.engine.store.test_drafts import BOX, BOXED, MANY, ONE, content, draft_of, sha256
from vision_customization.common.dataset_content.manifest import compare, manifest_of
from vision_customization.contract.coco.document import Box
from vision_customization.contract.drafts import BulkAction
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.drafts.changes import changes_of, saved_as
from vision_customization.engine.store import Store
from vision_customization.engine.store.draft_bulk import Chosen
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage
from vision_customization.engine.store.draft_tables import DraftRow

OTHER: Box = (0.2, 0.2, 0.3, 0.4)
ASH, BEECH = 0, 1


def pairs(labels: tuple[DraftLabel, ...]) -> list[tuple[str, Box | None]]:
    return [(label.tag, label.box) for label in labels]


def by_manifests(store: Store) -> list[str]:  # noqa: F811
    """The same, from all images."""
    draft = store.drafts.find("d")
    images = list(store.drafts.all_images(draft.sequence, removed=True))
    before = [(image.sha256, pairs(image.labels if image.base is None else image.base)) for image in images if image.in_base]
    after = [(image.sha256, pairs(image.labels)) for image in store.drafts.all_images(draft.sequence)]
    return compare(manifest_of(draft.annotation_kind, before), manifest_of(draft.annotation_kind, after)).summary()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", [ONE, MANY, BOXED])
def test_the_words_are_those_of_manifests(store: Store, kind: AnnotationKind, seed: int) -> None:  # noqa: F811
    random_ = random.Random(seed)
    box = BOX if kind is BOXED else None
    draft_of(store, [content(number, *([(number % 2, box)] if number % 5 else [])) for number in range(30)], kind)
    assert changes_of(store, store.drafts.find("d")) == []
    for turn in range(4):
        new = [NewDraftImage(sha256(100 * turn + 50 + number), ".png", "n", 8.0, 8.0) for number in range(3)]
        store.drafts.add("d", new, "ada")
        for number in random_.sample(range(30 + 3 * turn), 8):
            boxes = (BOX, OTHER) if kind is BOXED else (None,)
            tags = random_.sample(("ash", "beech", "oak"), random_.randrange(3 if kind is not ONE else 2))
            labels = tuple(DraftLabel(tag, random_.choice(boxes)) for tag in tags)
            store.drafts.label("d", [LabelChange(number, labels)], "ada")
        store.drafts.remove("d", random_.sample(range(30 + 3 * turn), 3), "ada")
        store.drafts.remove("d", random_.sample(range(30 + 3 * turn), 2), "ada", restore=True)
        assert changes_of(store, store.drafts.find("d")) == by_manifests(store)


def test_a_renamed_tag_is_one_line_also_if_an_image_changed_otherwise(store: Store) -> None:  # noqa: F811
    draft_of(store, [content(number, (number % 2, BOX)) for number in range(10)], BOXED)
    store.drafts.rename_tag("d", "ash", "elm", "ada")
    assert changes_of(store, store.drafts.find("d")) == ["tag 'ash' renamed to 'elm' (5 images)"]
    store.drafts.label("d", [LabelChange(0, (DraftLabel("elm", OTHER),))], "ada")
    store.drafts.label("d", [LabelChange(2, (DraftLabel("beech", BOX),))], "ada")
    assert changes_of(store, store.drafts.find("d")) == [
        "tag 'ash' renamed to 'elm' (4 images)",
        "boxes of 'beech': 5 → 6",
        "boxes of 'elm': 5 → 4",
        "1 image relabelled 'elm' → 'beech'",
        "boxes moved in 1 image",
    ]


def test_names_of_tags_that_changed_places_are_told_apart(store: Store) -> None:  # noqa: F811
    draft_of(store, [content(number, (ASH if number < 4 else BEECH, None)) for number in range(10)])
    for old, new in (("ash", "x"), ("beech", "ash"), ("x", "beech")):
        store.drafts.rename_tag("d", old, new, "ada")
    store.drafts.remove("d", [0], "ada")
    assert changes_of(store, store.drafts.find("d"))[:2] == [
        "tag 'ash' renamed to 'beech' (3 images)",
        "tag 'beech' renamed to 'ash' (6 images)",
    ]


def test_a_draft_knows_the_version_that_it_was_saved_as_until_it_changes(store: Store) -> None:  # noqa: F811
    draft = draft_of(store, [content(0, (ASH, None))])
    store.drafts.note_saved(draft, "a" * 64)
    found = store.drafts.find("d")
    assert found.saved_digest == "a" * 64
    assert saved_as(store, found, []) is None  # the version was not recorded
    store.drafts.label("d", [LabelChange(0, ())], "ada")
    assert store.drafts.find("d").saved_digest is None
    store.drafts.note_saved(found, "a" * 64)  # it was read before the change
    assert store.drafts.find("d").saved_digest is None


def change_as_an_older_engine(store: Store) -> None:  # noqa: F811
    """An engine from before migration 0016 sets `updated`, and knows neither `edit` nor `saved_digest`."""
    later = store.drafts.find("d").updated + timedelta(seconds=1)
    with store.database.writing() as session:
        session.execute(update(DraftRow).values(updated=later))


def test_a_change_by_an_older_engine_is_not_taken_for_saved(store: Store) -> None:  # noqa: F811
    read = draft_of(store, [content(0, (ASH, None))])
    change_as_an_older_engine(store)
    store.drafts.note_saved(read, "a" * 64)
    assert store.drafts.find("d").saved_digest is None
    assert not store.drafts.rebase(read, "d", ["2.json"])
    store.drafts.note_saved(store.drafts.find("d"), "a" * 64)
    assert store.drafts.find("d").saved_digest == "a" * 64
    change_as_an_older_engine(store)
    assert store.drafts.find("d").saved_digest is None


def test_what_changes_nothing_is_not_a_change(store: Store) -> None:  # noqa: F811
    draft_of(store, [content(0, (ASH, None)), content(1)])
    store.drafts.remove("d", [1], "ada")
    store.drafts.note_saved(store.drafts.find("d"), "a" * 64)
    before = store.drafts.find("d")
    store.drafts.add_tag("d", "ash", "ben")
    store.drafts.rename_tag("d", "ash", "ash", "ben")
    store.drafts.label("d", [LabelChange(0, (DraftLabel("ash"),))], "ben")
    store.drafts.change("d", BulkAction.GIVE, "ash", Chosen(), "ben")
    store.drafts.add("d", [NewDraftImage(sha256(0), ".jpg", "n", 8.0, 8.0)], "ben")
    store.drafts.remove("d", [1], "ben")
    store.drafts.remove("d", [0], "ben", restore=True)
    assert store.drafts.find("d") == before
    store.drafts.label("d", [LabelChange(0, (DraftLabel("beech"),))], "ben")
    after = store.drafts.find("d")
    assert (after.edit, after.saved_digest) == (before.edit + 1, None)
    assert after.updated > before.updated
