"""A large dataset of small files: its deployment, and `pulumi preview` without a change and with one image changed.

Draws the files, each different, deploys them with the real CLI to a local stack (Azurite and a real engine), and previews. The
memory is that of the CLI and of all processes that it starts, added up: what they share counts several times.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.figures import Figure, to_table
from benchmarks.preview import end_processes
from benchmarks.samples import drawn, write_drawn
from tests.stacks.project import Project

UNCHANGED_SECONDS = 10.0
CHANGED_SECONDS = 12.0
MEMORY_MEGABYTES = 500.0
_SETTLED_SECONDS = 2.5
"""Files that were written a shorter time ago are read again: the clock of the file system may not tell a change."""
_SAMPLE_SECONDS = 0.05
_DEPLOYMENT_SECONDS_MAX = 7200.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks registering", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000, help="images of the dataset (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="previews of each kind (default: %(default)s)")
    parser.add_argument("--boxes", action="store_true", help="a dataset for object detection, with a box per image")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory(prefix="vision-registering-") as work:
        figures = measure(Path(work) / "project", options.images, options.runs, boxes=options.boxes)
    console.print(to_table(figures, f"A dataset of {options.images:,} images: median (least–greatest)"))
    return 0 if all(figure.met for figure in figures) else 1


def measure(folder: Path, images: int, runs: int, *, boxes: bool = False) -> list[Figure]:
    """Deploy, preview, destroy. Leaves no process behind.

    Raises:
        AssertionError: the CLI failed, or a preview does not say what changed.
    """
    write_drawn(folder / "drawn", images, "drawn.json", boxes=boxes)
    kind = "imageObjectDetection" if boxes else "imageClassification"
    dataset = {"annotationKind": kind, "annotationFiles": ["drawn.json"], "source": "drawn"}
    project = Project.create(folder, {"platform": "local", "datasets": {"drawn": dataset}})
    time.sleep(_SETTLED_SECONDS)
    try:
        deployed = _Measured(project, "up", "--yes", "--stack", project.stack)
        unchanged = [_preview(project, "--expect-no-changes") for _ in range(runs)]
        changed = []
        for run in range(runs):
            (folder / "drawn" / "images" / f"{run:05d}.jpg").write_bytes(drawn(images + run))
            time.sleep(_SETTLED_SECONDS)
            preview = _preview(project, "--diff")
            assert _says(preview.output, run + 1, boxes=boxes), preview.output
            changed.append(preview)
        project.run("destroy", "--yes", "--stack", project.stack, timeout_seconds=_DEPLOYMENT_SECONDS_MAX).succeeded()
    finally:
        end_processes(folder)
    return [
        Figure("first deployment", "s", (deployed.seconds,), deployed.load),
        Figure("the same, images a second", "1/s", (images / deployed.seconds,), deployed.load),
        Figure("the same, greatest memory", "MB", (deployed.megabytes,), deployed.load),
        *_figures("preview without a change", unchanged, UNCHANGED_SECONDS),
        *_figures("preview with one more image changed", changed, CHANGED_SECONDS),
    ]


def _figures(name: str, previews: "Sequence[_Measured]", limit: float) -> list[Figure]:
    load = max(preview.load for preview in previews)
    return [
        Figure(name, "s", tuple(preview.seconds for preview in previews), load, limit=limit),
        Figure(
            "the same, greatest memory", "MB", tuple(preview.megabytes for preview in previews), load, limit=MEMORY_MEGABYTES
        ),
    ]


def _preview(project: Project, *options: str) -> "_Measured":
    return _Measured(project, "preview", "--stack", project.stack, *options)


def _says(output: str, changed: int, *, boxes: bool) -> bool:
    """Whether a preview reports exactly these images."""
    if boxes:
        return (
            f"{changed} image{'s' if changed > 1 else ''} added, {changed} image{'s' if changed > 1 else ''} removed" in output
        )
    lines = [line for line in output.splitlines() if " added to " in line or " removed from " in line]
    return sum(int(line.split(" image")[0].split()[-1]) for line in lines) == 2 * changed


class _Measured:
    """One call of the CLI that succeeds: seconds, and 10⁶ bytes of resident memory of all its processes at their greatest."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.load = os.getloadavg()[0]
        self.megabytes = 0.0
        started = time.monotonic()
        process = project.start(*arguments)
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=(process.pid, ended), daemon=True)
        watch.start()
        try:
            self.output, _ = process.communicate(timeout=_DEPLOYMENT_SECONDS_MAX)
        finally:
            ended.set()
            watch.join()
        self.seconds = time.monotonic() - started
        assert process.returncode == 0, self.output

    def _watch(self, pid: int, ended: threading.Event) -> None:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            while not ended.wait(_SAMPLE_SECONDS):
                total = 0
                for process in (root, *root.children(recursive=True)):
                    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                        total += process.memory_info().rss
                self.megabytes = max(self.megabytes, total / 1e6)
