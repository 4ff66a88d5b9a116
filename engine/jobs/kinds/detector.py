"""The steps of a detector's training.

It runs in stretches of half a minute. Each is a step that ends with a checkpoint, from which any worker can resume. Without a
test dataset, a part of the images is held out: a first phase learns without them and is evaluated on them, and a second,
shorter one continues with all images.
"""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from vision_customization.contract.errors import FailureCode
from vision_customization.contract.models import Estimate, TrainingProgress
from vision_customization.engine.annotations import BoxedImage
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.found_objects import FoundObjects
from vision_customization.engine.jobs.images.pictures import Pictures
from vision_customization.engine.jobs.images.shards import ShardDone
from vision_customization.engine.jobs.kinds.checkpointed_learner import CheckpointedLearner, Phase
from vision_customization.engine.jobs.kinds.detector_performance import Measured, in_pixels, measured, measured_at_once
from vision_customization.engine.jobs.kinds.detector_progress import Begun, Stretch, affordable, finished, learnt
from vision_customization.engine.jobs.kinds.held_out import BoxedDigest, LearningImages, boxed
from vision_customization.engine.jobs.kinds.pace import pace_of, record_pace
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
)
from vision_customization.engine.jobs.queue import JUDGING_QUEUE, LEARNING_QUEUE
from vision_customization.engine.jobs.steps.pieces import Pieces, Step
from vision_customization.engine.learning.detection.artifact import DetectorSession, export_detector
from vision_customization.engine.learning.detection.recipe import DetectorRecipe, choose_recipe
from vision_customization.engine.learning.pretrained.nanodet import with_classes
from vision_customization.engine.learning.pretrained.nanodet_weights import LICENCE, SOURCE, TITLE, read_nanodet
from vision_customization.engine.objects.keys import estimate_key, job_key, outcomes_key
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.settings import Settings

if TYPE_CHECKING:
    from vision_customization.engine.learning.detection.training import BoxedPixels

STRETCH_SECONDS = 30.0
"""Length of a stretch: the most that is done again after a process has died."""
_VALIDATED, _VALIDATED_LEAST = 24, 4
"""Images for measuring a training's progress, and the least number of them; with several tiles, accordingly fewer."""
_READING_BUDGET_SHARE, _BUDGET_SHARE = 0.45, 0.9


class Learnt(TypedDict):
    """The result of the piece that learns."""

    begun: Begun
    progress: Wired


class DetectorTraining(Training):
    """The training of a detector with `tiles` × `tiles` tiles."""

    def __init__(self, job: TrainingJob, settings: Settings, tiles: int) -> None:
        super().__init__(job)
        self._settings = settings
        self._tiles = tiles
        self._pictures = Pictures(job.resources.objects, tiles)
        self._found = FoundObjects(job.resources.objects, job.name, self._open_session, job.check)
        self._learner: CheckpointedLearner | None = None
        self._read_images: LearningImages | None = None

    def learn(self, pieces: Pieces, planned: PlannedTraining, progress: Progress) -> Outcome:
        progress.advance(stage="reading images")
        shards = [(TRAINING, index) for index in range(planned["shards"][TRAINING])]

        def enough(_shard: Item) -> bool:
            # When half of the budget is spent, the training learns from the images read so far.
            return progress.has_spent(_READING_BUDGET_SHARE)

        def share_of(done: int) -> float:
            return 0.02 + 0.13 * done / len(shards)

        read = len(self._read(pieces, progress, "embed", self.keep_shard, shards, share_of, enough))
        tests = planned["shards"][TEST] if len(planned["shards"]) > 1 else 0
        if tests:  # for measuring the training's progress
            before = progress.now
            self._read(pieces, progress, "embed", self.keep_shard, [(TEST, 0)], lambda _done: 0.15)
            # They are counted when the model is evaluated on them.
            progress.advance(images_read=before.images_read, images_embedded=before.images_embedded)
        learnt: Learnt = pieces.run(LEARNING_QUEUE, "learn", self.learn_from, read, progress.budget_seconds, progress.wired)
        progress.now = TrainingProgress.model_validate(learnt["progress"])
        progress.advance(stage="evaluating", share=0.93, message=None)
        progress.report()
        if tests:
            shards = [(TEST, index) for index in range(tests)]
            self._read(pieces, progress, "detect", self.detect_in, shards, lambda done: 0.93 + 0.05 * done / tests)
        progress.advance(stage="exporting", share=0.98)
        progress.report()
        outcome: Outcome = pieces.run(JUDGING_QUEUE, "publish", self.finish, tests, learnt["begun"], progress.now.steps_done)
        return outcome

    def keep_shard(self, part: int, index: int) -> ShardDone:
        """Store the pictures of a shard: a piece."""
        return self._job.keep(self._pictures, part, index)

    def detect_in(self, part: int, index: int) -> ShardDone:
        """Detect in the images of a shard: a piece."""
        return self._job.keep(self._found, part, index)

    def learn_from(self, step: Step, read: int, budget_seconds: float, progress_before: Wired) -> Learnt:
        """Learn from the first `read` shards in stretches, and write the model's file: a piece, since one worker has the
        network in memory from stretch to stretch. Raises JobFailed, JobCancelled."""
        progress = Progress(step, self._job.report, budget_seconds, progress_before)
        begun: Begun = step("begin", self.begin, read)
        progress.advance(stage="learning", steps=sum(begun["phases"]), steps_done=0)
        progress.report()
        stretch: Stretch | None = None
        number = 0
        phases = begun["phases"]
        while not finished(phases, stretch) and not progress.has_spent(_BUDGET_SHARE):
            stretch = step(f"learn {number}", self.train, read, begun, phases, progress.now)
            progress.now = learnt(progress.now, begun, stretch)
            phases = affordable(begun, stretch, _BUDGET_SHARE * progress.budget_seconds - progress.now.seconds)
            number += 1
        if stretch is None:
            message = "The time budget ran out before the training could begin. Increase timeBudgetInHours."
            raise JobFailed(FailureCode.NOT_ENOUGH_BUDGET, message)
        step("export", self.export, read, begun, phases)
        self._learner = self._read_images = None
        return Learnt(begun=begun, progress=progress.wired)

    def finish(self, step: Step, tests: int, begun: Begun, steps: int) -> Outcome:
        """Compute the performance on the first `tests` shards of test images, or on the held-out images, and publish the
        model: a piece."""
        performance = step("evaluate", self.evaluate, tests) if tests else step("estimated", self.estimated)
        return performance, step("publish", self.publish, begun, performance, steps)

    def begin(self, shards: int) -> Begun:
        """Choose the recipe for the images read. Raises JobFailed, JobCancelled."""
        self._job.check()
        training, part = self._images(shards).training, self._job.plan.parts[TRAINING]
        labels = {box.label for image, _ in training for box in image.boxes}
        if without := [tag for label, tag in enumerate(part.tags) if label not in labels]:
            message = f"The time budget ran out before any image tagged {without[0]!r} was read. Increase timeBudgetInHours."
            raise JobFailed(FailureCode.NOT_ENOUGH_BUDGET, message)
        recipes = self._recipes(shards)
        phases, recipe = [recipe.steps for recipe in recipes], recipes[0]
        lines = sorted(f"{digest}\t{_told(image, part.tags)}\n" for image, digest in training)
        return Begun(
            recipe={
                "network": TITLE,
                "side": recipe.side,
                "tiles": recipe.tiles,
                "steps": sum(phases),
                "batch": recipe.batch,
            },
            phases=phases,
            digest=hashlib.sha256("".join(lines).encode()).hexdigest(),
            images=len(training),
        )

    def train(self, shards: int, begun: Begun, phases: list[int], progress: TrainingProgress) -> Stretch:
        """Learn for half a minute, then save a checkpoint. Raises JobFailed, JobCancelled.

        Args:
            phases: the number of steps that each phase has in all.
        """
        started, compiled, steps_ended = time.monotonic(), self._learner is None, list[float]()
        self._job.check()
        learner = self._open(shards, begun, phases)

        def stretch(loss: float | None = None, validation: float | None = None) -> Stretch:
            return Stretch(
                phase=learner.phase,
                step=learner.step,
                loss=loss,
                validation=validation,
                seconds=time.monotonic() - started,
                phases=phases,
                seconds_per_step=None,
            )

        def after(_step: int) -> bool:
            steps_ended.append(time.monotonic())
            self._job.check()
            self._job.report(learnt(progress, begun, stretch()))
            return time.monotonic() - started < STRETCH_SECONDS

        loss = learner.run(after)
        if loss is not None and not math.isfinite(loss):
            dataset = self._job.plan.parts[TRAINING].dataset
            message = f"The loss is not finite after step {learner.step}. Check the boxes of dataset '{dataset}'."
            raise JobFailed(FailureCode.DIVERGED, message)
        done = stretch(loss, self._validation(learner, shards))
        if learner.phase == 0 and learner.phase_done:
            self._estimate(learner, shards)
        learner.save()
        self._learner = learner
        ended = time.monotonic()
        pace = pace_of(started, steps_ended, ended, compiled=compiled)
        record_pace(self._job.resources.store.speeds.record, pace)
        done["seconds"], done["seconds_per_step"] = ended - started, pace.seconds_per_step
        self._job.report(learnt(progress, begun, done))
        return done

    def export(self, shards: int, begun: Begun, phases: list[int]) -> None:
        """Write the model's file, for its evaluation."""
        self._job.check()
        learner = self._open(shards, begun, phases)
        if learner.phase == 0 and not learner.phase_done:  # the budget ran out earlier
            self._estimate(learner, shards)
        onnx = self._exported(learner, f"{TITLE}: {LICENCE}, {SOURCE}")
        self._job.resources.objects.put(self._key("model.onnx"), onnx)

    def evaluate(self, shards: int) -> dict[str, Any]:
        """The model's performance on the test images, as the contract writes it."""
        self._job.check()
        return self._keep(outcomes_key(self._job.model_id), measured(self._job, self._found, TEST, shards))

    def estimated(self) -> dict[str, Any] | None:
        """The performance on the held-out images, if any."""
        try:
            estimate: dict[str, Any] = json.loads(self._job.resources.objects.get(self._key("estimate")))
        except ObjectNotFound:
            return None
        return estimate

    def publish(self, begun: Begun, performance: dict[str, Any] | None, steps: int) -> dict[str, Any]:
        """Write the file, which the training made in this number of steps, to the model's final place. Returns the artifact, as
        the contract writes it."""
        self._job.check()
        try:
            curves = json.loads(self._job.resources.objects.get(self._key("curves")))
        except ObjectNotFound:
            curves = None
        facts = {
            "output": {
                "boxes": {"type": "float32", "shape": ["n", 4], "order": "left, top, right, bottom, in pixels of the input"},
                "scores": {"type": "float32", "shape": ["n"]},
                "classes": {"type": "int64", "shape": ["n"]},
            },
            "recipe": {**begun["recipe"], "steps": steps},
            "performance": performance,
            "precisionRecall50": curves,
            "dataset": {
                "name": self._job.plan.parts[TRAINING].dataset,
                "digest": begun["digest"],
                "images": begun["images"],
            },
            "features": TITLE,
        }
        return self._job.put_artifact(self._job.resources.objects.get(self._key("model.onnx")), facts)

    def _open_session(self) -> DetectorSession:
        return DetectorSession(self._job.resources.objects.path(self._key("model.onnx")), self._settings.threads)

    def _recipe(self, images: int) -> DetectorRecipe:
        return choose_recipe(images, len(self._job.plan.parts[TRAINING].tags), self._tiles)

    def _open(self, shards: int, begun: Begun, phases: Sequence[int]) -> CheckpointedLearner:
        """The learner of the last step, for one attempt only: if that fails, the next attempt opens the checkpoint."""
        learner, self._learner = self._learner, None
        if learner is None:
            generator = np.random.default_rng([self._recipe(begun["images"]).seed, 1])
            start = with_classes(read_nanodet(self._settings.weights_dir), self._job.plan.parts[TRAINING].tags, generator)
            learner = CheckpointedLearner(self._phases(shards), start, self._job.resources.objects, self._key)
        learner.plan(phases)
        return learner

    def _recipes(self, shards: int) -> list[DetectorRecipe]:
        """The recipe of each phase. If images are held out, a second and shorter phase learns from all images."""
        images = self._images(shards)
        recipe = self._recipe(len(images.training))
        return [recipe, recipe.tail()] if images.held_out else [recipe]

    def _phases(self, shards: int) -> list[Phase]:
        images = self._images(shards)
        learnt_from = (self._boxed_pixels(images.first), self._boxed_pixels(images.training))
        return [Phase(recipe, of) for recipe, of in zip(self._recipes(shards), learnt_from, strict=False)]

    def _boxed_pixels(self, images: Sequence[BoxedDigest]) -> "list[BoxedPixels]":
        from vision_customization.engine.learning.detection.training import BoxedPixels

        return [BoxedPixels(partial(self._pictures.read, digest), in_pixels(image, 1, 1)) for image, digest in images]

    def _images(self, shards: int) -> LearningImages:
        """The images, independent of the order in the annotation files. Built once, because it reads each shard's digests."""
        if self._read_images is None:
            kept = self._job.shards(self._pictures)
            tests = boxed(kept, TEST, 1) if len(self._job.plan.parts) > 1 else None
            validated = max(_VALIDATED_LEAST, _VALIDATED // self._tiles**2)
            self._read_images = LearningImages.split(boxed(kept, TRAINING, shards), tests, validated, self._pictures.miniature)
        return self._read_images

    def _validation(self, learner: CheckpointedLearner, shards: int) -> float | None:
        """mAP@50 on a few images. None in the second phase, which learns from the images that the first is evaluated on."""
        images = self._images(shards).validation
        if learner.phase or not images:
            return None
        return self._measured(learner, images).performance.mean_average_precision50

    def _estimate(self, learner: CheckpointedLearner, shards: int) -> None:
        """Evaluate the current network on the held-out images, if any, and store the result."""
        images = self._images(shards)
        if images.held_out:
            measured = self._measured(learner, images.held_out)
            measured.performance.estimate = Estimate(images=len(images.held_out), groups=images.groups)
            performance = self._keep(estimate_key(self._job.model_id), measured)
            self._job.resources.objects.put(self._key("estimate"), json.dumps(performance).encode())

    def _keep(self, key: str, measured: Measured) -> dict[str, Any]:
        """Store curves and outcomes. Returns the performance, as the contract writes it."""
        objects = self._job.resources.objects
        outcomes = measured.outcomes
        objects.put(self._key("curves"), json.dumps(outcomes.curves["tags"]).encode())
        put_outcomes(objects, key, outcomes)
        return measured.performance.to_wire()

    def _measured(self, learner: CheckpointedLearner, images: Sequence[BoxedDigest]) -> Measured:
        session = DetectorSession(self._exported(learner, ""), self._settings.threads)
        return measured_at_once(session, self._pictures, images, self._job.plan.parts[TRAINING].tags, self._job.check)

    def _exported(self, learner: CheckpointedLearner, licences: str) -> bytes:
        recipe, tags = learner.recipe, self._job.plan.parts[TRAINING].tags
        return export_detector(learner.weights(), tags, recipe.side, licences, recipe.tiles)

    def _key(self, name: str) -> str:
        return f"{job_key(self._job.name)}/{name}"


def _told(image: BoxedImage, tags: Sequence[str]) -> str:
    """An image's objects, as JSON."""
    return json.dumps([(tags[box.label], box.left, box.top, box.width, box.height) for box in image.boxes])
