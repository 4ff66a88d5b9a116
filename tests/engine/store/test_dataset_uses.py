import pytest

from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.contract.models import Artifact
from vision_customization.engine.store import Store, TrainingOrder
from vision_customization.engine.store.dataset_uses import UsedFor


@pytest.fixture(autouse=True)
def models(store: Store) -> None:
    """`a` learns from `train` and is tested on `test`, `b` learns from `train` and is evaluated on `new`."""
    for name, test in (("a", "test"), ("b", None)):
        order = TrainingOrder(
            training_dataset_name="train",
            time_budget_in_hours=1,
            model_kind=ModelKind.GENERIC_CLASSIFIER,
            test_dataset_name=test,
        )
        model = store.models.create(name, order)
        store.models.begin(model.id)
        store.models.finish(model.id, None, 1, Artifact(digest="ab" * 32, size_bytes=4))
    store.evaluations.create("b", "e", test_dataset_name="new")


def test_uses_are_by_dataset_and_the_newest_come_first(store: Store) -> None:
    uses = store.dataset_uses.of(["train", "test", "new", "unused"])
    found = {name: [(use.model, use.used_for, use.opposite) for use in of_name] for name, of_name in uses.items()}
    assert found == {
        "train": [("b", UsedFor.TRAINING, None), ("a", UsedFor.TRAINING, "test")],
        "test": [("a", UsedFor.TEST, "train")],
        "new": [("b", UsedFor.EVALUATION, "train")],
    }
    assert {use.status for use in uses["train"]} == {ModelStatus.SUCCEEDED}


def test_no_dataset_has_no_use(store: Store) -> None:
    assert store.dataset_uses.of([]) == {}


@pytest.mark.parametrize(
    ("name", "opposites"),
    [
        ("train", {"test": "model 'a' learns", "new": "model 'b' learned from this dataset and was evaluated"}),
        ("test", {"train": "model 'a' learned from that dataset"}),
        ("new", {"train": "model 'b' learned from that dataset"}),
        ("unused", {}),
    ],
)
def test_what_a_model_learns_from_is_opposite_to_what_it_is_judged_on(
    store: Store, name: str, opposites: dict[str, str]
) -> None:
    found = store.dataset_uses.opposites(name)
    assert found.keys() == opposites.keys()
    for other, why in opposites.items():
        assert why in found[other]


def test_a_dataset_is_not_opposite_to_itself(store: Store) -> None:
    store.evaluations.create("b", "same", test_dataset_name="train")
    assert "train" not in store.dataset_uses.opposites("train")
