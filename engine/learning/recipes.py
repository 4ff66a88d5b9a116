"""The candidates that a training chooses among: which views, and which head on them."""

from dataclasses import dataclass

from engine.learning.backbones import LITE0, LITE2
from engine.learning.views import Pooling, View, subject, texture


@dataclass(frozen=True)
class Recipe:
    """`blocks` are groups of views that are averaged; `shrinkage` is the discriminant's λ."""

    name: str
    blocks: tuple[tuple[View, ...], ...]
    shrinkage: float


def _both_ways(pooling: Pooling) -> tuple[tuple[View, ...], ...]:
    return tuple((subject(backbone, pooling), subject(backbone, pooling, mirrored=True)) for backbone in (LITE0, LITE2))


DEFAULT = Recipe("centre", _both_ways(Pooling.CENTRE), 0.5)
"""What is taken unless the training images speak clearly against it."""

RECIPES = (
    DEFAULT,
    Recipe("whole", _both_ways(Pooling.MEAN), 0.5),
    Recipe("texture", ((texture(LITE0),), (texture(LITE2),)), 0.1),
)
