"""Serving many classifiers: `python -m benchmarks serving`.

A real `vision-engine serve` answers with 1, 8 and 200 classifiers of the recipe that photos take: its memory after the load of
many clients, and the first call to each model, beside calls to a model in memory. Exits with 1 if a limit is missed.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from rich.console import Console

from benchmarks.figures import Figure, compare, percentile, to_table
from benchmarks.load import analyze_requests, answer_seconds, closed_loop
from benchmarks.options import CHECKOUT
from benchmarks.processes import Engine, Script, running_engine
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import Artifact
from vision_customization.engine.learning import Classifier, export_classifier
from vision_customization.engine.learning.classification.recipes import CENTRE
from vision_customization.engine.learning.classification.training import fit_classifier, with_novelty
from vision_customization.engine.learning.classification.views import DIMENSIONS
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import artifact_key, head_key, model_key
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.settings import Settings, default_weights_dir, usable_cores
from vision_customization.engine.store import Store, TrainingOrder, TrainingOutcome

MODELS = (1, 8, 200)
CLIENTS = 32
MODEL_LIMIT_MB = 0.5
"""Memory that each further model takes. Its head has 0.29 MB; a model with networks of its own takes 100 MB and more."""
COLD_LIMIT_MS = 20.0
"""How much longer a first call may take than a call to a model in memory, at the median."""

_TAGS = tuple(f"tag-{number}" for number in range(10))
_IMAGES = 160
"""Different images, because the engine keeps the features of the last."""
_SIDES = (1024, 768)
_WARM_CALLS = 40


@dataclass(frozen=True)
class Served:
    """What was measured with so many models: seconds of the first calls and of calls to a model in memory, in turns; the memory
    of the process that answers after the load, in 10⁶ bytes; and answers per second."""

    models: int
    first: Sequence[float]
    warm: Sequence[float]
    megabytes: float
    peak_megabytes: float
    per_second: Sequence[float]
    bare_per_second: Sequence[float]


def head() -> Classifier:
    """A classifier with the recipe of photos. What it was fitted on does not matter to its time or its memory."""
    labels = np.repeat(np.arange(len(_TAGS)), 4)
    features = np.abs(np.random.default_rng(0).standard_normal((len(labels), DIMENSIONS))).astype(np.float32)
    return with_novelty(fit_classifier(CENTRE, features, labels, _TAGS, sharpness=2.0), features, labels)


def photos(count: int) -> list[bytes]:
    """JPEG files with structure at all scales, each different."""
    random = np.random.default_rng(0)
    width, height = _SIDES
    files = []
    for _ in range(count):
        pixels = np.zeros((height, width, 3), np.float32)
        for cells in (4, 16, 64, 256):
            coarse = random.integers(0, 255, (cells * height // width, cells, 3), dtype=np.uint8)
            pixels += np.asarray(Image.fromarray(coarse).resize(_SIDES, Image.Resampling.BICUBIC), np.float32) / 4
        buffer = BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


def add_models(data_dir: Path, classifier: Classifier, onnx: bytes, count: int) -> list[str]:
    """Register `count` trained models, as trainings and imports do. Their large files are hard links to one. Returns the
    names."""
    settings = Settings(data_dir=data_dir)
    store, objects = Store.open(settings), open_objects(settings)
    assert isinstance(objects, FileObjects)
    order = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    outcome = TrainingOutcome(performance=None, cost_minutes=1, artifact=Artifact(digest="0" * 64, size_bytes=len(onnx)))
    names, data = [], classifier.to_npz()
    first: Path | None = None
    for number in range(count):
        model_id, name = str(uuid.uuid4()), f"model-{number}"
        objects.put(head_key(model_id), data, durable=False)
        if first is None:
            objects.put(artifact_key(model_id), onnx)
            first = objects.path(artifact_key(model_id))
        else:
            os.link(first, first.parent.parent / Path(model_key(model_id)).name / first.name)
        store.models.import_trained(model_id, name, order, outcome)
        names.append(name)
    store.close()
    objects.close()
    return names


def serve(work: Path, classifier: Classifier, count: int, rounds: int, seconds: float) -> Served:
    """Everything about so many models, on an engine of its own."""
    images = photos(_IMAGES)
    onnx = export_classifier(classifier, default_weights_dir())
    with running_engine(work / f"engine-{count}", "127.0.0.1:1", workers="0", studio="false") as engine:
        names = add_models(engine.data_dir, classifier, onnx, count)
        model = work / "model.onnx"
        model.write_bytes(onnx)
        files = []
        for number, image in enumerate(images):
            files.append(str(work / f"{number}.jpg"))
            Path(files[-1]).write_bytes(image)
        answer_seconds(engine.endpoint, _requests(engine, names[:1], images[:8]))  # opens the networks
        first, warm = [], []
        for number, name in enumerate(names):
            one, other = (images[(2 * number + step) % len(images)] for step in range(2))
            if number > 0:
                first += answer_seconds(engine.endpoint, _requests(engine, [name], [one]))
            if number > 0 or count == 1:
                warm += answer_seconds(engine.endpoint, _requests(engine, names[:1], [other]))
        if count == 1:
            warm += answer_seconds(engine.endpoint, _requests(engine, names, images[:_WARM_CALLS]))
        requests = _requests(engine, names, images)
        threads, per_second, bares = usable_cores(), [], []
        with Script("benchmarks.bare", str(threads), "0") as bare:
            for _ in range(rounds):
                ways = [
                    bare.ask(do="throughput", model=str(model), files=files, loops=loops, threads=each, seconds=seconds / 2)
                    for loops, each in ((1, threads), (threads, 1))
                ]
                bares.append(max(way["perSecond"] for way in ways))
                per_second.append(closed_loop(engine.endpoint, requests, clients=CLIENTS, seconds=seconds).per_second)
        return Served(count, first, warm, _megabytes(engine), 1000 * engine.api_peak_gigabytes(), per_second, bares)


def _requests(engine: Engine, names: Sequence[str], images: Sequence[bytes]) -> list[bytes]:
    """A request for each image, to one model after the other."""
    return [
        *(
            analyze_requests(engine.endpoint, engine.key, names[number % len(names)], [image])[0]
            for number, image in enumerate(images)
        )
    ]


def _megabytes(engine: Engine) -> float:
    """The resident memory of the process that answers, in 10⁶ bytes."""
    status = Path(f"/proc/{engine.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


def figures_of(served: Sequence[Served]) -> list[Figure]:
    load, one, most = os.getloadavg()[0], served[0], served[-1]
    figures = []
    for each in served:
        models = f"{each.models} model{'s' if each.models > 1 else ''}"
        memory = f"memory after {CLIENTS} clients, {models}"
        figures.append(compare(memory, "MB", [each.megabytes], [one.megabytes], load=load))
        if each is most and each is not one:
            further = (each.megabytes - one.megabytes) / (each.models - one.models)
            figures.append(Figure("the same, for each further model", "MB", (further,), load, MODEL_LIMIT_MB))
        figures += [
            Figure(f"peak memory, {models}", "MB", (each.peak_megabytes,), load),
            compare(f"{CLIENTS} clients, {models}, to bare", "/s", each.per_second, each.bare_per_second, load=load),
        ]
        if each.first:
            warm, first = ([1000 * value for value in values] for values in (each.warm, each.first))
            later = median(first) - median(warm)
            figures += [
                Figure(f"call to a model in memory, p50 of {len(warm)}, {models}", "ms", (median(warm),), load),
                Figure(f"first call, p50, {models}", "ms", (median(first),), load),
                Figure(f"first call, p95, {models}", "ms", (percentile(first, 0.95),), load),
                Figure(f"first call, slowest, {models}", "ms", (max(first),), load),
                Figure(f"first call later than one in memory, p50, {models}", "ms", (later,), load, COLD_LIMIT_MS),
            ]
        else:
            figures.append(Figure(f"call, p50 of {len(each.warm)}, {models}", "ms", (1000 * median(each.warm),), load))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, action="append", help=f"how many models; may be repeated (default: {MODELS})")
    parser.add_argument("--rounds", type=int, default=3, help="turns of measured and bare (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a round (default: %(default)s)")
    parser.add_argument(
        "--json", type=Path, default=CHECKOUT / ".vision" / "benchmarks" / "serving.json", help="where the figures go"
    )
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    served = []
    classifier = head()
    for count in options.models or MODELS:
        console.print(f"{count} models …")
        with tempfile.TemporaryDirectory(prefix="vision-serving-") as work:
            started = time.perf_counter()
            served.append(serve(Path(work), classifier, count, options.rounds, options.seconds))
            console.print(f"  {time.perf_counter() - started:.0f} s")
    figures = figures_of(served)
    console.print(to_table(figures, f"Serving on {usable_cores()} cores"))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps([figure.to_json() for figure in figures], indent=1) + "\n")
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
