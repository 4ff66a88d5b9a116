"""Failures that people have seen."""

import pytest

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import Artifact
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store import ModelRecord, NotFound, Store, TrainingOrder, WrongState
from vision_customization.engine.store.tables import DismissalRow

ERROR = ErrorDetails(code="diverged", message="too little data")


def create(store: Store, name: str) -> ModelRecord:
    kind = ModelKind.GENERIC_CLASSIFIER
    return store.models.create(name, TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=kind))


def failed_model(store: Store, name: str) -> str:
    return store.models.fail(create(store, name).id, ERROR).id


def failed_evaluation(store: Store, model: str, name: str) -> str:
    return store.evaluations.fail(store.evaluations.create(model, name, test_dataset_name="t").id, ERROR).id


def rows(store: Store) -> list[tuple[str, str]]:
    with store.database.reading() as session:
        return [(row.id, row.dismissed_by) for row in session.query(DismissalRow).order_by(DismissalRow.dismissed)]


def test_a_failure_is_dismissed_once(store: Store) -> None:
    one, other = failed_model(store, "a"), failed_model(store, "b")
    assert store.dismissals.of("model", [one, other]) == frozenset()
    for who in ("ada", "bob"):
        store.dismissals.add("model", one, who)
    assert rows(store) == [(one, "ada")], "the first who has seen it"
    assert store.dismissals.of("model", [one, other]) == {one}
    assert (store.dismissals.has("model", one), store.dismissals.has("model", other)) == (True, False)
    assert not store.dismissals.has("evaluation", one)
    assert store.dismissals.of("model", []) == frozenset()


def test_only_failures_are_dismissed(store: Store) -> None:
    waiting = create(store, "a").id
    with pytest.raises(WrongState, match="'a' is 'notStarted': only what has failed can be dismissed"):
        store.dismissals.add("model", waiting, "ada")
    for kind in ("model", "evaluation"):
        with pytest.raises(NotFound, match=f"no {kind} 'nowhere'"):
            store.dismissals.add(kind, "nowhere", "ada")  # type: ignore[arg-type]


def test_a_dismissal_goes_with_what_had_failed(store: Store) -> None:
    failed, trained = failed_model(store, "failed"), create(store, "trained").id
    store.models.finish(trained, None, 1, Artifact(digest="ab", size_bytes=1))
    first, second = failed_evaluation(store, "trained", "e"), failed_evaluation(store, "trained", "f")
    store.dismissals.add("model", failed, "ada")
    for evaluation in (first, second):
        store.dismissals.add("evaluation", evaluation, "ada")
    store.evaluations.delete("trained", "e")
    assert store.dismissals.of("evaluation", [first, second]) == {second}
    store.models.delete("trained")
    assert rows(store) == [(failed, "ada")]
    store.models.delete("failed")
    assert rows(store) == []
