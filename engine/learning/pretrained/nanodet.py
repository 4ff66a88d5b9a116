"""NanoDet-g: the detector that is fine-tuned, as a table of layers and one walk through them.

The network is the "g" form of NanoDet (RangiLyu, github.com/RangiLyu/nanodet, Apache-2.0): a backbone of cross-stage partial
blocks (Wang et al., "CSPNet", CVPR workshops 2020), a path aggregation neck (Liu et al., CVPR 2018), and a head that gives, for
each location of three maps, a score for each class and four distances as distributions over 11 bins (Li et al., "Generalized
Focal Loss", NeurIPS 2020). The same walk builds it for training and for the exported file, with different operations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

STRIDES = (8, 16, 32)
BINS = 11
"""Distances 0…10, in strides, from a location to each side of a box."""
MEAN_RGB = (123.675, 116.28, 103.53)
DEVIATION_RGB = (58.395, 57.12, 57.375)
SLOPE = 0.1
"""Slope of the leaky rectifier."""

Weights = dict[str, NDArray[np.float32]]
"""Arrays by name: `<layer>/kernel` (float32 [h, w, in, out]) and `<layer>/bias` (float32 [out])."""


@dataclass(frozen=True)
class _Stage:
    """A strided entry, units of two convolutions each, and an exit; the units' input is added to their output."""

    name: str
    stride: int
    units: int

    @property
    def layers(self) -> tuple[str, ...]:
        units = [f"{self.name}/unit{unit}/{layer}" for unit in range(self.units) for layer in ("reduce", "convolve")]
        return (f"{self.name}/entry", *units, f"{self.name}/exit")


_STAGES = (_Stage("stage4", 1, 1), _Stage("stage8", 2, 2), _Stage("stage16", 2, 2), _Stage("stage32", 2, 3))
_LATERALS = tuple(f"lateral{stride}" for stride in STRIDES)
HEADS = tuple(f"head{stride}" for stride in STRIDES)

LAYERS = (
    "stem",
    *(layer for stage in _STAGES for layer in stage.layers),
    *_LATERALS,
    *(f"{head}/{layer}" for head in HEADS for layer in ("convolve", "output")),
)
"""All convolutions, in the order of the published file's graph."""

T = TypeVar("T")


class Operations(Protocol[T]):
    """The operations that the network consists of. They determine the layout of the maps."""

    def convolve(self, source: T, layer: str, stride: int = 1) -> T:
        """The layer's convolution, padded by half its kernel, and its bias."""
        ...

    def activate(self, source: T) -> T:
        """The leaky rectifier."""
        ...

    def join(self, sources: Sequence[T]) -> T:
        """The concatenated channels."""
        ...

    def add(self, first: T, second: T) -> T: ...

    def pool(self, source: T) -> T:
        """Max pooling over 3 × 3, with stride 2, padded by one."""
        ...

    def double(self, source: T) -> T:
        """The map twice as high and wide: bilinear, half-pixel centres."""
        ...

    def halve(self, source: T) -> T:
        """The mean of each 2 × 2."""
        ...


def walk(operations: Operations[T], pixels: T) -> tuple[T, ...]:
    """The head's outputs, one map for each stride: `classes` + 4 · BINS channels.

    Args:
        pixels: RGB minus MEAN_RGB, divided by DEVIATION_RGB; the sides are multiples of 32.
    """

    def convolved(source: T, layer: str, stride: int = 1) -> T:
        return operations.activate(operations.convolve(source, layer, stride))

    here = operations.pool(convolved(pixels, "stem", 2))
    reached = []
    for stage in _STAGES:
        entered = convolved(here, f"{stage.name}/entry", stage.stride)
        joined = entered
        for unit in range(stage.units):
            reduced = convolved(joined, f"{stage.name}/unit{unit}/reduce")
            joined = operations.join([convolved(reduced, f"{stage.name}/unit{unit}/convolve"), reduced])
        here = operations.join([convolved(joined, f"{stage.name}/exit"), entered])
        reached.append(here)
    lateral8, lateral16, lateral32 = (
        operations.convolve(source, layer) for source, layer in zip(reached[1:], _LATERALS, strict=True)
    )
    down16 = operations.add(lateral16, operations.double(lateral32))
    neck8 = operations.add(lateral8, operations.double(down16))
    neck16 = operations.add(down16, operations.halve(neck8))
    neck32 = operations.add(lateral32, operations.halve(neck16))
    return tuple(
        operations.convolve(convolved(neck, f"{head}/convolve"), f"{head}/output")
        for neck, head in zip((neck8, neck16, neck32), HEADS, strict=True)
    )


@lru_cache(maxsize=4)
def grid(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Centre (x, y) in pixels, float32 [n, 2], stride, float32 [n], and number of the map, int64 [n], of each location.

    The arrays are cached and must not be changed.
    """
    middles, strides, levels = [], [], []
    for level, stride in enumerate(STRIDES):
        y, x = np.mgrid[: height // stride, : width // stride]
        middles.append((np.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
        strides.append(np.full(x.size, stride))
        levels.append(np.full(x.size, level))
    return np.concatenate(middles).astype(np.float32), np.concatenate(strides).astype(np.float32), np.concatenate(levels)


def with_classes(weights: Weights, names: Sequence[str], generator: np.random.Generator) -> Weights:
    """The pretrained weights with outputs for other classes. The filters of the distances stay, and so do those of COCO classes
    with the same name. The others start from noise (σ 0.01). All classes start with a score of 0.018 everywhere (bias −4).

    Args:
        names: names of the k classes.
    """
    known = _coco_positions(names)
    changed = dict(weights)
    for head in HEADS:
        kernel, bias = weights[f"{head}/output/kernel"], weights[f"{head}/output/bias"]
        classes = generator.normal(0, 0.01, (*kernel.shape[:3], len(names))).astype(np.float32)
        start = np.full(len(names), -4, np.float32)
        for index, position in known.items():
            classes[..., index], start[index] = kernel[..., position], bias[position]
        changed[f"{head}/output/kernel"] = np.concatenate([classes, kernel[..., -4 * BINS :]], axis=-1)
        changed[f"{head}/output/bias"] = np.concatenate([start, bias[-4 * BINS :]])
    return changed


def _coco_positions(names: Sequence[str]) -> Mapping[int, int]:
    """For each name of a COCO class, ignoring case and a plural s, the number of that class."""
    by_name = {_plain(name): position for position, name in enumerate(COCO_CLASSES)}
    return {index: by_name[_plain(name)] for index, name in enumerate(names) if _plain(name) in by_name}


def _plain(name: str) -> str:
    words = name.casefold().replace("-", " ").replace("_", " ").split()
    return " ".join(words).removesuffix("s")


COCO_CLASSES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light", "fire hydrant"),
    *("stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra"),
    *("giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite"),
    *("baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork"),
    *("knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut"),
    *("cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard"),
    *("cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush"),
)
"""The 80 classes of COCO 2017, in the order of their numbers."""
