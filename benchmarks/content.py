"""The content index of a large dataset: how long a worker reads it, in how much memory, and how long a page takes.

Makes COCO files without pixels, serves them on the loopback interface, and looks at the datasets through the API of a real
`vision-engine serve` with one worker: pages of 200 images with every filter, at rest and while the worker reads another dataset
of the same size.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import requests
from rich.console import Console

from benchmarks.figures import Figure, percentile, to_table
from benchmarks.processes import Engine, Script, running_engine
from vision_customization.contract.content import IMAGES_PAGE_MAX
from vision_customization.contract.enums import AnnotationKind, ContentStatus
from vision_customization.contract.limits import API_VERSION

TAGS = 50
BOXES = (0, 1, 1, 2, 3, 5)
"""How many boxes an image has, by turns; every sixth shows nothing."""
PAGE_LIMIT_MS = 100.0
MEMORY_LIMIT_GB = 1.0
_READY_SECONDS_MAX = 3600.0
_FILTERS = {"all": "", "one tag": "&tag=tag 07", "unlabelled": "&unlabelled=true", "a problem": "&problem=size"}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks content", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000, help="images of a dataset (default: %(default)s)")
    parser.add_argument("--pages", type=int, default=40, help="pages read per filter (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory(prefix="vision-content-") as work:
        figures = measure(Path(work), options.images, options.pages)
    console.print(to_table(figures, f"The content of {options.images:,} images: median (least–greatest)"))
    return 0 if all(figure.met for figure in figures) else 1


def measure(work: Path, images: int, pages: int) -> list[Figure]:
    blobs = work / "blobs" / "account" / "c"
    blobs.mkdir(parents=True)
    for name, count in (("few", 100), ("first", images), ("second", images)):
        write_coco(blobs / f"{name}.json", count, name)
    megabytes = (blobs / "first.json").stat().st_size / 1e6
    figures = [Figure("annotation file", "MB", (megabytes,), _load())]
    with Script("benchmarks.blobs", str(work / "blobs")) as server:
        host = f"127.0.0.1:{server.ask()['port']}"
        with running_engine(work / "engine", host) as engine:
            looks = Looks(engine, host)
            looks.register("few")
            looks.wait_until_ready("few")  # the worker has started, and its networks are in memory
            before, size = engine.worker_peak_gigabytes(), _database_megabytes(engine)
            worked = engine.worker_cpu_seconds()
            seconds = looks.index("first")
            worked = engine.worker_cpu_seconds() - worked
            after = engine.worker_peak_gigabytes()
            figures += [
                Figure("indexing, first look to ready", "s", (seconds,), _load()),
                Figure("the same, processor time", "s", (worked,), _load()),
                Figure("memory of the worker, greatest", "GB", (after,), _load(), MEMORY_LIMIT_GB),
                Figure("the same, growth", "MB", (1000 * (after - before),), _load()),
                Figure("database, growth", "MB", (_database_megabytes(engine) - size,), _load()),
            ]
            for name, query in _FILTERS.items():
                worked = engine.api_cpu_seconds()
                figures += _figures(name, looks.pages("first", query, pages))
                milliseconds = 1000 * (engine.api_cpu_seconds() - worked) / (pages + 1)
                figures.append(Figure("the same, processor time of the API", "ms", (milliseconds,), _load()))
            looks.register("second")
            looks.content("second")
            busy: dict[str, list[float]] = {name: [] for name in _FILTERS}
            while looks.content("second")["status"] != ContentStatus.READY.value:
                for name, query in _FILTERS.items():
                    busy[name] += looks.pages("first", query, 5)
            for name, taken in busy.items():
                figures += _figures(f"{name}, while another is indexed", taken)
    return figures


class Looks:
    """Calls of the engine, over one connection."""

    def __init__(self, engine: Engine, host: str) -> None:
        self._engine = engine
        self._host = host
        self._session = requests.Session()
        self._session.headers["Ocp-Apim-Subscription-Key"] = engine.key
        self._random = random.Random(0)

    def register(self, name: str) -> None:
        with self._engine.client() as client:
            client.register_dataset(
                name,
                annotation_kind=AnnotationKind.IMAGE_OBJECT_DETECTION,
                annotation_file_uris=[f"http://{self._host}/account/c/{name}.json"],
            )

    def content(self, name: str) -> dict[str, Any]:
        return self._get(f"{name}/content", "")

    def wait_until_ready(self, name: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS_MAX
        while (content := self.content(name))["status"] != ContentStatus.READY.value:
            if content["status"] == ContentStatus.FAILED.value or time.monotonic() > deadline:
                raise RuntimeError(f"the content of {name} is not ready: {content}")
            time.sleep(0.2)

    def index(self, name: str) -> float:
        """Register a dataset and look at it; the seconds until its content is ready."""
        self.register(name)
        started = time.monotonic()
        self.wait_until_ready(name)
        return time.monotonic() - started

    def pages(self, name: str, query: str, count: int) -> list[float]:
        """Milliseconds of pages at places spread over all."""
        total = self._get(f"{name}/images", f"&top=1{query}")["count"]
        taken = []
        for _ in range(count):
            skip = self._random.randrange(max(1, total - IMAGES_PAGE_MAX))
            started = time.perf_counter()
            page = self._get(f"{name}/images", f"&top={IMAGES_PAGE_MAX}&skip={skip}{query}")
            taken.append(1000 * (time.perf_counter() - started))
            if len(page["value"]) != min(IMAGES_PAGE_MAX, total):
                raise RuntimeError(f"a page of {min(IMAGES_PAGE_MAX, total)} images has {len(page['value'])}")
        return taken

    def _get(self, path: str, query: str) -> dict[str, Any]:
        url = f"{self._engine.endpoint}/computervision/datasets/{path}?api-version={API_VERSION}{query}"
        reply = self._session.get(url, timeout=60)
        reply.raise_for_status()
        body: dict[str, Any] = reply.json()
        return body


def write_coco(file: Path, images: int, name: str, url_of: Callable[[int], str] | None = None) -> None:
    """A COCO file for detection; every hundredth image claims a side that is too small.

    Args:
        url_of: the address of an image by its number from 0 on; by default one where nothing is.
    """
    random_ = random.Random(0)

    def nowhere(_: int) -> str:
        return f"https://account.blob.core.windows.net/training/images/{name}-{random_.getrandbits(256):064x}.jpg"

    address = url_of or nowhere

    def image(number: int) -> dict[str, Any]:
        return {
            "id": number + 1,
            "width": 640 if number % 100 else 5,
            "height": 480,
            "file_name": f"tag {number % TAGS:02}/IMG_{number:06}.jpg",
            "absolute_url": address(number),
        }

    def annotation(number: int, image_: int) -> dict[str, Any]:
        left, top = random_.uniform(0, 0.5), random_.uniform(0, 0.5)
        bbox = [left, top, random_.uniform(0.01, 0.5), random_.uniform(0.01, 0.5)]
        facts = {"id": number + 1, "image_id": image_ + 1, "category_id": random_.randrange(TAGS) + 1}
        return {**facts, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0}

    boxed = (image_ for image_ in range(images) for _ in range(BOXES[image_ % len(BOXES)]))
    with file.open("w") as target:
        target.write('{"images": [')
        write_entries(target.write, map(image, range(images)))
        target.write('], "annotations": [')
        write_entries(target.write, (annotation(number, image_) for number, image_ in enumerate(boxed)))
        categories = [{"id": tag + 1, "name": f"tag {tag:02}"} for tag in range(TAGS)]
        target.write(f'], "categories": {json.dumps(categories)}}}')


def write_entries(write: Callable[[str], object], entries: Iterator[dict[str, Any]]) -> None:
    """The entries of a JSON list, one after the other."""
    separator = ""
    for entry in entries:
        write(separator + json.dumps(entry))
        separator = ", "


def _figures(name: str, taken: Sequence[float]) -> list[Figure]:
    return [
        Figure(f"a page of {IMAGES_PAGE_MAX}: {name}", "ms", tuple(taken), _load()),
        Figure("the same, p95", "ms", (percentile(taken, 0.95),), _load(), PAGE_LIMIT_MS),
    ]


def _database_megabytes(engine: Engine) -> float:
    return sum(file.stat().st_size for file in engine.data_dir.glob("engine.sqlite*") if "copy" not in file.name) / 1e6


def _load() -> float:
    return os.getloadavg()[0]
