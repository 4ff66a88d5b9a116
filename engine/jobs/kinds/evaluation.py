"""The steps of an evaluation: a trained model on a test dataset."""

import time
from contextlib import suppress

from vision_customization.contract.enums import ModelKind, ModelStatus, Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.images.dataset import with_tags
from vision_customization.engine.jobs.images.embedding import Embedding, check_networks
from vision_customization.engine.jobs.images.found_objects import FoundObjects
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.plan import Plan
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import ShardDone
from vision_customization.engine.jobs.kinds import classifier_performance, detector_performance
from vision_customization.engine.jobs.kinds.job import Job, Planned
from vision_customization.engine.jobs.names import evaluation_job
from vision_customization.engine.jobs.steps.pieces import Step
from vision_customization.engine.learning import Classifier
from vision_customization.engine.learning.detection.artifact import DetectorSession
from vision_customization.engine.objects.keys import artifact_key, head_key, outcomes_key
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.store import EvaluationRecord, ModelRecord, NotFound


class EvaluationRun(Job):
    """One evaluation."""

    def __init__(self, resources: Resources, plans: Plans, evaluation_id: str) -> None:
        super().__init__(resources, plans, evaluation_job(evaluation_id))
        self._evaluation_id = evaluation_id
        self._embedding = Embedding(resources)
        self._found = FoundObjects(resources.objects, self.name, self._open_session, self.check)

    def check_wanted(self) -> None:
        """Raises JobCancelled if the model was deleted, and the evaluation with it: nothing else can cancel an evaluation."""
        self._record()

    def read_annotations(self, step: Step) -> Planned:
        """Make the plan: a piece. Raises JobFailed, JobCancelled."""
        planned: Planned = step("read annotations", self.make_plan)
        return planned

    def make_plan(self) -> Planned:
        started = time.monotonic()
        try:
            evaluation = self.resources.store.evaluations.begin(self._evaluation_id)
        except NotFound:
            raise JobCancelled from None
        if evaluation.status.final:
            raise JobCancelled
        model = self._model(evaluation)
        tags, multi_label = self._tags(model)
        part = self.read_dataset(evaluation.test_dataset_name, Purpose.EVALUATION, model.model_kind, multi_label=multi_label)
        return self.keep_plan(Plan((with_tags(part, tags, model.name),)), time.monotonic() - started)

    def keep_shard(self, part: int, index: int) -> ShardDone:
        """Read a shard of the test images, and store their features, or the objects that the detector finds in them: a
        piece."""
        return self.keep(self._found if self.plan.parts[0].boxed else Embedding(self.resources), part, index)

    def judge(self, step: Step, shards: int) -> None:
        """Compute the metrics from what was kept of the first so many shards: a piece."""
        step("finish", self.finish, shards)

    def finish(self, shards: int) -> None:
        evaluation = self._record()
        (part,) = self.plan.parts
        if part.boxed:
            found = detector_performance.measured(self, self._found, 0, shards)
            performance, outcomes = found.performance, found.outcomes
        else:
            head = head_key(evaluation.model_id)
            performance, outcomes = classifier_performance.measured(self, self._embedding, head, 0, shards)
        key = outcomes_key(evaluation.model_id, evaluation.id)
        put_outcomes(self.resources.objects, key, outcomes)
        try:
            self.resources.store.evaluations.finish(self._evaluation_id, performance)
        except NotFound:
            self.resources.objects.delete(key)
            raise JobCancelled from None
        self.clean_up()

    def fail(self, failure: JobFailed) -> None:
        with suppress(NotFound):
            self.resources.store.evaluations.fail(self._evaluation_id, failure.details())
        self.clean_up()

    def _tags(self, model: ModelRecord) -> tuple[tuple[str, ...], bool]:
        """The model's tags, and whether it gives an image several of them as a whole."""
        try:
            if model.model_kind is not ModelKind.GENERIC_CLASSIFIER:
                return self._found.tags, False
            classifier = Classifier.from_npz(self.resources.objects.get(head_key(model.id)))
        except ObjectNotFound:
            message = f"The files of model '{model.name}' are missing. Train it again."
            raise JobFailed(FailureCode.MODEL_NOT_FOUND, message) from None
        check_networks(classifier, self.resources.extractor.dimensions)
        return classifier.tags, classifier.thresholds is not None

    def _open_session(self) -> DetectorSession:
        return DetectorSession(self.resources.objects.path(artifact_key(self._record().model_id)), self.resources.decoders)

    def _record(self) -> EvaluationRecord:
        try:
            return self.resources.store.evaluations.by_id(self._evaluation_id)
        except NotFound:
            raise JobCancelled from None

    def _model(self, evaluation: EvaluationRecord) -> ModelRecord:
        try:
            model = self.resources.store.models.by_id(evaluation.model_id)
        except NotFound:
            raise JobCancelled from None
        if model.status is not ModelStatus.SUCCEEDED:
            message = f"Model '{model.name}' is '{model.status}': only a model that has succeeded can be evaluated."
            raise JobFailed(FailureCode.MODEL_NOT_FOUND, message)
        return model
