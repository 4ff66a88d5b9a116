"""The steps of a classifier's training."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.errors import FailureCode
from vision_customization.contract.models import ModelPerformance, TrainingProgress
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.embedding import Embedding
from vision_customization.engine.jobs.images.plan import Part
from vision_customization.engine.jobs.kinds.job import Job, Planned
from vision_customization.engine.jobs.kinds.training import (
    TEST,
    TRAINING,
    Outcome,
    Progress,
    Step,
    Training,
    TrainingJob,
    advanced,
)
from vision_customization.engine.learning import (
    Classifier,
    LearningError,
    classification_performance,
    export_classifier,
    train_classifier,
)
from vision_customization.engine.objects.keys import head_key

_READING_BUDGET_SHARE = 0.9


class Fitted(TypedDict):
    """The result of the fit. `performance` is the held-out estimate, absent with a test dataset. `digest` and `images` are of
    the images fitted on, which are fewer than the dataset's if the budget ended the reading."""

    recipe: dict[str, Any]
    performance: dict[str, Any] | None
    digest: str
    images: int
    seconds: float


class ClassifierTraining(Training):
    """A classifier's training."""

    def __init__(self, job: TrainingJob, weights_dir: Path) -> None:
        super().__init__(job)
        self._weights_dir = weights_dir
        self._embedding = Embedding(job.resources)

    def learn(self, step: Step, planned: Planned, progress: Progress) -> Outcome:
        progress.advance(stage="reading and embedding images")
        shards_done = []
        for part, shards in enumerate(planned["shards"]):
            done = 0
            for index in range(shards):
                # When the budget ends, the training learns from the images read so far. All test images are evaluated.
                if part == TRAINING and progress.has_spent(_READING_BUDGET_SHARE):
                    break
                position = sum(planned["shards"][:part]) + index + 1
                share = 0.02 + 0.78 * position / sum(planned["shards"])
                self._read_shard(step, progress, self._embedding, part, index, share)
                done += 1
            shards_done.append(done)
        fitted: Fitted = step("fit", self.fit, shards_done[TRAINING], progress.now.seconds, progress.now)
        progress.advance(stage="evaluating", share=0.9, seconds=progress.now.seconds + fitted["seconds"])
        performance = fitted["performance"]
        if len(shards_done) > 1:
            progress.report()
            performance = step("evaluate", self.evaluate, shards_done[TEST])
        progress.advance(stage="exporting", share=0.95)
        progress.report()
        return performance, step("export", self.export, fitted, performance)

    def fit(self, shards: int, used_seconds: float, progress: TrainingProgress) -> Fitted:
        """Fit the classifier on the first `shards` shards of training images. Raises JobFailed, JobCancelled."""
        started = time.monotonic()
        part = self._job.plan.parts[TRAINING]
        features, labels, digests = self._embedding.features(self._job.shards(self._embedding), TRAINING, shards)
        self._check_enough(part, labels, used_seconds)

        def on_progress(share: float, stage: str) -> None:
            self._job.check()
            seconds = used_seconds + time.monotonic() - started
            self._job.report(advanced(progress, stage=stage, share=0.8 + 0.1 * share, seconds=seconds))

        try:
            training = train_classifier(
                features,
                labels,
                list(part.tags),
                estimate=len(self._job.plan.parts) == 1,
                deadline_seconds=max(0.0, self._job.budget_seconds - used_seconds),
                progress=on_progress,
            )
        except LearningError as error:
            raise JobFailed(error.code, f"Dataset '{part.dataset}': {error.message}") from None
        self._job.resources.objects.put(head_key(self._job.model_id), training.classifier.to_npz())
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
        self._job.check()
        return measure(self._job, self._embedding, head_key(self._job.model_id), TEST, shards).to_wire()

    def export(self, fitted: Fitted, performance: dict[str, Any] | None) -> dict[str, Any]:
        """Write the model's file. Returns the artifact, as the contract writes it."""
        self._job.check()
        classifier = Classifier.from_npz(self._job.resources.objects.get(head_key(self._job.model_id)))
        try:
            onnx = export_classifier(classifier, self._weights_dir)
        except LearningError as error:
            raise JobFailed(error.code, error.message) from None
        facts = {
            "output": {"name": "probabilities", "type": "float32", "shape": [len(classifier.tags)]},
            "recipe": fitted["recipe"],
            "performance": performance,
            "dataset": {
                "name": self._job.plan.parts[TRAINING].dataset,
                "digest": fitted["digest"],
                "images": fitted["images"],
            },
            "features": self._job.resources.extractor.key,
        }
        return self._job.put_artifact(onnx, facts)

    def _check_enough(self, part: Part, labels: NDArray[np.int64], used_seconds: float) -> None:
        """If the budget ended while images were read, they may be too few to learn from."""
        if len(labels) == len(part.images):
            return
        least = int(np.bincount(labels, minlength=len(part.tags)).min())
        if least < 2:
            message = (
                f"The time budget ran out after {used_seconds / 3600:.1f} h, with {len(labels):,} of {len(part.images):,} "
                f"images read and {least} of the rarest tag. Increase timeBudgetInHours."
            )
            raise JobFailed(FailureCode.NOT_ENOUGH_BUDGET, message)


def measure(job: Job, embedding: Embedding, head: str, part: int, shards: int) -> ModelPerformance:
    """Evaluate a stored classifier on the features of a part: gives the numbers of its ONNX file without running it."""
    classifier = Classifier.from_npz(job.resources.objects.get(head))
    features, labels, _ = embedding.features(job.shards(embedding), part, shards)
    return classification_performance(labels, classifier.probabilities(features), list(classifier.tags))


def dataset_digest(tags: Sequence[str], labels: NDArray[np.int64], digests: Sequence[str]) -> str:
    """SHA-256, in hex, of the training images: each image's digest and tag, in a fixed order."""
    lines = sorted(f"{digest}\t{tags[label]}\n" for label, digest in zip(labels, digests, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
