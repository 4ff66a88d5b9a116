"""Where versions are registered, and drafts that begin with the images of one."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from tests.support.coco_content import coco, index
from vision_customization.contract.drafts import ImageState
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.store import ImagesElsewhere, NotFound, Store, VersionRecord
from vision_customization.engine.store.content_tables import ContentIndexRow
from vision_customization.engine.store.draft_base import BaseImages
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage

ONE, BOXED = AnnotationKind.IMAGE_CLASSIFICATION, AnnotationKind.IMAGE_OBJECT_DETECTION
CONTAINER = "https://acct.blob.core.windows.net/c"
BOX = (0.1, 0.2, 0.3, 1 / 3)


def version(digest: str, *, dataset: str = "d", file: str = "ö", kind: AnnotationKind = ONE) -> VersionRecord:
    uri = f"{CONTAINER}/annotations/{file}.json"
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return VersionRecord(dataset, digest * 64, kind, uri, (), 1, 1, {"cat": 1}, (), None, "ada", when)


def names(store: Store, *digests: str) -> dict[str, tuple[str, ...]]:
    found = store.versions.registered([digest * 64 for digest in digests])
    return {digest[0]: registered for digest, registered in found.items()}


def test_it_is_registered_where_its_file_is(store: Store) -> None:
    recorded = store.versions.add(version("a"))
    assert recorded.container == CONTAINER
    assert names(store, "a") == {}
    store.datasets.create("d", ONE, [recorded.annotation_file_uri])
    store.datasets.create("beside", ONE, [recorded.annotation_file_uri])
    store.datasets.create("of-two-files", ONE, [recorded.annotation_file_uri, f"{CONTAINER}/annotations/2.json"])
    store.datasets.create("of-another-kind", BOXED, [recorded.annotation_file_uri])
    assert names(store, "a", "b") == {"a": ("beside", "d")}
    store.versions.add(version("b", file="2"))
    store.datasets.update("beside", annotation_file_uris=[f"{CONTAINER}/annotations/2.json"])
    assert names(store, "a", "b") == {"a": ("d",), "b": ("beside",)}
    assert store.versions.registered([]) == {}


def test_the_same_content_in_another_file_counts(store: Store) -> None:
    store.versions.add(version("a"))
    store.versions.add(version("a", dataset="other", file="of-the-other"))
    store.datasets.create("other", ONE, [f"{CONTAINER}/annotations/of-the-other.json"])
    assert names(store, "a") == {"a": ("other",)}, "by the file of another dataset's version"
    document = coco({f"images/{1:064x}.png": ["cat"]})
    store.datasets.create("read", ONE, [f"{CONTAINER}/read.json"])
    index(store, "read", document)
    assert names(store, "a") == {"a": ("other",)}
    [digest] = _content_digests(store)
    store.versions.add(replace(version("a"), dataset_name="third", digest=digest))
    assert store.versions.registered([digest]) == {digest: ("read",)}
    store.datasets.update("read", annotation_file_uris=[f"{CONTAINER}/changed.json"])
    assert store.versions.registered([digest]) == {}, "what it has now was not read yet"


def _content_digests(store: Store) -> Iterator[str]:
    with store.database.reading() as session:
        yield from [digest for digest in session.scalars(select(ContentIndexRow.content_digest)) if digest is not None]


def images(count: int, kind: AnnotationKind) -> BaseImages:
    """Every third image has no label; the others have `cat`, and boxed ones a second object."""
    box = BOX if kind is BOXED else None
    labels = (DraftLabel("cat", box), DraftLabel("dog", box))[: 2 if kind is BOXED else 1]
    found = (
        NewDraftImage(f"{number:064x}", ".png", f"{number}.png", 60, 80, () if number % 3 == 0 else labels)
        for number in range(count)
    )
    return BaseImages(["cat", "dog", "unused"], found)


@pytest.mark.parametrize(("kind", "labels", "unlabelled"), [(ONE, 800, 401), (BOXED, 1600, 0)])
def test_a_draft_begins_with_images_that_are_read(store: Store, kind: AnnotationKind, labels: int, unlabelled: int) -> None:
    base = ("d", [f"{CONTAINER}/annotations/1.json"], images(1201, kind))
    draft = store.drafts.create("w", kind, "d", CONTAINER, "ada", base=base, tags=["cow"])
    assert draft == store.drafts.find("w")
    assert (draft.images, draft.labels, draft.unlabelled, draft.changed) == (1201, labels, unlabelled, 0)
    tags = {tag.name: (tag.base_name, tag.images, tag.labels) for tag in store.drafts.tags(draft.sequence)}
    dogs = 800 if kind is BOXED else 0
    assert tags == {"cat": ("cat", 800, 800), "dog": ("dog", dogs, dogs), "unused": ("unused", 0, 0), "cow": (None, 0, 0)}
    first, second = store.drafts.page(draft.sequence, 0, 2).images
    assert (first.labels, first.settled, first.state) == ((), kind is BOXED, ImageState.SAME)
    assert second.labels[0] == DraftLabel("cat", BOX if kind is BOXED else None)
    assert [image.number for image in store.drafts.all_images(draft.sequence)] == list(range(1201))
    # It goes on like any other draft.
    [(saved, now)] = store.drafts.label("w", [LabelChange(1, ())], "ada")
    assert (saved, now is not None and now.state) == (True, ImageState.CHANGED)
    assert store.drafts.add("w", [NewDraftImage("f" * 64, ".png", "new.png", 60, 80)], "ada") == [(1201, True)]


def test_nothing_is_left_of_a_draft_whose_images_can_not_be_read(store: Store) -> None:
    def broken() -> Iterator[NewDraftImage]:
        yield from images(600, ONE).images
        raise ImagesElsewhere("d", "https://other.example/7.png", CONTAINER)

    with pytest.raises(ImagesElsewhere):
        store.drafts.create("w", ONE, "d", CONTAINER, "ada", base=("d", [], BaseImages(["cat"], broken())))
    with pytest.raises(NotFound):
        store.drafts.find("w")
    assert store.drafts.create("w", ONE, "d", CONTAINER, "ada").images == 0
