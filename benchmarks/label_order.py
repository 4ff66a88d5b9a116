"""What to label next: accuracy after so many labels per tag in the order of the Studio, against other orders.

The images are those of `python -m benchmarks accuracy`. For each draw, four fifths of a dataset's training images are a draft
without labels. An order gives the images one after the other, and learns their tags then; after N labels per tag, the default
recipe learns from what is labelled and is measured on the test images. A tag that was not met yet counts as wrong.

- `most useful first` is the order of the Studio (`engine.drafts.ordering`), asked again every 4 labels.
- `chance` is a random order.
- `by name` is the order of the files' names, in which the images of a tag often follow each other.
- `k-center first` begins with the images that differ most, and goes on as the first one.

Exits with 1 if the order of the Studio is behind chance: on average at any N, or by more than DATASET_BEHIND_MAX for a dataset.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import Dataset, FeatureCache, read_datasets
from benchmarks.options import CHECKOUT, add_data_option
from vision_customization.common.cache_folder import cache_folder
from vision_customization.engine.drafts.ordering import FIRST_PER_TAG, distances, most_useful
from vision_customization.engine.drafts.vectors import Projection
from vision_customization.engine.learning.classification.recipes import DEFAULT
from vision_customization.engine.learning.classification.training import fit_classifier
from vision_customization.engine.learning.classification.views import views_in

LABELS_PER_TAG = (2, 4, 8, 12)
DATASET_BEHIND_MAX = 0.06
"""The smallest test sets have 75 images, so the mean of three draws has a standard error of 3 to 5 points there."""

POOL_SHARE = 0.8
ASKED_AT_ONCE = 4

Vectors = NDArray[np.float32]
Positions = NDArray[np.int64]
Next = Callable[[Vectors, Positions, Positions, Positions, int], Positions]


@dataclass(frozen=True)
class Row:
    """Accuracy on the test images by order, mean over the draws, after `labels_per_tag` labels per tag."""

    dataset: str
    labels_per_tag: int
    accuracy: dict[str, float]


def k_center_first(vectors: Vectors, unlabelled: Positions, labelled: Positions, tags: Positions, count: int) -> Positions:
    """As the Studio's order, but at first the image that is furthest from all that are labelled."""
    if len(labelled) >= FIRST_PER_TAG * max(2, len(np.unique(tags))):
        return most_useful(vectors, unlabelled, labelled, tags, count)
    centres = vectors[labelled] if len(labelled) else vectors.mean(axis=0, keepdims=True)
    ways = distances(vectors[unlabelled], centres).min(axis=1)
    taken = []
    for _ in range(min(count, len(unlabelled))):
        furthest = int(ways.argmax())
        taken.append(furthest)
        ways = np.minimum(ways, distances(vectors[unlabelled], vectors[unlabelled[[furthest]]])[:, 0])
        ways[taken] = -1
    return unlabelled[taken]


ORDERS: dict[str, Next | None] = {
    "most useful first": most_useful,
    "chance": None,
    "by name": None,
    "k-center first": k_center_first,
}


def order_of(name: str, dataset: Dataset, pool: Positions, labels: int, seed: int) -> Positions:
    """Positions in `pool`, in which so many labels are given."""
    following = ORDERS[name]
    if following is None:
        named = sorted(range(len(pool)), key=lambda index: str(dataset.paths[pool[index]]))
        whole = np.random.default_rng(seed).permutation(len(pool)) if name == "chance" else np.array(named)
        return np.asarray(whole[:labels], np.int64)
    vectors = Projection.fit(dataset.features[pool], len(pool)).vectors(dataset.features[pool]).astype(np.float32)
    truth = dataset.labels[pool].astype(np.int64)
    labelled, unlabelled = np.empty(0, np.int64), np.arange(len(pool))
    while len(labelled) < min(labels, len(pool)):
        chosen = following(vectors, unlabelled, labelled, truth[labelled], ASKED_AT_ONCE)
        labelled, unlabelled = np.concatenate([labelled, chosen]), np.setdiff1d(unlabelled, chosen)
    return labelled[:labels]


def accuracy_of(dataset: Dataset, rows: Positions) -> float:
    """Of the default recipe on the test images, having learnt from these images."""
    met, labels = np.unique(dataset.labels[rows], return_inverse=True)
    if len(met) < 2:
        return float((dataset.labels[dataset.test] == met[0]).mean())
    recipe = DEFAULT.within(views_in(dataset.features.shape[1]))
    tags = [dataset.tags[tag] for tag in met]
    classifier = fit_classifier(recipe, dataset.features[rows], labels.astype(np.int64), tags, sharpness=1.0)
    answers = met[classifier.probabilities(dataset.features[dataset.test]).argmax(axis=1)]
    return float((answers == dataset.labels[dataset.test]).mean())


def measure(dataset: Dataset, draws: int) -> list[Row]:
    training = np.flatnonzero(~dataset.test)
    size = int(POOL_SHARE * len(training))
    counts = [count for count in LABELS_PER_TAG if count * len(dataset.tags) <= size]
    found: dict[str, list[list[float]]] = {name: [] for name in ORDERS}
    for seed in range(draws if counts else 0):
        pool = np.sort(np.random.default_rng(seed).permutation(training)[:size])
        for name in ORDERS:
            order = order_of(name, dataset, pool, counts[-1] * len(dataset.tags), seed)
            found[name].append([accuracy_of(dataset, pool[order[: count * len(dataset.tags)]]) for count in counts])
    means = {name: np.mean(values, axis=0).tolist() for name, values in found.items() if values}
    return [Row(dataset.name, count, {name: means[name][position] for name in ORDERS}) for position, count in enumerate(counts)]


def to_table(rows: Sequence[Row], draws: int) -> Table:
    table = Table(title=f"Accuracy after so many labels per tag, mean of {draws} draws")
    for column in ("dataset", "labels per tag", *ORDERS):
        table.add_column(column, justify="left" if column == "dataset" else "right")
    for row in rows:
        table.add_row(row.dataset, str(row.labels_per_tag), *(f"{row.accuracy[name]:.3f}" for name in ORDERS))
    return table


def means_of(rows: Sequence[Row]) -> list[Row]:
    """Over the datasets, for each number of labels per tag."""
    means = []
    for count in sorted({row.labels_per_tag for row in rows}):
        of_count = [row.accuracy for row in rows if row.labels_per_tag == count]
        means.append(Row("mean", count, {name: float(np.mean([each[name] for each in of_count])) for name in ORDERS}))
    return means


def is_met(row: Row, behind_max: float) -> bool:
    return row.accuracy["most useful first"] >= row.accuracy["chance"] - behind_max


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks label-order", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument(
        "--json", type=Path, default=CHECKOUT / ".vision" / "benchmarks" / "label-order.json", help="where the figures go"
    )
    parser.add_argument("--draws", type=int, default=3, help="drafts per dataset (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120)
    datasets = read_datasets(options.data, FeatureCache(cache_folder()), console)
    rows = [row for dataset in datasets for row in measure(dataset, options.draws)]
    if not rows:
        console.print(f"skipped: there is no dataset with enough images in {options.data}")
        return 0
    means = means_of(rows)
    console.print(to_table([*rows, *means], options.draws))
    met = all(is_met(row, 0.0) for row in means) and all(is_met(row, DATASET_BEHIND_MAX) for row in rows)
    console.print("ok" if met else "MISSED: the order of the Studio is behind chance")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"rows": [asdict(row) for row in [*rows, *means]], "met": met}, indent=1) + "\n")
    return 0 if met else 1
