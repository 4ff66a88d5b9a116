"""Estimates from photos that show nearly the same: `python -m benchmarks bursts`.

Each of a few training images per tag is cropped a little and compressed again, four times. The estimate of a training on all
of these is compared with the accuracy on the dataset's test images: with groups of near-duplicates, as trainings do it, and
without them. Exits with 1 if a goal is missed.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import Dataset, FeatureCache, read_coco_dataset
from benchmarks.options import add_data_option
from vision_customization.common.cache_folder import cache_folder
from vision_customization.engine.learning import train_classifier
from vision_customization.engine.learning.classification.selection import run_trials

COPIES = 4
CROP_MAX = 0.06
"""Greatest share of a side that is cropped at one edge."""
QUALITIES = (60, 95)
IMAGES_A_TAG = 10
OFF_MAX = 0.05
OFF_WITHOUT_GROUPS_LEAST = 0.10
DATASETS = ("clothing", "sign-digits", "coins")
GOALS = ("clothing",)
"""The dataset whose goals count; the others are for comparison, as their test images differ from their training images."""


@dataclass(frozen=True)
class Row:
    dataset: str
    images: int
    groups: int
    truth: float
    estimate: float
    without_groups: float

    @property
    def met(self) -> bool:
        off, without = abs(self.estimate - self.truth), abs(self.without_groups - self.truth)
        return self.dataset not in GOALS or (off <= OFF_MAX and without >= OFF_WITHOUT_GROUPS_LEAST)


def near_copies(path: Path, seed: int) -> list[bytes]:
    """The picture, cropped a little and compressed again in several ways."""
    random = np.random.default_rng(seed)
    copies = []
    with Image.open(path) as picture:
        width, height = picture.size
        for _ in range(COPIES):
            left, top, right, bottom = random.uniform(0, CROP_MAX, 4)
            box = (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
            target = io.BytesIO()
            picture.convert("RGB").crop(box).save(target, "JPEG", quality=int(random.integers(*QUALITIES)))
            copies.append(target.getvalue())
    return copies


def measure(dataset: Dataset, cache: FeatureCache) -> Row:
    drawn = dataset.draw(IMAGES_A_TAG, seed=0)
    files = [data for row in drawn for data in near_copies(dataset.paths[row], int(row))]
    features, labels = cache.features_of_files(files), np.repeat(dataset.labels[drawn], COPIES)
    training = train_classifier(features, labels, list(dataset.tags))
    held = training.held_out
    assert held is not None
    alone = run_trials(features, labels, np.arange(len(labels)), len(dataset.tags), seed=0, go_on=lambda _: False)
    tests = training.classifier.probabilities(dataset.features[dataset.test])
    return Row(
        dataset.name,
        len(labels),
        held.groups,
        _accuracy(dataset.labels[dataset.test], tests),
        _accuracy(held.repeated(labels), held.flat),
        alone[0].accuracy,
    )


def _accuracy(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks bursts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_option(parser)
    options = parser.parse_args(arguments)
    cache = FeatureCache(cache_folder())
    names = [name for name in DATASETS if (options.data / name).is_dir()]
    rows = [measure(read_coco_dataset(options.data / name, cache), cache) for name in names]
    table = Table(title="Near-duplicates: top-1 accuracy, estimated and on test images")
    for column in ("dataset", "images", "groups", "truth", "estimate", "without groups", ""):
        table.add_column(column, justify="left" if column in ("dataset", "") else "right")
    for row in rows:
        figures = (f"{row.truth:.3f}", f"{row.estimate:.3f}", f"{row.without_groups:.3f}")
        table.add_row(row.dataset, str(row.images), str(row.groups), *figures, "ok" if row.met else "MISSED")
    Console(width=None if sys.stdout.isatty() else 128).print(table)
    return 0 if rows and all(row.met for row in rows) else 1
