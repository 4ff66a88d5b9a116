"""The workflows: in which order the steps of a job run. DBOS keeps each step's result; a job that is taken up again gets the
results of the steps it has finished, and goes on with the next.

Whatever decides the order here must follow from such results alone, or a job would not go the same way twice.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from dbos import DBOS

from customization.contract import TrainingProgress
from engine.jobs.embedding import Resources
from engine.jobs.errors import JobCancelled, JobFailed
from engine.jobs.evaluation import EvaluationRun
from engine.jobs.job import Planned
from engine.jobs.plan import Plans
from engine.jobs.queue import EVALUATION_WORKFLOW, RECOGNITION_WORKFLOW, RECOVERY_ATTEMPTS_MAX, TRAINING_WORKFLOW
from engine.jobs.recognition import Detector, Recognition, run_recognition
from engine.jobs.steps import PAUSES_SECONDS, Steps
from engine.jobs.training import Training, advanced, embedded
from engine.settings import Settings

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
        with closing(Training(resources, plans, settings, model_id)) as training:
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
        progress = advanced(
            progress, stage="reading and embedding images", share=0.02, images=planned["images"], seconds=planned["seconds"]
        )
        shards_done = []
        for part, shards in enumerate(planned["shards"]):
            done = 0
            for index in range(shards):
                # Of the training images, what there is when the budget ends is learnt from; test images are all measured.
                if part == 0 and progress.seconds >= budget_seconds * _READING_BUDGET_SHARE:
                    break
                progress = _embedded(training, step, planned, part, index, progress)
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
            step(f"embed {index}", evaluation.embed, 0, index)
        step("finish", evaluation.finish, shards)
    except JobFailed as failure:
        step("fail", evaluation.fail, failure)
    except JobCancelled:
        step("clean up", evaluation.clean_up)


def _embedded(
    training: Training, step: Callable[..., Any], planned: Planned, part: int, index: int, before: TrainingProgress
) -> TrainingProgress:
    position = sum(planned["shards"][:part]) + index + 1
    share = 0.02 + 0.78 * position / sum(planned["shards"])
    done = step(f"embed {part}/{index}", training.embed_and_report, part, index, before, share)
    return embedded(before, done, share)
