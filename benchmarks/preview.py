"""How long `pulumi preview` takes if nothing has changed, with the real CLI and a deployed stack."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from benchmarks.samples import write_drawn
from tests.stacks.project import Project

LIMIT_SECONDS = 3.0
STOP_SECONDS = 10.0


def measure_preview(work: Path, *, images: int, runs: int) -> list[Figure]:
    """Deploy a dataset of `images` images, preview without a change, destroy. Leaves no process behind.

    Raises:
        AssertionError: the CLI failed; the text is its output.
    """
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
        project.destroy().succeeded()
    finally:
        end_processes(folder)
    return [
        Figure(f"preview without changes, {images:,} images", "s", tuple(seconds), load, limit=LIMIT_SECONDS),
        Figure(f"first deployment of {images:,} images", "s", (deployed,), load),
    ]


def end_processes(folder: Path) -> None:
    """End the processes that still use `folder`: a failed deployment may have left its services running."""
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.pid != os.getpid() and any(str(folder) in part for part in process.cmdline()):
                process.terminate()
                left.append(process)
    for process in psutil.wait_procs(left, timeout=STOP_SECONDS)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _previews(project: Project, runs: int) -> Sequence[float]:
    seconds = []
    for _ in range(runs):
        started = time.monotonic()
        project.preview("--expect-no-changes").succeeded()
        seconds.append(time.monotonic() - started)
    return seconds
