"""Drawn pictures, and copies of pictures that a person would call the same."""

import io

import numpy as np
from PIL import Image

QUALITIES = (60, 72, 85, 95)


def drawn(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture of soft patches: another seed, another picture."""
    patches = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)


def near_copies(image: Image.Image, seed: int, crop: float = 0.05) -> list[bytes]:
    """Four JPEG files of it: each cropped by up to this share at each side, and compressed another way."""
    random = np.random.default_rng([seed, 4])
    files = []
    for quality in QUALITIES:
        left, top, right, bottom = random.uniform(0, crop, 4)
        box = (left * image.width, top * image.height, (1 - right) * image.width, (1 - bottom) * image.height)
        stream = io.BytesIO()
        image.convert("RGB").crop(tuple(round(edge) for edge in box)).save(stream, "JPEG", quality=quality)
        files.append(stream.getvalue())
    return files
