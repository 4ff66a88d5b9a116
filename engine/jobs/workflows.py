"""The workflows: the order of a job's steps. DBOS records each step's result; a resumed job gets the results of its finished
steps and continues with the next. The steps of a training or an evaluation wait for its pieces, which any worker runs.

The order must depend on these results alone, or a resumed job could take another path. A workflow itself reads no database and
no file, because only steps are retried if one is busy.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

from dbos import DBOS

from vision_customization.contract.enums import ModelKind
from vision_customization.engine.jobs.errors import JobCancelled, JobError, JobFailed
from vision_customization.engine.jobs.images.kept_plans import Plans
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
from vision_customization.engine.jobs.kinds.training import PlannedTraining, Progress, Training, TrainingJob
from vision_customization.engine.jobs.names import batch_prediction_job
from vision_customization.engine.jobs.queue import (
    BATCH_PREDICTION_WORKFLOW,
    EVALUATION_WORKFLOW,
    INDEX_WORKFLOW,
    INSPECTION_WORKFLOW,
    JUDGING_QUEUE,
    PIECE_WORKFLOW,
    PLANNING_QUEUE,
    RECOGNITION_WORKFLOW,
    RECOVERY_ATTEMPTS_MAX,
    TRAINING_WORKFLOW,
    WAITING_ATTEMPTS_MAX,
    JobQueue,
)
from vision_customization.engine.jobs.steps.open_jobs import OpenJobs
from vision_customization.engine.jobs.steps.pieces import Pieces
from vision_customization.engine.jobs.steps.retrying import PAUSES_SECONDS, Steps
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.cipher import TokenCipher
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails


def declare_workflows(
    resources: Resources,
    plans: Plans,
    queue: JobQueue,
    settings: Settings,
    detector: Detector,
    pauses_seconds: Sequence[float] = PAUSES_SECONDS,
) -> None:
    """Register the workflows with DBOS; call it before DBOS is launched. `pauses_seconds`: see `Steps`."""

    def training_of(job: TrainingJob, kind: str, tiles: int) -> Training:
        if kind == ModelKind.GENERIC_CLASSIFIER.value:
            return ClassifierTraining(job, settings.weights_dir)
        return DetectorTraining(job, settings, tiles)

    cipher = TokenCipher.open(settings)

    def open_job(name: str) -> Training | EvaluationRun | BatchPrediction:
        kind, _, id_ = name.partition("-")
        if kind == EVALUATION_WORKFLOW:
            return EvaluationRun(resources, plans, id_)
        if name == batch_prediction_job(id_):
            return BatchPrediction(resources, cipher, id_)
        job = TrainingJob(resources, plans, id_)
        return training_of(job, *job.kind_and_tiles())

    jobs = OpenJobs(open_job)

    @DBOS.workflow(name=TRAINING_WORKFLOW, max_recovery_attempts=WAITING_ATTEMPTS_MAX)
    def train(model_id: str) -> None:
        with closing(TrainingJob(resources, plans, model_id)) as job:
            steps = Steps(job.check, settings.data_dir, pauses_seconds)
            run_training(job, partial(training_of, job), Pieces(steps, queue, job.name, job.check))

    @DBOS.workflow(name=EVALUATION_WORKFLOW, max_recovery_attempts=WAITING_ATTEMPTS_MAX)
    def evaluate(evaluation_id: str) -> None:
        with closing(EvaluationRun(resources, plans, evaluation_id)) as evaluation:
            steps = Steps(evaluation.check, settings.data_dir, pauses_seconds)
            run_evaluation(evaluation, Pieces(steps, queue, evaluation.name, evaluation.check))

    @DBOS.workflow(name=BATCH_PREDICTION_WORKFLOW, max_recovery_attempts=WAITING_ATTEMPTS_MAX)
    def predict(run_id: str) -> None:
        with closing(BatchPrediction(resources, cipher, run_id)) as run:
            run_batch_prediction(run, Pieces(Steps(run.check, settings.data_dir, pauses_seconds), queue, run.name, run.check))

    @DBOS.workflow(name=PIECE_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def piece(job_name: str, name: str, function: str, has_steps: bool, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
        with ExitStack() as stack:
            opening = Steps(lambda: None, settings.data_dir, pauses_seconds)
            try:
                job = opening.unrecorded("open", lambda: stack.enter_context(jobs.opened(job_name)))
                steps = Steps(job.check, settings.data_dir, pauses_seconds)
                call = getattr(job, function)
                return call(steps, *arguments) if has_steps else steps.unrecorded(name, call, *arguments)
            except JobError as error:
                return error  # raised again in the job that waits for it
            finally:
                queue.piece_ends()

    @DBOS.workflow(name=RECOGNITION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def recognize(run_id: str) -> None:
        recognition = Recognition(resources.store, resources.objects, detector, run_id)
        run_recognition(recognition, Steps(recognition.check, settings.data_dir, pauses_seconds))

    @DBOS.workflow(name=INDEX_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def index(index_id: str) -> None:
        indexing = ContentIndexing(resources.store, resources.reader, contents_folder(settings), index_id)
        run_indexing(indexing, Steps(indexing.check, settings.data_dir, pauses_seconds))

    @DBOS.workflow(name=INSPECTION_WORKFLOW, max_recovery_attempts=RECOVERY_ATTEMPTS_MAX)
    def inspect(inspection_id: str) -> None:
        vectors = DraftVectorsMaking(resources, settings.studio_container)
        inspection = Inspection(resources.store, KeptThumbnails(resources.objects), inspection_id, vectors)
        run_inspection(inspection, Steps(inspection.check, settings.data_dir, pauses_seconds))


def run_training(job: TrainingJob, training_of: Callable[[str, int], Training], pieces: Pieces) -> None:
    """All steps of a training, from within its workflow."""
    step = pieces.step
    progress = Progress(step, job.report)
    try:
        kind, tiles = step("kind", job.kind_and_tiles)
        training = training_of(kind, tiles)
        planned: PlannedTraining = pieces.run(PLANNING_QUEUE, "read annotations", training.read_annotations)
        pieces.priority = planned["priority"]
        progress.budget_seconds = planned["budget_seconds"]
        progress.advance(share=0.02, images=planned["images"], seconds=planned["seconds"])
        performance, artifact = training.learn(pieces, planned, progress)
        step("finish", job.finish, performance, artifact, progress.advance(stage="trained", share=1.0))
    except JobFailed as failure:
        step("fail", pieces.forget_and, job.fail, failure, progress.now.seconds)
    except JobCancelled:
        step("cancel", pieces.forget_and, job.cancel, progress.now.seconds)
    step("forget", pieces.forget)


def run_evaluation(evaluation: EvaluationRun, pieces: Pieces) -> None:
    """All steps of an evaluation, from within its workflow."""
    step = pieces.step
    try:
        planned: Planned = pieces.run(PLANNING_QUEUE, "read annotations", evaluation.read_annotations)
        (shards,) = planned["shards"]
        items = [(0, index) for index in range(shards)]
        for _ in pieces.spread("embed", evaluation.keep_shard, items, told=lambda shard: evaluation.told(*shard)):
            pass
        pieces.run(JUDGING_QUEUE, "finish", evaluation.judge, shards)
    except JobFailed as failure:
        step("fail", pieces.forget_and, evaluation.fail, failure)
    except JobCancelled:
        step("clean up", pieces.forget_and, evaluation.clean_up)
    step("forget", pieces.forget)
