"""Where work is put for the workers, and what is known of it: DBOS's queues, in a database beside the engine's own."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Self

from dbos import DBOS, DBOSClient, WorkflowStatus

from vision_customization.engine.jobs.names import evaluation_job, recognition_job, training_job
from vision_customization.engine.jobs.older_sqlite import check_sqlite
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.sqlite_file import JOBS_FILE

APPLICATION = "vision-engine"
WORKFLOWS_VERSION = "1"
"""Version of the workflows' order of steps. A worker takes up only work of its own version: count up, and drain the old
version first, where a step is added, removed or moved."""

RECOVERY_ATTEMPTS_MAX = 10
"""How often a job is begun whose worker dies: one that always kills its worker must end."""

TRAINING_WORKFLOW = "training"
EVALUATION_WORKFLOW = "evaluation"
RECOGNITION_WORKFLOW = "recognition"
TRAINING_QUEUE = "trainings"
EVALUATION_QUEUE = "evaluations"
RECOGNITION_QUEUE = "recognitions"


def system_database_url(settings: Settings) -> str:
    """DBOS's own tables: `jobs.sqlite` in the data folder, or the schema `dbos` of the PostgreSQL database."""
    if settings.on_postgresql:
        return settings.database_url
    return f"sqlite:///{_sqlite_file(settings)}"


def prepare_system_database(settings: Settings) -> None:
    """Create or migrate DBOS's tables. Safe when several processes do it at once."""
    url = system_database_url(settings)
    if url.startswith("sqlite"):
        check_sqlite()
        file = _sqlite_file(settings)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Kept in the file: with a write-ahead log a step costs no two waits for the disk, and readers wait for nobody.
        with contextlib.closing(sqlite3.connect(file, timeout=30)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    DBOS.migrate(url)


class JobQueue:
    """Puts trainings, evaluations and product recognition runs into their queues; to do it twice is to do it once."""

    def __init__(self, settings: Settings) -> None:
        prepare_system_database(settings)
        self._client = DBOSClient(
            system_database_url=system_database_url(settings), application_name=APPLICATION, retry_connection_errors=False
        )

    def enqueue_training(self, model_id: str) -> None:
        self._enqueue(TRAINING_WORKFLOW, TRAINING_QUEUE, training_job(model_id), model_id)

    def enqueue_evaluation(self, evaluation_id: str) -> None:
        self._enqueue(EVALUATION_WORKFLOW, EVALUATION_QUEUE, evaluation_job(evaluation_id), evaluation_id)

    def enqueue_recognition(self, run_id: str) -> None:
        self._enqueue(RECOGNITION_WORKFLOW, RECOGNITION_QUEUE, recognition_job(run_id), run_id)

    def statuses(self, jobs: list[str]) -> dict[str, WorkflowStatus]:
        """The workflows of `jobs`, by id; those that were never enqueued are left out."""
        if not jobs:
            return {}
        found = self._client.list_workflows(workflow_ids=jobs, load_input=False, load_output=False)
        return {status.workflow_id: status for status in found}

    def running(self, executor: str | None = None) -> list[WorkflowStatus]:
        """What was taken by a worker, or by the worker `executor`, and is not at its end."""
        return self._client.list_workflows(
            status="PENDING", executor_id=executor, app_version=WORKFLOWS_VERSION, load_input=False, load_output=False
        )

    def give_back(self, workflow: WorkflowStatus) -> None:
        """Put a workflow, which its worker will never end, into its queue again; it goes on after its last finished step."""
        self._client.resume_workflow(workflow.workflow_id, queue_name=_queue_of(workflow.name))

    def withdraw(self, job: str) -> None:
        """Take a workflow out of its queue, or stop it before its next step."""
        self._client.cancel_workflow(job)

    def close(self) -> None:
        self._client.destroy()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enqueue(self, workflow: str, queue: str, job: str, argument: str) -> None:
        self._client.enqueue(
            {"workflow_name": workflow, "queue_name": queue, "workflow_id": job, "app_version": WORKFLOWS_VERSION}, argument
        )


def _queue_of(workflow: str) -> str:
    queues = {TRAINING_WORKFLOW: TRAINING_QUEUE, RECOGNITION_WORKFLOW: RECOGNITION_QUEUE}
    return queues.get(workflow, EVALUATION_QUEUE)


def _sqlite_file(settings: Settings) -> Path:
    return (settings.data_dir / JOBS_FILE).absolute()
