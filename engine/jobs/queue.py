"""The queues of the workers and the state of their jobs: DBOS's queues, in a database beside the engine's own."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Self

from dbos import DBOS, DBOSClient, EnqueueOptions, WorkflowStatus

from vision_customization.engine.inspection.report import VERSION as INSPECTION_VERSION
from vision_customization.engine.jobs.names import evaluation_job, index_job, inspection_job, recognition_job, training_job
from vision_customization.engine.jobs.older_sqlite import check_sqlite
from vision_customization.engine.runtime.wakeups import open_wakeups
from vision_customization.engine.settings import Settings, sqlite_url
from vision_customization.engine.store.sqlite_file import JOBS_FILE

APPLICATION = "vision-engine"
WORKFLOWS_VERSION = "1"
"""Version of the workflows' order of steps. A worker takes only jobs of its own version. If a step is added, removed or moved,
increase the version, and drain the queues of the old one first."""

RECOVERY_ATTEMPTS_MAX = 10
"""How often a job is begun if its workers die: a job that always kills its worker must end."""

TRAINING_WORKFLOW = "training"
EVALUATION_WORKFLOW = "evaluation"
RECOGNITION_WORKFLOW = "recognition"
INDEX_WORKFLOW = "content"
INSPECTION_WORKFLOW = "inspection"
TRAINING_QUEUE = "trainings"
EVALUATION_QUEUE = "evaluations"
RECOGNITION_QUEUE = "recognitions"
INDEX_QUEUE = "contents"
INSPECTION_QUEUE = f"inspections-{INSPECTION_VERSION}"
"""While engines of two versions share a database, each makes the inspections that its own code understands."""

QUEUES = {
    TRAINING_WORKFLOW: TRAINING_QUEUE,
    EVALUATION_WORKFLOW: EVALUATION_QUEUE,
    RECOGNITION_WORKFLOW: RECOGNITION_QUEUE,
    INDEX_WORKFLOW: INDEX_QUEUE,
    INSPECTION_WORKFLOW: INSPECTION_QUEUE,
}
"""The queue of each workflow. A worker runs one job of each queue at a time."""


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
    """Puts trainings, evaluations, product recognition runs, content indexes and inspections into their queues, and wakes the
    workers; doing it twice has no further effect. `wakeups` says when any process of the engine has done so."""

    def __init__(self, settings: Settings) -> None:
        prepare_system_database(settings)
        self.wakeups = open_wakeups(settings.database_url, settings.data_dir)
        self._client = DBOSClient(
            system_database_url=system_database_url(settings), application_name=APPLICATION, retry_connection_errors=False
        )

    def enqueue_training(self, model_id: str) -> None:
        self._enqueue(TRAINING_WORKFLOW, training_job(model_id), model_id)

    def enqueue_evaluation(self, evaluation_id: str) -> None:
        self._enqueue(EVALUATION_WORKFLOW, evaluation_job(evaluation_id), evaluation_id)

    def enqueue_recognition(self, run_id: str) -> None:
        self._enqueue(RECOGNITION_WORKFLOW, recognition_job(run_id), run_id)

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
        """The workflows that a worker, or the worker `executor`, has taken and that have not ended."""
        return self._client.list_workflows(
            status="PENDING", executor_id=executor, app_version=WORKFLOWS_VERSION, load_input=False, load_output=False
        )

    def give_back(self, workflow: WorkflowStatus) -> None:
        """Return a workflow whose worker is gone to its queue; it continues after its last finished step."""
        self._client.resume_workflow(workflow.workflow_id, queue_name=workflow.queue_name)
        self.wakeups.wake()

    def move(self, job: str, workflow: str) -> None:
        """Put a job that waits in another queue into that of its workflow."""
        self._client.resume_workflow(job, queue_name=QUEUES[workflow])
        self.wakeups.wake()

    def withdraw(self, job: str) -> None:
        """Take a workflow out of its queue, or stop it before its next step."""
        self._client.cancel_workflow(job)

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
