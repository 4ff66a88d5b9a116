"""Batch prediction against the bare work, in one run: `python -m benchmarks predict`.

A worker answers images of a blob server on this machine, between two bare runs: decoding, and the same ONNX file in plain
onnxruntime sessions on the same cores, the faster of two ways. A second run is killed with -9 in the middle: each image must
have one row. Exits with 1 if a limit is missed.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import mean

import psutil
from rich.console import Console

from benchmarks.figures import Figure, compare, to_table
from benchmarks.processes import Engine, Script, running_engine
from benchmarks.samples import Samples, textile_sets
from benchmarks.speed import THROUGHPUT_LIMIT, WORKER_NICENESS
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.client.client import VisionClient
from vision_customization.engine.settings import usable_cores

CONTAINER = "samples"
PICTURES = f"{CONTAINER}/photos.any"
"""A folder of the blob server that has a picture at every name."""


def many(samples: Samples, base_url: str, images: int, file_name: str) -> tuple[list[str], str]:
    """The URLs of so many pictures, all different, and that of an annotation file that lists them."""
    urls = [f"{base_url}/{PICTURES}/{number:07d}.jpg" for number in range(images)]
    document = {
        "images": [
            {"id": number, "file_name": url.rsplit("/", 1)[1], "absolute_url": url} for number, url in enumerate(urls, 1)
        ],
        "annotations": [],
        "categories": [{"id": 1, "name": "any"}],
    }
    (samples.root / CONTAINER / file_name).write_text(json.dumps(document))
    return urls, f"{base_url}/{CONTAINER}/{file_name}"


def bare_per_second(bare: Script, model: Path, files: Sequence[str], threads: int, seconds: float) -> tuple[float, float]:
    """Images a second of two ways to keep all cores busy: one loop on all threads, and a loop of one thread for each core."""
    one, each = (
        bare.ask(do="throughput", model=str(model), files=files, loops=loops, threads=own, seconds=seconds)["perSecond"]
        for loops, own in ((1, threads), (threads, 1))
    )
    return one, each


def measure_throughput(
    engine: Engine, client: VisionClient, bare: Script, model: Path, files: Sequence[str], images: int, seconds: float
) -> list[Figure]:
    threads = usable_cores()
    bare_per_second(bare, model, files, threads, 1.0)  # warms up
    before = bare_per_second(bare, model, files, threads, seconds)
    started = time.perf_counter()
    client.predict_batch("m", "whole", dataset_name="many")
    client.wait_for_batch_prediction("m", "whole")
    per_second = images / (time.perf_counter() - started)
    engine.wait_until_worker_rests()
    after = bare_per_second(bare, model, files, threads, seconds)
    load = os.getloadavg()[0]
    one, each = ([mean(way)] for way in zip(before, after, strict=True))
    name = f"batch prediction of {images:,} images, PUT to succeeded"
    return [
        compare(name, "/s", [per_second], max(one, each), load=load, limit=THROUGHPUT_LIMIT, at_least=True),
        compare("bare, a loop of one thread for each core, to one loop on all threads", "/s", each, one, load=load),
    ]


def killed(engine: Engine, client: VisionClient, urls: Sequence[str], console: Console) -> bool:
    """Whether each image has one row after the worker was killed in the middle."""
    client.predict_batch("m", "killed", dataset_name="fewer")
    while (rows := client.get_batch_prediction("m", "killed").progress.rows) < len(urls) // 2:
        time.sleep(0.05)
    for worker in psutil.Process(engine.process.pid).children():
        worker.kill()
    started = time.perf_counter()
    client.wait_for_batch_prediction("m", "killed")
    answered = [row.url for row in client.batch_prediction_rows("m", "killed")]
    once = answered == list(urls)
    console.print(
        f"killed with -9 after {rows:,} of {len(urls):,} rows, ended {time.perf_counter() - started:.1f} s later: "
        f"{len(answered):,} rows, {'each image once, in order' if once else 'NOT each image once'}"
    )
    return once


def measure(work: Path, images: int, killed_images: int, seconds: float, console: Console) -> tuple[list[Figure], bool]:
    blobs = work / "blobs"
    (samples,) = textile_sets(blobs, CONTAINER, 1, 20)
    (blobs / PICTURES).mkdir()
    for number, file in enumerate(samples.files):
        shutil.copyfile(file, blobs / PICTURES / f"{number:03d}.jpg")
    with ExitStack() as stack:
        server = stack.enter_context(Script("benchmarks.blobs", str(blobs)))
        host = f"127.0.0.1:{server.ask(do='port')['port']}"
        engine = stack.enter_context(running_engine(work / "engine", host))
        client = stack.enter_context(engine.client())
        base_url = f"http://{host}"
        console.print(f"training from {len(samples.images)} images …")
        kind = AnnotationKind.IMAGE_CLASSIFICATION
        url = samples.annotations(base_url, f"{CONTAINER}/train.json")
        client.register_dataset("train", annotation_kind=kind, annotation_file_uris=[url])
        client.create_model("m", training_dataset_name="train")
        client.wait_for_model("m")
        for name, count in (("many", images), ("fewer", killed_images)):
            urls, url = many(samples, base_url, count, f"{name}.json")
            client.register_dataset(name, annotation_kind=kind, annotation_file_uris=[url])
        model = engine.model_file("m")
        engine.wait_until_worker_rests()
        bare = stack.enter_context(Script("benchmarks.bare", str(usable_cores()), str(WORKER_NICENESS)))
        console.print(f"predicting {images:,} images …")
        figures = measure_throughput(engine, client, bare, model, samples.files, images, seconds)
        return figures, killed(engine, client, urls, console)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000, help="images of the run against bare (default: %(default)s)")
    parser.add_argument(
        "--killed-images", type=int, help="images of the run that is killed (default: a tenth of --images, at least 500)"
    )
    parser.add_argument("--bare-seconds", type=float, default=4.0, help="seconds of each bare run (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    killed_images = options.killed_images or max(500, options.images // 10)
    with tempfile.TemporaryDirectory(prefix="vision-predict-") as work:
        figures, once = measure(Path(work), options.images, killed_images, options.bare_seconds, console)
    console.print(to_table(figures, f"Batch prediction on {usable_cores()} cores"))
    return 0 if once and all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
