"""Stored features of many images: the requests, bytes and seconds to find and read them, beside one object per image.

Writes made features by the engine's own code into files, as a training does: a chunk of 16 images at a time, which are merged
into packs. Reads them with all views, and with those of the default recipe. `before` is one float32 object per
image, as older engines stored them, of a tenth of the images; its figures are multiplied by ten.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.learning.classification.recipes import DEFAULT
from vision_customization.engine.learning.classification.views import DIMENSIONS, View
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.store import Range

KEY = "made"
CHUNK = 16
REQUESTS_MAX = 0.02
"""Limit of the requests per image, to read the default recipe's views."""


class CountingObjects(FileObjects):
    """Counts what a container would get as requests."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.requests = 0
        self.bytes = 0

    def names(self, prefix: str) -> list[str]:
        names = super().names(prefix)
        self.requests += 1 + len(names) // 5000
        return names

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        return map(self._counted, super().get_many(keys))

    def get_ranges(self, ranges: Sequence[Range]) -> Iterator[bytes | None]:
        return map(self._counted, super().get_ranges(ranges))

    def _counted(self, data: bytes | None) -> bytes | None:
        self.requests += 1
        self.bytes += len(data or b"")
        return data


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks features", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000, help="images whose features are stored (default: %(default)s)")
    options = parser.parse_args(arguments)
    images: int = options.images
    digests = [hashlib.sha256(number.to_bytes(8)).hexdigest() for number in range(images)]
    random = np.random.default_rng(0)
    made = np.abs(random.standard_normal((4096, DIMENSIONS), np.float32))
    table = Table("", "requests", "MB", "seconds", title=f"Features of {images:,} images")

    with tempfile.TemporaryDirectory(prefix="vision-features-") as work:
        objects = CountingObjects(Path(work))

        def measured(name: str, do: Callable[[], object], times: int = 1) -> float:
            objects.requests = objects.bytes = 0
            started = time.monotonic()
            do()
            seconds = time.monotonic() - started
            megabytes = f"{times * objects.bytes / 1e6:,.0f}"
            table.add_row(name, f"{times * objects.requests:,}", megabytes, f"{times * seconds:.2f}")
            return times * objects.requests / images

        few = digests[: images // 10]
        keys = [f"features/{KEY}/{digest[:2]}/{digest}" for digest in few]
        objects.put_many({key: made[row % len(made)].tobytes() + b"crc." for row, key in enumerate(keys)}, durable=False)
        measured("before: read all", lambda: sum(len(data or b"") for data in objects.get_many(keys)), 10)
        objects.delete("features")
        stored = KeptFeatures(objects, KEY, DIMENSIONS)

        def store() -> None:
            for start in range(0, images, CHUNK):
                chunk = range(start, min(start + CHUNK, images))
                stored.put({digests[number]: made[number % len(made)] for number in chunk})

        measured("store, and merge packs", store)
        before = psutil.Process().memory_info().rss
        kept = KeptFeatures(objects, KEY, DIMENSIONS)
        measured("the first look: the index", lambda: kept.missing([]))
        grown = psutil.Process().memory_info().rss - before
        measured("find 32 images", lambda: kept.missing(digests[:32]))
        measured("find all images", lambda: kept.missing(digests))
        measured("read all views", lambda: read(kept, digests, None))
        a_read = measured("read the views of the default recipe", lambda: read(kept, digests, DEFAULT.views))
        packs = len(objects.names(f"features/{KEY}/packs"))
    table.caption = f"{packs:,} packs; the index takes {grown / 1e6:.0f} MB of memory"
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return 0 if a_read <= REQUESTS_MAX else 1


def read(kept: KeptFeatures, digests: Sequence[str], views: Collection[View] | None) -> None:
    """In batches, as a fit does."""
    for positions in kept.batches(digests):
        _, found = kept.read([digests[position] for position in positions], views)
        assert found.all()
