"""A drawn dataset: circles and squares in any colour, place and size, on a noisy ground."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE_PX = 160


def draw(shape: str, number: int, side_px: int = SIDE_PX) -> Image.Image:
    """The `number`-th picture of a shape: another number, another picture."""
    random = np.random.default_rng([number, len(shape)])
    image = Image.fromarray(random.integers(90, 166, (side_px, side_px, 3), dtype=np.uint8))
    size = int(random.integers(side_px // 4, side_px // 2))
    left, top = (int(value) for value in random.integers(side_px // 8, side_px - size - side_px // 8 + 1, 2))
    colour = tuple(int(value) for value in random.choice([0, 255, 40, 220], 3))
    pen = ImageDraw.Draw(image)
    box = (left, top, left + size, top + size)
    pen.ellipse(box, fill=colour) if shape == "circle" else pen.rectangle(box, fill=colour)
    return image


def write_dataset(folder: Path, file_name: str, numbers: Mapping[str, range], *, side_px: int = SIDE_PX) -> None:
    """Draw `numbers` of each shape into `folder`/images and write the COCO file; pictures that are there stay."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    tags = sorted(numbers)
    images, annotations = [], []
    for category_id, tag in enumerate(tags, start=1):
        for number in numbers[tag]:
            path = folder / "images" / f"{tag}-{number}.png"
            if not path.exists():
                draw(tag, number, side_px).save(path)
            image_id = len(images) + 1
            images.append({"id": image_id, "width": side_px, "height": side_px, "file_name": f"images/{path.name}"})
            annotations.append({"id": image_id, "image_id": image_id, "category_id": category_id})
    categories = [{"id": number, "name": tag} for number, tag in enumerate(tags, start=1)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (folder / file_name).write_text(json.dumps(coco, indent=1))
