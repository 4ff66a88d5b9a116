"""Scenes with a disc and a square, for detectors to learn from."""

import json
from collections.abc import Sequence

import numpy as np

from customization.contract import AnnotationKind
from tests.engine.jobs.drawn import Engine, encoded

TAGS = ("disc", "square")


def drawn_scene(seed: int, side: int = 120) -> tuple[bytes, list[list[float]]]:
    """A PNG with a disc and a square, and their boxes as the contract has them."""
    random = np.random.default_rng(seed)
    pixels = random.integers(90, 130, (side, side, 3)).astype(np.uint8)
    y, x = np.mgrid[:side, :side]
    boxes = []
    for label in range(2):
        size = int(random.integers(side // 4, side // 3))
        left, top = int(random.integers(0, side // 2 - size)) + label * side // 2, int(random.integers(0, side - size))
        inside = (x >= left) & (x < left + size) & (y >= top) & (y < top + size)
        if label == 0:
            inside &= (x - left - size / 2) ** 2 + (y - top - size / 2) ** 2 < (size / 2) ** 2
        pixels[inside] = (220, 60, 40) if label == 0 else (40, 90, 220)
        boxes.append([left / side, top / side, size / side, size / side])
    return encoded(pixels), boxes


def register_scenes(engine: Engine, name: str, seeds: Sequence[int], *, empty: int = 0) -> None:
    """Register drawn scenes; the last `empty` of them say nothing of their objects."""
    images, annotations = [], []
    for index, seed in enumerate(seeds, 1):
        data, boxes = drawn_scene(seed)
        url = engine.blobs.put(f"/account/{name}/{index}.png", data)
        images.append({"id": index, "width": 120, "height": 120, "file_name": f"{index}.png", "absolute_url": url})
        if index > len(seeds) - empty:
            continue
        for label, box in enumerate(boxes, 1):
            annotations.append({"id": len(annotations) + 1, "image_id": index, "category_id": label, "bbox": box})
    categories = [{"id": label, "name": tag} for label, tag in enumerate(TAGS, 1)]
    document = json.dumps({"images": images, "annotations": annotations, "categories": categories}).encode()
    uri = engine.blobs.put(f"/account/{name}/annotations.json", document)
    engine.register(name, [uri], kind=AnnotationKind.IMAGE_OBJECT_DETECTION)
