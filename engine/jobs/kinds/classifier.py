"""The steps of a classifier's training."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.errors import FailureCode
from vision_customization.contract.models import TrainingProgress
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.embedding import Embedding
from vision_customization.engine.jobs.images.memory import sample_images
from vision_customization.engine.jobs.images.plan import Part
from vision_customization.engine.jobs.images.shards import ShardDone
from vision_customization.engine.jobs.images.stored_images import sampled
from vision_customization.engine.jobs.kinds.classifier_performance import (
    Measured,
    estimated,
    estimated_tags,
    measured,
    stored_images,
)
from vision_customization.engine.jobs.kinds.training import (
    TEST,
    TRAINING,
    Item,
    Outcome,
    PlannedTraining,
    Progress,
    Training,
    TrainingJob,
    Wired,
    advanced,
)
from vision_customization.engine.jobs.queue import FITTING_QUEUE
from vision_customization.engine.jobs.steps.pieces import Pieces, Step
from vision_customization.engine.learning import (
    Classifier,
    LearningError,
    export_classifier,
    train_classifier,
    train_multi_label,
)
from vision_customization.engine.objects.keys import estimate_key, head_key, outcomes_key
from vision_customization.engine.outcomes.stored import put_outcomes

_READING_BUDGET_SHARE = 0.9


class FittedFacts(TypedDict):
    """The result of the fit. `performance` is the held-out estimate, absent with a test dataset. `digest` and `images` are of
    the images fitted on, which are fewer than the dataset's if the budget ended the reading."""

    recipe: dict[str, Any]
    performance: dict[str, Any] | None
    digest: str
    images: int


class Fitted(FittedFacts):
    """Adds how long the fit took."""

    seconds: float


class Finished(TypedDict):
    """The result of the last piece: performance and artifact, as the contract writes them."""

    performance: dict[str, Any] | None
    artifact: dict[str, Any]
    progress: Wired


class TrainingOptions(TypedDict):
    """What both trainings of a classifier are told: see `train_classifier`."""

    deadline_seconds: float
    progress: Callable[[float, str], None]


class ClassifierTraining(Training):
    """A classifier's training."""

    def __init__(self, job: TrainingJob, weights_dir: Path) -> None:
        super().__init__(job)
        self._weights_dir = weights_dir
        self._embedding = Embedding(job.resources)

    def learn(self, pieces: Pieces, planned: PlannedTraining, progress: Progress) -> Outcome:
        progress.advance(stage="reading and embedding images")
        shards = [(part, index) for part, count in enumerate(planned["shards"]) for index in range(count)]

        def enough(shard: Item) -> bool:
            # When the budget ends, the training learns from the images read so far. All test images are evaluated.
            return shard[0] == TRAINING and progress.has_spent(_READING_BUDGET_SHARE)

        def share_of(done: int) -> float:
            return 0.02 + 0.78 * done / len(shards)

        read = self._read(pieces, progress, "embed", self.keep_shard, shards, share_of, enough)
        if len(read) < len(shards):
            tests = [shard for shard in shards if shard[0] != TRAINING]
            read += self._read(pieces, progress, "embed then", self.keep_shard, tests, lambda _done: 0.8)
        counts = [sum(part == of for of, _ in read) for part in range(len(planned["shards"]))]
        finish: Finished = pieces.run(FITTING_QUEUE, "fit", self.finish, counts, progress.wired)
        progress.now = TrainingProgress.model_validate(finish["progress"])
        return finish["performance"], finish["artifact"]

    def keep_shard(self, part: int, index: int) -> ShardDone:
        """Embed the images of a shard: a piece."""
        return self._job.keep(Embedding(self._job.resources), part, index)

    def finish(self, step: Step, shards: Sequence[int], progress_before: Wired) -> Finished:
        """Fit on the first so many shards of each part, evaluate and export: a piece."""
        progress = Progress(step, self._job.report, now=progress_before)
        fitted: Fitted = step("fit", self.fit, shards[TRAINING], progress.now.seconds, progress.now)
        progress.advance(stage="evaluating", share=0.9, seconds=progress.now.seconds + fitted["seconds"])
        performance = fitted["performance"]
        if len(shards) > 1:
            progress.report()
            performance = step("evaluate", self.evaluate, shards[TEST])
        progress.advance(stage="exporting", share=0.95)
        progress.report()
        artifact = step("export", self.export, fitted, performance)
        return Finished(performance=performance, artifact=artifact, progress=progress.wired)

    def fit(self, shards: int, used_seconds: float, progress: TrainingProgress) -> Fitted:
        """Fit the classifier on the first `shards` shards of training images. Raises JobFailed, JobCancelled."""
        started = time.monotonic()

        def on_progress(share: float, stage: str) -> None:
            self._job.check()
            seconds = used_seconds + time.monotonic() - started
            self._job.report(advanced(progress, stage=stage, share=0.8 + 0.1 * share, seconds=seconds))

        part = self._job.plan.parts[TRAINING]
        options = TrainingOptions(
            deadline_seconds=max(0.0, self._job.budget_seconds - used_seconds),
            progress=on_progress,
        )
        fit = self._fit_tags if part.multi_label else self._fit_classes
        try:
            classifier, facts = fit(part, shards, used_seconds, options)
        except LearningError as error:
            raise JobFailed(error.code, f"Dataset '{part.dataset}': {error.message}") from None
        self._job.resources.objects.put(head_key(self._job.model_id), classifier.to_npz())
        return Fitted(**facts, seconds=time.monotonic() - started)

    def _fit_classes(
        self, part: Part, shards: int, used_seconds: float, options: TrainingOptions
    ) -> tuple[Classifier, FittedFacts]:
        """A classifier that gives each image one tag."""
        stored = stored_images(self._job, self._embedding, TRAINING, shards, len(part.tags))
        self._check_enough(part, len(stored), np.bincount(stored.labels, minlength=len(part.tags)), used_seconds)
        sample = sampled(stored, self._sample_images)
        labels = stored.labels[sample.rows]
        training = train_classifier(sample.features, labels, list(part.tags), everything=sample.everything, **options)
        performance = None
        if training.held_out is not None:
            result = estimated(stored.names(sample.rows), labels, training.held_out, part.tags, training.outlook)
            performance = self._keep(estimate_key, result)
        digest = dataset_digest(stored.sha256s, (part.tags[label] for label in stored.labels))
        return training.classifier, FittedFacts(
            recipe=training.recipe, performance=performance, digest=digest, images=len(stored)
        )

    def _fit_tags(
        self, part: Part, shards: int, used_seconds: float, options: TrainingOptions
    ) -> tuple[Classifier, FittedFacts]:
        """A multi-label classifier."""
        stored = stored_images(self._job, self._embedding, TRAINING, shards, len(part.tags))
        with_tag = np.asarray(stored.tags.sum(axis=0)).ravel()
        self._check_enough(part, len(stored), np.minimum(with_tag, len(stored) - with_tag), used_seconds)
        sample = sampled(stored, self._sample_images)
        present = stored.tags[sample.rows].toarray()
        training = train_multi_label(sample.features, present, list(part.tags), everything=sample.everything, **options)
        performance = None
        if training.held_out is not None:
            thresholds = training.classifier.thresholds or ()
            result = estimated_tags(stored.names(sample.rows), present, training.held_out, thresholds, part.tags)
            performance = self._keep(estimate_key, result)
        labels = (json.dumps([part.tags[tag] for tag in sorted(tags)]) for tags in stored.tags_of_each())
        digest = dataset_digest(stored.sha256s, labels)
        return training.classifier, FittedFacts(
            recipe=training.recipe, performance=performance, digest=digest, images=len(stored)
        )

    def evaluate(self, shards: int) -> dict[str, Any]:
        """The model's performance on the test images, as the contract writes it."""
        self._job.check()
        result = measured(self._job, self._embedding, head_key(self._job.model_id), TEST, shards)
        return self._keep(outcomes_key, result)

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
            **(
                {}
                if classifier.thresholds is None
                else {"thresholds": dict(zip(classifier.tags, classifier.thresholds, strict=True))}
            ),
            **({} if classifier.novelty is None else {"novelty": {"name": "novelty", "type": "float32", "shape": []}}),
            "recipe": fitted["recipe"],
            "performance": performance,
            "dataset": {
                "name": self._job.plan.parts[TRAINING].dataset,
                "digest": fitted["digest"],
                "images": fitted["images"],
            },
            "features": classifier.layout,
        }
        return self._job.put_artifact(onnx, facts)

    @property
    def _sample_images(self) -> int:
        resources = self._job.resources
        return sample_images(resources.extractor.dimensions, resources.workers)

    def _keep(self, key: Callable[[str], str], result: Measured) -> dict[str, Any]:
        """Store the outcomes under the model's `key`. Returns the performance, as the contract writes it."""
        performance, outcomes = result
        put_outcomes(self._job.resources.objects, key(self._job.model_id), outcomes)
        return performance.to_wire()

    def _check_enough(self, part: Part, images: int, counts: NDArray[np.int64], used_seconds: float) -> None:
        """If the budget ended while images were read, they may be too few to learn from; `counts` has those that teach each
        tag: the images with it or, of several tags per image, the fewer of those with and without it."""
        if images == len(part.images):
            return
        least = int(counts.min())
        if least < 2:
            message = (
                f"The time budget ran out after {used_seconds / 3600:.1f} h, with {images:,} of {len(part.images):,} "
                f"images read and {least} to learn the rarest tag from. Increase timeBudgetInHours."
            )
            raise JobFailed(FailureCode.NOT_ENOUGH_BUDGET, message)


def dataset_digest(digests: Iterable[str], labels: Iterable[str]) -> str:
    """SHA-256, in hex, of the training images: each image's digest and label, in a fixed order."""
    lines = sorted(f"{digest}\t{label}\n" for digest, label in zip(digests, labels, strict=True))
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode())
    return digest.hexdigest()
