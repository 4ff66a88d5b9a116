"""Orders as a page gives them, without HTTP. What the routes make of them is in `tests/engine/api`."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.api_world import FixedModels, RecordedJobs
from vision_customization.contract.enums import AnnotationKind, ModelKind, ModelStatus
from vision_customization.contract.evaluations import EvaluationCreate
from vision_customization.contract.models import (
    Artifact,
    EvaluationParameters,
    ModelCreate,
    ModelPerformance,
    TrainingParameters,
)
from vision_customization.contract.published_models import PublishedModelPut
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import artifact_key
from vision_customization.engine.orders import (
    OrderRefused,
    cancel_training,
    delete_evaluation,
    delete_model,
    publish,
    start_evaluation,
    start_training,
)
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import AlreadyExists, GateMissed, NotFound, Store, TrainingContent, WrongState

EVALUATION = EvaluationCreate(evaluation_parameters=EvaluationParameters(test_dataset_name="t"))


@dataclass
class Desk:
    """What orders touch, without an application: the real store and objects, and a queue and models that only remember."""

    settings: Settings
    store: Store
    objects: FileObjects
    jobs: RecordedJobs = field(default_factory=RecordedJobs)
    models: FixedModels = field(default_factory=FixedModels)

    def train(self, name: str) -> str:
        """Add a model that has succeeded, with its file. Returns its id."""
        model_id = start_training(self, name, order()).id
        self.objects.put(artifact_key(model_id), b"onnx")
        self.store.models.begin(model_id)
        self.store.models.finish(model_id, ModelPerformance(accuracy_top1=0.5), 1, Artifact(digest="ab", size_bytes=4))
        return model_id


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = Settings.from_environment({}, data_dir=tmp_path)
    with closing(Store.open(settings)) as store:
        yield Desk(settings, store, FileObjects(tmp_path / "objects"))


def order(**parameters: object) -> ModelCreate:
    given = {"training_dataset_name": "cats", "time_budget_in_hours": 1, **parameters}
    return ModelCreate(training_parameters=TrainingParameters.model_validate(given), managed_by="pulumi:p/dev")


def test_a_training_is_queued_and_belongs_to_who_ordered_it(desk: Desk) -> None:
    record = start_training(desk, "m", order())
    assert (record.status, record.model_kind) == (ModelStatus.NOT_STARTED, ModelKind.GENERIC_CLASSIFIER)
    assert record.managed_by == "pulumi:p/dev"
    assert desk.jobs.trainings == [record.id]
    with pytest.raises(AlreadyExists):
        start_training(desk, "m", order())


@pytest.mark.parametrize(
    ("parameters", "target"),
    [
        ({"time_budget_in_hours": 337}, "trainingParameters.timeBudgetInHours"),
        ({"tiles": 2}, "trainingParameters.tiles"),
    ],
)
def test_what_no_model_of_the_kind_can_be_is_refused(desk: Desk, parameters: dict[str, object], target: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        start_training(desk, "m", order(**parameters))
    assert refused.value.target == target
    assert str(refused.value).startswith(f"{target}: ")
    with pytest.raises(NotFound):
        desk.store.models.find("m")


def test_what_cannot_be_queued_is_withdrawn(desk: Desk) -> None:
    model_id = desk.train("trained")
    desk.jobs.broken = True
    with pytest.raises(RuntimeError):
        start_training(desk, "m", order())
    with pytest.raises(RuntimeError):
        start_evaluation(desk, "trained", "e", EVALUATION)
    assert desk.store.models.ids() == {model_id}
    assert desk.store.evaluations.page("trained", 0, 5) == []


def test_a_training_that_nobody_has_begun_is_cancelled_at_once(desk: Desk) -> None:
    start_training(desk, "m", order())
    assert cancel_training(desk, "m").status is ModelStatus.CANCELLING
    assert desk.store.models.find("m").status is ModelStatus.CANCELLED
    with pytest.raises(WrongState):
        cancel_training(desk, "m")


def test_a_deleted_model_is_forgotten_with_its_files(desk: Desk) -> None:
    model_id = desk.train("m")
    start_evaluation(desk, "m", "e", EVALUATION)
    desk.store.evaluations.fail(desk.jobs.evaluations[0], ErrorDetails(code="c", message="m"))
    delete_evaluation(desk, "m", "e")
    delete_model(desk, "m")
    assert desk.models.forgotten == [model_id]
    assert not desk.objects.exists(artifact_key(model_id))


def test_a_publication_says_who_made_it(desk: Desk) -> None:
    desk.train("m")
    record, created = publish(desk, "live", PublishedModelPut(model_name="m"), "ada")
    assert (record.model_name, created) == ("m", True)
    assert [entry.published_by for entry in desk.store.published.history("live")] == ["ada"]
    with pytest.raises(GateMissed, match=r"accuracyTop1 is 0\.5000, below the required 0\.9"):
        publish(desk, "live", PublishedModelPut(model_name="m", require={"accuracyTop1": 0.9}), "ada")


@pytest.mark.parametrize(
    ("content", "metric", "said"),
    [
        (None, "meanAveragePrecision50", "'meanAveragePrecision50' is not a metric of a Generic-Classifier; choose from "),
        (AnnotationKind.IMAGE_CLASSIFICATION, "macroF1", "'macroF1' is not a metric of a Generic-Classifier for imageClass"),
    ],
)
def test_a_gate_that_no_model_of_the_kind_can_pass_is_refused(
    desk: Desk, content: AnnotationKind | None, metric: str, said: str
) -> None:
    model_id = desk.train("m")
    if content is not None:
        desk.store.models.record_content(model_id, TrainingContent(content, {}, 1, {}))
    with pytest.raises(OrderRefused) as refused:
        publish(desk, "live", PublishedModelPut(model_name="m", require={metric: 0.5}), "ada")
    assert str(refused.value).startswith(f"require: {said}")
