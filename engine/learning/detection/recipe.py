"""How a detector is trained: chosen from the number of images, of tags, and of the tiles that it looks at, alone."""

from dataclasses import dataclass, replace

from vision_customization.contract.training_rules import STEP_IMAGES, training_steps
from vision_customization.engine.learning.pretrained.nanodet import LAYERS

SIDE = 416
"""Of the square that is learnt from at a time, in pixels, and of the area that a trained detector looks at."""
_FROZEN = LAYERS.index("stage8/entry")
"""The stem and the first stage: a quarter of a step's time, half of its memory, and nothing of its accuracy
(docs/decisions/0007)."""


@dataclass(frozen=True)
class DetectorRecipe:
    """`side` is that of the square trained on, in pixels; `steps` of `batch` images each, at a rate that rises to `rate` and
    falls again; the first `frozen` layers stay as they are. An image is looked at `tiles` times as wide and high as the
    square."""

    side: int = SIDE
    steps: int = 140
    batch: int = STEP_IMAGES
    rate: float = 5e-4
    frozen: int = _FROZEN
    tiles: int = 1
    seed: int = 0

    @property
    def frozen_layers(self) -> frozenset[str]:
        return frozenset(LAYERS[: self.frozen])

    def tail(self) -> "DetectorRecipe":
        """What follows where images were held out: a quarter of the steps, gently, on all of them."""
        return replace(self, steps=max(1, self.steps // 4), rate=self.rate / 2, seed=self.seed + 1)


def choose_recipe(images: int, tags: int, tiles: int = 1) -> DetectorRecipe:
    """The recipe for so many images: each of tiles × tiles counts as one."""
    return DetectorRecipe(steps=training_steps(images * tiles**2, tags), tiles=tiles)
