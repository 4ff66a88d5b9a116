"""Content indexes: who sees which one, their pages, and what becomes of those that are of no use any more."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.event import listen

from tests.engine.store.indexed import FILES, TAGS, filled, index_content, new_images
from vision_customization.contract.enums import AnnotationKind, ContentStatus, ModelKind, ProblemKind, Purpose
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import NotFound, Store, TrainingOrder
from vision_customization.engine.store.content import CHECK_SECONDS
from vision_customization.engine.store.content_rows import BATCH_ROWS, NewImage
from vision_customization.engine.store.records import (
    BlobRecord,
    IndexedFile,
    IndexedImage,
    IndexedProblem,
    IndexedTag,
    ProblemCount,
)
from vision_customization.engine.store.tables import Table

URI = "https://a.blob.core.windows.net/c/train.json"
ROWS = [table for name, table in Table.metadata.tables.items() if name.startswith("content_") and name != "content_indexes"]
DIED = ErrorDetails(code="unknown", message="no")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(settings: Settings, clock: Clock) -> Iterator[Store]:
    Store.open(settings).close()
    store = Store(settings, now=clock)
    register(store)
    yield store
    store.close()


def register(store: Store, name: str = "d", kind: AnnotationKind = AnnotationKind.IMAGE_CLASSIFICATION) -> None:
    store.datasets.create(name, kind, [URI])


def rows(store: Store) -> int:
    with store.database.reading() as session:
        return sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in ROWS)


def positions(images: Sequence[IndexedImage]) -> list[int]:
    return [image.position for image in images]


def test_the_first_look_creates_an_index_and_the_next_ones_show_it(store: Store) -> None:
    record, created = store.content.look("d")
    assert (record.status, record.id, record.dataset_name) == (ContentStatus.QUEUED, created, "d")
    assert store.content.look("d") == (record, None)
    assert store.unfinished().content_indexes == (created,)
    assert store.content.counts()[ContentStatus.QUEUED] == 1
    with pytest.raises(NotFound, match="no dataset 'other'"):
        store.content.look("other")


def test_an_index_is_read_and_ready(store: Store) -> None:
    id_ = store.content.look("d").record.id
    assert store.content.begin(id_).status is ContentStatus.READING
    store.content.report(id_, images_read=1000, message="Waiting for a role")
    shown = store.content.look("d").record
    assert (shown.status, shown.images_read, shown.message) == (ContentStatus.READING, 1000, "Waiting for a role")
    filled(store, id_, list(new_images(30)))
    record = store.content.look("d").record
    assert (record.status, record.images, record.images_read, record.unlabelled, record.labels, record.tags) == (
        ContentStatus.READY, 30, 30, 6, 24, 3,
    )  # fmt: skip
    assert record.problems == (ProblemCount(ProblemKind.SIZE, 9, 5, "too wide"),)
    assert (record.files, record.message, len(record.digest)) == (FILES, None, 64)
    assert store.unfinished().content_indexes == ()


def test_a_page_is_where_its_filter_says(store: Store) -> None:
    record = index_content(store, "d")
    page = store.content.page
    tagged = [number for number in range(30) if number % 5 and number % 2]
    sized, unlabelled = list(range(0, 30, 7)), list(range(0, 30, 5))
    for found, expected, total in (
        (page(record.index, 0, 7), list(range(7)), 30),
        (page(record.index, 28, 7), [28, 29], 30),
        (page(record.index, 30, 7), [], 30),
        (page(record.index, 0, 100, tag="beech"), tagged, 12),
        (page(record.index, 5, 3, tag="beech"), tagged[5:8], 12),
        (page(record.index, 0, 9, tag=TAGS[2]), [], 0),
        (page(record.index, 0, 9, tag="unknown"), [], 0),
        (page(record.index, 1, 2, unlabelled=True), unlabelled[1:3], 6),
        (page(record.index, 0, 9, problem=ProblemKind.SIZE), sized, 5),
        (page(record.index, 0, 9, problem=ProblemKind.UNLABELLED), unlabelled, 6),
        (page(record.index, 0, 9, problem=ProblemKind.BOX), [], 0),
        (page(record.index, 0, 9, problem=ProblemKind.SIMILAR_TAGS), [], 0),
        (page(record.index + 1, 0, 9), [], 0),
    ):
        assert (positions(found.images), found.total) == (expected, total)
    with pytest.raises(ValueError, match="only one of tag, problem and unlabelled"):
        page(record.index, 0, 9, tag="ash", unlabelled=True)


def test_an_image_has_its_labels_problems_and_digest(store: Store) -> None:
    box = (0.1, 0.2, 0.3, 0.4)
    labels = [(0, None), (1, box), (1, (0.0, 0.0, 1.0, 1.0))]
    found = [
        NewImage(0, "https://h/c/a b.png", "a b.png", None, 80.0, labels, [ProblemKind.SIZE]),
        NewImage(1, "no address", "", None, None, [(1, box)], []),
    ]
    store.known_blobs.remember([BlobRecord("https://h/c/a%20b.png", "", "cd" * 32, 1, 1)])
    index = index_content(store, "d", found).index
    first = store.content.image(index, 0)
    assert first is not None
    assert (first.url, first.file_name, first.width, first.height) == ("https://h/c/a%20b.png", "a b.png", None, 80.0)
    assert (first.sha256, first.problems) == ("cd" * 32, ("too wide",))
    assert [(label.tag, label.box) for label in first.labels] == [("ash", None), ("beech", box), ("beech", (0, 0, 1, 1))]
    second = store.content.image(index, 1)
    assert second is not None
    assert (second.url, second.sha256, second.problems) == ("no address", None, ())
    assert store.content.image(index, 2) is None
    assert store.content.image_shown("d", 0) == replace(first, labels=(), problems=())
    for name, position in (("d", 2), ("d", 2**63), ("other", 0)):
        assert store.content.image_shown(name, position) is None
    assert store.content.tags(index) == [IndexedTag("ash", 1, 1), IndexedTag("beech", 2, 3), IndexedTag(TAGS[2], 0, 0)]
    assert store.content.tags(index, 1, 1) == [IndexedTag("beech", 2, 3)]
    assert store.content.problems(index, 0, 9) == [
        IndexedProblem(0, ProblemKind.SIZE, "too wide"), IndexedProblem(None, ProblemKind.LIMIT, "too many")
    ]  # fmt: skip
    assert store.content.problems(index, 1, 1)[0].kind is ProblemKind.LIMIT


def test_crops_are_the_boxes_of_a_tag(store: Store) -> None:
    boxes = [(number / 10, 0.0, 0.1, 0.1) for number in range(5)]
    found = [
        NewImage(number, f"https://h/{number}", "f", None, None, [(0, boxes[number]), (1, boxes[0])], []) for number in range(5)
    ]
    index = index_content(store, "d", found).index
    crops = store.content.crops(index, "ash", 1, 3)
    assert (crops.total, [(crop.position, crop.url, crop.box) for crop in crops.crops]) == (
        5, [(number, f"https://h/{number}", boxes[number]) for number in (1, 2, 3)],
    )  # fmt: skip
    assert store.content.crops(index, "unknown", 0, 9).crops == ()


def test_a_query_is_stored_encrypted_and_only_given_to_those_who_read_the_image(store: Store) -> None:
    urls = ["https://h/c/1.png?sig=TOPSECRET", "https://h/c/1.png?sig=OTHER", "https://h/c/2.png"]
    index = index_content(store, "d", [NewImage(number, url, "", None, None, [], []) for number, url in enumerate(urls)]).index
    page = store.content.page(index, 0, 9)
    assert [image.url for image in page.images] == ["https://h/c/1.png"] * 2 + ["https://h/c/2.png"]
    assert [store.content.address(image).get_secret_value() for image in page.images] == urls
    assert "TOPSECRET" not in repr(page)
    with store.database.engine.connect() as connection:
        stored = repr(connection.execute(text("SELECT * FROM content_images")).all())
    assert "TOPSECRET" not in stored
    assert store.content.positions(index, [*urls, "https://h/c/9.png"]) == {urls[0]: 0, urls[1]: 0, urls[2]: 2}


def test_a_large_index_is_written_and_deleted_in_batches(store: Store) -> None:
    count = 2 * BATCH_ROWS
    found = list(new_images(count, lambda number: [number % 2, 2] if number % 5 else []))
    record = index_content(store, "d", found)
    assert store.content.page(record.index, count - 2, 9).total == count
    last = [number for number in range(count) if number % 5 and number % 2][-3:]
    assert positions(store.content.page(record.index, count * 2 // 5 - 3, 9, tag="beech").images) == last
    addresses = [f"https://h/c/{number}.png" for number in range(0, count, 997)]
    assert store.content.positions(record.index, addresses) == dict(zip(addresses, range(0, count, 997), strict=True))
    store.datasets.delete("d")
    sweeps = 0
    while store.content.sweep(0):
        sweeps += 1
    assert sweeps > 5
    assert rows(store) == 0


def test_a_dataset_that_changed_gets_a_new_index_beside_the_one_that_is_shown(store: Store) -> None:
    first = index_content(store, "d")
    store.datasets.update("d", custom_properties={"a": "b"})
    shown, created = store.content.look("d")
    assert created is not None
    assert (shown.index, shown.status) == (first.index, ContentStatus.READY)
    assert store.content.image_shown("d", 29) is not None
    assert shown.successor is not None
    assert (shown.successor.id, shown.successor.status) == (created, ContentStatus.QUEUED)
    assert store.content.look("d").created is None
    former = store.content.former(created)
    assert former is not None
    assert former.index == first.index
    filled(store, created, list(new_images(3)))
    record = store.content.look("d").record
    assert (record.id, record.images, record.successor) == (created, 3, None)
    with pytest.raises(NotFound):
        store.content.by_id(first.id)
    assert store.content.page(first.index, 0, 9).total == 30  # for those who look at it
    assert not store.content.sweep()
    while store.content.sweep(0):
        pass
    assert store.content.page(first.index, 0, 9).total == 0
    assert len(store.content.page(record.index, 0, 9).images) == 3
    assert store.content.image_shown("d", 3) is None  # only the index that is shown counts


def test_of_several_changes_only_the_last_is_read(store: Store) -> None:
    index_content(store, "d")
    ids = []
    for number in range(3):
        store.datasets.update("d", custom_properties={"n": str(number)})
        ids.append(store.content.look("d").created)
    assert store.unfinished().content_indexes == (ids[-1],)
    for superseded in ids[:-1]:
        with pytest.raises(NotFound):
            store.content.begin(superseded or "")


def test_unchanged_files_take_the_index_that_is_there(store: Store) -> None:
    first = index_content(store, "d")
    e_tag = store.datasets.update("d", custom_properties={"a": "b"}).e_tag
    created = store.content.look("d").created
    assert created is not None
    files = (IndexedFile(URI, "ab" * 32, 7, '"v2"'),)
    store.content.keep_former(created, first.id, files)
    record = store.content.look("d").record
    assert (record.index, record.e_tag, record.files, record.successor) == (first.index, e_tag, files, None)
    assert store.unfinished().content_indexes == ()


def test_a_failed_index_says_why_and_is_shown_beside_the_one_that_is_ready(store: Store) -> None:
    created = store.content.look("d").created or ""
    store.content.begin(created)
    store.content.fail(created, DIED)
    shown = store.content.look("d").record
    assert (shown.status, shown.error) == (ContentStatus.FAILED, DIED)
    assert store.content.fail(created, ErrorDetails(code="c", message="later")).error == DIED
    store.datasets.update("d", custom_properties={})
    first = filled(store, store.content.look("d").created or "", list(new_images(2)))
    store.datasets.update("d", custom_properties={})
    created = store.content.look("d").created or ""
    store.content.fail(created, DIED, FILES)
    shown = store.content.look("d").record
    assert shown.index == first.index
    assert shown.successor is not None
    assert (shown.successor.status, shown.successor.error, shown.successor.files) == (ContentStatus.FAILED, DIED, FILES)


def test_a_dataset_of_the_same_name_never_shows_the_content_of_a_deleted_one(store: Store) -> None:
    first = index_content(store, "d")
    store.datasets.delete("d")
    with pytest.raises(NotFound):
        store.content.look("d")
    register(store)
    record, created = store.content.look("d")
    assert (record.id, record.status) == (created, ContentStatus.QUEUED)
    while store.content.sweep(0):
        pass
    assert rows(store) == 0
    assert record.index > first.index


def test_what_is_written_for_a_deleted_dataset_is_refused_and_its_rows_go(store: Store) -> None:
    created = store.content.look("d").created or ""
    store.content.begin(created)
    writer = store.content.writer(created)
    writer.add_images(new_images(5))
    store.datasets.delete("d")
    calls: list[Callable[[], object]] = [
        lambda: writer.add_images(new_images(5)),
        lambda: writer.add_tags([IndexedTag("t", 1, 1)]),
        lambda: store.content.finish(created, writer, FILES, []),
        lambda: store.content.fail(created, DIED),
        lambda: store.content.report(created, images_read=1),
        lambda: store.content.begin(created),
        lambda: store.content.writer(created),
        lambda: store.content.former(created),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert store.unfinished().content_indexes == ()
    while store.content.sweep(0):
        pass
    assert rows(store) == 0


def test_a_writer_begins_without_the_rows_of_one_that_was_killed(store: Store) -> None:
    created = store.content.look("d").created or ""
    store.content.begin(created)
    store.content.writer(created).add_images(new_images(20))
    record = filled(store, created, list(new_images(10)))
    assert store.content.page(record.index, 0, 99).total == 10
    assert len(store.content.page(record.index, 0, 99).images) == 10
    assert len(store.content.page(record.index, 0, 99, unlabelled=True).images) == 2


def test_a_look_asks_for_a_check_at_most_once_a_minute(store: Store, clock: Clock) -> None:
    record = index_content(store, "d")
    assert store.content.take_check() is None
    clock.turn(CHECK_SECONDS)
    store.content.look("d")
    store.content.look("d")
    taken = store.content.take_check()
    assert taken is not None
    assert taken.id == record.id
    assert store.content.take_check() is None
    store.content.look("d")
    assert store.content.take_check() is None
    store.content.checked(record.id, "The file is gone.")
    assert store.content.look("d").record.message == "The file is gone."
    clock.turn(CHECK_SECONDS)
    store.content.look("d")
    assert store.content.take_check() is not None
    store.content.checked(record.id, None, FILES)
    assert store.content.look("d").record.message is None


def test_an_index_that_is_being_read_is_not_checked(store: Store, clock: Clock) -> None:
    store.content.begin(store.content.look("d").created or "")
    clock.turn(10 * CHECK_SECONDS)
    store.content.look("d")
    assert store.content.take_check() is None


def test_changed_files_get_a_new_index_once(store: Store) -> None:
    first = index_content(store, "d")
    second = store.content.renew(first.id)
    assert second is not None
    assert store.content.renew(first.id) is None
    shown = store.content.look("d").record
    assert (shown.index, shown.successor and shown.successor.id) == (first.index, second)
    store.content.fail(second, DIED)
    third = store.content.renew(second)
    assert third is not None
    with pytest.raises(NotFound):
        store.content.by_id(second)
    assert store.content.by_id(first.id).index == first.index


def test_the_purpose_is_what_models_use_the_dataset_for(store: Store) -> None:
    def train(name: str, dataset: str, test: str | None) -> None:
        kind = ModelKind.GENERIC_CLASSIFIER
        order = TrainingOrder(training_dataset_name=dataset, time_budget_in_hours=1, model_kind=kind, test_dataset_name=test)
        store.models.create(name, order)

    assert store.content.purpose_of("d") is Purpose.TRAINING
    train("m", "other", "d")
    assert store.content.purpose_of("d") is Purpose.EVALUATION
    assert store.content.look("d").record.purpose is Purpose.EVALUATION
    train("n", "d", None)
    assert store.content.purpose_of("d") is Purpose.TRAINING


def test_no_page_reads_more_than_its_rows(settings: Settings, store: Store) -> None:
    """SQLite believes that a key which begins with `index_sequence` finds ten rows, however many there are."""
    if settings.on_postgresql:
        pytest.skip("SQLite's planner alone is so easily misled")
    index = index_content(store, "d").index
    asked: list[tuple[str, Any]] = []
    listen(store.database.engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    content = store.content
    content.page(index, 0, 9)
    content.page(index, 0, 9, tag="ash")
    content.page(index, 0, 9, problem=ProblemKind.SIZE)
    content.crops(index, "ash", 0, 9)
    content.positions(index, ["https://h/c/1.png", "https://h/c/2.png"])
    content.image(index, 3)
    content.tags(index, 0, 9)
    content.problems(index, 0, 9)
    plans = []
    with store.database.engine.connect() as connection:
        for statement, parameters in [call for call in asked if call[0].startswith("SELECT")]:
            plans += [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert len(plans) > 20
    # Of problems there are a thousand at most.
    assert [plan for plan in plans if "SCAN" in plan or plan.endswith("(index_sequence=?)")] == [
        plan for plan in plans if "content_problems" in plan and plan.endswith("(index_sequence=?)")
    ]
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]
