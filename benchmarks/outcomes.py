"""Outcomes of many images: how long a page takes, and how much memory the engine needs for it.

Writes the outcomes of a made classifier with 50 tags into the data folder of a real `vision-engine serve`, as an evaluation
does, and reads pages of 100 through its API with every filter.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console

from benchmarks.figures import Figure, percentile, to_table
from benchmarks.processes import running_engine
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import Artifact
from vision_customization.contract.outcomes import OUTCOMES_PAGE_MAX, OutcomeFilter
from vision_customization.customization.client.client import VisionClient
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import estimate_key
from vision_customization.engine.outcomes.classified import classified
from vision_customization.engine.outcomes.outcomes import ImageName
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder, TrainingOutcome

TAGS = 50
PAGE_LIMIT_MS = 50.0
GROWTH_LIMIT_MB = 100.0
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
        key = _model(data_dir)
        objects = FileObjects(data_dir / "objects")
        _write(objects, key, images)
        figures.append(Figure("writing", "s", (time.monotonic() - started,), _load()))
        size = sum(len(objects.get(f"{key}/{name}")) for name in ("rows", "index.npz"))
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
        growth = (process.memory_info().rss - before) / 1e6
        figures.append(Figure("memory of the API, growth", "MB", (growth,), _load(), GROWTH_LIMIT_MB))
    return figures


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


def _write(objects: FileObjects, key: str, images: int) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, TAGS, images)
    scores = random.normal(size=(images, TAGS)).astype(np.float32)
    scores[np.arange(images), labels] += 3
    shares = np.exp(2 * scores)
    shares /= shares.sum(axis=1, keepdims=True)
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(images)]
    names = [
        ImageName(
            f"https://account.blob.core.windows.net/training/images/{digest}.jpg", f"tag-{label}/IMG_{number}.jpg", digest
        )
        for number, (digest, label) in enumerate(zip(digests, labels.tolist(), strict=True))
    ]
    tags = [f"tag {number}" for number in range(TAGS)]
    put_outcomes(objects, key, classified(names, labels, shares, tags))


def _model(data_dir: Path) -> str:
    """Register a model; returns the prefix of its outcomes."""
    order = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    outcome = TrainingOutcome(performance=None, cost_minutes=1, artifact=Artifact(digest="0" * 64, size_bytes=0))
    with closing(Store.open(Settings(data_dir=data_dir))) as store:
        store.models.import_trained("m", "m", order, outcome)
    return estimate_key("m")


def _load() -> float:
    return os.getloadavg()[0]
