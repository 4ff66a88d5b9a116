"""Accuracy, minutes and memory of detectors: `python -m benchmarks detection`.

Each training is a process of its own, which chooses the recipe as the engine does, learns from all training images and is
evaluated on the test images by COCO's definitions. `--few-shot` trains on a few images per tag instead, `--mosaics 3` on images
composed of 3 × 3 of the dataset's, with 1 and with 3 tiles. Exits with 1 if a goal is missed. A row takes minutes: select rows
by `--only` and `--seeds`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median

from rich.console import Console
from rich.table import Table

from benchmarks.figures import number
from benchmarks.options import CHECKOUT, add_data_option
from benchmarks.processes import Script
from vision_customization.contract.limits import TILES_MAX

PEAK_GIGABYTES_MAX = 3.0
SHOTS = (2, 3, 5, 10)
ALL = 0
MOSAICS_LEAST = 3
"""A dataset with fewer test images has no row of mosaics."""


@dataclass(frozen=True)
class Dataset:
    """`files` are the training files. The goals are minimum accuracy and maximum minutes; None without a goal."""

    name: str
    files: tuple[str, ...]
    ap50: float
    ap: float | None = None
    minutes: float | None = None


DATASETS = (
    Dataset("bccd", ("train.json", "val.json"), ap50=0.88, ap=0.57, minutes=10),
    Dataset("fork-scissors", ("train.json",), ap50=0.95, minutes=3),
    Dataset("groceries", ("train.json",), ap50=0.90, minutes=10),
    Dataset("produce", ("train.json",), ap50=0.90, minutes=3),
    Dataset("microcontrollers", ("train.json",), ap50=0.71, ap=0.58, minutes=10),
    Dataset("aquarium", ("train.json",), ap50=0.24, ap=0.13, minutes=10),
)


@dataclass(frozen=True)
class Trial:
    """One training: `ap50` and `ap` are COCO's, `map50` the contract's; `peak_gigabytes` of 10⁹ bytes."""

    seed: int
    images: int
    steps: int
    minutes: float
    peak_gigabytes: float
    ap50: float
    ap: float
    map50: float

    @property
    def told(self) -> str:
        return (
            f"seed {self.seed}: {self.steps} steps on {self.images} images in {self.minutes:.1f} minutes, "
            f"{self.peak_gigabytes:.2f} GB, AP50 {self.ap50:.3f}, AP {self.ap:.3f}"
        )


@dataclass(frozen=True)
class Row:
    """The trainings of one dataset with this many images per tag (0: all), as mosaics of `mosaic` × `mosaic` images. The goals
    apply to the means, and to the worst time and memory."""

    dataset: str
    images_a_tag: int
    mosaic: int
    tiles: int
    trials: tuple[Trial, ...]

    @property
    def goal(self) -> Dataset | None:
        """The goal of the row: only if it learns from all images, without mosaics."""
        if self.images_a_tag or self.mosaic > 1:
            return None
        return next(dataset for dataset in DATASETS if dataset.name == self.dataset)

    @property
    def met(self) -> bool:
        if max(trial.peak_gigabytes for trial in self.trials) > PEAK_GIGABYTES_MAX:
            return False
        goal = self.goal
        return goal is None or (
            mean(trial.ap50 for trial in self.trials) >= goal.ap50
            and mean(trial.ap for trial in self.trials) >= (goal.ap or 0)
            and max(trial.minutes for trial in self.trials) <= (goal.minutes or float("inf"))
        )


def count_images(file: Path) -> int:
    return len(json.loads(file.read_text())["images"])


def folder_of(name: str, data: Path) -> Path:
    return CHECKOUT / "examples" / "detection" if name == "groceries" else data / name


def run_trial(dataset: Dataset, folder: Path, images_a_tag: int, mosaic: int, tiles: int, seed: int) -> Trial:
    with Script("benchmarks.detector") as script:
        answer = script.ask(
            folder=str(folder), files=dataset.files, imagesATag=images_a_tag, mosaic=mosaic, tiles=tiles, seed=seed
        )
    return Trial(seed=seed, **answer)


def to_table(rows: Sequence[Row], title: str) -> Table:
    table = Table(title=title)
    columns = (
        "dataset",
        "images per tag",
        "tiles",
        "images",
        "steps",
        "AP50",
        "goal",
        "AP",
        "goal",
        "mAP@50",
        "minutes",
        "GB",
        "",
    )
    for column in columns:
        table.add_column(column, justify="left" if column in ("dataset", "") else "right")
    for row in rows:
        first, goal = row.trials[0], row.goal
        table.add_row(
            row.dataset + (f", {row.mosaic} × {row.mosaic}" if row.mosaic > 1 else ""),
            str(row.images_a_tag or "all"),
            str(row.tiles),
            f"{median(trial.images for trial in row.trials):.0f}",
            str(first.steps),
            _mean_and_range([trial.ap50 for trial in row.trials]),
            f"{goal.ap50:.2f}" if goal else "–",
            _mean_and_range([trial.ap for trial in row.trials]),
            f"{goal.ap:.2f}" if goal and goal.ap else "–",
            f"{mean(trial.map50 for trial in row.trials):.3f}",
            number(max(trial.minutes for trial in row.trials)) + (f" ≤ {goal.minutes:g}" if goal and goal.minutes else ""),
            f"{max(trial.peak_gigabytes for trial in row.trials):.2f}",
            "ok" if row.met else "MISSED",
        )
    return table


def _mean_and_range(values: Sequence[float]) -> str:
    return f"{mean(values):.3f} ({min(values):.3f}–{max(values):.3f})" if len(values) > 1 else f"{values[0]:.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks detection", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=[dataset.name for dataset in DATASETS], action="append", help="may be repeated")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--few-shot", action="store_true", help=f"learn from {', '.join(map(str, SHOTS))} images per tag")
    what.add_argument(
        "--mosaics",
        type=int,
        choices=range(2, TILES_MAX + 1),
        default=1,
        help="join N × N images into one, and compare tiles",
    )
    parser.add_argument("--seeds", type=int, default=3, help="trainings in each row (default: %(default)s)")
    add_data_option(parser)
    parser.add_argument("--json", type=Path, help="where the figures go (default: in .vision/benchmarks)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    rows: list[Row] = []
    for dataset in DATASETS:
        folder = folder_of(dataset.name, options.data)
        if options.only and dataset.name not in options.only:
            continue
        if missing := [file for file in (*dataset.files, "test.json") if not (folder / file).is_file()]:
            console.print(f"{dataset.name}: {folder / missing[0]} does not exist, left out")
            continue
        if count_images(folder / "test.json") < MOSAICS_LEAST * options.mosaics**2:
            console.print(f"{dataset.name}: too few test images for mosaics, left out")
            continue
        for images_a_tag, tiles in product(SHOTS if options.few_shot else (ALL,), sorted({1, options.mosaics})):
            trials = []
            for seed in range(options.seeds):
                trials.append(trial := run_trial(dataset, folder, images_a_tag, options.mosaics, tiles, seed))
                told = f"{images_a_tag or 'all'} images per tag, {tiles} tile{'s' * (tiles > 1)}"
                console.print(f"{dataset.name}, {told}, {trial.told}")
            rows.append(Row(dataset.name, images_a_tag, options.mosaics, tiles, tuple(trials)))
    kind = "few-shot" if options.few_shot else "mosaics" if options.mosaics > 1 else ""
    console.print(
        to_table(rows, f"Detectors, {kind or 'all training images'}: mean (least–greatest); minutes and gigabytes at worst")
    )
    met = bool(rows) and all(row.met for row in rows)
    target = options.json or CHECKOUT / ".vision" / "benchmarks" / f"detection{'-' * bool(kind)}{kind}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"rows": [{**asdict(row), "met": row.met} for row in rows], "met": met}, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
