"""The order in which a training and an evaluation end."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest
from dbos import WorkflowStatus

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobCancelled, JobError, JobFailed
from vision_customization.engine.jobs.kinds.evaluation import EvaluationRun
from vision_customization.engine.jobs.kinds.training import Training, TrainingJob
from vision_customization.engine.jobs.steps.pieces import Pieces
from vision_customization.engine.jobs.workflows import run_evaluation, run_training

FAILED = JobFailed(FailureCode.DATASET_CORRUPT, "a file is damaged")


class Log:
    """A job and its queue, whose first piece raises `error`. Keeps the order of what ends the job."""

    name = "training-1"
    read_annotations = make_plan = keep_shard = None

    def __init__(self, error: JobError) -> None:
        self._error = error
        self.calls: list[str] = []

    def step(self, _name: str, function: Callable[..., Any], *arguments: object) -> object:
        return function(*arguments)

    def kind_and_tiles(self) -> tuple[str, int]:
        return ModelKind.GENERIC_CLASSIFIER.value, 1

    def report(self, _progress: object) -> None: ...

    def fail(self, *_arguments: object) -> None:
        self.calls.append("the plan is deleted")

    cancel = clean_up = fail

    def enqueue_pieces(self, _queue: str, _priority: int, _pieces: Mapping[str, Sequence[Any]]) -> None:
        raise self._error

    def awakenings(self) -> int:
        return 0

    def wait(self, _awakenings: int, _seconds: float) -> None: ...

    def ended_piece(self, _piece: str) -> WorkflowStatus | None:
        return None

    def withdraw_pieces(self, _job: str) -> None:
        self.calls.append("the pieces are withdrawn")

    forget_pieces = withdraw_pieces


@pytest.mark.parametrize("error", [FAILED, JobCancelled()])
@pytest.mark.parametrize("evaluation", [False, True])
def test_a_job_withdraws_its_pieces_before_their_plan_is_deleted(error: JobError, evaluation: bool) -> None:
    def method() -> None: ...

    log = Log(error)
    log.read_annotations = log.keep_shard = method  # type: ignore[assignment]
    pieces = Pieces(log.step, log, log.name, lambda: None)
    if evaluation:
        run_evaluation(cast("EvaluationRun", log), pieces)
    else:
        run_training(cast("TrainingJob", log), lambda _kind, _tiles: cast("Training", log), pieces)
    assert log.calls[:2] == ["the pieces are withdrawn", "the plan is deleted"]
