"""The steps of a detector's training.

It runs in stretches of half a minute, each a step that ends with a checkpoint: who takes the training up goes on from there. A
part of the images is held out where no test dataset is named: a first phase learns without them and is measured on them, and a
second, shorter one goes on with all images.
"""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from vision_customization.contract.errors import FailureCode
from vision_customization.contract.models import ModelPerformance, TrainingProgress
from vision_customization.engine.annotations import BoxedImage
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.found_objects import FoundObjects
from vision_customization.engine.jobs.images.pictures import Pictures
from vision_customization.engine.jobs.kinds.held_out import BoxedDigest, boxed, held_out
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
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.learning.detection.artifact import DetectorSession, export_detector
from vision_customization.engine.learning.detection.metrics import detection_performance, precision_recall_curves
from vision_customization.engine.learning.detection.recipe import DetectorRecipe, choose_recipe
from vision_customization.engine.learning.pretrained.nanodet import Weights, with_classes
from vision_customization.engine.learning.pretrained.nanodet_weights import LICENCE, SOURCE, TITLE, read_nanodet
from vision_customization.engine.objects.keys import job_key
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.settings import Settings

if TYPE_CHECKING:
    from vision_customization.engine.learning.detection.training import DetectorLearner

STRETCH_SECONDS = 30.0
"""What is done again at most, when a process dies."""
_VALIDATED, _VALIDATED_LEAST = 24, 4
"""Images that a training's progress is measured on; of several tiles so many fewer."""
_CHECKED_EVERY = 256
"""Images after which a job asks whether it should stop."""
_READING_BUDGET_SHARE, _BUDGET_SHARE = 0.45, 0.9


class Begun(TypedDict):
    """What is learnt from: `digest` and `images` of the images read, and the steps of each phase."""

    recipe: dict[str, Any]
    phases: list[int]
    digest: str
    images: int


class Stretch(TypedDict):
    """Where a training stands: `step` of the phase `phase`. `validation` is mAP@50 on a few images not learnt from."""

    phase: int
    step: int
    loss: float | None
    validation: float | None
    seconds: float


@dataclass(frozen=True)
class _Images:
    """What was read: all training images, those of them that the first phase learns from, and those held out; and images to
    tell the progress by, none of which the first phase learns from."""

    training: Sequence[BoxedDigest]
    first: Sequence[BoxedDigest]
    held_out: Sequence[BoxedDigest]
    validation: Sequence[BoxedDigest]


class DetectorTraining(Training):
    """The training of a detector that looks at `tiles` × `tiles` tiles."""

    def __init__(self, job: TrainingJob, settings: Settings, tiles: int) -> None:
        super().__init__(job)
        self._settings = settings
        self._tiles = tiles
        self._pictures = Pictures(job.resources.objects, tiles)
        self._found = FoundObjects(job.resources.objects, job.name, self._open_session, job.check)
        self._learner: tuple[int, DetectorLearner] | None = None
        self._read: _Images | None = None

    def learn(self, step: Step, planned: Planned, progress: Progress) -> Outcome:
        progress.advance(stage="reading images")
        read = 0
        for index in range(planned["shards"][TRAINING]):
            # When half of the budget is spent, the training learns from what was read so far. All test images are measured.
            if progress.has_spent(_READING_BUDGET_SHARE):
                break
            share = 0.02 + 0.13 * (index + 1) / planned["shards"][TRAINING]
            self._read_shard(step, progress, self._pictures, TRAINING, index, share)
            read += 1
        if len(planned["shards"]) > 1:  # what the training's progress is told by
            before = progress.now
            self._read_shard(step, progress, self._pictures, TEST, 0, 0.15)
            # They are counted when the model is measured on them.
            progress.advance(images_read=before.images_read, images_embedded=before.images_embedded)

        begun: Begun = step("begin", self.begin, read)
        progress.advance(stage="learning", steps=sum(begun["phases"]), steps_done=0)
        progress.report()
        stretch: Stretch | None = None
        number = 0
        while not _finished(begun, stretch) and not progress.has_spent(_BUDGET_SHARE):
            stretch = step(f"learn {number}", self.train, read, begun, progress.now)
            progress.now = learnt(progress.now, begun, stretch)
            number += 1
        if stretch is None:
            message = "The budget ended before anything was learnt: give it more hours."
            raise JobFailed(FailureCode.NOT_ENOUGH_BUDGET, message)
        step("export", self.export, read, begun)
        progress.advance(stage="evaluating", share=0.93, message=None)
        progress.report()
        if len(planned["shards"]) > 1:
            for index in range(planned["shards"][TEST]):
                share = 0.93 + 0.05 * (index + 1) / planned["shards"][TEST]
                self._read_shard(step, progress, self._found, TEST, index, share, name="detect")
            performance = step("evaluate", self.evaluate, planned["shards"][TEST])
        else:
            performance = step("estimated", self.estimated)
        progress.advance(stage="exporting", share=0.98)
        progress.report()
        return performance, step("publish", self.publish, begun, performance)

    def begin(self, shards: int) -> Begun:
        """Choose the recipe for what was read. Raises JobFailed, JobCancelled."""
        self._job.check()
        images = self._images(shards)
        training, part = images.training, self._job.plan.parts[TRAINING]
        labels = {box.label for image, _ in training for box in image.boxes}
        if without := [tag for label, tag in enumerate(part.tags) if label not in labels]:
            message = f"The budget ended before an image with {without[0]!r} was read: give it more hours."
            raise JobFailed(FailureCode.NOT_ENOUGH_BUDGET, message)
        recipe = self._recipe(len(training))
        phases = [recipe.steps, recipe.tail().steps] if images.held_out else [recipe.steps]
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

    def train(self, shards: int, begun: Begun, progress: TrainingProgress) -> Stretch:
        """Learn for half a minute, and keep where that has led to. Raises JobFailed, JobCancelled."""
        started = time.monotonic()
        self._job.check()
        try:
            phase, learner = self._learner or self._taken_up(shards, begun)
        finally:
            self._learner = None  # should this attempt fail, the next begins at the checkpoint again
        if learner.done and phase + 1 < len(begun["phases"]):
            phase, learner = phase + 1, self._next_phase(shards, learner.weights(), phase + 1)

        def after(done: int) -> bool:
            seconds = time.monotonic() - started
            self._job.check()
            self._job.report(
                learnt(progress, begun, Stretch(phase=phase, step=done, loss=None, validation=None, seconds=seconds))
            )
            return seconds < STRETCH_SECONDS

        before = learner.step
        loss = learner.run(begun["phases"][phase], after)
        if learner.step > before and not math.isfinite(loss):
            dataset = self._job.plan.parts[TRAINING].dataset
            message = f"The loss is no number any more after step {learner.step}: check the boxes of dataset '{dataset}'."
            raise JobFailed(FailureCode.DIVERGED, message)
        images = self._images(shards)
        # The second phase learns from the images that the first was told by.
        validation = None if phase else self._performance(learner, images.validation)
        if phase == 0 and learner.done:
            self._estimate(learner, images.held_out)
        self._job.resources.objects.put(self._key(f"checkpoint-{phase}"), learner.to_npz())
        self._learner = phase, learner
        stretch = Stretch(
            phase=phase,
            step=learner.step,
            loss=loss if learner.step > before else None,
            validation=validation.mean_average_precision50 if validation is not None else None,
            seconds=time.monotonic() - started,
        )
        self._job.report(learnt(progress, begun, stretch))
        return stretch

    def export(self, shards: int, begun: Begun) -> None:
        """Make the model's file, to measure it by."""
        self._job.check()
        phase, learner = self._learner or self._taken_up(shards, begun)
        self._learner = None
        if phase == 0 and not learner.done:  # the budget has ended before
            self._estimate(learner, self._images(shards).held_out)
        onnx = self._exported(learner, f"{TITLE}: {LICENCE}, {SOURCE}")
        self._job.resources.objects.put(self._key("model.onnx"), onnx)

    def evaluate(self, shards: int) -> dict[str, Any]:
        """The model's performance on the test images, as the contract writes it."""
        self._job.check()
        performance, curves = measured(self._job, self._found, TEST, shards)
        self._job.resources.objects.put(self._key("curves"), json.dumps(curves).encode())
        return performance.to_wire()

    def estimated(self) -> dict[str, Any] | None:
        """The performance on the images held out, if some were."""
        try:
            estimate: dict[str, Any] = json.loads(self._job.resources.objects.get(self._key("estimate")))
        except ObjectNotFound:
            return None
        return estimate

    def publish(self, begun: Begun, performance: dict[str, Any] | None) -> dict[str, Any]:
        """Write the model's file where models are; the artifact, as the contract writes it."""
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
            "recipe": begun["recipe"],
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

    def _taken_up(self, shards: int, begun: Begun) -> tuple[int, "DetectorLearner"]:
        """The learning where the last checkpoint left it, or at its beginning."""
        objects = self._job.resources.objects
        generator = np.random.default_rng([self._recipe(begun["images"]).seed, 1])
        start = with_classes(read_nanodet(self._settings.weights_dir), self._job.plan.parts[TRAINING].tags, generator)
        if not objects.exists(self._key("checkpoint-0")):
            return 0, self._next_phase(shards, start, 0)
        phase = 1 if objects.exists(self._key("checkpoint-1")) else 0
        learner = self._next_phase(shards, start, phase)
        learner.resume(objects.get(self._key(f"checkpoint-{phase}")))
        return phase, learner

    def _next_phase(self, shards: int, start: Weights, phase: int) -> "DetectorLearner":
        from vision_customization.engine.learning.detection.training import BoxedPixels, DetectorLearner

        images = self._images(shards)
        recipe = self._recipe(len(images.training))
        recipe, learnt_from = (recipe.tail(), images.training) if phase else (recipe, images.first)
        return DetectorLearner(
            recipe,
            [BoxedPixels(partial(self._pictures.read, digest), in_pixels(image, 1, 1)) for image, digest in learnt_from],
            start,
        )

    def _images(self, shards: int) -> _Images:
        """In an order that the annotation files do not decide. Put together once: it asks for each shard's digests."""
        if self._read is None:
            training = boxed(self._job.shards(self._pictures), TRAINING, shards)
            held = held_out(training) if len(self._job.plan.parts) == 1 else frozenset()
            kept_back = [training[index] for index in sorted(held)]
            first = [image for index, image in enumerate(training) if index not in held]
            unlearnt = boxed(self._job.shards(self._pictures), TEST, 1) if len(self._job.plan.parts) > 1 else kept_back
            validated = max(_VALIDATED_LEAST, _VALIDATED // self._tiles**2)
            self._read = _Images(training, first, kept_back, unlearnt[:validated])
        return self._read

    def _estimate(self, learner: "DetectorLearner", held_out: Sequence[BoxedDigest]) -> None:
        """Keep how what has been learnt does on the images held out, if some were."""
        if held_out:
            boxes, tags = self._looked(learner, held_out), self._job.plan.parts[TRAINING].tags
            performance, curves = detection_performance(*boxes, tags), precision_recall_curves(*boxes, tags)
            self._job.resources.objects.put(self._key("curves"), json.dumps(curves).encode())
            self._job.resources.objects.put(self._key("estimate"), json.dumps(performance.to_wire()).encode())

    def _performance(self, learner: "DetectorLearner", images: Sequence[BoxedDigest]) -> ModelPerformance | None:
        return detection_performance(*self._looked(learner, images), self._job.plan.parts[TRAINING].tags) if images else None

    def _looked(
        self, learner: "DetectorLearner", images: Sequence[BoxedDigest]
    ) -> tuple[Sequence[LabelledBoxes], Sequence[Detections]]:
        """The objects of pictures, and what is found in them by what has been learnt so far: of the tags that they have objects
        of. Of the others so few pictures say nothing."""
        session = DetectorSession(self._exported(learner, ""), self._settings.threads)
        present = np.unique([box.label for image, _ in images for box in image.boxes])
        truths, found = [], []
        for image, digest in images:
            self._job.check()
            pixels = self._pictures.read(digest)
            truths.append(in_pixels(image, pixels.shape[1], pixels.shape[0]))
            seen = session.detect(pixels)
            told = np.isin(seen.labels, present)
            found.append(Detections(seen.corners[told], seen.labels[told], seen.scores[told]))
        return truths, found

    def _exported(self, learner: "DetectorLearner", licences: str) -> bytes:
        recipe, tags = learner.recipe, self._job.plan.parts[TRAINING].tags
        return export_detector(learner.weights(), tags, recipe.side, licences, recipe.tiles)

    def _key(self, name: str) -> str:
        return f"{job_key(self._job.name)}/{name}"


def _finished(begun: Begun, stretch: Stretch | None) -> bool:
    last = len(begun["phases"]) - 1
    return stretch is not None and stretch["phase"] == last and stretch["step"] >= begun["phases"][last]


def learnt(before: TrainingProgress, begun: Begun, stretch: Stretch) -> TrainingProgress:
    """Where a training stands after a stretch, or within one, whose numbers are then those of the last."""
    done, total = sum(begun["phases"][: stretch["phase"]]) + stretch["step"], sum(begun["phases"])
    loss = before.loss if stretch["loss"] is None else stretch["loss"]
    validation = before.mean_average_precision50 if stretch["validation"] is None else stretch["validation"]
    told = [
        f"step {done} of {total}",
        *([f"loss {loss:.2f}"] if loss is not None else []),
        *([f"validation mAP@50 {validation:.3f}"] if validation is not None else []),
    ]
    return advanced(
        before,
        share=0.15 + 0.77 * done / total,
        message=", ".join(told),
        steps_done=done,
        loss=loss,
        mean_average_precision50=validation,
        seconds=before.seconds + stretch["seconds"],
    )


def measured(job: Job, found_objects: FoundObjects, part: int, count: int) -> tuple[ModelPerformance, dict[str, Any]]:
    """The performance on the first `count` shards of a part, and the precision-recall curves of each tag. Raises JobFailed,
    JobCancelled."""
    images, tags = boxed(job.shards(found_objects), part, count), job.plan.parts[part].tags
    truths: list[LabelledBoxes] = []
    found: list[Detections] = []
    for (image, _), ((width, height), detections) in zip(
        images, found_objects.read([digest for _, digest in images]), strict=True
    ):
        if not len(found) % _CHECKED_EVERY:
            job.check()
        truths.append(in_pixels(image, width, height))
        found.append(detections)
    return detection_performance(truths, found, tags), dict(precision_recall_curves(truths, found, tags))


def in_pixels(image: BoxedImage, width: int, height: int) -> LabelledBoxes:
    """The objects of an image of so many pixels; of one by one, their corners are shares of its sides."""
    corners = [(box.left, box.top, box.left + box.width, box.top + box.height) for box in image.boxes]
    scaled = np.array(corners, np.float32).reshape(-1, 4) * np.array([width, height, width, height], np.float32)
    return LabelledBoxes(scaled, np.array([box.label for box in image.boxes], np.int64))


def _told(image: BoxedImage, tags: Sequence[str]) -> str:
    """An image's objects, as JSON."""
    return json.dumps([(tags[box.label], box.left, box.top, box.width, box.height) for box in image.boxes])
