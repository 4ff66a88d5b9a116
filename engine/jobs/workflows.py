"""The workflows: the order of a job's steps. DBOS records each step's result; a resumed job gets the results of its finished
steps and continues with the next.

The order must depend on these results alone, or a resumed job could take another path. A workflow itself reads no database and
no file, because only steps are retried if one is busy.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from dbos import DBOS

from vision_customization.contract.enums import ModelKind
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.images.plan import Plans
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.kinds.batch_prediction import BatchPrediction, run_batch_prediction
from vision_customization.engine.jobs.kinds.classifier import ClassifierTraining
from vision_customization.engine.jobs.kinds.content import ContentIndexing, contents_folder, run_indexing
from vision_customization.engine.jobs.kinds.detector import DetectorTraining
from vision_customization.engine.jobs.kinds.draft_vectors import DraftVectorsMaking
from vision_customization.engine.jobs.kinds.evaluation import EvaluationRun
from vision_customization.engine.jobs.kinds.inspection import Inspection, run_inspection
from vision_customization.engine.jobs.kinds.job import Planned
from vision_customization.engine.jobs.kinds.recognition import Detector, Recognition, run_recognition
from vision_customization.engine.jobs.kinds.training import PlannedTraining, Progress, Step, Training, TrainingJob
from vision_customization.engine.jobs.queue import (
    BATCH_PREDICTION_WORKFLOW,
    EVALUATION_WORKFLOW,
    INDEX_WORKFLOW,
    INSPECTION_WORKFLOW,
    RECOGNITION_WORKFLOW,
    RECOVERY_ATTEMPTS_MAX,
    TRAINING_WORKFLOW,
)
from vision_customization.engine.jobs.steps.retrying import PAUSES_SECONDS, Steps
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.cipher import TokenCipher
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails


def declare_workflows(
    resources: Resources,
    plans: Plans,
    settings: Settings,
    detector: Detector,
    pauses_seconds: Sequence[float] = PAUSES_SECONDS,
) -> None:
    """Register the workflows with DBOS; call it before DBOS is launched. `pauses_seconds`: see `Steps`."""

    @DBOS.workflow(name=TRAINING_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def train(model_id: str) -> None:
        with closing(TrainingJob(resources, plans, model_id)) as job:
            steps = Steps(job.check, settings.data_dir, pauses_seconds)

            def training_of(planned: PlannedTraining) -> Training:
                if "kind" in planned:
                    kind, tiles = planned["kind"], planned["tiles"]
                else:  # an older engine recorded it, and no step can be inserted between recorded steps
                    kind, tiles = steps.unrecorded("kind", job.kind_and_tiles)
                if kind == ModelKind.GENERIC_CLASSIFIER.value:
                    return ClassifierTraining(job, settings.weights_dir)
                return DetectorTraining(job, settings, tiles)

            run_training(job, training_of, steps)

    @DBOS.workflow(name=EVALUATION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def evaluate(evaluation_id: str) -> None:
        with closing(EvaluationRun(resources, plans, evaluation_id)) as evaluation:
            run_evaluation(evaluation, Steps(evaluation.check, settings.data_dir, pauses_seconds))

    @DBOS.workflow(name=RECOGNITION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def recognize(run_id: str) -> None:
        recognition = Recognition(resources.store, resources.objects, detector, run_id)
        run_recognition(recognition, Steps(recognition.check, settings.data_dir, pauses_seconds))

    cipher = TokenCipher.open(settings)

    @DBOS.workflow(name=BATCH_PREDICTION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def predict(run_id: str) -> None:
        with closing(BatchPrediction(resources, cipher, run_id)) as job:
            run_batch_prediction(job, Steps(job.check, settings.data_dir, pauses_seconds))

    @DBOS.workflow(name=INDEX_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def index(index_id: str) -> None:
        indexing = ContentIndexing(resources.store, resources.reader, contents_folder(settings), index_id)
        run_indexing(indexing, Steps(indexing.check, settings.data_dir, pauses_seconds))

    @DBOS.workflow(name=INSPECTION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def inspect(inspection_id: str) -> None:
        vectors = DraftVectorsMaking(resources, settings.studio_container)
        inspection = Inspection(resources.store, KeptThumbnails(resources.objects), inspection_id, vectors)
        run_inspection(inspection, Steps(inspection.check, settings.data_dir, pauses_seconds))


def run_training(job: TrainingJob, training_of: Callable[[PlannedTraining], Training], step: Step) -> None:
    """All steps of a training; `step(name, function, *arguments)` runs one, or returns its recorded result."""
    progress = Progress(step, job.report)
    try:
        planned: PlannedTraining = step("read annotations", job.read_annotations)
        progress.budget_seconds = step("budget", lambda: job.budget_seconds)
        progress.advance(share=0.02, images=planned["images"], seconds=planned["seconds"])
        performance, artifact = training_of(planned).learn(step, planned, progress)
        step("finish", job.finish, performance, artifact, progress.advance(stage="trained", share=1.0))
    except JobFailed as failure:
        step("fail", job.fail, failure, progress.now.seconds)
    except JobCancelled:
        step("cancel", job.cancel, progress.now.seconds)


def run_evaluation(evaluation: EvaluationRun, step: Callable[..., Any]) -> None:
    """All steps of an evaluation."""
    try:
        planned: Planned = step("read annotations", evaluation.read_annotations)
        (shards,) = planned["shards"]
        for index in range(shards):
            step(f"embed {index}", evaluation.keep_shard, index)
        step("finish", evaluation.finish, shards)
    except JobFailed as failure:
        step("fail", evaluation.fail, failure)
    except JobCancelled:
        step("clean up", evaluation.clean_up)
