"""The recipes that a training chooses from: each selects views and the head on them."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace

from vision_customization.engine.learning.classification.classifier import Block, Features, apply_blocks, fit_block
from vision_customization.engine.learning.classification.heads import (
    Labels,
    LinearHead,
    Samples,
    coordinates_in_span,
    fit_discriminant,
    unit_spread,
)
from vision_customization.engine.learning.classification.views import Pooling, View, subject, texture
from vision_customization.engine.learning.near_duplicates import group_near_duplicates
from vision_customization.engine.learning.pretrained.backbones import LITE0, LITE2, TINYVIT, Backbone


@dataclass(frozen=True)
class Recipe:
    """`blocks` are groups of views that are averaged (see `classifier.Block`); `shrinkage` is the discriminant's λ.

    To replace the default, its accuracy on unseen images must be ahead by `accuracy_lead`, 0…1, or with few images per tag by
    `accuracy_lead_of_few` (`selection.choose`).
    """

    name: str
    blocks: tuple[tuple[View, ...], ...]
    unit_length: bool
    shrinkage: float
    accuracy_lead: float = 0.0
    accuracy_lead_of_few: float = 0.0

    @property
    def views(self) -> tuple[View, ...]:
        return tuple(view for block in self.blocks for view in block)

    def within(self, views: Collection[View]) -> "Recipe":
        """The recipe on features that have only these views, because a network's weights could not be had."""
        return replace(self, blocks=tuple(block for block in self.blocks if set(block) <= set(views)))

    def fit_blocks(self, features: Features) -> tuple[Block, ...]:
        return tuple(fit_block(views, features, unit_length=self.unit_length) for views in self.blocks)

    def vectors_to_try(self, features: Features) -> tuple[Samples, int]:
        """The blocks' vectors, to try heads on: with few images their coordinates in their span. Also the vectors' dimensions.

        The standardisation is fitted on all images, because it does not use the labels.
        """
        x = apply_blocks(self.fit_blocks(features), features)
        return (coordinates_in_span(x) if len(x) <= x.shape[1] // 2 else x), x.shape[1]

    def fit_head(self, x: Samples, labels: Labels, classes: int, *, dimensions: int | None = None) -> LinearHead:
        """Fit a head whose scores of these samples have a spread of about one between the classes.

        Args:
            x: float32 [n, d], the blocks' vectors; or their coordinates in their span, with `dimensions` of the vectors.
            labels: int64 [n], each of 0…classes − 1 at least once.
        """
        return unit_spread(fit_discriminant(x, labels, classes, self.shrinkage, dimensions=dimensions), x)


def _both_ways(backbone: Backbone, pooling: Pooling) -> tuple[View, ...]:
    return subject(backbone, pooling), subject(backbone, pooling, mirrored=True)


CENTRE = Recipe(
    "centre",
    (
        _both_ways(LITE0, Pooling.CENTRE),
        _both_ways(LITE2, Pooling.CENTRE),
        (subject(TINYVIT, Pooling.CENTRE),),
        (subject(TINYVIT, Pooling.MEAN, middle=True),),
    ),
    unit_length=True,
    shrinkage=0.5,
)
"""The subject, expected around the middle of the picture, where people usually put it."""

WHOLE = Recipe(
    "whole",
    (_both_ways(LITE0, Pooling.MEAN), _both_ways(LITE2, Pooling.MEAN), (subject(TINYVIT, Pooling.MEAN),)),
    unit_length=True,
    shrinkage=0.5,
    accuracy_lead=0.05,
    accuracy_lead_of_few=0.05,
)
"""The whole picture equally: for scenes, and subjects that may be anywhere. Photos of one tag share their surroundings, so that
cross-validation finds this recipe about five points better than new photos do."""

TEXTURE = Recipe(
    "texture",
    ((texture(LITE0, Pooling.MEAN),), (texture(LITE0, Pooling.SPREAD),)),
    unit_length=False,
    shrinkage=0.3,
    accuracy_lead_of_few=0.15,
)
"""Only the surface: for materials, weaves, grain, defects. Without the mirror image, because a weave has a direction. Of a few
photos it recognises the light or the camera, and is far worse on new ones."""

DEFAULT = CENTRE
"""The recipe that is used unless another is clearly ahead on the training images."""

RECIPES = (CENTRE, WHOLE, TEXTURE)


ALIKE = CENTRE.blocks[:2]
"""The default's views of the two networks that the least cosine of near-duplicates was measured with."""


def alike_blocks(features: Features) -> tuple[Block, ...]:
    """The blocks by which near-duplicates are found."""
    return tuple(fit_block(views, features, unit_length=True) for views in ALIKE)


def group_alike(features: Features, labels: Sequence[Hashable]) -> Labels:
    """`group_near_duplicates` by `alike_blocks`."""
    return group_near_duplicates(apply_blocks(alike_blocks(features), features), labels)
