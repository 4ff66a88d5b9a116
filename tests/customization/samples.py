"""Small datasets made on the spot."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image


def encoded(seed: int = 0, size: tuple[int, int] = (64, 48), file_format: str = "PNG", orientation: int | None = None) -> bytes:
    """An image that differs by its seed. `size` is width and height before the orientation."""
    image = Image.new("RGB", size, (seed % 256, seed // 256 % 256, 99))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    stream = io.BytesIO()
    image.save(stream, file_format, exif=exif)
    return stream.getvalue()


def coco(tags: dict[str, int], size: tuple[int, int] = (64, 48), box: list[float] | None = None) -> dict[str, Any]:
    """A document with `tags[tag]` images of each tag, called `images/{tag}_{n}.png`."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for category, (tag, count) in enumerate(tags.items(), start=1):
        for number in range(count):
            id_ = len(images) + 1
            images.append({"id": id_, "width": size[0], "height": size[1], "file_name": f"images/{tag}_{number}.png"})
            annotations.append({"id": id_, "image_id": id_, "category_id": category, **({"bbox": box} if box else {})})
    categories = [{"id": category, "name": tag} for category, tag in enumerate(tags, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


@dataclass
class DatasetFolder:
    """A folder with a COCO file and its images, to be spoiled."""

    path: Path
    document: dict[str, Any]

    def write(self, name: str = "train.json") -> None:
        (self.path / name).write_text(json.dumps(self.document), "utf-8")

    def image(self, index: int) -> Path:
        return self.path / str(self.document["images"][index]["file_name"])


MakeFolder = Callable[..., DatasetFolder]
