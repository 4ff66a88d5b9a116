"""Images for the benchmarks: the sample dataset's, in disjoint sets, and drawn ones."""

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from examples.textile import TAGS, document, package_folders, split


@dataclass(frozen=True)
class Samples:
    """Labelled images under the blob server's folder: `images` are paths relative to it, with tag and size."""

    root: Path
    images: tuple[tuple[str, str, tuple[int, int]], ...]

    @property
    def files(self) -> list[str]:
        return [str(self.root / name) for name, _, _ in self.images]

    def annotations(self, base_url: str, file_name: str) -> str:
        """Write the annotation file, and return its URL."""
        coco: dict[str, Any] = document(self.images)
        for image in coco["images"]:
            image["absolute_url"] = f"{base_url}/{image['file_name']}"
        (self.root / file_name).write_text(json.dumps(coco))
        return f"{base_url}/{file_name}"

    def changed(self, share: float, folder: str) -> "Samples":
        """The same samples, but with `share` of the images, at least one, replaced by similar ones."""
        positions = random.Random(0).sample(range(len(self.images)), max(1, round(share * len(self.images))))
        images = list(self.images)
        for position in positions:
            name, tag, size = images[position]
            target = f"{folder}/{tag}/{Path(name).name}"
            (self.root / target).parent.mkdir(parents=True, exist_ok=True)
            with Image.open(self.root / name) as image:
                image.save(self.root / target, quality=92)
            images[position] = (target, tag, size)
        return Samples(self.root, tuple(images))


def textile_sets(root: Path, container: str, sets: int, images_a_tag: int) -> list[Samples]:
    """Disjoint sets of the sample dataset's images, copied to `root/container`. Raises SamplesError."""
    folders = package_folders()
    common = set.intersection(*({file.name for file in folder.glob("*.jpg")} for folder in folders.values()))
    parts = split(sorted(common), {f"set{number}": images_a_tag for number in range(sets)})
    made = []
    for part, names in parts.items():
        images = []
        for class_name, tag in TAGS.items():
            (root / container / part / tag).mkdir(parents=True)
            for name in names:
                path = f"{container}/{part}/{tag}/{name}"
                shutil.copyfile(folders[class_name] / name, root / path)
                with Image.open(root / path) as image:
                    images.append((path, tag, image.size))
        made.append(Samples(root, tuple(images)))
    return made


def join(samples: Sequence[Samples]) -> Samples:
    return Samples(samples[0].root, tuple(image for part in samples for image in part.images))


def write_drawn(folder: Path, images: int, annotation_file: str, *, boxes: bool = False) -> None:
    """A dataset of small drawn images, each different, of two tags; with `boxes`, each shape has its box."""
    (folder / "images").mkdir(parents=True)
    entries, annotations = [], []
    for number in range(images):
        name = f"images/{number:05d}.jpg"
        (folder / name).write_bytes(drawn(number))
        entries.append({"id": number + 1, "width": 64, "height": 64, "file_name": name})
        annotation: dict[str, Any] = {"id": number + 1, "image_id": number + 1, "category_id": number % 2 + 1}
        if boxes:
            annotation["bbox"] = [12 / 64, 12 / 64, (32 + number % 13) / 64, (32 + number % 11) / 64]
        annotations.append(annotation)
    categories = [{"id": 1, "name": "circle"}, {"id": 2, "name": "square"}]
    coco = {"images": entries, "annotations": annotations, "categories": categories}
    (folder / annotation_file).write_text(json.dumps(coco))


def drawn(number: int) -> bytes:
    """A JPEG of 64 × 64 pixels that differs from every other number's."""
    image = Image.new("RGB", (64, 64), (number % 251, number // 251 % 251, 90))
    draw = ImageDraw.Draw(image)
    shape = draw.ellipse if number % 2 == 0 else draw.rectangle
    shape((12, 12, 44 + number % 13, 44 + number % 11), fill=(240, number % 199, number % 97))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
