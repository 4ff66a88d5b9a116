"""The steps that every training has: reading the annotations, reporting the progress, and ending."""

import hashlib
import importlib.metadata
import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from vision_customization.contract.enums import ModelKind, ModelStatus, Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.contract.models import Artifact, ModelPerformance, TrainingProgress
from vision_customization.contract.training_time import Workload, budget_fault
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.images.dataset import content_of, with_tags
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.plan import Plan
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import ShardDone
from vision_customization.engine.jobs.kinds.job import Job, Planned
from vision_customization.engine.jobs.names import training_job
from vision_customization.engine.jobs.priority import due
from vision_customization.engine.jobs.steps.pieces import Pieces, Step
from vision_customization.engine.objects.keys import artifact_key, model_key, sidecar_key
from vision_customization.engine.store import ModelRecord, NotFound, TrainingContent

TRAINING, TEST = 0, 1
"""Parts of a training's plan."""
_log = logging.getLogger(__name__)

Outcome = tuple[dict[str, Any] | None, dict[str, Any]]
"""A model's performance, if it was measured, and its artifact, as the contract writes them."""


Wired = dict[str, Any]
"""A `TrainingProgress` as JSON."""


class PlannedTraining(Planned):
    """Adds the model's time budget, and the priority of the training's pieces."""

    budget_seconds: float
    priority: int


class Progress:
    """The progress of a training, as a workflow runs: the training's own, or that of a piece, which begins with what the
    training's had come to. `budget_seconds` bounds its compute time."""

    def __init__(
        self, step: Step, report: Callable[[TrainingProgress], None], budget_seconds: float = 0.0, now: Wired | None = None
    ) -> None:
        self.now = TrainingProgress(stage="reading annotations") if now is None else TrainingProgress.model_validate(now)
        self.budget_seconds = budget_seconds
        self._step = step
        self._report = report

    def advance(self, **changes: object) -> TrainingProgress:
        self.now = advanced(self.now, **changes)
        return self.now

    def report(self) -> None:
        """Store it for the callers of the API, as a step of the workflow."""
        self._step("report", self._report, self.now)

    @property
    def wired(self) -> Wired:
        """It as JSON, to hand it over to a piece, or back."""
        return self.now.to_wire()

    def has_spent(self, share: float) -> bool:
        """Whether this share of the budget is spent."""
        return self.now.seconds >= self.budget_seconds * share


class TrainingJob(Job):
    """The job of one training of any kind: it reads the annotations, reports the progress, and finishes, fails or is cancelled.
    `budget_seconds` bounds its compute: the time of its steps, without those lost to a crash."""

    def __init__(self, resources: Resources, plans: Plans, model_id: str) -> None:
        super().__init__(resources, plans, training_job(model_id))
        self.model_id = model_id

    def check_wanted(self) -> None:
        if self.resources.store.models.cancellation_requested(self.model_id):
            raise JobCancelled

    def kind_and_tiles(self) -> tuple[str, int]:
        """The model's kind and tiles, which never change. For a deleted model any will do: its next step ends the job."""
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
        speed = self.resources.store.speeds.get()
        if fault := budget_fault(work, model.time_budget_in_hours, speed):
            raise JobFailed(FailureCode.NOT_ENOUGH_BUDGET, fault)
        parts = [training]
        if model.test_dataset_name is not None:
            test = self.read_dataset(model.test_dataset_name, Purpose.EVALUATION, kind, multi_label=training.multi_label)
            parts.append(with_tags(test, training.tags, model.name))
        self._record_content(content_of(training))
        planned = self.keep_plan(Plan(tuple(parts)), time.monotonic() - started)
        image_seconds = speed.embedded_image_seconds if kind is ModelKind.GENERIC_CLASSIFIER else speed.read_image_seconds
        return PlannedTraining(
            **planned,
            budget_seconds=self.budget_seconds,
            priority=due(time.time(), planned["images"] * image_seconds),
        )

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
        with suppress(NotFound):
            progress = self.resources.store.models.by_id(self.model_id).progress
            if progress is not None and progress.message != why:
                self.report(advanced(progress, message=why))

    def report(self, progress: TrainingProgress) -> None:
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


Item = tuple[int, int]
"""A shard, by its part and its number in it."""


class Training(ABC):
    """The steps of a training of one kind of model, between its plan and its end."""

    def __init__(self, job: TrainingJob) -> None:
        self._job = job

    @abstractmethod
    def learn(self, pieces: Pieces, planned: PlannedTraining, progress: Progress) -> Outcome:
        """Read, learn, evaluate and export, all in pieces. Raises JobFailed, JobCancelled."""

    def close(self) -> None:
        self._job.close()

    def check(self) -> None:
        self._job.check()

    def read_annotations(self, step: Step) -> PlannedTraining:
        """As the job's: a piece."""
        planned: PlannedTraining = step("read annotations", self._job.read_annotations)
        return planned

    def _read(
        self,
        pieces: Pieces,
        progress: Progress,
        name: str,
        keep: Callable[[int, int], ShardDone],
        shards: Sequence[Item],
        share_of: Callable[[int], float],
        enough: Callable[[Item], bool] = lambda _shard: False,
    ) -> list[Item]:
        """Read shards, each (part, number), as pieces that `keep` them. Returns those that were read before there was enough.

        Args:
            share_of: how much of the training is done after so many of the shards.
        """
        read: list[Item] = []

        def then(done: ShardDone) -> TrainingProgress:
            return embedded(progress.now, done, share_of(len(read) + 1))

        for shard, done in pieces.spread(
            name,
            keep,
            shards,
            enough=enough,
            after=lambda _shard, done: self._job.report(then(done)),
            told=lambda shard: self._job.told(*shard),
        ):
            progress.now = then(done)
            read.append(shard)
        return read


def embedded(before: TrainingProgress, done: ShardDone, share: float) -> TrainingProgress:
    """A training's progress after a shard."""
    outdated = (before.images_outdated or 0) + done["images_outdated"]
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
