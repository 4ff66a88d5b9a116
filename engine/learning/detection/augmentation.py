"""Training images as the detector sees them: resized, shifted, mirrored and recoloured at random, with their boxes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision_customization.engine.learning.boxes import Corners, LabelledBoxes
from vision_customization.engine.learning.images import fitting_size

_GREY = (124, 116, 104)
"""Colour of the area outside the image: nearly the mean that the network subtracts."""
_SCALES = (0.6, 1.6)
_VISIBLE_LEAST = 0.35
"""Share of an object that must be visible in the picture for it to be a target."""
_SIDE_LEAST_PX = 2.0
_AIMED_SHARE = 0.5
"""Share of the partial views that are chosen to show an object: if objects are few, most random views show none."""


def augment(
    pixels: NDArray[np.uint8], objects: LabelledBoxes, side: int, generator: np.random.Generator, tiles: int = 1
) -> tuple[NDArray[np.uint8], LabelledBoxes]:
    """A random view of an image.

    Args:
        pixels: uint8 [h, w, 3], RGB.
        objects: their corners as shares, 0…1, of width and height.
        side: side of the resulting square, in pixels.
        tiles: N makes the image N× as wide and high as the square, so that a view shows a part of it.

    Returns:
        uint8 [side, side, 3], and the objects visible in it, in its pixels.
    """
    height, width = pixels.shape[:2]
    scale = np.exp(generator.uniform(*np.log(_SCALES))) * tiles
    stretch = np.exp(generator.uniform(-0.1, 0.1))
    size = np.array(fitting_size(width, height, side)) * scale * np.array([stretch, 1 / stretch])
    # The image's corner: anywhere that keeps as much of the image in the picture as fits.
    room = side - size
    corner = generator.uniform(np.minimum(room, 0), np.maximum(room, 0))
    if tiles > 1 and len(objects) and generator.random() < _AIMED_SHARE:
        corner = _showing(objects.corners[generator.integers(len(objects))], corner, size, side, generator)
    mirrored = generator.random() < 0.5
    picture = _placed(pixels, corner, size, side)
    corners = objects.corners * np.tile(size, 2).astype(np.float32) + np.tile(corner, 2).astype(np.float32)
    if mirrored:
        picture = picture[:, ::-1]
        corners = np.stack([side - corners[:, 2], corners[:, 1], side - corners[:, 0], corners[:, 3]], 1)
    kept, clipped = _visible(corners, side)
    return _recoloured(picture, generator), LabelledBoxes(clipped[kept], objects.labels[kept])


def _showing(
    box: Corners, corner: NDArray[np.float64], size: NDArray[np.float64], side: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """`corner`, moved so that an object's centre is visible."""
    middle = (box[:2] + box[2:]) / 2 * size
    moved: NDArray[np.float64] = np.clip(generator.uniform(0, side, 2) - middle, np.minimum(side - size, 0), 0)
    return np.where(size > side, moved, corner)


def _placed(pixels: NDArray[np.uint8], corner: NDArray[np.float64], size: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
    """The image, resized to `size`, with its upper left at `corner` of a square."""
    start = np.clip(np.round(corner), 0, side - 1).astype(int)
    stop = np.clip(np.round(corner + size), start + 1, side).astype(int)
    height, width = pixels.shape[:2]
    per_pixel = np.array([width, height]) / size
    first = np.clip((start - corner) * per_pixel, 0, (width - 1, height - 1))
    last = np.clip((stop - corner) * per_pixel, first + 1e-3, (width, height))
    part = Image.fromarray(pixels).resize(tuple(stop - start), Image.Resampling.BILINEAR, box=(*first, *last))
    canvas = np.full((side, side, 3), _GREY, np.uint8)
    canvas[start[1] : stop[1], start[0] : stop[0]] = np.asarray(part)
    return canvas


def _visible(corners: Corners, side: int) -> tuple[NDArray[np.bool_], Corners]:
    clipped = np.clip(corners, 0, side).astype(np.float32)
    before, after = corners[:, 2:] - corners[:, :2], clipped[:, 2:] - clipped[:, :2]
    share = after.prod(1) / np.maximum(before.prod(1), 1e-6)
    kept: NDArray[np.bool_] = (share >= _VISIBLE_LEAST) & (after.min(1) >= _SIDE_LEAST_PX)
    return kept, clipped


def _recoloured(picture: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """The picture with brightness, contrast and saturation changed by up to a third."""
    brightness = generator.uniform(-0.15, 0.15) * 255
    contrast, saturation = np.exp(generator.uniform(-0.3, 0.3, 2))
    floats = picture.astype(np.float32)
    grey = floats.mean(2, keepdims=True)
    floats = grey + (floats - grey) * np.float32(saturation)
    middle = floats.mean()
    floats = middle + (floats - middle) * np.float32(contrast) + np.float32(brightness)
    recoloured: NDArray[np.uint8] = np.clip(floats, 0, 255).astype(np.uint8)
    return recoloured
