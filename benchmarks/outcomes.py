"""Outcomes of many images: how long a page takes, a threshold, a comparison, and how much memory the engine needs for it.

Writes the outcomes of two made classifiers with 50 tags, and of a made detector, into the data folder of a real
`vision-engine serve`, as an evaluation does. Reads pages of 100 through its API with every filter, moves a threshold, and
compares the classifiers. One classifier's outcomes are also stored as older engines did, whose first threshold parses all rows.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console

from benchmarks.figures import Figure, percentile, to_table
from benchmarks.processes import running_engine
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.judging import ComparisonFilter
from vision_customization.contract.models import Artifact
from vision_customization.contract.outcomes import OUTCOMES_PAGE_MAX, OutcomeFilter
from vision_customization.customization.client.client import VisionClient
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import estimate_key
from vision_customization.engine.outcomes.classified import classified
from vision_customization.engine.outcomes.detected import detected
from vision_customization.engine.outcomes.outcomes import ImageName
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder, TrainingOutcome

TAGS = 50
_TAGS = tuple(f"tag {number}" for number in range(TAGS))
PAGE_LIMIT_MS = 50.0
FIRST_LIMIT_MS = 1000.0
FOLLOWING_LIMIT_MS = 100.0
GROWTH_LIMIT_MB = 150.0
_FILTERS: tuple[tuple[str, OutcomeFilter | None, bool], ...] = (
    ("all", None, False),
    *((only.value, only, False) for only in OutcomeFilter),
    ("one tag", None, True),
    ("missed, one tag", OutcomeFilter.MISSED, True),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks outcomes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000, help="images of the evaluation (default: %(default)s)")
    parser.add_argument("--pages", type=int, default=30, help="pages read per filter (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory(prefix="vision-outcomes-") as work:
        figures = measure(Path(work) / "engine", options.images, options.pages)
    console.print(to_table(figures, f"Outcomes of {options.images:,} images: median (least–greatest)"))
    return 0 if all(figure.met for figure in figures) else 1


def measure(data_dir: Path, images: int, pages: int) -> list[Figure]:
    figures: list[Figure] = []
    with running_engine(data_dir, "127.0.0.1:9") as engine:
        started = time.monotonic()
        key = _model(data_dir, "m")
        objects = FileObjects(data_dir / "objects")
        _write(objects, key, images, seed=0)
        figures.append(Figure("writing", "s", (time.monotonic() - started,), _load()))
        _write(objects, _model(data_dir, "n"), images, seed=1)
        _write_objects(objects, _model(data_dir, "d"), images)
        older = _model(data_dir, "older")
        _write(objects, older, images, seed=0)
        objects.delete(f"{older}/answers.npz")
        size = sum(len(objects.get(f"{key}/{name}")) for name in ("rows", "index.npz", "answers.npz"))
        figures.append(Figure("an image on disk", "bytes", (size / images,), _load()))
        process = psutil.Process(engine.process.pid)
        with engine.client() as client:
            client.get_model("m")
            before = process.memory_info().rss
            for name, only, of_tag in _FILTERS:
                tag = "tag 7" if of_tag else None
                seconds = _read(client, pages, only, tag)
                figures.append(Figure(f"a page of 100: {name}", "ms", tuple(seconds), _load(), PAGE_LIMIT_MS))
                figures.append(Figure(f"the same, p95: {name}", "ms", (percentile(seconds, 0.95),), _load()))
            client.get_confusion("m")  # the first call with a colon in its path writes the OpenAPI document
            figures += _asked(client, process, pages)
        growth = (process.memory_info().rss - before) / 1e6
        figures.append(Figure("memory of the API, growth", "MB", (growth,), _load(), GROWTH_LIMIT_MB))
    return figures


def _asked(client: VisionClient, engine: psutil.Process, times: int) -> list[Figure]:
    """The first and the following calls of each question, with pages of 100 images: how long they take, and how much processor
    time of the engine, which hardly depends on other work on the machine."""
    steps = iter(np.linspace(0.3, 0.95, 4 * times).tolist())
    only = cycle((OutcomeFilter.MISSED, OutcomeFilter.FALSE, OutcomeFilter.RIGHT))
    which = cycle(ComparisonFilter)
    questions: dict[str, tuple[Callable[[], object], float]] = {
        "threshold": (lambda: client.get_threshold("m", next(steps), only=next(only)), FIRST_LIMIT_MS),
        "threshold, a detector": (lambda: client.get_threshold("d", next(steps), only=next(only)), FIRST_LIMIT_MS),
        "threshold, older outcomes": (lambda: client.get_threshold("older", next(steps)), FIRST_LIMIT_MS),
        "a cell": (lambda: client.get_outcomes("m", label="tag 7", answer="tag 7"), FIRST_LIMIT_MS),
        "a cell, a detector": (lambda: client.get_outcomes("d", label="tag 7", unanswered=True), FIRST_LIMIT_MS),
        "calibration": (lambda: client.get_calibration("m"), FIRST_LIMIT_MS),
        "two models": (lambda: client.compare_models("m", "n", only=next(which)), FIRST_LIMIT_MS),
    }
    figures = []
    for name, (ask, limit) in questions.items():
        for which_calls, count, most in (("first call", 1, limit), ("following calls", times, FOLLOWING_LIMIT_MS)):
            before = sum(engine.cpu_times()[:2])
            taken = tuple(_milliseconds(ask) for _ in range(count))
            processor = 1000 * (sum(engine.cpu_times()[:2]) - before) / count
            figures.append(Figure(f"{name}: {which_calls}", "ms", taken, _load(), most))
            figures.append(Figure("the same, the engine's processor time", "ms", (processor,), _load()))
    return figures


def _milliseconds(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - started)


def _read(client: VisionClient, pages: int, only: OutcomeFilter | None, tag: str | None) -> list[float]:
    """Milliseconds of each page, at places spread over all."""
    count = client.get_outcomes("m", only=only, tag=tag, top=1).count
    taken = []
    for number in range(pages):
        skip = max(0, count - OUTCOMES_PAGE_MAX) * number // max(1, pages - 1)
        started = time.perf_counter()
        page = client.get_outcomes("m", only=only, tag=tag, skip=skip)
        taken.append(1000 * (time.perf_counter() - started))
        assert len(page.value) == min(count, OUTCOMES_PAGE_MAX)
    return taken


def _write(objects: FileObjects, key: str, images: int, *, seed: int) -> None:
    labels = np.random.default_rng(0).integers(0, TAGS, images)
    random = np.random.default_rng(seed)
    scores = random.normal(size=(images, TAGS)).astype(np.float32)
    scores[np.arange(images), labels] += 3
    shares = np.exp(2 * scores)
    shares /= shares.sum(axis=1, keepdims=True)
    names = _names(images)
    put_outcomes(objects, key, classified(names, labels, shares, _TAGS))


def _write_objects(objects: FileObjects, key: str, images: int) -> None:
    """Five objects per image: four are found, one is found as something else, and two answers are false."""
    random = np.random.default_rng(0)
    left = np.arange(7, dtype=np.float32) * 90
    corners = np.stack([left, np.zeros(7), left + 60, np.full(7, 60)], axis=1).astype(np.float32)
    truths, found = [], []
    for _ in range(images):
        labels = random.integers(0, TAGS, 7)
        truths.append(LabelledBoxes(corners[:5], labels[:5]))
        scores = np.sort(random.beta(4, 2, 7))[::-1].astype(np.float32)
        answers = labels.copy()
        answers[4] = (answers[4] + 1) % TAGS
        order = random.permutation(7)
        found.append(Detections(corners[order] + 4, answers[order], scores))
    put_outcomes(objects, key, detected(_names(images), [(640.0, 64.0)] * images, truths, found, _TAGS))


def _names(images: int) -> list[ImageName]:
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(images)]
    return [
        ImageName(f"https://account.blob.core.windows.net/training/images/{digest}.jpg", f"photos/IMG_{number}.jpg", digest)
        for number, digest in enumerate(digests)
    ]


def _model(data_dir: Path, name: str) -> str:
    """Register a model; returns the prefix of its outcomes."""
    order = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    outcome = TrainingOutcome(performance=None, cost_minutes=1, artifact=Artifact(digest="0" * 64, size_bytes=0))
    with closing(Store.open(Settings(data_dir=data_dir))) as store:
        store.models.import_trained(name, name, order, outcome)
    return estimate_key(name)


def _load() -> float:
    return os.getloadavg()[0]
