"""How long `pulumi preview` takes where nothing has changed: the real CLI, on a stack that has been deployed."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.samples import write_drawn
from tests.stacks.project import Project

LIMIT_SECONDS = 3.0


def measure_preview(work: Path, *, images: int, runs: int) -> list[Figure]:
    """Deploy a dataset of `images` images, preview without a change, destroy. Leaves no process behind."""
    folder = work / "project"
    write_drawn(folder / "drawn", images, "drawn.json")
    dataset = {"annotationKind": "imageClassification", "annotationFiles": ["drawn.json"], "source": "drawn"}
    project = Project.create(folder, {"platform": "local", "datasets": {"drawn": dataset}})
    try:
        started = time.monotonic()
        project.up().succeeded()
        deployed = time.monotonic() - started
        load = os.getloadavg()[0]
        seconds = _previews(project, runs)
    finally:
        project.destroy().succeeded()
    return [
        Figure(f"preview without changes, {images:,} images", "s", tuple(seconds), load, limit=LIMIT_SECONDS),
        Figure(f"first deployment of {images:,} images", "s", (deployed,), load),
    ]


def _previews(project: Project, runs: int) -> Sequence[float]:
    seconds = []
    for _ in range(runs):
        started = time.monotonic()
        project.preview("--expect-no-changes").succeeded()
        seconds.append(time.monotonic() - started)
    return seconds
