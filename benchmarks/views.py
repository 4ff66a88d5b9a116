"""Thumbnails and views: what they cost, alone, beside a training, and beside analyses.

Photographs are made of the labelled datasets' images, or of the sample dataset's where those are missing: enlarged, with the
noise of a camera. Everything runs in this process, as in the engine, but without HTTP in front of it.
"""

import argparse
import io
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from benchmarks.figures import Figure, compare, percentile, to_table
from benchmarks.options import add_data_option
from benchmarks.processes import Script
from examples.textile import package_folders
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.annotations import TaggedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.images.embedding import Embedding
from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.jobs.images.pictures import Pictures
from vision_customization.engine.jobs.images.plan import SHARD_IMAGES, Part, Plan
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import Shards
from vision_customization.engine.learning import FeatureExtractor, decode_image
from vision_customization.engine.learning.images import decode_to_show
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.settings import Settings, default_weights_dir, usable_cores
from vision_customization.engine.store import DatasetRecord, Store
from vision_customization.engine.views.image_views import ImageViews
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, VIEW_SIDE, jpeg

JUMP = 60
"""Thumbnails of one screen of the grid."""
JUMP_LIMIT_MS = 500.0
SHARD_LIMIT = 1.03
BESIDE_LIMIT = 1.3
PHOTO_WIDTHS = (640, 1600, 4000)
"""Of 0.3, 2 and 12 megapixels."""

_DATASETS = ("aquarium", "microcontrollers", "produce")
_FEW = 10
_LOOKING = 8


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks views", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="shards with and without thumbnails (default: %(default)s)")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    sources = photo_sources(options.data)
    figures = _of_the_functions(sources)
    with tempfile.TemporaryDirectory(prefix="vision-views-") as work, _world(Path(work), sources) as world:
        figures += [*world.jumps(options.rounds), *world.shards(options.rounds), *world.beside_analyses(options.rounds)]
    console.print(to_table(figures, "Thumbnails and views: median (least–greatest)"))
    return 0 if all(figure.met for figure in figures) else 1


def _of_the_functions(sources: Sequence[Path]) -> list[Figure]:
    figures = []
    for width in PHOTO_WIDTHS:
        photos = [photo(source, width) for source in sources[:_FEW]]
        seconds = [_cpu_seconds(partial(reencoded, data, THUMBNAIL_SIDE)) for data in photos]
        beside = [_cpu_seconds(partial(_with_thumbnail, data)) - _cpu_seconds(partial(decode_image, data)) for data in photos]
        sizes = [len(reencoded(data, THUMBNAIL_SIDE)) / 1000 for data in photos]
        size = f"{width} × {3 * width // 4}"
        figures += [
            Figure(f"thumbnails of {size} JPEGs, a core", "/s", tuple(1 / each for each in seconds), _load()),
            Figure("a thumbnail while it is decoded for a network", "ms", tuple(1000 * each for each in beside), _load()),
            Figure("their size", "kB", tuple(sizes), _load()),
        ]
    views = [_cpu_seconds(partial(reencoded, data, VIEW_SIDE)) for data in photos]
    sizes = [len(reencoded(data, VIEW_SIDE)) / 1000 for data in photos]
    return [
        *figures,
        Figure("a view of a 12-megapixel JPEG", "ms", tuple(1000 * each for each in views), _load()),
        Figure("its size", "kB", tuple(sizes), _load()),
    ]


@dataclass(frozen=True)
class World:
    """An engine's parts in a folder, and a dataset on the loopback interface."""

    folder: Path
    store: Store
    reader: BlobReader
    extractor: FeatureExtractor
    dataset: DatasetRecord
    urls: Sequence[str]

    def jumps(self, rounds: int) -> list[Figure]:
        """All thumbnails of a screen at once: made from blobs, then stored ones, each time with nothing in memory."""
        made, stored = [], []
        for number in range(rounds):
            objects = FileObjects(self.folder / f"jump-{number}")
            made.append(1000 * self._jump(objects))
            stored.append(1000 * self._jump(objects))
        return [
            Figure(f"{JUMP} stored thumbnails", "ms", tuple(stored), _load(), JUMP_LIMIT_MS),
            Figure(f"{JUMP} thumbnails made of 1600 × 1200 JPEGs", "ms", tuple(made), _load()),
        ]

    def _jump(self, objects: FileObjects) -> float:
        with ImageViews(self.store, objects, self.reader, usable_cores()) as views:
            started = time.perf_counter()
            answers = [views.thumbnail(self.dataset, url) for url in self.urls[:JUMP]]
            for answer in answers:
                answer.result()
            return time.perf_counter() - started

    def shards(self, rounds: int) -> list[Figure]:
        """Two shards of a classifier and of a detector, with thumbnails and without, in turns."""
        figures = []
        for title, detector, limit in (("embedded", False, SHARD_LIMIT), ("kept for a detector", True, None)):
            walls: tuple[list[float], list[float]] = ([], [])
            cpus: tuple[list[float], list[float]] = ([], [])
            self._shard("warm-up", detector=detector, thumbnails=True)
            for number in range(rounds):
                for thumbnails in (True, False) if number % 2 else (False, True):
                    name = f"{title}-{number}-{thumbnails}".replace(" ", "-")
                    wall, cpu = self._shard(name, detector=detector, thumbnails=thumbnails)
                    walls[thumbnails].append(wall)
                    cpus[thumbnails].append(cpu)
            what = f"{len(self.urls)} images {title}, with thumbnails, to without"
            figures += [
                compare(what, "s", walls[True], walls[False], load=_load()),
                compare("the same, processor time", "s", cpus[True], cpus[False], load=_load(), limit=limit),
            ]
        return figures

    def _shard(self, name: str, *, detector: bool, thumbnails: bool) -> tuple[float, float]:
        """Seconds, and processor seconds of this process."""
        objects = FileObjects(self.folder / name)
        kept = KeptFeatures(objects, self.extractor.key, self.extractor.dimensions)
        stored = KeptThumbnails(objects) if thumbnails else None
        resources = Resources(
            self.store, objects, self.reader, self.extractor, kept, decoders=usable_cores(), thumbnails=stored
        )
        images = tuple(TaggedImage(url, 0, "") for url in self.urls)
        plan = Plan((Part("photos", ("a",), images, Access(None, False, ()), (10, 10_240)),))
        keeping = Pictures(objects) if detector else Embedding(resources)
        shards = Shards(resources, keeping, "job", plan, lambda: None)
        started, cpu = time.perf_counter(), time.process_time()
        for shard in plan.shards:
            shards.keep(shard)
        return time.perf_counter() - started, time.process_time() - cpu

    def beside_analyses(self, rounds: int) -> list[Figure]:
        """One image after the other is decoded and embedded, as analyze does, while thumbnails are made without a pause."""
        files = [self._read(url) for url in self.urls[:_FEW]]

        def analyze() -> list[float]:
            taken = []
            for data in files * 3:
                started = time.perf_counter()
                self.extractor.extract([decode_image(data).pixels])
                taken.append(1000 * (time.perf_counter() - started))
            return taken

        analyze()
        idle: list[list[float]] = []
        beside: list[list[float]] = []
        pictures = 0
        for number in range(rounds):
            idle.append(analyze())
            with ImageViews(self.store, FileObjects(self.folder / f"beside-{number}"), self.reader, usable_cores()) as views:
                scrolling = _Scrolling(views, self.dataset, self.urls)
                beside.append(analyze())
                pictures += scrolling.stop()
        seconds = sum(map(sum, beside)) / 1000
        medians = [[statistics.median(taken) for taken in side] for side in (beside, idle)]
        tails = [percentile([one for taken in side for one in taken], 0.95) for side in (beside, idle)]
        return [
            compare("an analysis beside them, p50, to idle", "ms", *medians, load=_load(), limit=BESIDE_LIMIT),
            compare("the same, p95", "ms", [tails[0]], [tails[1]], load=_load()),
            Figure("pictures made meanwhile", "/s", (pictures / seconds,), _load()),
        ]

    def _read(self, url: str) -> bytes:
        blob = self.reader.read(url)
        return blob.data  # type: ignore[union-attr]


class _Scrolling:
    """Keeps asking for views, eight at a time, until it is stopped."""

    def __init__(self, views: ImageViews, dataset: DatasetRecord, urls: Sequence[str]) -> None:
        self._views = views
        self._dataset = dataset
        self._urls = list(urls)
        self._stopping = threading.Event()
        self._made = 0
        self._threads = [threading.Thread(target=self._look, args=(number,)) for number in range(_LOOKING)]
        for thread in self._threads:
            thread.start()

    def _look(self, number: int) -> None:
        while not self._stopping.is_set():
            self._views.view(self._dataset, self._urls[number % len(self._urls)]).result()
            number += _LOOKING
            self._made += 1

    def stop(self) -> int:
        """How many pictures were made."""
        made = self._made
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        return made


@contextmanager
def _world(folder: Path, sources: Sequence[Path]) -> Iterator[World]:
    blobs = folder / "blobs"
    (blobs / "photos").mkdir(parents=True)
    names = [f"photos/{number}.jpg" for number in range(2 * SHARD_IMAGES)]
    for number, name in enumerate(names):
        (blobs / name).write_bytes(photo(sources[number % len(sources)], 1600))
    with Script("benchmarks.blobs", str(blobs)) as server:
        host = f"127.0.0.1:{server.ask(do='port')['port']}"
        settings = Settings(data_dir=folder / "engine", allowed_hosts=(host,))
        store = Store.open(settings)
        try:
            uri = f"http://{host}/photos/train.json"
            dataset = store.datasets.create("photos", AnnotationKind.IMAGE_CLASSIFICATION, [uri])
            with BlobReader(settings.allowed_hosts) as reader:
                extractor = FeatureExtractor(default_weights_dir(), usable_cores())
                yield World(folder, store, reader, extractor, dataset, [f"http://{host}/{name}" for name in names])
        finally:
            store.close()


def reencoded(data: bytes, side: int) -> bytes:
    """An image file as the picture that people see, whose longer side is at most `side` pixels."""
    return jpeg(decode_to_show(data, side).pixels, side)


def photo(source: Path, width: int) -> bytes:
    """The image enlarged to `width` × ¾ `width` pixels, with noise, as JPEG of quality 90: 12 megapixels take 1.4 MB."""
    with Image.open(source) as image:
        size = (width, 3 * width // 4)
        pixels = np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), np.int16)
    noise = np.random.default_rng(width).integers(-4, 5, pixels.shape, np.int16)
    target = io.BytesIO()
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(target, "JPEG", quality=90)
    return target.getvalue()


def photo_sources(data: Path) -> list[Path]:
    """Images to make photographs of, some of each dataset."""
    found = [sorted((data / name).glob("images/**/*.jpg"))[:SHARD_IMAGES] for name in _DATASETS]
    mixed = [file for files in zip(*found, strict=False) for file in files]
    return mixed or [file for folder in package_folders().values() for file in sorted(folder.glob("*.jpg"))[:_FEW]]


def _with_thumbnail(data: bytes) -> None:
    """As a worker makes one of an image that it decodes anyway."""
    small = decode_image(data, small_side=THUMBNAIL_SIDE).small
    assert small is not None
    jpeg(small, THUMBNAIL_SIDE)


def _cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time of this thread, the least of five: other work on the machine only adds to it."""
    taken = []
    for _ in range(5):
        started = time.thread_time()
        work()
        taken.append(time.thread_time() - started)
    return min(taken)


def _load() -> float:
    return os.getloadavg()[0]
