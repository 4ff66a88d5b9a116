"""The composition of an image's features: passes through the networks, and the vectors pooled from each.

A pass is one run of one backbone over one form of the image. A view is one vector pooled from a pass's map. The concatenated
views of an image are its features; a trained model contains only the passes that its recipe uses.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import accumulate

from vision_customization.engine.learning.pretrained.backbones import (
    BACKBONES,
    LITE0,
    LITE2,
    REQUIRED,
    TINYVIT,
    Backbone,
)
from vision_customization.engine.learning.pretrained.efficientnet import HEAD, STRIDE8

LAYOUT_VERSION = 1
"""Increased when the same views are computed in another way, so that stored features are not mixed."""

TEXTURE_CONTRAST = 1 / 128
"""At this contrast, a network's activations stay near its biases, and it acts as a bank of filters."""


CENTRE_SIGMA = 0.2
"""Width of the Gaussian around the centre, as a share of each side."""

MIDDLE_PERCENT = 70
"""The middle of an image: what is left of each side."""


class Pooling(StrEnum):
    CENTRE = "centre"
    """Mean weighted by a Gaussian around the centre, times each location's feature norm."""
    MEAN = "mean"
    SPREAD = "spread"
    """Standard deviation over the locations."""


@dataclass(frozen=True)
class Pass:
    """One run of a backbone: over the image or its mirror image, or the middle of either, at a contrast, up to one of its
    maps."""

    backbone: Backbone
    tap: str
    mirrored: bool = False
    contrast: float = 1.0
    middle: bool = False

    @property
    def planes(self) -> str:
        """Names the resized image that the backbone sees, before it is mirrored or its contrast changed."""
        return f"{self.backbone.name}.middle{MIDDLE_PERCENT}" if self.middle else self.backbone.name

    @cached_property
    def network(self) -> "Pass":
        """The pass over the whole image as it is. What runs there is the same: only the pixels differ."""
        return replace(self, mirrored=False, middle=False)

    @property
    def channels(self) -> int:
        return self.backbone.head_channels if self.tap == HEAD else self.backbone.stride8_channels

    @property
    def name(self) -> str:
        return f"{self.planes}.{self.tap}{'.texture' if self.contrast != 1 else ''}{'.mirror' if self.mirrored else ''}"


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


def subject(backbone: Backbone, pooling: Pooling, *, mirrored: bool = False, middle: bool = False) -> View:
    """The view of the picture's content, or of its middle's: pooled from the last map."""
    return View(Pass(backbone, HEAD, mirrored, middle=middle), pooling)


def texture(backbone: Backbone, pooling: Pooling) -> View:
    """The view of the picture's surface: pooled from the stride-8 map of the image at low contrast."""
    return View(Pass(backbone, STRIDE8, contrast=TEXTURE_CONTRAST), pooling)


VIEWS: tuple[View, ...] = (
    *(
        subject(backbone, pooling, mirrored=mirrored)
        for backbone in (LITE0, LITE2)
        for mirrored in (False, True)
        for pooling in (Pooling.CENTRE, Pooling.MEAN)
    ),
    *(texture(LITE0, pooling) for pooling in (Pooling.MEAN, Pooling.SPREAD)),
    # Those of a network that may be missing come last, so that every view's position is the same without them.
    # Mirror images of TinyViT would gain a third of a point, and take 40 % longer.
    subject(TINYVIT, Pooling.CENTRE),
    subject(TINYVIT, Pooling.MEAN),
    subject(TINYVIT, Pooling.MEAN, middle=True),
)

SLICES: dict[View, slice] = {
    view: slice(end - view.dimensions, end)
    for view, end in zip(VIEWS, accumulate(view.dimensions for view in VIEWS), strict=True)
}
"""The position of each view in an image's features."""


def views_of(backbones: Collection[Backbone]) -> tuple[View, ...]:
    """The views that these networks give. In features, they stand one after the other, without a gap."""
    return tuple(view for view in VIEWS if view.source.backbone in backbones)


def dimensions_of(backbones: Collection[Backbone]) -> int:
    """The length of the features that these networks give."""
    return sum(view.dimensions for view in views_of(backbones))


def layout_key(backbones: Collection[Backbone]) -> str:
    """A digest of everything that an image's features depend on besides its pixels, if these networks compute them."""
    facts = [str(LAYOUT_VERSION), str(CENTRE_SIGMA)]
    facts += [backbone.weights_file for backbone in BACKBONES if backbone in backbones]
    facts += [
        f"{view.name}:{view.source.backbone.side}:{view.source.contrast}:{view.dimensions}" for view in views_of(backbones)
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


LAYOUTS: Mapping[str, tuple[Backbone, ...]] = {layout_key(backbones): backbones for backbones in (REQUIRED, BACKBONES)}
"""The networks of each layout of features that this version knows, the shortest first, by key. The features of a shorter one
are the beginning of a longer one's."""

DIMENSIONS = dimensions_of(BACKBONES)


def layout_of(views: Collection[View]) -> str:
    """The key of the shortest layout that has these views."""
    return next(key for key, backbones in LAYOUTS.items() if set(views) <= set(views_of(backbones)))


def views_in(dimensions: int) -> tuple[View, ...]:
    """The views in features of this length. Raises ValueError if no layout has it."""
    for backbones in LAYOUTS.values():
        if dimensions_of(backbones) == dimensions:
            return views_of(backbones)
    lengths = " or ".join(str(dimensions_of(backbones)) for backbones in LAYOUTS.values())
    raise ValueError(f"features are of length {dimensions}, expected {lengths}")


def passes_of(views: tuple[View, ...]) -> tuple[Pass, ...]:
    """The passes that these views need, each once, in a fixed order."""
    return tuple(dict.fromkeys(view.source for view in VIEWS if view in views))
