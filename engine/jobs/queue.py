"""The queues of the workers and the state of their jobs: DBOS's queues, in a database beside the engine's own.

A training, an evaluation or a batch prediction run is a *job*: a cheap workflow that waits. Its work is in *pieces*: workflows
in queues of their own, which any worker takes.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from dbos import DBOS, DBOSClient, EnqueueOptions, WorkflowStatus
from dbos._error import DBOSNonExistentWorkflowError
from sqlalchemy import delete, or_
from sqlalchemy.exc import SQLAlchemyError

from vision_customization.common.backoff import Backoff
from vision_customization.engine.inspection.report import VERSION as INSPECTION_VERSION
from vision_customization.engine.jobs.names import (
    batch_prediction_job,
    evaluation_job,
    index_job,
    inspection_job,
    owner,
    piece_prefix,
    recognition_job,
    training_job,
)
from vision_customization.engine.jobs.older_sqlite import check_sqlite
from vision_customization.engine.runtime.wakeups import open_wakeups
from vision_customization.engine.settings import Settings, sqlite_url
from vision_customization.engine.store.sqlite_file import JOBS_FILE

APPLICATION = "vision-engine"
WORKFLOWS_VERSION = "2"
"""Version of the workflows' order of steps, a whole number. A worker takes only jobs of its own version. If a step is added,
removed or moved, increase the version: workers then begin the unfinished jobs of older versions again."""

RECOVERY_ATTEMPTS_MAX = 10
"""How often a job or a piece is begun if its workers die: what always kills its worker must end."""
WAITING_ATTEMPTS_MAX = 100
"""The same for a job whose work is in pieces. It dies with workers that a piece of another job has killed, so it gets more."""

TRAINING_WORKFLOW = "training"
EVALUATION_WORKFLOW = "evaluation"
RECOGNITION_WORKFLOW = "recognition"
BATCH_PREDICTION_WORKFLOW = "batch prediction"
INDEX_WORKFLOW = "content"
INSPECTION_WORKFLOW = "inspection"
PIECE_WORKFLOW = "piece"
TRAINING_QUEUE = f"trainings-{WORKFLOWS_VERSION}"
EVALUATION_QUEUE = f"evaluations-{WORKFLOWS_VERSION}"
"""Not the queues of version 1, of which a worker took one job at a time."""
RECOGNITION_QUEUE = "recognitions"
BATCH_PREDICTION_QUEUE = "batch-predictions"
INDEX_QUEUE = "contents"
INSPECTION_QUEUE = f"inspections-{INSPECTION_VERSION}"
"""While engines of two versions share a database, each makes the inspections that its own code understands."""

QUEUES = {
    TRAINING_WORKFLOW: TRAINING_QUEUE,
    EVALUATION_WORKFLOW: EVALUATION_QUEUE,
    RECOGNITION_WORKFLOW: RECOGNITION_QUEUE,
    BATCH_PREDICTION_WORKFLOW: BATCH_PREDICTION_QUEUE,
    INDEX_WORKFLOW: INDEX_QUEUE,
    INSPECTION_WORKFLOW: INSPECTION_QUEUE,
}
"""The queue of each job's workflow."""

PLANNING_QUEUE = "planning"
"""Pieces that read annotation files."""
READING_QUEUE = "reading"
"""Pieces that read images, or what is kept of them."""
FITTING_QUEUE = "fitting"
"""Pieces that fit and write a classifier."""
LEARNING_QUEUE = "learning"
"""Pieces in which a detector learns."""
JUDGING_QUEUE = "judging"
"""Pieces that compute metrics."""
PREDICTING_QUEUE = "predicting"
"""Pieces that answer images."""

WORKER_CONCURRENCY = {
    TRAINING_QUEUE: 16,
    EVALUATION_QUEUE: 16,
    RECOGNITION_QUEUE: 1,
    BATCH_PREDICTION_QUEUE: 16,
    INDEX_QUEUE: 1,
    INSPECTION_QUEUE: 1,
    PLANNING_QUEUE: 1,
    READING_QUEUE: 2,
    FITTING_QUEUE: 1,
    LEARNING_QUEUE: 1,
    JUDGING_QUEUE: 1,
    PREDICTING_QUEUE: 2,
}
"""How many workflows of each queue a worker runs at a time. A job that waits for its pieces costs little. Of two pieces that
read or predict, one reads while the other computes."""

ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
"""DBOS's statuses of workflows that no worker runs any more."""

_ENDED_LOOKS_SECONDS = Backoff(0.005, 1.0).waits(10)
"""Pauses before each look whether DBOS has recorded that a piece has ended: it takes milliseconds, on a busy machine longer."""

_DELETED_AT_ONCE = 1000
"""Workflows: a statement takes one variable for each, 32,766 at most with SQLite, and others wait for its lock."""
_STOPPED_AFTER = timedelta(hours=1)
"""A piece that was withdrawn so long ago has stopped: it looks whether it should each second or so."""

FIRST_PRIORITY = 1
"""Of what goes before everything else in its queue; DBOS takes the lowest number first, and the oldest of equal ones."""


def system_database_url(settings: Settings) -> str:
    """DBOS's own tables: `jobs.sqlite` in the data folder, or the schema `dbos` of the PostgreSQL database."""
    if settings.on_postgresql:
        return settings.database_url
    return sqlite_url(_sqlite_file(settings))


def prepare_system_database(settings: Settings) -> None:
    """Create or migrate DBOS's tables. Safe when several processes do it at once."""
    url = system_database_url(settings)
    if url.startswith("sqlite"):
        check_sqlite()
        file = _sqlite_file(settings)
        file.parent.mkdir(parents=True, exist_ok=True)
        # The file keeps this setting. With a write-ahead log, a step waits for the disk only once, and readers never wait.
        with contextlib.closing(sqlite3.connect(file, timeout=30)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    DBOS.migrate(url)


class JobQueue:
    """Puts trainings, evaluations, product recognition and batch prediction runs, content indexes and inspections into their
    queues, and wakes the workers; doing it twice has no further effect. `wakeups` says when any process of the engine has done
    so."""

    def __init__(self, settings: Settings) -> None:
        prepare_system_database(settings)
        self.wakeups = open_wakeups(settings.database_url, settings.data_dir)
        self._woken = threading.Condition()
        self._awakenings, self._listens = 0, False
        self._client = DBOSClient(
            system_database_url=system_database_url(settings), application_name=APPLICATION, retry_connection_errors=False
        )

    def enqueue_training(self, model_id: str) -> None:
        self._enqueue(TRAINING_WORKFLOW, training_job(model_id), model_id)

    def enqueue_evaluation(self, evaluation_id: str) -> None:
        self._enqueue(EVALUATION_WORKFLOW, evaluation_job(evaluation_id), evaluation_id)

    def enqueue_recognition(self, run_id: str) -> None:
        self._enqueue(RECOGNITION_WORKFLOW, recognition_job(run_id), run_id)

    def enqueue_batch_prediction(self, run_id: str) -> None:
        self._enqueue(BATCH_PREDICTION_WORKFLOW, batch_prediction_job(run_id), run_id)

    def enqueue_index(self, index_id: str) -> None:
        self._enqueue(INDEX_WORKFLOW, index_job(index_id), index_id)

    def enqueue_inspection(self, inspection_id: str) -> None:
        self._enqueue(INSPECTION_WORKFLOW, inspection_job(inspection_id), inspection_id)

    def statuses(self, jobs: list[str]) -> dict[str, WorkflowStatus]:
        """The workflows of `jobs`, by id; those that were never enqueued are left out."""
        if not jobs:
            return {}
        found = self._client.list_workflows(workflow_ids=jobs, load_input=False, load_output=False)
        return {status.workflow_id: status for status in found}

    def running(self, executor: str | None = None) -> list[WorkflowStatus]:
        """The workflows of all versions that a worker, or the worker `executor`, has taken and that have not ended."""
        return self._client.list_workflows(status="PENDING", executor_id=executor, load_input=False, load_output=False)

    def give_back(self, workflow: WorkflowStatus) -> None:
        """Return a workflow whose worker is gone to its queue; it continues after its last finished step."""
        self._put(workflow.workflow_id, workflow.queue_name)

    def move(self, job: str, workflow: str) -> None:
        """Put a job that waits in another queue into that of its workflow."""
        self._put(job, QUEUES[workflow])

    def _put(self, workflow: str, queue: str | None) -> None:
        with contextlib.suppress(DBOSNonExistentWorkflowError):  # another worker was faster, and has forgotten it
            self._client.resume_workflow(workflow, queue_name=queue)
        self.wakeups.wake()

    def withdraw(self, job: str) -> None:
        """Take a workflow and its pieces out of their queues, or stop them before their next step."""
        self._client.cancel_workflow(job)
        self.withdraw_pieces(job)

    def withdrawn(self, workflow: str) -> bool:
        """Whether a workflow should stop."""
        status = self.statuses([workflow]).get(workflow)
        return status is None or status.status == "CANCELLED"

    def forget(self, job: WorkflowStatus) -> bool:
        """Delete a job and all its pieces, with the results of their steps, so that it can be enqueued as if it were new.

        Returns False, and deletes nothing, if another worker has changed the job's status or version since `job` was read.
        It is one transaction: no worker sees the job without its pieces, or as cancelled. DBOS's own calls have no condition.
        """
        database = self._client._sys_db  # noqa: SLF001
        tables = database.tables
        workflows, pieces = tables.workflow_status, piece_prefix(job.workflow_id)
        with database.engine.begin() as connection:
            unchanged = delete(workflows).where(
                workflows.c.workflow_uuid == job.workflow_id,
                workflows.c.status == job.status,
                workflows.c.application_version == job.app_version,
            )
            if connection.execute(unchanged).rowcount != 1:
                return False
            for table in (tables.workflow_input, tables.workflow_output, tables.operation_outputs, workflows):
                of_piece = table.c.workflow_uuid.startswith(pieces, autoescape=True)
                connection.execute(delete(table).where(or_(table.c.workflow_uuid == job.workflow_id, of_piece)))
        return True

    def enqueue_pieces(self, queue: str, priority: int, pieces: Mapping[str, Sequence[Any]]) -> None:
        """Put pieces, which are arguments by id, into a queue; doing it twice has no further effect."""
        for piece, arguments in pieces.items():
            options: EnqueueOptions = {
                "workflow_name": PIECE_WORKFLOW,
                "queue_name": queue,
                "workflow_id": piece,
                "app_version": WORKFLOWS_VERSION,
                "priority": priority,
            }
            self._client.enqueue(options, *arguments)
        self.wakeups.wake()

    def piece_ends(self) -> None:
        """Wake the job that waits for the piece of this thread, and whatever may run in its place, once DBOS has its result."""
        piece = DBOS.workflow_id
        assert piece is not None
        threading.Thread(target=self._wake_when_ended, args=(piece,), name=f"{piece} ends", daemon=True).start()

    def _wake_when_ended(self, piece: str) -> None:
        for seconds in _ENDED_LOOKS_SECONDS:
            time.sleep(seconds)
            with contextlib.suppress(SQLAlchemyError):
                if self.ended_piece(piece) is not None:
                    break
        self.wakeups.wake()

    def awakenings(self) -> int:
        """How many wake-ups this process has had."""
        with self._woken:
            if not self._listens:
                self._listens = True
                self.wakeups.subscribe(self._count_awakening)
            return self._awakenings

    def wait(self, awakenings: int, seconds: float) -> None:
        """Wait until this process has had more wake-ups than so many, `seconds` at most."""
        with self._woken:
            self._woken.wait_for(lambda: self._awakenings != awakenings, seconds)

    def _count_awakening(self) -> None:
        with self._woken:
            self._awakenings += 1
            self._woken.notify_all()

    def ended_piece(self, piece: str) -> WorkflowStatus | None:
        """A piece with its output, if it has ended."""
        found = self._client.list_workflows(workflow_ids=[piece], load_input=False)
        return next((status for status in found if status.status in ENDED), None)

    def withdraw_pieces(self, job: str) -> None:
        """Take the pieces of a job out of their queues, and stop those that run."""
        unfinished = self._client.list_workflows(
            workflow_id_prefix=piece_prefix(job), status=["ENQUEUED", "PENDING"], load_input=False, load_output=False
        )
        if unfinished:
            self._client.cancel_workflows([piece.workflow_id for piece in unfinished])

    def forget_pieces(self, job: str) -> None:
        """Withdraw the pieces of a job, and delete what the queues know of them.

        DBOS still needs the row of a piece that was withdrawn from a worker, until it has stopped. So these are deleted an hour
        later, by the next job that ends: those of all jobs.
        """
        self.withdraw_pieces(job)
        pieces = self._client.list_workflows(
            workflow_id_prefix=piece_prefix(job), status=list(ENDED), load_input=False, load_output=False
        )
        stopped = self._client.list_workflows(
            name=PIECE_WORKFLOW,
            status="CANCELLED",
            completed_before=(datetime.now(UTC) - _STOPPED_AFTER).isoformat(),
            load_input=False,
            load_output=False,
        )
        never_ran = [piece for piece in pieces if piece.status != "CANCELLED" or piece.executor_id is None]
        ids = sorted({piece.workflow_id for piece in (*never_ran, *stopped)})
        for start in range(0, len(ids), _DELETED_AT_ONCE):
            self._client.delete_workflows(ids[start : start + _DELETED_AT_ONCE])

    def has_running_pieces(self, job: str) -> bool:
        """Whether a worker has taken a piece of a job that has not ended."""
        prefix = piece_prefix(job)
        return bool(self._client.list_workflows(workflow_id_prefix=prefix, status="PENDING", load_input=False, limit=1))

    def jobs_with_pieces(self) -> set[str]:
        """The jobs of which the queues know a piece, of whatever status."""
        pieces = self._client.list_workflows(name=PIECE_WORKFLOW, load_input=False, load_output=False)
        return {owner(piece.workflow_id) for piece in pieces}

    def close(self) -> None:
        self._client.destroy()
        self.wakeups.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enqueue(self, workflow: str, job: str, argument: str) -> None:
        options: EnqueueOptions = {
            "workflow_name": workflow,
            "queue_name": QUEUES[workflow],
            "workflow_id": job,
            "app_version": WORKFLOWS_VERSION,
        }
        self._client.enqueue(options, argument)
        self.wakeups.wake()


def _sqlite_file(settings: Settings) -> Path:
    return (settings.data_dir / JOBS_FILE).absolute()
