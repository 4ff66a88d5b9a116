"""How a step of a job runs: tried again where something goes wrong that may pass, and kept by DBOS once it has ended."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from dbos import DBOS

from vision_customization.common.backoff import Backoff
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobCancelled, JobError, JobFailed, SourceUnreachable
from vision_customization.engine.jobs.steps.waiting import CHECK_SECONDS
from vision_customization.engine.learning import LearningError
from vision_customization.engine.objects.store import ObjectsUnavailable

PAUSES_SECONDS = Backoff(1.0, 30.0).waits(7)
"""1, 2, 4, … 30 s between the attempts of a step: in 91 s a database is free again and a storage server has restarted."""


_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Steps:
    """Runs the steps of one workflow.

    Args:
        check: raises JobCancelled where the job should stop; asked while an attempt is waited for.
        pauses_seconds: before each further attempt.
    """

    def __init__(self, check: Callable[[], None], pauses_seconds: Sequence[float] = PAUSES_SECONDS) -> None:
        self._check = check
        self._pauses = pauses_seconds
        self._ended = False

    def __call__(self, name: str, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Run the step `name` of the current workflow, or return its recorded result. Raises JobFailed, JobCancelled."""
        try:
            return DBOS.run_step({"name": name}, lambda: self._attempts(name, function, *arguments, **named))
        except JobError:
            self._ended = True  # what is still to be done then, is done even if the job is cancelled meanwhile
            raise

    def unrecorded(self, name: str, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Try it as a step is tried, but record nothing: only for what is the same each time it is asked."""
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
                _tell(name, error)
                pause = next(pauses, None)
                if pause is None:
                    raise _failure(name, error, len(self._pauses) + 1) from error
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
        except Exception as error:  # noqa: BLE001 - it may be the very database that is waited for
            _log.debug("whether %s was cancelled cannot be asked (%s)", DBOS.workflow_id, type(error).__name__)


def _tell(step: str, error: Exception) -> None:
    if isinstance(error, SourceUnreachable | ObjectsUnavailable):
        _log.warning("step %r of %s: %s", step, DBOS.workflow_id, error)
    else:
        _log.error("step %r of %s went wrong", step, DBOS.workflow_id, exc_info=error)


def _failure(step: str, error: Exception, attempts: int) -> JobFailed:
    if isinstance(error, SourceUnreachable):
        message = (
            f"{error} It was tried {attempts} times: see that {error.host} answers and that this engine can reach it, "
            "and start it again."
        )
    elif isinstance(error, ObjectsUnavailable):
        message = f"{error} It was tried {attempts} times: see to it, and start it again."
    else:
        message = f"The engine failed in step '{step}'; its log says why. Start it again."
    return JobFailed(FailureCode.UNKNOWN, message)
