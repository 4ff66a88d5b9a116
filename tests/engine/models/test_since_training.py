"""Whether a dataset has changed since a model was trained from it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.models import Artifact, TrainingProgress
from vision_customization.engine.models.since_training import RegisteredContent, SinceTraining, changed_since_training
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import NotFound, Store, TrainingContent, TrainingOrder, TrainingOutcome

CLASSES = AnnotationKind.IMAGE_CLASSIFICATION
A, B = "a" * 64, "b" * 64
ROOT = "https://acct.blob.core.windows.net/c"
NAMED_A, NAMED_B, ELSEWHERE_A = f"{ROOT}/annotations/{A}.json", f"{ROOT}/annotations/{B}.json", f"{ROOT}2/annotations/{A}.json"
LOOSE, OTHER = f"{ROOT}/train.json", f"{ROOT}/other.json"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store whose clock goes on by a minute at each look."""
    times = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(1000))
    settings = Settings.from_environment({}, data_dir=tmp_path)
    with closing(Store.open(settings)):
        pass
    with closing(Store(settings, now=lambda: next(times))) as store:
        yield store


def train(store: Store, name: str, files: dict[str, str] | None) -> None:
    kind = ModelKind.GENERIC_CLASSIFIER
    record = store.models.create(name, TrainingOrder(training_dataset_name="cats", time_budget_in_hours=1, model_kind=kind))
    store.models.begin(record.id)
    store.models.report_progress(record.id, TrainingProgress(stage="trained"))
    if files is not None:
        store.models.record_content(record.id, TrainingContent(CLASSES, files, 9, {"cat": 5, "dog": 4}))
    store.models.finish(record.id, None, 1, Artifact(digest="ab", size_bytes=1))


@pytest.mark.parametrize(
    ("trained", "registered", "known", "changed"),
    [
        ({NAMED_A: A}, [NAMED_A], {}, False),
        ({NAMED_A: A}, [ELSEWHERE_A], {}, False),  # the same file in another container
        ({NAMED_A: A, NAMED_B: B}, [NAMED_B, NAMED_A], {}, False),
        ({NAMED_A: A}, [NAMED_B], {}, True),
        ({NAMED_A: A}, [NAMED_A, NAMED_B], {}, True),
        ({LOOSE: A}, [NAMED_A], {}, False),
        # A file that is not named by its content may have been written again.
        ({LOOSE: A}, [LOOSE], {}, None),
        ({LOOSE: A}, [LOOSE], {LOOSE: A}, False),
        ({LOOSE: A}, [LOOSE], {LOOSE: B}, True),
        ({LOOSE: A}, [OTHER], {}, True),
        ({LOOSE: A}, [OTHER], {OTHER: A}, False),
        ({LOOSE: A, OTHER: B}, [LOOSE, OTHER], {OTHER: A}, True),
        ({LOOSE: A, OTHER: B}, [LOOSE, OTHER], {OTHER: B}, None),
    ],
)
def test_what_is_registered_now_is_compared_with_what_was_read(
    store: Store, trained: dict[str, str], registered: list[str], known: dict[str, str], changed: bool | None
) -> None:
    store.datasets.create("cats", CLASSES, registered)
    train(store, "m", trained)
    found = changed_since_training(store, "cats", RegisteredContent(known))
    assert found == SinceTraining("m", changed)


def test_what_differs_is_said_where_both_are_known(store: Store) -> None:
    store.datasets.create("cats", CLASSES, [NAMED_B])
    train(store, "m", {NAMED_A: A})
    found = changed_since_training(store, "cats", RegisteredContent(images=12, tags={"cat": 8, "dog": 4}))
    assert found == SinceTraining("m", True, ("tag 'cat': 5 → 8",))
    same_counts = changed_since_training(store, "cats", RegisteredContent(images=9, tags={"cat": 5, "dog": 4}))
    assert same_counts == SinceTraining("m", True, ("different images, but the same number as before",))


@pytest.mark.parametrize(
    ("uri", "touched", "changed"), [(NAMED_A, False, False), (NAMED_A, True, None), (LOOSE, False, None), (LOOSE, True, None)]
)
def test_of_a_model_of_an_older_engine_the_times_decide(store: Store, uri: str, touched: bool, changed: bool | None) -> None:
    store.datasets.create("cats", CLASSES, [uri])
    train(store, "m", None)
    if touched:
        store.datasets.update("cats", custom_properties={"k": "v"})
    assert changed_since_training(store, "cats") == SinceTraining("m", changed)


def test_another_kind_is_a_change(store: Store) -> None:
    store.datasets.create("cats", CLASSES, [NAMED_A])
    train(store, "m", {NAMED_A: A})
    store.datasets.update("cats", annotation_kind=AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION)
    said = "annotation kind imageClassification → imageMultiLabelClassification"
    assert changed_since_training(store, "cats") == SinceTraining("m", True, (said,))


def test_the_newest_model_that_was_trained_here_counts(store: Store) -> None:
    store.datasets.create("cats", CLASSES, [NAMED_A])
    assert changed_since_training(store, "cats") is None
    train(store, "older", {NAMED_B: B})
    train(store, "newer", {NAMED_A: A})
    order = TrainingOrder(training_dataset_name="cats", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    outcome = TrainingOutcome(performance=None, cost_minutes=1, artifact=Artifact(digest="ab", size_bytes=1))
    store.models.import_trained("3" * 36, "imported", order, outcome)
    failing = store.models.create("waiting", order)
    store.models.begin(failing.id)
    assert changed_since_training(store, "cats") == SinceTraining("newer", False)
    with pytest.raises(NotFound):
        changed_since_training(store, "dogs")
