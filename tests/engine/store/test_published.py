"""Published names: their gates, their owners, and the models that they pointed to."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import Artifact, ModelPerformance
from vision_customization.engine.store import (
    GateMissed,
    NotFound,
    PublicationRecord,
    StillPublished,
    Store,
    TrainingOrder,
    WrongState,
)
from vision_customization.engine.store.published import PUBLICATIONS_MAX


def train(store: Store, name: str, accuracy: float = 0.8, test_dataset: str | None = None) -> str:
    order = TrainingOrder(
        training_dataset_name="cats",
        time_budget_in_hours=1,
        model_kind=ModelKind.GENERIC_CLASSIFIER,
        test_dataset_name=test_dataset,
    )
    record = store.models.create(name, order)
    performance = ModelPerformance(accuracy_top1=accuracy, calibration_ece=0.05)
    return store.models.finish(record.id, performance, 1, Artifact(digest="ab", size_bytes=1)).id


def names(publications: list[PublicationRecord]) -> list[str]:
    return [publication.model_name for publication in publications]


def test_each_move_of_a_name_is_remembered_with_who_made_it(store: Store) -> None:
    first, second = train(store, "a"), train(store, "b")
    store.published.publish("live", "a", by="ada")
    store.published.publish("live", "a", by="again")  # changes nothing
    store.published.publish("live", "b")
    store.published.publish("live", "a", by="x" * 300)
    history = store.published.history("live")
    assert [(entry.model_name, entry.model_id, entry.published_by, entry.reason, entry.available) for entry in history] == [
        ("a", first, "x" * 255, None, True),
        ("b", second, None, None, True),
        ("a", first, "ada", None, True),
    ]
    assert history[0].published == store.published.find("live").updated
    assert store.published.history("live", 1, 1) == history[1:2]
    with pytest.raises(NotFound, match="no published model 'other'"):
        store.published.history("other")


def test_the_history_stays_when_the_name_and_the_model_are_gone(store: Store) -> None:
    train(store, "a")
    store.published.publish("live", "a")
    store.published.unpublish("live")
    store.models.delete("a")
    assert [(entry.model_name, entry.available) for entry in store.published.history("live")] == [("a", False)]
    train(store, "a")  # another model, of the same name
    store.published.publish("live", "a")
    assert [(entry.model_name, entry.available) for entry in store.published.history("live")] == [("a", True), ("a", False)]


def test_a_model_that_was_trained_again_under_its_name_is_another_publication(store: Store) -> None:
    train(store, "a")
    store.published.publish("live", "a")
    store.models.delete("a")
    train(store, "a")
    store.published.publish("live", "a")
    assert [entry.available for entry in store.published.history("live")] == [True, False]


def test_of_each_name_the_last_hundred_are_kept(store: Store) -> None:
    for name in ("a", "b"):
        train(store, name)
    store.published.publish("other", "a", by="first of the other")
    for number in range(PUBLICATIONS_MAX + 3):
        store.published.publish("live", "ab"[number % 2], by=str(number))
    history = store.published.history("live", 0, 200)
    assert [entry.published_by for entry in history] == [str(number) for number in range(PUBLICATIONS_MAX + 2, 2, -1)]
    assert names(store.published.history("other")) == ["a"]


def test_the_model_to_go_back_to_is_the_last_other_one_that_exists(store: Store) -> None:
    for name in ("a", "b", "c"):
        train(store, name)
    store.published.publish("live", "a")
    assert store.published.previous("live") is None
    store.published.publish("live", "b")
    store.published.publish("live", "c")
    store.published.publish("live", "b")
    previous = store.published.previous("live")
    assert previous is not None
    assert previous.model_name == "c"
    store.models.delete("c")
    previous = store.published.previous("live")
    assert previous is not None
    assert previous.model_name == "a"
    store.models.delete("b")  # the name points to a model that is gone
    previous = store.published.previous("live")
    assert previous is not None
    assert previous.model_name == "a"
    store.published.unpublish("live")
    with pytest.raises(NotFound):
        store.published.previous("live")


def test_a_gate_stays_with_the_name_and_judges_every_model(store: Store) -> None:
    train(store, "good", 0.9)
    train(store, "bad", 0.7)
    published, _ = store.published.publish("live", "good", require={"accuracyTop1": 0.8, "calibrationECE": 0.1})
    assert published.require == {"accuracyTop1": 0.8, "calibrationECE": 0.1}
    with pytest.raises(GateMissed) as missed:
        store.published.publish("live", "bad")
    assert str(missed.value) == (
        "The model 'bad' does not pass the gate of 'live' by its own estimate: accuracyTop1 is 0.7000, below the required 0.8. "
        "Nothing was published. Publish a model that passes, or set another gate with `require`."
    )
    assert store.published.find("live") == published
    assert names(store.published.history("live")) == ["good"]
    with pytest.raises(GateMissed):
        store.published.publish("live", "good", require={"accuracyTop1": 0.95})
    assert store.published.find("live") == published, "the gate that it misses is not stored, either"
    with pytest.raises(GateMissed):
        store.published.publish("new", "bad", require={"accuracyTop1": 0.8})
    with pytest.raises(NotFound):
        store.published.find("new")
    moved, _ = store.published.publish("live", "bad", require={})
    assert (moved.model_name, moved.require) == ("bad", {})


@pytest.mark.parametrize(("accuracy", "passes"), [(0.9, True), (0.7, False)])
def test_a_gate_judges_the_evaluation_that_is_named(store: Store, accuracy: float, passes: bool) -> None:
    train(store, "a", 1.0 if not passes else 0.0, test_dataset="cats-test")
    train(store, "b")
    evaluation = store.evaluations.create("a", "e", test_dataset_name="t")
    for of, said in (("a", "'e' is 'notStarted': only one that has succeeded"), ("b", "no evaluation 'e'")):
        with pytest.raises((WrongState, NotFound), match=said):
            store.published.publish("live", of, evaluation="e")
    store.evaluations.finish(evaluation.id, ModelPerformance(accuracy_top1=accuracy))
    if passes:
        with pytest.raises(GateMissed, match=r"on its test dataset 'cats-test': accuracyTop1 is 0\.0000"):
            store.published.publish("live", "a", require={"accuracyTop1": 0.8})
        assert store.published.publish("live", "a", require={"accuracyTop1": 0.8}, evaluation="e")[1]
    else:
        with pytest.raises(GateMissed, match=r"in evaluation 'e': accuracyTop1 is 0\.7000"):
            store.published.publish("live", "a", require={"accuracyTop1": 0.8}, evaluation="e")


def test_the_history_knows_what_the_gate_judged_last(store: Store) -> None:
    for name in ("a", "b"):
        train(store, name, 0.5)
        for evaluation in ("e", "f"):
            done = store.evaluations.create(name, evaluation, test_dataset_name="t")
            store.evaluations.finish(done.id, ModelPerformance(accuracy_top1=0.95))
    store.published.publish("live", "a")
    store.published.publish("live", "a", require={"accuracyTop1": 0.9}, evaluation="e")
    store.published.publish("live", "b", evaluation="e")
    store.published.publish("live", "b", evaluation="f")
    store.published.publish("live", "b", require={})
    assert [(entry.model_name, entry.evaluation) for entry in store.published.history("live")] == [("b", "f"), ("a", "e")]
    previous = store.published.previous("live")
    assert previous is not None
    assert previous.evaluation == "e"


def test_a_model_that_answers_can_be_spared(store: Store) -> None:
    for name in ("a", "b"):
        train(store, name)
    for number in range(7):
        store.published.publish(f"live-{number}", "a")
    assert store.published.names_of(["a", "b"]) == {"a": [f"live-{number}" for number in range(7)]}
    with pytest.raises(StillPublished) as refused:
        store.models.delete("a", spare_published=True)
    assert str(refused.value) == (
        "The model 'a' answers as 'live-0', 'live-1', 'live-2', 'live-3', 'live-4' and 2 more. Publish another model there "
        "first, or unpublish the name."
    )
    assert store.models.find("a").name == "a"
    store.models.delete("b", spare_published=True)
    store.models.delete("a")
    assert store.published.find("live-0").model_name == "a"


def test_of_a_publication_and_a_deletion_at_once_one_is_refused(store: Store) -> None:
    for round_ in range(6):
        name = f"m-{round_}"
        train(store, name)

        def publish(model: str = name) -> bool:
            try:
                return store.published.publish(f"{model}-live", model) is not None
            except NotFound:
                return False

        def delete(model: str = name) -> bool:
            try:
                return store.models.delete(model, spare_published=True) is not None
            except StillPublished:
                return False

        with ThreadPoolExecutor(2) as callers:
            outcomes = [callers.submit(delete), callers.submit(publish)]
        assert sorted(outcome.result() for outcome in outcomes) == [False, True]


def test_a_gate_needs_the_metrics_that_it_judges(store: Store) -> None:
    order = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    store.models.finish(store.models.create("a", order).id, None, 1, Artifact(digest="ab", size_bytes=1))
    with pytest.raises(GateMissed, match="accuracyTop1 is not among the metrics of this model, but "):
        store.published.publish("live", "a", require={"accuracyTop1": 0.5})


def test_the_owner_stays_until_another_is_named(store: Store) -> None:
    train(store, "a")
    train(store, "b")
    assert store.published.publish("live", "a")[0].managed_by is None
    owned, created = store.published.publish("live", "a", managed_by="pulumi:p/dev")
    assert (owned.managed_by, created) == ("pulumi:p/dev", False)
    assert store.published.publish("live", "b")[0].managed_by == "pulumi:p/dev"
    assert store.published.publish("live", "b", managed_by="pulumi:p/prod")[0].managed_by == "pulumi:p/prod"
    assert names(store.published.history("live")) == ["b", "a"]


def test_a_name_moved_by_many_at_once_has_one_history(store: Store) -> None:
    for name in ("a", "b"):
        train(store, name)
    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda number: store.published.publish("live", "ab"[number % 2]), range(24)))
    history = names(store.published.history("live"))
    assert history[0] == store.published.find("live").model_name
    assert all(one != other for one, other in pairwise(history)), "each entry is a move"
