"""Scenes with a disc and a square, for detectors to learn from."""

import json
from collections.abc import Sequence

import numpy as np

from tests.engine.jobs.drawn import Engine, encoded
from vision_customization.contract.enums import AnnotationKind

TAGS = ("disc", "square")
SIDE = 120


def drawn_scene(seed: int, side: int = SIDE) -> tuple[bytes, list[list[float]]]:
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


def scenes_coco(images: Sequence[tuple[dict[str, str], list[list[float]]]], side: int) -> bytes:
    """A COCO file of images, by where each is, and their boxes: none, or one of each tag."""
    listed = [{"id": number, "width": side, "height": side, **place} for number, (place, _) in enumerate(images, 1)]
    annotations = [
        {"image_id": number, "category_id": label, "bbox": box}
        for number, (_, boxes) in enumerate(images, 1)
        for label, box in enumerate(boxes, 1)
    ]
    numbered = [{"id": number, **annotation} for number, annotation in enumerate(annotations, 1)]
    categories = [{"id": label, "name": tag} for label, tag in enumerate(TAGS, 1)]
    return json.dumps({"images": listed, "annotations": numbered, "categories": categories}).encode()


def register_scenes(engine: Engine, name: str, seeds: Sequence[int], *, empty: int = 0) -> None:
    """Register drawn scenes; the last `empty` of them say nothing of their objects."""
    images = []
    for index, seed in enumerate(seeds, 1):
        data, boxes = drawn_scene(seed, SIDE)
        url = engine.blobs.put(f"/account/{name}/{index}.png", data)
        place = {"file_name": f"{index}.png", "absolute_url": url}
        images.append((place, [] if index > len(seeds) - empty else boxes))
    uri = engine.blobs.put(f"/account/{name}/annotations.json", scenes_coco(images, SIDE))
    engine.register(name, [uri], kind=AnnotationKind.IMAGE_OBJECT_DETECTION)
