"""The workflows: in which order the steps of a job run. DBOS keeps each step's result; a job that is taken up again gets the
results of the steps it has finished, and goes on with the next.

Whatever decides the order here must follow from such results alone, or a job would not go the same way twice.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from dbos import DBOS

from customization.contract import ModelKind, TrainingProgress
from engine.jobs.classifier_training import ClassifierTraining
from engine.jobs.detector_training import DetectorTraining, run_detector_training
from engine.jobs.errors import JobCancelled, JobFailed
from engine.jobs.evaluation import EvaluationRun
from engine.jobs.job import Planned
from engine.jobs.keeping import Keeping
from engine.jobs.plan import Plans
from engine.jobs.queue import EVALUATION_WORKFLOW, RECOGNITION_WORKFLOW, RECOVERY_ATTEMPTS_MAX, TRAINING_WORKFLOW
from engine.jobs.recognition import Detector, Recognition, run_recognition
from engine.jobs.resources import Resources
from engine.jobs.steps import PAUSES_SECONDS, Steps
from engine.jobs.training import TEST, TRAINING, Training, advanced, embedded
from engine.settings import Settings
from engine.store import NotFound

_READING_BUDGET_SHARE = 0.9


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
        kind = _model_kind(resources, model_id)
        begin = ClassifierTraining if kind is ModelKind.GENERIC_CLASSIFIER else DetectorTraining
        with closing(begin(resources, plans, settings, model_id)) as training:
            run_training(training, Steps(training.check, pauses_seconds))

    @DBOS.workflow(name=EVALUATION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def evaluate(evaluation_id: str) -> None:
        with closing(EvaluationRun(resources, plans, evaluation_id)) as evaluation:
            run_evaluation(evaluation, Steps(evaluation.check, pauses_seconds))

    @DBOS.workflow(name=RECOGNITION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def recognize(run_id: str) -> None:
        recognition = Recognition(resources.store, resources.objects, detector, run_id)
        run_recognition(recognition, Steps(recognition.check, pauses_seconds))


def run_training(training: Training, step: Callable[..., Any]) -> None:
    """All steps of a training; `step(name, function, *arguments)` runs one, or knows its result."""
    progress = TrainingProgress(stage="reading annotations")
    try:
        planned: Planned = step("read annotations", training.read_annotations)
        budget_seconds: float = step("budget", lambda: training.budget_seconds)
        progress = advanced(progress, share=0.02, images=planned["images"], seconds=planned["seconds"])
        if isinstance(training, DetectorTraining):
            _train_detector(training, step, planned, progress, budget_seconds)
            return
        assert isinstance(training, ClassifierTraining)
        progress = advanced(progress, stage="reading and embedding images")
        shards_done = []
        for part, shards in enumerate(planned["shards"]):
            done = 0
            for index in range(shards):
                # Of the training images, what there is when the budget ends is learnt from; test images are all measured.
                if part == 0 and progress.seconds >= budget_seconds * _READING_BUDGET_SHARE:
                    break
                share = 0.02 + 0.78 * (sum(planned["shards"][:part]) + index + 1) / sum(planned["shards"])
                progress = _read(training, step, training.embedding, part, index, progress, share)
                done += 1
            shards_done.append(done)
        fitted = step("fit", training.fit, shards_done[0], progress.seconds, progress)
        progress = advanced(progress, stage="evaluating", share=0.9, seconds=progress.seconds + fitted["seconds"])
        performance = fitted["performance"]
        if len(shards_done) > 1:
            step("report", training.report, progress)
            performance = step("evaluate", training.evaluate, shards_done[1])
        progress = advanced(progress, stage="exporting", share=0.95)
        step("report", training.report, progress)
        artifact = step("export", training.export, fitted, performance)
        step("finish", training.finish, performance, artifact, advanced(progress, stage="trained", share=1.0))
    except JobFailed as failure:
        step("fail", training.fail, failure, progress.seconds)
    except JobCancelled:
        step("cancel", training.cancel, progress.seconds)


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


def _train_detector(
    training: DetectorTraining, step: Callable[..., Any], planned: Planned, progress: TrainingProgress, budget_seconds: float
) -> None:
    progress = advanced(progress, stage="reading images")
    read = 0
    for index in range(planned["shards"][TRAINING]):
        if progress.seconds >= budget_seconds * _READING_BUDGET_SHARE / 2:
            break
        share = 0.02 + 0.13 * (index + 1) / planned["shards"][TRAINING]
        progress = _read(training, step, training.pictures, TRAINING, index, progress, share)
        read += 1
    shards = [read, *planned["shards"][TEST:]]
    if len(shards) > 1:  # what the training's progress is told by
        progress = _read(training, step, training.pictures, TEST, 0, progress, progress.share)
    run_detector_training(training, step, shards, progress, budget_seconds)


def _read(
    training: Training,
    step: Callable[..., Any],
    keeping: Keeping,
    part: int,
    index: int,
    before: TrainingProgress,
    share: float,
) -> TrainingProgress:
    done = step(f"embed {part}/{index}", training.keep_and_report, keeping, part, index, before, share)
    return embedded(before, done, share)


def _model_kind(resources: Resources, model_id: str) -> ModelKind:
    """What never changes of a model; whichever, of one that is gone: its first step finds out."""
    try:
        return resources.store.model_by_id(model_id).model_kind
    except NotFound:
        return ModelKind.GENERIC_CLASSIFIER
