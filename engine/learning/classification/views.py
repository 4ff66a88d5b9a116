"""The composition of an image's features: passes through the networks, and the vectors pooled from each.

A pass is one run of one backbone over one form of the image. A view is one vector pooled from a pass's map. The concatenated
views of an image are its features; a trained model contains only the passes that its recipe uses.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from vision_customization.engine.learning.pretrained.backbones import BACKBONES, LITE0, Backbone
from vision_customization.engine.learning.pretrained.efficientnet import HEAD, STRIDE8

LAYOUT_VERSION = 1
"""Increased when the same views are computed in another way, so that stored features are not mixed."""

TEXTURE_CONTRAST = 1 / 128
"""At this contrast, a network's activations stay near its biases, and it acts as a bank of filters."""


CENTRE_SIGMA = 0.2
"""Width of the Gaussian around the centre, as a share of each side."""


class Pooling(StrEnum):
    CENTRE = "centre"
    """Mean weighted by a Gaussian around the centre, times each location's feature norm."""
    MEAN = "mean"
    SPREAD = "spread"
    """Standard deviation over the locations."""


@dataclass(frozen=True)
class Pass:
    """One run of a backbone: over the image or its mirror image, at a contrast, up to one of its maps."""

    backbone: Backbone
    tap: str
    mirrored: bool = False
    contrast: float = 1.0

    @property
    def channels(self) -> int:
        return self.backbone.head_channels if self.tap == HEAD else self.backbone.stride8_channels

    @property
    def name(self) -> str:
        return f"{self.backbone.name}.{self.tap}{'.texture' if self.contrast != 1 else ''}{'.mirror' if self.mirrored else ''}"


@dataclass(frozen=True)
class View:
    source: Pass
    pooling: Pooling

    @property
    def name(self) -> str:
        return f"{self.source.name}.{self.pooling}"

    @property
    def dimensions(self) -> int:
        return self.source.channels


def subject(backbone: Backbone, pooling: Pooling, *, mirrored: bool = False) -> View:
    """The view of the picture's content: pooled from the last map."""
    return View(Pass(backbone, HEAD, mirrored), pooling)


def texture(backbone: Backbone, pooling: Pooling) -> View:
    """The view of the picture's surface: pooled from the stride-8 map of the image at low contrast."""
    return View(Pass(backbone, STRIDE8, contrast=TEXTURE_CONTRAST), pooling)


VIEWS: tuple[View, ...] = (
    *(
        subject(backbone, pooling, mirrored=mirrored)
        for backbone in BACKBONES
        for mirrored in (False, True)
        for pooling in (Pooling.CENTRE, Pooling.MEAN)
    ),
    *(texture(LITE0, pooling) for pooling in (Pooling.MEAN, Pooling.SPREAD)),
)

DIMENSIONS = sum(view.dimensions for view in VIEWS)

SLICES: dict[View, slice] = {
    view: slice(end - view.dimensions, end)
    for view, end in zip(VIEWS, accumulate(view.dimensions for view in VIEWS), strict=True)
}
"""The position of each view in an image's features."""


def passes_of(views: tuple[View, ...]) -> tuple[Pass, ...]:
    """The passes that these views need, each once, in a fixed order."""
    return tuple(dict.fromkeys(view.source for view in VIEWS if view in views))


def layout_key() -> str:
    """A digest of everything that an image's features depend on besides its pixels."""
    facts = [str(LAYOUT_VERSION), str(CENTRE_SIGMA), *(backbone.weights_file for backbone in BACKBONES)]
    facts += [f"{view.name}:{view.source.backbone.side}:{view.source.contrast}:{view.dimensions}" for view in VIEWS]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
