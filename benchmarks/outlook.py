"""Outlook: trains from half of a dataset's images and compares what it expects of twice as many with what they bring.

`expected` is the accuracy that the training from half of the images expects of all of them. `test` is the accuracy of a
training from all of them on the test images, `estimate` its own. The images are those of `python -m benchmarks accuracy`. A
dataset is measured at up to four sizes, each the double of the one before.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import Dataset, FeatureCache, read_datasets
from benchmarks.options import add_data_option
from vision_customization.common.cache_folder import cache_folder
from vision_customization.contract.estimates import NO_GAIN
from vision_customization.engine.learning import TrainedClassifier, train_classifier

LEAST_A_TAG = 6
"""An outlook needs five groups of images of a usual tag: one more, because two of them may be near-duplicates."""
SIZES = 4
HELD_LEAST = 0.9
"""Least share of the intervals that hold the accuracy on test images."""


@dataclass(frozen=True)
class Compared:
    """One draw: the estimate from half of the images and what it expects of all, and what all of them bring."""

    now: float
    expected: float
    low: float
    high: float
    test_now: float
    test: float
    estimate: float

    @property
    def held(self) -> tuple[bool, bool]:
        """Whether the interval holds the accuracy on test images, and the estimate from all images."""
        return self.low <= self.test <= self.high, self.low <= self.estimate <= self.high


def sizes(least: int) -> list[int]:
    """Images per tag to train from, before they are doubled, of `least` images per tag."""
    halves = [least >> shift for shift in range(1, SIZES + 1)]
    return [size for size in reversed(halves) if size >= LEAST_A_TAG]


def compare(dataset: Dataset, images_a_tag: int, seed: int) -> Compared:
    half, double = (dataset.draw(count, seed) for count in (images_a_tag, 2 * images_a_tag))
    now, then = (train_classifier(dataset.features[rows], dataset.labels[rows], dataset.tags) for rows in (half, double))
    assert now.outlook is not None
    return Compared(
        _estimate(dataset, half, now),
        now.outlook.accuracy_top1,
        *now.outlook.interval,
        _on_test(dataset, now),
        _on_test(dataset, then),
        _estimate(dataset, double, then),
    )


def _on_test(dataset: Dataset, training: TrainedClassifier) -> float:
    answers = training.classifier.probabilities(dataset.features[dataset.test]).argmax(axis=1)
    return float((answers == dataset.labels[dataset.test]).mean())


def _estimate(dataset: Dataset, drawn: NDArray[np.int64], training: TrainedClassifier) -> float:
    held = training.held_out
    assert held is not None
    return float((held.foldings.argmax(axis=2) == dataset.labels[drawn][held.rows]).mean())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks outlook", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument("--draws", type=int, default=6, help="draws of the training images (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table(title=f"With twice as many images: expected and true accuracy, mean of {options.draws} draws")
    for column in ("dataset", "images per tag", "now", "expected", "interval", "estimate", "test now", "test", "holds test"):
        table.add_column(column, justify="left" if column == "dataset" else "right")
    done: list[Compared] = []
    for dataset in read_datasets(options.data, FeatureCache(cache_folder()), console):
        for count in sizes(dataset.least):
            draws = [compare(dataset, count, seed) for seed in range(options.draws)]
            done += draws
            mean = np.mean([(d.now, d.expected, d.low, d.high, d.estimate, d.test_now, d.test) for d in draws], axis=0)
            now, expected, low, high, estimate, test_now, test = (f"{number:.3f}" for number in mean)
            held = sum(draw.held[0] for draw in draws)
            table.add_row(
                dataset.name,
                f"{count} → {2 * count}",
                now,
                expected,
                f"{low} to {high}",
                estimate,
                test_now,
                test,
                f"{held} of {len(draws)}",
            )
    console.print(table)
    held_test, held_estimate = np.mean([draw.held for draw in done], axis=0)
    gain = np.mean([draw.expected - draw.now for draw in done])
    console.print(
        f"{len(done)} draws; the interval holds the accuracy on test images in {held_test:.2f} of them (goal: {HELD_LEAST}), "
        f"the estimate from all images in {held_estimate:.2f}"
    )
    console.print(
        f"gain, mean: expected {gain:.3f}; of the estimate {np.mean([d.estimate - d.now for d in done]):.3f}; "
        f"on test images {np.mean([d.test - d.test_now for d in done]):.3f}"
    )
    gains = {
        better: [d.test - d.test_now for d in done if (d.expected - d.now >= NO_GAIN) == better] for better in (True, False)
    }
    console.print(
        f"gain on test images where one was expected: {np.mean(gains[True]):.3f} ({len(gains[True])} draws); where none was: "
        f"{np.mean(gains[False]):.3f} ({len(gains[False])})"
    )
    console.print(
        f"off from the estimate from all images, mean: {np.mean([abs(d.expected - d.estimate) for d in done]):.3f}; "
        f"without the outlook: {np.mean([abs(d.now - d.estimate) for d in done]):.3f}"
    )
    return 0 if held_test >= HELD_LEAST else 1
