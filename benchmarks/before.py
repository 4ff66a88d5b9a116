"""The engine of this checkout against that of another, such as an older one, in the same run and in turns.

Both train the same images and answer the same calls. While one does so, the other sleeps. Each figure is a time or a size, of
which less is better, and its ratio is now to before.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console

from benchmarks.calls import while_training
from benchmarks.detector_speed import DETECTOR, draw_scenes, start_detector, steps_done, train_detector
from benchmarks.figures import Figure, compare, percentile
from benchmarks.load import closed_loop
from benchmarks.measured_engine import CONTAINER, FLOOD_CONNECTIONS, FLOOD_PASSES, MeasuredEngine, images_embedded
from benchmarks.processes import Script, asleep, running_engine
from benchmarks.samples import Samples, join, textile_sets

LIMIT = 1.05
CHANGED_SHARE = 0.01
CLIENTS = 32
PARTS = ("training", "analyze", "throughput", "flood", "detector")

_CALLED_IMAGES = 100
_WARM_UP_CALLS = 20


class Key(NamedTuple):
    """Of a measured value, of which less is better."""

    name: str
    unit: str


Values = dict[Key, float]


@dataclass(frozen=True)
class Turns:
    """How many turns each engine has, and how long they are."""

    rounds: int
    images_a_tag: int
    seconds: float


@dataclass
class Side:
    """One of the two engines, with what it has trained."""

    measured: MeasuredEngine
    sets: Sequence[Samples]
    busy: Samples
    seconds: float
    model: str = ""
    detector_images: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """The images to call with."""
        return self.sets[0].files[:_CALLED_IMAGES]

    def training(self, number: int) -> Values:
        """A training of images that it has not seen, and one with some of them changed."""
        samples = self.sets[number]
        engine = self.measured.engine
        cpu = engine.worker_cpu_seconds()
        _, wall = self.measured.train(f"first-{number}", samples)
        cpu = engine.worker_cpu_seconds() - cpu
        changed = samples.changed(CHANGED_SHARE, f"{CONTAINER}/changed{number}")
        model, again = self.measured.train(f"again-{number}", changed)
        self.model = model.name
        engine.wait_until_worker_rests()
        first = f"training {len(samples.images)} images"
        return {
            Key(f"{first}, PUT to succeeded", "s"): wall,
            Key(f"{first}, processor time", "s"): cpu,
            Key(f"retraining after {CHANGED_SHARE:.0%} changed, PUT to succeeded", "s"): again,
        }

    def analyze(self, _number: int) -> Values:
        self.measured.call(self.model, self.files[:_WARM_UP_CALLS])
        return _latencies("analyze", self.measured.call(self.model, self.files * FLOOD_PASSES))

    def while_training(self, number: int) -> Values:
        [busy, _] = while_training(
            "",
            self.measured.engine,
            self.measured.client,
            lambda: self.measured.call(self.model, self.files),
            start=lambda name: self.measured.client.create_model(name, training_dataset_name="busy"),
            done=images_embedded,
            rounds=1,
            prefix=f"busy-{number}",
        )
        return {Key("analyze p50 while a model trains", "ms"): median(busy.measured)}

    def throughput(self, _number: int) -> Values:
        requests = self.measured.requests(self.model, self.files)
        endpoint = self.measured.engine.endpoint
        closed_loop(endpoint, requests, clients=CLIENTS, seconds=1.0)
        answers = closed_loop(endpoint, requests, clients=CLIENTS, seconds=self.seconds)
        per_call = {Key(f"{CLIENTS} clients, milliseconds per call", "ms"): 1000 / answers.per_second}
        return per_call | _latencies(f"{CLIENTS} clients", answers.seconds)

    def flood(self, _number: int) -> Values:
        seconds = self.measured.call_flooded(self.model, self.files)
        return _latencies(f"analyze beside {FLOOD_CONNECTIONS:,} idle connections", seconds)

    def detector(self, _number: int) -> Values:
        self.measured.call(DETECTOR, self.detector_images[:_WARM_UP_CALLS])
        return _latencies("detector: analyze", self.measured.call(DETECTOR, self.detector_images * FLOOD_PASSES))

    def detector_while_training(self, number: int) -> Values:
        [busy, _] = while_training(
            "",
            self.measured.engine,
            self.measured.client,
            lambda: self.measured.call(DETECTOR, self.detector_images),
            start=lambda name: start_detector(self.measured.client, name),
            done=steps_done,
            rounds=1,
            prefix=f"detector-{number}",
        )
        return {Key("detector: p50 while another detector trains", "ms"): median(busy.measured)}

    def memory(self, _number: int) -> Values:
        return {
            Key("memory of a worker at its highest", "GB"): self.measured.engine.worker_peak_gigabytes(),
            Key("memory of the API at its highest", "GB"): self.measured.engine.api_peak_gigabytes(),
        }


def measure_before(work: Path, checkout: Path, parts: Sequence[str], turns: Turns, console: Console) -> list[Figure]:
    """The figures of `parts`, of the engine of this checkout and of that in the folder `checkout`.

    Raises:
        RuntimeError: an engine does not start, or a training fails.
    """
    sets = textile_sets(work / "blobs", CONTAINER, turns.rounds + 2, turns.images_a_tag)
    training_sets, busy = sets[: turns.rounds], join(sets[turns.rounds :])
    with ExitStack() as stack:
        blobs = stack.enter_context(Script("benchmarks.blobs", str(work / "blobs")))
        host = f"127.0.0.1:{blobs.ask(do='port')['port']}"
        engines = [
            stack.enter_context(running_engine(work / name, host, code))
            for name, code in (("now", None), ("before", checkout.resolve()))
        ]
        measured = [MeasuredEngine(engine, f"http://{host}", console) for engine in engines]
        now, before = (Side(each, training_sets, busy, turns.seconds) for each in measured)

        def take(*steps: Callable[[Side, int], Values], rounds: int = turns.rounds) -> list[Figure]:
            return [figure for step in steps for figure in in_turns(now, before, step, rounds, console)]

        take(_warm_up, rounds=1)
        figures: list[Figure] = []
        if set(parts) - {"detector"}:
            figures += take(Side.training)  # the others need what it trains
        if "analyze" in parts:
            figures += take(Side.analyze, Side.while_training)
        if "throughput" in parts:
            figures += take(Side.throughput)
        if "flood" in parts:
            figures += take(Side.flood)
        if "detector" in parts:
            images, url = draw_scenes(work / "blobs", f"http://{host}")

            def train(side: Side, _number: int) -> Values:
                side.detector_images = images
                train_detector(side.measured.client, DETECTOR, url)
                side.measured.engine.wait_until_worker_rests()
                return {}

            take(train, rounds=1)
            figures += take(Side.detector, Side.detector_while_training)
        return [*figures, *take(Side.memory, rounds=1)]


def in_turns(now: Side, before: Side, step: Callable[[Side, int], Values], rounds: int, console: Console) -> list[Figure]:
    """What a step measures of both. They swap places after each round; the one whose turn it is not sleeps."""
    pids = {id(side): side.measured.engine.process.pid for side in (now, before)}
    values: dict[int, list[Values]] = {id(now): [], id(before): []}
    with asleep(list(pids.values())) as awake:
        for number in range(rounds):
            for side in (now, before) if number % 2 == 0 else (before, now):
                console.print(f"{step.__name__.strip('_')} {number + 1} of {rounds}: {'now' if side is now else 'before'} …")
                with awake(pids[id(side)]):
                    values[id(side)].append(step(side, number))
    return to_figures(values[id(now)], values[id(before)], os.getloadavg()[0])


def to_figures(now: Sequence[Values], before: Sequence[Values], load: float) -> list[Figure]:
    """A figure for each key, from the values of each round."""
    return [
        compare(key.name, key.unit, [each[key] for each in now], [each[key] for each in before], load=load, limit=LIMIT)
        for key in now[0]
    ]


def _warm_up(side: Side, _number: int) -> Values:
    side.measured.warm_up(side.busy)
    side.measured.register("busy", side.busy)
    side.measured.engine.wait_until_worker_rests()
    return {}


def _latencies(name: str, seconds: Sequence[float]) -> Values:
    return {
        Key(f"{name} p50", "ms"): 1000 * median(seconds),
        Key(f"{name} p99", "ms"): 1000 * percentile(seconds, 0.99),
    }
