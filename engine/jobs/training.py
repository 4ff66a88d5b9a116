"""The steps of a classifier's training."""

import hashlib
import importlib.metadata
import json
import logging
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from customization.coco import Purpose
from customization.contract import Artifact, FailureCode, ModelPerformance, ModelStatus, TrainingProgress
from engine.jobs.dataset import check_budget, read_dataset, with_tags
from engine.jobs.embedding import Resources, ShardDone
from engine.jobs.errors import JobCancelled, JobFailed
from engine.jobs.job import Job, Planned, training_job
from engine.jobs.plan import Part, Plan, Plans
from engine.learning import Classifier, LearningError, classification_performance, export_classifier, train_classifier
from engine.serving import artifact_key, head_key, sidecar_key
from engine.settings import Settings
from engine.store import ModelRecord, NotFound

_TRAINING, _TEST = 0, 1
_log = logging.getLogger(__name__)


class Fitted(TypedDict):
    """What the fit found: `performance` is the held-out estimate, absent where a test dataset is named; `digest` and `images`
    are of the images fitted on, which are fewer than the dataset's where the budget ended the reading."""

    recipe: dict[str, Any]
    performance: dict[str, Any] | None
    digest: str
    images: int
    seconds: float


class Training(Job):
    """One training. `budget_seconds` bounds its compute: what the steps took, without those that a crash made void."""

    def __init__(self, resources: Resources, plans: Plans, settings: Settings, model_id: str) -> None:
        super().__init__(resources, plans, training_job(model_id))
        self._model_id = model_id
        self._settings = settings
        self._reported = TrainingProgress(stage="reading annotations")

    def check(self) -> None:
        if self.resources.store.cancellation_requested(self._model_id):
            raise JobCancelled

    def read_annotations(self) -> Planned:
        """Make the plan. Raises JobFailed, JobCancelled."""
        started = time.monotonic()
        self.check()
        model = self._begin()
        self.report(TrainingProgress(stage="reading annotations"))
        store, reader = self.resources.store, self.resources.reader
        kind = model.model_kind
        training = read_dataset(store, reader, model.training_dataset_name, Purpose.TRAINING, kind, self.check)
        check_budget(kind, len(training.images), model.time_budget_in_hours)
        parts = [training]
        if model.test_dataset_name is not None:
            test = read_dataset(store, reader, model.test_dataset_name, Purpose.EVALUATION, kind, self.check)
            parts.append(with_tags(test, training.tags, model.name))
        return self.keep_plan(Plan(tuple(parts)), time.monotonic() - started)

    def embed_and_report(self, part: int, index: int, before: TrainingProgress, share: float) -> ShardDone:
        """The shard number `index` of a part; `share` is how much of the training is done after it."""
        done = self.embed(part, index)
        self.report(embedded(before, done, share))
        return done

    def fit(self, shards: int, used_seconds: float, progress: TrainingProgress) -> Fitted:
        """Fit the classifier on the first `shards` shards of training images. Raises JobFailed, JobCancelled."""
        started = time.monotonic()
        part = self.plan.parts[_TRAINING]
        features, labels, digests = self.embedding.features(_TRAINING, shards)
        self._check_enough(part, labels, used_seconds)

        def on_progress(share: float, stage: str) -> None:
            self.check()
            seconds = used_seconds + time.monotonic() - started
            self.report(advanced(progress, stage=stage, share=0.8 + 0.1 * share, seconds=seconds))

        try:
            training = train_classifier(
                features,
                labels,
                list(part.tags),
                estimate=len(self.plan.parts) == 1,
                deadline_seconds=max(0.0, self.budget_seconds - used_seconds),
                progress=on_progress,
            )
        except LearningError as error:
            raise JobFailed(error.code, f"Dataset '{part.dataset}': {error.message}") from None
        self.resources.objects.put(head_key(self._model_id), training.classifier.to_npz())
        performance = None
        if training.held_out is not None:
            performance = classification_performance(*training.held_out, list(part.tags)).to_wire()
        return Fitted(
            recipe=training.recipe,
            performance=performance,
            digest=dataset_digest(part.tags, labels, digests),
            images=len(labels),
            seconds=time.monotonic() - started,
        )

    def evaluate(self, shards: int) -> dict[str, Any]:
        """The model's performance on the test images, as the contract writes it."""
        self.check()
        return measure(self, head_key(self._model_id), _TEST, shards).to_wire()

    def export(self, fitted: Fitted, performance: dict[str, Any] | None) -> dict[str, Any]:
        """Write the model's file and what is to know of it; the artifact, as the contract writes it."""
        self.check()
        classifier = Classifier.from_npz(self.resources.objects.get(head_key(self._model_id)))
        try:
            onnx = export_classifier(classifier, self._settings.weights_dir)
        except LearningError as error:
            raise JobFailed(error.code, error.message) from None
        artifact = Artifact(digest=hashlib.sha256(onnx).hexdigest(), size_bytes=len(onnx))
        sidecar = self._sidecar(fitted, performance, artifact)
        self.resources.objects.put(sidecar_key(self._model_id), json.dumps(sidecar, indent=2, ensure_ascii=False).encode())
        # Last: whoever finds the model's file finds the other two.
        self.resources.objects.put(artifact_key(self._model_id), onnx)
        return artifact.to_wire()

    def finish(self, performance: dict[str, Any] | None, artifact: dict[str, Any], progress: TrainingProgress) -> None:
        measured = ModelPerformance.model_validate(performance) if performance is not None else None
        self.report(progress)
        try:
            cost = cost_minutes(progress.seconds, self.budget_seconds)
            record = self.resources.store.finish_training(self._model_id, measured, cost, Artifact.model_validate(artifact))
        except NotFound:
            record = None  # deleted at the last moment
        self._discard(record)

    def fail(self, failure: JobFailed, seconds: float) -> None:
        # An alert in Azure looks for this very event: components/observability.py.
        details = failure.details()
        _log.error("training failed", extra={"model-id": self._model_id, "code": details.code, "reason": details.message})
        record = None
        with suppress(NotFound):
            cost = cost_minutes(seconds, self.budget_seconds)
            record = self.resources.store.fail_training(self._model_id, details, cost)
        self._discard(record)

    def cancel(self, seconds: float) -> None:
        record = None
        with suppress(NotFound):
            record = self.resources.store.cancel_training(self._model_id, cost_minutes(seconds, self.budget_seconds))
        self._discard(record)

    def tell_waiting(self, why: str) -> None:
        if self._reported.message != why:
            self.report(advanced(self._reported, message=why))

    def report(self, progress: TrainingProgress) -> None:
        self._reported = progress
        try:
            self.resources.store.report_progress(self._model_id, progress)
        except NotFound:
            raise JobCancelled from None

    @property
    def budget_seconds(self) -> float:
        try:
            return self.resources.store.model_by_id(self._model_id).time_budget_in_hours * 3600.0
        except NotFound:
            return 0.0

    def _begin(self) -> ModelRecord:
        try:
            record = self.resources.store.begin_training(self._model_id)
        except NotFound:
            raise JobCancelled from None
        if record.status.final:
            raise JobCancelled
        return record

    def _check_enough(self, part: Part, labels: NDArray[np.int64], used_seconds: float) -> None:
        """A budget that ended while images were read may leave too little to learn from."""
        if len(labels) == len(part.images):
            return
        least = int(np.bincount(labels, minlength=len(part.tags)).min())
        if least < 2:
            message = (
                f"The budget ended after {used_seconds / 3600:.1f} h, with {len(labels):,} of {len(part.images):,} images read "
                f"and {least} of the rarest tag: give it more hours."
            )
            raise JobFailed(FailureCode.NOT_ENOUGH_BUDGET, message)

    def _sidecar(self, fitted: Fitted, performance: dict[str, Any] | None, artifact: Artifact) -> dict[str, Any]:
        model = self.resources.store.model_by_id(self._model_id)
        part = self.plan.parts[_TRAINING]
        measured_on = self.plan.parts[_TEST].dataset if len(self.plan.parts) > 1 else "held-out part of the training data"
        return {
            "name": model.name,
            "kind": model.model_kind.value,
            "labels": list(part.tags),
            "input": {"name": "image", "type": "uint8", "shape": ["height", "width", 3], "colours": "RGB, upright"},
            "output": {"name": "probabilities", "type": "float32", "shape": [len(part.tags)]},
            "preprocessing": "inside the file: resizing and normalisation",
            "recipe": fitted["recipe"],
            "performance": performance,
            "performanceOn": measured_on,
            "dataset": {"name": part.dataset, "digest": fitted["digest"], "images": fitted["images"]},
            "artifact": artifact.to_wire(),
            "versions": {
                name: importlib.metadata.version(name) for name in ("vision-customization", "onnxruntime", "onnx", "numpy")
            },
            "features": self.resources.extractor.key,
        }

    def _discard(self, record: ModelRecord | None) -> None:
        """Delete what the training no longer needs, and the model's files unless it has succeeded, be it earlier."""
        if record is None or record.status is not ModelStatus.SUCCEEDED:
            self.resources.objects.delete(f"models/{self._model_id}")
        self.clean_up()


def embedded(before: TrainingProgress, done: ShardDone, share: float) -> TrainingProgress:
    """Where a training stands after a shard."""
    return advanced(
        before,
        share=share,
        images_read=before.images_read + done["images_read"],
        images_embedded=before.images_embedded + done["images_embedded"],
        seconds=before.seconds + done["seconds"],
    )


def advanced(progress: TrainingProgress, **changes: object) -> TrainingProgress:
    return progress.model_copy(update=changes)


def measure(job: Job, head: str, part: int, shards: int) -> ModelPerformance:
    """A stored classifier on the features of a part: the numbers that its ONNX file would give, without running it."""
    classifier = Classifier.from_npz(job.resources.objects.get(head))
    features, labels, _ = job.embedding.features(part, shards)
    return classification_performance(labels, classifier.probabilities(features), list(classifier.tags))


def cost_minutes(seconds: float, budget_seconds: float) -> int:
    """`trainingCostInMinutes`: a minute that has begun counts, and the budget is never exceeded."""
    return min(max(1, math.ceil(seconds / 60)), int(budget_seconds // 60)) if seconds > 0 else 0


def dataset_digest(tags: Sequence[str], labels: NDArray[np.int64], digests: Sequence[str]) -> str:
    """SHA-256, in hex, of what was learnt from: each image's digest and tag, in an order of its own."""
    lines = sorted(f"{digest}\t{tags[label]}\n" for label, digest in zip(labels, digests, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
