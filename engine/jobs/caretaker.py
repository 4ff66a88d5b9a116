"""Sees that no job is forgotten: whatever died when, each model and evaluation comes to a final status.

Every worker has a caretaker. They need not agree on who does what: everything here may be done twice.
"""

import logging
from collections import defaultdict
from contextlib import suppress

from dbos import WorkflowStatus

from customization.contract import ErrorDetails, FailureCode
from engine.jobs.job import evaluation_job, training_job
from engine.jobs.liveness import Locks
from engine.jobs.queue import JobQueue
from engine.store import NotFound, Store

_log = logging.getLogger(__name__)
_ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


class Caretaker:
    """Looks after all jobs of the engine, from within the worker named `worker`."""

    def __init__(self, store: Store, queue: JobQueue, locks: Locks, worker: str) -> None:
        self._store = store
        self._queue = queue
        self._locks = locks
        self._worker = worker

    def look(self) -> None:
        self.settle()
        self.rescue()

    def settle(self) -> None:
        """Bring rows and workflows into line: enqueue what has no workflow, end what has a workflow that ended, and cancel
        what waits in a queue and should not start."""
        models, evaluations = self._store.unfinished()
        jobs = [training_job(model) for model in models] + [evaluation_job(evaluation) for evaluation in evaluations]
        statuses = self._queue.statuses(jobs)
        for model_id in models:
            self._settle_training(model_id, statuses.get(training_job(model_id)))
        for evaluation_id in evaluations:
            status = statuses.get(evaluation_job(evaluation_id))
            if status is None:
                self._queue.enqueue_evaluation(evaluation_id)
            elif status.status in _ENDED:
                with suppress(NotFound):
                    self._store.fail_evaluation(evaluation_id, _died(FailureCode.INTERNAL_SERVER_ERROR))

    def rescue(self) -> list[str]:
        """Give back the work of workers that are gone; the ids of it."""
        by_worker: defaultdict[str, list[WorkflowStatus]] = defaultdict(list)
        for workflow in self._queue.running():
            if workflow.executor_id is not None and workflow.executor_id != self._worker:
                by_worker[workflow.executor_id].append(workflow)
        rescued = []
        for worker in by_worker:
            lock = self._locks.take(worker)
            if lock is None:
                continue  # it lives
            try:
                # Nobody else rescues it now, and it cannot come back: what is still its own, is nobody's.
                for workflow in self._queue.running(worker):
                    _log.warning("worker %s is gone: %s goes back to its queue", worker, workflow.workflow_id)
                    self._queue.give_back(workflow)
                    rescued.append(workflow.workflow_id)
            finally:
                lock.release()
        return rescued

    def _settle_training(self, model_id: str, status: WorkflowStatus | None) -> None:
        with suppress(NotFound):
            if status is None or status.status == "ENQUEUED":
                if self._store.cancellation_requested(model_id):
                    if status is not None:
                        self._queue.withdraw(status.workflow_id)
                    self._store.cancel_training(model_id)
                elif status is None:
                    self._queue.enqueue_training(model_id)
            elif status.status in _ENDED and not self._ended_meanwhile(model_id):
                self._store.fail_training(model_id, _died(FailureCode.UNKNOWN))

    def _ended_meanwhile(self, model_id: str) -> bool:
        return self._store.model_by_id(model_id).status.final


def _died(code: FailureCode) -> ErrorDetails:
    return ErrorDetails(
        code=code.value,
        message="The engine's worker died each time it tried; its log says why. Too little memory is the usual reason.",
    )
