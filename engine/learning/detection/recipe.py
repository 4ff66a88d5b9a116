"""The recipe of a detector's training. It depends only on the number of images, tags and tiles."""

import math
from dataclasses import dataclass, replace

from vision_customization.contract.training_rules import STEP_IMAGES, training_steps
from vision_customization.engine.learning.pretrained.nanodet import LAYERS

SIDE = 416
"""Side, in pixels, of the square that the network is trained on, and of the area that a trained detector sees."""
_FROZEN = LAYERS.index("stage8/entry")
"""Layers before this one stay frozen, the stem and the first stage: that saves a quarter of a step's time and half of its
memory, and costs no accuracy (docs/decisions/0007)."""


_WARM_UP_SHARE, _FIRST, _LAST = 0.1, 1 / 10, 1 / 50
"""The share of the steps in which the rate rises, and the first and last rate as shares of the highest."""


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

    def rate_of(self, step: int, steps: int) -> float:
        """The rate of a step, counted from 0, of `steps`: a linear warm-up, then a cosine (Loshchilov & Hutter, "SGDR", ICLR
        2017)."""
        warm_up = max(1, round(_WARM_UP_SHARE * steps))
        if step < warm_up:
            return self.rate * (_FIRST + (1 - _FIRST) * step / warm_up)
        share = (step - warm_up) / max(1, steps - warm_up)
        return self.rate * (_LAST + (1 - _LAST) * (1 + math.cos(math.pi * share)) / 2)

    def tail(self) -> "DetectorRecipe":
        """The recipe of the second phase after images were held out: a quarter of the steps, at a lower rate, on all images."""
        return replace(self, steps=max(1, self.steps // 4), rate=self.rate / 2, seed=self.seed + 1)


def choose_recipe(images: int, tags: int, tiles: int = 1) -> DetectorRecipe:
    """The recipe for this many images; each of an image's tiles × tiles tiles counts as an image."""
    return DetectorRecipe(steps=training_steps(images * tiles**2, tags), tiles=tiles)
