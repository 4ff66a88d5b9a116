"""The steps that every training has: reading the annotations, reporting the progress, and ending."""

import hashlib
import importlib.metadata
import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NotRequired

from vision_customization.contract.enums import ModelKind, ModelStatus, Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.contract.models import Artifact, ModelPerformance, TrainingProgress
from vision_customization.contract.training_time import Workload, budget_fault
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.images.dataset import content_of, with_tags
from vision_customization.engine.jobs.images.image_cache import Keeping
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.plan import Plan
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import ShardDone
from vision_customization.engine.jobs.kinds.job import Job, Planned
from vision_customization.engine.jobs.names import training_job
from vision_customization.engine.objects.keys import artifact_key, model_key, sidecar_key
from vision_customization.engine.store import ModelRecord, NotFound, TrainingContent

TRAINING, TEST = 0, 1
"""Parts of a training's plan."""
_log = logging.getLogger(__name__)


Step = Callable[..., Any]
"""`step(name, function, *arguments)` runs a step of a workflow, or returns its recorded result."""


Outcome = tuple[dict[str, Any] | None, dict[str, Any]]
"""A model's performance, if it was measured, and its artifact, as the contract writes them."""


class PlannedTraining(Planned):
    """Adds the model's kind and tiles, which decide the further steps and never change."""

    kind: NotRequired[str]
    tiles: NotRequired[int]
    """Both are absent if an older engine, which did not record them, ran the step."""


class Progress:
    """The progress of a training, as its workflow runs. `budget_seconds` bounds its compute time."""

    def __init__(self, step: Step, report: Callable[[TrainingProgress], None]) -> None:
        self.now = TrainingProgress(stage="reading annotations")
        self.budget_seconds = 0.0
        self._step = step
        self._report = report

    def advance(self, **changes: object) -> TrainingProgress:
        self.now = advanced(self.now, **changes)
        return self.now

    def report(self) -> None:
        """Store it for the callers of the API, as a step of the workflow."""
        self._step("report", self._report, self.now)

    def has_spent(self, share: float) -> bool:
        """Whether this share of the budget is spent."""
        return self.now.seconds >= self.budget_seconds * share


class TrainingJob(Job):
    """The job of one training of any kind: it reads the annotations, reports the progress, and finishes, fails or is cancelled.
    `budget_seconds` bounds its compute: the time of its steps, without those lost to a crash."""

    def __init__(self, resources: Resources, plans: Plans, model_id: str) -> None:
        super().__init__(resources, plans, training_job(model_id))
        self.model_id = model_id
        self._reported = TrainingProgress(stage="reading annotations")

    def check(self) -> None:
        if self.resources.store.models.cancellation_requested(self.model_id):
            raise JobCancelled

    def kind_and_tiles(self) -> tuple[str, int]:
        """The model's kind and tiles. For a deleted model any will do: its next step ends the job."""
        try:
            model = self.resources.store.models.by_id(self.model_id)
        except NotFound:
            return ModelKind.GENERIC_CLASSIFIER.value, 1
        return model.model_kind.value, model.tiles

    def read_annotations(self) -> PlannedTraining:
        """Make the plan. Raises JobFailed, JobCancelled."""
        started = time.monotonic()
        self.check()
        model = self._begin()
        self.report(TrainingProgress(stage="reading annotations"))
        kind = model.model_kind
        training = self.read_dataset(model.training_dataset_name, Purpose.TRAINING, kind)
        work = Workload(kind, len(training.images), len(training.tags), model.tiles)
        if fault := budget_fault(work, model.time_budget_in_hours, self.resources.store.speeds.get()):
            raise JobFailed(FailureCode.NOT_ENOUGH_BUDGET, fault)
        parts = [training]
        if model.test_dataset_name is not None:
            test = self.read_dataset(model.test_dataset_name, Purpose.EVALUATION, kind, multi_label=training.multi_label)
            parts.append(with_tags(test, training.tags, model.name))
        self._record_content(content_of(training))
        planned = self.keep_plan(Plan(tuple(parts)), time.monotonic() - started)
        return PlannedTraining(**planned, kind=kind.value, tiles=model.tiles)

    def keep_and_report(self, keeping: Keeping, part: int, index: int, before: TrainingProgress, share: float) -> ShardDone:
        """Process shard number `index` of a part; `share` is how much of the training is done after it."""
        done = self.keep(keeping, part, index)
        self.report(embedded(before, done, share))
        return done

    def put_artifact(self, onnx: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write the model's file and its metadata. Returns the artifact, as the contract writes it."""
        artifact = Artifact(digest=hashlib.sha256(onnx).hexdigest(), size_bytes=len(onnx))
        model, part = self.resources.store.models.by_id(self.model_id), self.plan.parts[TRAINING]
        sidecar = {
            "name": model.name,
            "kind": model.model_kind.value,
            "labels": list(part.tags),
            "input": {"name": "image", "type": "uint8", "shape": ["height", "width", 3], "colours": "RGB, upright"},
            "preprocessing": "inside the file: resizing and normalisation",
            "performanceOn": self.plan.parts[TEST].dataset
            if len(self.plan.parts) > 1
            else "held-out part of the training data",
            **facts,
            "artifact": artifact.to_wire(),
            "versions": {
                name: importlib.metadata.version(name) for name in ("vision-customization", "onnxruntime", "onnx", "numpy")
            },
        }
        self.resources.objects.put(sidecar_key(self.model_id), json.dumps(sidecar, indent=2, ensure_ascii=False).encode())
        # Last, so that the other files exist once the model's file does.
        self.resources.objects.put(artifact_key(self.model_id), onnx)
        return artifact.to_wire()

    def finish(self, performance: dict[str, Any] | None, artifact: dict[str, Any], progress: TrainingProgress) -> None:
        measured = ModelPerformance.model_validate(performance) if performance is not None else None
        self.report(progress)
        try:
            cost = cost_minutes(progress.seconds, self.budget_seconds)
            record = self.resources.store.models.finish(self.model_id, measured, cost, Artifact.model_validate(artifact))
        except NotFound:
            record = None  # deleted at the last moment
        self._discard(record)

    def fail(self, failure: JobFailed, seconds: float) -> None:
        # An alert in Azure looks for exactly this event: components/azure/observability.py.
        details = failure.details()
        _log.error("training failed", extra={"model-id": self.model_id, "code": details.code, "reason": details.message})
        record = None
        with suppress(NotFound):
            cost = cost_minutes(seconds, self.budget_seconds)
            record = self.resources.store.models.fail(self.model_id, details, cost)
        self._discard(record)

    def cancel(self, seconds: float) -> None:
        record = None
        with suppress(NotFound):
            record = self.resources.store.models.cancel(self.model_id, cost_minutes(seconds, self.budget_seconds))
        self._discard(record)

    def tell_waiting(self, why: str) -> None:
        if self._reported.message != why:
            self.report(advanced(self._reported, message=why))

    def report(self, progress: TrainingProgress) -> None:
        self._reported = progress
        try:
            self.resources.store.models.report_progress(self.model_id, progress)
        except NotFound:
            raise JobCancelled from None

    @property
    def budget_seconds(self) -> float:
        try:
            return self.resources.store.models.by_id(self.model_id).time_budget_in_hours * 3600.0
        except NotFound:
            return 0.0

    def _record_content(self, content: TrainingContent) -> None:
        try:
            self.resources.store.models.record_content(self.model_id, content)
        except NotFound:
            raise JobCancelled from None

    def _begin(self) -> ModelRecord:
        try:
            record = self.resources.store.models.begin(self.model_id)
        except NotFound:
            raise JobCancelled from None
        if record.status.final:
            raise JobCancelled
        return record

    def _discard(self, record: ModelRecord | None) -> None:
        """Delete what the training no longer needs, and also the model's files unless it has succeeded, now or earlier."""
        if record is None or record.status is not ModelStatus.SUCCEEDED:
            self.resources.objects.delete(model_key(self.model_id))
        self.clean_up()


class Training(ABC):
    """The steps of a training of one kind of model, between its plan and its end."""

    def __init__(self, job: TrainingJob) -> None:
        self._job = job

    @abstractmethod
    def learn(self, step: Step, planned: Planned, progress: Progress) -> Outcome:
        """Run the steps that learn, evaluate and export. Raises JobFailed, JobCancelled."""

    def _read_shard(
        self, step: Step, progress: Progress, keeping: Keeping, part: int, index: int, share: float, name: str = "embed"
    ) -> None:
        """Read one shard of a part, as a step; `share` is how much of the training is done after it."""
        done: ShardDone = step(f"{name} {part}/{index}", self._job.keep_and_report, keeping, part, index, progress.now, share)
        progress.now = embedded(progress.now, done, share)


def embedded(before: TrainingProgress, done: ShardDone, share: float) -> TrainingProgress:
    """A training's progress after a shard."""
    outdated = (before.images_outdated or 0) + done.get("images_outdated", 0)
    return advanced(
        before,
        share=share,
        message=f"{outdated:,} images embedded again: the engine's networks have changed" if outdated else None,
        images_read=before.images_read + done["images_read"],
        images_embedded=before.images_embedded + done["images_embedded"],
        images_outdated=outdated or None,
        seconds=before.seconds + done["seconds"],
    )


def advanced(progress: TrainingProgress, **changes: object) -> TrainingProgress:
    return progress.model_copy(update=changes)


def cost_minutes(seconds: float, budget_seconds: float) -> int:
    """`trainingCostInMinutes`: rounded up to whole minutes, but never above the budget."""
    return min(max(1, math.ceil(seconds / 60)), int(budget_seconds // 60)) if seconds > 0 else 0
