"""Speed, as ratios in one run: `python -m benchmarks speed`.

The real engine with its worker, on this machine's cores, against the bare work: decoding, and plain onnxruntime sessions.
Measured and bare runs take turns, because a machine is not equally busy all the time. Exits with 1 if a limit is missed.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median

from rich.console import Console

from benchmarks import before
from benchmarks.calls import while_training
from benchmarks.detector_speed import measure_detector
from benchmarks.figures import Figure, compare, percentile, to_table
from benchmarks.load import answer_seconds, closed_loop
from benchmarks.measured_engine import CONTAINER, FLOOD_CONNECTIONS, FLOOD_PASSES, MeasuredEngine, images_embedded
from benchmarks.options import CHECKOUT
from benchmarks.peers.comparison import Load, measure_peers
from benchmarks.preview import measure_preview
from benchmarks.processes import Engine, Script, running_engine
from benchmarks.samples import Samples, join, textile_sets
from toolchain.errors import ToolchainError
from vision_customization.contract.models import Model
from vision_customization.engine.settings import usable_cores

TRAINING_LIMIT = 1.25
RETRAINING_LIMIT = 0.10
CHANGED_SHARE = 0.01
ANALYZE_LIMIT = 1.3
TAIL_LIMIT = 3.0
WHILE_TRAINING_LIMIT = 2.0
CLIENTS = 32
PHOTO_WIDTH = 1024
IMAGES_LEAST = 20
"""Per tag, to compare servers: more images in all than calls in hand and features that the engine keeps."""
THROUGHPUT_LIMIT = 0.8
FLOOD_LIMIT = 3.0

WORKER_NICENESS = 19
"""Niceness of the engine's workers. The bare work has the same, because others may use this machine too."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rounds: int = 3
    images_a_tag: int = 100
    analyze_blocks: int = 8
    analyze_images: int = 100
    throughput_seconds: float = 4.0
    preview_images: int = 10_000
    preview_runs: int = 5


class Bench:
    """One engine and its samples, measured figure by figure."""

    def __init__(self, engine: Engine, blobs_url: str, sets: Sequence[Samples], sizes: Sizes, console: Console) -> None:
        self._measured = MeasuredEngine(engine, blobs_url, console)
        self._engine = engine
        self._sizes = sizes
        self._console = console
        self._threads = usable_cores()
        self._training_sets = sets[: sizes.rounds]
        self._busy_set = join(sets[sizes.rounds :])
        self._model = ""

    def training(self) -> list[Figure]:
        """First trainings, each with its own images and between two bare runs; then the same with some images changed."""
        walls, computes, cpus, bares, bare_cpus, again_walls, again_computes = ([] for _ in range(7))
        self._measured.warm_up(self._busy_set)
        with Script("benchmarks.bare", str(self._threads), str(WORKER_NICENESS)) as bare:
            bare.ask(do="embed", files=self._training_sets[0].files[:8])
            for number, samples in enumerate(self._training_sets):
                self._console.print(f"training {len(samples.images)} images, {number + 1} of {self._sizes.rounds} …")
                before = bare.ask(do="embed", files=samples.files)
                cpu = self._engine.worker_cpu_seconds()
                model, wall = self._measured.train(f"first-{number}", samples)
                cpus.append(self._engine.worker_cpu_seconds() - cpu)
                walls.append(wall)
                computes.append(_compute_seconds(model, embedded=len(samples.images)))
                changed = samples.changed(CHANGED_SHARE, f"{CONTAINER}/changed{number}")
                model, wall = self._measured.train(f"again-{number}", changed)
                again_walls.append(wall)
                again_computes.append(_compute_seconds(model, embedded=round(CHANGED_SHARE * len(samples.images))))
                self._model = model.name
                self._engine.wait_until_worker_rests()
                after = bare.ask(do="embed", files=samples.files)
                bares.append(mean((before["seconds"], after["seconds"])))
                bare_cpus.append(mean((before["cpuSeconds"], after["cpuSeconds"])))
        images, load = len(self._training_sets[0].images), os.getloadavg()[0]
        trained, retrained = f"training {images} images", f"retraining after {CHANGED_SHARE:.0%} changed"
        return [
            compare(f"{trained}, PUT to succeeded", "s", walls, bares, load=load, limit=TRAINING_LIMIT),
            compare(f"{trained}, computing", "s", computes, bares, load=load),
            compare(f"{trained}, processor time", "s", cpus, bare_cpus, load=load),
            compare(f"{retrained}, PUT to succeeded", "s", again_walls, walls, load=load, limit=RETRAINING_LIMIT),
            compare(f"{retrained}, computing", "s", again_computes, computes, load=load, limit=RETRAINING_LIMIT),
        ]

    def analyze(self) -> list[Figure]:
        """One call after the other, by the project's own client; first on an idle engine, then while it trains."""
        return self._analyze_idle() + self._analyze_while_training()

    def throughput(self) -> list[Figure]:
        """Many clients, against the faster of two ways to keep all cores busy without a service."""
        images = self._training_sets[0].files
        path = str(self._engine.model_file(self._model))
        requests = self._measured.requests(self._model, images)
        seconds = self._sizes.throughput_seconds
        served, bares = [], []
        with Script("benchmarks.bare", str(self._threads), "0") as bare:
            for number in range(-1, self._sizes.rounds):
                ways = [
                    bare.ask(do="throughput", model=path, files=images, loops=loops, threads=threads, seconds=seconds / 2)
                    for loops, threads in ((1, self._threads), (self._threads, 1))
                ]
                answered = closed_loop(self._engine.endpoint, requests, clients=CLIENTS, seconds=seconds).per_second
                if number >= 0:  # the first round warms up
                    bares.append(max(way["perSecond"] for way in ways))
                    served.append(answered)
        load = os.getloadavg()[0]
        return [
            compare(f"throughput, {CLIENTS} clients", "/s", served, bares, load=load, limit=THROUGHPUT_LIMIT, at_least=True)
        ]

    def flood(self) -> list[Figure]:
        """Calls with a key while thousands of connections without one do nothing, or nearly nothing."""
        images = self._training_sets[0].files[: self._sizes.analyze_images]
        idle, flooded = [], []
        for _ in range(self._sizes.rounds):
            idle += self._measured.call(self._model, images * FLOOD_PASSES)
            flooded += self._measured.call_flooded(self._model, images)
        load = os.getloadavg()[0]
        tail, idle_tail = (1000 * percentile(calls, 0.99) for calls in (flooded, idle))
        middle, idle_middle = (1000 * median(calls) for calls in (flooded, idle))
        beside = f"beside {FLOOD_CONNECTIONS:,} idle connections, to idle"
        return [
            compare(f"analyze p50 {beside}", "ms", [middle], [idle_middle], load=load),
            compare(f"analyze p99 of {len(idle)} calls {beside}", "ms", [tail], [idle_tail], load=load, limit=FLOOD_LIMIT),
        ]

    def _analyze_idle(self) -> list[Figure]:
        images = self._training_sets[0].files[: self._sizes.analyze_images]
        path = str(self._engine.model_file(self._model))
        requests = self._measured.requests(self._model, images)
        medians, thin, bares, every, every_bare = [], [], [], [], []
        with Script("benchmarks.bare", str(self._threads), "0") as bare:
            for number in range(-1, self._sizes.analyze_blocks):
                alone = bare.ask(do="analyze", model=path, files=images)["seconds"]
                served = self._measured.call(self._model, images)
                by_socket = answer_seconds(self._engine.endpoint, requests)
                if number < 0:
                    continue
                thin.append(1000 * median(by_socket))
                medians.append(1000 * median(served))
                bares.append(1000 * median(alone))
                every += served
                every_bare += alone
        whole, bare_whole = 1000 * median(every), 1000 * median(every_bare)
        tail, bare_tail = 1000 * percentile(every, 0.99), 1000 * percentile(every_bare, 0.99)
        load = os.getloadavg()[0]
        return [
            compare("analyze p50", "ms", medians, bares, load=load, limit=ANALYZE_LIMIT),
            compare("the same without the client's own work", "ms", thin, bares, load=load),
            compare(f"analyze p99 of {len(every)} calls, to p50", "ms", [tail], [whole], load=load, limit=TAIL_LIMIT),
            compare("bare p99, to p50", "ms", [bare_tail], [bare_whole], load=load),
        ]

    def _analyze_while_training(self) -> list[Figure]:
        """Each training continues with the images that the one before has not processed."""
        images = self._training_sets[0].files[: self._sizes.analyze_images]
        self._measured.register("busy", self._busy_set)
        return while_training(
            "analyze p50 while a model trains, to idle",
            self._engine,
            self._measured.client,
            lambda: self._measured.call(self._model, images),
            start=lambda name: self._measured.client.create_model(name, training_dataset_name="busy"),
            done=images_embedded,
            rounds=self._sizes.rounds,
            limit=WHILE_TRAINING_LIMIT,
        )


def _compute_seconds(model: Model, embedded: int) -> float:
    """Compute time of the training's steps. Checks that it embedded the expected number of images."""
    if model.training_progress is None or images_embedded(model) != embedded:
        raise RuntimeError(f"{model.name} should have embedded {embedded} images, but embedded {images_embedded(model)}")
    return model.training_progress.seconds


def measure(work: Path, parts: Sequence[str], sizes: Sizes, console: Console) -> list[Figure]:
    """All figures of `parts`; everything is written below `work`."""
    figures: list[Figure] = []
    if "detector" in parts:
        blobs = work / "detector-blobs"
        blobs.mkdir()
        with Script("benchmarks.blobs", str(blobs)) as server:
            host = f"127.0.0.1:{server.ask(do='port')['port']}"
            with running_engine(work / "detector-engine", host) as engine:
                blocks, rounds = sizes.analyze_blocks, sizes.rounds
                figures += measure_detector(engine, blobs, f"http://{host}", rounds=rounds, blocks=blocks, console=console)
    if {"training", "analyze", "throughput", "flood"} & set(parts):
        blobs = work / "blobs"
        sets = textile_sets(blobs, CONTAINER, sizes.rounds + 2, sizes.images_a_tag)
        with ExitStack() as stack:
            server = stack.enter_context(Script("benchmarks.blobs", str(blobs)))
            host = f"127.0.0.1:{server.ask(do='port')['port']}"
            engine = stack.enter_context(running_engine(work / "engine", host))
            bench = Bench(engine, f"http://{host}", sets, sizes, console)
            steps = {
                "training": bench.training,
                "analyze": bench.analyze,
                "throughput": bench.throughput,
                "flood": bench.flood,
            }
            for part, step in steps.items():
                if part in parts or part == "training":  # the others need what it trains
                    console.print(f"{part} …")
                    figures += step()
    if "preview" in parts:
        console.print("preview …")
        figures += measure_preview(work, images=sizes.preview_images, runs=sizes.preview_runs)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("training", "analyze", "throughput", "flood", "detector", "preview")
    parser.add_argument("--only", choices=parts, action="append", help="part to measure (default: all; may be repeated)")
    parser.add_argument("--rounds", type=int, default=Sizes.rounds, help="turns of measured and bare (default: %(default)s)")
    parser.add_argument("--images", type=int, default=Sizes.images_a_tag, help="images per tag (default: %(default)s)")
    seconds = "seconds of each turn of a closed loop of clients (default: %(default)s)"
    parser.add_argument("--seconds", type=float, default=Sizes.throughput_seconds, help=seconds)
    peers = "compare with LitServe and BentoML on the same exported file, and measure nothing else"
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--peers", action="store_true", help=peers)
    instead.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="compare with the engine of another checkout, such as an older one"
    )
    width = "with --peers: width of the photos that are sent, or 0 to send images of 250 pixels (default: %(default)s)"
    parser.add_argument("--width", type=int, default=PHOTO_WIDTH, metavar="PIXELS", help=width)
    parser.add_argument(
        "--json", type=Path, default=CHECKOUT / ".vision" / "benchmarks" / "speed.json", help="where the figures go"
    )
    options = parser.parse_args(arguments)
    if options.peers and options.only:
        parser.error("--peers compares all of it; leave out --only")
    if (options.peers or options.before) and options.images < IMAGES_LEAST:
        parser.error(f"--images must be at least {IMAGES_LEAST}, or an image comes again while an engine keeps its features")
    if options.before and not (options.before / "src" / "vision_customization").is_dir():
        parser.error(f"--before: {options.before} is not a checkout; `git worktree add FOLDER REVISION` makes one")
    if options.before and "preview" in (options.only or ()):
        parser.error(f"--before compares {', '.join(before.PARTS)}; a preview is not one of them")
    console = Console(width=None if sys.stdout.isatty() else 150)
    sizes = Sizes(rounds=options.rounds, images_a_tag=options.images, throughput_seconds=options.seconds)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    with tempfile.TemporaryDirectory(prefix="vision-speed-") as work:
        if options.peers:
            load = Load(options.rounds, options.seconds, options.images, options.width or None)
            try:
                figures = measure_peers(Path(work), load, console)
            except ToolchainError as error:
                print(f"The peers cannot be installed: {error}", file=sys.stderr)
                return 1
        elif options.before:
            turns = before.Turns(options.rounds, options.images, options.seconds)
            chosen = options.only or before.PARTS
            figures = before.measure_before(Path(work), options.before, chosen, turns, console)
        else:
            figures = measure(Path(work), options.only or parts, sizes, console)
    console.print(to_table(figures, f"Speed on {usable_cores()} cores: median (least–greatest)"))
    met = all(figure.met for figure in figures)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    report = {"taken": datetime.now(UTC).isoformat(timespec="seconds"), "cores": usable_cores(), "met": met}
    options.json.write_text(json.dumps({**report, "figures": [figure.to_json() for figure in figures]}, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
