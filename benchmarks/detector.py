"""`python -m benchmarks.detector`: trains and evaluates one detector, for a request as a JSON line from `benchmarks.detection`.

    {"folder": …, "files": […], "imagesATag": n (0: all), "mosaic": n, "tiles": n, "seed": n}
    → the fields of a `Trial` but its seed

The time is from the first image read until the file is written; the memory is the peak of this process.
"""

import hashlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.coco import average_precisions
from vision_customization.engine.jobs.images.pictures import Pictures
from vision_customization.engine.learning import decode_image
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.learning.detection.artifact import DetectorSession, export_detector
from vision_customization.engine.learning.detection.metrics import detection_performance
from vision_customization.engine.learning.detection.recipe import choose_recipe
from vision_customization.engine.learning.detection.training import BoxedPixels, DetectorLearner
from vision_customization.engine.learning.pretrained.nanodet import with_classes
from vision_customization.engine.learning.pretrained.nanodet_weights import read_nanodet
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.settings import default_weights_dir, usable_cores

Boxed = tuple[Path, LabelledBoxes]
"""An image file and its objects, whose corners are shares of its sides."""
CELL = (640, 480)
"""Width and height, in pixels, of each image of a mosaic."""


def read_coco(folder: Path, files: Iterable[str], tags: Sequence[str]) -> list[Boxed]:
    """Images with boxes as shares of their sides, as the datasets of this benchmark have them."""
    images = []
    for document in (json.loads((folder / file).read_text()) for file in files):
        labels = {category["id"]: tags.index(category["name"]) for category in document["categories"]}
        for image in document["images"]:
            own = [annotation for annotation in document["annotations"] if annotation["image_id"] == image["id"]]
            corners = np.array([annotation["bbox"] for annotation in own], np.float32).reshape(-1, 4)
            corners[:, 2:] += corners[:, :2]
            of_image = np.array([labels[annotation["category_id"]] for annotation in own], np.int64)
            images.append((folder / image["file_name"], LabelledBoxes(corners, of_image)))
    return images


def draw(images: Sequence[Boxed], classes: int, images_a_tag: int, seed: int) -> list[Boxed]:
    """A random choice of `images_a_tag` images per tag, or all if there are fewer; an image may count for several tags."""
    order = Random(seed).sample(range(len(images)), len(images))
    drawn: list[int] = []
    for label in range(classes):
        having = [index for index in order if label in images[index][1].labels]
        lacking = images_a_tag - sum(index in having for index in drawn)
        drawn += [index for index in having if index not in drawn][: max(0, lacking)]
    return [images[index] for index in sorted(drawn)]


def to_mosaics(images: Sequence[Boxed], count: int, seed: int, work: Path) -> list[Boxed]:
    """Join `count` × `count` images, 640 × 480 px each, into one; a remainder is left out. With a count of 1, no change."""
    if count == 1:
        return list(images)
    order = Random(seed).sample(range(len(images)), len(images))
    work.mkdir()
    mosaics = []
    for start in range(0, len(order) - count**2 + 1, count**2):
        page = Image.new("RGB", (count * CELL[0], count * CELL[1]))
        corners, labels = [], []
        for place, index in enumerate(order[start : start + count**2]):
            row, column = divmod(place, count)
            path, objects = images[index]
            with Image.open(path) as image:
                page.paste(image.convert("RGB").resize(CELL), (column * CELL[0], row * CELL[1]))
            corners.append((objects.corners + np.array([column, row] * 2, np.float32)) / count)
            labels.append(objects.labels)
        page.save(target := work / f"{start:06}.jpg", quality=95)
        mosaics.append((target, LabelledBoxes(np.concatenate(corners), np.concatenate(labels))))
    return mosaics


def train(images: Sequence[Boxed], tags: Sequence[str], tiles: int, seed: int, work: Path) -> tuple[bytes, int]:
    """The model's file, and the steps that its training took."""
    pictures = Pictures(FileObjects(work), tiles)
    boxed = []
    for path, objects in images:
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        pictures.add({digest: decode_image(data, detail=tiles).pixels})
        boxed.append(BoxedPixels(partial(pictures.read, digest), objects))
    recipe = replace(choose_recipe(len(images), len(tags), tiles), seed=seed)
    weights = with_classes(read_nanodet(default_weights_dir()), tags, np.random.default_rng([seed, 1]))
    training = DetectorLearner(recipe, boxed, weights)
    training.run(recipe.steps)
    return export_detector(training.weights(), tags, recipe.side, "", tiles), training.step


def measure(onnx: bytes, images: Sequence[Boxed], tags: Sequence[str]) -> Mapping[str, float]:
    session = DetectorSession(onnx, usable_cores())
    truths: list[LabelledBoxes] = []
    found: list[Detections] = []
    for path, objects in images:
        pixels = decode_image(path.read_bytes(), detail=session.detail).pixels
        height, width = pixels.shape[:2]
        truths.append(LabelledBoxes(objects.corners * np.array([width, height, width, height], np.float32), objects.labels))
        found.append(session.detect(pixels))
    ap, ap50 = average_precisions(truths, found, len(tags))
    return {
        "ap50": ap50,
        "ap": ap,
        "map50": detection_performance(truths, found, tags).mean_average_precision50 or 0.0,
    }


def answer(question: Mapping[str, Any]) -> dict[str, float]:
    folder = Path(question["folder"])
    first = json.loads((folder / question["files"][0]).read_text())
    tags = sorted(category["name"] for category in first["categories"])
    images = read_coco(folder, question["files"], tags)
    if question["imagesATag"]:
        images = draw(images, len(tags), question["imagesATag"], question["seed"])
    with tempfile.TemporaryDirectory(prefix="vision-detector-") as work:
        images = to_mosaics(images, question["mosaic"], question["seed"], Path(work, "training"))
        tests = to_mosaics(read_coco(folder, ["test.json"], tags), question["mosaic"], 0, Path(work, "test"))
        started = time.perf_counter()
        onnx, steps = train(images, tags, question["tiles"], question["seed"], Path(work, "objects"))
        minutes = (time.perf_counter() - started) / 60
        figures = measure(onnx, tests, tags)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"images": len(images), "steps": steps, "minutes": minutes, "peak_gigabytes": peak, **figures}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
