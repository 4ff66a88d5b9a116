"""What a training of very many images takes, extrapolated from small real ones: `python -m benchmarks scale`.

An engine with one worker of one thread trains few and many images, each for the first time, and then again under another name.
The second training reads and embeds nothing, so it takes what one worker must do. The difference is what all workers share.
Both grow with the number of images. That gives seconds per image, and from them times and costs of more images and workers.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from benchmarks.figures import Figure, number, to_table
from benchmarks.measured_engine import CONTAINER, MeasuredEngine
from benchmarks.options import CHECKOUT
from benchmarks.processes import Script, running_engine
from benchmarks.samples import Samples, textile_sets

IMAGES = 1_000_000
WORKERS = (1, 2, 4, 8, 16, 32, 64)
PRICE_PER_CORE_HOUR = 0.10
_TAGS = 3
"""Of the sample dataset."""


@dataclass(frozen=True)
class Measured:
    """Seconds of trainings of `few` and of `many` images, the first time and again, with one worker of one thread."""

    few: int
    many: int
    few_first_seconds: float
    many_first_seconds: float
    few_again_seconds: float
    many_again_seconds: float


@dataclass(frozen=True)
class Costs:
    """Seconds of a training: `shared` per image that workers share, `alone` per image in one worker, and `fixed` for each."""

    shared: float
    alone: float
    fixed: float

    def seconds(self, images: int, workers: int) -> float:
        """`fixed + images · (alone + shared / workers)`: Amdahl's law, for workers with a core each."""
        return self.fixed + images * (self.alone + self.shared / workers)


def costs_of(measured: Measured) -> Costs:
    """The seconds per image and per training, by the lines through few and many images.

    Raises:
        ValueError: a training of many images was not slower than one of few, or the second of the same images not faster.
    """
    more = measured.many - measured.few
    first = (measured.many_first_seconds - measured.few_first_seconds) / more
    again = (measured.many_again_seconds - measured.few_again_seconds) / more
    if not first > again > 0:
        raise ValueError(
            f"{1000 * first:.2f} ms per image the first time and {1000 * again:.2f} ms again cannot be extrapolated: the first "
            "must be greater, and both greater than 0. Measure more images, on a machine without "
            "other work: see --measured and --rounds."
        )
    return Costs(shared=first - again, alone=again, fixed=max(0.0, measured.few_again_seconds - measured.few * again))


def rows(costs: Costs, images: int, price: float) -> list[tuple[str, ...]]:
    """For each number of workers: hours, core hours and their price, of workers that all run until the end."""
    made = []
    for workers in WORKERS:
        hours = costs.seconds(images, workers) / 3600
        made.append((str(workers), number(hours), number(workers * hours), number(workers * hours * price)))
    return made


def markdown(costs: Costs, images: int, price: float) -> str:
    """The table of docs/scale.md."""
    lines = [f"| workers of one core | hours | core hours | cost at {price:g} per core hour |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows(costs, images, price))])


def measure(work: Path, images_a_tag: int, rounds: int, console: Console) -> tuple[Measured, list[Figure]]:
    """Train in `rounds`, each with images of its own. Everything is written below `work`."""
    few, many = max(1, images_a_tag // 5), images_a_tag
    sets = textile_sets(work / "blobs", CONTAINER, 1 + rounds, few + many)
    seconds: dict[str, list[float]] = {name: [] for name in ("few first", "many first", "few again", "many again")}
    with Script("benchmarks.blobs", str(work / "blobs")) as blobs:
        host = f"127.0.0.1:{blobs.ask(do='port')['port']}"
        with running_engine(work / "engine", host, threads="1") as engine:
            measured = MeasuredEngine(engine, f"http://{host}", console)
            measured.warm_up(sets[-1])
            for turn, samples in enumerate(sets[:rounds]):
                for size, part in zip(("few", "many"), _split(samples, few), strict=True):
                    for when in ("first", "again"):
                        console.print(f"round {turn + 1} of {rounds}: {len(part.images)} images, {when} …")
                        seconds[f"{size} {when}"].append(measured.train(f"{size}-{when}-{turn}", part)[1])
                        engine.wait_until_worker_rests()
    load = os.getloadavg()[0]
    sizes = {"few": _TAGS * few, "many": _TAGS * many}
    figures = [
        Figure(f"training {sizes[size]} images, {when}", "s", tuple(seconds[f"{size} {when}"]), load)
        for size in sizes
        for when in ("first", "again")
    ]
    middle = {f"{name.replace(' ', '_')}_seconds": median(each) for name, each in seconds.items()}
    return Measured(**sizes, **middle), figures


def _split(samples: Samples, few: int) -> tuple[Samples, Samples]:
    """The first `few` images of each tag, and the others."""
    chosen: dict[str, list[tuple[str, str, tuple[int, int]]]] = {}
    for image in samples.images:
        chosen.setdefault(image[1], []).append(image)
    heads = tuple(image for images in chosen.values() for image in images[:few])
    tails = tuple(image for images in chosen.values() for image in images[few:])
    return Samples(samples.root, heads), Samples(samples.root, tails)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=IMAGES, help="images to extrapolate to (default: %(default)s)")
    parser.add_argument(
        "--price", type=float, default=PRICE_PER_CORE_HOUR, help="price of a core for an hour (default: %(default)s)"
    )
    parser.add_argument(
        "--measured", type=int, default=100, help="images per tag of the larger training (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=2, help="trainings of each kind (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="use what was measured last")
    parser.add_argument(
        "--json",
        type=Path,
        default=CHECKOUT / ".vision" / "benchmarks" / "scale.json",
        help="file to write the measured seconds to, or to read with --again",
    )
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    if options.again:
        if not options.json.exists():
            parser.error(f"--again: {options.json} does not exist; run the benchmark without --again first")
        measured = Measured(**json.loads(options.json.read_text()))
    else:
        with tempfile.TemporaryDirectory(prefix="vision-scale-") as work:
            measured, figures = measure(Path(work), options.measured, options.rounds, console)
        console.print(to_table(figures, "One worker of one thread: median (least–greatest)"))
    try:
        costs = costs_of(measured)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if not options.again:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(asdict(measured), indent=1) + "\n")
    print(
        f"shared {1000 * costs.shared:.1f} ms per image; alone {1000 * costs.alone:.2f} ms per image; fixed {costs.fixed:.2f} s"
    )
    print(markdown(costs, options.images, options.price))
    return 0


if __name__ == "__main__":
    sys.exit(main())
