"""Does `novelty` tell other datasets' images from those that a classifier was trained for? `python -m benchmarks novelty`.

For each dataset and number of images per tag: the area under the curve of its own test images against the test images of all
other datasets, and of the other dataset that is hardest to tell. Then how long an image takes with the output and without it.
Exits with 1 if a goal is missed.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata

from benchmarks.accuracy import ALL, Dataset, FeatureCache, read_datasets
from benchmarks.options import CHECKOUT, add_data_option
from vision_customization.common.cache_folder import cache_folder
from vision_customization.contract.limits import NOVEL
from vision_customization.engine.learning import Classifier, ClassifierSession, export_classifier, train_classifier
from vision_customization.engine.learning.classification.recipes import TEXTURE
from vision_customization.engine.learning.classification.training import fit_classifier, with_novelty

IMAGES_A_TAG = (2, 5, 10, ALL)
AREA_LEAST = 0.95
"""Of the mean over all rows."""
RATIO_MOST = 1.02


@dataclass(frozen=True)
class Row:
    """`area` and `hardest_area` are means over the draws, the latter of the hardest other dataset; `false` and `found` are the
    shares marked as novel of the own test images and of the others."""

    dataset: str
    images_a_tag: int
    area: float
    hardest: str
    hardest_area: float
    false: float
    found: float


def area_under_curve(own: NDArray[np.floating], others: NDArray[np.floating]) -> float:
    """The share of pairs in which the other image is the more novel one; equal ones count half (Mann & Whitney 1947)."""
    ranks = rankdata(np.concatenate([own, others]))[len(own) :]
    return float((ranks.sum() - len(others) * (len(others) + 1) / 2) / (len(own) * len(others)))


def novelties(classifier: Classifier, dataset: Dataset) -> NDArray[np.float32]:
    """Of the dataset's test images."""
    found = classifier.novelties(dataset.features[dataset.test])
    assert found is not None, "there are two images of each tag"
    return found


def measure(dataset: Dataset, others: Sequence[Dataset], images_a_tag: int, draws: int) -> Row:
    areas, false, found = [], [], []
    by_other: dict[str, list[float]] = {other.name: [] for other in others}
    for seed in range(draws if images_a_tag else 1):
        drawn = dataset.draw(images_a_tag, seed)
        classifier = train_classifier(dataset.features[drawn], dataset.labels[drawn], list(dataset.tags)).classifier
        own = novelties(classifier, dataset)
        foreign = {other.name: novelties(classifier, other) for other in others}
        for name, found_there in foreign.items():
            by_other[name].append(area_under_curve(own, found_there))
        together = np.concatenate(list(foreign.values()))
        areas.append(area_under_curve(own, together))
        false.append(float((own >= NOVEL).mean()))
        found.append(float((together >= NOVEL).mean()))
    means: Mapping[str, float] = {name: float(np.mean(values)) for name, values in by_other.items()}
    hardest = min(means, key=lambda name: means[name])
    return Row(
        dataset.name,
        images_a_tag,
        float(np.mean(areas)),
        hardest,
        means[hardest],
        float(np.mean(false)),
        float(np.mean(found)),
    )


def measure_ratio(dataset: Dataset, cache_dir: Path, rounds: int) -> tuple[float, float]:
    """The median time per image of the cheapest recipe's file with novelty, in ms, and its ratio to that without: the median
    over pairs, whose order alternates."""
    features, labels = dataset.features[~dataset.test], dataset.labels[~dataset.test]
    plain = fit_classifier(TEXTURE, features, labels, dataset.tags, sharpness=1.0)
    told = with_novelty(plain, features, labels)
    sessions = [ClassifierSession(export_classifier(classifier, cache_dir / "weights")) for classifier in (told, plain)]
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    times, ratios = [], []
    for index in range(rounds):
        seconds = [0.0, 0.0]
        for side in (0, 1) if index % 2 else (1, 0):
            begun = time.perf_counter()
            sessions[side].classify(pixels)
            seconds[side] = time.perf_counter() - begun
        times.append(seconds[0])
        ratios.append(seconds[0] / seconds[1])
    return statistics.median(times) * 1000, statistics.median(ratios)


def to_table(rows: Sequence[Row], draws: int) -> Table:
    table = Table(title=f"Area under the curve, own test images against other datasets', mean of {draws} draws")
    for column in ("dataset", "images per tag", "area", "hardest", "its area", "own marked", "others marked"):
        table.add_column(column, justify="left" if column in ("dataset", "hardest") else "right")
    for row in rows:
        numbers = [f"{row.false:.3f}", f"{row.found:.3f}"]
        shown = str(row.images_a_tag or "all")
        table.add_row(row.dataset, shown, f"{row.area:.3f}", row.hardest, f"{row.hardest_area:.3f}", *numbers)
    return table


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_option(parser)
    parser.add_argument(
        "--json", type=Path, default=CHECKOUT / ".vision" / "benchmarks" / "novelty.json", help="where the figures go"
    )
    parser.add_argument("--draws", type=int, default=3, help="draws of the training images in each row")
    parser.add_argument("--rounds", type=int, default=300, help="pairs of timed images")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 128)
    cache_dir = cache_folder()
    datasets = read_datasets(options.data, FeatureCache(cache_dir), console)
    if len(datasets) < 2:
        console.print("At least two datasets are needed.")
        return 1
    rows = [
        measure(dataset, [other for other in datasets if other is not dataset], images, options.draws)
        for dataset in datasets
        for images in IMAGES_A_TAG
    ]
    console.print(to_table(rows, options.draws))
    area = float(np.mean([row.area for row in rows]))
    console.print(f"mean area: {area:.3f} (at least {AREA_LEAST})")
    milliseconds, ratio = measure_ratio(datasets[0], cache_dir, options.rounds)
    console.print(f"time of an image, with the output and without: {ratio:.3f} (at most {RATIO_MOST}; {milliseconds:.1f} ms)")
    met = area >= AREA_LEAST and ratio <= RATIO_MOST
    options.json.parent.mkdir(parents=True, exist_ok=True)
    figures = {"rows": [asdict(row) for row in rows], "area": area, "ratio": ratio, "met": met}
    options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
