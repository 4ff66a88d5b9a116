"""Makes sure that every model, evaluation, run, content index and inspection reaches a final status, whichever process dies.

Every worker has a caretaker. They need no coordination, because everything here may be done twice. The one exception is the
update of the engine: a lock makes sure that a job of an older version begins again only once.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from dbos import WorkflowStatus

from vision_customization.contract.enums import ModelStatus
from vision_customization.contract.errors import FailureCode
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.inspection.report import VERSION
from vision_customization.engine.jobs.kinds.recognition import settle_unqueued
from vision_customization.engine.jobs.names import (
    batch_prediction_job,
    evaluation_job,
    index_job,
    inspection_job,
    owner,
    recognition_job,
    training_job,
)
from vision_customization.engine.jobs.process.liveness import Locks
from vision_customization.engine.jobs.queue import (
    BATCH_PREDICTION_WORKFLOW,
    ENDED,
    EVALUATION_WORKFLOW,
    INSPECTION_QUEUE,
    INSPECTION_WORKFLOW,
    PIECE_WORKFLOW,
    RECOVERY_ATTEMPTS_MAX,
    TRAINING_WORKFLOW,
    WAITING_ATTEMPTS_MAX,
    WORKER_CONCURRENCY,
    WORKFLOWS_VERSION,
    JobQueue,
)
from vision_customization.engine.models.importing import sweep_imports, sweep_models
from vision_customization.engine.objects.keys import DRAFTS, JOBS, draft_key, job_key, model_key
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.store import ModelRecord, NotFound, Store, Unfinished

BEGINNING_AGAIN = "beginning-again"
"""Name of the lock of the worker that begins queued jobs of older versions again."""
_log = logging.getLogger(__name__)


class Caretaker:
    """Looks after all jobs of the engine, from within the worker named `worker`."""

    def __init__(self, store: Store, objects: ObjectStore, queue: JobQueue, locks: Locks, worker: str) -> None:
        self._store = store
        self._objects = objects
        self._queue = queue
        self._locks = locks
        self._worker = worker

    def look(self) -> bool:
        """Do what is to be done now. Returns whether more is to be done soon, because a job has not ended yet."""
        self.rescue()
        unfinished = self.settle()
        swept = self._store.content.sweep()  # a few rows at a time, since a worker must look again soon
        return unfinished or swept

    def sweep(self) -> None:
        """Delete the leftovers of ended jobs and of unfinished imports, and the files of deleted models and drafts: a process
        that is killed, or whose objects refuse it, does not clean up."""
        with_pieces, with_objects = self._queue.jobs_with_pieces(), set(self._objects.names(JOBS))
        unfinished = set(_jobs_of(self._store.unfinished()))  # read last: a job that is not in it has ended
        for job in with_pieces - unfinished:
            self._queue.forget_pieces(job)
        for job in with_objects - unfinished:
            self._objects.delete(job_key(job))
        sweep_imports(self._store, self._objects)
        sweep_models(self._store, self._objects)
        drafts = set(self._objects.names(DRAFTS))
        for draft_id in drafts - self._store.drafts.ids():
            self._objects.delete(draft_key(draft_id))

    def settle(self) -> bool:
        """Make rows and workflows consistent: enqueue rows without a workflow, end rows whose workflow has ended, and cancel
        queued workflows that should not start. Returns whether any job had not ended before."""
        unfinished = self._store.unfinished()
        statuses = self._queue.statuses(_jobs_of(unfinished))
        for job in self._begin_left_again([job for job, status in statuses.items() if _left_by_older(status)]):
            del statuses[job]  # enqueued below
        for model_id in unfinished.models:
            self._settle_training(model_id, statuses.get(training_job(model_id)))
        for inspection_id in unfinished.inspections:
            self._move_inspection(inspection_id, statuses.get(inspection_job(inspection_id)))
        store, queue = self._store, self._queue
        settle_run = partial(settle_unqueued, store, self._objects, enqueue=queue.enqueue_recognition)
        for ids, job_of, settle_unknown, fail in (
            (unfinished.evaluations, evaluation_job, queue.enqueue_evaluation, store.evaluations.fail),
            (unfinished.runs, recognition_job, settle_run, store.runs.fail),
            (
                unfinished.batch_predictions,
                batch_prediction_job,
                queue.enqueue_batch_prediction,
                store.batch_predictions.fail,
            ),
            (unfinished.content_indexes, index_job, queue.enqueue_index, store.content.fail),
            (unfinished.inspections, inspection_job, self._enqueue_inspection, store.inspections.fail),
        ):
            for id_ in ids:
                self._settle(id_, job_of(id_), statuses, settle_unknown, fail)
        if unfinished.inspections:
            for id_ in store.inspections.abandoned(VERSION):  # an autoscaler would keep a worker for them
                with suppress(NotFound):
                    store.inspections.fail(id_, _abandoned())
        return any(unfinished)

    def rescue(self) -> list[str]:
        """Return the jobs of workers that are gone to their queues; returns the ids. A job that has had too many workers is
        withdrawn instead, and the next call of `settle` ends it. A job of an older version begins again."""
        rescued = []
        workers = {workflow.executor_id for workflow in self._queue.running() if not self._is_mine(workflow)}
        for worker in sorted(filter(None, workers)):
            if worker == self._worker:  # restarted, under its old name
                rescued += self._rescue_from(worker)
                continue
            lock = self._locks.take(worker)
            if lock is None:
                continue  # it is alive
            try:
                rescued += self._rescue_from(worker)
            finally:
                lock.release()
        return rescued

    def _rescue_from(self, worker: str) -> list[str]:
        """We hold the dead worker's lock, so no other caretaker rescues it and it cannot return: its jobs are orphans."""
        rescued = []
        orphans = [workflow for workflow in self._queue.running(worker) if not self._is_mine(workflow)]
        for workflow in sorted(orphans, key=lambda workflow: workflow.name != PIECE_WORKFLOW):  # pieces before their jobs
            if workflow.name != PIECE_WORKFLOW and _older(workflow):
                self._begin_again(workflow)
            elif workflow.queue_name not in WORKER_CONCURRENCY:
                continue  # of another version of the engine, whose workers see to it
            elif self._begun_too_often(workflow):
                _log.error("%s is given up: every worker that took it died", workflow.workflow_id)
                self._queue.withdraw(workflow.workflow_id)
            else:
                _log.warning("worker %s is gone: %s returns to its queue", worker, workflow.workflow_id)
                self._queue.give_back(workflow)
                rescued.append(workflow.workflow_id)
        return rescued

    def _is_mine(self, workflow: WorkflowStatus) -> bool:
        """Whether this worker runs a workflow. What it had begun in an older version, before its restart, DBOS leaves alone."""
        return workflow.executor_id == self._worker and workflow.app_version == WORKFLOWS_VERSION

    def _begun_too_often(self, workflow: WorkflowStatus) -> bool:
        """Count how often workers have begun a job or a piece. DBOS's own count starts again if it changes its worker."""
        job = owner(workflow.workflow_id)
        key = f"{job_key(job)}/begun{workflow.workflow_id.removeprefix(job)}"
        before = int(self._objects.get(key)) if self._objects.exists(key) else 0
        begun = before + max(1, workflow.recovery_attempts or 0)
        self._objects.put(key, str(begun).encode())
        waits = workflow.name in (TRAINING_WORKFLOW, EVALUATION_WORKFLOW, BATCH_PREDICTION_WORKFLOW)
        return begun > (WAITING_ATTEMPTS_MAX if waits else RECOVERY_ATTEMPTS_MAX)

    def _begin_left_again(self, jobs: Sequence[str]) -> list[str]:
        """Begin jobs of older versions again that no worker runs. Returns those that are in no queue now.

        Another worker may have begun them since their status was read. So one worker at a time does it, and reads them again.
        """
        lock = self._locks.take(BEGINNING_AGAIN) if jobs else None
        if lock is None:
            return []
        try:
            left = filter(_left_by_older, self._queue.statuses(list(jobs)).values())
            return [status.workflow_id for status in left if self._begin_again(status)]
        finally:
            lock.release()

    def _begin_again(self, workflow: WorkflowStatus) -> bool:
        """Forget a job of an older version of the workflows; `settle` then enqueues it in this version. False if it is left to
        the older workers."""
        job = workflow.workflow_id
        if self._queue.has_running_pieces(job):
            return False  # by an older worker that lives: it can go on with the job, too
        if workflow.name in (TRAINING_WORKFLOW, EVALUATION_WORKFLOW):
            if workflow.status == "ENQUEUED":
                self._queue.move(job, workflow.name)  # where no older worker takes it from
            # They are of the dataset as it was: the weights of a checkpoint could be of other tags than those of now.
            self._objects.delete(job_key(job))
        if not self._queue.forget(workflow):
            return False
        _log.warning("%s was begun by an older version of the engine: it begins again", job)
        return True

    def _settle(
        self,
        id_: str,
        job: str,
        statuses: Mapping[str, WorkflowStatus],
        settle_unknown: Callable[[str], object],
        fail: Callable[[str, ErrorDetails], object],
    ) -> None:
        """Settle a row that is not a training's: `settle_unknown` if the queue does not know its job, and `fail` if that has
        ended."""
        status = statuses.get(job)
        if status is None:
            settle_unknown(id_)
        elif _ended(status):
            self._queue.forget_pieces(job)
            with suppress(NotFound):
                fail(id_, _died(FailureCode.INTERNAL_SERVER_ERROR))
            self._objects.delete(job_key(job))

    def _enqueue_inspection(self, inspection_id: str) -> None:
        """Unless an engine of another version asked for it, whose workers see to it."""
        with suppress(NotFound):
            if self._store.inspections.by_id(inspection_id).version == VERSION:
                self._queue.enqueue_inspection(inspection_id)

    def _move_inspection(self, inspection_id: str, status: WorkflowStatus | None) -> None:
        """Put one of this version that waits in another queue into its own: an older engine gives the jobs of dead workers back
        to its own queue, where no worker of this version looks."""
        if status is None or status.status != "ENQUEUED" or status.queue_name == INSPECTION_QUEUE:
            return
        with suppress(NotFound):
            if self._store.inspections.by_id(inspection_id).version == VERSION:
                self._queue.move(status.workflow_id, INSPECTION_WORKFLOW)

    def _settle_training(self, model_id: str, status: WorkflowStatus | None) -> None:
        with suppress(NotFound):
            if status is None or status.status == "ENQUEUED":
                if self._store.models.cancellation_requested(model_id):
                    if status is not None:
                        self._queue.withdraw(status.workflow_id)
                        self._queue.forget_pieces(status.workflow_id)
                    self._discard(self._store.models.cancel(model_id))
                elif status is None:
                    self._queue.enqueue_training(model_id)
            elif _ended(status):
                self._queue.forget_pieces(status.workflow_id)
                self._discard(self._store.models.fail(model_id, _died(FailureCode.UNKNOWN)))

    def _discard(self, model: ModelRecord) -> None:
        """Delete what the training's own last step would have deleted."""
        if model.status is not ModelStatus.SUCCEEDED:
            self._objects.delete(model_key(model.id))
        self._objects.delete(job_key(training_job(model.id)))


def _older(status: WorkflowStatus) -> bool:
    """Whether only engines before this one would run a workflow. Inspections have versions of their own."""
    if status.name == INSPECTION_WORKFLOW and status.queue_name not in (INSPECTION_QUEUE, None):
        return False
    version = status.app_version or ""
    return version.isdigit() and int(version) < int(WORKFLOWS_VERSION)


def _left_by_older(status: WorkflowStatus) -> bool:
    """Whether a workflow of an older version waits for a worker, or was cancelled: an older engine cancels a job for a moment
    to begin it again. Those that run are left to their worker while it lives."""
    return status.status in ("ENQUEUED", "CANCELLED") and _older(status)


def _ended(status: WorkflowStatus) -> bool:
    return status.status in ENDED and not _left_by_older(status)


def _jobs_of(unfinished: Unfinished) -> list[str]:
    return [
        *map(training_job, unfinished.models),
        *map(evaluation_job, unfinished.evaluations),
        *map(recognition_job, unfinished.runs),
        *map(batch_prediction_job, unfinished.batch_predictions),
        *map(index_job, unfinished.content_indexes),
        *map(inspection_job, unfinished.inspections),
    ]


def _abandoned() -> ErrorDetails:
    return ErrorDetails(
        code=FailureCode.INTERNAL_SERVER_ERROR.value,
        message="An engine of another version asked for this work on the images, and its workers are gone. Try again.",
    )


def _died(code: FailureCode) -> ErrorDetails:
    return ErrorDetails(
        code=code.value,
        message="The worker died on every attempt, most often for lack of memory. See the engine's log.",
    )
