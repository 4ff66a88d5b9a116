"""The workflows: in which order the steps of a job run. DBOS keeps each step's result; a job that is taken up again gets the
results of the steps it has finished, and goes on with the next.

Whatever decides the order here must follow from such results alone, or a job would not go the same way twice.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from dbos import DBOS

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import TrainingProgress
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.images.plan import Plans
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.kinds.classifier import ClassifierTraining, learn_classifier
from vision_customization.engine.jobs.kinds.detector import DetectorTraining, learn_detector
from vision_customization.engine.jobs.kinds.evaluation import EvaluationRun
from vision_customization.engine.jobs.kinds.job import Planned
from vision_customization.engine.jobs.kinds.recognition import Detector, Recognition, run_recognition
from vision_customization.engine.jobs.kinds.training import Learn, Standing, Step, Training
from vision_customization.engine.jobs.queue import (
    EVALUATION_WORKFLOW,
    RECOGNITION_WORKFLOW,
    RECOVERY_ATTEMPTS_MAX,
    TRAINING_WORKFLOW,
)
from vision_customization.engine.jobs.steps.retrying import PAUSES_SECONDS, Steps
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import NotFound


def declare_workflows(
    resources: Resources,
    plans: Plans,
    settings: Settings,
    detector: Detector,
    pauses_seconds: Sequence[float] = PAUSES_SECONDS,
) -> None:
    """Make the workflows known to DBOS; to be called before it is launched. `pauses_seconds`: see `Steps`."""

    @DBOS.workflow(name=TRAINING_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def train(model_id: str) -> None:
        kind, tiles = _kind_and_tiles(resources, model_id)
        if kind is ModelKind.GENERIC_CLASSIFIER:
            with closing(ClassifierTraining(resources, plans, settings, model_id)) as classifier:
                run_training(classifier, Steps(classifier.check, pauses_seconds), learn_classifier)
        else:
            with closing(DetectorTraining(resources, plans, settings, model_id, tiles)) as detector_training:
                run_training(detector_training, Steps(detector_training.check, pauses_seconds), learn_detector)

    @DBOS.workflow(name=EVALUATION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def evaluate(evaluation_id: str) -> None:
        with closing(EvaluationRun(resources, plans, evaluation_id)) as evaluation:
            run_evaluation(evaluation, Steps(evaluation.check, pauses_seconds))

    @DBOS.workflow(name=RECOGNITION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def recognize(run_id: str) -> None:
        recognition = Recognition(resources.store, resources.objects, detector, run_id)
        run_recognition(recognition, Steps(recognition.check, pauses_seconds))


def run_training(training: Training, step: Step, learn: Learn[Any]) -> None:
    """All steps of a training; `step(name, function, *arguments)` runs one, or knows its result. `learn` runs those between the
    plan and the end."""
    standing = Standing(TrainingProgress(stage="reading annotations"))
    try:
        planned: Planned = step("read annotations", training.read_annotations)
        budget_seconds: float = step("budget", lambda: training.budget_seconds)
        standing.advance(share=0.02, images=planned["images"], seconds=planned["seconds"])
        performance, artifact = learn(training, step, planned, standing, budget_seconds)
        step("finish", training.finish, performance, artifact, standing.advance(stage="trained", share=1.0))
    except JobFailed as failure:
        step("fail", training.fail, failure, standing.progress.seconds)
    except JobCancelled:
        step("cancel", training.cancel, standing.progress.seconds)


def run_evaluation(evaluation: EvaluationRun, step: Callable[..., Any]) -> None:
    """All steps of an evaluation."""
    try:
        planned: Planned = step("read annotations", evaluation.read_annotations)
        (shards,) = planned["shards"]
        for index in range(shards):
            step(f"embed {index}", evaluation.keep_shard, index)
        step("finish", evaluation.finish, shards)
    except JobFailed as failure:
        step("fail", evaluation.fail, failure)
    except JobCancelled:
        step("clean up", evaluation.clean_up)


def _kind_and_tiles(resources: Resources, model_id: str) -> tuple[ModelKind, int]:
    """What never changes of a model; whichever, of one that is gone: its first step finds out."""
    try:
        model = resources.store.models.by_id(model_id)
    except NotFound:
        return ModelKind.GENERIC_CLASSIFIER, 1
    return model.model_kind, model.tiles
