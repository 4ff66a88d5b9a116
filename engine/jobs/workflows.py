"""The workflows: in which order the steps of a job run. DBOS keeps each step's result; a job that is taken up again gets the
results of the steps it has finished, and goes on with the next.

Whatever decides the order here must follow from such results alone, or a job would not go the same way twice.
"""

import logging
from collections.abc import Callable
from contextlib import closing
from typing import Any, ParamSpec, TypeVar

from dbos import DBOS
from dbos import error as dbos_error

from customization.contract import FailureCode, TrainingProgress
from engine.jobs.embedding import Resources
from engine.jobs.errors import JobCancelled, JobError, JobFailed
from engine.jobs.evaluation import EvaluationRun
from engine.jobs.job import Planned
from engine.jobs.plan import Plans
from engine.jobs.queue import EVALUATION_WORKFLOW, TRAINING_WORKFLOW
from engine.jobs.training import Training, advanced, embedded
from engine.learning import LearningError
from engine.settings import Settings

RECOVERY_ATTEMPTS_MAX = 10
"""How often a job is taken up again after its process died: one that always kills its worker must end."""

_READING_BUDGET_SHARE = 0.9
_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def declare_workflows(resources: Resources, plans: Plans, settings: Settings) -> None:
    """Make the workflows known to DBOS; to be called before it is launched."""

    @DBOS.workflow(name=TRAINING_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def train(model_id: str) -> None:
        with closing(Training(resources, plans, settings, model_id)) as training:
            run_training(training, _step)

    @DBOS.workflow(name=EVALUATION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def evaluate(evaluation_id: str) -> None:
        with closing(EvaluationRun(resources, plans, evaluation_id)) as evaluation:
            run_evaluation(evaluation, _step)


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


def _step(name: str, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Run a step of the current workflow. What goes wrong unexpectedly is tried twice more, and then ends the job."""

    def guarded() -> R:
        try:
            return function(*arguments, **named)
        except JobError:
            raise
        except LearningError as error:
            raise JobFailed(error.code, error.message) from error
        except Exception as error:
            _log.exception("step %r of %s went wrong", name, DBOS.workflow_id)
            raise _Unexpected(type(error).__name__) from error

    try:
        return DBOS.run_step(
            {"name": name, "retries_allowed": True, "max_attempts": 3, "should_retry": lambda e: isinstance(e, _Unexpected)},
            guarded,
        )
    except dbos_error.DBOSMaxStepRetriesExceeded as error:
        message = f"The engine failed in step '{name}'; its log says why. Start it again."
        raise JobFailed(FailureCode.UNKNOWN, message) from error


class _Unexpected(Exception):
    """An error that no one foresaw; only its type is kept, since its text may hold anything."""
