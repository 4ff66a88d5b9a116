"""How a detector is trained: chosen from the number of images alone."""

from dataclasses import dataclass

from engine.learning.nanodet import LAYERS


@dataclass(frozen=True)
class DetectorRecipe:
    """`side` is that of the square trained on, in pixels; `steps` of `batch` images each; the first `frozen` layers stay."""

    side: int = 416
    steps: int = 120
    batch: int = 8
    frozen: int = 0
    seed: int = 0

    @property
    def frozen_layers(self) -> frozenset[str]:
        return frozenset(LAYERS[: self.frozen])
