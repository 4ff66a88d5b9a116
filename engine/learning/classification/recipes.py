"""The recipes that a training chooses from: each selects views and the head on them."""

from dataclasses import dataclass

from vision_customization.engine.learning.classification.classifier import Block, fit_block
from vision_customization.engine.learning.classification.heads import (
    Labels,
    LinearHead,
    Samples,
    add_heads,
    fit_discriminant,
    fit_logistic,
)
from vision_customization.engine.learning.classification.views import Pooling, View, subject, texture
from vision_customization.engine.learning.pretrained.backbones import LITE0, LITE2

_LOGISTIC_STRENGTH = 100.0
_LOGISTIC_NUMBERS_MAX = 1e7
"""Samples × coordinates × classes above which the logistic regression is left out, because it costs more than it gains."""


@dataclass(frozen=True)
class Recipe:
    """`blocks` are groups of views that are averaged (see `classifier.Block`); `shrinkage` is the discriminant's λ; with
    `logistic`, the scores of a logistic regression are added to the discriminant's."""

    name: str
    blocks: tuple[tuple[View, ...], ...]
    unit_length: bool
    shrinkage: float
    logistic: bool

    def fit_blocks(self, features: Samples) -> tuple[Block, ...]:
        return tuple(fit_block(views, features, unit_length=self.unit_length) for views in self.blocks)

    def fit_head(self, x: Samples, labels: Labels, classes: int, *, dimensions: int | None = None) -> LinearHead:
        """Fit a head whose scores of these samples have a spread of about one between the classes.

        Args:
            x: float32 [n, d], the blocks' vectors; or their coordinates in their span, with `dimensions` of the vectors.
            labels: int64 [n], each of 0…classes − 1 at least once.
        """
        heads = [fit_discriminant(x, labels, classes, self.shrinkage, dimensions=dimensions)]
        if self.logistic and len(x) * min(x.shape) * classes <= _LOGISTIC_NUMBERS_MAX:
            heads.append(fit_logistic(x, labels, classes, _LOGISTIC_STRENGTH))
        return add_heads(heads, x)


def _both_ways(pooling: Pooling) -> tuple[tuple[View, ...], ...]:
    return tuple((subject(backbone, pooling), subject(backbone, pooling, mirrored=True)) for backbone in (LITE0, LITE2))


CENTRE = Recipe("centre", _both_ways(Pooling.CENTRE), unit_length=True, shrinkage=0.9, logistic=True)
"""The subject, expected around the middle of the picture, where people usually put it."""

WHOLE = Recipe("whole", _both_ways(Pooling.MEAN), unit_length=True, shrinkage=0.9, logistic=True)
"""The whole picture equally: for scenes, and subjects that may be anywhere."""

TEXTURE = Recipe(
    "texture",
    ((texture(LITE0, Pooling.MEAN),), (texture(LITE0, Pooling.SPREAD),)),
    unit_length=False,
    shrinkage=0.3,
    logistic=False,
)
"""Only the surface: for materials, weaves, grain, defects. Without the mirror image, because a weave has a direction."""

DISCRIMINANT = Recipe("discriminant", CENTRE.blocks, unit_length=True, shrinkage=0.3, logistic=False)
"""The default's views with the discriminant alone, which relies more on the measured covariance: for many tags and images."""

DEFAULT = CENTRE
"""The recipe that is used unless another is clearly ahead on the training images."""

RECIPES = (CENTRE, WHOLE, TEXTURE, DISCRIMINANT)
