"""A detector's learning in stretches: any process can resume it from the last checkpoint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vision_customization.engine.learning.detection.recipe import DetectorRecipe
from vision_customization.engine.learning.pretrained.nanodet import Weights
from vision_customization.engine.objects.store import ObjectStore

if TYPE_CHECKING:  # a worker imports JAX only once it trains a detector
    from vision_customization.engine.learning.detection.training import BoxedPixels, DetectorLearner


@dataclass(frozen=True)
class Phase:
    """A phase of the learning, with its own recipe and images."""

    recipe: DetectorRecipe
    images: "Sequence[BoxedPixels]"


class CheckpointedLearner:
    """Learns phase after phase.

    Args:
        phases: each continues with what the one before has learnt.
        start: the weights that the first begins with.
        objects: stores the checkpoints, one per phase.
        key: the key of an object, by its name.
    """

    def __init__(self, phases: Sequence[Phase], start: Weights, objects: ObjectStore, key: Callable[[str], str]) -> None:
        self._phases = phases
        self._objects = objects
        self._key = key
        kept = [phase for phase in range(len(phases)) if objects.exists(self._checkpoint(phase))]
        self.phase = max(kept, default=0)
        self._steps = [phase.recipe.steps for phase in phases]
        self._learner = self._begun(start)
        if kept:
            self._learner.resume(objects.get(self._checkpoint(self.phase)))

    def plan(self, steps: Sequence[int]) -> None:
        """Set the number of steps of each phase, from here on."""
        self._steps = list(steps)
        self._learner.steps = steps[self.phase]

    @property
    def step(self) -> int:
        """How many steps of the phase are done."""
        return self._learner.step

    @property
    def phase_done(self) -> bool:
        return self._learner.done

    @property
    def recipe(self) -> DetectorRecipe:
        return self._learner.recipe

    def weights(self) -> Weights:
        """The network so far."""
        return self._learner.weights()

    def run(self, after: Callable[[int], bool]) -> float | None:
        """Do steps of the current phase, or of the next if none is left. Returns the mean loss; None if no step is left.

        Args:
            after: called with the phase's number of steps so far, after each; False ends the stretch.
        """
        if self._learner.done and self.phase + 1 < len(self._phases):
            self.phase += 1
            self._learner = self._begun(self._learner.weights())
        if self._learner.done:
            return None
        return self._learner.run(self._learner.steps, after)

    def save(self) -> None:
        """Save a checkpoint."""
        self._objects.put(self._checkpoint(self.phase), self._learner.to_npz())

    def _begun(self, start: Weights) -> "DetectorLearner":
        from vision_customization.engine.learning.detection.training import DetectorLearner

        phase = self._phases[self.phase]
        learner = DetectorLearner(phase.recipe, phase.images, start)
        learner.steps = self._steps[self.phase]
        return learner

    def _checkpoint(self, phase: int) -> str:
        return self._key(f"checkpoint-{phase}")
