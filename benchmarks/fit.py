"""A classifier's fit on many images: peak memory, seconds of each stage, requests and bytes.

The images and their features are made: of each tag a mean, and noise of each image's own. A stand-in for the object store
computes what a range of a pack holds when it is read. All above it is the engine's own code: the plan, the index of packs, the
sample, the choice, the sums, the estimate and its outcomes. One process writes the plan and the shards' digests; the next one
fits, and its memory is measured. Then the classifier that sums give is compared with that of the fit in memory, on 10,000
images.
"""

import argparse
import hashlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr
from rich.console import Console

from benchmarks.figures import Figure, to_table
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.models import TrainingProgress
from vision_customization.engine.annotations import TaggedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.images.embedding import Embedding
from vision_customization.engine.jobs.images.kept_features import PACK_IMAGES, KeptFeatures
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.packs import PackLayout
from vision_customization.engine.jobs.images.plan import Part, Plan, interleaved
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import digests_key
from vision_customization.engine.jobs.images.stored_images import Everything
from vision_customization.engine.jobs.kinds.classifier import ClassifierTraining
from vision_customization.engine.jobs.kinds.classifier_performance import stored_images
from vision_customization.engine.jobs.kinds.training import TRAINING, TrainingJob
from vision_customization.engine.learning import Classifier
from vision_customization.engine.learning.classification.classifier import apply_blocks
from vision_customization.engine.learning.classification.everything import sum_up
from vision_customization.engine.learning.classification.recipes import DEFAULT
from vision_customization.engine.learning.classification.sums import summed_head
from vision_customization.engine.learning.classification.training import fit_classifier
from vision_customization.engine.learning.classification.views import DIMENSIONS, VIEWS
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.store import Range
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder
from vision_customization.engine.store.cipher import TokenCipher

KEY = "made"
FOLDER = f"features/{KEY}/packs"
NOISE = 20.0
"""Enough that not all images are recognised."""
BASE = "https://account.blob.core.windows.net/container/images"
COMPARED_IMAGES = 10_000
MEMORY_LIMIT_GIB = 4.0
DIFFERENCE_MAX = 1e-4
_LAYOUT = PackLayout(tuple(view.dimensions for view in VIEWS))
_BANK = 1024

Found = TypeVar("Found")


class MadeExtractor:
    key = KEY
    dimensions = DIMENSIONS

    def extract(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float32]]:
        raise AssertionError(f"all features are kept already, but {len(images)} images are to be embedded")


class MadeObjects(FileObjects):
    """Files, and packs of made features of `images` images of `tags` tags: image number i has tag i % tags."""

    def __init__(self, root: Path, images: int, tags: int) -> None:
        super().__init__(root)
        self._images = images
        self._tags = tags
        self._heads: dict[str, int] = {}
        self.requests = 0
        self.bytes = 0
        for start in range(0, images, PACK_IMAGES):
            count = min(PACK_IMAGES, images - start)
            self._heads[f"{FOLDER}/{count}-{start:016x}"] = start

    def names(self, prefix: str) -> list[str]:
        if prefix == f"features/{KEY}":
            return ["packs"]
        if prefix != FOLDER:
            return super().names(prefix)
        self.requests += 1
        return [key.rpartition("/")[2] for key in self._heads]

    def get_ranges(self, ranges: Sequence[Range]) -> Iterator[bytes | None]:
        for key, start, stop in ranges:
            data = self._made(key, start, stop)
            self.requests += 1
            self.bytes += len(data)
            yield data

    def _made(self, key: str, start: int, stop: int) -> bytes:
        first = self._heads[key]
        images = min(PACK_IMAGES, self._images - first)
        head = b"".join(map(digest_of, range(first, first + images)))
        head += zlib.crc32(head).to_bytes(4, "little")
        if start == 0:
            return head[:stop]
        parts = []
        for group, width in enumerate(_LAYOUT.widths):
            begin, end = _LAYOUT.span(images, group, 0, images)
            if (low := max(start, begin)) < (high := min(stop, end)):  # whole records: no reader asks for parts of one
                size = (end - begin) // images
                rows = np.arange(first + (low - begin) // size, first + (high - begin) // size)
                records = np.zeros(len(rows), np.dtype([("values", "<f2", (width,)), ("crc", "<u4")]))
                records["values"] = self._values(rows, group)
                records["crc"] = [zlib.crc32(values) for values in records["values"]]
                parts.append(records.tobytes())
        return b"".join(parts)

    def _values(self, numbers: NDArray[np.int64], group: int) -> NDArray[np.float16]:
        means, bank = _made_parts(group, self._tags)
        mixed = numbers * 2654435761 % 2**32  # so that images of a tag do not share their noise
        return (means[numbers % self._tags] + bank[mixed % _BANK] + bank[mixed // _BANK % _BANK]).astype(np.float16)


@lru_cache(len(VIEWS))
def _made_parts(group: int, tags: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(group)
    width = _LAYOUT.widths[group]
    bank = random.standard_normal((_BANK, width), np.float32) * np.float32(NOISE / np.sqrt(2))
    return random.standard_normal((tags, width), np.float32), bank


def digest_of(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "little")).digest()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks fit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000, help="images of the training (default: %(default)s)")
    parser.add_argument("--tags", type=int, default=1000, help="tags of the dataset (default: %(default)s)")
    options = parser.parse_args(arguments)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="vision-fit-") as work:
        for measure, images in ((fit, options.images), (compare_with_memory, COMPARED_IMAGES)):
            folder = Path(work) / measure.__name__
            in_process(prepare, folder, images, options.tags)
            figures += in_process(measure, folder, images, options.tags)
    Console(width=None if sys.stdout.isatty() else 120).print(
        to_table(figures, f"Fit on {options.images:,} images of {options.tags:,} tags")
    )
    return 0 if all(figure.met for figure in figures) else 1


def in_process(function: Callable[[Path, int, int], Found], folder: Path, images: int, tags: int) -> Found:
    """Call the function in a process of its own, whose memory is only its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, (folder, images, tags))


@contextmanager
def opened(folder: Path, images: int, tags: int) -> Iterator[tuple[TrainingJob, MadeObjects]]:
    """The job of the training."""
    settings = Settings(data_dir=folder, keys=(SecretStr("x" * 40),))
    store, reader = Store.open(settings), BlobReader(())
    objects = MadeObjects(folder / "objects", images, tags)
    kept = KeptFeatures(objects, KEY, DIMENSIONS)
    resources = Resources(store, objects, reader, MadeExtractor(), kept, decoders=2)
    try:
        model_id = (folder / "model").read_text() if (folder / "model").exists() else _order(store, folder)
        yield TrainingJob(resources, Plans(objects, TokenCipher.open(settings)), model_id), objects
    finally:
        reader.close()
        store.close()


def _order(store: Store, folder: Path) -> str:
    name = "made"
    store.datasets.create(name, AnnotationKind.IMAGE_CLASSIFICATION, ["https://a.blob.core.windows.net/c/coco.json"])
    order = TrainingOrder(training_dataset_name=name, time_budget_in_hours=10, model_kind=ModelKind.GENERIC_CLASSIFIER)
    model_id = store.models.create(name, order).id
    (folder / "model").write_text(model_id)
    return model_id


def prepare(folder: Path, images: int, tags: int) -> None:
    """What the steps before the fit leave behind: the plan, and each shard's digests."""
    folder.mkdir(parents=True)
    with opened(folder, images, tags) as (job, objects):
        digits = len(str(images))
        made = [
            TaggedImage(f"{BASE}/{number:0{digits}}.jpg", number % tags, f"coco.json: images[{number}]")
            for number in range(images)
        ]
        names = tuple(f"tag {tag:04}" for tag in range(tags))
        part = Part("made", names, interleaved(made), Access(None, False, ()), (10, 10_240))
        job.keep_plan(Plan((part,)), 0.0)
        for shard in job.plan.shards:
            numbers = [int(image.url[-4 - digits : -4]) for image in part.images[shard.start : shard.stop]]
            digests = "[" + ",".join(f'"{digest_of(number).hex()}"' for number in numbers) + "]"
            objects.put(digests_key(job.name, shard), digests.encode(), durable=False)


def fit(folder: Path, images: int, tags: int) -> list[Figure]:
    with opened(folder, images, tags) as (job, objects):
        stages: dict[str, float] = {}
        last = [time.monotonic(), "reading digests and the sample"]
        report = job.report

        def reported(progress: TrainingProgress) -> None:
            now = time.monotonic()
            stages[str(last[1])] = stages.get(str(last[1]), 0.0) + now - float(last[0])
            if progress.stage != last[1]:
                print(f"{now - started:7.1f} s  {_peak_gib():.2f} GiB  {progress.stage} …", flush=True)
            last[:] = [now, progress.stage]
            report(progress)

        job.report = reported  # type: ignore[method-assign]
        started = time.monotonic()
        shards = len(job.plan.shards)
        fitted = ClassifierTraining(job, folder).fit(shards, 0.0, TrainingProgress(stage="reading"))
        seconds = time.monotonic() - started
        stages[str(last[1])] = stages.get(str(last[1]), 0.0) + time.monotonic() - float(last[0])
        assert fitted["performance"] is not None
        accuracy = fitted["performance"]["accuracyTop1"]
        return [
            Figure("peak memory of the process", "GiB", (_peak_gib(),), _load(), MEMORY_LIMIT_GIB),
            Figure("the whole fit", "s", (seconds,), _load()),
            *(Figure(f"… {stage}", "s", (taken,), _load()) for stage, taken in stages.items()),
            Figure("requests", "", (objects.requests,), _load()),
            Figure("read", "GB", (objects.bytes / 1e9,), _load()),
            Figure("estimated accuracy", "", (accuracy,), _load()),
        ]


def compare_with_memory(folder: Path, images: int, tags: int) -> list[Figure]:
    """The default recipe, fitted by sums and in memory: the greatest differences of a score, whose standard deviation is 1, and
    of a probability."""
    with opened(folder, images, tags) as (job, _):
        stored = stored_images(job, Embedding(job.resources), TRAINING, len(job.plan.shards), tags)
        features = stored.features(np.arange(len(stored)))
        names = list(job.plan.parts[TRAINING].tags)
        in_memory = fit_classifier(DEFAULT, features, stored.labels, names, sharpness=1.0)
        sample = np.arange(0, len(stored), 3)
        summed = sum_up(DEFAULT, features[sample], Everything(stored, sample), one_tag=True, report=lambda _share: None)
        head = summed_head(DEFAULT, summed.others + summed.alike)
        by_sums = Classifier(tuple(names), summed.blocks, head.weights.astype(np.float32), head.bias.astype(np.float32))
        figures = []
        for name, of in (("score", _scores), ("probability", Classifier.probabilities)):
            difference = float(np.abs(of(by_sums, features) - of(in_memory, features)).max())
            title = f"greatest difference of a {name} from the fit in memory, {images:,} images"
            figures.append(Figure(title, "millionths", (1e6 * difference,), _load(), 1e6 * DIFFERENCE_MAX))
        return figures


def _scores(classifier: Classifier, features: NDArray[np.float16]) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = apply_blocks(classifier.blocks, features) @ classifier.weights + classifier.bias
    return scores


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _load() -> float:
    return os.getloadavg()[0]
