"""Label issues: flips a tenth of a dataset's labels, and looks where the training's estimate ranks them.

The images are those of `python -m benchmarks accuracy`, training and test images together. An image counts if the estimate
covers it.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import Dataset, FeatureCache, read_datasets
from benchmarks.options import add_data_option
from vision_customization.common.cache_folder import cache_folder
from vision_customization.engine.learning import train_classifier
from vision_customization.engine.learning.label_issues import likely_labels

FLIPPED = 0.1
FIRST = 0.15
GOAL = 0.6
"""Share of the flipped labels that is among the first 15 % of the list."""


@dataclass(frozen=True)
class Found:
    """`images` are those that the estimate covers. `first` is the share of the flipped labels among the first of the list;
    `recall` and `precision` are those of the marks; `corrected` is the share of the flipped labels whose right tag is named."""

    images: int
    first: float
    recall: float
    precision: float
    corrected: float


def measure(dataset: Dataset, seed: int) -> Found:
    random = np.random.default_rng(seed)
    truth, tags = dataset.labels.astype(np.int64), len(dataset.tags)
    flips = random.choice(len(truth), int(FLIPPED * len(truth)), replace=False)
    labels = truth.copy()
    labels[flips] = (truth[flips] + random.integers(1, tags, len(flips))) % tags
    held = train_classifier(dataset.features, labels, dataset.tags).held_out
    assert held is not None
    labels, truth = labels[held.rows], truth[held.rows]
    flipped = labels != truth
    order = np.argsort(held.probabilities[np.arange(len(labels)), labels], kind="stable")
    likely = likely_labels(labels, held.probabilities)
    marked = likely != labels
    return Found(
        len(labels),
        float(flipped[order[: round(FIRST * len(labels))]].sum() / flipped.sum()),
        float(marked[flipped].mean()),
        float(flipped[marked].mean()) if marked.any() else 0.0,
        float((likely == truth)[flipped].mean()),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks label-issues", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument("--seeds", type=int, default=3, help="flips per dataset (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table(title=f"{FLIPPED:.0%} of the labels flipped, mean of {options.seeds}")
    for column in ("dataset", "images", f"in the first {FIRST:.0%}", "marked", "of the marked, flipped", "right tag named"):
        table.add_column(column, justify="left" if column == "dataset" else "right")
    firsts = []
    for dataset in read_datasets(options.data, FeatureCache(cache_folder()), console):
        found = [measure(dataset, seed) for seed in range(options.seeds)]
        numbers = np.mean([(each.first, each.recall, each.precision, each.corrected) for each in found], axis=0)
        firsts.append(numbers[0])
        table.add_row(dataset.name, str(found[0].images), *(f"{number:.2f}" for number in numbers))
    console.print(table)
    console.print(f"in the first {FIRST:.0%}, mean: {np.mean(firsts):.2f} (goal: {GOAL})")
    return 0 if np.mean(firsts) >= GOAL else 1
