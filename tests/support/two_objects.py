"""Scenes of up to two objects, for models that give an image several tags."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

TAGS = ("disc", "square", "triangle")
_COLOURS = {"disc": (220, 60, 40), "square": (40, 90, 220), "triangle": (240, 210, 50)}


def tags_of(seed: int) -> tuple[str, ...]:
    """The tags of the scene of this number: every second scene has two of them, the others one or none."""
    random = np.random.default_rng([seed, 7])
    count = 2 if seed % 2 else int(random.random() < 0.7)
    return tuple(sorted(random.choice(TAGS, count, replace=False)))


def draw_scene(seed: int, side: int = 160) -> Image.Image:
    """The scene of this number: its objects side by side on a noisy ground, in any size and order."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(90, 130, (side, side, 3), dtype=np.uint8))
    pen = ImageDraw.Draw(image)
    for half, tag in enumerate(random.permutation(tags_of(seed))):
        size = int(random.integers(side // 4, side // 2 - 10))
        left = half * side // 2 + int(random.integers(2, side // 2 - size - 2))
        top = int(random.integers(2, side - size - 2))
        box = (left, top, left + size, top + size)
        if tag == "disc":
            pen.ellipse(box, fill=_COLOURS[tag])
        elif tag == "square":
            pen.rectangle(box, fill=_COLOURS[tag])
        else:
            pen.polygon([(left, top + size), (left + size, top + size), (left + size // 2, top)], fill=_COLOURS["triangle"])
    return image


def scenes_coco(places: Sequence[tuple[int, Mapping[str, str]]], side: int = 160) -> bytes:
    """A COCO file of scenes, each by its number and where it is (`file_name`, `absolute_url`)."""
    pairs = [(image_id, tag) for image_id, (seed, _) in enumerate(places, 1) for tag in tags_of(seed)]
    document: dict[str, Any] = {
        "images": [{"id": id_, "width": side, "height": side, **place} for id_, (_, place) in enumerate(places, 1)],
        "annotations": [
            {"id": id_, "image_id": image_id, "category_id": TAGS.index(tag) + 1}
            for id_, (image_id, tag) in enumerate(pairs, 1)
        ],
        "categories": [{"id": id_, "name": tag} for id_, tag in enumerate(TAGS, 1)],
    }
    return json.dumps(document).encode()
