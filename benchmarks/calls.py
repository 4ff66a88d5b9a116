"""Calls one after the other, by the project's own client: on an idle engine, and while it trains."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, compare
from benchmarks.processes import Engine
from vision_customization.contract.enums import ModelStatus
from vision_customization.contract.models import Model
from vision_customization.customization.client.client import VisionClient

_POLL_SECONDS = 0.1
_BEGUN_SECONDS_MAX = 900.0
_ENDED_SECONDS_MAX = 120.0


def call_seconds(client: VisionClient, model_name: str, files: Sequence[str]) -> list[float]:
    """Seconds of each analyze call."""
    seconds = []
    for data in [Path(file).read_bytes() for file in files]:
        started = time.perf_counter()
        client.analyze(model_name, data)
        seconds.append(time.perf_counter() - started)
    return seconds


def while_training(
    name: str,
    engine: Engine,
    client: VisionClient,
    call: Callable[[], list[float]],
    *,
    start: Callable[[str], object],
    done: Callable[[Model], int],
    rounds: int,
    limit: float | None = None,
    prefix: str = "busy",
) -> list[Figure]:
    """Calls on an idle and a busy engine, in turns. After each busy turn the training is cancelled.

    Args:
        name: name of the figure.
        prefix: of the trainings' names, which must be new.
        start: begins a training of this name.
        done: how much of its CPU-bound work a training has done.
    """
    idle, busy, shares = [], [], []
    for number in range(rounds):
        idle.append(1000 * median(call()))
        training = f"{prefix}-{number}"
        start(training)
        _wait_for_work(client, training, done)
        started, cpu = time.perf_counter(), engine.worker_cpu_seconds()
        busy.append(1000 * median(call()))
        shares.append((engine.worker_cpu_seconds() - cpu) / (time.perf_counter() - started))
        model = client.get_model(training)
        if model.status is not ModelStatus.TRAINING or not shares[-1]:
            raise RuntimeError(f"{training} should have trained all the time, but is {model.status}")
        client.cancel_model(training)
        client.wait_for_model(training, timeout_seconds=_ENDED_SECONDS_MAX, raise_on_failure=False)
        engine.wait_until_worker_rests()
    load = os.getloadavg()[0]
    return [
        compare(name, "ms", busy, idle, load=load, limit=limit),
        Figure("cores that the training had meanwhile", "", tuple(shares), load),
    ]


def _wait_for_work(client: VisionClient, name: str, done: Callable[[Model], int]) -> None:
    deadline = time.monotonic() + _BEGUN_SECONDS_MAX
    while time.monotonic() < deadline:
        model = client.get_model(name)
        if done(model) or model.status.final:
            return
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"{name} has done nothing after {_BEGUN_SECONDS_MAX:.0f} s")
