"""How fast a detector answers, on an idle engine and while another detector trains."""

import json
import os
import random
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image, ImageDraw
from rich.console import Console

from benchmarks.calls import call_seconds, while_training
from benchmarks.figures import Figure, compare
from benchmarks.processes import Engine, Script
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.models import Model
from vision_customization.customization.client.client import VisionClient
from vision_customization.engine.settings import usable_cores

ANALYZE_LIMIT = 1.3
WHILE_TRAINING_LIMIT = 2.0
PEAK_GIGABYTES_MAX = 3.0
SCENES = 60
WIDTH, HEIGHT = 640, 480

DETECTOR = "detector"
_SCENES = "scenes"
_TRAINING_SECONDS_MAX = 900.0


def measure_detector(engine: Engine, root: Path, base_url: str, *, rounds: int, blocks: int, console: Console) -> list[Figure]:
    """Train a detector on drawn scenes, and call it with them: one call after the other.

    Args:
        root: folder of the blob server at `base_url`.
    """
    images, url = draw_scenes(root, base_url)
    with engine.client() as client:
        console.print("detector: training …")
        train_detector(client, DETECTOR, url)
        engine.wait_until_worker_rests()
        console.print("detector: calls …")
        figures = _idle(engine, client, images, blocks) + while_training(
            "detector: p50 while another detector trains, to idle",
            engine,
            client,
            lambda: call_seconds(client, DETECTOR, images),
            start=lambda name: start_detector(client, name),
            done=steps_done,
            rounds=rounds,
            limit=WHILE_TRAINING_LIMIT,
        )
    peak = (engine.worker_peak_gigabytes(),)
    return [*figures, Figure("memory of the worker at its highest", "GB", peak, os.getloadavg()[0], PEAK_GIGABYTES_MAX)]


def draw_scenes(root: Path, base_url: str) -> tuple[list[str], str]:
    """Draw the scenes in `root`, the folder of the blob server at `base_url`: the images' files, and the annotations' URL."""
    files = _draw_scenes(root)
    return [str(root / name) for name, _ in files], _write_annotations(root, base_url, files)


def train_detector(client: VisionClient, name: str, annotations_url: str) -> None:
    """Register the scenes, and train a detector with them until it has succeeded."""
    kind = AnnotationKind.IMAGE_OBJECT_DETECTION
    client.register_dataset(_SCENES, annotation_kind=kind, annotation_file_uris=[annotations_url])
    start_detector(client, name)
    client.wait_for_model(name, timeout_seconds=_TRAINING_SECONDS_MAX)


def start_detector(client: VisionClient, name: str) -> None:
    client.create_model(name, training_dataset_name=_SCENES, model_kind=ModelKind.GENERIC_DETECTOR)


def steps_done(model: Model) -> int:
    return (model.training_progress.steps_done or 0) if model.training_progress is not None else 0


def _idle(engine: Engine, client: VisionClient, images: list[str], blocks: int) -> list[Figure]:
    served, bares = [], []
    with Script("benchmarks.bare", str(usable_cores()), "0") as bare:
        for number in range(-1, blocks):
            alone = bare.ask(do="analyze", model=str(engine.model_file(DETECTOR)), files=images)["seconds"]
            called = call_seconds(client, DETECTOR, images)
            if number >= 0:  # the first round warms up
                bares.append(1000 * median(alone))
                served.append(1000 * median(called))
    name = f"detector: analyze p50, {WIDTH} × {HEIGHT}"
    return [compare(name, "ms", served, bares, load=os.getloadavg()[0], limit=ANALYZE_LIMIT)]


def _draw_scenes(root: Path) -> list[tuple[str, list[list[float]]]]:
    """Write JPEGs of three discs each on a background of noise. Returns their names below `root`, and the boxes as shares."""
    (root / "scenes").mkdir(parents=True)
    scenes = []
    for number in range(SCENES):
        generator = random.Random(number)
        ground = Image.frombytes("RGB", (80, 60), generator.randbytes(80 * 60 * 3)).resize((WIDTH, HEIGHT))
        draw = ImageDraw.Draw(ground)
        boxes = []
        for place in range(3):
            side = generator.randint(70, 150)
            left, top = 213 * place + generator.randint(0, 212 - side), generator.randint(0, HEIGHT - side)
            draw.ellipse((left, top, left + side, top + side), fill=(230, 60, 40))
            boxes.append([left / WIDTH, top / HEIGHT, side / WIDTH, side / HEIGHT])
        buffer = BytesIO()
        ground.save(buffer, "JPEG", quality=85)
        name = f"scenes/{number:02}.jpg"
        (root / name).write_bytes(buffer.getvalue())
        scenes.append((name, boxes))
    return scenes


def _write_annotations(root: Path, base_url: str, files: list[tuple[str, list[list[float]]]]) -> str:
    of_image = [(number, box) for number, (_, boxes) in enumerate(files, 1) for box in boxes]
    coco: dict[str, Any] = {
        "images": [
            {"id": number, "width": WIDTH, "height": HEIGHT, "file_name": name, "absolute_url": f"{base_url}/{name}"}
            for number, (name, _) in enumerate(files, 1)
        ],
        "annotations": [
            {"id": index, "image_id": image, "category_id": 1, "bbox": box} for index, (image, box) in enumerate(of_image, 1)
        ],
        "categories": [{"id": 1, "name": "disc"}],
    }
    (root / "scenes.json").write_text(json.dumps(coco))
    return f"{base_url}/scenes.json"
