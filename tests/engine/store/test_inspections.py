from datetime import timedelta

import pytest
from sqlalchemy import update

from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store import NotFound, Store
from vision_customization.engine.store.inspections import InspectionStatus
from vision_customization.engine.store.tables import InspectionRow

INPUTS = {"index": 7, "opposites": {"test": {"index": 3, "why": "m"}}}
ERROR = ErrorDetails(code="unknown", message="no")


def test_the_same_inputs_give_the_same_inspection(store: Store) -> None:
    first, created = store.inspections.ask("cats", INPUTS)
    assert (created, first.status, first.inputs) == (True, InspectionStatus.NOT_STARTED, INPUTS)
    same, created = store.inspections.ask("cats", {**INPUTS})
    assert (created, same.id) == (False, first.id)
    assert store.unfinished().inspections == (first.id,)
    store.inspections.begin(first.id)
    assert store.inspections.finish(first.id, "{}").report == "{}"
    assert store.inspections.ask("cats", INPUTS)[0].report == "{}"
    assert store.inspections.ask("cats", INPUTS, again=True)[1] is False
    assert store.unfinished().inspections == ()


def test_other_inputs_replace_it(store: Store) -> None:
    first, _ = store.inspections.ask("cats", INPUTS)
    store.inspections.ask("dogs", INPUTS)
    second, created = store.inspections.ask("cats", {**INPUTS, "index": 8})
    assert created
    assert second.id != first.id
    with pytest.raises(NotFound):
        store.inspections.finish(first.id, "{}")
    assert len(store.unfinished().inspections) == 2


def test_an_older_version_does_not_replace_a_newer_ones(store: Store) -> None:
    older, newer = {**INPUTS, "version": 1}, {**INPUTS, "version": 2}
    store.inspections.ask("cats", older)
    second, created = store.inspections.ask("cats", newer)
    assert (created, second.version) == (True, 2), "a newer one replaces it"
    for again in (False, True):
        assert store.inspections.ask("cats", {**older, "index": 8}, again=again) == (second, False)
    store.inspections.fail(second.id, ERROR)
    assert store.inspections.ask("cats", older, again=True)[0].id == second.id
    assert store.inspections.ask("cats", INPUTS)[0].id == second.id, "without a version, it is the oldest"
    assert store.inspections.ask("cats", {**newer, "index": 8})[1], "its own version goes on"


def age(store: Store, inspection_id: str, age: timedelta) -> None:
    """As if its last change was long ago."""
    with store.database.writing() as session:
        row = InspectionRow
        session.execute(update(row).where(row.id == inspection_id).values(updated=store.database.now() - age))


def test_after_an_update_that_was_taken_back_the_older_version_goes_on(store: Store) -> None:
    older, newer = {**INPUTS, "version": 1}, {**INPUTS, "version": 2}
    first, _ = store.inspections.ask("cats", newer)
    age(store, first.id, timedelta(minutes=50))
    assert store.inspections.ask("cats", older)[0].id == first.id
    age(store, first.id, timedelta(minutes=61))
    assert store.inspections.ask("cats", older)[1]
    assert store.inspections.ask("cats", newer)[1], "the newer one need not wait"


def test_inspections_that_no_worker_of_their_version_makes_are_found(store: Store) -> None:
    ids = {}
    for dataset, version, minutes in (("own", 2, 90), ("older", 1, 90), ("newer", 3, 90), ("fresh", 1, 50), ("done", 1, 90)):
        ids[dataset] = store.inspections.ask(dataset, {**INPUTS, "version": version})[0].id
        if dataset == "done":
            store.inspections.finish(ids[dataset], "{}")
        age(store, ids[dataset], timedelta(minutes=minutes))
    assert set(store.inspections.abandoned(2)) == {ids["older"], ids["newer"]}


def test_one_that_failed_is_made_again_only_if_somebody_asks(store: Store) -> None:
    first, _ = store.inspections.ask("cats", INPUTS)
    assert store.inspections.fail(first.id, ERROR).error == ERROR
    assert store.inspections.finish(first.id, "{}").status is InspectionStatus.FAILED  # too late
    assert store.inspections.ask("cats", INPUTS) == (store.inspections.by_id(first.id), False)
    second, created = store.inspections.ask("cats", INPUTS, again=True)
    assert created
    assert second.status is InspectionStatus.NOT_STARTED


def test_it_goes_with_its_dataset(store: Store) -> None:
    store.datasets.create("cats", AnnotationKind.IMAGE_CLASSIFICATION, ["https://acct.blob.core.windows.net/c/t.json"])
    record, _ = store.inspections.ask("cats", INPUTS)
    store.datasets.delete("cats")
    with pytest.raises(NotFound):
        store.inspections.by_id(record.id)
