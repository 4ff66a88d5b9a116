"""A detector's learning in stretches: what was saved last is where it goes on, in whichever process."""

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
    """A part of the learning with a recipe and images of its own."""

    recipe: DetectorRecipe
    images: "Sequence[BoxedPixels]"


class CheckpointedLearner:
    """Learns phase after phase.

    Args:
        phases: the second goes on with what the first has learnt, and so on.
        start: the weights that the first begins with.
        objects: keeps the checkpoints, one a phase.
        key: of an object, by its name.
    """

    def __init__(self, phases: Sequence[Phase], start: Weights, objects: ObjectStore, key: Callable[[str], str]) -> None:
        self._phases = phases
        self._objects = objects
        self._key = key
        kept = [phase for phase in range(len(phases)) if objects.exists(self._checkpoint(phase))]
        self.phase = max(kept, default=0)
        self._learner = self._begun(start)
        if kept:
            self._learner.resume(objects.get(self._checkpoint(self.phase)))

    @property
    def step(self) -> int:
        """How many steps of the phase are taken."""
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
        """Take steps of one phase: of the next where the last has none left. The mean loss; None where no step is left.

        Args:
            after: called with the phase's number of steps so far, after each; False ends the stretch.
        """
        if self._learner.done and self.phase + 1 < len(self._phases):
            self.phase += 1
            self._learner = self._begun(self._learner.weights())
        if self._learner.done:
            return None
        return self._learner.run(self.recipe.steps, after)

    def save(self) -> None:
        """Keep where the learning stands."""
        self._objects.put(self._checkpoint(self.phase), self._learner.to_npz())

    def _begun(self, start: Weights) -> "DetectorLearner":
        from vision_customization.engine.learning.detection.training import DetectorLearner

        phase = self._phases[self.phase]
        return DetectorLearner(phase.recipe, phase.images, start)

    def _checkpoint(self, phase: int) -> str:
        return self._key(f"checkpoint-{phase}")
