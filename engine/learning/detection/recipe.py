"""The recipe of a detector's training. It depends only on the number of images, tags and tiles."""

from dataclasses import dataclass, replace

from vision_customization.contract.training_rules import STEP_IMAGES, training_steps
from vision_customization.engine.learning.pretrained.nanodet import LAYERS

SIDE = 416
"""Side, in pixels, of the square that the network is trained on, and of the area that a trained detector sees."""
_FROZEN = LAYERS.index("stage8/entry")
"""Layers before this one stay frozen, the stem and the first stage: that saves a quarter of a step's time and half of its
memory, and costs no accuracy (docs/decisions/0007)."""


@dataclass(frozen=True)
class DetectorRecipe:
    """`side` is the side of the training square, in pixels. The training has `steps` steps of `batch` images each, at a rate
    that rises to `rate` and falls again. The first `frozen` layers do not change. An image is `tiles` times as wide and high
    as the square."""

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
        """The recipe of the second phase after images were held out: a quarter of the steps, at a lower rate, on all images."""
        return replace(self, steps=max(1, self.steps // 4), rate=self.rate / 2, seed=self.seed + 1)


def choose_recipe(images: int, tags: int, tiles: int = 1) -> DetectorRecipe:
    """The recipe for this many images; each of an image's tiles × tiles tiles counts as an image."""
    return DetectorRecipe(steps=training_steps(images * tiles**2, tags), tiles=tiles)
