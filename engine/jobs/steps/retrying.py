"""Runs the steps of a job: retries errors that may be transient; DBOS records the result of a step that has ended."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from dbos import DBOS

from vision_customization.common.backoff import Backoff
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobCancelled, JobError, JobFailed, SourceUnreachable
from vision_customization.engine.jobs.steps.waiting import CHECK_SECONDS
from vision_customization.engine.learning import LearningError
from vision_customization.engine.objects.store import ObjectsUnavailable
from vision_customization.engine.runtime.full_disk import full_disk

PAUSES_SECONDS = Backoff(1.0, 30.0).waits(7)
"""1, 2, 4, … 30 s between the attempts of a step: enough, 91 s in all, for a busy database or a restarting storage server."""


_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Steps:
    """Runs the steps of one workflow.

    Args:
        check: raises JobCancelled if the job should stop; called during the pauses.
        data_dir: the folder whose disk a step may fill. A full disk ends the job at once, since no pause makes room; only the
            steps that end a job are tried again.
        pauses_seconds: the pause before each further attempt.
    """

    def __init__(self, check: Callable[[], None], data_dir: Path, pauses_seconds: Sequence[float] = PAUSES_SECONDS) -> None:
        self._check = check
        self._data_dir = data_dir
        self._pauses = pauses_seconds
        self._ended = False

    def __call__(self, name: str, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Run the step `name` of the current workflow, or return its recorded result. Raises JobFailed, JobCancelled."""
        try:
            return DBOS.run_step({"name": name}, lambda: self._attempts(name, function, *arguments, **named))
        except JobError:
            self._ended = True  # the cleanup steps that follow must run even if the job is cancelled meanwhile
            raise

    def unrecorded(self, name: str, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Run `function` with the retries of a step, but record nothing: for the one step of a workflow, whose result is the
        workflow's, or for what always returns the same."""
        try:
            return self._attempts(name, function, *arguments, **named)
        except JobError:
            self._ended = True
            raise

    def _attempts(self, name: str, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        pauses = iter(self._pauses)
        while True:
            try:
                return function(*arguments, **named)
            except JobError:
                raise
            except LearningError as error:
                raise JobFailed(error.code, error.message) from error
            except Exception as error:
                full = full_disk(error, self._data_dir)
                _tell(name, error, full)
                pause = next(pauses, None) if full is None or self._ended else None
                if pause is None:
                    raise _failure(name, error, full, len(self._pauses) + 1) from error
                self._wait(pause)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self._ended:
                self._ask()
            time.sleep(min(left, CHECK_SECONDS))

    def _ask(self) -> None:
        try:
            self._check()
        except JobCancelled:
            raise
        except Exception as error:  # noqa: BLE001 - it may be the database whose recovery the step waits for
            _log.debug("cannot check whether %s was cancelled (%s)", DBOS.workflow_id, type(error).__name__)


def _tell(step: str, error: Exception, full: str | None) -> None:
    if full is not None:
        _log.warning("step %r of %s: %s", step, DBOS.workflow_id, full)
    elif isinstance(error, SourceUnreachable | ObjectsUnavailable):
        _log.warning("step %r of %s: %s", step, DBOS.workflow_id, error)
    else:
        _log.error("step %r of %s failed", step, DBOS.workflow_id, exc_info=error)


def _failure(step: str, error: Exception, full: str | None, attempts: int) -> JobFailed:
    if full is not None:
        message = f"{full} Then start the job again."
    elif isinstance(error, SourceUnreachable):
        message = (
            f"{error} The engine tried {attempts} times. Check that {error.host} answers and that the engine can reach it, "
            "then start the job again."
        )
    elif isinstance(error, ObjectsUnavailable):
        message = f"{error} The engine tried {attempts} times. Fix the cause, then start the job again."
    else:
        message = f"The engine failed in step '{step}'. See its log for the cause, then start the job again."
    return JobFailed(FailureCode.UNKNOWN, message)
